//! Text changes: examples, TP1 and composition on random texts with surrogate pairs.

use proptest::prelude::*;

use super::*;

fn change(from: u32, delete: u32, insert: &str) -> TextChange {
    TextChange {
        from,
        delete,
        insert: insert.into(),
    }
}

#[test]
fn positions_are_utf16_units() {
    assert_eq!(apply("a😀b", &[change(3, 1, "c")]).unwrap(), "a😀c");
    assert_eq!(apply("a😀b", &[change(1, 2, "")]).unwrap(), "ab");
    assert_eq!(
        apply("a😀b", &[change(2, 0, "x")]),
        Err(TextChangeError::InsideCharacter { at: 2 })
    );
    assert_eq!(
        apply("a😀b", &[change(1, 1, "")]),
        Err(TextChangeError::InsideCharacter { at: 2 })
    );
    assert_eq!(
        apply("a😀b", &[change(5, 0, "x")]),
        Err(TextChangeError::PastEnd { at: 5 })
    );
    let unsorted = [change(2, 0, "x"), change(1, 0, "y")];
    assert_eq!(
        apply("abc", &unsorted),
        Err(TextChangeError::NotSorted { at: 1 })
    );
}

#[test]
fn at_the_same_place_the_side_decides() {
    let (mine, theirs) = ([change(1, 0, "M")], [change(1, 0, "T")]);
    let later = transform(&mine, &theirs, Side::After);
    let first = transform(&theirs, &mine, Side::Before);
    assert_eq!(
        apply(&apply("ab", &theirs).unwrap(), &later).unwrap(),
        "aTMb"
    );
    assert_eq!(apply(&apply("ab", &mine).unwrap(), &first).unwrap(), "aTMb");
}

#[test]
fn odd_deltas_never_panic() {
    let odd = [
        change(9, 4, "x"),
        change(2, u32::MAX, "y"),
        change(u32::MAX, u32::MAX, "😀"),
    ];
    let plain = [change(0, 1, "😀")];
    for (a, b) in [
        (&odd[..], &plain[..]),
        (&plain[..], &odd[..]),
        (&odd[..], &odd[..]),
    ] {
        transform(a, b, Side::Before);
        transform(a, b, Side::After);
        let _ = compose(a, b);
        let _ = apply("abc", a);
        map_position(u32::MAX, a, Side::After);
        unmap_position(u32::MAX, a);
    }
    assert!(
        compose(&plain, &[change(1, 0, "x")]).is_err(),
        "cuts an inserted character"
    );
}

#[test]
fn carets_move_with_the_text() {
    let delta = [change(2, 3, "xy")];
    assert_eq!(map_position(2, &delta, Side::Before), 2);
    assert_eq!(map_position(2, &[change(2, 0, "xy")], Side::After), 4);
    assert_eq!(map_position(4, &delta, Side::Before), 2);
    assert_eq!(map_position(7, &delta, Side::After), 6);
    assert_eq!(unmap_position(6, &delta), 7);
    assert_eq!(unmap_position(3, &delta), 2);
}

const ALPHABET: [&str; 6] = ["a", "b", "\n", "é", "😀", "漢"];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&ALPHABET[..]), 0..12)
        .prop_map(|parts| parts.concat())
}

/// Choices from which a valid delta of any text can be made: (keep, delete, insert) in characters.
type Plan = Vec<(usize, usize, String)>;

fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec((0..5usize, 0..4usize, text()), 0..4)
}

fn delta_of(text: &str, plan: &Plan) -> TextDelta {
    let characters: Vec<u32> = text.chars().map(|c| c.len_utf16() as u32).collect();
    let (mut index, mut delta) = (0, TextDelta::new());
    for (keep, delete, insert) in plan {
        let start = (index + keep).min(characters.len());
        let end = (start + delete).min(characters.len());
        let from = characters[..start].iter().sum();
        let cut = characters[start..end].iter().sum();
        delta.push(change(from, cut, insert));
        index = end;
    }
    delta
}

fn normal(delta: &TextDelta) -> bool {
    delta.iter().all(|c| c.delete > 0 || !c.insert.is_empty())
        && delta
            .windows(2)
            .all(|pair| pair[0].from + pair[0].delete < pair[1].from)
}

proptest! {
    #[test]
    fn both_orders_give_one_text(t in text(), p in plan(), q in plan()) {
        let (a, b) = (delta_of(&t, &p), delta_of(&t, &q));
        let b_after = transform(&b, &a, Side::After);
        let a_after = transform(&a, &b, Side::Before);
        let one = apply(&apply(&t, &a).unwrap(), &b_after).unwrap();
        let two = apply(&apply(&t, &b).unwrap(), &a_after).unwrap();
        prop_assert_eq!(one, two);
        prop_assert!(normal(&a_after) && normal(&b_after));
    }

    #[test]
    fn composed_is_one_after_the_other(t in text(), p in plan(), q in plan()) {
        let a = delta_of(&t, &p);
        let middle = apply(&t, &a).unwrap();
        let b = delta_of(&middle, &q);
        let both = compose(&a, &b).unwrap();
        prop_assert_eq!(apply(&t, &both).unwrap(), apply(&middle, &b).unwrap());
        prop_assert!(normal(&both));
    }

    #[test]
    fn inverted_takes_back(t in text(), p in plan()) {
        let a = delta_of(&t, &p);
        let after = apply(&t, &a).unwrap();
        prop_assert_eq!(&apply(&after, &invert(&t, &a).unwrap()).unwrap(), &t);
        let step = difference(&t, &after);
        prop_assert_eq!(apply(&t, &step).unwrap(), after);
    }

    /// An editor with one step in flight and one pending ends with the node's text.
    #[test]
    fn editor_and_node_agree(t in text(), p in plan(), q in plan(), r in plan(), s in plan()) {
        let flight = delta_of(&t, &p);
        let with_flight = apply(&t, &flight).unwrap();
        let pending = delta_of(&with_flight, &q);
        let mut shown = apply(&with_flight, &pending).unwrap();
        let (mut flight, mut pending) = (flight, pending);
        // The node took two steps of others before ours arrived.
        let first = delta_of(&t, &r);
        let mut node = apply(&t, &first).unwrap();
        let second = delta_of(&node, &s);
        node = apply(&node, &second).unwrap();
        let mut arriving = flight.clone();
        for told in [&first, &second] {
            arriving = transform(&arriving, told, Side::After);
            let over_flight = transform(told, &flight, Side::Before);
            flight = transform(&flight, told, Side::After);
            shown = apply(&shown, &transform(&over_flight, &pending, Side::Before)).unwrap();
            pending = transform(&pending, &over_flight, Side::After);
        }
        prop_assert_eq!(&arriving, &flight);
        node = apply(&node, &arriving).unwrap();
        prop_assert_eq!(apply(&node, &pending).unwrap(), shown);
    }
}
