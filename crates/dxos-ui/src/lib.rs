//! Components and hooks of DXOS user interfaces: Leptos over `dxos-client`.
//!
//! Components draw what they are given and tell what the person did; they know no plugin and no layout.
//! Looks are classes only: tokens and rules stand in the app's CSS.
//!
//! Not here: surfaces and intents (`dxos-surface`, `dxos-app`), data (`dxos-client`).

#![deny(missing_docs)]

mod avatar;
mod button;
mod dialog;
mod digits;
mod editor;
mod field;
mod hooks;
mod icon;
mod menu;
mod platform;
mod qr;
mod states;
mod tags;
mod words;

pub use avatar::{Avatar, AvatarList, Person};
pub use button::{Button, ButtonKind, IconButton};
pub use dialog::Dialog;
pub use digits::Digits;
pub use editor::{TextEditor, focus_next_editor};
pub use field::{Field, Select};
pub use hooks::{
    ClientRef, Phase, provide_client, use_client, use_identity, use_invitations, use_phase,
    use_query, use_saving, use_space, use_status,
};
pub use icon::{ICONS, Icon};
pub use menu::{Menu, MenuItem};
pub use platform::{
    Visit, copy_text, delay, device_label, is_apple, load, location, now_ms, on_location, origin,
    platform_label, save, set_location, set_root_attribute,
};
pub use qr::QrCode;
pub use states::{EmptyState, Loading};
pub use tags::{TAG_CHARACTERS_MAX, TagField, normal_tag};
pub use words::{
    LinkFact, SaveFact, StatusWords, SyncFact, ago, initials, names, role_verb, role_word,
    status_words,
};
