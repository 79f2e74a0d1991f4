//! The guest's side of a pairing.

use dxos_base::limits::STREAM_MESSAGE_BYTES_MAX;
use dxos_base::{AgreementKey, DeviceKey, Entropy, decode, encode};

use super::{
    Granted, GuestMessage, HostMessage, Introduction, PAIRING_VERSION, PairingFailure,
    PairingOutput, PairingState, confirmations, context, offer_binding, same,
};
use crate::admission::GuestOffer;
use crate::credential::Credential;
use crate::graph::{Added, ControlGraph};
use crate::identity::Identity;
use crate::invite::{AuthMethod, InvitationCode, normal_auth_code, password};
use crate::spake::{self, Exchange};

/// Credentials a guest takes: far more than any space has, far less than memory.
const GRANTED_COUNT_MAX: usize = 100_000;

enum Stage {
    Hello,
    Ready {
        host: DeviceKey,
    },
    Begun {
        host: DeviceKey,
        exchange: Exchange,
        ours: Vec<u8>,
    },
    Confirming {
        host: DeviceKey,
        expected: dxos_base::Hash,
    },
    Offered {
        introduction: Introduction,
        credentials: Vec<Credential>,
    },
    Done,
}

/// One attempt to join with a code.
pub struct GuestPairing {
    identity: Identity,
    name: String,
    code: InvitationCode,
    remote: AgreementKey,
    handshake_hash: [u8; 32],
    tries_left: u8,
    stage: Stage,
}

impl std::fmt::Debug for GuestPairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GuestPairing({})", self.code.id())
    }
}

impl GuestPairing {
    /// Joins as `identity`, shown as `name`. `remote` is the static key of the session's other end.
    pub fn new(
        identity: &Identity,
        name: &str,
        code: InvitationCode,
        remote: AgreementKey,
        handshake_hash: [u8; 32],
    ) -> Self {
        GuestPairing {
            identity: identity.clone(),
            name: name.to_owned(),
            code,
            remote,
            handshake_hash,
            tries_left: dxos_base::limits::AUTH_TRIES_MAX,
            stage: Stage::Hello,
        }
    }

    /// Whether it ended, well or not.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Tries of the auth code left, as the host said last.
    pub fn tries_left(&self) -> u8 {
        self.tries_left
    }

    /// Speaks first.
    pub fn start(&mut self) -> Vec<PairingOutput> {
        let hello = GuestMessage::Hello {
            version: PAIRING_VERSION,
            invitation: self.code.id(),
            device: self.identity.device(),
        };
        vec![send(&hello)]
    }

    /// Takes a message of the host.
    pub fn handle(&mut self, message: &[u8], entropy: &mut dyn Entropy) -> Vec<PairingOutput> {
        if self.is_done() {
            return Vec::new();
        }
        let Ok(message) = decode::<HostMessage>(message, STREAM_MESSAGE_BYTES_MAX) else {
            return self.fail(PairingFailure::Protocol);
        };
        match (std::mem::replace(&mut self.stage, Stage::Done), message) {
            (_, HostMessage::Refused { reason }) => {
                let mut out = Vec::new();
                if reason == PairingFailure::TriesUsed {
                    self.tries_left = 0;
                    out.push(PairingOutput::WrongCode { tries_left: 0 });
                }
                out.push(PairingOutput::Failed(reason));
                out
            }
            (
                Stage::Hello,
                HostMessage::Welcome {
                    version,
                    device,
                    auth,
                    tries_left,
                },
            ) => {
                if version != PAIRING_VERSION {
                    return self.fail(PairingFailure::Version);
                }
                if auth != self.code.auth {
                    return self.fail(PairingFailure::Protocol);
                }
                self.tries_left = tries_left;
                self.stage = Stage::Ready { host: device };
                let mut out = vec![PairingOutput::State(PairingState::Connected)];
                match auth {
                    AuthMethod::None => out.extend(self.begin("", entropy)),
                    AuthMethod::Code => {
                        out.push(PairingOutput::State(PairingState::ReadyForAuthentication));
                    }
                }
                out
            }
            (
                Stage::Begun {
                    host,
                    exchange,
                    ours,
                },
                HostMessage::Reply { exchange: theirs },
            ) => {
                let Ok(key) = spake::finish(exchange, &theirs) else {
                    return self.fail(PairingFailure::Protocol);
                };
                let (mac, expected) = confirmations(&key, &self.context(&host), &ours, &theirs);
                self.stage = Stage::Confirming { host, expected };
                vec![send(&GuestMessage::Confirm { mac })]
            }
            (Stage::Confirming { host, .. }, HostMessage::Wrong { tries_left }) => {
                self.tries_left = tries_left;
                self.stage = Stage::Ready { host };
                vec![
                    PairingOutput::WrongCode { tries_left },
                    PairingOutput::State(PairingState::ReadyForAuthentication),
                ]
            }
            (
                Stage::Confirming { host, expected },
                HostMessage::Confirmed { mac, introduction },
            ) => {
                if !same(&expected, &mac) {
                    return self.fail(PairingFailure::HostNotProved);
                }
                self.offer(host, introduction)
            }
            (
                Stage::Offered {
                    introduction,
                    mut credentials,
                },
                HostMessage::Granted {
                    last,
                    credentials: more,
                },
            ) => {
                for bytes in &more {
                    match Credential::decode(bytes) {
                        Ok(credential) if credentials.len() < GRANTED_COUNT_MAX => {
                            credentials.push(credential);
                        }
                        _ => return self.fail(PairingFailure::Protocol),
                    }
                }
                if !last {
                    self.stage = Stage::Offered {
                        introduction,
                        credentials,
                    };
                    return Vec::new();
                }
                self.granted(&introduction, credentials)
            }
            _ => self.fail(PairingFailure::Protocol),
        }
    }

    /// The person typed the auth code. What is no auth code is not sent and costs no try.
    pub fn authenticate(&mut self, code: &str, entropy: &mut dyn Entropy) -> Vec<PairingOutput> {
        if !matches!(self.stage, Stage::Ready { .. }) {
            return Vec::new();
        }
        match normal_auth_code(code) {
            Some(code) => self.begin(&code, entropy),
            None => vec![PairingOutput::WrongCode {
                tries_left: self.tries_left,
            }],
        }
    }

    /// The person gave up.
    pub fn cancel(&mut self) -> Vec<PairingOutput> {
        if self.is_done() {
            return Vec::new();
        }
        self.fail(PairingFailure::Cancelled)
    }

    fn begin(&mut self, auth_code: &str, entropy: &mut dyn Entropy) -> Vec<PairingOutput> {
        let Stage::Ready { host } = self.stage else {
            return Vec::new();
        };
        let password = password(&self.code, auth_code);
        let (exchange, ours) = spake::start_guest(&password, &self.context(&host), entropy);
        let begin = send(&GuestMessage::Begin {
            exchange: ours.clone(),
        });
        self.stage = Stage::Begun {
            host,
            exchange,
            ours,
        };
        vec![PairingOutput::State(PairingState::Authenticating), begin]
    }

    fn offer(&mut self, host: DeviceKey, introduction: Introduction) -> Vec<PairingOutput> {
        let binding = offer_binding(&self.context(&host), &self.remote);
        let Ok(offer) = GuestOffer::new(&self.identity, &self.name, binding) else {
            return self.fail(PairingFailure::OfferRefused);
        };
        let introduced = PairingOutput::Introduced {
            peer_name: introduction.host_name.clone(),
            space_name: introduction.space_name.clone(),
        };
        self.stage = Stage::Offered {
            introduction,
            credentials: Vec::new(),
        };
        vec![
            introduced,
            send(&GuestMessage::Offer {
                offer: offer.to_bytes(),
            }),
        ]
    }

    /// The grant is believed only if its credentials fold to a state with this identity as a member.
    fn granted(
        &mut self,
        introduction: &Introduction,
        credentials: Vec<Credential>,
    ) -> Vec<PairingOutput> {
        let mut graph = ControlGraph::new(introduction.space);
        for credential in &credentials {
            if !matches!(graph.add(credential.clone()), Added::New | Added::Known) {
                return self.fail(PairingFailure::Protocol);
            }
        }
        let Some(role) = graph.state().role_of(&self.identity.device()) else {
            return self.fail(PairingFailure::Protocol);
        };
        let granted = Granted {
            space: introduction.space,
            role,
            credentials,
        };
        vec![
            PairingOutput::Granted(granted),
            PairingOutput::State(PairingState::Success),
        ]
    }

    fn fail(&mut self, reason: PairingFailure) -> Vec<PairingOutput> {
        self.stage = Stage::Done;
        vec![send(&GuestMessage::Cancel), PairingOutput::Failed(reason)]
    }

    fn context(&self, host: &DeviceKey) -> Vec<u8> {
        context(
            &self.code.id(),
            host,
            &self.identity.device(),
            &self.handshake_hash,
        )
    }
}

fn send(message: &GuestMessage) -> PairingOutput {
    PairingOutput::Send(encode(message))
}
