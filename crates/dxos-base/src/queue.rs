//! Queues: append-only lists of records. A record is an object of its own that carries its place in a queue from its
//! making on, so one index over that property reads a queue in order, and all that holds for objects holds for records:
//! replication, queries, tombstones.
//!
//! Invariants
//! * places of one queue sort, as bytes, by the time they were given, then by their record's id;
//! * nodes refuse to change a record, and to make one of an object that is there: a record is appended, deleted, restored.

use crate::ids::ObjectId;
use crate::object::ObjectView;
use crate::value::Value;
use crate::write::ObjectWrite;
use crate::{Path, Step};

/// The property of a record that holds its place.
pub const PLACE: &str = "queuePlace";

/// A time this far ahead of the own clock is no reason to go ahead too, ms; as for clocks of entries.
pub const AHEAD_MS_MAX: u64 = 5 * 60 * 1000;

const LEN: usize = 32;

/// Where a record stands: queue (16 bytes) ‖ time (48-bit ms, 16-bit counter; big-endian) ‖ last 8 bytes of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueuePlace([u8; LEN]);

impl QueuePlace {
    /// The place of `record`, `time` being what [`QueuePlace::time_after`] gives.
    pub fn new(queue: ObjectId, time: u64, record: ObjectId) -> QueuePlace {
        let mut bytes = [0; LEN];
        bytes[..16].copy_from_slice(&queue.0);
        bytes[16..24].copy_from_slice(&time.to_be_bytes());
        bytes[24..].copy_from_slice(&record.0[8..]);
        QueuePlace(bytes)
    }

    /// The time of a record appended at `now_ms` on seeing the last one's: later than that one's, unless that one is
    /// too far ahead to be true.
    pub fn time_after(now_ms: u64, last: Option<u64>) -> u64 {
        let now = now_ms.min(u64::MAX >> 16) << 16;
        let ahead = now_ms.saturating_add(AHEAD_MS_MAX);
        match last.filter(|last| last >> 16 <= ahead) {
            Some(last) => now.max(last.saturating_add(1)),
            None => now,
        }
    }

    /// The place of a record; `None` if the object is none.
    pub fn of(view: &ObjectView) -> Option<QueuePlace> {
        Self::from_value(view.values.get(PLACE)?)
    }

    /// Of a stored value.
    pub fn from_value(value: &Value) -> Option<QueuePlace> {
        match value {
            Value::Bytes(bytes) => Some(QueuePlace(bytes.as_slice().try_into().ok()?)),
            _ => None,
        }
    }

    /// As it is stored.
    pub fn to_value(self) -> Value {
        Value::Bytes(self.0.to_vec())
    }

    /// Its queue.
    pub fn queue(&self) -> ObjectId {
        ObjectId(self.0[..16].try_into().expect("16 of 32 bytes"))
    }

    /// When it was given.
    pub fn time(&self) -> u64 {
        u64::from_be_bytes(self.0[16..24].try_into().expect("8 of 32 bytes"))
    }

    /// The least and the greatest place a queue has.
    pub fn ends(queue: ObjectId) -> (QueuePlace, QueuePlace) {
        let end = |fill| {
            let mut bytes = [fill; LEN];
            bytes[..16].copy_from_slice(&queue.0);
            QueuePlace(bytes)
        };
        (end(0), end(0xff))
    }
}

/// Whether a write changes a record if its object is one: all but its deletion and its return.
pub fn changes_record(write: &ObjectWrite) -> bool {
    match write {
        ObjectWrite::Create { .. } => false,
        ObjectWrite::Remove { path, .. } | ObjectWrite::Restore { path, .. } => !path.is_empty(),
        _ => true,
    }
}

/// Whether a write would make a record of an object that is there.
pub fn makes_record(write: &ObjectWrite) -> bool {
    let at_place = |path: &Path| matches!(&path[..], [Step::Key(name)] if name == PLACE);
    match write {
        ObjectWrite::Set { path, value, .. } => {
            at_place(path) && QueuePlace::from_value(value).is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_by_time_then_record() {
        let (queue, other) = (ObjectId([7; 16]), ObjectId([8; 16]));
        let place = |time, record| QueuePlace::new(queue, time, ObjectId([record; 16]));
        let (least, greatest) = QueuePlace::ends(queue);
        let order = [
            least,
            place(1, 9),
            place(2, 1),
            place(2, 2),
            place(256, 0),
            greatest,
        ];
        assert!(order.is_sorted());
        assert!(greatest < QueuePlace::ends(other).0);
        let one = place(2, 1);
        assert_eq!((one.queue(), one.time()), (queue, 2));
        assert_eq!(QueuePlace::from_value(&one.to_value()), Some(one));
        assert_eq!(QueuePlace::from_value(&Value::Bytes(vec![1; 31])), None);
    }

    #[test]
    fn a_time_is_later_than_the_last_one_unless_that_is_far_ahead() {
        let ms = |ms: u64| ms << 16;
        assert_eq!(QueuePlace::time_after(10, None), ms(10));
        assert_eq!(QueuePlace::time_after(10, Some(ms(9))), ms(10));
        assert_eq!(QueuePlace::time_after(10, Some(ms(10))), ms(10) + 1);
        assert_eq!(QueuePlace::time_after(10, Some(ms(60_000))), ms(60_000) + 1);
        let far = ms(10 + AHEAD_MS_MAX + 1);
        assert_eq!(QueuePlace::time_after(10, Some(far)), ms(10));
        assert_eq!(QueuePlace::time_after(u64::MAX, None), u64::MAX << 16);
    }
}
