//! Who is here: small messages, repeated while a peer is, and the table of what was heard.
//!
//! A message belongs to the device at the other end of the session it came on; it names none, so no member can speak
//! for another. What a place is, the mesh does not know: the body is the caller's.
//!
//! Invariants
//! * a device is in the table at most [`PRESENCE_TTL_MS`](limits::PRESENCE_TTL_MS) after its last message;
//! * a message older than one already heard from the same run of a device changes nothing;
//! * the table holds at most [`PRESENCE_DEVICES_MAX`] devices.

use std::collections::BTreeMap;

use dxos_base::{DecodeError, DeviceKey, Tick, limits};
use serde::{Deserialize, Serialize};

/// Time between repeated messages: three fit into the time to live.
pub const PRESENCE_BEAT_MS: u64 = limits::PRESENCE_TTL_MS / 3;
/// Devices one table holds.
pub const PRESENCE_DEVICES_MAX: usize = 1024;

/// What a device says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceMessage {
    /// Random for each run of a node: numbers start over after a restart.
    pub run: u64,
    /// Grows by one with each message of a run.
    pub number: u64,
    /// Where the person is, in the caller's encoding; `None` = leaving.
    pub body: Option<Vec<u8>>,
}

/// Why a presence message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// Not a presence message, or longer than [`PRESENCE_BYTES_MAX`](limits::PRESENCE_BYTES_MAX).
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The table is full.
    #[error("more than {PRESENCE_DEVICES_MAX} devices are present")]
    Full,
}

impl PresenceMessage {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        dxos_base::encode(self)
    }

    /// Reads a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        dxos_base::decode(bytes, limits::PRESENCE_BYTES_MAX)
    }
}

/// What a message did to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceChange {
    /// A device that was not here is.
    Arrived,
    /// A device is elsewhere now.
    Moved,
    /// A device said it leaves.
    Left,
    /// Nothing to show; it lives on.
    Same,
}

#[derive(Debug, Clone)]
struct Present {
    run: u64,
    number: u64,
    heard: Tick,
    body: Option<Vec<u8>>,
}

impl Present {
    fn expires(&self) -> Tick {
        self.heard.plus_ms(limits::PRESENCE_TTL_MS)
    }
}

/// The devices heard of lately, of one space.
#[derive(Debug, Clone, Default)]
pub struct PresenceTable {
    /// A device that left stays, without body, until it would have expired: a message overtaken by its farewell
    /// does not bring it back.
    present: BTreeMap<DeviceKey, Present>,
}

impl PresenceTable {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message that came on the session of `device`.
    pub fn receive(
        &mut self,
        now: Tick,
        device: DeviceKey,
        message: PresenceMessage,
    ) -> Result<PresenceChange, PresenceError> {
        let known = self.present.get(&device);
        if known.is_none() && self.present.len() >= PRESENCE_DEVICES_MAX {
            self.expire(now);
            if self.present.len() >= PRESENCE_DEVICES_MAX {
                return Err(PresenceError::Full);
            }
        }
        let known = self.present.get(&device);
        if known.is_some_and(|known| known.run == message.run && known.number >= message.number) {
            return Ok(PresenceChange::Same);
        }
        let before = known.and_then(|known| known.body.as_ref());
        let change = match (before, &message.body) {
            (None, Some(_)) => PresenceChange::Arrived,
            (Some(old), Some(new)) if old != new => PresenceChange::Moved,
            (Some(_), None) => PresenceChange::Left,
            _ => PresenceChange::Same,
        };
        let PresenceMessage { run, number, body } = message;
        self.present.insert(
            device,
            Present {
                run,
                number,
                heard: now,
                body,
            },
        );
        Ok(change)
    }

    /// Drops devices not heard of for too long; returns those that were shown as here.
    pub fn expire(&mut self, now: Tick) -> Vec<DeviceKey> {
        let mut gone = Vec::new();
        self.present.retain(|device, present| {
            let stays = present.expires() > now;
            if !stays && present.body.is_some() {
                gone.push(*device);
            }
            stays
        });
        gone
    }

    /// When [`PresenceTable::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Tick> {
        self.present.values().map(Present::expires).min()
    }

    /// Drops a device, as when its last session ended; true if it was shown as here.
    pub fn remove(&mut self, device: &DeviceKey) -> bool {
        self.present
            .remove(device)
            .is_some_and(|present| present.body.is_some())
    }

    /// Who is here and where.
    pub fn iter(&self) -> impl Iterator<Item = (&DeviceKey, &[u8])> {
        self.present
            .iter()
            .filter_map(|(device, present)| Some((device, present.body.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(run: u64, number: u64, body: Option<&[u8]>) -> PresenceMessage {
        PresenceMessage {
            run,
            number,
            body: body.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn a_device_arrives_moves_leaves_and_does_not_come_back_by_an_overtaken_message() {
        let mut table = PresenceTable::new();
        let ada = DeviceKey([1; 32]);
        let mut check = |at, message, change| {
            assert_eq!(table.receive(Tick(at), ada, message), Ok(change));
        };
        check(0, message(7, 1, Some(b"a")), PresenceChange::Arrived);
        check(1, message(7, 2, Some(b"a")), PresenceChange::Same);
        check(2, message(7, 3, Some(b"b")), PresenceChange::Moved);
        check(3, message(7, 2, Some(b"a")), PresenceChange::Same);
        check(4, message(7, 5, None), PresenceChange::Left);
        check(5, message(7, 4, Some(b"c")), PresenceChange::Same);
        check(6, message(8, 1, Some(b"d")), PresenceChange::Arrived);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&ada, &b"d"[..])]);
        assert!(table.remove(&ada) && !table.remove(&ada));
    }

    #[test]
    fn silence_ends_presence_in_time() {
        let mut table = PresenceTable::new();
        let (ada, ben) = (DeviceKey([1; 32]), DeviceKey([2; 32]));
        table
            .receive(Tick(0), ada, message(1, 1, Some(b"")))
            .unwrap();
        table
            .receive(Tick(500), ben, message(1, 1, Some(b"")))
            .unwrap();
        assert_eq!(table.next_expiry(), Some(Tick(limits::PRESENCE_TTL_MS)));
        assert_eq!(table.expire(Tick(limits::PRESENCE_TTL_MS - 1)), []);
        assert_eq!(table.expire(Tick(limits::PRESENCE_TTL_MS)), [ada]);
        assert_eq!(table.iter().count(), 1);
        assert_eq!(table.expire(Tick(u64::MAX)), [ben]);
        assert_eq!(table.next_expiry(), None);
    }

    #[test]
    fn the_table_and_messages_are_bounded() {
        let mut table = PresenceTable::new();
        for n in 0..PRESENCE_DEVICES_MAX as u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            table
                .receive(Tick(0), DeviceKey(key), message(1, 1, Some(b"x")))
                .unwrap();
        }
        let late = DeviceKey([255; 32]);
        let hello = message(1, 1, Some(b"x"));
        assert_eq!(
            table.receive(Tick(1), late, hello.clone()),
            Err(PresenceError::Full)
        );
        let after = Tick(limits::PRESENCE_TTL_MS);
        assert_eq!(
            table.receive(after, late, hello),
            Ok(PresenceChange::Arrived)
        );

        let bytes = message(300, 2, Some(b"place")).encode();
        assert_eq!(
            PresenceMessage::decode(&bytes),
            Ok(message(300, 2, Some(b"place")))
        );
        for cut in 0..bytes.len() {
            assert!(PresenceMessage::decode(&bytes[..cut]).is_err());
        }
        let long = message(1, 1, Some(&vec![0; limits::PRESENCE_BYTES_MAX])).encode();
        assert!(PresenceMessage::decode(&long).is_err());
    }
}
