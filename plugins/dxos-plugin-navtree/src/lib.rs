//! Navigation, drawn from the graph: the rail of workspaces and the tree of the present one.
//!
//! Knows no kind of object: what stands in the tree and what can be done with it comes from other plugins.

mod rail;
mod tree;

use dxos_app::{Module, Plugin, PluginMeta, STARTUP, role};
use dxos_surface::draws_any;
use leptos::prelude::IntoAny;

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/navtree";

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Navigation",
        description: "Spaces at the edge, their contents beside.",
        icon: "sidebar-simple",
        tags: &["navigation"],
        depends_on: &[],
        core: true,
        source: "plugins/dxos-plugin-navtree",
    };
    let surfaces = Module::new("surfaces", STARTUP, |_| {
        Ok(vec![
            draws_any("navtree/rail", role::RAIL, |_| rail::rail().into_any()),
            draws_any("navtree/sidebar", role::SIDEBAR, |_| {
                tree::sidebar().into_any()
            }),
        ])
    });
    Plugin {
        meta,
        modules: vec![surfaces],
    }
}
