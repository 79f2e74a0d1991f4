//! What plugins agree on: the capability that holds the client, names of dialogs, kinds and paths of nodes.

use dxos_app::{Capability, IntentError, ROOT};
use dxos_base::{ObjectId, SpaceId};
use dxos_client::{Client, Failure};

/// The client of the app.
pub const CLIENT: Capability<Client> = Capability::new("dxos.org/capability/client");

/// Kind of a space's node.
pub const KIND_SPACE: &str = "space";
/// Type of documents.
pub const KIND_DOCUMENT: &str = "org.dxos.type.Document";

/// Companion: what was written when and by whom.
pub const COMPANION_HISTORY: &str = "history";

/// Dialog: search and commands.
pub const DIALOG_PALETTE: &str = "palette";
/// Dialog: invite to the space in the subject.
pub const DIALOG_SHARE: &str = "space/share";
/// Dialog: join by the code in the subject, or typed.
pub const DIALOG_JOIN: &str = "space/join";
/// Dialog: make a space.
pub const DIALOG_CREATE_SPACE: &str = "space/create";
/// Dialog: leave the space in the subject.
pub const DIALOG_LEAVE: &str = "space/leave";
/// Dialog: delete the space in the subject for all its members.
pub const DIALOG_DELETE_SPACE: &str = "space/delete";
/// Dialog: remove the space in the subject from this device.
pub const DIALOG_REMOVE_SPACE: &str = "space/remove";
/// Dialog: who this is.
pub const DIALOG_IDENTITY: &str = "client/identity";
/// Dialog: plugins on and off.
pub const DIALOG_PLUGINS: &str = "layout/plugins";

/// Id of a space's node.
pub fn space_path(space: SpaceId) -> String {
    format!("{ROOT}/{space}")
}

/// Id of an object's node.
pub fn object_path(space: SpaceId, object: ObjectId) -> String {
    format!("{ROOT}/{space}/{object}")
}

/// Space and object of a path; `None` if it is neither a space's nor an object's.
pub fn parse_path(path: &str) -> Option<(SpaceId, Option<ObjectId>)> {
    let mut steps = path.split('/');
    if steps.next() != Some(ROOT) {
        return None;
    }
    let space = steps.next()?.parse().ok()?;
    let object = match steps.next() {
        None => None,
        Some(object) => Some(object.parse().ok()?),
    };
    steps.next().is_none().then_some((space, object))
}

/// A node's refusal as an intent's.
pub fn failure(failure: Failure) -> IntentError {
    IntentError::Failed {
        message: failure.message,
        hint: failure.hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_round_trip_and_odd_ones_are_refused() {
        let (space, object) = (SpaceId([3; 20]), ObjectId([5; 16]));
        assert_eq!(parse_path(&space_path(space)), Some((space, None)));
        let path = object_path(space, object);
        assert_eq!(parse_path(&path), Some((space, Some(object))));
        for odd in ["", "root", "root/x", &format!("{path}/more"), "other/x/y"] {
            assert_eq!(parse_path(odd), None, "{odd}");
        }
    }
}
