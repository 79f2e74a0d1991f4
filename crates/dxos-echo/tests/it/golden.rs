//! Entries written by each version of the format, kept in `vectors/`: every later build reads the same of them.
//!
//! `vectors/echo-entries-1.txt` holds entries of three devices, in hex, one a line. What they make stands in
//! `vectors/echo-state-1.txt`. `vectors/echo-fork-1.txt` holds a fork, `echo-fork-state-1.txt` what it makes. A new format version adds files of its own and leaves these as they are.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;

use dxos_base::{
    ElementId, ObjectId, ObjectWrite, Place, Ref, TextChange, TextId, Value, key_path,
};

use crate::replica::*;

fn vector(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../vectors")
        .join(name)
}

fn typed(from: u32, delete: u32, insert: &str) -> Vec<TextChange> {
    vec![TextChange {
        from,
        delete,
        insert: insert.into(),
    }]
}

/// Three devices, every kind of value and change, and writes that do not know of each other.
fn written_today() -> Vec<Vec<u8>> {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
    let other = ObjectId([2; 16]);
    let address = Value::Map(
        [
            ("city".to_owned(), Value::from("Zürich 😀")),
            ("empty".to_owned(), Value::Map(Default::default())),
        ]
        .into(),
    );
    let object = replicas[0].create(
        1,
        &[
            ("null", Value::Null),
            ("bool", true.into()),
            ("int", i64::MIN.into()),
            ("float", Value::float(-0.5)),
            ("string", "grün".into()),
            ("bytes", Value::Bytes(vec![0, 255, 7])),
            ("time", Value::Timestamp(1_700_000_000_123)),
            (
                "ref",
                Value::Ref(Ref {
                    space: None,
                    object: other,
                }),
            ),
            ("list", Value::List(vec![1.into(), "two".into()])),
            ("address", address),
        ],
    );
    replicas[0].create(2, &[("title", "other".into())]);
    replicas[0].type_text(object, "body", &typed(0, 0, "Hello 😀 world"));
    sync(&mut replicas);
    let count = |by| ObjectWrite::Count {
        object,
        path: key_path(&["visits"]),
        by,
    };
    for (at, by) in [(0, 5), (1, -2), (2, 40)] {
        replicas[at].edit(&[count(by)]);
        replicas[at].set(object, &["string"], Some(format!("by device {at}").into()));
        replicas[at].set(object, &["address", "zip"], Some(by.into()));
        let words = format!("[{at}]");
        replicas[at].type_text(object, "body", &typed(at as u32, 1, &words));
        replicas[at].edit(&[
            ObjectWrite::Insert {
                object,
                list: key_path(&["list"]),
                element: ElementId([at as u8 + 1; 8]),
                place: Place::At(1),
                value: Value::Int(at as i64),
            },
            ObjectWrite::Include {
                object,
                set: key_path(&["labels"]),
                member: format!("of {at}"),
            },
        ]);
    }
    replicas[1].write(&[ObjectWrite::delete(other)]).unwrap();
    replicas[2].set(other, &["title"], Some("late".into()));
    sync(&mut replicas);
    replicas[2].set(object, &["address"], None);
    replicas[0].create(3, &[("title", "deleted and restored".into())]);
    for write in [
        ObjectWrite::delete(ObjectId([3; 16])),
        ObjectWrite::restore(ObjectId([3; 16])),
    ] {
        replicas[0].write(&[write]).unwrap();
    }
    sync(&mut replicas);
    assert_converged(&mut replicas);
    let nobody = Replica::new(9, &Rc::new(Members::default()));
    replicas[0].missing_in(&nobody)
}

/// What a replica shows, in words that do not depend on how views are made of.
fn state_of(replica: &mut Replica) -> String {
    let mut out = String::new();
    let ids: Vec<ObjectId> = replica.rows().into_iter().map(|(id, _)| id).collect();
    for id in ids {
        let view = replica.object(id);
        let _ = writeln!(out, "{id} {} shown={}", view.type_name, view.shown);
        let _ = writeln!(out, "  times {} {}", view.created_ms, view.updated_ms);
        for (name, value) in &view.values {
            let _ = writeln!(out, "  {name} = {value:?}");
        }
        let text: Option<TextId> = replica
            .space
            .text_of(&mut replica.store, id, "body")
            .unwrap();
        if text.is_some() {
            let _ = writeln!(out, "  body: {}", replica.content(id, "body"));
        }
    }
    out
}

#[test]
fn entries_of_format_1_read_the_same() {
    if std::env::var_os("DXOS_BLESS").is_some() && !vector("echo-entries-1.txt").exists() {
        let entries = written_today();
        let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = entries.iter().map(hex).collect();
        std::fs::write(vector("echo-entries-1.txt"), lines.join("\n") + "\n").unwrap();
        let members = Rc::new(Members::default());
        let mut all: Vec<Replica> = (1..=4).map(|n| Replica::new(n, &members)).collect();
        all[3].receive(&entries);
        let state = state_of(&mut all[3]);
        std::fs::write(vector("echo-state-1.txt"), state).unwrap();
    }
    let lines = std::fs::read_to_string(vector("echo-entries-1.txt")).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let entries: Vec<Vec<u8>> = lines
        .lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect();
    assert!(entries.len() > 3);
    let members = Rc::new(Members::default());
    let mut all: Vec<Replica> = (1..=4).map(|n| Replica::new(n, &members)).collect();
    let reader = &mut all[3];
    let received = reader.receive(&entries);
    assert_eq!((received.stored, received.refused), (entries.len(), vec![]));
    let expected = std::fs::read_to_string(vector("echo-state-1.txt")).unwrap();
    assert_eq!(state_of(reader), expected);
    assert!(reader.verify(false).is_sound());
    // It goes on where they end.
    reader.set(ObjectId([1; 16]), &["string"], Some("today".into()));
    let sealed = reader.seal();
    assert_eq!(sealed.len(), 1);
    reader.rebuild();
    assert_eq!(
        reader.object(ObjectId([1; 16])).values["string"],
        Value::from("today")
    );
}

/// One entry all have, two for the place after it, and the one in which the device issues the second's changes again
/// once the first is picked.
fn forked_today() -> Vec<Vec<u8>> {
    let members = Rc::new(Members::default());
    let mut first = Replica::new(1, &members);
    let object = first.create(1, &[("a", 0.into()), ("n", Value::Counter(1))]);
    let mut entries = first.seal();
    let mut twin = Replica::with_store(1, 1, &members, first.store.clone());
    twin.entropy = Seeded::new(7);
    let count = |by| ObjectWrite::Count {
        object,
        path: key_path(&["n"]),
        by,
    };
    first.edit(&[ObjectWrite::set(object, ["a"], 1), count(10)]);
    entries.extend(first.seal());
    twin.edit(&[
        ObjectWrite::set(object, ["b"], Value::Counter(5)),
        count(100),
    ]);
    twin.type_text(object, "body", &typed(0, 0, "kept"));
    entries.extend(twin.seal());
    first.receive(&[entries[2].bytes.clone()]);
    let picked = &entries[1];
    members
        .picked
        .borrow_mut()
        .insert((picked.feed, picked.seq), picked.hash);
    first.settle_forks();
    assert_eq!(first.reissue().entries, 1);
    entries.extend(first.seal());
    entries.into_iter().map(|entry| entry.bytes).collect()
}

#[test]
fn a_fork_of_format_1_reads_the_same() {
    let bless = std::env::var_os("DXOS_BLESS").is_some() && !vector("echo-fork-1.txt").exists();
    if bless {
        let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = forked_today().iter().map(hex).collect();
        std::fs::write(vector("echo-fork-1.txt"), lines.join("\n") + "\n").unwrap();
    }
    let lines = std::fs::read_to_string(vector("echo-fork-1.txt")).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let entries: Vec<Vec<u8>> = lines
        .lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect();
    assert_eq!(entries.len(), 4);
    let members = Rc::new(Members::default());
    let mut all: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let reader = &mut all[1];
    assert_eq!(reader.receive(&entries).stored, 4);
    let feed = reader.space.forked().next().unwrap();
    // The proof alone: both stand aside.
    let undecided = state_of(reader);
    let signed = &entries[1][..entries[1].len() - 64];
    let picked = dxos_base::hash("entry", &[signed]);
    members.picked.borrow_mut().insert((feed, 2), picked);
    reader.settle_forks();
    let shown = format!("before the pick\n{undecided}after it\n{}", state_of(reader));
    if bless {
        std::fs::write(vector("echo-fork-state-1.txt"), &shown).unwrap();
    }
    let expected = std::fs::read_to_string(vector("echo-fork-state-1.txt")).unwrap();
    assert_eq!(shown, expected);
    assert!(reader.verify(false).is_sound());
}
