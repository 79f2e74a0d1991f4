//! HALO: identities, devices, credentials, the control graph, the key ladder, invitations.
//!
//! Pure functions and machines over bytes: no storage, no transport, no clock (DESIGN 5).

#![deny(missing_docs)]

pub mod admission;
pub mod body;
mod counted;
pub mod credential;
mod dag;
mod fold;
#[doc(hidden)]
pub mod fuzz;
pub mod graph;
pub mod hpke;
pub mod identity;
pub mod invite;
pub mod keyring;
mod leaving;
pub mod pairing;
mod spake;
pub mod state;

pub use admission::{AdmitError, GuestOffer, OfferError, admit, grant_missing, rekey};
pub use body::{
    CredentialBody, FeedPoint, Grant, InvitationProof, Role, SealedPart, SecretBytes,
    device_consent_hash, invitation_proof_hash,
};
pub use credential::{Credential, CredentialError, Draft, Issuer, issue_credential, space_id_of};
pub use graph::{Added, ControlGraph, DeviceLabel, EntryClaim, RefusedCredential, Verdict};
pub use identity::{Identity, IdentityError, NewIdentity, NewSpace, create_identity, create_space};
pub use invite::{
    AuthMethod, CodeError, HostInvitation, InvitationCode, InvitationKind, normal_auth_code,
};
pub use keyring::Keyring;
pub use leaving::{LeaveError, delete_space, leave};
pub use pairing::{
    Granted, GuestPairing, HostPairing, HostParty, PairingFailure, PairingOutput, PairingSide,
    PairingState, invitation_asked_for, message_kind,
};
pub use state::{ControlState, Cut, DelegatedInvitation, Device, KeyStanding, Member, Place};
