//! The SDK: a person's program (UI, CLI, test) speaking the services protocol with a node.
//!
//! [`Client`] is single-threaded, cheap to clone and the same on every platform. It needs a channel of frames:
//! [`web::start`] gives one in a browser, [`native::open`] in a process. On `wasm32` no node, store or text engine is
//! linked.
//!
//! On it stands the typed SDK: [`Client::open`], [`Space`], [`ObjectHandle`], `#[derive(Object)]`. Natively, [`testing`] has
//! several connected peers in one process, for tests of apps.
//!
//! Not here: meaning of calls (`dxos-node`), widgets (`dxos-ui`).

#![deny(missing_docs)]

mod calls;
mod client;
mod listen;
mod optimistic;
mod platform;
mod promise;
mod queries;
mod sdk;
mod session;
mod state;
mod texts;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use client::{Client, Connection};
pub use listen::Subscription;
pub use platform::random_client_id;
pub use queries::QueryRows;
#[cfg(any(feature = "json", not(target_arch = "wasm32")))]
pub use sdk::ViewQueryError;
pub use sdk::{
    Asked, BlobReader, BlobSource, Config, Diff, Error, ErrorKind, Flush, Found, Halo, Invitation,
    Messages, ObjectHandle, Properties, PropertyWatch, Queue, QueueCursor, QueueWindow, Rows,
    Space, SpaceProperties, Spaces, Types, UndoLabels, Wanted, Watch,
};
pub use sdk::{View, ViewField};
pub use session::{TextSession, TextSink};

pub use dxos_base::typed::{
    Bytes, Counter, Field, GeoPoint, Object, Ref, Text, Timestamp, TypedQuery, Untyped,
};
pub use dxos_base::{BlobId, BlobRef, ObjectId, SpaceId, Value};
pub use dxos_base::{query, schema, typed};
pub use dxos_macros::Object;

pub use dxos_base::{ObjectView, ObjectWrite, Query, Side, TextChange, TextDelta};
pub use dxos_services::*;

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingGuide;
