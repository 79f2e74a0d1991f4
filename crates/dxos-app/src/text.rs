//! The shell as text: what a person could reach, for tests and for reading in a terminal.

use std::fmt::Write;

use crate::app::App;
use crate::graph::{Graph, Node};
use crate::surface::{SurfaceData, role};

impl App {
    /// Workspaces with their trees and actions, the deck with what draws each plank, dialog and messages.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let layout = self.layout();
        let root = Graph::root();
        let actions = action_line(self, &root);
        let _ = writeln!(out, "shell{actions}");
        for space in self.graph().children(self, &root.id) {
            let here = if layout.workspace.as_deref() == Some(&space.id) {
                " ←"
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "  space {:?}{}{here}",
                space.label,
                action_line(self, &space)
            );
            tree(self, &space, 2, &mut out);
        }
        for subject in &layout.deck {
            let attention = if layout.attention.as_ref() == Some(subject) {
                " (attention)"
            } else {
                ""
            };
            let node = self.graph().node(self, subject);
            let (label, kind) = node.map(|n| (n.label, n.kind)).unwrap_or_default();
            let drawn = self
                .surface(role::ARTICLE, &SurfaceData::node(subject, &kind))
                .map_or("nothing", |surface| surface.id);
            let _ = writeln!(out, "  plank {label:?} by {drawn}{attention}");
        }
        if let Some((name, subject)) = layout.companion() {
            let drawn = self
                .surface(role::COMPANION, &SurfaceData::named(&name, &subject))
                .map_or("nothing", |surface| surface.id);
            let _ = writeln!(out, "  companion {name:?} by {drawn}");
        }
        if let Some(dialog) = &layout.dialog {
            let drawn = self
                .surface(
                    role::DIALOG,
                    &SurfaceData::named(&dialog.name, &dialog.subject),
                )
                .map_or("nothing", |surface| surface.id);
            let _ = writeln!(out, "  dialog {:?} by {drawn}", dialog.name);
        }
        for toast in &layout.toasts {
            let undo = if toast.undo.is_some() { " [undo]" } else { "" };
            let _ = writeln!(out, "  toast {:?} {:?}{undo}", toast.tone, toast.title);
        }
        out
    }
}

fn action_line(app: &App, node: &Node) -> String {
    let actions: Vec<String> = app
        .graph()
        .actions(app, &node.id)
        .into_iter()
        .map(|a| a.view.label)
        .collect();
    if actions.is_empty() {
        String::new()
    } else {
        format!(" [{}]", actions.join(" · "))
    }
}

fn tree(app: &App, node: &Node, depth: usize, out: &mut String) {
    for child in app.graph().children(app, &node.id) {
        let indent = "  ".repeat(depth);
        let _ = writeln!(out, "{indent}{}{}", child.label, action_line(app, &child));
        tree(app, &child, depth + 1, out);
    }
}
