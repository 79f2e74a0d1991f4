//! Layout: what is open where, as plain data changed only by intents.
//!
//! Invariants
//! * a subject is at most once in the deck; `attention` is one of the planks or nothing;
//! * at most [`PLANKS_MAX`] planks and [`TOASTS_MAX`] toasts: the oldest go first.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::intent::{Intent, Resolution, Resolver};

/// Planks kept in the deck.
pub const PLANKS_MAX: usize = 8;
/// Toasts shown at once.
pub const TOASTS_MAX: usize = 4;

/// Whether the sidebar shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum Sidebar {
    /// Beside the deck; on a phone it is a drawer, and closed until asked for.
    #[default]
    Auto,
    /// Opened by the person.
    Open,
    /// Closed by the person.
    Closed,
}

/// An open dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Which surface, by name.
    pub name: String,
    /// Id of the node it is about, or what it needs in words.
    pub subject: String,
}

/// How a toast is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    /// Something happened.
    Info,
    /// It went well.
    Good,
    /// It did not.
    Bad,
}

/// A short message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toast {
    /// Grows by one.
    pub id: u64,
    /// How it is meant.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// What to do, or empty.
    pub hint: String,
    /// An undo of the app, by number.
    pub undo: Option<u64>,
}

/// What is open where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Layout {
    /// Id of the workspace's node.
    pub workspace: Option<String>,
    /// Ids of open nodes, left to right.
    pub deck: Vec<String>,
    /// The plank that has attention.
    pub attention: Option<String>,
    /// Whether the sidebar shows.
    pub sidebar: Sidebar,
    /// The open dialog.
    pub dialog: Option<Dialog>,
    /// Name of what stands beside the deck and is about the plank with attention.
    pub companion: Option<String>,
    /// Messages, oldest first.
    pub toasts: Vec<Toast>,
    toast_next: u64,
}

impl Layout {
    /// Opens a node beside or instead of the others, and gives it attention.
    pub fn open(&mut self, subject: &str, beside: Beside) {
        if beside == Beside::Instead {
            self.deck.retain(|id| id == subject);
        }
        if !self.deck.iter().any(|id| id == subject) {
            self.deck.push(subject.into());
        }
        if self.deck.len() > PLANKS_MAX {
            self.deck.remove(0);
        }
        self.attention = Some(subject.into());
        if self.sidebar == Sidebar::Open {
            self.sidebar = Sidebar::Auto;
        }
    }

    /// Closes a node; attention goes to its left neighbour.
    pub fn close(&mut self, subject: &str) {
        let Some(place) = self.deck.iter().position(|id| id == subject) else {
            return;
        };
        self.deck.remove(place);
        if self.attention.as_deref() == Some(subject) {
            self.attention = self.deck.get(place.saturating_sub(1)).cloned();
        }
    }

    /// What stands beside the deck, and the node it is about; a deck without attention has nothing beside it.
    pub fn companion(&self) -> Option<(String, String)> {
        self.companion.clone().zip(self.attention.clone())
    }

    fn toggle_companion(&mut self, i: ToggleCompanion) {
        let here = self.attention.as_ref() == Some(&i.subject);
        if here && self.companion.as_ref() == Some(&i.name) {
            self.companion = None;
            return;
        }
        if !self.deck.contains(&i.subject) {
            self.open(&i.subject, Beside::Instead);
        }
        self.attention = Some(i.subject);
        self.companion = Some(i.name);
    }

    /// Adds a toast; answers its number.
    pub fn toast(&mut self, toast: NewToast, undo: Option<u64>) -> u64 {
        let id = self.toast_next;
        self.toast_next += 1;
        let NewToast { tone, title, hint } = toast;
        self.toasts.retain(|t| t.title != title);
        self.toasts.push(Toast {
            id,
            tone,
            title,
            hint,
            undo,
        });
        if self.toasts.len() > TOASTS_MAX {
            self.toasts.remove(0);
        }
        id
    }
}

/// What happens to the planks that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The new one stands alone.
    Instead,
    /// They stay.
    Beside,
}

macro_rules! intent {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* } $id:literal -> $output:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind),* }
        impl Intent for $name {
            const ID: &'static str = $id;
            type Output = $output;
        }
    };
}

intent!(
    /// Opens a node in the deck.
    Open {
        /// The node.
        subject: String,
        /// True: the others stay open.
        beside: bool
    } "dxos.org/intent/layout/open" -> ()
);
intent!(
    /// Closes a plank.
    ClosePlank {
        /// The node.
        subject: String
    } "dxos.org/intent/layout/close" -> ()
);
intent!(
    /// Gives a plank attention.
    Attend {
        /// The node.
        subject: String
    } "dxos.org/intent/layout/attend" -> ()
);
intent!(
    /// Goes to another workspace.
    SwitchWorkspace {
        /// Its node.
        subject: String
    } "dxos.org/intent/layout/switch-workspace" -> ()
);
intent!(
    /// Shows or hides the sidebar.
    ToggleSidebar {} "dxos.org/intent/layout/toggle-sidebar" -> ()
);
intent!(
    /// Shows the sidebar, as a drawer on a phone.
    OpenSidebar {} "dxos.org/intent/layout/open-sidebar" -> ()
);
intent!(
    /// Puts the drawer away.
    CloseSidebar {} "dxos.org/intent/layout/close-sidebar" -> ()
);
intent!(
    /// Opens a dialog.
    OpenDialog {
        /// Which, by name.
        name: String,
        /// What it is about.
        subject: String
    } "dxos.org/intent/layout/open-dialog" -> ()
);
intent!(
    /// Closes the dialog.
    CloseDialog {} "dxos.org/intent/layout/close-dialog" -> ()
);
intent!(
    /// Shows what is named beside the deck, about a node; if it is there already, it goes.
    ToggleCompanion {
        /// Which surface, by name.
        name: String,
        /// The node; it gets attention if it is open, and is opened if it is not.
        subject: String
    } "dxos.org/intent/layout/toggle-companion" -> ()
);
intent!(
    /// Takes away what stands beside the deck.
    CloseCompanion {} "dxos.org/intent/layout/close-companion" -> ()
);
intent!(
    /// Shows a message.
    NewToast {
        /// How it is meant.
        tone: Tone,
        /// What happened.
        title: String,
        /// What to do, or empty.
        hint: String
    } "dxos.org/intent/layout/toast" -> u64
);
intent!(
    /// Takes a message away.
    HideToast {
        /// Its number.
        id: u64
    } "dxos.org/intent/layout/hide-toast" -> ()
);

fn resolver<I: Intent>(change: impl Fn(&mut Layout, I) -> I::Output + 'static) -> Resolver {
    Resolver::new(move |app: &App, intent: I| {
        Resolution::done(app.change_layout(|layout| change(layout, intent)))
    })
}

/// Resolvers of all intents of this module; the layout plugin contributes them.
pub fn layout_resolvers() -> Vec<Resolver> {
    vec![
        resolver(|layout, i: Open| {
            let beside = if i.beside {
                Beside::Beside
            } else {
                Beside::Instead
            };
            layout.open(&i.subject, beside);
        }),
        resolver(|layout, i: ClosePlank| layout.close(&i.subject)),
        resolver(|layout, i: Attend| {
            if layout.deck.contains(&i.subject) {
                layout.attention = Some(i.subject);
            }
        }),
        resolver(|layout, i: SwitchWorkspace| {
            if layout.workspace.as_deref() != Some(&i.subject) {
                layout.workspace = Some(i.subject);
                layout.deck.clear();
                layout.attention = None;
            }
        }),
        resolver(|layout, _: ToggleSidebar| {
            layout.sidebar = match layout.sidebar {
                Sidebar::Closed => Sidebar::Auto,
                Sidebar::Auto | Sidebar::Open => Sidebar::Closed,
            };
        }),
        resolver(|layout, _: OpenSidebar| layout.sidebar = Sidebar::Open),
        resolver(|layout, _: CloseSidebar| {
            if layout.sidebar == Sidebar::Open {
                layout.sidebar = Sidebar::Auto;
            }
        }),
        resolver(|layout, i: OpenDialog| {
            layout.dialog = Some(Dialog {
                name: i.name,
                subject: i.subject,
            });
        }),
        resolver(|layout, _: CloseDialog| layout.dialog = None),
        resolver(|layout, i: ToggleCompanion| layout.toggle_companion(i)),
        resolver(|layout, _: CloseCompanion| layout.companion = None),
        resolver(|layout, i: NewToast| layout.toast(i, None)),
        resolver(|layout, i: HideToast| layout.toasts.retain(|toast| toast.id != i.id)),
    ]
}
