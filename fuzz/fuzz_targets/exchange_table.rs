//! Any bytes as a table: the body of `dxos_exchange::fuzz::table`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_exchange::fuzz::table(bytes));
