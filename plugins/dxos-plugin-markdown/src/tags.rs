//! Tags on documents: put on and taken off. Each is one register of a set, so two people never undo each other.

use dxos_app::{App, Intent, Outcome, Resolution, Resolver};
use dxos_base::{ObjectId, ObjectWrite, SpaceId};
use dxos_client::Client;
use dxos_surface::failure;

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
    Resolver::new(move |_: &App, intent: TagDocument| {
        let write = ObjectWrite::tag(intent.object, intent.tag);
        write_one(&client, intent.space, write)
    })
}

pub(crate) fn untag(client: &Client) -> Resolver {
    let client = client.clone();
    Resolver::new(move |_: &App, intent: UntagDocument| {
        let write = ObjectWrite::untag(intent.object, intent.tag);
        write_one(&client, intent.space, write)
    })
}

/// Shown and sent at once; a refusal takes it back and is told.
fn write_one(client: &Client, space: SpaceId, write: ObjectWrite) -> Resolution<()> {
    let written = client.write(space, vec![write]);
    Resolution::later(async move { written.await.map(Outcome::of).map_err(failure) })
}
