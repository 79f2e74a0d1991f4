//! Any bytes as what the profile keeps: the body of `dxos_halo::fuzz::stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_halo::fuzz::stored(bytes));
