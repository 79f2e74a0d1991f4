//! What a mesh asks of transports and hears from them. A link carries whole messages of at most
//! [`LINK_MESSAGE_BYTES_MAX`](dxos_base::limits::LINK_MESSAGE_BYTES_MAX) bytes, in order and reliably, until it closes.

use serde::{Deserialize, Serialize};

/// Names a direct link within one node; chosen by the node, never reused in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// From the node to the transport that owns direct links (WebRTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkCommand {
    /// Begin a link. The initiator makes the offer; the other side waits for [`LinkCommand::Signal`].
    Open {
        /// New link.
        link: LinkId,
        /// Makes the offer.
        initiator: bool,
    },
    /// Hand over a message of the remote transport (offer, answer, candidate): opaque to the node.
    Signal {
        /// The link.
        link: LinkId,
        /// The transport's bytes.
        data: Vec<u8>,
    },
    /// Send one message.
    Send {
        /// The link.
        link: LinkId,
        /// At most [`LINK_MESSAGE_BYTES_MAX`](dxos_base::limits::LINK_MESSAGE_BYTES_MAX) bytes.
        message: Vec<u8>,
    },
    /// Close; answered by [`LinkEvent::Closed`] unless closed already.
    Close {
        /// The link.
        link: LinkId,
    },
}

/// From the transport to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkEvent {
    /// Bytes for the remote transport, to be carried by signalling.
    Signal {
        /// The link.
        link: LinkId,
        /// The transport's bytes.
        data: Vec<u8>,
    },
    /// The link carries messages now.
    Opened {
        /// The link.
        link: LinkId,
    },
    /// One message arrived.
    Message {
        /// The link.
        link: LinkId,
        /// The message.
        message: Vec<u8>,
    },
    /// The link ended or could not be made; its id is dead.
    Closed {
        /// The link.
        link: LinkId,
        /// In words, for logs.
        reason: String,
    },
}
