//! The node: HALO, ECHO and MESH composed into one state machine.
//!
//! [`Node::handle`] takes one [`Event`] and pushes [`Effect`]s; time, storage, text engine and randomness come with
//! each call in a [`Context`]. No I/O, no clock, no thread, no randomness of its own: `dev/dxos-sim` drives exactly
//! this machine.

#![deny(missing_docs)]

mod blobs;
mod clients;
mod editing;
mod event;
mod failure;
mod forks;
#[doc(hidden)]
pub mod fuzz;
mod greeting;
mod invitations;
mod leaving;
mod life;
mod live;
mod node;
mod peers;
mod presence;
mod progress;
mod replicate;
mod space;
mod status;
mod texts;
mod undo;
mod verify;
mod wants;
mod wire;

pub use event::{ChannelId, Context, Effect, Event, NodeConfig};
pub use node::{Heard, Node, NodeError};
