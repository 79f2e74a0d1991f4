//! What happens to a node and what it asks its host to do.

use dxos_base::{Entropy, Tick};
use dxos_echo::store::Store;
use dxos_echo::text::TextEngine;
use dxos_mesh::link::{LinkCommand, LinkEvent};

/// A channel to one client (a tab, a CLI, a test), named by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

/// What a call of the node may touch.
pub struct Context<'a> {
    /// The host's clock.
    pub now: Tick,
    /// The profile's storage.
    pub store: &'a mut dyn Store,
    /// The text engine.
    pub text: &'a mut dyn TextEngine,
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The time asked for by [`Node::wake_at`](crate::Node::wake_at) has come.
    Wake,
    /// A client connected.
    ChannelOpened(ChannelId),
    /// A client sent a frame of the services protocol.
    ChannelFrame(ChannelId, Vec<u8>),
    /// A client is gone.
    ChannelClosed(ChannelId),
    /// The connection to the signal server stands.
    SignalOpened,
    /// The signal server sent a frame.
    SignalFrame(Vec<u8>),
    /// The connection to the signal server ended or could not be made.
    SignalClosed,
    /// A direct link did something.
    Link(LinkEvent),
    /// Whether direct links can be made now (a window that owns WebRTC is there).
    DirectAvailable(bool),
}

/// Something the host must do; in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame to a client.
    ToChannel(ChannelId, Vec<u8>),
    /// Close a client's channel after what was sent.
    CloseChannel(ChannelId),
    /// Connect to the signal server; answer with `SignalOpened` or `SignalClosed`.
    SignalConnect,
    /// Close the connection to the signal server.
    SignalClose,
    /// Send a frame to the signal server.
    SignalSend(Vec<u8>),
    /// For the transport of direct links.
    Link(LinkCommand),
}

/// What the host knows when it opens a node.
#[derive(Clone)]
pub struct NodeConfig {
    /// Key under which this profile's secrets are stored; unwrapped by the host at start.
    pub profile_key: [u8; 32],
    /// Marker kept outside the database; a copy or an old backup of the profile has another one.
    pub instance_marker: [u8; 16],
}
