//! Sessions of a text: whose an update is, where it continues, and which of two contents of one range is taken.
//!
//! * The first update of a session carries a nonce, from which with the device key and text id the engine's peer id
//!   is derived: no device can write under another's. One with a nonce that does not fit is set aside.
//! * An update whose range begins after the session's end waits. One that begins before adds what is new, if it says the
//!   same of what is held; else it is set aside.
//! * Of all updates that fit always the least (clock, bytes) is taken next. So of two contents the one written first
//!   stays, and what is taken is a function of the updates.
//!
//! Invariants
//! * what is taken is what taking all updates from the beginning in that order would take. Where one does not agree with
//!   what is held, all are taken again: from the tail, or, where there is a snapshot, from all entries
//!   ([`Space::needs_rebuild`](crate::Space::needs_rebuild));
//! * a text in which an update was set aside for its content is not folded any more, so that costs a walk over all
//!   entries once; and with each update that comes it is made from the beginning. What was written on the content set
//!   aside stands on the other one, where its places may not exist; what the engine makes of those depends on what it
//!   has merged before;
//! * operations are compared where updates overlap only.

use std::collections::BTreeMap;

use dxos_base::{DeviceKey, TextId, hash};

use crate::change::SessionNonce;
use crate::error::EchoError;
use crate::text::{TextEngine, TextError, UpdateRange};
use crate::texts::{OpenText, TailState};

/// What is known of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub device: DeviceKey,
    /// Where its updates handed to the engine end.
    pub end: u32,
    /// Where those end that a snapshot holds.
    pub folded: u32,
}

/// By engine peer.
pub(crate) type Sessions = BTreeMap<u64, Session>;

/// Which updates are looked at.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    /// The text is made from a snapshot: all of the tail.
    Whole { snapshot: &'a [u8] },
    /// The text is open: what came since.
    New,
}

/// What becomes of an update.
enum Pass {
    Taken { peer: u64 },
    Waits { peer: u64 },
    Not,
}

/// The engine's peer id of a session.
pub fn session_peer(device: &DeviceKey, text: &TextId, nonce: &SessionNonce) -> u64 {
    let hash = hash("text peer", &[device.as_bytes(), text.as_bytes(), nonce]);
    u64::from_le_bytes(hash.0[..8].try_into().expect("8 of 32 bytes"))
}

/// Whether all updates there are of a text are looked at.
fn is_from_beginning(look: Look<'_>) -> bool {
    matches!(look, Look::Whole { snapshot: [] })
}

impl OpenText {
    /// Moves held updates that are taken to `Handed`; gives their places in the order they are taken in.
    pub(crate) fn check_sessions(
        &mut self,
        engine: &mut dyn TextEngine,
        text: &TextId,
        look: Look<'_>,
    ) -> Result<Vec<usize>, EchoError> {
        let mut taken = Vec::new();
        loop {
            self.take_held(engine, text, look, &mut taken)?;
            if !self.bring_in(engine)? {
                return Ok(taken);
            }
        }
    }

    /// Takes the least update that fits until none does.
    fn take_held(
        &mut self,
        engine: &mut dyn TextEngine,
        text: &TextId,
        look: Look<'_>,
        taken: &mut Vec<usize>,
    ) -> Result<(), EchoError> {
        let held = |at: &usize| self.tail[*at].state == TailState::Held;
        let mut order: Vec<usize> = (0..self.tail.len()).filter(held).collect();
        let key = |at: &usize| (self.tail[*at].clock(), self.tail[*at].update());
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut waiting: BTreeMap<u64, usize> = BTreeMap::new();
        let mut next = 0;
        while let Some(at) = order.get(next) {
            let mut after = next + 1;
            if self.tail[*at].state == TailState::Held {
                match self.pass(engine, text, *at, look)? {
                    Pass::Taken { peer } => {
                        taken.push(*at);
                        after = waiting.remove(&peer).unwrap_or(after);
                    }
                    Pass::Waits { peer } => drop(waiting.entry(peer).or_insert(next)),
                    Pass::Not => {}
                }
            }
            next = after;
        }
        Ok(())
    }

    /// Moves a held update to `Handed` if it is taken.
    fn pass(
        &mut self,
        engine: &mut dyn TextEngine,
        text: &TextId,
        at: usize,
        look: Look<'_>,
    ) -> Result<Pass, EchoError> {
        let held = &mut self.tail[at];
        let (device, nonce) = (held.device(), held.nonce());
        let Some(range) = held.range(engine)? else {
            return Ok(Pass::Not);
        };
        let peer = range.peer;
        if nonce.is_some_and(|nonce| session_peer(&device, text, &nonce) != peer) {
            held.state = TailState::SetAside;
            return Ok(Pass::Not);
        }
        let mut session = match self.sessions.get(&peer) {
            Some(session) => *session,
            None if nonce.is_some() => Session {
                device,
                end: 0,
                folded: 0,
            },
            // Its session's first update has not come.
            None => return Ok(Pass::Waits { peer }),
        };
        if session.device != device {
            match nonce {
                // Two devices derived one peer id.
                Some(_) => self.differs(at, look),
                None => self.tail[at].state = TailState::SetAside,
            }
            return Ok(Pass::Not);
        }
        if range.start > session.end {
            return Ok(Pass::Waits { peer });
        }
        if range.start < session.end {
            if !is_from_beginning(look) && self.touches_void(engine, &range)? {
                self.take_again(look);
                return Ok(Pass::Not);
            }
            match self.agrees(engine, text, at, &range, look)? {
                Some(true) => {}
                Some(false) => {
                    self.differs(at, look);
                    return Ok(Pass::Not);
                }
                None => return Ok(Pass::Not),
            }
        }
        session.end = session.end.max(range.end);
        self.sessions.insert(peer, session);
        self.tail[at].state = TailState::Handed;
        Ok(Pass::Taken { peer })
    }

    /// An update says other things than what is held.
    fn differs(&mut self, at: usize, look: Look<'_>) {
        match is_from_beginning(look) {
            true => {
                self.tail[at].state = TailState::SetAside;
                self.split = true;
            }
            false => self.take_again(look),
        }
    }

    /// Notes that updates are to be taken again in their order.
    fn take_again(&mut self, look: Look<'_>) {
        match look {
            Look::New => self.again = true,
            Look::Whole { .. } => self.unsettled = true,
        }
    }

    /// Whether one of the updates that hold part of a range is of a void entry: it may have been brought in for what
    /// another one says too, and need not be in the text then.
    fn touches_void(
        &mut self,
        engine: &mut dyn TextEngine,
        range: &UpdateRange,
    ) -> Result<bool, EchoError> {
        for held in self.tail.iter_mut().filter(|held| held.is_void()) {
            if let Some(void) = held.range(engine)?
                && void.peer == range.peer
                && void.start < range.end
                && range.start < void.end
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an update says the same as what is held of its range; `None`, and it is set aside, if it does not read.
    fn agrees(
        &mut self,
        engine: &mut dyn TextEngine,
        text: &TextId,
        at: usize,
        range: &UpdateRange,
        look: Look<'_>,
    ) -> Result<Option<bool>, EchoError> {
        let session = self.sessions[&range.peer];
        let to = range.end.min(session.end);
        let mut from = range.start;
        if session.folded > from {
            let snapshot = match look {
                Look::Whole { snapshot } => snapshot.to_vec(),
                Look::New => engine.snapshot(*text)?,
            };
            let end = to.min(session.folded);
            match self.same(engine, at, &snapshot, (range.peer, from, end))? {
                Some(true) => from = end,
                other => return Ok(other),
            }
        }
        let parts = self.parts_of(engine, range.peer)?;
        for (part, part_at) in parts {
            if from >= to {
                break;
            }
            if part.start > from || part.end <= from {
                continue;
            }
            let end = to.min(part.end);
            let other = self.tail[part_at].update().to_vec();
            match self.same(engine, at, &other, (range.peer, from, end))? {
                Some(true) => from = end,
                other => return Ok(other),
            }
        }
        Ok(Some(true))
    }

    /// Ranges of the updates of a session that are handed to the engine, by their start, and their places.
    fn parts_of(
        &mut self,
        engine: &mut dyn TextEngine,
        peer: u64,
    ) -> Result<Vec<(UpdateRange, usize)>, EchoError> {
        let mut parts = Vec::new();
        for (at, held) in self.tail.iter_mut().enumerate() {
            if matches!(held.state, TailState::Handed | TailState::Applied)
                && let Some(range) = held.range(engine)?
                && range.peer == peer
            {
                parts.push((range, at));
            }
        }
        parts.sort_by_key(|(range, _)| range.start);
        Ok(parts)
    }

    /// Whether an update and other bytes hold the same operations of a range; `None`, and it is set aside, if the update
    /// does not read.
    fn same(
        &mut self,
        engine: &mut dyn TextEngine,
        at: usize,
        other: &[u8],
        (peer, from, to): (u64, u32, u32),
    ) -> Result<Option<bool>, EchoError> {
        let held = &mut self.tail[at];
        if held.update() == other {
            return Ok(Some(true));
        }
        let print = match engine.print(held.update(), peer, from, to) {
            Ok(print) => print,
            Err(TextError::BadUpdate { .. }) => {
                held.state = TailState::SetAside;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        match engine.print(other, peer, from, to) {
            Ok(other) => Ok(Some(print == other)),
            Err(TextError::BadUpdate { .. }) => Ok(Some(false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes how far the own session has come: its updates are in the engine without having been looked at.
    pub(crate) fn note_own(
        &mut self,
        engine: &mut dyn TextEngine,
        device: DeviceKey,
    ) -> Result<(), EchoError> {
        let Some(last) = self.tail.iter_mut().rev().find(|held| held.own) else {
            return Ok(());
        };
        if let Some(range) = last.range(engine)? {
            let session = self.sessions.entry(range.peer);
            let session = session.or_insert(Session {
                device,
                end: 0,
                folded: 0,
            });
            session.end = session.end.max(range.end);
        }
        Ok(())
    }
}
