//! What a socket to the signal server tells, the same on all platforms.

/// Bytes that may wait to be sent on a socket; above, it closes.
pub const SOCKET_QUEUED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What happened to a socket, in order: `Opened` at most once, frames, `Closed` exactly once as the last (unless the
/// socket was dropped before).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEvent {
    /// The connection stands.
    Opened,
    /// A frame arrived; at most [`SIGNAL_FRAME_BYTES_MAX`](dxos_base::limits::SIGNAL_FRAME_BYTES_MAX) bytes.
    Frame(Vec<u8>),
    /// It ended or could not be made.
    Closed {
        /// In words, for logs.
        reason: String,
    },
}
