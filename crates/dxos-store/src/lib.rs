//! L3: SQLite storage (memory, file, OPFS) behind dxos-echo's [`Store`](dxos_echo::store::Store).
//!
//! The one place of the project where SQL stands. It knows no object format, no credential and no text engine:
//! bodies, entries and updates are bytes to it. Every adapter passes [`conformance`].
//!
//! Not here: the profile lock (the host holds it), secrets in the clear (the node seals them), clocks.

#![deny(missing_docs)]

mod blobs;
pub mod conformance;
mod error;
pub mod floor;
mod objects;
mod platform;
mod schema;
mod shapes;
mod sqlite;
mod tables;

#[cfg(target_arch = "wasm32")]
pub use platform::OpfsPool;
pub use schema::SCHEMA_VERSION;
pub use sqlite::SqliteStore;
