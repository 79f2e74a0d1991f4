//! Fuzz bodies for what ECHO reads from others and from disk; how they run: [`dxos_base::fuzz`].

use dxos_base::{Clock, FeedId, ObjectId, SigningKey, SpaceKey};

use crate::entry::{Body, Entry};
use crate::record::Record;

/// Any bytes as an entry: its outer form, signature and seal are refused or right.
pub fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else {
        return;
    };
    assert!(entry.header.seq > 0);
    entry.verify(&SigningKey::from_seed([7; 32]).device_key());
    // The key of the seeds: with it also what is inside is read.
    drop(entry.open(&SpaceKey([9; 32])));
}

/// Any bytes as the body of an entry, past its seal: a member may write anything. What is taken is joined into
/// records, shown, written and read again.
pub fn body(bytes: &[u8]) {
    let clock = Clock::from_ms(1_700_000_000_000);
    let Ok(body) = Body::read(bytes, clock) else {
        return;
    };
    assert!(body.seen.is_sorted_by(|a, b| a.0 < b.0));
    let mut joined = Record::default();
    for change in &body.changes {
        assert!(change.check().is_ok());
        joined.apply(change, FeedId([6; 16]));
    }
    shown(&joined);
    let mut twice = joined.clone();
    for change in body.changes.iter().rev() {
        twice.apply(change, FeedId([6; 16]));
    }
    assert_eq!(
        twice.encode(),
        joined.encode(),
        "again and in another order"
    );
}

/// Any bytes as a stored record: what is read shows, and is written in one form.
pub fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        shown(&record);
    }
}

fn shown(record: &Record) {
    let view = record.view(ObjectId([2; 16]));
    assert!(view.values.values().all(dxos_base::Value::depth_fits));
    let bytes = record.encode();
    let again = Record::decode(&bytes).expect("what was written is read");
    assert_eq!(again.encode(), bytes);
}
