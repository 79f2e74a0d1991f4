//! Records: an object as a set of registers, joined by the greater stamp (DESIGN 4.3).
//!
//! Invariants
//! * [`Record::apply`] is a join: commutative, associative, idempotent; it reads nothing but the register it changes;
//! * [`Record::encode`] is a function of the set of registers alone, so equal states have equal bytes.
//!
//! What of it shows is computed when reading ([`view`](crate::view)), never written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::{
    Clock, FeedId, Hash, HashPurpose, ObjectId, Path, SpaceId, Step, TextId, encode, limits,
};

use crate::change::{Change, Kind, Operation, Scalar, Stamp};
use crate::error::EchoError;

/// Which register of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// What the path is.
    Value,
    /// Its place in its list.
    Index,
    /// A slot's total of the counter it is.
    Slot {
        /// The write that gave the base.
        assignment: Stamp,
        /// The slot.
        slot: FeedId,
    },
}

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RegisterValue {
    /// A value kept whole.
    Scalar(Scalar),
    /// A container that hides what is older than `since`.
    Container {
        /// Map or list.
        kind: Kind,
        /// What is not newer is hidden.
        since: Stamp,
    },
    /// Nothing; what it hides comes back on restore.
    Deleted(Option<(Kind, Stamp)>),
    /// A collaborative text.
    Text(TextId),
    /// A counter's base.
    Counter(i64),
    /// A list index.
    Index(Vec<u8>),
    /// A counter slot's total.
    Total(i64),
}

/// A register.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// When and by whom it was written.
    pub stamp: Stamp,
    /// What was written.
    pub value: RegisterValue,
}

/// The registers of one object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    pub(crate) registers: BTreeMap<(Path, Part), Register>,
}

/// The stored form: stamps are spread over a base clock and a table of feeds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Body<F, R> {
    pub version: u8,
    pub base: Clock,
    pub feeds: F,
    pub registers: R,
}

#[derive(Serialize)]
struct RowRef<'a> {
    path: &'a [Step],
    part: &'a Part,
    clock: u64,
    feed: u32,
    value: &'a RegisterValue,
}

#[derive(Deserialize)]
struct Row {
    path: Path,
    part: Part,
    clock: u64,
    feed: u32,
    value: RegisterValue,
}

pub(crate) const RECORD_VERSION: u8 = 1;

impl Record {
    /// Joins a checked change of `feed` into the record; true if that changed it.
    pub fn apply(&mut self, change: &Change, feed: FeedId) -> bool {
        let stamp = Stamp {
            clock: change.clock,
            feed,
        };
        let (part, value) = match &change.operation {
            Operation::Set(scalar) => (Part::Value, RegisterValue::Scalar(scalar.clone())),
            Operation::Assign { kind, since } => {
                let since = since.unwrap_or(stamp);
                (Part::Value, RegisterValue::Container { kind: *kind, since })
            }
            Operation::Delete { hides } => (Part::Value, RegisterValue::Deleted(*hides)),
            Operation::Index(index) => (Part::Index, RegisterValue::Index(index.clone())),
            Operation::Count {
                assignment,
                slot,
                total,
            } => (
                Part::Slot {
                    assignment: *assignment,
                    slot: *slot,
                },
                RegisterValue::Total(*total),
            ),
            Operation::SetText(id) => (Part::Value, RegisterValue::Text(*id)),
            Operation::SetCounter(base) => (Part::Value, RegisterValue::Counter(*base)),
            Operation::Text { .. } => return false,
        };
        let register = Register { stamp, value };
        match self.registers.entry((change.path.clone(), part)) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(register);
                true
            }
            std::collections::btree_map::Entry::Occupied(mut held) => {
                let wins = register.beats(held.get());
                if wins {
                    held.insert(register);
                }
                wins
            }
        }
    }

    /// Nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// What the path is.
    pub(crate) fn value(&self, path: &[Step]) -> Option<&Register> {
        self.register(path, Part::Value)
    }

    /// A register.
    pub(crate) fn register(&self, path: &[Step], part: Part) -> Option<&Register> {
        self.registers.get(&(path, part) as &dyn KeyView)
    }

    /// Registers strictly below a path.
    pub(crate) fn below<'a>(
        &'a self,
        path: &'a [Step],
    ) -> impl Iterator<Item = (&'a Path, &'a Part, &'a Register)> {
        self.registers
            .range((path.to_vec(), Part::Value)..)
            .take_while(move |((p, _), _)| p.starts_with(path))
            .filter(move |((p, _), _)| p.len() > path.len())
            .map(|((p, part), register)| (p, part, register))
    }

    /// Canonical bytes of the registers.
    pub fn encode(&self) -> Vec<u8> {
        let base = self
            .registers
            .values()
            .map(|r| r.stamp.clock)
            .min()
            .unwrap_or_default();
        let feeds: BTreeSet<FeedId> = self.registers.values().map(|r| r.stamp.feed).collect();
        let feeds: Vec<FeedId> = feeds.into_iter().collect();
        let place = |feed: &FeedId| {
            feeds
                .binary_search(feed)
                .expect("all feeds are in the table") as u32
        };
        let registers: Vec<RowRef<'_>> = self
            .registers
            .iter()
            .map(|((path, part), register)| RowRef {
                path,
                part,
                clock: register.stamp.clock.0 - base.0,
                feed: place(&register.stamp.feed),
                value: &register.value,
            })
            .collect();
        encode(&Body {
            version: RECORD_VERSION,
            base,
            feeds: &feeds[..],
            registers,
        })
    }

    /// Reads what [`Record::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Record, EchoError> {
        Self::try_decode(bytes).ok_or(EchoError::Damaged { what: "object" })
    }

    fn try_decode(bytes: &[u8]) -> Option<Record> {
        // Not `dxos_base::decode`: our own rows need no check for canonical form, and this is the hot path.
        let body: Body<Vec<FeedId>, Vec<Row>> = dxos_base::codec::decode_trusted(bytes).ok()?;
        if body.version != RECORD_VERSION {
            return None;
        }
        let mut registers = BTreeMap::new();
        for row in body.registers {
            let clock = Clock(body.base.0.checked_add(row.clock)?);
            let stamp = Stamp {
                clock,
                feed: *body.feeds.get(row.feed as usize)?,
            };
            if row.path.len() > limits::PATH_STEPS_MAX {
                return None;
            }
            registers.insert(
                (row.path, row.part),
                Register {
                    stamp,
                    value: row.value,
                },
            );
        }
        Some(Record { registers })
    }
}

/// A register's key, looked up without owning its path.
trait KeyView {
    fn key(&self) -> (&[Step], Part);
}

impl KeyView for (Path, Part) {
    fn key(&self) -> (&[Step], Part) {
        (&self.0, self.1)
    }
}

impl KeyView for (&[Step], Part) {
    fn key(&self) -> (&[Step], Part) {
        *self
    }
}

impl<'a> std::borrow::Borrow<dyn KeyView + 'a> for (Path, Part) {
    fn borrow(&self) -> &(dyn KeyView + 'a) {
        self
    }
}

impl PartialEq for dyn KeyView + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for dyn KeyView + '_ {}
impl PartialOrd for dyn KeyView + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for dyn KeyView + '_ {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Register {
    /// The total order of DESIGN 4.3: clock, feed, then encoded value (only a faulty writer gets that far).
    fn beats(&self, held: &Register) -> bool {
        match self.stamp.cmp(&held.stamp) {
            std::cmp::Ordering::Equal => encode(&self.value) > encode(&held.value),
            order => order.is_gt(),
        }
    }
}

/// Version of an object: hash over its id and canonical registers, bound to the space.
pub(crate) fn object_version(space: &SpaceId, object: &ObjectId, body: &[u8]) -> Hash {
    static OBJECT: HashPurpose = HashPurpose::new("object");
    OBJECT.hash(&[space.as_bytes(), object.as_bytes(), body])
}

#[cfg(test)]
mod tests;
