//! Every limit of the system, in one place; the unit stands in the name.
//!
//! Writers enforce limits; readers of signed data degrade (DESIGN 4.5), because a limit whose effect
//! depends on arrival order would make replicas differ.

/// Name of a person, device or space, in UTF-8 bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// A property path, in steps.
pub const PATH_STEPS_MAX: usize = 32;
/// Containers of a value in one another: more would not fit a path. Readers refuse what is deeper, so it also bounds
/// the stack of whoever reads.
pub const VALUE_DEPTH_MAX: usize = PATH_STEPS_MAX;
/// A scalar value, in encoded bytes.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;
/// Changes in one entry. More than DESIGN 4.4 names: signing and padding an entry for every 256 was a tenth of what
/// creating many objects costs (docs/decisions/0004); the bytes below are reached first by all but the smallest.
pub const ENTRY_CHANGES_MAX: usize = 1024;
/// Body at which an entry is cut, before compression (DESIGN 4.4).
pub const ENTRY_BODY_BYTES_SOFT: usize = 64 * 1024;
/// An entry, before and after decompression (DESIGN 4.4).
pub const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// Feeds a device may open in one space over its life (DESIGN 4.4).
pub const FEEDS_PER_DEVICE_MAX: u8 = 16;
/// Branches kept of a forked feed.
pub const FEED_BRANCHES_MAX: usize = 64;
/// Points of a feed named when a branch of it is asked for.
pub const FEED_POINTS_MAX: usize = 128;
/// A credential, whole.
pub const CREDENTIAL_BYTES_MAX: usize = 64 * 1024;
/// Parents a credential names (DESIGN 4.8).
pub const CREDENTIAL_PARENTS_MAX: usize = 16;
/// One message on a transport: what every data channel carries without fragments.
pub const LINK_MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// One message on a mesh stream, reassembled.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Unacknowledged bytes on one stream: the flow-control window.
pub const STREAM_WINDOW_BYTES: usize = 256 * 1024;
/// Streams open on one session.
pub const STREAMS_PER_SESSION_MAX: usize = 64;
/// One frame to or from the signal server.
pub const SIGNAL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Topics one connection may join.
pub const SIGNAL_TOPICS_MAX: usize = 256;
/// Peers in one topic that the signal server names.
pub const SIGNAL_TOPIC_PEERS_MAX: usize = 256;
/// One frame of the services protocol.
pub const SERVICE_FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Tries of an auth code, per invitation over all connections (DESIGN 5).
pub const AUTH_TRIES_MAX: u8 = 3;
/// Digits of an auth code (DESIGN 5).
pub const AUTH_CODE_DIGITS: usize = 6;
/// Longest life of an interactive invitation.
pub const INVITE_TTL_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// A presence message.
pub const PRESENCE_BYTES_MAX: usize = 4 * 1024;
/// After this silence a peer is no longer here (DESIGN 6).
pub const PRESENCE_TTL_MS: u64 = 15_000;
/// A collaborative text, in UTF-16 units, that writers accept.
pub const TEXT_UNITS_MAX: usize = 8 * 1024 * 1024;
/// Operations of one text update, four times those of a text as long as writers accept: all replicas set a longer one
/// aside, and comparing two costs a bounded time.
pub const TEXT_UPDATE_OPERATIONS_MAX: u32 = 4 * TEXT_UNITS_MAX as u32;
/// A text update or snapshot handed to the text engine.
pub const TEXT_IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Rows of one query: a page of a list, and far more than anyone reads.
pub const QUERY_ROWS_MAX: u32 = 10_000;
/// Rows a query may pass over.
pub const QUERY_SKIP_MAX: u32 = 1_000_000;
/// Levels of a query's tree.
pub const QUERY_DEPTH_MAX: usize = 16;
/// Nodes of a query's tree: sets, conditions, steps, keys of order.
pub const QUERY_NODES_MAX: usize = 256;
/// Ids or values of one list in a query.
pub const QUERY_LIST_MAX: usize = 4_096;
/// Former names one path of a query looks under.
pub const FORMER_NAMES_MAX: usize = 64;
/// Changed objects whose contents are handed to live queries; with more of them, queries read again.
pub const TOUCHED_VIEWS_MAX: usize = 1_024;
/// Edits of an object told at once.
pub const HISTORY_EDITS_MAX: usize = 1_024;
/// Objects restored, or told as changed since a point, at once.
pub const RESTORE_OBJECTS_MAX: usize = 256;
/// Steps kept for undo, by space and scope; older ones are forgotten.
pub const UNDO_STEPS_MAX: usize = 256;
/// Name of a scope of undo, and what a step is called, in bytes.
pub const UNDO_NAME_BYTES_MAX: usize = 256;
/// A query, encoded.
pub const QUERY_BYTES_MAX: usize = 256 * 1024;
/// Fields of a schema, nested ones included.
pub const SCHEMA_FIELDS_MAX: usize = 512;
/// Levels of a schema below its type.
pub const SCHEMA_DEPTH_MAX: usize = 16;
/// Options of one choice.
pub const SCHEMA_CHOICES_MAX: usize = 512;
/// A schema, encoded or as JSON.
pub const SCHEMA_BYTES_MAX: usize = 128 * 1024;
/// Misfits told of one object: more help nobody.
pub const MISFITS_MAX: usize = 64;
/// Types known at once, of code and of all open spaces.
pub const TYPES_MAX: usize = 4_096;
/// What a report of an import or export names one by one; more is counted only.
pub const REPORT_NOTES_MAX: usize = 10_000;
/// Objects and texts that one write of an import takes to the node, roughly: a quarter of a frame.
pub const IMPORT_WRITE_BYTES: usize = SERVICE_FRAME_BYTES_MAX / 4;
/// One file that is read for an import, or one file within an archive, unpacked.
pub const IMPORT_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An archive, unpacked.
pub const ARCHIVE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Files in an archive or folder.
pub const ARCHIVE_FILES_MAX: usize = 1_000_000;
/// Folders in one another.
pub const FOLDER_DEPTH_MAX: usize = 64;
/// Operations of one Automerge document of an archive: far more than any object has.
pub const AUTOMERGE_OPERATIONS_MAX: u64 = 4 * 1024 * 1024;
/// The fields at the top of a Markdown note.
pub const FRONT_MATTER_BYTES_MAX: usize = 64 * 1024;
/// Columns of a table.
pub const TABLE_COLUMNS_MAX: usize = 4_096;
/// What a blob is cut into (DESIGN 4.2).
pub const BLOB_PIECE_BYTES: usize = 256 * 1024;
/// Pieces of a blob: 8 GiB, and a manifest that is one message on a stream.
pub const BLOB_PIECES_MAX: usize = 32 * 1024;
/// A manifest, encoded: its hashes, version, length and count.
pub const BLOB_MANIFEST_BYTES_MAX: usize = 32 * BLOB_PIECES_MAX + 32;
/// Media type in a reference to a blob.
pub const BLOB_MEDIA_BYTES_MAX: usize = 128;
/// A reference to a blob, encoded.
pub const BLOB_REF_BYTES_MAX: usize = 512;
/// Chunks of all blobs kept on a device, unless a person sets another bound.
pub const BLOB_QUOTA_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// A blob nothing refers to any more is kept so long (DESIGN 4.2).
pub const BLOB_UNUSED_MS: u64 = 30 * 24 * 3600 * 1000;
/// A blob whose putting in nobody went on with is kept so long.
pub const BLOB_UPLOAD_MS: u64 = 7 * 24 * 3600 * 1000;
/// Blobs put in at once, in one node.
pub const BLOB_UPLOADS_MAX: usize = 16;
/// Blobs fetched at once, in one node; others wait for their turn.
pub const BLOB_FETCHES_MAX: usize = 64;
/// Chunks asked of one peer and not come yet.
pub const BLOB_CHUNKS_ASKED_MAX: usize = 6;
/// Blobs a peer may ask about on one stream.
pub const BLOB_ASKED_MAX: usize = 1_024;
/// Blobs one client follows.
pub const BLOB_FOLLOWED_MAX: usize = 1_024;
