//! Open calls of a client: what is done with an answer, and which calls may be made twice.

use dxos_base::SpaceId;
use dxos_services::{Failure, FailureKind, Request, Response, TextAddress};

use crate::promise::Sender;

/// A call without an answer yet.
pub(crate) struct OpenCall {
    pub(crate) number: u64,
    pub(crate) request: Request,
    pub(crate) then: Then,
    /// On the wire of this connection.
    pub(crate) sent: bool,
}

/// What an answer is for.
pub(crate) enum Then {
    /// Somebody waits.
    Answer(Sender<Result<Response, Failure>>),
    /// A live query of this local number.
    Subscribed(u64),
    /// A text is opened or opened again.
    Opened(TextAddress),
    /// Nobody cares.
    Nothing,
}

/// Whether making the call twice does no harm, so it may be repeated after a takeover.
pub(crate) fn repeatable(request: &Request) -> bool {
    match request {
        Request::Get { .. }
        | Request::Query { .. }
        | Request::QueryIds { .. }
        | Request::Flush
        | Request::Stats
        | Request::Plain { .. }
        | Request::Conflicts { .. }
        | Request::History { .. }
        | Request::Version { .. }
        | Request::ChangedSince { .. }
        | Request::Restore { .. }
        | Request::UndoLabels { .. }
        | Request::BlobBegin { .. }
        | Request::BlobPiece { .. }
        | Request::BlobFinish { .. }
        | Request::BlobRead { .. }
        | Request::Blob { .. }
        | Request::BlobKeep { .. }
        | Request::BlobUsage { .. }
        | Request::Verify { .. }
        | Request::SetOffline { .. }
        | Request::CancelInvitation { .. }
        | Request::OpenSpace { .. }
        | Request::CloseSpace { .. }
        | Request::LeaveSpace { .. }
        | Request::DeleteSpace { .. }
        | Request::SettleForks { .. }
        | Request::RemoveSpace { .. } => true,
        Request::CreateIdentity { .. }
        | Request::CreateSpace { .. }
        | Request::Subscribe { .. }
        | Request::Undo { .. }
        | Request::Unsubscribe { .. }
        | Request::OpenText { .. }
        | Request::CloseText { .. }
        | Request::Invite { .. }
        | Request::Join { .. }
        | Request::Authenticate { .. } => false,
    }
}

/// A call was under way when its node went away.
pub(crate) fn gone() -> Failure {
    Failure {
        kind: FailureKind::Gone,
        message:
            "The part that keeps your data was restarted; it is not known whether this was done."
                .into(),
        hint: "Look whether it was done, then try again.".into(),
    }
}

/// The node answered something that does not belong to the call.
pub(crate) fn unexpected() -> Failure {
    Failure {
        kind: FailureKind::Malformed,
        message: "The node answered in a way this program does not understand.".into(),
        hint: "Reload the page or update the program.".into(),
    }
}

/// The space of an answer.
pub(crate) fn space_of(response: Response) -> Result<SpaceId, Failure> {
    match response {
        Response::Space(space) => Ok(space),
        _ => Err(unexpected()),
    }
}
