//! Any bytes as a message of gossip, and as the place inside one: the body of `dxos_node::fuzz::gossip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dxos_node::fuzz::gossip(bytes));
