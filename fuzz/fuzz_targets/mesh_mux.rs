//! Any bytes as packets of a session, each after its length in one byte: the body of `dxos_mesh::fuzz::mux`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_mesh::fuzz::mux(bytes));
