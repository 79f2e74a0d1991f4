//! The graph: everything a person can go to or do, built lazily by contributed connectors and action sources.
//!
//! Ids are paths (`root/<space>/<object>`), stable over runs: they can be cached and linked to.
//!
//! Invariants
//! * a node exists iff a connector in place gives it; nothing of a disabled plugin stays;
//! * children are computed when first asked for, kept until [`Graph::invalidate`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::{ObjectId, SpaceId};

use crate::app::App;
use crate::capability::Capability;
use crate::observe::{Listeners, Observation};

/// Id of the root node.
pub const ROOT: &str = "root";
/// For nodes without an icon.
pub const ICON_NONE: &str = "";

/// What of the database a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The space.
    pub space: SpaceId,
    /// The object in it; `None`: the space itself.
    pub object: Option<ObjectId>,
}

/// A place one can go to: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Path from the root.
    pub id: String,
    /// Type: of an object its `@type` without version, else a name such as `space`.
    pub kind: String,
    /// Name to show.
    pub label: String,
    /// Words it is found by beside its name.
    pub tags: Vec<String>,
    /// Name of its icon.
    pub icon: &'static str,
    /// What it stands for.
    pub subject: Option<Subject>,
    /// May be opened in the deck.
    pub opens: bool,
}

/// The node as views hold it; the same plain data.
pub type NodeView = Node;

/// What a plugin has for a node, in order.
pub type Of<T> = dyn Fn(&App, &Node) -> Vec<T>;

/// Gives the children of the nodes it accepts.
pub struct Connector {
    /// Unique id.
    pub id: &'static str,
    /// Nodes it has children for.
    pub matches: Rc<dyn Fn(&Node) -> bool>,
    /// The children, in order.
    pub expand: Rc<Of<Node>>,
}

impl Connector {
    /// Where contributions of connectors go.
    pub const CAPABILITY: Capability<Connector> =
        Capability::new("dxos.org/capability/graph-connector");
}

/// Something that can be done with a node.
#[derive(Clone)]
pub struct Action {
    /// What is shown of it.
    pub view: ActionView,
    /// Does it.
    pub run: Rc<dyn Fn(&App)>,
}

/// What is shown of an action: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionView {
    /// Unique among the actions of a node.
    pub id: String,
    /// In the imperative: `Delete document`.
    pub label: String,
    /// Name of its icon.
    pub icon: &'static str,
    /// Key binding, see [`Chord`](crate::Chord), or empty.
    pub keys: &'static str,
    /// Takes something away.
    pub danger: bool,
    /// Shown as a button beside the node, not only in its menu.
    pub primary: bool,
}

impl Action {
    /// An action shown in menus and the palette.
    pub fn new(
        id: impl Into<String>,
        label: impl Into<String>,
        icon: &'static str,
        run: impl Fn(&App) + 'static,
    ) -> Self {
        let view = ActionView {
            id: id.into(),
            label: label.into(),
            icon,
            keys: "",
            danger: false,
            primary: false,
        };
        Action {
            view,
            run: Rc::new(run),
        }
    }

    /// With a key binding.
    pub fn keys(mut self, keys: &'static str) -> Self {
        self.view.keys = keys;
        self
    }

    /// Marked as taking something away.
    pub fn danger(mut self) -> Self {
        self.view.danger = true;
        self
    }

    /// Shown as a button beside the node.
    pub fn primary(mut self) -> Self {
        self.view.primary = true;
        self
    }
}

/// Gives actions of the nodes it accepts.
pub struct ActionSource {
    /// Unique id.
    pub id: &'static str,
    /// The actions of a node, in order; none if it does not care.
    pub actions: Rc<Of<Action>>,
}

impl ActionSource {
    /// Where contributions of action sources go.
    pub const CAPABILITY: Capability<ActionSource> =
        Capability::new("dxos.org/capability/graph-actions");
}

/// The graph of one app. Its listeners hear the id whose children changed, or `None` when everything may have.
#[derive(Default)]
pub struct Graph {
    children: RefCell<BTreeMap<String, Vec<Node>>>,
    listeners: Listeners<Option<String>>,
}

impl Graph {
    /// The root node.
    pub fn root() -> Node {
        Node {
            id: ROOT.into(),
            kind: ROOT.into(),
            label: String::new(),
            tags: Vec::new(),
            icon: ICON_NONE,
            subject: None,
            opens: false,
        }
    }

    /// Children of a node, in order; none of an unknown one.
    pub fn children(&self, app: &App, id: &str) -> Vec<Node> {
        if let Some(known) = self.children.borrow().get(id) {
            return known.clone();
        }
        let Some(node) = self.node(app, id) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (_, connector) in app.capabilities(&Connector::CAPABILITY) {
            if (connector.matches)(&node) {
                found.extend((connector.expand)(app, &node));
            }
        }
        self.children
            .borrow_mut()
            .insert(id.to_owned(), found.clone());
        found
    }

    /// A node by its path, expanding what is above it.
    pub fn node(&self, app: &App, id: &str) -> Option<Node> {
        if id == ROOT {
            return Some(Graph::root());
        }
        let (parent, _) = id.rsplit_once('/')?;
        self.children(app, parent)
            .into_iter()
            .find(|node| node.id == id)
    }

    /// What can be done with a node, in order; what takes something away stands last.
    pub fn actions(&self, app: &App, id: &str) -> Vec<Action> {
        let Some(node) = self.node(app, id) else {
            return Vec::new();
        };
        let sources = app.capabilities(&ActionSource::CAPABILITY);
        let mut actions: Vec<Action> = sources
            .into_iter()
            .flat_map(|(_, source)| (source.actions)(app, &node))
            .collect();
        actions.sort_by_key(|action| action.view.danger);
        actions
    }

    /// Forgets a node's children and what is below them; views compute them again.
    pub fn invalidate(&self, id: &str) {
        let below = format!("{id}/");
        self.children
            .borrow_mut()
            .retain(|known, _| known != id && !known.starts_with(&below));
        self.listeners.tell(&Some(id.to_owned()));
    }

    /// Tells that what can be done with a node is other; its children stay.
    pub fn changed(&self, id: &str) {
        self.listeners.tell(&Some(id.to_owned()));
    }

    /// Forgets everything.
    pub fn invalidate_all(&self) {
        self.children.borrow_mut().clear();
        self.listeners.tell(&None);
    }

    /// Hears of changes.
    pub fn observe(&self, listener: impl Fn(&Option<String>) + 'static) -> Observation {
        self.listeners.observe(listener)
    }
}
