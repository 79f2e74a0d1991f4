//! Any bytes as a credential: the body of `dxos_halo::fuzz::credential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_halo::fuzz::credential(bytes));
