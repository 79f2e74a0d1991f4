//! Transports against their conformance suites, natively.

#![cfg(not(target_arch = "wasm32"))]

mod memory;
mod server;
mod socket;
