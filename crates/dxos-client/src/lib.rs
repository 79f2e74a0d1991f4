//! The SDK: a person's program (UI, CLI, test) speaking the services protocol with a node.
//!
//! [`Client`] is single-threaded, cheap to clone and the same on every platform. It needs a channel of frames:
//! [`web::start`] gives one in a browser, [`native::open`] in a process. On `wasm32` no node, store or text engine is
//! linked.
//!
//! Not here: meaning of calls (`dxos-node`), widgets (`dxos-ui`).

#![deny(missing_docs)]

mod calls;
mod client;
mod listen;
mod optimistic;
mod platform;
mod promise;
mod queries;
mod session;
mod state;
mod texts;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use client::{Client, Connection};
pub use listen::Subscription;
pub use platform::random_client_id;
pub use queries::QueryRows;
pub use session::{TextSession, TextSink};

pub use dxos_base::{ObjectView, ObjectWrite, Query, Side, TextChange, TextDelta};
pub use dxos_services::*;

#[cfg(test)]
mod tests;
