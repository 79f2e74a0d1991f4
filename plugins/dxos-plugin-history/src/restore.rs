//! Putting an object back to what it was.

use std::rc::Rc;

use dxos_app::{App, Intent, Outcome, Resolution, Resolver, Undo};
use dxos_base::history::Point;
use dxos_base::{ObjectId, SpaceId};
use dxos_client::Client;
use dxos_surface::{Made, UNDO_SCOPE, ask_steps, note_step, quoted, refusal};

/// Puts an object back to what it was at a point; can be undone.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreObject {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// When.
    pub point: Point,
    /// Its name, for the message.
    pub label: String,
    /// When that was, in words.
    pub moment: String,
}

impl Intent for RestoreObject {
    const ID: &'static str = "dxos.org/intent/history/restore";
    type Output = ();
}

pub(crate) fn resolver(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: RestoreObject| {
        let (app, client) = (app.clone(), client.clone());
        Resolution::later(async move {
            let label = format!("restoring of {}", quoted(&intent.label));
            let space = client.spaces().get(intent.space).map_err(refusal)?;
            let space = space.undoable(UNDO_SCOPE, label.clone());
            let done = space.restore_object(intent.object, intent.point).await;
            done.map_err(refusal)?;
            note_step(&app, intent.space, label.clone());
            ask_steps(&app, &client, intent.space).await;
            let made = Made {
                space: intent.space,
                label,
                inverse: None,
                then: Rc::new(|_| ()),
            };
            let undo = Undo {
                label: format!("Restored as it was {}", intent.moment),
                run: Box::new(move |app| made.take_back(app, &client)),
            };
            Ok(Outcome {
                output: (),
                undo: Some(undo),
            })
        })
    })
}
