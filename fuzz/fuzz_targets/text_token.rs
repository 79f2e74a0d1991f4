//! Any bytes as a version token: the body of `dxos_text::fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_text::fuzz::token(bytes));
