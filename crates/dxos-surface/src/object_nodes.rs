//! Objects of one type in each space that someone looked at, kept by live queries; they are the tree's entries.
//!
//! Invariant: dropping this ends all of its queries, so a disabled plugin costs nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_app::{App, Node, Subject};
use dxos_base::{ObjectView, Query, SpaceId, Value};
use dxos_client::{Client, Subscription};

use crate::agreed::{object_path, space_path};

/// What is told of objects of a type.
#[derive(Debug, Clone, Copy)]
pub struct NodeKind {
    /// The type's name: the kind of their nodes.
    pub type_name: &'static str,
    /// Icon of their nodes.
    pub icon: &'static str,
    /// Property with their name.
    pub label: &'static str,
}

struct Watched {
    rows: Rc<RefCell<Vec<ObjectView>>>,
    _subscription: Subscription,
}

/// Live lists of objects, as nodes.
pub struct ObjectNodes {
    app: App,
    client: Client,
    kind: NodeKind,
    spaces: RefCell<BTreeMap<SpaceId, Watched>>,
}

impl NodeKind {
    /// Name shown for an object.
    pub fn label(&self, view: &ObjectView) -> String {
        let name = view.values.get(self.label).and_then(Value::as_str);
        match name.unwrap_or_default().trim() {
            "" => "Untitled".into(),
            name => name.into(),
        }
    }
}

impl ObjectNodes {
    /// Of a type, in whatever spaces are looked at.
    pub fn new(app: App, client: Client, kind: NodeKind) -> Self {
        ObjectNodes {
            app,
            client,
            kind,
            spaces: RefCell::default(),
        }
    }

    /// Nodes of a space's objects; the first call starts the live query.
    pub fn of(&self, node: &Node) -> Vec<Node> {
        let Some(subject) = node.subject else {
            return Vec::new();
        };
        let space = subject.space;
        if !self.spaces.borrow().contains_key(&space) {
            let watched = self.watch(space);
            self.spaces.borrow_mut().insert(space, watched);
        }
        let rows = self
            .spaces
            .borrow()
            .get(&space)
            .map(|watched| watched.rows.clone());
        let rows = rows.unwrap_or_default();
        let rows = rows.borrow();
        rows.iter()
            .map(|view| Node {
                id: object_path(space, view.object),
                kind: self.kind.type_name.into(),
                label: self.kind.label(view),
                tags: view.meta.tags.iter().cloned().collect(),
                icon: self.kind.icon,
                subject: Some(Subject {
                    space,
                    object: Some(view.object),
                }),
                opens: true,
            })
            .collect()
    }

    fn watch(&self, space: SpaceId) -> Watched {
        let rows = Rc::new(RefCell::new(Vec::new()));
        let (kept, app, kind) = (rows.clone(), self.app.clone(), self.kind);
        let query = Query::of_type(self.kind.type_name).order_by("@created");
        let subscription = self.client.subscribe(space, query, move |found| {
            let same = {
                let known: std::cell::Ref<'_, Vec<ObjectView>> = kept.borrow();
                let shown =
                    |view: &ObjectView| (view.object, kind.label(view), view.meta.tags.clone());
                known.iter().map(shown).eq(found.iter().map(shown))
            };
            if !same {
                kept.replace(found.to_vec());
                app.graph().invalidate(&space_path(space));
            }
        });
        Watched {
            rows,
            _subscription: subscription,
        }
    }
}
