//! The one place that tells platforms apart.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub use native::SignalSocket;
#[cfg(target_arch = "wasm32")]
pub use web::{IceServer, LinkStats, RtcBridge, SignalSocket};
