//! Any bytes as a node's frame: the body of `dxos_services::fuzz::node_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_services::fuzz::node_frame(bytes));
