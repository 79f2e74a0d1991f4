//! Tags on documents: put on and taken off. Each is one register of a set, so two people never undo each other.

use dxos_app::{App, Intent, Outcome, Resolution, Resolver};
use dxos_base::{ObjectId, ObjectWrite, SpaceId};
use dxos_client::Client;
use dxos_surface::{quoted, write_step};

/// Puts a tag on a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// The tag, in the form of [`dxos_ui::normal_tag`].
    pub tag: String,
}

impl Intent for TagDocument {
    const ID: &'static str = "dxos.org/intent/markdown/tag";
    type Output = ();
}

/// Takes a tag off a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntagDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub object: ObjectId,
    /// The tag.
    pub tag: String,
}

impl Intent for UntagDocument {
    const ID: &'static str = "dxos.org/intent/markdown/untag";
    type Output = ();
}

pub(crate) fn tag(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: TagDocument| {
        let label = format!("tag {}", quoted(&intent.tag));
        let write = vec![ObjectWrite::tag(intent.object, intent.tag)];
        let written = write_step(app, &client, intent.space, label, write);
        Resolution::later(async move { written.await.map(Outcome::of) })
    })
}

pub(crate) fn untag(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |app: &App, intent: UntagDocument| {
        let label = format!("removal of the tag {}", quoted(&intent.tag));
        let write = vec![ObjectWrite::untag(intent.object, intent.tag)];
        let written = write_step(app, &client, intent.space, label, write);
        Resolution::later(async move { written.await.map(Outcome::of) })
    })
}
