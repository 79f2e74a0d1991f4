//! Any bytes as a frame to or from the signal server, and as what peers seal into one: the body of `dxos_mesh::fuzz::signal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_mesh::fuzz::signal(bytes));
