//! Random edits on several replicas, delivered in random order: all end alike, also after a rebuild.

use std::rc::Rc;

use dxos_base::{ElementId, ObjectId, ObjectWrite, Path, Place, Tick, Value, key_path};
use proptest::prelude::*;

use crate::replica::*;

#[derive(Debug, Clone)]
enum Action {
    Edit(usize, ObjectWrite),
    Seal(usize),
    Deliver(usize, usize),
    Restart(usize),
    Later(usize, u64),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..5i64).prop_map(Value::Int),
        "[a-c]{0,3}".prop_map(Value::String),
        Just(Value::Null),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::btree_map("[ab]", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn path() -> impl Strategy<Value = Path> {
    proptest::collection::vec("[ab]", 1..3).prop_map(|names| key_path(&names))
}

fn object() -> impl Strategy<Value = ObjectId> {
    (1..4u8).prop_map(|n| ObjectId([n; 16]))
}

fn edit() -> impl Strategy<Value = ObjectWrite> {
    prop_oneof![
        4 => (object(), path(), value()).prop_map(|(object, path, value)| ObjectWrite::Set { object, path, value }),
        2 => (object(), path()).prop_map(|(object, path)| ObjectWrite::Remove { object, path }),
        1 => object().prop_map(|object| ObjectWrite::Remove { object, path: vec![] }),
        1 => object().prop_map(|object| ObjectWrite::Restore { object, path: vec![] }),
        1 => (object(), path()).prop_map(|(object, path)| ObjectWrite::Restore { object, path }),
        3 => (object(), path(), any::<[u8; 8]>(), 0..4u32, value()).prop_map(
            |(object, list, element, at, value)| ObjectWrite::Insert {
                object,
                list,
                element: ElementId(element),
                place: Place::At(at),
                value,
            }
        ),
        2 => (object(), path(), -3..4i64)
            .prop_map(|(object, path, by)| ObjectWrite::Count { object, path, by }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3usize, edit()).prop_map(|(who, edit)| Action::Edit(who, edit)),
        2 => (0..3usize).prop_map(Action::Seal),
        3 => (0..3usize, 1..3usize).prop_map(|(from, by)| Action::Deliver(from, (from + by) % 3)),
        1 => (0..3usize).prop_map(Action::Restart),
        1 => (0..3usize, 0..100_000u64).prop_map(|(who, ms)| Action::Later(who, ms)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn all_replicas_converge(actions in proptest::collection::vec(action(), 1..50)) {
        let members = Rc::new(Members::default());
        let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
        for n in 1..4 {
            replicas[0].create(n, &[]);
        }
        sync(&mut replicas);
        for action in actions {
            match action {
                Action::Edit(who, edit) => {
                    // Some are refused (counting a string): that must leave nothing behind.
                    let before = replicas[who].rows();
                    let result = replicas[who].write(&[edit]);
                    if result.is_err() {
                        prop_assert_eq!(before, replicas[who].rows());
                    }
                }
                Action::Seal(who) => drop(replicas[who].seal()),
                Action::Deliver(from, to) => {
                    let (from, to) = pair(&mut replicas, from, to);
                    let entries = from.missing_in(to);
                    to.receive(&entries);
                }
                Action::Restart(who) => replicas[who].restart(),
                Action::Later(who, ms) => replicas[who].now = Tick(replicas[who].now.0 + ms),
            }
        }
        sync(&mut replicas);
        assert_converged(&mut replicas);
        let digest = replicas[0].space.state_digest();
        replicas[0].rebuild();
        prop_assert_eq!(digest, replicas[0].space.state_digest());
        assert_converged(&mut replicas);
    }

    #[test]
    fn feeds_arrive_in_any_interleaving(order in proptest::collection::vec(0..3usize, 12)) {
        let members = Rc::new(Members::default());
        let mut writers: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
        let object = writers[0].create(1, &[("n", 0.into())]);
        sync(&mut writers);
        for round in 0..4i64 {
            for (n, writer) in writers.iter_mut().enumerate() {
                writer.set(object, &["n"], Some((round * 3 + n as i64).into()));
                if round == 2 && n == 1 {
                    writer.write(&[ObjectWrite::delete(object)]).unwrap();
                }
                writer.seal();
            }
        }
        let mut reader = Replica::new(7, &members);
        let mut queues: Vec<Vec<Vec<u8>>> = Vec::new();
        for writer in &mut writers {
            let feed = writer.space.feed();
            let rows = writer.space.entries_from(&mut writer.store, feed, 1, usize::MAX).unwrap();
            queues.push(rows.into_iter().map(|row| row.bytes).rev().collect());
        }
        for which in order.into_iter().chain([0, 1, 2].repeat(6)) {
            if let Some(entry) = queues[which].pop() {
                prop_assert_eq!(reader.receive(&[entry]).stored, 1);
            }
        }
        sync(&mut writers);
        writers.push(reader);
        assert_converged(&mut writers);
    }
}

#[test]
fn a_deletion_or_restore_stands_when_the_one_it_repeats_turns_out_void() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let map = || Value::Map([("x".to_owned(), 1.into())].into());
    let values = [("a", 1.into()), ("m", map())];
    let [gone, back] = [1, 2].map(|n| replicas[0].create(n, &values));
    replicas[0].edit(&[
        ObjectWrite::delete(back),
        ObjectWrite::remove(back, "m"),
        ObjectWrite::remove(back, "a"),
    ]);
    sync(&mut replicas);
    let acts = [
        ObjectWrite::delete(gone),
        ObjectWrite::remove(gone, "m"),
        ObjectWrite::remove(gone, "a"),
        ObjectWrite::restore(back),
        ObjectWrite::Restore {
            object: back,
            path: key_path(&["m"]),
        },
    ];
    for replica in [1, 0] {
        replicas[replica].edit(&acts);
        sync(&mut replicas);
    }
    // Said twice by one device it is no news.
    replicas[0].edit(&acts);
    assert!(replicas[0].seal().is_empty());
    members.void.borrow_mut().insert(replicas[1].space.feed());
    for replica in &mut replicas {
        replica.rebuild();
        let view = replica.object(gone);
        assert_eq!((view.shown, view.values.len()), (false, 0));
        let view = replica.object(back);
        assert_eq!((view.shown, view.values["m"].clone()), (true, map()));
    }
    assert_converged(&mut replicas);
    // What it hid comes back as after the first.
    replicas[0].edit(&[
        ObjectWrite::restore(gone),
        ObjectWrite::Restore {
            object: gone,
            path: key_path(&["m"]),
        },
    ]);
    let view = replicas[0].object(gone);
    assert_eq!((view.shown, view.values["m"].clone()), (true, map()));
}
