//! The join against permutations and repeats, and what shows against the words of DESIGN 4.3.

use dxos_base::{ElementId, Value};
use proptest::prelude::*;

use super::*;
use dxos_base::key_path;

const OBJECT: ObjectId = ObjectId([1; 16]);

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3u8).prop_map(|n| Step::Key(format!("k{n}"))),
        1 => (0..3u8).prop_map(|n| Step::Element(ElementId([n; 8]))),
    ]
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (0..12u64, 0..3u8).prop_map(|(clock, feed)| Stamp {
        clock: Clock(clock),
        feed: FeedId([feed; 16]),
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![2 => Just(Kind::Map), 1 => Just(Kind::List)]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..4i64).prop_map(|n| Operation::Set(Scalar::Int(n))),
        2 => (kind(), proptest::option::of(stamp()))
            .prop_map(|(kind, since)| Operation::Assign { kind, since }),
        2 => proptest::option::of((kind(), stamp())).prop_map(|hides| Operation::Delete { hides }),
        1 => proptest::collection::vec(1..4u8, 1..3).prop_map(Operation::Index),
        1 => (stamp(), 0..2u8, -3..3i64).prop_map(|(assignment, slot, total)| Operation::Count {
            assignment,
            slot: FeedId([slot; 16]),
            total
        }),
        1 => Just(Operation::SetText(TextId([4; 16]))),
        1 => (0..3i64).prop_map(Operation::SetCounter),
    ]
}

fn change() -> impl Strategy<Value = (Change, FeedId)> {
    (
        1..12u64,
        0..3u8,
        proptest::collection::vec(step(), 0..4),
        operation(),
    )
        .prop_map(|(clock, feed, mut path, operation)| {
            // Changes that fail the check never get here: an object is a map.
            if let Some(first @ Step::Element(_)) = path.first_mut() {
                *first = Step::Key("k0".into());
            }
            (
                Change {
                    clock: Clock(clock),
                    object: OBJECT,
                    path,
                    operation,
                },
                FeedId([feed; 16]),
            )
        })
}

fn joined<'a>(changes: impl IntoIterator<Item = &'a (Change, FeedId)>) -> Record {
    let mut record = Record::default();
    for (change, feed) in changes {
        record.apply(change, *feed);
    }
    record
}

proptest! {
    #[test]
    fn any_order_and_repeats_give_the_same_bytes(
        changes in proptest::collection::vec(change(), 0..24),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let forward = joined(&changes);
        let mut shuffled = joined(order.iter().filter(|_| !changes.is_empty()).map(|i| i.get(&changes)));
        for (change, feed) in changes.iter().rev() {
            shuffled.apply(change, *feed);
        }
        let bytes = forward.encode();
        prop_assert_eq!(&bytes, &shuffled.encode());
        prop_assert_eq!(Record::decode(&bytes).unwrap(), forward.clone());
        prop_assert_eq!(forward.view(OBJECT), shuffled.view(OBJECT));
    }

    #[test]
    fn scalars_show_as_the_rule_says(changes in proptest::collection::vec(change(), 0..24)) {
        let record = joined(&changes);
        for ((path, part), register) in &record.registers {
            if let (Part::Value, RegisterValue::Scalar(scalar)) = (part, &register.value)
                && !path.is_empty()
            {
                let shown = record.shown_at(path);
                let expected = shows(&record, path, register).then(|| scalar.to_value());
                prop_assert_eq!(shown, expected, "{:?}", path);
            }
        }
        // The whole view agrees with the leaves taken one by one.
        let view = record.view(OBJECT);
        for name in ["k0", "k1", "k2"] {
            // What fails the check at the root never gets into a record.
            if !matches!(
                record.value(&[]).map(|r| &r.value),
                Some(RegisterValue::Container { kind: Kind::List, .. } | RegisterValue::Scalar(_)
                    | RegisterValue::Text(_) | RegisterValue::Counter(_))
            ) {
                let one = record.shown_at(&key_path(&[name]));
                prop_assert_eq!(view.values.get(name), one.as_ref());
            }
        }
    }

    #[test]
    fn damaged_rows_are_errors(
        changes in proptest::collection::vec(change(), 1..12),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut bytes = joined(&changes).encode();
        for cut in 0..bytes.len() {
            prop_assert!(Record::decode(&bytes[..cut]).is_err());
        }
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(record) = Record::decode(&bytes) {
            record.view(OBJECT);
        }
    }
}

/// The rule, word by word: every container above has the right kind and a *since* older than the leaf. A path never
/// set is a container of the kind of what stands below it (both: a map), since zero.
fn shows(record: &Record, path: &[Step], leaf: &Register) -> bool {
    (0..path.len()).all(|depth| {
        let above = &path[..depth];
        let wanted = if matches!(path[depth], Step::Key(_)) {
            Kind::Map
        } else {
            Kind::List
        };
        let below_is_map = record.registers.keys().any(|(p, _)| {
            p.len() > depth && p.starts_with(above) && matches!(p[depth], Step::Key(_))
        });
        match record.value(above).map(|register| &register.value) {
            None => depth == 0 || (wanted == Kind::Map) == below_is_map,
            Some(RegisterValue::Container { kind, since }) => {
                *kind == wanted && *since < leaf.stamp
            }
            // A deleted object still tells what it held.
            Some(RegisterValue::Deleted(hides)) if depth == 0 => {
                hides.is_none_or(|(_, since)| since < leaf.stamp)
            }
            Some(_) => false,
        }
    })
}

#[test]
fn deletion_beats_edits_below_and_restore_brings_all_back() {
    let feed = FeedId([1; 16]);
    let other = FeedId([2; 16]);
    let at = |clock, path: &[&str], operation| Change {
        clock: Clock(clock),
        object: OBJECT,
        path: key_path(path),
        operation,
    };
    let mut record = Record::default();
    record.apply(
        &at(1, &["address", "city"], Operation::Set(Scalar::Int(1))),
        feed,
    );
    record.apply(
        &at(
            2,
            &["address"],
            Operation::Delete {
                hides: Some((Kind::Map, Stamp::ZERO)),
            },
        ),
        feed,
    );
    record.apply(
        &at(3, &["address", "street"], Operation::Set(Scalar::Int(2))),
        other,
    );
    assert_eq!(record.view(OBJECT).values.get("address"), None);
    let since = Some(Stamp::ZERO);
    record.apply(
        &at(
            4,
            &["address"],
            Operation::Assign {
                kind: Kind::Map,
                since,
            },
        ),
        feed,
    );
    let both = Value::Map(
        [
            ("city".into(), Value::Int(1)),
            ("street".into(), Value::Int(2)),
        ]
        .into(),
    );
    assert_eq!(record.view(OBJECT).values.get("address"), Some(&both));
}

#[test]
fn golden_ids_and_versions() {
    let space = SpaceId([1; 20]);
    let device = dxos_base::DeviceKey([2; 32]);
    let feed = crate::feed_id(&space, &device, 3);
    let mut record = Record::default();
    let path = key_path(&["body"]);
    let begun = crate::plan::text_id_at(&record, OBJECT, &path);
    let clock = Clock::from_ms(1_700_000_000_000);
    let change = Change {
        clock,
        object: OBJECT,
        path: path.clone(),
        operation: Operation::SetText(begun),
    };
    record.apply(&change, feed);
    let body = record.encode();
    let again = crate::plan::text_id_at(&record, OBJECT, &path);
    let peer = crate::sessions::session_peer(&device, &begun, &[7; 8]);
    let version = object_version(&space, &OBJECT, &body);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let shown = format!(
        "feed 3: {}\ntext begun on nothing: {}\nrecord: {}\nobject version: {}\ntext begun over it: {}\nsession peer: {peer}\n",
        hex(&feed.0),
        hex(&begun.0),
        hex(&body),
        hex(&version.0),
        hex(&again.0),
    );
    expect_test::expect_file!["../../../../vectors/echo-ids-1.txt"].assert_eq(&shown);
}

#[test]
fn mutated_rows_are_read_or_refused() {
    let (one, two) = (FeedId([1; 16]), FeedId([2; 16]));
    let at = |clock, path: Vec<Step>, operation| Change {
        clock: Clock(clock),
        object: OBJECT,
        path,
        operation,
    };
    let element = Step::Element(ElementId([9; 8]));
    let list = vec![Step::Key("list".into()), element];
    let mut record = Record::default();
    for (change, feed) in [
        (
            at(
                5,
                key_path(&["@type"]),
                Operation::Set(Scalar::String("t".into())),
            ),
            one,
        ),
        (
            at(6, key_path(&["a", "b"]), Operation::Set(Scalar::Int(7))),
            two,
        ),
        (at(7, list.clone(), Operation::Set(Scalar::Bool(true))), one),
        (at(8, list, Operation::Index(vec![3])), one),
        (at(9, key_path(&["n"]), Operation::SetCounter(4)), two),
        (
            at(9, key_path(&["text"]), Operation::SetText(TextId([4; 16]))),
            one,
        ),
        (
            at(
                10,
                key_path(&["gone"]),
                Operation::Delete {
                    hides: Some((Kind::Map, Stamp::ZERO)),
                },
            ),
            two,
        ),
        (
            at(
                11,
                key_path(&["n"]),
                Operation::Count {
                    assignment: Stamp {
                        clock: Clock(9),
                        feed: two,
                    },
                    slot: one,
                    total: -3,
                },
            ),
            one,
        ),
    ] {
        record.apply(&change, feed);
    }
    let samples = [record.encode(), Record::default().encode()];
    dxos_base::fuzz::seeded(&samples, 10_000, crate::fuzz::record);
}
