//! The shell: draws the layout (rail, sidebar, deck of planks, dialogs, messages, status bar) and owns its intents.
//!
//! Everything in the slots comes from other plugins.

mod address;
mod deck;
mod overlays;
mod palette;
mod shell;

use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, Module, Node, OpenDialog, Plugin, PluginMeta, ROOT, Resolver, STARTUP,
    ToggleSidebar, layout_resolvers, role,
};
use dxos_surface::{DIALOG_PALETTE, DIALOG_PLUGINS, draws, draws_any};
use leptos::prelude::IntoAny;

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/layout";

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Layout",
        description: "The frame everything else is shown in.",
        icon: "sidebar-simple",
        tags: &["shell"],
        depends_on: &[],
        core: true,
        source: "plugins/dxos-plugin-layout",
    };
    let modules = vec![
        Module::new("intents", STARTUP, |_| {
            Ok(layout_resolvers()
                .into_iter()
                .map(|r| Resolver::CAPABILITY.of(r))
                .collect())
        }),
        Module::new("surfaces", STARTUP, |_| {
            Ok(vec![
                draws_any("layout/root", role::ROOT, |_| shell::root().into_any()),
                draws(
                    "layout/palette",
                    role::DIALOG,
                    0,
                    |data| data.name == DIALOG_PALETTE,
                    |_| palette::palette().into_any(),
                ),
                draws(
                    "layout/plugins",
                    role::DIALOG,
                    0,
                    |data| data.name == DIALOG_PLUGINS,
                    |_| overlays::plugins_dialog().into_any(),
                ),
            ])
        }),
        Module::new("actions", STARTUP, |_| {
            let source = ActionSource {
                id: "layout/actions",
                actions: Rc::new(|_, node| actions(node)),
            };
            Ok(vec![ActionSource::CAPABILITY.of(source)])
        }),
    ];
    Plugin { meta, modules }
}

fn actions(node: &Node) -> Vec<Action> {
    if node.id != ROOT {
        return Vec::new();
    }
    let open = |name: &'static str| {
        move |app: &dxos_app::App| {
            app.send(OpenDialog {
                name: name.into(),
                subject: String::new(),
            });
        }
    };
    vec![
        Action::new(
            "layout/palette",
            "Search or jump",
            "magnifying-glass",
            open(DIALOG_PALETTE),
        )
        .keys("mod+k"),
        Action::new(
            "layout/sidebar",
            "Show or hide sidebar",
            "sidebar-simple",
            |app| {
                app.send(ToggleSidebar {});
            },
        )
        .keys("mod+\\"),
        Action::new(
            "layout/plugins",
            "Plugins",
            "puzzle-piece",
            open(DIALOG_PLUGINS),
        ),
    ]
}
