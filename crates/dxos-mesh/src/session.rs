//! A secure session of two devices over one link: `Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s`, then multiplexed streams.
//!
//! The machine takes and gives whole link messages, in order. It knows neither the link nor time: whoever owns it
//! ends a handshake that takes too long.
//!
//! Invariants
//! * nothing of a stream leaves or enters before both sides proved the psk and their static keys;
//! * any malformed, altered, repeated, reordered or missing message ends the session, with a typed error;
//! * every outgoing message is at most [`LINK_MESSAGE_BYTES_MAX`](limits::LINK_MESSAGE_BYTES_MAX) bytes.
//!
//! Not here: whether the remote device may be spoken to; the caller judges `remote` of [`SessionEvent::Established`].

use std::cell::Cell;
use std::fmt;

use dxos_base::{AgreementKey, AgreementSecret, Entropy, limits};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, TransportState};
use zeroize::Zeroizing;

pub use crate::mux::Flow;
use crate::mux::{Mux, PROTOCOL_BYTES_MAX, STREAM_QUEUED_BYTES_MAX, Side};

const NOISE: &str = "Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"dxos/1 session";
/// Version of the streams inside; both sides say theirs in the handshake.
const SESSION_VERSION: u8 = 1;
/// What Noise adds to a packet.
const TAG_BYTES: usize = 16;
const PACKET_BYTES_MAX: usize = limits::LINK_MESSAGE_BYTES_MAX - TAG_BYTES;

/// Which side of the handshake: of two peers, the one with the lower id is the initiator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Speaks first.
    Initiator,
    /// Answers.
    Responder,
}

/// Names a stream within one session; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}", self.0)
    }
}

/// What a received message brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The handshake is done; streams can be opened.
    Established {
        /// The remote device's static key, proved.
        remote: AgreementKey,
        /// The same on both sides, different in every session: proofs are bound to it.
        handshake_hash: [u8; 32],
    },
    /// The peer opened a stream.
    Opened {
        /// The stream.
        stream: StreamId,
        /// What it speaks: `replicate`, `gossip`, `blob`, `invite`.
        protocol: String,
    },
    /// A whole message arrived.
    Message {
        /// The stream.
        stream: StreamId,
        /// At most [`STREAM_MESSAGE_BYTES_MAX`](limits::STREAM_MESSAGE_BYTES_MAX) bytes.
        bytes: Vec<u8>,
    },
    /// The peer closed a stream; what was queued on it here is dropped.
    Closed {
        /// The stream.
        stream: StreamId,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The handshake failed: another psk, or altered messages.
    #[error(
        "handshake failed: the peer does not hold the topic's secret, or messages were altered"
    )]
    Handshake,
    /// The peer speaks another version of sessions.
    #[error("the peer speaks session version {version}, this build {SESSION_VERSION}")]
    Version {
        /// The peer's.
        version: u8,
    },
    /// A message was altered, repeated, reordered, or one before it is missing.
    #[error("a message does not open: altered, repeated or out of order")]
    Decrypt,
    /// A link message over the limit.
    #[error("a link message of {len} bytes is over the limit")]
    LinkMessageTooLong {
        /// Its length.
        len: usize,
    },
    /// Frames that cannot be read or break the order of streams.
    #[error("malformed frame")]
    Malformed,
    /// A frame for a stream that was never opened.
    #[error("frame for {stream}, which was never opened")]
    UnknownStream {
        /// Which.
        stream: StreamId,
    },
    /// The peer has too many streams open.
    #[error("the peer opened too many streams")]
    TooManyStreams,
    /// More bytes than credit, or credit for bytes never sent.
    #[error("{stream} went over its window")]
    WindowExceeded {
        /// Which.
        stream: StreamId,
    },
    /// A message over the limit.
    #[error("a message on {stream} is over the limit")]
    MessageTooLong {
        /// Which.
        stream: StreamId,
    },
    /// The session has ended before.
    #[error("the session has ended")]
    Ended,
}

/// Why something cannot be sent. The session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The handshake is not done.
    #[error("the session is not established yet")]
    NotEstablished,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// Closed, or never opened.
    #[error("{stream} is not open")]
    NoStream {
        /// Which.
        stream: StreamId,
    },
    /// Too many streams are open.
    #[error("too many streams are open")]
    TooMany,
    /// The protocol's name is too long.
    #[error("a protocol name of {len} bytes is over the limit of {PROTOCOL_BYTES_MAX}")]
    ProtocolName {
        /// Its length.
        len: usize,
    },
    /// The message is too long.
    #[error(
        "a message of {len} bytes is over the limit of {}",
        limits::STREAM_MESSAGE_BYTES_MAX
    )]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Too much waits on the stream: see [`Session::queued_bytes`].
    #[error("{stream} has {STREAM_QUEUED_BYTES_MAX} bytes waiting")]
    Full {
        /// Which.
        stream: StreamId,
    },
}

enum State {
    Handshake(Box<HandshakeState>),
    Ready(Box<TransportState>),
    Ended,
}

/// One side of a session.
pub struct Session {
    state: State,
    mux: Mux,
    /// Handshake messages not yet taken.
    outgoing: Vec<Vec<u8>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Handshake(_) => "handshake",
            State::Ready(_) => "ready",
            State::Ended => "ended",
        };
        f.debug_struct("Session")
            .field("state", &state)
            .field("mux", &self.mux)
            .finish()
    }
}

impl Session {
    /// Begins a session. `psk` is the `dxos/1 psk` secret of the topic the peers met on, `local` the device's key.
    /// An initiator has its first message ready to take.
    pub fn new(
        role: Role,
        psk: &[u8; 32],
        local: &AgreementSecret,
        entropy: &mut dyn Entropy,
    ) -> Session {
        const FIXED: &str = "the pattern and the lengths of the keys are fixed and right";
        let resolver = Resolver {
            ephemeral: Cell::new(Some(Zeroizing::new(entropy.array()))),
        };
        let builder = Builder::with_resolver(NOISE.parse().expect(FIXED), Box::new(resolver))
            .prologue(PROLOGUE)
            .and_then(|builder| builder.local_private_key(&local.0))
            .and_then(|builder| builder.psk(0, psk))
            .expect(FIXED);
        let (handshake, side) = match role {
            Role::Initiator => (builder.build_initiator(), Side::Odd),
            Role::Responder => (builder.build_responder(), Side::Even),
        };
        let mut session = Session {
            state: State::Handshake(Box::new(handshake.expect(FIXED))),
            mux: Mux::new(side),
            outgoing: Vec::new(),
        };
        if let (Role::Initiator, State::Handshake(handshake)) = (role, &mut session.state) {
            let hello =
                write_handshake(handshake).expect("the first message needs nothing of the peer");
            session.outgoing.push(hello);
        }
        session
    }

    /// Takes one link message. After an error the session has ended: close the link.
    pub fn receive(&mut self, message: &[u8]) -> Result<Vec<SessionEvent>, SessionError> {
        let mut events = Vec::new();
        let result = self.receive_message(message, &mut events);
        if let Err(error) = result {
            self.state = State::Ended;
            self.outgoing.clear();
            return Err(error);
        }
        Ok(events)
    }

    fn receive_message(
        &mut self,
        message: &[u8],
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        if message.len() > limits::LINK_MESSAGE_BYTES_MAX {
            return Err(SessionError::LinkMessageTooLong { len: message.len() });
        }
        match &mut self.state {
            State::Ended => Err(SessionError::Ended),
            State::Ready(transport) => {
                let mut packet = vec![0; message.len()];
                let len = transport
                    .read_message(message, &mut packet)
                    .map_err(|_| SessionError::Decrypt)?;
                if len == 0 {
                    return Err(SessionError::Malformed);
                }
                self.mux.receive(&packet[..len], events)
            }
            State::Handshake(handshake) => {
                let mut payload = vec![0; message.len()];
                let len = handshake
                    .read_message(message, &mut payload)
                    .map_err(|_| SessionError::Handshake)?;
                match payload[..len] {
                    [SESSION_VERSION] => {}
                    [version] => return Err(SessionError::Version { version }),
                    _ => return Err(SessionError::Handshake),
                }
                if !handshake.is_handshake_finished() && handshake.is_my_turn() {
                    self.outgoing
                        .push(write_handshake(handshake).ok_or(SessionError::Handshake)?);
                }
                if handshake.is_handshake_finished() {
                    self.establish(events)?;
                }
                Ok(())
            }
        }
    }

    fn establish(&mut self, events: &mut Vec<SessionEvent>) -> Result<(), SessionError> {
        let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(SessionError::Ended);
        };
        let remote = handshake
            .get_remote_static()
            .and_then(|key| AgreementKey::from_slice(key).ok())
            .ok_or(SessionError::Handshake)?;
        let handshake_hash = handshake
            .get_handshake_hash()
            .try_into()
            .map_err(|_| SessionError::Handshake)?;
        let transport = handshake
            .into_transport_mode()
            .map_err(|_| SessionError::Handshake)?;
        self.state = State::Ready(Box::new(transport));
        events.push(SessionEvent::Established {
            remote,
            handshake_hash,
        });
        Ok(())
    }

    /// Whether streams can be opened.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    fn ready(&mut self) -> Result<&mut Mux, StreamError> {
        match self.state {
            State::Ready(_) => Ok(&mut self.mux),
            State::Handshake(_) => Err(StreamError::NotEstablished),
            State::Ended => Err(StreamError::Ended),
        }
    }

    /// Opens a stream that speaks `protocol`.
    pub fn open(&mut self, protocol: &str) -> Result<StreamId, StreamError> {
        self.ready()?.open(protocol)
    }

    /// Queues a message. It leaves by [`Session::take_outgoing`] as far as the stream has credit.
    pub fn send(&mut self, stream: StreamId, message: Vec<u8>) -> Result<(), StreamError> {
        self.ready()?.send(stream, message)
    }

    /// Bytes queued on a stream: pause a bulk transfer above a bound, go on when a later call tells less.
    pub fn queued_bytes(&self, stream: StreamId) -> usize {
        self.mux.queued_bytes(stream)
    }

    /// Stops or restarts taking bytes of a stream.
    pub fn set_flow(&mut self, stream: StreamId, flow: Flow) -> Result<(), StreamError> {
        self.ready()?.set_flow(stream, flow)
    }

    /// Closes a stream after what is queued on it; nothing more of it is told. Closing twice is harmless.
    pub fn close(&mut self, stream: StreamId) {
        self.mux.close(stream);
    }

    /// The link messages to send now, in order. Call after every other call.
    pub fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        let mut messages = std::mem::take(&mut self.outgoing);
        while let State::Ready(transport) = &mut self.state {
            let packet = self.mux.fill(PACKET_BYTES_MAX);
            if packet.is_empty() {
                break;
            }
            let mut message = vec![0; packet.len() + TAG_BYTES];
            match transport.write_message(&packet, &mut message) {
                Ok(len) => {
                    dxos_base::invariant!(len == message.len(), "Noise adds its tag, no more");
                    messages.push(message);
                }
                // Only after 2^64 messages.
                Err(_) => self.state = State::Ended,
            }
        }
        messages
    }
}

fn write_handshake(handshake: &mut HandshakeState) -> Option<Vec<u8>> {
    // Two keys, two tags and the version fit.
    let mut message = vec![0; 256];
    let len = handshake
        .write_message(&[SESSION_VERSION], &mut message)
        .ok()?;
    message.truncate(len);
    Some(message)
}

/// `snow`'s primitives, with the caller's randomness for the one thing that is random: the ephemeral key.
struct Resolver {
    ephemeral: Cell<Option<Zeroizing<[u8; 32]>>>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(self.ephemeral.take())))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives its bytes once; a second draw fails instead of repeating a key.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), snow::Error> {
        let bytes = self
            .0
            .take()
            .filter(|bytes| bytes.len() == out.len())
            .ok_or(snow::Error::Rng)?;
        out.copy_from_slice(&bytes[..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
