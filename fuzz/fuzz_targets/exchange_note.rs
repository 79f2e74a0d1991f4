//! Any bytes as a Markdown note: the body of `dxos_exchange::fuzz::note`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_exchange::fuzz::note(bytes));
