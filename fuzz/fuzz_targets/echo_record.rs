//! Any bytes as a stored record: the body of `dxos_echo::fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_echo::fuzz::record(bytes));
