//! Framework core of DXOS applications: plugins, capabilities, surfaces, intents, graph and layout.
//!
//! Plain Rust without DOM and without client: plugin logic runs natively, and the layout can be asserted as text.
//! What a surface looks like is an opaque value here; `dxos-surface` draws it.
//!
//! Not here: components (`dxos-ui`), drawing (`dxos-surface`), data (`dxos-client`, handed in by a plugin as a capability).

#![deny(missing_docs)]

mod app;
mod capability;
mod graph;
mod intent;
mod keys;
mod layout;
mod observe;
mod plugin;
mod surface;
mod text;

pub use app::{App, LocalFuture, Spawn};
pub use capability::{Capability, Contribution, Origin};
pub use graph::{
    Action, ActionSource, ActionView, Connector, Graph, ICON_NONE, Node, NodeView, Of, ROOT,
    Subject,
};
pub use intent::{Intent, IntentError, Outcome, Resolution, Resolver, Undo};
pub use keys::{Chord, Platform};
pub use layout::{
    Attend, Beside, CloseCompanion, CloseDialog, ClosePlank, CloseSidebar, Dialog, HideToast,
    Layout, NewToast, Open, OpenDialog, OpenSidebar, Sidebar, SwitchWorkspace, Toast,
    ToggleCompanion, ToggleSidebar, Tone, layout_resolvers,
};
pub use observe::{Listeners, Observation};
pub use plugin::{
    ActivationEvent, Module, ModuleContext, Plugin, PluginError, PluginMeta, PluginStatus, STARTUP,
};
pub use surface::{RoleName, SURFACES, Surface, SurfaceData, role};
