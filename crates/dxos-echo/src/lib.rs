//! ECHO: a replicated object store of last-writer-wins records, counters and collaborative texts, carried in
//! signed, sealed, per-device feeds.

#![deny(missing_docs)]

pub mod access;
mod aside;
mod batch;
pub mod blob_store;
pub mod blobs;
mod cascade;
pub mod change;
mod diff;
pub mod entry;
pub mod error;
mod feed;
mod forks;
mod fresh;
#[doc(hidden)]
pub mod fuzz;
mod history;
mod log;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod order;
mod plan;
mod planned;
pub mod query;
mod receive;
pub mod record;
mod reissue;
mod reserved;
mod revert;
mod seal;
mod sessions;
mod space;
pub mod store;
pub mod text;
mod texts;
mod typing;
mod verify;
mod view;

pub use access::{Access, Claim, Decision};
pub use cascade::ANCESTORS_MAX;
pub use entry::{EntryHeader, feed_id};
pub use error::EchoError;
pub use feed::WaitReason;
pub use forks::{Fork, Tip};
pub use log::LogEntry;
pub use query::Answer;
pub use receive::{Received, Refusal, RefusalReason};
pub use reissue::Reissued;
pub use revert::{Before, UndoStep, Undone};
pub use seal::{SealedEntry, Sealing};
pub use space::{FeedHead, IndexPolicy, Space, Touched, WriteContext};
pub use verify::Verified;
