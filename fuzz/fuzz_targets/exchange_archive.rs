//! Any bytes as an open archive: the body of `dxos_exchange::fuzz::archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_exchange::fuzz::archive(bytes));
