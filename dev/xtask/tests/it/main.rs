//! The workspace keeps its own rules, and the setup script makes the right choices on every system.

#[cfg(unix)]
mod setup;
mod tidy;
