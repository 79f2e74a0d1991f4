//! Documents of each space that someone looked at, kept by live queries; they are the tree's entries.
//!
//! Invariant: dropping this ends all of its queries, so a disabled plugin costs nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_app::{App, Node, Subject};
use dxos_base::{ObjectView, Query, SpaceId, Value};
use dxos_client::{Client, Subscription};
use dxos_surface::{KIND_DOCUMENT, object_path, space_path};

use crate::TITLE;

struct Watched {
    rows: Rc<RefCell<Vec<ObjectView>>>,
    _subscription: Subscription,
}

/// Live lists of documents.
pub(crate) struct Documents {
    app: App,
    client: Client,
    spaces: RefCell<BTreeMap<SpaceId, Watched>>,
}

/// Name shown for a document.
pub(crate) fn label(view: &ObjectView) -> String {
    let title = view
        .values
        .get(TITLE)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim();
    if title.is_empty() {
        "Untitled".into()
    } else {
        title.into()
    }
}

impl Documents {
    pub fn new(app: App, client: Client) -> Self {
        Documents {
            app,
            client,
            spaces: RefCell::default(),
        }
    }

    /// Nodes of a space's documents; the first call starts the live query.
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
                kind: KIND_DOCUMENT.into(),
                label: label(view),
                tags: view.meta.tags.iter().cloned().collect(),
                icon: "file-text",
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
        let (kept, app) = (rows.clone(), self.app.clone());
        let query = Query::of_type(KIND_DOCUMENT).order_by("@created");
        let subscription = self.client.subscribe(space, query, move |found| {
            let same = {
                let known: std::cell::Ref<'_, Vec<ObjectView>> = kept.borrow();
                let shown = |view: &ObjectView| (view.object, label(view), view.meta.tags.clone());
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
