//! Task lists in Composer: the objects that the apps Tasks and TodoMVC make, in the tree and as articles.
//!
//! Not here: making and ordering lists; Tasks (`apps/tasks`) does that with the same objects.

mod article;

use std::rc::Rc;

use dxos_app::{Connector, Module, Plugin, PluginMeta, STARTUP, role};
use dxos_client::{Object, Ref};
use dxos_surface::{CLIENT, KIND_SPACE, NodeKind, ObjectNodes, draws};
use leptos::prelude::IntoAny;

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/tasks";

/// A list, as far as it is shown here.
#[derive(Object, Clone, PartialEq)]
#[object(type = "org.dxos.type.TaskList", version = "0.1.0")]
struct TaskList {
    #[object(label)]
    name: String,
    tasks: Vec<Ref<Task>>,
}

/// A task, as far as it is shown here.
#[derive(Object, Clone, PartialEq)]
#[object(type = "org.dxos.type.Task", version = "0.1.0")]
struct Task {
    #[object(label)]
    title: String,
    #[object(default)]
    done: bool,
}

const LISTS: NodeKind = NodeKind {
    type_name: TaskList::TYPE,
    icon: "list",
    label: "name",
};

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Tasks",
        description: "Lists of things to do, the same as in the app Tasks.",
        icon: "check-circle",
        tags: &["tasks"],
        depends_on: &["dxos.org/plugin/client", "dxos.org/plugin/space"],
        core: false,
        source: "plugins/dxos-plugin-tasks",
    };
    let modules = vec![
        Module::new("graph", STARTUP, |context| {
            let client = context.app.capability(&CLIENT)?;
            let lists = ObjectNodes::new(context.app.clone(), (*client).clone(), LISTS);
            let connector = Connector {
                id: "tasks/lists",
                matches: Rc::new(|node| node.kind == KIND_SPACE),
                expand: Rc::new(move |_, node| lists.of(node)),
            };
            Ok(vec![Connector::CAPABILITY.of(connector)])
        }),
        Module::new("surfaces", STARTUP, |_| {
            Ok(vec![draws(
                "tasks/article",
                role::ARTICLE,
                0,
                |data| data.kind == TaskList::TYPE,
                |data| article::article(data.subject).into_any(),
            )])
        }),
    ];
    Plugin { meta, modules }
}
