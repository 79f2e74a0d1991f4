//! Any bytes as an entry: the body of `dxos_echo::fuzz::entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_echo::fuzz::entry(bytes));
