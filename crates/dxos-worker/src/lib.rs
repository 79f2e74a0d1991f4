//! The node in a browser's dedicated worker.
//!
//! `worker-boot.js` takes the profile's Web Lock inside the worker, unwraps the profile key and makes one
//! `WorkerHost`; frames of tabs, links and timers come in as calls, effects go out as calls of the object it gives.
//! The text engine is another WASM module in the same worker, reached through [`text::RemoteText`].
//!
//! Not here: WebRTC (it lives on the window), the election of the worker (`js/`), any meaning (`dxos-node`).

#![deny(missing_docs)]

#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod platform;
pub mod text;

#[cfg(target_arch = "wasm32")]
pub use host::WorkerHost;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use platform::{JsTextModule, Outside};
