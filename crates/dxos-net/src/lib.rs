//! Transports: WebSocket to the signal server, WebRTC data channels between browsers, memory for tests.
//!
//! Everything speaks by commands in and events out, so hosts feed a node from one loop. On every platform
//! [`SignalSocket`] has the same shape; `RtcBridge` is there in browsers only, on the window (workers have no
//! WebRTC).
//!
//! Invariants
//! * what is sent on a socket or link arrives whole and in order, or the socket or link closes: nothing is skipped;
//! * queues are bounded: who does not read is cut off;
//! * each socket and link tells its end exactly once, and nothing after it.
//!
//! Not here: when to connect and to whom (`dxos-node`), what is said (`dxos-mesh`).

#![deny(missing_docs)]

pub mod conformance;
pub mod memory;
mod platform;
mod socket;

pub use memory::MemoryTransport;
pub use platform::*;
pub use socket::{SOCKET_QUEUED_BYTES_MAX, SocketEvent};
