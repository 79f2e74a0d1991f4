//! Any bytes as a message of replication: the body of `dxos_node::fuzz::replicate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_node::fuzz::replicate(bytes));
