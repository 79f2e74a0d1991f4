//! MESH: signalling, secure sessions, streams, presence.
//!
//! Pure state machines and codecs: bytes, time and randomness come in as arguments, bytes and events go out.
//!
//! Not here: sockets and WebRTC (`dxos-net`), who may read a space (`dxos-halo`), what is replicated (`dxos-echo`),
//! which peers a node connects to (`dxos-node`).

#![deny(missing_docs)]

pub mod backoff;
#[doc(hidden)]
pub mod fuzz;
pub mod link;
mod mux;
pub mod presence;
pub mod relay;
pub mod seal;
pub mod session;
pub mod signal;
pub mod swarm;
#[cfg(test)]
mod testing;

pub use backoff::Backoff;
pub use link::{LinkCommand, LinkEvent, LinkId};
pub use presence::{PresenceChange, PresenceError, PresenceMessage, PresenceTable};
pub use relay::{RelayFrame, RelayKind};
pub use seal::{PeerSignal, PeerSignalBody, SignalSeal};
pub use session::{Flow, Role, Session, SessionError, SessionEvent, StreamError, StreamId};
pub use signal::{ClientSignal, ServerSignal, SignalRefusal, Topic, TopicPeer};
