//! The services protocol: what the UI, the SDK, the CLI and tests speak with a node.
//!
//! One ordered, reliable channel of frames (a `MessagePort`, an in-process channel, a local socket). A frame is one
//! canonical encoding of [`ClientFrame`] or [`NodeFrame`]. Writes carry (client id, n): the node stores the last n
//! per client in the same transaction and answers repeats from it, so a client may resend after a takeover.
//!
//! Not here: transports of frames (`dxos-client`, `dxos-worker`), any meaning (`dxos-node`).

#![deny(missing_docs)]

mod blobs;
mod calls;
#[doc(hidden)]
pub mod fuzz;
mod queries;
mod views;

pub use blobs::*;
pub use calls::*;
pub use queries::*;
pub use views::*;

#[cfg(test)]
mod tests;
