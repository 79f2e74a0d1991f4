//! Transports against their conformance suites, natively.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    reason = "tests may; clippy knows only their outermost functions"
)]

mod memory;
mod server;
mod socket;
