//! Any bytes as a space archive of the original: the body of `dxos_exchange::fuzz::dxos_archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_exchange::fuzz::dxos_archive(bytes));
