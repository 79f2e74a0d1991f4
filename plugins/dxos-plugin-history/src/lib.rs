//! What was done, and taking it back: undo and redo by keys and menus, and the history of an object beside it.
//!
//! Not here: which writes are steps (the plugins that make them, by `dxos_surface::write_step`), the undo of an editor (the
//! editor), what the node keeps.

mod compare;
mod diff;
mod later;
mod list;
mod panel;
mod restore;
mod shown;
mod timeline;
mod undo;
mod words;

use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, App, Contribution, Module, Node, Plugin, PluginError, PluginMeta,
    Resolver, STARTUP, ToggleCompanion, role,
};
use dxos_surface::{CLIENT, COMPANION_HISTORY, KIND_SPACE, STEPS, Steps, draws};

pub use restore::RestoreObject;
pub use undo::{RedoStep, UndoStep};

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/history";

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "History",
        description: "Undo, and everything as it was before.",
        icon: "clock-counter-clockwise",
        tags: &["undo", "restore", "versions"],
        depends_on: &["dxos.org/plugin/client", "dxos.org/plugin/space"],
        core: false,
        source: "plugins/dxos-plugin-history",
    };
    let modules = vec![
        Module::new("undo", STARTUP, |context| contributions(&context.app)),
        Module::new("surfaces", STARTUP, |_| {
            Ok(vec![draws(
                "history/companion",
                role::COMPANION,
                0,
                |data| data.name == COMPANION_HISTORY,
                |data| later::panel(data.subject),
            )])
        }),
    ];
    Plugin { meta, modules }
}

fn contributions(app: &App) -> Result<Vec<Contribution>, PluginError> {
    let client = app.capability(&CLIENT)?;
    let steps = Steps::default();
    let resolvers = [
        undo::undo(&client, &steps),
        undo::redo(&client, &steps),
        restore::resolver(&client),
    ];
    let known = steps.clone();
    let source = ActionSource {
        id: "history/actions",
        actions: Rc::new(move |app, node| {
            if let Some(subject) = node.subject.filter(|_| node.kind == KIND_SPACE) {
                undo::ask_once(app, &client, &known, subject.space);
            }
            let mut actions = undo::actions(&known, node);
            actions.extend(show(node));
            actions
        }),
    };
    let mut out: Vec<Contribution> = resolvers
        .into_iter()
        .map(|resolver| Resolver::CAPABILITY.of(resolver))
        .collect();
    out.push(STEPS.of(steps));
    out.push(ActionSource::CAPABILITY.of(source));
    Ok(out)
}

/// Shows the history of an object.
fn show(node: &Node) -> Option<Action> {
    node.subject?.object?;
    let subject = node.id.clone();
    let toggle = move |app: &App| {
        app.send(ToggleCompanion {
            name: COMPANION_HISTORY.into(),
            subject: subject.clone(),
        });
    };
    let action = Action::new("history/show", "History", "clock-counter-clockwise", toggle);
    Some(action.keys("alt+h"))
}
