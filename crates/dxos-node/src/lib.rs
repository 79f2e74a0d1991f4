//! The node: HALO, ECHO and MESH composed into one state machine.

mod event;

pub use event::{ChannelId, Context, Effect, Event, NodeConfig};
