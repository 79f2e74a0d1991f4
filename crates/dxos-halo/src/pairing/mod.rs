//! Pairing: how a host lets a guest in, over one mesh stream (DESIGN 5, invitations).
//!
//! guest: Hello · host: Welcome · guest: Begin (SPAKE2) · host: Reply · guest: Confirm · host: Confirmed or Wrong ·
//! guest: Offer · host: Granted…
//!
//! Invariants
//! * SPAKE2 is bound to invitation id, both device keys and the Noise handshake hash;
//! * the guest confirms first, and a try is counted on disk before the host answers;
//! * names, space and keys are sent only after both sides confirmed;
//! * every end has a reason both sides can show.

mod guest;
mod host;

use dxos_base::{AgreementKey, DeviceKey, Hash, InvitationId, SpaceId, encode, hash};
use serde::{Deserialize, Serialize};

use crate::admission::GuestOffer;
use crate::body::Role;
use crate::credential::Credential;
use crate::invite::AuthMethod;

pub use guest::GuestPairing;
pub use host::{HostPairing, HostParty};

/// Version of the conversation.
const PAIRING_VERSION: u8 = 1;

/// What a pairing asks its caller to do, in order. What a message makes known stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairingOutput {
    /// Send this message on the stream.
    Send(Vec<u8>),
    /// It moved on.
    State(PairingState),
    /// Host: persist the invitation (it holds the new count), then call [`HostPairing::try_counted`].
    CountTry {
        /// The count.
        tries_used: u8,
    },
    /// The auth code was wrong; another may be tried while some are left.
    WrongCode {
        /// Tries left.
        tries_left: u8,
    },
    /// The other side is proved; now it says who it is.
    Introduced {
        /// The other person's name.
        peer_name: String,
        /// The space's name.
        space_name: String,
    },
    /// Host: admit this guest and call [`HostPairing::grant`], or [`HostPairing::refuse`].
    Admit(Box<GuestOffer>),
    /// Guest: the space is open to this identity.
    Granted(Granted),
    /// It ended; close the stream after what was sent.
    Failed(PairingFailure),
}

/// What a guest was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The space.
    pub space: SpaceId,
    /// The role.
    pub role: Role,
    /// The space's credentials, parents first; they fold to a state with this guest as a member.
    pub credentials: Vec<Credential>,
}

/// Where a pairing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingState {
    /// Both sides speak.
    Connected,
    /// The guest may type the auth code.
    ReadyForAuthentication,
    /// The code is being checked.
    Authenticating,
    /// Admitted.
    Success,
}

/// Why a pairing ended without success; the same words on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PairingFailure {
    /// The host does not know the invitation.
    #[error("the host does not know this invitation")]
    UnknownInvitation,
    /// Past its end.
    #[error("this invitation has expired")]
    Expired,
    /// Somebody was admitted by it.
    #[error("this invitation was already used")]
    Used,
    /// Ended by a person.
    #[error("this invitation was cancelled")]
    Cancelled,
    /// Another guest is authenticating.
    #[error("somebody else is joining with this invitation right now; try again in a moment")]
    Busy,
    /// No tries left.
    #[error("the code was wrong too often")]
    TriesUsed,
    /// The host could not prove that it knows the auth code.
    #[error("the host could not prove that it made this invitation")]
    HostNotProved,
    /// The guest's offer is malformed or names other keys than its session.
    #[error("the guest's keys do not fit together")]
    OfferRefused,
    /// The host may not give this role any more.
    #[error("the host may not let anybody in with this role")]
    NotAllowed,
    /// The other side speaks a newer version.
    #[error("the other side uses another version of this app")]
    Version,
    /// A message that does not belong here.
    #[error("the other side sent something unexpected")]
    Protocol,
    /// The host's storage failed.
    #[error("the host could not store the admission")]
    Storage,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum GuestMessage {
    Hello {
        version: u8,
        invitation: InvitationId,
        device: DeviceKey,
    },
    Begin {
        exchange: Vec<u8>,
    },
    Confirm {
        mac: Hash,
    },
    Offer {
        offer: Vec<u8>,
    },
    Cancel,
}

/// The invitation that a guest's first message names; `None` for any other message.
pub fn invitation_asked_for(message: &[u8]) -> Option<InvitationId> {
    match dxos_base::decode::<GuestMessage>(message, dxos_base::limits::STREAM_MESSAGE_BYTES_MAX) {
        Ok(GuestMessage::Hello { invitation, .. }) => Some(invitation),
        _ => None,
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HostMessage {
    Welcome {
        version: u8,
        device: DeviceKey,
        auth: AuthMethod,
        tries_left: u8,
    },
    Reply {
        exchange: Vec<u8>,
    },
    Wrong {
        tries_left: u8,
    },
    Confirmed {
        mac: Hash,
        introduction: Introduction,
    },
    Granted {
        last: bool,
        credentials: Vec<Vec<u8>>,
    },
    Refused {
        reason: PairingFailure,
    },
}

/// Who sent a pairing message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingSide {
    /// The one who asks to be admitted.
    Guest,
    /// The one who invited.
    Host,
}

/// The kind of a pairing message, for counting: read from its variant number alone.
pub fn message_kind(from: PairingSide, bytes: &[u8]) -> &'static str {
    let guest = [
        "invite hello",
        "invite begin",
        "invite confirm",
        "invite offer",
        "invite cancel",
    ];
    let host = [
        "invite welcome",
        "invite reply",
        "invite wrong",
        "invite confirmed",
        "invite granted",
        "invite refused",
    ];
    let kinds: &[&str] = match from {
        PairingSide::Guest => &guest,
        PairingSide::Host => &host,
    };
    let number = bytes.first().map_or(usize::MAX, |n| usize::from(*n));
    kinds.get(number).copied().unwrap_or("invite malformed")
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Introduction {
    host_name: String,
    space_name: String,
    space: SpaceId,
    role: Role,
}

/// What the exchange is bound to.
fn context(
    invitation: &InvitationId,
    host: &DeviceKey,
    guest: &DeviceKey,
    handshake_hash: &[u8; 32],
) -> Vec<u8> {
    encode(&(PAIRING_VERSION, invitation, host, guest, handshake_hash))
}

/// Binds a guest's offer to this conversation.
fn offer_binding(context: &[u8], host_agreement: &AgreementKey) -> Hash {
    hash("pairing offer", &[context, host_agreement.as_bytes()])
}

/// The two confirmations: of the guest, of the host.
fn confirmations(key: &[u8; 32], context: &[u8], guest: &[u8], host: &[u8]) -> (Hash, Hash) {
    let transcript = hash("pairing transcript", &[&encode(&(context, guest, host))]);
    (
        hash("pairing confirm guest", &[key, &transcript.0]),
        hash("pairing confirm host", &[key, &transcript.0]),
    )
}

/// Equal, in constant time.
fn same(a: &Hash, b: &Hash) -> bool {
    use subtle::ConstantTimeEq as _;
    a.0.ct_eq(&b.0).into()
}
