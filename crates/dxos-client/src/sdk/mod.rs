//! The typed SDK: what programs use. Objects as Rust values, queries over them, spaces, identity, types.
//!
//! Everything here stands on the calls, writes and subscriptions of [`Client`](crate::Client) and adds no state but
//! the registry of types; both can be used side by side.

mod blobs;
mod config;
mod error;
mod halo;
mod handle;
mod history;
mod invitation;
mod properties;
mod queue;
mod rows;
mod space;
mod spaces;
mod types;
mod view;
mod watch;

pub use blobs::{BlobReader, BlobSource};
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use halo::Halo;
pub use handle::{ObjectHandle, PropertyWatch};
pub use history::UndoLabels;
pub use invitation::Invitation;
pub use properties::{Properties, SpaceProperties};
pub use queue::{Messages, Queue, QueueCursor, QueueWindow};
pub use rows::{Asked, Diff, Found, Rows, Wanted};
pub use space::{Flush, Space};
pub use spaces::Spaces;
pub use types::Types;
#[cfg(any(feature = "json", not(target_arch = "wasm32")))]
pub use view::ViewQueryError;
pub use view::{View, ViewField};
pub use watch::Watch;
