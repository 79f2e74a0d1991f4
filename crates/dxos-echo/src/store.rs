//! What ECHO asks of storage, in its own words. Synchronous and fallible; SQL stands in `dxos-store` only.
//!
//! Contract (checked by the conformance suite in `dxos-store`)
//! * calls between [`Store::begin`] and [`Store::commit`] are one transaction: all or nothing, also over a crash;
//! * [`Durability::Acknowledged`] survives a killed process; [`Durability::Synced`] survives power loss, and makes
//!   every earlier commit do so;
//! * after an error inside a transaction the caller calls [`Store::rollback`]; reads see the transaction's own writes.

use dxos_base::query::TextMode;
use dxos_base::{FeedId, Hash, ObjectId, SpaceId, TextId};

use crate::blob_store::BlobStore;

/// Why storage did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room left on the disk or in the browser's quota.
    #[error("storage is full")]
    Full,
    /// Another process or tab holds the profile.
    #[error("the profile is in use elsewhere")]
    Busy,
    /// The browser or the file system does not let us write.
    #[error("storage is not allowed here: {detail}")]
    Denied {
        /// The platform's words.
        detail: String,
    },
    /// What was read is not what was written.
    #[error("storage is damaged: {detail}")]
    Corrupt {
        /// What did not fit.
        detail: String,
    },
    /// The store was written by a newer version of the program; nothing was changed.
    #[error("the store has format {found}, this build understands up to {known}")]
    Newer {
        /// Format found.
        found: u32,
        /// Newest format this build knows.
        known: u32,
    },
    /// Any other failure of the platform.
    #[error("storage failed: {detail}")]
    Failed {
        /// The platform's words.
        detail: String,
    },
}

/// How much a commit promises when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a killed process.
    Acknowledged,
    /// Survives power loss.
    Synced,
}

/// A stored feed: what is held of it and how far it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// The feed.
    pub feed: FeedId,
    /// Greatest sequence number stored without a gap; entries count from 1, 0 = none.
    pub stored_seq: u64,
    /// Hash of the entry at `stored_seq`; zeros if none.
    pub head: Hash,
    /// Greatest sequence number whose gap-free prefix is applied (void entries count as applied).
    pub applied_seq: u64,
    /// What ECHO remembers about the feed (control heads, waiting entries); opaque to storage.
    pub state: Vec<u8>,
}

/// A stored entry: the exact signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// The feed it stands in.
    pub feed: FeedId,
    /// Its place in the feed, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// What became of it here.
    pub state: EntryState,
    /// The signed bytes, as made by the writer.
    pub bytes: Vec<u8>,
}

/// What became of an entry on this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EntryState {
    /// Its changes are in the materialised rows.
    Applied = 0,
    /// A key, credential or version is missing; retried.
    Waiting = 1,
    /// Signed but not allowed or malformed: kept and forwarded, never applied.
    Void = 2,
}

/// An entry of a forked feed that does not stand: of a branch not picked, or of one of several nobody picked from yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRow {
    /// Where it stands.
    pub place: BranchPlace,
    /// The signed bytes, as made by the writer.
    pub bytes: Vec<u8>,
}

/// Where an entry of a branch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BranchPlace {
    /// The feed.
    pub feed: FeedId,
    /// Its place in the feed, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Hash of the entry before; zeros for the first.
    pub previous: Hash,
    /// This device wrote it and has issued its changes again.
    pub reissued: bool,
}

/// A materialised object: the whole record in one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// The object.
    pub object: ObjectId,
    /// `@type` without its version, empty if untyped; what queries by type look at.
    pub type_name: String,
    /// Shown (not deleted).
    pub shown: bool,
    /// Encoded registers.
    pub body: Vec<u8>,
}

/// A property of an object made findable: order-preserving bytes of its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexKey {
    /// Property name at the top of the object (`@created`, `title`, …).
    pub property: String,
    /// Order-preserving encoding of the value, at most 128 bytes (longer ones are cut; readers re-check).
    pub value: Vec<u8>,
}

/// What is made findable of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findable {
    /// Its index rows; sorted, without repeats.
    pub keys: Vec<IndexKey>,
    /// Its words; empty if it has none.
    pub full_text: String,
    /// Objects it refers to; sorted, without repeats.
    pub references: Vec<ObjectId>,
}

/// One object to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPut {
    /// Its row.
    pub row: ObjectRow,
    /// What the last put of it gave; `None` if it has no row.
    pub before: Option<Findable>,
    /// What it is found by now.
    pub now: Findable,
}

/// A range of the property index, in the order of (value, object id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexScan {
    /// Property name.
    pub property: String,
    /// Inclusive lower bound.
    pub from: Option<Vec<u8>>,
    /// Exclusive upper bound.
    pub to: Option<Vec<u8>>,
    /// Greatest first: the exact reverse, object ids too.
    pub descending: bool,
    /// Rows passed over.
    pub skip: usize,
    /// Rows given at most.
    pub limit: usize,
}

/// A text as stored: a full snapshot of the engine and the updates since.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextRow {
    /// Engine snapshot; empty if none yet.
    pub snapshot: Vec<u8>,
    /// Updates after the snapshot, in order of arrival, each with its row number.
    pub tail: Vec<(u64, Vec<u8>)>,
}

/// Storage of one profile. One writer; the host holds the lock.
pub trait Store: BlobStore {
    /// Starts a transaction. Transactions do not nest.
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Ends the transaction, keeping all of it.
    fn commit(&mut self, durability: Durability) -> Result<(), StoreError>;
    /// Ends the transaction, keeping none of it. Harmless outside one.
    fn rollback(&mut self);

    /// Profile-wide value by key (`a/b` names).
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Sets or (with `None`) removes a profile-wide value.
    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError>;
    /// All profile-wide values whose key starts with `prefix`, by key.
    fn list(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Adds a credential of a space's control graph; a known hash is left as it is.
    fn credential_put(
        &mut self,
        space: SpaceId,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError>;
    /// All credentials of a space, in order of arrival.
    fn credentials(&mut self, space: SpaceId) -> Result<Vec<(Hash, Vec<u8>)>, StoreError>;

    /// All feeds of a space.
    fn feeds(&mut self, space: SpaceId) -> Result<Vec<FeedRow>, StoreError>;
    /// Creates or replaces a feed's row.
    fn feed_put(&mut self, space: SpaceId, row: &FeedRow) -> Result<(), StoreError>;
    /// Adds or replaces an entry.
    fn entry_put(&mut self, space: SpaceId, row: &EntryRow) -> Result<(), StoreError>;
    /// Changes what became of an entry.
    fn entry_state(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        state: EntryState,
    ) -> Result<(), StoreError>;
    /// Entries of a feed from `from_seq` on, in order, until `bytes_max` is passed (at least one if there is one).
    fn entries(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
        bytes_max: usize,
    ) -> Result<Vec<EntryRow>, StoreError>;
    /// All waiting entries of a space, by feed and seq.
    fn entries_waiting(&mut self, space: SpaceId) -> Result<Vec<EntryRow>, StoreError>;

    /// Removes the entries of a feed from `from_seq` on.
    fn entries_remove(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        from_seq: u64,
    ) -> Result<(), StoreError>;

    /// Notes which objects an entry changes; twice is once.
    fn touch_put(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        seq: u64,
        objects: &[ObjectId],
    ) -> Result<(), StoreError>;
    /// Entries noted for an object, by feed and seq. Some may not change it, or be there no more: readers look.
    fn touched(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Vec<(FeedId, u64)>, StoreError>;

    /// Adds or replaces an entry of a branch, by feed and hash.
    fn branch_put(&mut self, space: SpaceId, row: &BranchRow) -> Result<(), StoreError>;
    /// An entry of a branch.
    fn branch(
        &mut self,
        space: SpaceId,
        feed: FeedId,
        hash: Hash,
    ) -> Result<Option<BranchRow>, StoreError>;
    /// Removes an entry of a branch.
    fn branch_remove(&mut self, space: SpaceId, feed: FeedId, hash: Hash)
    -> Result<(), StoreError>;
    /// Where the entries of all branches of a space stand, by feed, seq and hash.
    fn branches(&mut self, space: SpaceId) -> Result<Vec<BranchPlace>, StoreError>;

    /// Appends an acknowledged, not yet sealed change set; gives its number (growing).
    fn pending_put(&mut self, space: SpaceId, bytes: &[u8]) -> Result<u64, StoreError>;
    /// All pending change sets of a space, by number.
    fn pending(&mut self, space: SpaceId) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
    /// Removes pending change sets up to and with `through`.
    fn pending_clear(&mut self, space: SpaceId, through: u64) -> Result<(), StoreError>;

    /// One object's row.
    fn object(&mut self, space: SpaceId, object: ObjectId)
    -> Result<Option<ObjectRow>, StoreError>;
    /// Writes an object's row and makes it findable by `now` instead of `before`, which is what the last put of the
    /// object gave; `None` if it has no row. (The caller can tell what that was from the row, so it is not stored.)
    fn object_put(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        before: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError>;
    /// Writes several objects, each once: [`Store::object_put`] of all of them, and cheaper.
    fn objects_put(&mut self, space: SpaceId, puts: &[ObjectPut]) -> Result<(), StoreError> {
        puts.iter()
            .try_for_each(|put| self.object_put(space, &put.row, put.before.as_ref(), &put.now))
    }
    /// Objects of a type (`None`: all) in id order, after `after`, at most `limit`; hidden ones too.
    fn objects(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError>;
    /// Object ids in index order.
    fn index_scan(&mut self, space: SpaceId, scan: &IndexScan)
    -> Result<Vec<ObjectId>, StoreError>;
    /// Object ids whose full text has the words of `query` that `mode` needs, best first.
    fn search(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError>;
    /// Objects that refer to `target`.
    fn referrers(&mut self, space: SpaceId, target: ObjectId) -> Result<Vec<ObjectId>, StoreError>;
    /// Forgets what the objects of a space are findable by; their rows stay. The next put of each tells an empty
    /// [`Findable`] as what stood before.
    fn findable_clear(&mut self, space: SpaceId) -> Result<(), StoreError>;
    /// Removes all materialised object rows of a space (to rebuild them from entries).
    fn objects_clear(&mut self, space: SpaceId) -> Result<(), StoreError>;

    /// A text's stored form; empty if unknown.
    fn text(&mut self, space: SpaceId, text: TextId) -> Result<TextRow, StoreError>;
    /// Appends an update to a text's tail; gives its row number (growing).
    fn text_append(
        &mut self,
        space: SpaceId,
        text: TextId,
        update: &[u8],
    ) -> Result<u64, StoreError>;
    /// Replaces a text's snapshot and drops its tail up to and with row `through`.
    fn text_snapshot(
        &mut self,
        space: SpaceId,
        text: TextId,
        snapshot: &[u8],
        through: u64,
    ) -> Result<(), StoreError>;
    /// All texts of a space.
    fn texts(&mut self, space: SpaceId) -> Result<Vec<TextId>, StoreError>;

    /// Removes everything of a space.
    fn space_remove(&mut self, space: SpaceId) -> Result<(), StoreError>;
}
