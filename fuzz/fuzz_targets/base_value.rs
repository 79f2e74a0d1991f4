//! Any bytes as a value: the body of `dxos_base::fuzz::value`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_base::fuzz::value(bytes));
