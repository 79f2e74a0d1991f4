//! The server driven by real WebSocket clients over loopback.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod client;
mod meeting;
mod misuse;
