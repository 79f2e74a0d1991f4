//! Any bytes as a message of a pairing, from either side, and as the offer inside one: the body of `dxos_halo::fuzz::pairing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_halo::fuzz::pairing(bytes));
