//! Any bytes as a relayed frame: the body of `dxos_mesh::fuzz::relay`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_mesh::fuzz::relay(bytes));
