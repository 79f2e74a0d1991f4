//! L3: Loro behind dxos-echo's [`TextEngine`](dxos_echo::text::TextEngine).
//!
//! The one place of the project that knows the text CRDT. Natively a library; in browsers a WebAssembly module and
//! instance of its own (`wasm.rs`), fetched when the first text opens, so that it can be thrown away after a trap
//! and costs nothing to apps without text.
//!
//! Not here: who may write, storage of updates and snapshots, ordering between editors and the node.

#![deny(missing_docs)]

mod delta;
mod engine;
#[doc(hidden)]
pub mod fuzz;
mod platform;
mod prints;
mod token;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use engine::LoroEngine;
