//! The same typing in updates that end at other places has the same prints; other typing has others.

use dxos_base::{TextChange, TextId};
use dxos_echo::text::TextEngine;

use super::print;
use crate::LoroEngine;

/// Changes typed in one session, on a text another one began.
const TYPING: [(u32, u32, &str); 9] = [
    (0, 0, "a"),
    (1, 0, "b"),
    (2, 0, "😀c"),
    (4, 1, ""),
    (2, 2, ""),
    (1, 1, ""),
    (6, 2, "long words"),
    (6, 1, ""),
    (6, 3, "x"),
];
/// The session.
const PEER: u64 = 7;

/// Types; an update is made after each of `ends` changes, and after all. Gives the updates and a snapshot.
fn typed(changes: &[(u32, u32, &str)], ends: &[usize]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut engine = LoroEngine::new();
    let (first, text) = (TextId([1; 16]), TextId([2; 16]));
    engine.open(first, 3, &[], &[]).unwrap();
    let base = engine.edit(first, &change(0, 0, "some text 😀")).unwrap();
    engine.open(text, PEER, &[], &[&base]).unwrap();
    let mut updates = Vec::new();
    for (n, (from, delete, insert)) in changes.iter().enumerate() {
        engine.apply(text, &change(*from, *delete, insert)).unwrap();
        if ends.contains(&(n + 1)) || n + 1 == changes.len() {
            updates.push(engine.export(text).unwrap());
        }
    }
    let snapshot = engine.snapshot(text).unwrap();
    (updates, snapshot)
}

fn change(from: u32, delete: u32, insert: &str) -> Vec<TextChange> {
    vec![TextChange {
        from,
        delete,
        insert: insert.into(),
    }]
}

fn range(update: &[u8]) -> (u32, u32) {
    let range = LoroEngine::new().inspect(update).unwrap();
    (range.start, range.end)
}

#[test]
fn prints_do_not_depend_on_where_updates_end() {
    let (whole, _) = typed(&TYPING, &[]);
    let (start, end) = range(&whole[0]);
    assert!(start == 0 && end > 20);
    for cut in 1..TYPING.len() {
        for other in cut..TYPING.len() {
            let (parts, snapshot) = typed(&TYPING, &[cut, other]);
            assert!(parts.len() > 1);
            for part in &parts {
                let (from, to) = range(part);
                let expected = print(&whole[0], PEER, from, to).unwrap();
                assert_eq!(print(part, PEER, from, to), Ok(expected), "{cut} {other}");
                assert_eq!(print(&snapshot, PEER, from, to), Ok(expected));
                // What is not held has no print.
                assert!(print(part, PEER, from, to + 1).is_err());
                assert!(from == 0 || print(part, PEER, from - 1, to).is_err());
            }
        }
    }
    for from in 0..end {
        let one = print(&whole[0], PEER, from, from + 1).unwrap();
        for other in 0..from {
            assert_ne!(one, print(&whole[0], PEER, other, other + 1).unwrap());
        }
    }
}

#[test]
fn other_operations_have_other_prints() {
    // One change in place of another that takes as many operations; where they begin to differ. (Deletions are told
    // apart by what they delete, the last of it first.)
    for (at, other, first) in [
        (0, (0, 0, "z"), 0),
        (2, (2, 0, "😀d"), 3),
        (7, (7, 1, ""), 19),
        (8, (5, 3, "x"), 22),
    ] {
        let typing = &TYPING[..=at];
        let mut others = typing.to_vec();
        others[at] = other;
        let (ours, snapshot) = typed(typing, &[]);
        let (theirs, _) = typed(&others, &[]);
        let (_, end) = range(&ours[0]);
        assert_eq!(range(&theirs[0]), (0, end));
        let same = |to: u32| {
            let theirs = print(&theirs[0], PEER, 0, to).unwrap();
            assert_eq!(print(&snapshot, PEER, 0, to), print(&ours[0], PEER, 0, to));
            print(&ours[0], PEER, 0, to) == Ok(theirs)
        };
        let agree = (0..=end).take_while(|to| same(*to)).count() as u32 - 1;
        assert_eq!(agree, first, "{at} {other:?}");
        assert!((agree + 1..=end).all(|to| !same(to)));
    }
}

#[test]
fn an_update_that_names_only_what_another_wrote_on_its_session_has_prints() {
    let mut engine = LoroEngine::new();
    let (ours, theirs) = (TextId([1; 16]), TextId([2; 16]));
    engine.open(ours, PEER, &[], &[]).unwrap();
    let first = engine.edit(ours, &change(0, 0, "ab")).unwrap();
    engine.open(theirs, 3, &[], &[&first]).unwrap();
    let answer = engine.edit(theirs, &change(2, 0, "c")).unwrap();
    engine.import(ours, &answer).unwrap();
    let second = engine.edit(ours, &change(3, 0, "d")).unwrap();
    let snapshot = engine.snapshot(ours).unwrap();
    assert_eq!(engine.inspect(&second).unwrap().after, vec![(3, 0)]);
    let found = print(&second, PEER, 2, 3).unwrap();
    assert_eq!(print(&snapshot, PEER, 2, 3), Ok(found));
}

#[test]
fn prints_tell_what_operations_follow() {
    // The same letters at the same place, one with a word of another writer seen.
    let update = |seen: &[&str]| {
        let mut engine = LoroEngine::new();
        let (first, text) = (TextId([1; 16]), TextId([2; 16]));
        engine.open(first, 3, &[], &[]).unwrap();
        let seen: Vec<Vec<u8>> = (seen.iter())
            .map(|word| engine.edit(first, &change(0, 0, word)).unwrap())
            .collect();
        let seen: Vec<&[u8]> = seen.iter().map(Vec::as_slice).collect();
        engine.open(text, PEER, &[], &seen).unwrap();
        engine.edit(text, &change(0, 0, "ab")).unwrap()
    };
    let (one, two) = (update(&["x"]), update(&["x", "y"]));
    assert_ne!(print(&one, PEER, 0, 2), print(&two, PEER, 0, 2));
    assert_eq!(print(&one, PEER, 1, 2), print(&two, PEER, 1, 2));
}
