//! Any bytes as a message about blobs: the body of `dxos_node::fuzz::blob`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_node::fuzz::blob(bytes));
