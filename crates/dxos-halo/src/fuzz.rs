//! Fuzz bodies for what HALO reads from others and from disk; how they run: [`dxos_base::fuzz`].

use dxos_base::fuzz::one_form;
use dxos_base::{Hash, encode};

use crate::admission::GuestOffer;
use crate::credential::Credential;
use crate::identity::Identity;
use crate::invite::{HostInvitation, InvitationCode, normal_auth_code};
use crate::keyring::Keyring;
use crate::pairing::{GuestMessage, HostMessage};

/// Any bytes as a credential: what is taken keeps its bytes and hash, and opens nothing without a key.
pub fn credential(bytes: &[u8]) {
    let Ok(credential) = Credential::decode(bytes) else {
        return;
    };
    assert_eq!(credential.bytes(), bytes);
    let again = Credential::decode(credential.bytes()).expect("it was taken before");
    assert_eq!(again.hash(), credential.hash());
    assert!(credential.open_sealed(&Keyring::new()).is_none());
    if let Some(carried) = credential.carried() {
        assert!(carried.carried().is_none(), "carriers do not nest");
    }
}

/// Any bytes as the text of an invitation code: what is read is written as a code that reads the same.
pub fn invitation_code(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(code) = text.parse::<InvitationCode>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
    if let Some(digits) = normal_auth_code(&text) {
        assert_eq!(normal_auth_code(&digits), Some(digits));
    }
}

/// Any bytes as a message of a pairing, from either side, and as the offer inside one.
pub fn pairing(bytes: &[u8]) {
    one_form::<GuestMessage>(bytes);
    one_form::<HostMessage>(bytes);
    if let Ok(offer) = GuestOffer::decode(bytes, Hash::default()) {
        assert_eq!(offer.to_bytes(), bytes);
    }
}

/// Any bytes as what the profile keeps: the identity's secrets and an invitation's record.
pub fn stored(bytes: &[u8]) {
    if let Ok(identity) = Identity::from_secret_bytes(bytes) {
        assert_eq!(identity.to_secret_bytes()[..], *bytes);
    }
    if let Ok(invitation) = HostInvitation::from_secret_bytes(bytes) {
        assert_eq!(encode(&invitation), bytes);
    }
}
