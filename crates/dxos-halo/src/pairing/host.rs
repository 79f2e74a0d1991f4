//! The host's side of a pairing.

use dxos_base::limits::{AUTH_TRIES_MAX, STREAM_MESSAGE_BYTES_MAX};
use dxos_base::{AgreementKey, DeviceKey, Entropy, Hash, Tick, decode, encode};

use super::{
    GuestMessage, HostMessage, Introduction, PAIRING_VERSION, PairingFailure, PairingOutput,
    PairingState, confirmations, context, offer_binding, same,
};
use crate::admission::GuestOffer;
use crate::credential::Credential;
use crate::invite::{AuthMethod, HostInvitation};
use crate::spake;

/// A guest that began and says nothing more holds the invitation no longer than this against others.
pub const AUTHENTICATING_MS_MAX: u64 = 30_000;
/// Credentials in one message: half of what a stream message may hold.
const GRANT_BYTES_SOFT: usize = STREAM_MESSAGE_BYTES_MAX / 2;

/// What the host brings into a pairing.
#[derive(Debug, Clone)]
pub struct HostParty {
    /// The host's device.
    pub device: DeviceKey,
    /// Its agreement key: the static key of its session.
    pub agreement: AgreementKey,
    /// Static key of the other end of the session.
    pub remote: AgreementKey,
    /// Hash of the session's handshake.
    pub handshake_hash: [u8; 32],
    /// Shown to the guest once it is proved.
    pub host_name: String,
    /// Shown to the guest once it is proved.
    pub space_name: String,
}

enum Stage {
    Hello,
    Ready {
        guest: DeviceKey,
    },
    Exchanged {
        guest: DeviceKey,
        expected: Hash,
        answer: Hash,
    },
    Counting {
        guest: DeviceKey,
        expected: Hash,
        answer: Hash,
        given: Hash,
    },
    Confirmed {
        guest: DeviceKey,
    },
    Admitting,
    Done,
}

/// One connection of a guest to an invitation this device hosts.
pub struct HostPairing {
    party: HostParty,
    stage: Stage,
}

impl std::fmt::Debug for HostPairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostPairing")
    }
}

impl HostPairing {
    /// Waits for the guest's first message.
    pub fn new(party: HostParty) -> Self {
        HostPairing {
            party,
            stage: Stage::Hello,
        }
    }

    /// Whether it ended, well or not.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Takes a message of the guest.
    pub fn handle(
        &mut self,
        invitation: &mut HostInvitation,
        now: Tick,
        message: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Vec<PairingOutput> {
        if self.is_done() {
            return Vec::new();
        }
        let Ok(message) = decode::<GuestMessage>(message, STREAM_MESSAGE_BYTES_MAX) else {
            return self.refuse(invitation, PairingFailure::Protocol);
        };
        // The last try may be the right one: it is counted already, so the rule ends at its answer.
        let proved = matches!(self.stage, Stage::Confirmed { .. } | Stage::Admitting);
        if let Some(reason) = invitation.dead(now)
            && !(proved && reason == PairingFailure::TriesUsed)
        {
            return self.refuse(invitation, reason);
        }
        match (std::mem::replace(&mut self.stage, Stage::Done), message) {
            (_, GuestMessage::Cancel) => {
                self.release(invitation);
                vec![PairingOutput::Failed(PairingFailure::Cancelled)]
            }
            (
                Stage::Hello,
                GuestMessage::Hello {
                    version,
                    invitation: id,
                    device,
                },
            ) => {
                if version != PAIRING_VERSION {
                    return self.refuse(invitation, PairingFailure::Version);
                }
                if id != invitation.id() {
                    return self.refuse(invitation, PairingFailure::UnknownInvitation);
                }
                self.stage = Stage::Ready { guest: device };
                let welcome = HostMessage::Welcome {
                    version: PAIRING_VERSION,
                    device: self.party.device,
                    auth: invitation.code.auth,
                    tries_left: invitation.tries_left(),
                };
                vec![
                    PairingOutput::State(PairingState::Connected),
                    PairingOutput::State(PairingState::ReadyForAuthentication),
                    send(&welcome),
                ]
            }
            (Stage::Ready { guest }, GuestMessage::Begin { exchange }) => {
                if !self.claim(invitation, now) {
                    return self.refuse(invitation, PairingFailure::Busy);
                }
                self.exchange(invitation, guest, &exchange, entropy)
            }
            (
                Stage::Exchanged {
                    guest,
                    expected,
                    answer,
                },
                GuestMessage::Confirm { mac },
            ) => {
                if !self.claim(invitation, now) {
                    return self.refuse(invitation, PairingFailure::Busy);
                }
                self.stage = Stage::Counting {
                    guest,
                    expected,
                    answer,
                    given: mac,
                };
                if invitation.code.auth == AuthMethod::None {
                    return self.try_counted(invitation, entropy);
                }
                invitation.tries_used = (invitation.tries_used + 1).min(AUTH_TRIES_MAX);
                vec![PairingOutput::CountTry {
                    tries_used: invitation.tries_used,
                }]
            }
            (Stage::Confirmed { guest }, GuestMessage::Offer { offer }) => {
                self.offered(invitation, guest, &offer)
            }
            _ => self.refuse(invitation, PairingFailure::Protocol),
        }
    }

    /// Goes on after the count of [`PairingOutput::CountTry`] is on disk.
    pub fn try_counted(
        &mut self,
        invitation: &mut HostInvitation,
        _entropy: &mut dyn Entropy,
    ) -> Vec<PairingOutput> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Counting {
                guest,
                expected,
                answer,
                given,
            } if same(&expected, &given) => {
                self.stage = Stage::Confirmed { guest };
                let introduction = Introduction {
                    host_name: self.party.host_name.clone(),
                    space_name: self.party.space_name.clone(),
                    space: invitation.space,
                    role: invitation.role,
                };
                vec![send(&HostMessage::Confirmed {
                    mac: answer,
                    introduction,
                })]
            }
            Stage::Counting { guest, .. } => {
                let tries_left = match invitation.code.auth {
                    AuthMethod::None => 0,
                    AuthMethod::Code => invitation.tries_left(),
                };
                let wrong = PairingOutput::WrongCode { tries_left };
                if tries_left == 0 {
                    let mut out = vec![wrong];
                    out.extend(self.refuse(invitation, PairingFailure::TriesUsed));
                    return out;
                }
                self.release(invitation);
                self.stage = Stage::Ready { guest };
                vec![
                    wrong,
                    PairingOutput::State(PairingState::ReadyForAuthentication),
                    send(&HostMessage::Wrong { tries_left }),
                ]
            }
            other => {
                self.stage = other;
                Vec::new()
            }
        }
    }

    /// Answers [`PairingOutput::Admit`] with all credentials of the space, parents first, those of the admission
    /// included and stored. Marks the invitation as used: persist it in the same transaction.
    pub fn grant(
        &mut self,
        invitation: &mut HostInvitation,
        credentials: &[Credential],
    ) -> Vec<PairingOutput> {
        if !matches!(self.stage, Stage::Admitting) {
            return Vec::new();
        }
        self.stage = Stage::Done;
        invitation.used = true;
        self.release(invitation);
        let mut out = Vec::new();
        let (mut chunk, mut size) = (Vec::new(), 0);
        for credential in credentials {
            if size + credential.bytes().len() > GRANT_BYTES_SOFT {
                let credentials = std::mem::take(&mut chunk);
                out.push(send(&HostMessage::Granted {
                    last: false,
                    credentials,
                }));
                size = 0;
            }
            size += credential.bytes().len();
            chunk.push(credential.bytes().to_vec());
        }
        out.push(send(&HostMessage::Granted {
            last: true,
            credentials: chunk,
        }));
        out.push(PairingOutput::State(PairingState::Success));
        out
    }

    /// Ends the pairing with a reason told to the guest.
    pub fn refuse(
        &mut self,
        invitation: &mut HostInvitation,
        reason: PairingFailure,
    ) -> Vec<PairingOutput> {
        self.release(invitation);
        self.stage = Stage::Done;
        vec![
            send(&HostMessage::Refused { reason }),
            PairingOutput::Failed(reason),
        ]
    }

    /// The stream is gone: others may authenticate.
    pub fn closed(&mut self, invitation: &mut HostInvitation) {
        self.release(invitation);
        self.stage = Stage::Done;
    }

    fn exchange(
        &mut self,
        invitation: &mut HostInvitation,
        guest: DeviceKey,
        theirs: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Vec<PairingOutput> {
        let context = self.context(invitation, &guest);
        let (exchange, ours) = spake::start_host(&invitation.password(), &context, entropy);
        let Ok(key) = spake::finish(exchange, theirs) else {
            return self.refuse(invitation, PairingFailure::Protocol);
        };
        let (expected, answer) = confirmations(&key, &context, theirs, &ours);
        self.stage = Stage::Exchanged {
            guest,
            expected,
            answer,
        };
        vec![
            PairingOutput::State(PairingState::Authenticating),
            send(&HostMessage::Reply { exchange: ours }),
        ]
    }

    fn offered(
        &mut self,
        invitation: &mut HostInvitation,
        guest: DeviceKey,
        offer: &[u8],
    ) -> Vec<PairingOutput> {
        let context = self.context(invitation, &guest);
        let binding = offer_binding(&context, &self.party.agreement);
        match GuestOffer::decode(offer, binding) {
            Ok(offer)
                if offer.device() == guest && offer.device_agreement() == self.party.remote =>
            {
                self.stage = Stage::Admitting;
                let introduced = PairingOutput::Introduced {
                    peer_name: offer.name().to_owned(),
                    space_name: self.party.space_name.clone(),
                };
                vec![introduced, PairingOutput::Admit(Box::new(offer))]
            }
            _ => self.refuse(invitation, PairingFailure::OfferRefused),
        }
    }

    fn context(&self, invitation: &HostInvitation, guest: &DeviceKey) -> Vec<u8> {
        context(
            &invitation.id(),
            &self.party.device,
            guest,
            &self.party.handshake_hash,
        )
    }

    /// Takes the one place to authenticate, if it is free, ours, or held too long.
    fn claim(&self, invitation: &mut HostInvitation, now: Tick) -> bool {
        let ours = self.party.handshake_hash;
        if let Some((holder, since)) = invitation.authenticating
            && holder != ours
            && now < since.plus_ms(AUTHENTICATING_MS_MAX)
        {
            return false;
        }
        invitation.authenticating = Some((ours, now));
        true
    }

    fn release(&self, invitation: &mut HostInvitation) {
        if invitation
            .authenticating
            .is_some_and(|(holder, _)| holder == self.party.handshake_hash)
        {
            invitation.authenticating = None;
        }
    }
}

fn send(message: &HostMessage) -> PairingOutput {
    PairingOutput::Send(encode(message))
}
