//! Panels every DXOS app needs, and the frame of apps without plugins: opening, first run, identity, sharing, joining,
//! how a space stands.
//!
//! Panels take what they show and tell what the person did; none knows a plugin or a layout. Composer puts them into
//! its surfaces, TodoMVC and Tasks into [`Frame`].
//!
//! Not here: single controls (`dxos-ui`), what the panels ask for (`dxos-client`), looks (the page's CSS).

#![deny(missing_docs)]

mod frame;
mod hello;
mod identity;
mod info;
mod join;
mod later;
mod notices;
mod opening;
#[cfg(target_arch = "wasm32")]
mod page;
mod panels;
mod share;
mod space;
mod status;
mod words;

pub use frame::{Frame, Panel, ShellRef, use_shell};
pub use hello::Hello;
pub use identity::IdentityDialog;
pub use info::{AppInfo, provide_app_info, take_invitation, use_app_info};
pub use join::JoinDialog;
pub use notices::{Notices, UpdateButton};
pub use opening::Opening;
#[cfg(target_arch = "wasm32")]
pub use page::{mount, run, start_client};
pub use share::ShareDialog;
pub use space::{SpaceBar, choose_space};
pub use status::StatusLine;
