//! Draws the surfaces of `dxos-app` with Leptos, and gives views its layout, graph and intents as signals.
//!
//! Also what Composer's plugins agree on without importing each other: the client's capability, the shape of ids, and
//! how what they write can be undone.
//!
//! Not here: any look of its own; any surface.

#![deny(missing_docs)]

mod agreed;
mod app_ref;
mod hotkeys;
mod object_nodes;
mod slot;
mod steps;

pub use agreed::{
    CLIENT, COMPANION_HISTORY, DIALOG_CREATE_SPACE, DIALOG_DELETE_SPACE, DIALOG_IDENTITY,
    DIALOG_JOIN, DIALOG_LEAVE, DIALOG_PALETTE, DIALOG_PLUGINS, DIALOG_REMOVE_SPACE, DIALOG_SHARE,
    KIND_DOCUMENT, KIND_SPACE, failure, object_path, parse_path, space_path,
};
pub use app_ref::{AppRef, provide_app, use_app};
pub use hotkeys::{key_label, listen_hotkeys, menu_item, platform};
pub use object_nodes::{NodeKind, ObjectNodes};
pub use slot::{Draw, Slot, SlotList, draws, draws_any};
pub use steps::{
    Made, STEPS, Steps, Then, UNDO_SCOPE, ask_steps, note_step, quoted, refusal, write_step,
};
