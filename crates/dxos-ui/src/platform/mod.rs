//! What differs between a page and native tests: the editor's JavaScript, clipboard, storage, clock.
//!
//! Natively nothing is drawn; the stand-ins let the same code be checked and its logic tested.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{Editor, on_page_end, provide_icons, set_fragment};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    copy_text, delay, device_label, is_apple, load, location, now_ms, on_location, origin,
    platform_label, save, set_location, set_root_attribute, today, when,
};
#[cfg(target_arch = "wasm32")]
pub(crate) use web::{Editor, on_page_end, provide_icons, set_fragment};
#[cfg(target_arch = "wasm32")]
pub use web::{
    copy_text, delay, device_label, is_apple, load, location, now_ms, on_location, origin,
    platform_label, save, set_location, set_root_attribute, today, when,
};

use dxos_base::TextDelta;
use std::rc::Rc;

/// What the editor tells.
pub(crate) struct EditorEvents {
    /// The person changed the text.
    pub change: Rc<dyn Fn(TextDelta)>,
    /// Selection and whether the editor has the focus.
    pub select: Rc<dyn Fn(u32, u32, Focus)>,
    /// Words counted.
    pub words: Rc<dyn Fn(u32)>,
}

/// Whether the editor has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    /// It has.
    Here,
    /// It has not.
    Elsewhere,
}

/// How an address is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// As a place of its own.
    New,
    /// Instead of the present one.
    Same,
}
