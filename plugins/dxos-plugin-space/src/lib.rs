//! Spaces: their nodes in the graph, making them, inviting to them, joining and leaving them.
//!
//! Not here: what is in a space (other plugins), how invitations work (the node).

mod create;
mod leave;
mod panels;

use std::cell::RefCell;
use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, App, CloseSidebar, Connector, Contribution, Graph, Intent, Module, Node,
    OpenDialog, Outcome, Plugin, PluginError, PluginMeta, ROOT, Resolution, Resolver, STARTUP,
    Subject, SwitchWorkspace, role,
};
use dxos_base::SpaceId;
use dxos_client::{Client, Role, SpaceLife, SpaceView};
use dxos_surface::{
    CLIENT, DIALOG_CREATE_SPACE, DIALOG_JOIN, DIALOG_SHARE, KIND_SPACE, draws, failure, space_path,
};
use leptos::prelude::IntoAny;

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/space";

/// Makes a space and goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSpace {
    /// Its name.
    pub name: String,
}

impl Intent for CreateSpace {
    const ID: &'static str = "dxos.org/intent/space/create";
    type Output = SpaceId;
}

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Spaces",
        description: "Places for work, alone or with others.",
        icon: "users",
        tags: &["sharing", "members"],
        depends_on: &["dxos.org/plugin/client"],
        core: true,
        source: "plugins/dxos-plugin-space",
    };
    let modules = vec![
        Module::new("graph", STARTUP, |context| graph(&context.app)),
        Module::new("intents", STARTUP, |context| {
            let client = context.app.capability(&CLIENT)?;
            Ok(vec![create_space((*client).clone())])
        }),
        Module::new("surfaces", STARTUP, |_| Ok(surfaces())),
        Module::new("link", STARTUP, |context| {
            follow_invitation_link(&context.app);
            Ok(Vec::new())
        }),
    ];
    Plugin { meta, modules }
}

fn surfaces() -> Vec<Contribution> {
    let named = |name: &'static str| move |data: &dxos_app::SurfaceData| data.name == name;
    vec![
        draws(
            "space/create",
            role::DIALOG,
            0,
            named(DIALOG_CREATE_SPACE),
            |_| create::dialog().into_any(),
        ),
        draws(
            "space/share",
            role::DIALOG,
            0,
            named(DIALOG_SHARE),
            |data| panels::share(data.subject).into_any(),
        ),
        leaving(leave::Way::Leave),
        leaving(leave::Way::DeleteForAll),
        leaving(leave::Way::RemoveHere),
        draws("space/join", role::DIALOG, 0, named(DIALOG_JOIN), |data| {
            panels::join(data.subject).into_any()
        }),
    ]
}

fn leaving(way: leave::Way) -> Contribution {
    let named = move |data: &dxos_app::SurfaceData| data.name == way.dialog();
    draws(way.dialog(), role::DIALOG, 0, named, move |data| {
        leave::dialog(way, data.subject).into_any()
    })
}

fn create_space(client: Client) -> Contribution {
    Resolver::CAPABILITY.of(Resolver::new(move |app: &App, intent: CreateSpace| {
        let (client, app) = (client.clone(), app.clone());
        Resolution::later(async move {
            let space = client.create_space(&intent.name).await.map_err(failure)?;
            app.send(SwitchWorkspace {
                subject: space_path(space),
            });
            // On a phone the drawer covers what was made.
            app.send(CloseSidebar {});
            Ok(Outcome::of(space))
        })
    }))
}

/// What of a space its node and actions follow from.
type Seen = Vec<(SpaceId, String, Role, SpaceLife)>;

fn seen(client: &Client) -> Seen {
    let status = client.status();
    let spaces = status.iter().flat_map(|status| &status.spaces);
    spaces
        .map(|space| {
            (
                space.space,
                space.name.clone(),
                space.role,
                space.life.clone(),
            )
        })
        .collect()
}

fn graph(app: &App) -> Result<Vec<Contribution>, PluginError> {
    let client = app.capability(&CLIENT)?;
    let last = RefCell::new(Seen::new());
    let (watcher, target) = (client.clone(), app.clone());
    let subscription = client.on_status(move |_| {
        let now = seen(&watcher);
        if last.replace(now.clone()) != now {
            target.graph().invalidate(ROOT);
        }
    });
    let source = client.clone();
    let connector = Connector {
        id: "space/spaces",
        matches: Rc::new(|node| node.id == ROOT),
        expand: Rc::new(move |_, _| {
            // The subscription lives as long as the connector is contributed.
            let _ = &subscription;
            let status = source.status();
            status
                .iter()
                .flat_map(|status| &status.spaces)
                .map(node)
                .collect()
        }),
    };
    let source = client.clone();
    let actions = ActionSource {
        id: "space/actions",
        actions: Rc::new(move |_, node| actions(&source, node)),
    };
    Ok(vec![
        Connector::CAPABILITY.of(connector),
        ActionSource::CAPABILITY.of(actions),
    ])
}

fn node(space: &SpaceView) -> Node {
    Node {
        id: space_path(space.space),
        kind: KIND_SPACE.into(),
        label: space.name.clone(),
        subject: Some(Subject {
            space: space.space,
            object: None,
        }),
        opens: false,
        ..Graph::root()
    }
}

fn open_dialog(name: &'static str, subject: String) -> impl Fn(&App) {
    move |app| {
        app.send(OpenDialog {
            name: name.into(),
            subject: subject.clone(),
        })
    }
}

fn actions(client: &Client, node: &Node) -> Vec<Action> {
    let Some(status) = client.status().filter(|status| status.identity.is_some()) else {
        return Vec::new();
    };
    if node.id == ROOT {
        return vec![
            Action::new(
                "space/create",
                "New space",
                "plus",
                open_dialog(DIALOG_CREATE_SPACE, String::new()),
            )
            .primary(),
            Action::new(
                "space/join",
                "Join a space",
                "sign-in",
                open_dialog(DIALOG_JOIN, String::new()),
            )
            .primary(),
        ];
    }
    let Some(subject) = node.subject else {
        return Vec::new();
    };
    let mut spaces = status.spaces.iter();
    let Some(space) = spaces.find(|space| space.space == subject.space) else {
        return Vec::new();
    };
    let may_invite = space.may_invite();
    let label = match (may_invite, subject.object) {
        (true, Some(_)) => "Share",
        (true, None) => "Share space",
        (false, Some(_)) => return Vec::new(),
        (false, None) => "Show members",
    };
    let share = open_dialog(DIALOG_SHARE, space_path(subject.space));
    let icon = if may_invite { "user-plus" } else { "users" };
    let mut actions = vec![Action::new("space/share", label, icon, share).primary()];
    if subject.object.is_none() {
        actions.extend(leave::actions(space));
    }
    actions
}

/// `/join#CODE`: the code is taken from the address, which then forgets it.
fn follow_invitation_link(app: &App) {
    if let Some(code) = dxos_shell::take_invitation("") {
        app.send(OpenDialog {
            name: DIALOG_JOIN.into(),
            subject: code,
        });
    }
}
