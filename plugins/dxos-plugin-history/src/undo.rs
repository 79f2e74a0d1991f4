//! Undo and redo of what was done in a space.

use dxos_app::{Action, App, Intent, Node, Outcome, Resolution, Resolver};
use dxos_base::SpaceId;
use dxos_client::{Client, UndoneView};
use dxos_surface::{KIND_SPACE, Steps, UNDO_SCOPE, ask_steps, refusal};

/// Takes back what this device did last in a space, outside of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoStep {
    /// Where.
    pub space: SpaceId,
}

impl Intent for UndoStep {
    const ID: &'static str = "dxos.org/intent/history/undo";
    type Output = Option<UndoneView>;
}

/// Does again what was taken back last in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedoStep {
    /// Where.
    pub space: SpaceId,
}

impl Intent for RedoStep {
    const ID: &'static str = "dxos.org/intent/history/redo";
    type Output = Option<UndoneView>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Undo,
    Redo,
}

impl Way {
    fn done(self) -> &'static str {
        match self {
            Way::Undo => "Undone",
            Way::Redo => "Done again",
        }
    }

    fn nothing(self) -> &'static str {
        match self {
            Way::Undo => "There is nothing to undo here",
            Way::Redo => "There is nothing to do again here",
        }
    }
}

pub(crate) fn undo(client: &Client, steps: &Steps) -> Resolver {
    let undoing = (client.clone(), steps.clone());
    Resolver::new(move |app: &App, intent: UndoStep| step(app, &undoing, intent.space, Way::Undo))
}

pub(crate) fn redo(client: &Client, steps: &Steps) -> Resolver {
    let undoing = (client.clone(), steps.clone());
    Resolver::new(move |app: &App, intent: RedoStep| step(app, &undoing, intent.space, Way::Redo))
}

fn step(
    app: &App,
    (client, steps): &(Client, Steps),
    id: SpaceId,
    way: Way,
) -> Resolution<Option<UndoneView>> {
    let (app, client, steps) = (app.clone(), client.clone(), steps.clone());
    Resolution::later(async move {
        let space = client.spaces().get(id).map_err(refusal)?;
        let done = match way {
            Way::Undo => space.undo(UNDO_SCOPE).await,
            Way::Redo => space.redo(UNDO_SCOPE).await,
        };
        let done = done.map_err(refusal)?;
        ask_steps(&app, &client, id).await;
        let (title, hint) = match &done {
            None => (way.nothing().to_owned(), String::new()),
            Some(UndoneView { label, skipped }) => {
                (format!("{}: {label}", way.done()), left_alone(*skipped))
            }
        };
        steps.say(&app, title, hint).await;
        Ok(Outcome::of(done))
    })
}

fn left_alone(skipped: u64) -> String {
    match skipped {
        0 => String::new(),
        1 => "One part was changed by others since, and stays.".into(),
        many => format!("{many} parts were changed by others since, and stay."),
    }
}

/// Undo and redo, in the menu of a space and by keys.
pub(crate) fn actions(steps: &Steps, node: &Node) -> Vec<Action> {
    let Some(subject) = node.subject.filter(|_| node.kind == KIND_SPACE) else {
        return Vec::new();
    };
    let space = subject.space;
    let known = steps.known(space).unwrap_or_default();
    let mut actions = Vec::new();
    if let Some(label) = known.undo {
        let undo = move |app: &App| app.send(UndoStep { space });
        let words = format!("Undo {label}");
        let action = Action::new("history/undo", words, "arrow-counter-clockwise", undo);
        actions.push(action.keys("mod+z"));
    }
    if let Some(label) = known.redo {
        let redo = move |app: &App| app.send(RedoStep { space });
        let words = format!("Redo {label}");
        let action = Action::new("history/redo", words, "arrow-clockwise", redo);
        actions.push(action.keys("mod+shift+z ctrl+y"));
    }
    actions
}

/// Asks once for each space what could be undone there, when somebody looks at it.
pub(crate) fn ask_once(app: &App, client: &Client, steps: &Steps, space: SpaceId) {
    if !steps.is_new(space) {
        return;
    }
    let (target, client) = (app.clone(), client.clone());
    app.spawn(async move { ask_steps(&target, &client, space).await });
}
