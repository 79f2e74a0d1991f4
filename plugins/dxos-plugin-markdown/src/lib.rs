//! Documents in Markdown: their entries in the tree, their actions, their editor.
//!
//! A document is an object of type `org.dxos.type.Document` with a string `title`, a collaborative text `content`, and
//! tags like every object.
//! Switched off, everything here goes from the shell; the documents stay.

mod article;
mod tags;

use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, App, ClosePlank, Connector, Contribution, Intent, Module, Node, Open,
    Outcome, Plugin, PluginError, PluginMeta, Resolution, Resolver, STARTUP, Undo, role,
};
use dxos_base::{ObjectId, ObjectWrite, SpaceId, Value};
use dxos_client::Client;
use dxos_surface::{
    CLIENT, KIND_DOCUMENT, KIND_SPACE, Made, NodeKind, ObjectNodes, draws, failure, object_path,
    quoted, write_step,
};
use leptos::prelude::IntoAny;

pub use tags::{TagDocument, UntagDocument};

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/markdown";
/// `@type` of documents, with version.
pub const TYPE: &str = "org.dxos.type.Document@0.1.0";
/// Property with the document's name.
pub const TITLE: &str = "title";
/// Property with the document's text.
pub const CONTENT: &str = "content";

const DOCUMENTS: NodeKind = NodeKind {
    type_name: KIND_DOCUMENT,
    icon: "file-text",
    label: TITLE,
};

/// Makes a document and opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDocument {
    /// Where.
    pub space: SpaceId,
    /// Its name; may be empty.
    pub title: String,
}

impl Intent for CreateDocument {
    const ID: &'static str = "dxos.org/intent/markdown/create";
    type Output = ObjectId;
}

/// Gives a document another name; can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// Its name from now on.
    pub title: String,
    /// What it was called before the first of the [`TypeTitle`] that led here: undone at once with them.
    pub before: Option<String>,
}

impl Intent for RenameDocument {
    const ID: &'static str = "dxos.org/intent/markdown/rename";
    type Output = ();
}

/// Shows a name while it is typed. No step of its own: [`RenameDocument`] follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeTitle {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// What is typed so far.
    pub title: String,
}

impl Intent for TypeTitle {
    const ID: &'static str = "dxos.org/intent/markdown/type-title";
    type Output = ();
}

/// Deletes a document; can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// Its name, for the message.
    pub label: String,
}

impl Intent for DeleteDocument {
    const ID: &'static str = "dxos.org/intent/markdown/delete";
    type Output = ();
}

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Documents",
        description: "Write in Markdown, together.",
        icon: "file-text",
        tags: &["writing", "markdown"],
        depends_on: &["dxos.org/plugin/client", "dxos.org/plugin/space"],
        core: false,
        source: "plugins/dxos-plugin-markdown",
    };
    let modules = vec![
        Module::new("graph", STARTUP, |context| graph(&context.app)),
        Module::new("intents", STARTUP, |context| {
            let client = context.app.capability(&CLIENT)?;
            let resolvers = [
                create(&client),
                rename(&client),
                type_title(&client),
                delete(&client),
                tags::tag(&client),
                tags::untag(&client),
            ];
            Ok(resolvers.map(resolver).into())
        }),
        Module::new("surfaces", STARTUP, |_| {
            Ok(vec![draws(
                "markdown/article",
                role::ARTICLE,
                0,
                |data| data.kind == KIND_DOCUMENT,
                |data| article::article(data.subject).into_any(),
            )])
        }),
    ];
    Plugin { meta, modules }
}

fn resolver(resolver: Resolver) -> Contribution {
    Resolver::CAPABILITY.of(resolver)
}

fn graph(app: &App) -> Result<Vec<Contribution>, PluginError> {
    let client = app.capability(&CLIENT)?;
    let documents = ObjectNodes::new(app.clone(), (*client).clone(), DOCUMENTS);
    let connector = Connector {
        id: "markdown/documents",
        matches: Rc::new(|node| node.kind == KIND_SPACE),
        expand: Rc::new(move |_, node| documents.of(node)),
    };
    let source = ActionSource {
        id: "markdown/actions",
        actions: Rc::new(move |_, node| actions(&client, node)),
    };
    Ok(vec![
        Connector::CAPABILITY.of(connector),
        ActionSource::CAPABILITY.of(source),
    ])
}

fn may_write(client: &Client, space: SpaceId) -> bool {
    let status = client.status();
    let mut spaces = status.iter().flat_map(|status| &status.spaces);
    spaces.any(|view| view.space == space && view.may_write())
}

fn actions(client: &Client, node: &Node) -> Vec<Action> {
    let Some(subject) = node
        .subject
        .filter(|subject| may_write(client, subject.space))
    else {
        return Vec::new();
    };
    let space = subject.space;
    match (node.kind.as_str(), subject.object) {
        (KIND_SPACE, _) => {
            let create = move |app: &App| {
                app.send(CreateDocument {
                    space,
                    title: String::new(),
                })
            };
            let action = Action::new("markdown/create", "New document", "note-pencil", create);
            vec![action.keys("alt+n").primary()]
        }
        (KIND_DOCUMENT, Some(object)) => {
            let label = node.label.clone();
            let delete = move |app: &App| {
                app.send(DeleteDocument {
                    space,
                    object,
                    label: label.clone(),
                })
            };
            vec![Action::new("markdown/delete", "Delete document", "trash", delete).danger()]
        }
        _ => Vec::new(),
    }
}

fn create(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: CreateDocument| {
        let object = client.new_object_id();
        let values = [(TITLE.to_owned(), Value::from(intent.title))].into();
        let write = ObjectWrite::Create {
            object,
            type_name: TYPE.into(),
            values,
        };
        // Shown and sent at once; a refusal takes it back and is told by the client.
        let written = write_step(app, &client, intent.space, "new document", vec![write]);
        app.send(Open {
            subject: object_path(intent.space, object),
            beside: false,
        });
        Resolution::later(async move { written.await.map(|()| Outcome::of(object)) })
    })
}

fn rename(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: RenameDocument| {
        let RenameDocument { space, object, .. } = intent;
        let label = format!("rename to {}", quoted(&intent.title));
        if let Some(before) = intent.before.filter(|before| *before != intent.title) {
            // One step, not one for each pause in the typing. A refusal is told by the write that follows.
            drop(client.write(space, vec![ObjectWrite::set(object, TITLE, before)]));
        }
        let write = ObjectWrite::set(object, TITLE, intent.title);
        let written = write_step(app, &client, space, label, vec![write]);
        Resolution::later(async move { written.await.map(Outcome::of) })
    })
}

fn type_title(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |_, intent: TypeTitle| {
        let write = ObjectWrite::set(intent.object, TITLE, intent.title);
        let written = client.write(intent.space, vec![write]);
        Resolution::later(async move { written.await.map(Outcome::of).map_err(failure) })
    })
}

fn delete(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: DeleteDocument| {
        let DeleteDocument {
            space,
            object,
            label,
        } = intent;
        let step = format!("deletion of {}", quoted(&label));
        let delete = vec![ObjectWrite::delete(object)];
        let written = write_step(app, &client, space, step.clone(), delete);
        app.send(ClosePlank {
            subject: object_path(space, object),
        });
        let client = client.clone();
        let made = Made {
            space,
            label: step,
            inverse: Some((
                format!("return of {}", quoted(&label)),
                vec![ObjectWrite::restore(object)],
            )),
            then: Rc::new(move |app| {
                app.send(Open {
                    subject: object_path(space, object),
                    beside: false,
                });
            }),
        };
        Resolution::later(async move {
            written.await?;
            let undo = Undo {
                label: format!("“{label}” deleted"),
                run: Box::new(move |app| made.take_back(app, &client)),
            };
            Ok(Outcome {
                output: (),
                undo: Some(undo),
            })
        })
    })
}
