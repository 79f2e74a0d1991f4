//! Any bytes as the text of an invitation code: the body of `dxos_halo::fuzz::invitation_code`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_halo::fuzz::invitation_code(bytes));
