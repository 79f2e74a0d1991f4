//! Brings the client in: who this is, how the node stands, on the net or off.
//!
//! Contributes the client itself, the first run, the person at the foot of the sidebar, the status bar's words, and the
//! actions that follow from them. Not here: spaces and their members (the space plugin).

mod panels;
mod person;

use std::cell::RefCell;
use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, App, Intent, Module, OpenDialog, Outcome, Plugin, PluginMeta, Resolution,
    Resolver, STARTUP, role,
};
use dxos_client::{Client, NetworkView};
use dxos_surface::{CLIENT, DIALOG_IDENTITY, draws, draws_any, failure};
use leptos::prelude::IntoAny;

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/client";

/// Cuts or restores all networking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOffline {
    /// True: no packet leaves or enters.
    pub offline: bool,
}

impl Intent for SetOffline {
    const ID: &'static str = "dxos.org/intent/client/set-offline";
    type Output = ();
}

/// The plugin, around the app's client.
pub fn plugin(client: Client) -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Client",
        description: "Who you are, and how your devices reach others.",
        icon: "plugs",
        tags: &["identity", "network"],
        depends_on: &[],
        core: true,
        source: "plugins/dxos-plugin-client",
    };
    let modules = vec![
        Module::new("client", STARTUP, {
            let client = client.clone();
            move |_| Ok(vec![CLIENT.of(client.clone())])
        }),
        Module::new("surfaces", STARTUP, |_| {
            Ok(vec![
                draws_any("client/hello", role::GATE, |_| panels::hello().into_any()),
                draws_any("client/person", role::PERSON, |_| {
                    person::person().into_any()
                }),
                draws_any("client/status", role::STATUS, |_| {
                    panels::status().into_any()
                }),
                draws(
                    "client/identity",
                    role::DIALOG,
                    0,
                    |data| data.name == DIALOG_IDENTITY,
                    |_| panels::identity().into_any(),
                ),
            ])
        }),
        Module::new("intents", STARTUP, {
            let client = client.clone();
            move |_| Ok(vec![set_offline(client.clone())])
        }),
        Module::new("actions", STARTUP, {
            let client = client.clone();
            move |_| Ok(vec![actions(client.clone())])
        }),
        Module::new("watch", STARTUP, move |context| {
            watch(&context.app, &client);
            Ok(Vec::new())
        }),
    ];
    Plugin { meta, modules }
}

fn set_offline(client: Client) -> dxos_app::Contribution {
    Resolver::CAPABILITY.of(Resolver::new(move |_, intent: SetOffline| {
        let client = client.clone();
        Resolution::later(async move {
            client
                .set_offline(intent.offline)
                .await
                .map(Outcome::of)
                .map_err(failure)
        })
    }))
}

fn network(client: &Client) -> Option<NetworkView> {
    client.status().map(|status| status.network)
}

fn actions(client: Client) -> dxos_app::Contribution {
    let list = move |_: &App, node: &dxos_app::Node| {
        if node.id != dxos_app::ROOT || client.status().is_none_or(|s| s.identity.is_none()) {
            return Vec::new();
        }
        let offline = network(&client) == Some(NetworkView::Off);
        let (label, icon) = if offline {
            ("Go online", "wifi-high")
        } else {
            ("Go offline", "wifi-slash")
        };
        vec![
            Action::new("client/offline", label, icon, move |app| {
                app.send(SetOffline { offline: !offline });
            }),
            Action::new("client/identity", "Show identity", "info", |app| {
                app.send(OpenDialog {
                    name: DIALOG_IDENTITY.into(),
                    subject: String::new(),
                });
            }),
        ]
    };
    ActionSource::CAPABILITY.of(ActionSource {
        id: "client/actions",
        actions: Rc::new(list),
    })
}

/// Tells of refusals, and keeps the actions true. Lives as long as the page.
fn watch(app: &App, client: &Client) {
    let known = RefCell::new((None, false));
    let target = app.clone();
    client
        .on_status(move |status| {
            let now = (Some(status.network), status.identity.is_some());
            if known.replace(now) != now {
                target.graph().invalidate(dxos_app::ROOT);
            }
        })
        .forget();
    let target = app.clone();
    client
        .on_refused(move |refused| target.show_error(&failure(refused.clone())))
        .forget();
}
