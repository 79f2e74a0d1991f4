//! The server driven by real WebSocket clients over loopback.

mod client;
mod meeting;
mod misuse;
