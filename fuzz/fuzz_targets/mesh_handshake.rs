//! Any bytes as the first messages of a session, on either side: the body of `dxos_mesh::fuzz::handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_mesh::fuzz::handshake(bytes));
