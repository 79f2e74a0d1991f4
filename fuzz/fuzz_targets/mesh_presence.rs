//! Any bytes as a presence message: the body of `dxos_mesh::fuzz::presence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_mesh::fuzz::presence(bytes));
