//! The panic boundary around the engine, per platform.
//!
//! Loro has unwrap sites that hostile bytes may reach. Natively a panic is caught and the instance dropped; in
//! browsers a panic traps the whole module, so the boundary there is the module's instance: a cell tells what was
//! being done, and the glue replaces the instance.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::guard;
#[cfg(target_arch = "wasm32")]
pub(crate) use web::{doing, guard};

/// What the engine is being asked, as the cell names it; numbers are part of the module's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
#[repr(u32)]
pub(crate) enum Doing {
    /// Nothing.
    Nothing = 0,
    /// Opening from stored bytes.
    Open = 1,
    /// A local change.
    Edit = 2,
    /// Bytes of another replica.
    Import = 3,
    /// Anything else.
    Other = 4,
}
