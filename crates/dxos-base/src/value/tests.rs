//! Values as bytes: one form, bounded depth, nothing that brings a reader down.

use std::collections::BTreeMap;

use super::*;
use crate::codec::{DecodeError, decode, encode};
use crate::fuzz;

/// Longest bytes tried here.
const MAX: usize = 4 * 1024 * 1024;

/// `leaf` with `depth` containers around it, lists and maps by turns.
fn nested(depth: usize, leaf: Value) -> Value {
    (0..depth).fold(leaf, |value, level| match level % 2 {
        0 => Value::List(vec![value]),
        _ => Value::Map(BTreeMap::from([("k".to_owned(), value)])),
    })
}

fn sample() -> Value {
    let reference = Ref {
        space: Some(SpaceId([3; 20])),
        object: ObjectId([9; 16]),
    };
    Value::List(vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-3_000_000_000),
        Value::float(1.5),
        Value::from("Grüße"),
        Value::Bytes(vec![0, 255, 7]),
        Value::Timestamp(1_700_000_000_000),
        Value::Ref(reference),
        Value::List(Vec::new()),
        Value::Map(BTreeMap::from([
            ("a".to_owned(), nested(5, Value::Int(1))),
            ("b".to_owned(), Value::from(reference)),
        ])),
        Value::Text(TextId([2; 16])),
        Value::Counter(i64::MIN),
    ])
}

#[test]
fn kinds_keep_their_numbers_and_only_true_makes_a_member() {
    let Value::List(values) = sample() else {
        unreachable!("the sample is a list")
    };
    for (number, value) in values.iter().enumerate() {
        assert_eq!(encode(value)[0] as usize, number, "{value:?}");
    }
    let mut set = BTreeMap::from([("in".to_owned(), Value::Bool(true))]);
    set.insert("out".to_owned(), Value::Bool(false));
    set.insert("odd".to_owned(), Value::Int(1));
    assert_eq!(Value::Map(set).members().collect::<Vec<_>>(), ["in"]);
    assert_eq!(Value::Null.members().count(), 0);
}

#[test]
fn every_kind_comes_back_as_it_was_written() {
    let bytes = encode(&sample());
    assert_eq!(decode::<Value>(&bytes, MAX), Ok(sample()));
}

#[test]
fn the_allowed_depth_is_read_and_one_more_is_refused() {
    let deepest = nested(limits::VALUE_DEPTH_MAX, Value::Int(7));
    assert!(deepest.depth_fits());
    assert_eq!(decode(&encode(&deepest), MAX), Ok(deepest));

    let too_deep = nested(limits::VALUE_DEPTH_MAX + 1, Value::Int(7));
    assert!(!too_deep.depth_fits());
    assert_eq!(
        decode::<Value>(&encode(&too_deep), MAX),
        Err(DecodeError::Malformed)
    );
    assert_eq!(
        crate::codec::decode_trusted::<Value>(&encode(&too_deep)),
        Err(DecodeError::Malformed),
        "also what the program stored itself"
    );
}

#[test]
fn an_empty_container_counts_as_one() {
    let deepest = nested(limits::VALUE_DEPTH_MAX - 1, Value::List(Vec::new()));
    assert_eq!(decode(&encode(&deepest), MAX), Ok(deepest));
    let too_deep = nested(limits::VALUE_DEPTH_MAX, Value::Map(BTreeMap::new()));
    assert!(!too_deep.depth_fits());
    assert!(decode::<Value>(&encode(&too_deep), MAX).is_err());
}

#[test]
fn a_million_levels_end_in_an_error_not_in_the_stack() {
    let list = [8u8, 1].repeat(1_000_000);
    let map = [9u8, 1, 1, b'k'].repeat(1_000_000);
    // A small stack, so that a reader that follows the bytes down would not get away with it.
    let reader = std::thread::Builder::new().stack_size(256 * 1024);
    let read = reader.spawn(move || [list, map].map(|bytes| decode::<Value>(&bytes, MAX)));
    let read = read.expect("a thread starts").join();
    assert_eq!(
        read.expect("nothing overflowed"),
        [Err(DecodeError::Malformed), Err(DecodeError::Malformed)]
    );
}

#[test]
fn bytes_cut_anywhere_are_refused() {
    let bytes = encode(&sample());
    for cut in 0..bytes.len() {
        assert_eq!(
            decode::<Value>(&bytes[..cut], MAX),
            Err(DecodeError::Malformed),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_claimed_count_makes_no_room() {
    // A list of 2^63 values, and nothing after it.
    let bytes = [8, 255, 255, 255, 255, 255, 255, 255, 255, 127];
    assert_eq!(decode::<Value>(&bytes, MAX), Err(DecodeError::Malformed));
}

#[test]
fn other_forms_of_a_value_are_not_canonical() {
    let negative_zero = [[3].as_slice(), &(-0.0f64).to_le_bytes()].concat();
    let other_nan = [[3].as_slice(), &(f64::NAN.to_bits() | 1).to_le_bytes()].concat();
    let unsorted = [9, 2, 1, b'b', 0, 1, b'a', 0];
    let repeated = [9, 2, 1, b'a', 0, 1, b'a', 0];
    for bytes in [&negative_zero[..], &other_nan, &unsorted, &repeated] {
        assert_eq!(
            decode::<Value>(bytes, MAX),
            Err(DecodeError::NotCanonical),
            "{bytes:?}"
        );
    }
}

#[test]
fn mutated_bytes_never_bring_a_reader_down() {
    let samples = [
        encode(&sample()),
        encode(&nested(limits::VALUE_DEPTH_MAX, Value::Null)),
    ];
    fuzz::seeded(&samples, 20_000, fuzz::value);
}
