//! Data that comes and goes: archives of spaces, folders of Markdown notes, tables.
//!
//! Decoders are pure: bytes in, [`PlainObject`](dxos_base::PlainObject)s and a [`Report`] out. [`Put`] writes what they give
//! into a [`Space`](dxos_client::Space), [`all`] reads what there is. So everything here works natively and in browsers,
//! but what says otherwise.
//!
//! Invariants
//! * what is not taken, or taken in another form, stands in the report, by name and with the reason;
//! * an object is written whole or not at all, and one that is there already is never written over;
//! * the same source gives the same ids in the same space, so a second import makes nothing new;
//! * bytes from outside cause errors, never a panic, and cost no more than limits allow.
//!
//! Not here: blobs (attachments are named in the report), history.

#![deny(missing_docs)]

pub mod archive;
#[cfg(not(target_arch = "wasm32"))]
pub mod dxos_archive;
mod error;
mod fetch;
#[doc(hidden)]
pub mod fuzz;
pub mod markdown;
mod put;
mod report;
pub mod table;

pub use error::{ExchangeError, ReadError};
pub use fetch::{all, everything};
pub use put::{Progress, Put};
pub use report::{Effect, Note, Report};
