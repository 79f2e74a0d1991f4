//! Streams over one session: numbers, fragments, credit. No cryptography, no time.
//!
//! A packet is a row of frames: kind (1 byte), stream (varint), and
//! `0` open: length, protocol name · `1` part of a message: length, bytes · `2` last part of a message: the same ·
//! `3` credit: bytes · `4` close. Varints are LEB128 in shortest form.
//!
//! Invariants
//! * the initiator opens odd streams, the responder even ones, each number greater than the one before; none is
//!   used again, so frames for a stream known to be closed are late and ignored;
//! * on a stream no more than [`STREAM_WINDOW_BYTES`](limits::STREAM_WINDOW_BYTES) are under way unacknowledged;
//! * a stream that carries bulk ([`BULK`]) fills what the others leave of a packet;
//! * a packet that breaks a rule is an error, and changes nothing that survives it: the session ends.

use std::collections::{BTreeMap, VecDeque};

use dxos_base::limits;

use crate::session::{SessionError, SessionEvent, StreamError, StreamId};

/// Name of a stream's protocol.
pub(crate) const PROTOCOL_BYTES_MAX: usize = 64;
/// Bytes waiting to be sent on one stream: two of the largest messages.
pub(crate) const STREAM_QUEUED_BYTES_MAX: usize = 2 * limits::STREAM_MESSAGE_BYTES_MAX;
/// Streams one side may have open of those it opened.
const STREAMS_PER_SIDE_MAX: usize = limits::STREAMS_PER_SESSION_MAX / 2;
/// Credit is returned when this much of the window is used up.
const CREDIT_STEP_BYTES: usize = limits::STREAM_WINDOW_BYTES / 2;
/// Kind, stream number and one more varint.
const FRAME_HEAD_BYTES_MAX: usize = 1 + 5 + 5;

/// Protocol whose streams carry what can wait: they send when no other stream has anything.
const BULK: &str = "blob";

const OPEN: u8 = 0;
const PART: u8 = 1;
const LAST: u8 = 2;
const CREDIT: u8 = 3;
const CLOSE: u8 = 4;

/// Whether the caller takes what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Credit is returned as messages are handed over.
    Running,
    /// No credit is returned: at most a window more arrives.
    Paused,
}

#[derive(Debug)]
struct Stream {
    /// Messages not yet sent, the first of them from `sent` on.
    queue: VecDeque<Vec<u8>>,
    sent: usize,
    queued_bytes: usize,
    /// What we may send before the peer returns credit.
    credit: usize,
    /// What the peer may send before we return credit.
    window: usize,
    /// Received and not yet returned.
    owed: usize,
    flow: Flow,
    /// The message being received.
    partial: Vec<u8>,
    /// Closed here; goes when `queue` is empty.
    closing: bool,
    bulk: bool,
}

impl Stream {
    fn new(protocol: &str) -> Self {
        Stream {
            queue: VecDeque::new(),
            sent: 0,
            queued_bytes: 0,
            credit: limits::STREAM_WINDOW_BYTES,
            window: limits::STREAM_WINDOW_BYTES,
            owed: 0,
            flow: Flow::Running,
            partial: Vec::new(),
            closing: false,
            bulk: protocol == BULK,
        }
    }

    /// Moves as much as fits below `max` from the queue into `out`; true if something is left that has credit.
    fn write_data(&mut self, id: StreamId, out: &mut Vec<u8>, max: usize) -> bool {
        while let Some(message) = self.queue.front() {
            let rest = message.len() - self.sent;
            let sendable = rest.min(self.credit);
            if sendable == 0 && rest > 0 {
                return false;
            }
            let room = max.saturating_sub(out.len());
            if room < FRAME_HEAD_BYTES_MAX + sendable.min(FRAME_HEAD_BYTES_MAX) {
                return true;
            }
            let take = sendable.min(room - FRAME_HEAD_BYTES_MAX);
            let last = take == rest;
            out.push(if last { LAST } else { PART });
            write_varint(out, id.0);
            write_varint(out, take as u32);
            out.extend_from_slice(&message[self.sent..self.sent + take]);
            self.credit -= take;
            self.queued_bytes -= take;
            self.sent += take;
            if last {
                self.queue.pop_front();
                self.sent = 0;
            }
        }
        false
    }
}

/// Which numbers a side opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Odd,
    Even,
}

#[derive(Debug)]
pub(crate) struct Mux {
    side: Side,
    next_local: u32,
    last_remote: u32,
    streams: BTreeMap<StreamId, Stream>,
    opens: VecDeque<(StreamId, String)>,
    /// The stream that may fill the next packet first.
    turn: StreamId,
}

impl Mux {
    pub(crate) fn new(side: Side) -> Self {
        let next_local = if side == Side::Odd { 1 } else { 2 };
        Mux {
            side,
            next_local,
            last_remote: 0,
            streams: BTreeMap::new(),
            opens: VecDeque::new(),
            turn: StreamId(0),
        }
    }

    fn is_local(&self, id: StreamId) -> bool {
        (id.0 % 2 == 1) == (self.side == Side::Odd)
    }

    fn open_count(&self, local: bool) -> usize {
        self.streams
            .keys()
            .filter(|id| self.is_local(**id) == local)
            .count()
    }

    pub(crate) fn open(&mut self, protocol: &str) -> Result<StreamId, StreamError> {
        if protocol.len() > PROTOCOL_BYTES_MAX {
            return Err(StreamError::ProtocolName {
                len: protocol.len(),
            });
        }
        if self.open_count(true) >= STREAMS_PER_SIDE_MAX || self.next_local > u32::MAX - 2 {
            return Err(StreamError::TooMany);
        }
        let id = StreamId(self.next_local);
        self.next_local += 2;
        self.streams.insert(id, Stream::new(protocol));
        self.opens.push_back((id, protocol.to_owned()));
        Ok(id)
    }

    pub(crate) fn send(&mut self, id: StreamId, message: Vec<u8>) -> Result<(), StreamError> {
        let stream = self.live(id)?;
        if message.len() > limits::STREAM_MESSAGE_BYTES_MAX {
            return Err(StreamError::TooLong { len: message.len() });
        }
        if stream.queued_bytes + message.len() > STREAM_QUEUED_BYTES_MAX {
            return Err(StreamError::Full { stream: id });
        }
        stream.queued_bytes += message.len();
        stream.queue.push_back(message);
        Ok(())
    }

    pub(crate) fn queued_bytes(&self, id: StreamId) -> usize {
        self.streams
            .get(&id)
            .map_or(0, |stream| stream.queued_bytes)
    }

    pub(crate) fn set_flow(&mut self, id: StreamId, flow: Flow) -> Result<(), StreamError> {
        self.live(id)?.flow = flow;
        Ok(())
    }

    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.closing = true;
            stream.partial = Vec::new();
        }
    }

    fn live(&mut self, id: StreamId) -> Result<&mut Stream, StreamError> {
        self.streams
            .get_mut(&id)
            .filter(|stream| !stream.closing)
            .ok_or(StreamError::NoStream { stream: id })
    }

    /// The next packet, at most `max` bytes; empty when there is nothing to send now.
    pub(crate) fn fill(&mut self, max: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some((id, protocol)) = self.opens.front() {
            if out.len() + FRAME_HEAD_BYTES_MAX + protocol.len() > max {
                return out;
            }
            out.push(OPEN);
            write_varint(&mut out, id.0);
            write_varint(&mut out, protocol.len() as u32);
            out.extend_from_slice(protocol.as_bytes());
            self.opens.pop_front();
        }
        for (id, stream) in &mut self.streams {
            let due = stream.owed >= CREDIT_STEP_BYTES && stream.flow == Flow::Running;
            if due && !stream.closing && out.len() + FRAME_HEAD_BYTES_MAX <= max {
                out.push(CREDIT);
                write_varint(&mut out, id.0);
                write_varint(&mut out, stream.owed as u32);
                stream.window += stream.owed;
                stream.owed = 0;
            }
        }
        let turns = (self.streams.range(self.turn..)).chain(self.streams.range(..self.turn));
        let mut order: Vec<(bool, StreamId)> =
            turns.map(|(id, stream)| (stream.bulk, *id)).collect();
        // Stable: within either kind the turns stay.
        order.sort_by_key(|(bulk, _)| *bulk);
        for (_, id) in order {
            let stream = self
                .streams
                .get_mut(&id)
                .expect("only this loop removes, each once");
            let full = stream.write_data(id, &mut out, max);
            if !full && stream.closing && stream.queue.is_empty() {
                if out.len() + FRAME_HEAD_BYTES_MAX > max {
                    self.turn = id;
                    return out;
                }
                out.push(CLOSE);
                write_varint(&mut out, id.0);
                self.streams.remove(&id);
            }
            if full {
                self.turn = StreamId(id.0.wrapping_add(1));
                return out;
            }
        }
        out
    }

    /// Takes a packet of the peer.
    pub(crate) fn receive(
        &mut self,
        packet: &[u8],
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        let mut reader = Reader(packet);
        while !reader.0.is_empty() {
            let kind = reader.byte()?;
            let id = StreamId(reader.varint()?);
            match kind {
                OPEN => {
                    let len = reader.varint()? as usize;
                    self.receive_open(id, reader.bytes(len)?, events)?;
                }
                PART | LAST => {
                    let len = reader.varint()? as usize;
                    self.receive_data(id, reader.bytes(len)?, kind == LAST, events)?;
                }
                CREDIT => self.receive_credit(id, reader.varint()? as usize)?,
                CLOSE => {
                    self.check_opened(id)?;
                    self.opens.retain(|(open, _)| *open != id);
                    if self
                        .streams
                        .remove(&id)
                        .is_some_and(|stream| !stream.closing)
                    {
                        events.push(SessionEvent::Closed { stream: id });
                    }
                }
                _ => return Err(SessionError::Malformed),
            }
        }
        Ok(())
    }

    /// A stream the peer may speak of: open, or open once.
    fn check_opened(&self, id: StreamId) -> Result<(), SessionError> {
        let opened = if self.is_local(id) {
            id.0 < self.next_local
        } else {
            id.0 <= self.last_remote
        };
        if id.0 == 0 || !opened || self.opens.iter().any(|(unsent, _)| *unsent == id) {
            return Err(SessionError::UnknownStream { stream: id });
        }
        Ok(())
    }

    fn receive_open(
        &mut self,
        id: StreamId,
        name: &[u8],
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        if self.is_local(id) || id.0 <= self.last_remote || name.len() > PROTOCOL_BYTES_MAX {
            return Err(SessionError::Malformed);
        }
        if self.open_count(false) >= STREAMS_PER_SIDE_MAX {
            return Err(SessionError::TooManyStreams);
        }
        let protocol = std::str::from_utf8(name)
            .map_err(|_| SessionError::Malformed)?
            .to_owned();
        self.last_remote = id.0;
        self.streams.insert(id, Stream::new(&protocol));
        events.push(SessionEvent::Opened {
            stream: id,
            protocol,
        });
        Ok(())
    }

    fn receive_data(
        &mut self,
        id: StreamId,
        part: &[u8],
        last: bool,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        self.check_opened(id)?;
        if part.is_empty() && !last {
            return Err(SessionError::Malformed);
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        stream.window = (stream.window.checked_sub(part.len()))
            .ok_or(SessionError::WindowExceeded { stream: id })?;
        if stream.closing {
            return Ok(());
        }
        stream.owed += part.len();
        if stream.partial.len() + part.len() > limits::STREAM_MESSAGE_BYTES_MAX {
            return Err(SessionError::MessageTooLong { stream: id });
        }
        stream.partial.extend_from_slice(part);
        if last {
            let bytes = std::mem::take(&mut stream.partial);
            events.push(SessionEvent::Message { stream: id, bytes });
        }
        Ok(())
    }

    fn receive_credit(&mut self, id: StreamId, bytes: usize) -> Result<(), SessionError> {
        self.check_opened(id)?;
        if let Some(stream) = self.streams.get_mut(&id) {
            let credit = stream.credit + bytes;
            if bytes == 0 || credit > limits::STREAM_WINDOW_BYTES {
                return Err(SessionError::WindowExceeded { stream: id });
            }
            stream.credit = credit;
        }
        Ok(())
    }
}

fn write_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, SessionError> {
        let (byte, rest) = self.0.split_first().ok_or(SessionError::Malformed)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], SessionError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(SessionError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A shortest-form LEB128 number of at most 32 bits.
    fn varint(&mut self) -> Result<u32, SessionError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let overlong = byte == 0 && shift > 0;
                return u32::try_from(value)
                    .ok()
                    .filter(|_| !overlong)
                    .ok_or(SessionError::Malformed);
            }
        }
        Err(SessionError::Malformed)
    }
}

#[cfg(test)]
mod tests;
