//! Any bytes as a client's frame: the body of `dxos_services::fuzz::client_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_services::fuzz::client_frame(bytes));
