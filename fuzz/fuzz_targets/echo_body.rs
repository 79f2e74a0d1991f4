//! Any bytes as the body of an entry, past its seal: the body of `dxos_echo::fuzz::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_echo::fuzz::body(bytes));
