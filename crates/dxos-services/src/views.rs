//! Plain pictures of a node's state, as clients show it.

use serde::{Deserialize, Serialize};

use dxos_base::{DeviceKey, IdentityKey, InvitationId, ObjectId, SpaceId, TextChange};

/// A text property.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TextAddress {
    /// The space.
    pub space: SpaceId,
    /// The object.
    pub object: ObjectId,
    /// The property's name at the top of the object.
    pub property: String,
}

/// Answer to opening a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextOpened {
    /// The version told.
    pub version: Vec<u8>,
    /// How `base` became `version`; the whole text as one insertion at 0 if there was no (known) base.
    pub delta: Vec<TextChange>,
    /// True: `delta` stands on the asked `base`. False: on the empty text.
    pub on_base: bool,
    /// Number of this client's last stored write of this text, 0 if none: tells a client that lost an answer
    /// whether its change is in the text.
    pub written: u64,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// May read.
    Reader,
    /// May read and write.
    Editor,
    /// May also invite.
    Admin,
    /// May do everything.
    Owner,
}

/// Where a person is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The space.
    pub space: SpaceId,
    /// The object on screen.
    pub object: ObjectId,
    /// Caret and selection in a text of it.
    pub selection: Option<TextSelection>,
}

/// A selection in an open text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSelection {
    /// The property's name.
    pub property: String,
    /// The version the positions refer to.
    pub version: Vec<u8>,
    /// Fixed end, UTF-16 units.
    pub anchor: u32,
    /// Moving end: the caret.
    pub head: u32,
}

/// Another person's caret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaretView {
    /// The device it belongs to.
    pub device: DeviceKey,
    /// Whose it is.
    pub identity: IdentityKey,
    /// Name to show.
    pub name: String,
    /// Colour of the person, 0–359 degrees.
    pub hue: u16,
    /// Fixed end, in the version last told to this client.
    pub anchor: u32,
    /// The caret.
    pub head: u32,
}

/// Everything the shell shows about the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The profile's identity, once made.
    pub identity: Option<IdentityView>,
    /// Spaces, in order of joining; the personal space first.
    pub spaces: Vec<SpaceView>,
    /// The network as a whole.
    pub network: NetworkView,
    /// Something the person should know and act on (storage full, clock far off), in words.
    pub warnings: Vec<String>,
}

/// Whose node it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityView {
    /// The identity.
    pub identity: IdentityKey,
    /// Its name.
    pub name: String,
    /// This device.
    pub device: DeviceKey,
    /// Colour, 0–359 degrees.
    pub hue: u16,
}

/// The network as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkView {
    /// Switched off by the person.
    Off,
    /// No signal server; direct connections may live on.
    NoSignal,
    /// Reaching for the signal server.
    Connecting,
    /// Signal server reached.
    Online,
}

/// One space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceView {
    /// The space.
    pub space: SpaceId,
    /// How far it is open on this device. While it is not, only its name and role are known, as they were last.
    pub life: SpaceLife,
    /// Its name.
    pub name: String,
    /// True for the personal space.
    pub personal: bool,
    /// This identity's role.
    pub role: Role,
    /// Members, oldest first.
    pub members: Vec<MemberView>,
    /// Connected devices of this space.
    pub peers: Vec<PeerView>,
    /// How far local writes are.
    pub saved: SaveState,
    /// How far this space is with its connected peers.
    pub sync: SyncState,
    /// How much of the space is on this device.
    pub progress: SyncProgress,
    /// Entries that are stored but not applied yet, by what they wait for.
    pub waiting: Vec<WaitingView>,
    /// Devices of which two copies wrote to the space, each without the other.
    pub forks: Vec<ForkView>,
}

impl SpaceView {
    /// Whether it is open for reading alone: this identity is no member any more, or an owner deleted it.
    pub fn has_ended(&self) -> bool {
        matches!(self.life, SpaceLife::NotMember | SpaceLife::Deleted)
    }

    /// Whether this identity can change what is in it: its role allows it, and it has not ended for this identity.
    pub fn may_write(&self) -> bool {
        self.role >= Role::Editor && !self.has_ended()
    }

    /// Whether this identity can invite to it: the same, for admins and owners.
    pub fn may_invite(&self) -> bool {
        self.role >= Role::Admin && self.may_write()
    }
}

/// How many entries of a space are stored here, of those known to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncProgress {
    /// Stored on this device.
    pub stored: u64,
    /// Stored here or told of by a connected peer; never less than `stored`.
    pub known: u64,
}

/// Entries that wait. The others of their feeds apply meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// For what.
    pub reason: WaitReason,
    /// How many.
    pub entries: u64,
}

/// What a stored entry waits for (DESIGN 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WaitReason {
    /// Credentials its writer had and we have not.
    Credentials,
    /// The space key it is sealed under.
    Key,
    /// A build that understands its format.
    Version,
}

impl std::fmt::Display for WaitReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WaitReason::Credentials => "for news of members",
            WaitReason::Key => "for a key",
            WaitReason::Version => "for a newer version of this app",
        })
    }
}

/// Why nothing moves between this device and a peer although they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StallReason {
    /// This device cannot store what comes.
    Storage,
    /// The two know different credentials, and neither gives the other what it lacks.
    Credentials,
    /// What the peer sends cannot be taken here: its feed forked, or its writer is nobody known.
    NotTaken,
    /// The peer has entries and does not send them.
    NoAnswer,
    /// The peer lacks entries and does not ask for them.
    NotAsking,
}

impl std::fmt::Display for StallReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StallReason::Storage => "this device cannot save",
            StallReason::Credentials => "the lists of members differ",
            StallReason::NotTaken => "what comes cannot be taken",
            StallReason::NoAnswer => "no answer",
            StallReason::NotAsking => "what is here is not asked for",
        })
    }
}

/// A device of which two copies wrote: its feed forked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkView {
    /// The device.
    pub device: DeviceKey,
    /// Its identity.
    pub identity: IdentityKey,
    /// How many branches there are, the one that stands included.
    pub branches: u64,
    /// No branch is picked yet: what the copies wrote does not show.
    pub open: bool,
    /// Of this device: entries of the other branches whose changes it has issued again, in this run.
    pub reissued: u64,
}

/// How far a space is open on a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpaceLife {
    /// Closed by a person; it costs nothing and does not replicate.
    Closed,
    /// Being opened, soon or when it is asked for.
    Opening,
    /// Members are known; nothing can be read until a key comes.
    ControlOnly,
    /// Open.
    Ready,
    /// Open for reading: this identity left, or was removed.
    NotMember,
    /// Open for reading: an owner deleted the space.
    Deleted,
    /// It cannot be opened.
    Error {
        /// Why, in words.
        reason: String,
    },
}

/// A member of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Who.
    pub identity: IdentityKey,
    /// Name to show.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Colour, 0–359 degrees.
    pub hue: u16,
    /// Seen in the last seconds on some device.
    pub online: bool,
    /// The object on their screen.
    pub object: Option<ObjectId>,
}

/// A connected device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// The device.
    pub device: DeviceKey,
    /// Its identity.
    pub identity: IdentityKey,
    /// How we reach it.
    pub kind: LinkKind,
    /// Timeframes, control heads and state agree.
    pub synced: bool,
    /// Entries it has that we lack.
    pub behind: u64,
    /// Entries we have that it lacks.
    pub ahead: u64,
    /// Not synced, and nothing moved for some 20 seconds.
    pub stalled: Option<StallReason>,
}

/// How two peers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LinkKind {
    /// Sealed frames through the server.
    Relayed,
    /// A WebRTC data channel.
    Direct,
}

/// How far local writes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SaveState {
    /// Everything is sealed and synced to disk.
    Saved,
    /// Acknowledged writes wait for sealing.
    Saving,
    /// The last commit failed.
    Failed,
}

/// How far a space is with its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SyncState {
    /// No peer is connected.
    Alone,
    /// Entries are under way.
    Behind,
    /// All connected peers have the same entries and state.
    Synced,
    /// Same entries, different state: a defect, being verified.
    Diverged,
}

/// The life of an invitation, on either side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// Which.
    pub invitation: InvitationId,
    /// This node hosts it (else it is the guest).
    pub host: bool,
    /// The space; the guest learns it on success.
    pub space: Option<SpaceId>,
    /// The space's name, once known.
    pub space_name: String,
    /// The other person's name, once known.
    pub peer_name: String,
    /// The invitation code: the link's fragment. Host only.
    pub code: String,
    /// Six digits to read aloud. Host only.
    pub auth_code: String,
    /// What the guest may do.
    pub role: Role,
    /// How we reach the other side.
    pub link: Option<LinkKind>,
    /// Tries of the auth code left.
    pub tries_left: u8,
    /// Milliseconds since the epoch.
    pub expires_ms: u64,
    /// Where it stands.
    pub state: InvitationState,
    /// Why it ended, in words, when it failed.
    pub reason: String,
}

/// Where an invitation stands (DESIGN 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InvitationState {
    /// Made, waiting for the other side.
    Init,
    /// Reaching the other side.
    Connecting,
    /// A secure session stands.
    Connected,
    /// The guest may type the auth code.
    ReadyForAuthentication,
    /// The code is being checked.
    Authenticating,
    /// Admitted.
    Success,
    /// Ended by a person.
    Cancelled,
    /// Nobody answered in time.
    Timeout,
    /// Failed; see the reason.
    Error,
    /// Past its end.
    Expired,
}

/// What to do with what a verification finds wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyMode {
    /// Tell.
    Check,
    /// Tell, and put what was made again in its place.
    Repair,
}

/// What a verification of a space found: everything made again from entries, compared with what stood on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VerifyView {
    /// Entries read.
    pub entries: u64,
    /// Objects they make.
    pub objects: u64,
    /// Texts they make.
    pub texts: u64,
    /// Entries that are not what their writer signed. Then nothing else was judged, and nothing can be repaired here.
    pub entries_damaged: u64,
    /// Entries that were applied or left out against what the credentials say.
    pub entries_redecided: u64,
    /// Objects that were stored otherwise: the first 100.
    pub objects_wrong: Vec<ObjectId>,
    /// How many there are.
    pub objects_wrong_count: u64,
    /// Properties whose index was another.
    pub indexes_wrong: Vec<String>,
    /// Texts that read otherwise, or not at all.
    pub texts_wrong: u64,
    /// The digest told to peers was another.
    pub digest_wrong: bool,
    /// What was wrong has been replaced.
    pub repaired: bool,
}

impl VerifyView {
    /// Nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.entries_damaged == 0
            && self.entries_redecided == 0
            && self.objects_wrong_count == 0
            && self.indexes_wrong.is_empty()
            && self.texts_wrong == 0
            && !self.digest_wrong
    }
}
