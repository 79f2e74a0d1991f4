//! Steps that can be undone: how plugins write them, what the last ones are called, and taking a given one back.
//!
//! All of Composer's writes outside a text editor are steps of one scope, so one key takes back whatever was done last in
//! a space. Inside an editor its own undo counts.
//!
//! Invariant: labels are a picture of what the node keeps; a wrong one is asked for again after every write.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_app::{App, Capability, HideToast, IntentError, NewToast, Tone};
use dxos_base::{ObjectWrite, SpaceId};
use dxos_client::{Client, Error, UndoLabels, UndoMark};

use crate::agreed::{failure, space_path};

/// Scope of all steps made in Composer.
pub const UNDO_SCOPE: &str = "composer";
/// Characters of a name within a label: a label has a bounded length, and must be readable in a menu.
const NAME_CHARACTERS_MAX: usize = 40;

/// What could be undone and done again, by space; contributed by the plugin that offers undo.
pub const STEPS: Capability<Steps> = Capability::new("dxos.org/capability/steps");

/// Labels of the last steps, by space; clones are the same.
#[derive(Clone, Default)]
pub struct Steps {
    labels: Rc<RefCell<BTreeMap<SpaceId, UndoLabels>>>,
    /// The message that told of the last step that was taken back.
    told: Rc<Cell<Option<u64>>>,
}

impl Steps {
    /// What is known of a space; `None`: nobody asked yet.
    pub fn known(&self, space: SpaceId) -> Option<UndoLabels> {
        self.labels.borrow().get(&space).cloned()
    }

    /// Whether nobody asked for a space's labels yet; from now on somebody has.
    pub fn is_new(&self, space: SpaceId) -> bool {
        let mut labels = self.labels.borrow_mut();
        let is_new = !labels.contains_key(&space);
        labels.entry(space).or_default();
        is_new
    }

    /// Shows what was taken back instead of what was before it: who goes back ten steps reads one message, not ten.
    pub async fn say(&self, app: &App, title: String, hint: String) {
        if let Some(id) = self.told.take() {
            app.send(HideToast { id });
        }
        let tone = Tone::Info;
        // Where no messages are shown there is none to replace.
        if let Ok(shown) = app.dispatch(NewToast { tone, title, hint }).await {
            self.told.set(Some(shown.output));
        }
    }

    /// Takes labels up; menus that show them are drawn again.
    pub fn tell(&self, app: &App, space: SpaceId, labels: UndoLabels) {
        let before = self.labels.borrow_mut().insert(space, labels.clone());
        if before.as_ref() != Some(&labels) {
            app.graph().changed(&space_path(space));
        }
    }
}

/// A name as a part of a label, in quotes and not too long.
pub fn quoted(name: &str) -> String {
    let name = name.trim();
    match name.char_indices().nth(NAME_CHARACTERS_MAX) {
        Some((end, _)) => format!("“{}…”", name[..end].trim_end()),
        None => format!("“{name}”"),
    }
}

/// Asks what could be undone in a space.
pub async fn ask_steps(app: &App, client: &Client, space: SpaceId) {
    let Ok(steps) = app.capability(&STEPS) else {
        return;
    };
    let Ok(space) = client.spaces().get(space) else {
        return;
    };
    // A space that went, or a node that closes, has nothing to undo.
    if let Ok(labels) = space.undo_labels(UNDO_SCOPE).await {
        steps.tell(app, space.id(), labels);
    }
}

/// Writes as one step that can be undone; `label` is what a person would call it. Shown and sent at once; the future ends
/// when it is acknowledged.
pub fn write_step(
    app: &App,
    client: &Client,
    space: SpaceId,
    label: impl Into<String>,
    writes: Vec<ObjectWrite>,
) -> impl Future<Output = Result<(), IntentError>> + 'static {
    let label = label.into();
    let mark = UndoMark {
        scope: UNDO_SCOPE.into(),
        label: label.clone(),
    };
    let written = client.write_marked(space, writes, mark);
    note_step(app, space, label);
    let (app, client) = (app.clone(), client.clone());
    async move {
        let done = written.await.map_err(failure);
        ask_steps(&app, &client, space).await;
        done
    }
}

/// Tells that a step is being made, before the node says so.
pub fn note_step(app: &App, space: SpaceId, label: String) {
    if let Ok(steps) = app.capability(&STEPS) {
        let undo = Some(label);
        steps.tell(app, space, UndoLabels { undo, redo: None });
    }
}

/// An error of the SDK as an intent's.
pub fn refusal(error: Error) -> IntentError {
    IntentError::Failed {
        message: error.to_string(),
        hint: error.hint(),
    }
}

/// What comes after a step was taken back.
pub type Then = Rc<dyn Fn(&App)>;

/// A step that was made, to be taken back from the message that tells of it.
#[derive(Clone)]
pub struct Made {
    /// Where.
    pub space: SpaceId,
    /// What it is called.
    pub label: String,
    /// What takes it back when others were made since, and what that is called; `None`: not out of turn.
    pub inverse: Option<(String, Vec<ObjectWrite>)>,
    /// Done when it is taken back.
    pub then: Then,
}

impl Made {
    /// Takes it back: as the last step if it still is, else by its inverse, which is a step of its own.
    pub fn take_back(self, app: &App, client: &Client) {
        let (target, client) = (app.clone(), client.clone());
        app.spawn(async move {
            if let Err(error) = self.try_take_back(&target, &client).await {
                target.show_error(&error);
            }
        });
    }

    async fn try_take_back(self, app: &App, client: &Client) -> Result<(), IntentError> {
        let space = client.spaces().get(self.space).map_err(refusal)?;
        let last = space.undo_labels(UNDO_SCOPE).await.map_err(refusal)?;
        if last.undo.as_ref() == Some(&self.label) {
            space.undo(UNDO_SCOPE).await.map_err(refusal)?;
            ask_steps(app, client, self.space).await;
        } else if let Some((label, writes)) = self.inverse {
            write_step(app, client, self.space, label, writes).await?;
        } else {
            return Err(IntentError::Failed {
                message: format!("Other things were done since the {}", self.label),
                hint: "Undo them first, in turn.".into(),
            });
        }
        (self.then)(app);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(quoted(" Field notes "), "“Field notes”");
        let label = quoted(&"ä𝄞".repeat(60));
        assert_eq!(label.chars().count(), NAME_CHARACTERS_MAX + 3);
        assert!(label.len() < dxos_base::limits::UNDO_NAME_BYTES_MAX);
    }
}
