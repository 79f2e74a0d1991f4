//! L5: the signal server and the relay, as one axum router.
//!
//! Peers join topics, learn of others, and exchange sealed offers and candidates; where no direct link
//! comes up, sealed session messages pass through. The server stores nothing and can read nothing.
//!
//! Invariants
//! * every queue is bounded in bytes; who does not read is closed, never buffered for without end;
//! * a frame of one connection, however wrong, ends at most that connection;
//! * what is relayed is counted, so "the server relayed nothing" is a number and not a belief.
//!
//! Not here: static pages and the port (`apps/dx`), meaning of what is carried (`dxos-mesh`).

#![deny(missing_docs)]

mod connection;
mod hub;
mod server;
mod stats;
mod tap;

pub use server::{Edge, EdgeConfig};
pub use stats::StatsView;
pub use tap::{Direction, Tap};
