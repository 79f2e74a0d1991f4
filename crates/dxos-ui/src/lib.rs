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
mod page;
mod platform;
mod qr;
mod reorder;
mod rows;
mod space;
mod states;
mod tags;
mod words;

pub use avatar::{Avatar, AvatarList, Person};
pub use button::{Button, ButtonKind, IconButton};
pub use dialog::{Dialog, is_typed_into, use_focus_back};
pub use digits::Digits;
pub use editor::{TextEditor, focus_next_editor};
pub use field::{Field, Select};
pub use hooks::{
    ClientRef, Phase, Trouble, provide_client, use_client, use_identity, use_invitations,
    use_members, use_people_at, use_phase, use_presence, use_saving, use_space, use_spaces,
    use_status, use_troubles,
};
pub use icon::{ICONS, Icon};
pub use menu::{Menu, MenuItem};
pub use page::{go_to_fragment, use_fragment, use_window};
pub use platform::{
    Visit, copy_text, delay, device_label, is_apple, load, location, now_ms, on_location, origin,
    platform_label, save, set_location, set_root_attribute, today, when,
};
pub use qr::QrCode;
pub use reorder::{Reorder, use_reorder};
pub use rows::{Row, Rows, use_count, use_object, use_query, use_views};
pub use space::SpaceRef;
pub use states::{EmptyState, Loading};
pub use tags::{TAG_CHARACTERS_MAX, TagField, normal_tag};
pub use words::{
    LinkFact, SaveFact, StatusWords, SyncFact, ago, device_to_settle, initials, names, role_verb,
    role_word, status_words,
};
