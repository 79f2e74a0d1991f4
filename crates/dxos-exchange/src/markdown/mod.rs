//! Folders of Markdown notes, in and out: front matter is fields, `[[links]]` are references, the rest is text.
//!
//! Invariants
//! * what was imported is exported byte for byte; what was changed since differs there and nowhere else;
//! * no copy of a file is kept: what is kept beside fields and text stands in docs/formats.md, 6.8.
//!
//! Files that are no notes are attachments: they cannot be kept yet, and the report names them.

#[cfg(not(target_arch = "wasm32"))]
mod disk;
mod export;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod form;
#[cfg(not(target_arch = "wasm32"))]
pub mod generate;
mod import;
mod links;
mod note;
mod yaml;

#[cfg(not(target_arch = "wasm32"))]
pub use disk::{Over, export_folder};
pub use export::export_notes;
#[cfg(not(target_arch = "wasm32"))]
pub use folder::import_folder;
pub use import::import_notes;
pub use note::{Note, TYPE, TYPE_NAME, note_id, read_note};
