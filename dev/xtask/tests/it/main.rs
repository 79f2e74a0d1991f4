//! The workspace keeps its own rules, and the setup script makes the right choices on every system.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

#[cfg(unix)]
mod setup;
mod tidy;
