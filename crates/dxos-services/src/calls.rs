//! Calls and what a node sends back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use dxos_base::blob::Piece;
use dxos_base::{
    BlobId, BlobKey, Conflict, DecodeError, DeviceKey, Hash, HistoryPage, HistoryWindow, ObjectId,
    ObjectView, ObjectWrite, Path, PlainObject, Point, Query, SpaceId, TextChange, Version, limits,
};

use crate::blobs::{BlobKeeping, BlobUpload, BlobUsage, BlobView};
use crate::queries::{QueryAnswer, QueryDiff};
use crate::views::*;

/// Names a client over its life, across reconnects and takeovers; 16 random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub [u8; 16]);

/// From a client to the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// First frame on every channel. The node answers [`NodeFrame::Welcome`].
    Hello {
        /// Protocol version, [`PROTOCOL_VERSION`].
        version: u32,
        /// Who speaks.
        client: ClientId,
    },
    /// A call, answered by exactly one [`NodeFrame::Reply`] with the same `call`.
    Call {
        /// Chosen by the client, unique while open.
        call: u64,
        /// What is asked.
        request: Request,
    },
    /// An idempotent write: stored with its number in one transaction, answered by [`NodeFrame::Written`].
    /// Numbers grow by one for each client; a number at or below the stored one is answered, not done again.
    Write {
        /// The client's write number, from 1.
        n: u64,
        /// What to write.
        write: Write,
    },
    /// Where the person is; ephemeral, the last one counts.
    Presence {
        /// The place, or `None` when nothing is open.
        place: Option<Place>,
    },
}

/// Version of this protocol.
pub const PROTOCOL_VERSION: u32 = 2;

/// What is asked of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Makes the profile's identity and its personal space. Fails if there is one.
    CreateIdentity {
        /// The person's name.
        name: String,
        /// This device, in words.
        device_label: String,
        /// Platform, such as `Chrome on Linux`.
        platform: String,
    },
    /// Makes a space; answers [`Response::Space`].
    CreateSpace {
        /// Its name.
        name: String,
    },
    /// Starts [`Event::Query`] events for a query; answers [`Response::Subscribed`].
    Subscribe {
        /// The space it is asked in; its scope may name others.
        space: SpaceId,
        /// What to find.
        query: Query,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// As answered by `Subscribe`.
        subscription: u64,
    },
    /// One object now; answers [`Response::Object`].
    Get {
        /// The space.
        space: SpaceId,
        /// The object.
        object: ObjectId,
    },
    /// Runs a query once; answers [`Response::Answer`].
    Query {
        /// The space it is asked in; its scope may name others.
        space: SpaceId,
        /// What to find.
        query: Query,
    },
    /// Opens a text for editing; answers [`Response::Text`] and starts [`Event::Text`] events.
    /// With `base`, answers the change since that version where it is known.
    OpenText {
        /// Which text.
        text: TextAddress,
        /// Version the editor already shows.
        base: Option<Vec<u8>>,
    },
    /// Ends the events of a text.
    CloseText {
        /// Which text.
        text: TextAddress,
    },
    /// Makes an interactive invitation to a space, hosted by this node; its life is in [`Event::Invitation`].
    Invite {
        /// The space.
        space: SpaceId,
        /// What the guest may do.
        role: Role,
        /// Milliseconds until it expires.
        ttl_ms: u64,
    },
    /// Ends an invitation (host) or a join (guest).
    CancelInvitation {
        /// Which.
        invitation: dxos_base::InvitationId,
    },
    /// Joins by an invitation code (host part of the link's fragment); its life is in [`Event::Invitation`].
    Join {
        /// The code as typed or from the link.
        code: String,
    },
    /// The 6-digit auth code the guest was told.
    Authenticate {
        /// Which join.
        invitation: dxos_base::InvitationId,
        /// Six digits; spaces are ignored.
        code: String,
    },
    /// Cuts or restores all networking of this node.
    SetOffline {
        /// True: no packet leaves or enters.
        offline: bool,
    },
    /// Answers when everything acknowledged so far is synced to disk.
    Flush,
    /// Test and status figures.
    Stats,
    /// Objects as plain data, texts with their content; answers [`Response::Plain`]. Those not here are left out.
    Plain {
        /// The space.
        space: SpaceId,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// Writes of a property that lost against concurrent ones, from the log; answers [`Response::Conflicts`].
    Conflicts {
        /// The space.
        space: SpaceId,
        /// The object.
        object: ObjectId,
        /// The property.
        path: Path,
    },
    /// Makes everything of a space again from its entries and compares; answers [`Response::Verified`].
    Verify {
        /// The space.
        space: SpaceId,
        /// What to do with what is wrong.
        mode: VerifyMode,
    },
    /// Opens a space that is closed, or whose opening failed, on this device; it stays open over restarts.
    OpenSpace {
        /// The space.
        space: SpaceId,
    },
    /// Closes a space on this device: it is listed, and costs nothing, until it is opened again.
    CloseSpace {
        /// The space.
        space: SpaceId,
    },
    /// Ends one's own membership of a space, for all of one's devices; what one wrote stays with the others. The copy
    /// on this device can still be read, until [`Request::RemoveSpace`]. Not for the last owner.
    LeaveSpace {
        /// The space.
        space: SpaceId,
    },
    /// Asks all members to delete a space: from then on nobody writes in it. Owners only.
    DeleteSpace {
        /// The space.
        space: SpaceId,
    },
    /// Removes a space with all its data from this device; others keep theirs. Not the personal one.
    RemoveSpace {
        /// The space.
        space: SpaceId,
    },
    /// Picks a branch of each forked feed of a device that has not done so itself: the longest known. What the device
    /// wrote on the others shows again only if it comes back and issues it anew. For its own identity, and admins.
    SettleForks {
        /// The space.
        space: SpaceId,
        /// The device.
        device: DeviceKey,
    },
    /// Runs a query once; answers [`Response::Ids`].
    QueryIds {
        /// The space it is asked in; of others nothing is told.
        space: SpaceId,
        /// What to find.
        query: Query,
    },
    /// Edits of an object, the latest first; answers [`Response::History`].
    History {
        /// The space.
        space: SpaceId,
        /// The object.
        object: ObjectId,
        /// How much of it.
        window: HistoryWindow,
    },
    /// An object as it was; answers [`Response::Version`].
    Version {
        /// The space.
        space: SpaceId,
        /// The object.
        object: ObjectId,
        /// When.
        point: Point,
    },
    /// Objects written since a point, by id; answers [`Response::Ids`] with at most
    /// [`RESTORE_OBJECTS_MAX`](limits::RESTORE_OBJECTS_MAX) of them.
    ChangedSince {
        /// The space.
        space: SpaceId,
        /// Since when.
        point: Point,
        /// Only those after this one.
        after: Option<ObjectId>,
    },
    /// Puts objects back to what they were, at most [`RESTORE_OBJECTS_MAX`](limits::RESTORE_OBJECTS_MAX) at once; those
    /// that were not there yet are deleted. Done twice it changes nothing more.
    Restore {
        /// The space.
        space: SpaceId,
        /// The objects.
        objects: Vec<ObjectId>,
        /// When.
        point: Point,
        /// How it can be undone.
        mark: Option<UndoMark>,
    },
    /// Undoes, or does again, the last step of a scope; answers [`Response::Undone`].
    Undo {
        /// The space.
        space: SpaceId,
        /// The scope.
        scope: String,
        /// Does again what was undone last.
        redo: bool,
    },
    /// What could be undone and done again; answers [`Response::UndoLabels`].
    UndoLabels {
        /// The space.
        space: SpaceId,
        /// The scope.
        scope: String,
    },
    /// Begins to put in a blob, or goes on with it; answers [`Response::BlobUpload`].
    BlobBegin {
        /// The space.
        space: SpaceId,
        /// Its length.
        bytes: u64,
        /// [`piece_hash`](dxos_base::blob::piece_hash) of each of its pieces.
        pieces: Vec<Hash>,
    },
    /// Gives a piece of a blob that was begun on this node; stored when answered. Twice is once.
    BlobPiece {
        /// The space.
        space: SpaceId,
        /// As answered by `BlobBegin`.
        upload: Hash,
        /// Which piece.
        n: u32,
        /// Its bytes: [`BLOB_PIECE_BYTES`](limits::BLOB_PIECE_BYTES), the last one what is left.
        piece: Piece,
    },
    /// All pieces are given; answers [`Response::BlobUpload`] with the blob's id.
    BlobFinish {
        /// The space.
        space: SpaceId,
        /// As answered by `BlobBegin`.
        upload: Hash,
    },
    /// A piece of a blob; answers [`Response::BlobPiece`].
    BlobRead {
        /// The space.
        space: SpaceId,
        /// The blob.
        blob: BlobId,
        /// Opens it.
        key: BlobKey,
        /// Which piece.
        n: u32,
    },
    /// How far a blob is here; answers [`Response::Blob`].
    Blob {
        /// The space.
        space: SpaceId,
        /// The blob.
        blob: BlobId,
        /// Whether [`Event::Blob`] tells of it, at once and on every change from now on, or no more; `None`: as before.
        follow: Option<bool>,
    },
    /// What is done with a blob here; answers [`Response::Blob`].
    BlobKeep {
        /// The space.
        space: SpaceId,
        /// The blob.
        blob: BlobId,
        /// What.
        keep: BlobKeeping,
    },
    /// What blobs take on this device; answers [`Response::BlobUsage`].
    BlobUsage {
        /// Sets what they may take.
        bytes_max: Option<u64>,
    },
}

/// Makes a write a step that can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoMark {
    /// Steps of one scope are undone in turn: an app, a document, a view.
    pub scope: String,
    /// What was done, as a person would say it.
    pub label: String,
}

/// A write; all of it or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// Objects and properties of one space.
    Objects {
        /// The space.
        space: SpaceId,
        /// In order.
        writes: Vec<ObjectWrite>,
    },
    /// A change of a text on version `base`.
    Text {
        /// Which text.
        text: TextAddress,
        /// The version the editor's unacknowledged change stands on.
        base: Vec<u8>,
        /// The change.
        delta: Vec<TextChange>,
    },
    /// As `Objects`, and can be undone by [`Request::Undo`].
    Marked {
        /// The space.
        space: SpaceId,
        /// In order.
        writes: Vec<ObjectWrite>,
        /// How.
        mark: UndoMark,
    },
}

/// From the node to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NodeFrame {
    /// Answer to `Hello`.
    Welcome {
        /// Protocol version.
        version: u32,
        /// Number of this client's last stored write.
        written: u64,
    },
    /// Answer to a call.
    Reply {
        /// The call's number.
        call: u64,
        /// What came of it.
        result: Result<Response, Failure>,
    },
    /// Answer to a write: acknowledged (it survives a kill) or refused.
    Written {
        /// The write's number.
        n: u64,
        /// For texts: the version after this write.
        result: Result<Option<Vec<u8>>, Failure>,
    },
    /// What changed since the last batch, in order.
    Batch {
        /// The events.
        events: Vec<Event>,
    },
}

/// Answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// Done, nothing to tell.
    Done,
    /// A space was made or joined.
    Space(SpaceId),
    /// A subscription started; its first event holds all rows.
    Subscribed(u64),
    /// An object, if there is one.
    Object(Option<Box<ObjectView>>),
    /// What a query gave.
    Answer(QueryAnswer),
    /// A text is open.
    Text(TextOpened),
    /// An invitation or join began.
    Invitation(InvitationView),
    /// Figures by name.
    Stats(BTreeMap<String, u64>),
    /// Objects as plain data.
    Plain(Vec<PlainObject>),
    /// Lost writes, the latest first.
    Conflicts(Vec<Conflict>),
    /// What a verification found.
    Verified(VerifyView),
    /// Which objects a query found, in order.
    Ids(Vec<ObjectId>),
    /// Edits of an object.
    History(HistoryPage),
    /// An object as it was; `None` if there was none.
    Version(Option<Box<Version>>),
    /// What was undone; `None` if there was nothing.
    Undone(Option<UndoneView>),
    /// What could be undone, and done again.
    UndoLabels {
        /// What the last step is called.
        undo: Option<String>,
        /// What the last undone step is called.
        redo: Option<String>,
    },
    /// A blob being put in.
    BlobUpload(BlobUpload),
    /// A piece of a blob; `None`: it is not here yet.
    BlobPiece(Option<Piece>),
    /// A blob.
    Blob(BlobView),
    /// What blobs take.
    BlobUsage(BlobUsage),
}

/// What undoing a step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoneView {
    /// What the step is called.
    pub label: String,
    /// Parts of it left alone, as others changed the same since.
    pub skipped: u64,
}

/// What a node tells on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The whole status; sent at once after `Welcome` and on every change.
    Status(StatusView),
    /// Rows of a subscription changed. The first event is the difference to no rows at all.
    Query {
        /// Which subscription.
        subscription: u64,
        /// What became of the rows told before.
        diff: QueryDiff,
    },
    /// A text changed by others.
    Text {
        /// Which text.
        text: TextAddress,
        /// The version the change stands on: what this client was last told.
        base: Vec<u8>,
        /// The version after it.
        version: Vec<u8>,
        /// The change.
        delta: Vec<TextChange>,
    },
    /// Carets of others in an open text; replaces what was told before.
    Carets {
        /// Which text.
        text: TextAddress,
        /// Where the others are.
        carets: Vec<CaretView>,
    },
    /// An invitation or join moved on.
    Invitation(InvitationView),
    /// A blob that is followed is further.
    Blob(BlobView),
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub kind: FailureKind,
    /// For people: what happened.
    pub message: String,
    /// For people: what to do.
    pub hint: String,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The frame or an argument is malformed or over a limit.
    Malformed,
    /// No identity yet, or one already.
    Identity,
    /// No such space, object or text.
    NotFound,
    /// The role does not allow it.
    NotAllowed,
    /// A wrong, used or cancelled invitation code.
    Invitation,
    /// An invitation past its end.
    Expired,
    /// A wrong auth code.
    AuthCode,
    /// Nobody answered in time.
    Timeout,
    /// No room left.
    StorageFull,
    /// Storage failed otherwise.
    Storage,
    /// The text engine failed.
    Text,
    /// Another host has taken over; connect again.
    Gone,
}

/// Decodes a client's frame.
pub fn decode_client(bytes: &[u8]) -> Result<ClientFrame, DecodeError> {
    dxos_base::decode(bytes, limits::SERVICE_FRAME_BYTES_MAX)
}

/// Decodes a node's frame. A client's node is its own: whether the form is the canonical one is not looked at, which
/// saves every app the code that writes what only nodes write.
pub fn decode_node(bytes: &[u8]) -> Result<NodeFrame, DecodeError> {
    let (len, max) = (bytes.len(), limits::SERVICE_FRAME_BYTES_MAX);
    if len > max {
        return Err(DecodeError::TooLong { len, max });
    }
    dxos_base::codec::decode_trusted(bytes)
}
