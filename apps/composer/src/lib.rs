//! Composer: the knowledge workspace. This crate is the list of its plugins and the page that starts them.
//!
//! Not here: any feature; each is a plugin.

#[cfg(target_arch = "wasm32")]
mod page;
mod plugins;

pub use plugins::plugins;
