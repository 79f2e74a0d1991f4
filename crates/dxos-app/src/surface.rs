//! Surfaces: slots of the interface with a role and data; the best matching contribution fills them.
//!
//! The component is opaque here, so this crate needs no DOM: `dxos-surface` puts functions in and calls them.

use std::any::Any;
use std::rc::Rc;

use crate::capability::Capability;

/// Where contributions of surfaces go.
pub const SURFACES: Capability<Surface> = Capability::new("dxos.org/capability/surface");

/// Name of a role.
pub type RoleName = &'static str;

/// Roles the shell draws.
pub mod role {
    use super::RoleName;
    /// The whole window.
    pub const ROOT: RoleName = "root";
    /// The rail of workspaces.
    pub const RAIL: RoleName = "rail";
    /// The sidebar of one workspace.
    pub const SIDEBAR: RoleName = "sidebar";
    /// The person, at the foot of the sidebar.
    pub const PERSON: RoleName = "person";
    /// The main content of a plank.
    pub const ARTICLE: RoleName = "article";
    /// Beside the deck, about the plank with attention.
    pub const COMPANION: RoleName = "companion";
    /// What a plank's bar shows beside the title.
    pub const PLANK_EXTRA: RoleName = "plank-extra";
    /// A dialog's body.
    pub const DIALOG: RoleName = "dialog";
    /// Words in the status bar, left.
    pub const STATUS: RoleName = "status";
    /// Shown over everything until it is done, such as the first run.
    pub const GATE: RoleName = "gate";
    /// What a deck without planks shows.
    pub const EMPTY: RoleName = "empty";
}

/// What a surface is about: plain data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SurfaceData {
    /// Id of the graph node it shows, or empty.
    pub subject: String,
    /// Type of what it shows, such as `org.dxos.type.Document`, or empty.
    pub kind: String,
    /// Id of a dialog, or empty.
    pub name: String,
}

impl SurfaceData {
    /// Data about a graph node.
    pub fn node(subject: &str, kind: &str) -> Self {
        SurfaceData {
            subject: subject.into(),
            kind: kind.into(),
            name: String::new(),
        }
    }

    /// Data of a named dialog about a node.
    pub fn named(name: &str, subject: &str) -> Self {
        SurfaceData {
            subject: subject.into(),
            kind: String::new(),
            name: name.into(),
        }
    }
}

/// One contribution.
pub struct Surface {
    /// Unique id.
    pub id: &'static str,
    /// The slots it fills.
    pub role: RoleName,
    /// Among several that match, the greatest counts; 0 is usual, negative a fallback.
    pub priority: i32,
    /// Says whether it fits the data.
    pub matches: Rc<dyn Fn(&SurfaceData) -> bool>,
    /// What draws it; `dxos-surface` knows the type.
    pub component: Rc<dyn Any>,
}

/// All that match, best first.
pub(crate) fn matching(all: Vec<Rc<Surface>>, role: &str, data: &SurfaceData) -> Vec<Rc<Surface>> {
    let mut found: Vec<_> = all
        .into_iter()
        .filter(|s| s.role == role && (s.matches)(data))
        .collect();
    // Stable: of equal priority, the plugin activated first counts.
    found.sort_by_key(|s| std::cmp::Reverse(s.priority));
    found
}
