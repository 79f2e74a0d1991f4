//! Tags, foreign keys, parents, relations, who wrote what; and that reserved names stay reserved.

use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::{
    ForeignKey, IdentityKey, ObjectId, ObjectMeta, ObjectWrite, Query, Ref, SpaceId, Tick, Value,
};
use dxos_echo::{ANCESTORS_MAX, EchoError};

use crate::replica::*;

fn two() -> Vec<Replica> {
    let members = Rc::new(Members::default());
    (1..=2).map(|n| Replica::new(n, &members)).collect()
}

fn shown(replica: &mut Replica, n: u8) -> bool {
    replica.object(ObjectId([n; 16])).shown
}

fn key(source: &str, id: &str) -> ForeignKey {
    ForeignKey {
        source: source.into(),
        id: id.into(),
    }
}

#[test]
fn tags_and_keys_are_sets_that_merge() {
    let mut replicas = two();
    let object = replicas[0].create(1, &[]);
    sync(&mut replicas);
    let id = "x".repeat(200);
    replicas[0].edit(&[
        ObjectWrite::tag(object, "red"),
        ObjectWrite::tag(object, "@odd/one"),
        ObjectWrite::add_key(object, key("github.com", "7")),
        ObjectWrite::add_key(object, key("github.com", &id)),
    ]);
    replicas[1].edit(&[
        ObjectWrite::tag(object, "blue"),
        ObjectWrite::untag(object, "red"),
        ObjectWrite::add_key(object, key("imap", "7")),
    ]);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    let meta = replicas[1].object(object).meta;
    assert_eq!(
        meta.tags.iter().collect::<Vec<_>>(),
        ["@odd/one", "blue", "red"]
    );
    assert_eq!(
        meta.keys,
        [
            key("github.com", "7"),
            key("github.com", &id),
            key("imap", "7")
        ]
        .into()
    );
    replicas[1].now = Tick(replicas[1].now.0 + 1);
    replicas[1].edit(&[
        ObjectWrite::untag(object, "red"),
        ObjectWrite::remove_key(object, key("imap", "7")),
    ]);
    let entries = replicas[1].seal();
    assert_eq!(entries.len(), 1);
    replicas[1].edit(&[
        ObjectWrite::untag(object, "red"),
        ObjectWrite::tag(object, "blue"),
    ]);
    assert!(
        !replicas[1].space.pending(),
        "what is so already is not written again"
    );
    sync(&mut replicas);
    let meta = replicas[0].object(object).meta;
    assert!(!meta.tags.contains("red") && !meta.keys.contains(&key("imap", "7")));
    assert_eq!(replicas[0].object(object).values, BTreeMap::new());
}

#[test]
fn an_object_is_made_with_all_that_is_kept_beside_its_properties() {
    let mut device = two().remove(0);
    let [parent, from] = [8, 9].map(|n| device.create(n, &[]));
    let elsewhere = Ref {
        space: Some(SpaceId([5; 20])),
        object: from,
    };
    let meta = ObjectMeta {
        tags: ["red".to_owned()].into(),
        keys: [key("a", "b"), key("a", "c")].into(),
        parent: Some(Ref::local(parent)),
        source: Some(Ref::local(from)),
        target: Some(elsewhere),
        ..Default::default()
    };
    let object = ObjectId([1; 16]);
    device.edit(&[ObjectWrite::create(object, "t@0.1.0", meta.values())]);
    assert_eq!(device.object(object).meta, meta);
    let referrers = device.space.referrers(&mut device.store, from).unwrap();
    assert_eq!(referrers.len(), 1, "a relation refers to its ends");
    device.edit(&[
        ObjectWrite::set_parent(object, None),
        ObjectWrite::remove(object, "@target"),
    ]);
    let view = device.object(object);
    assert_eq!((view.meta.parent, view.meta.target), (None, None));
}

#[test]
fn who_made_and_who_last_wrote_an_object_is_known_by_feed() {
    let mut replicas = two();
    let object = replicas[0].create(1, &[]);
    sync(&mut replicas);
    let authors: BTreeMap<_, _> = (0..2u8)
        .map(|n| (replicas[n as usize].space.feed(), IdentityKey([n; 32])))
        .collect();
    assert_eq!(replicas[1].object(object).meta.created_by, None);
    replicas[1].space.set_authors(authors);
    replicas[1].set(object, &["title"], Some("b".into()));
    let meta = replicas[1].object(object).meta;
    assert_eq!(meta.created_by, Some(IdentityKey([0; 32])));
    assert_eq!(meta.updated_by, Some(IdentityKey([1; 32])));
    replicas[1].restart();
    assert_eq!(replicas[1].object(object).meta, meta);
}

#[test]
fn what_is_below_a_deleted_object_is_hidden_until_it_comes_back() {
    let mut replicas = two();
    for n in 1..=4 {
        replicas[0].create(n, &[]);
    }
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| ObjectId([n; 16]));
    replicas[0].edit(&[
        ObjectWrite::set_parent(b, Some(a)),
        ObjectWrite::set_parent(c, Some(b)),
    ]);
    sync(&mut replicas);
    let rows = replicas[1].rows();
    let touched = replicas[0].write(&[ObjectWrite::delete(a)]).unwrap();
    assert_eq!(
        touched.objects,
        [a, b, c].into(),
        "what shows otherwise now"
    );
    sync(&mut replicas);
    let changed: Vec<_> = replicas[1]
        .rows()
        .into_iter()
        .filter(|row| !rows.contains(row))
        .map(|(object, _)| object)
        .collect();
    assert_eq!(changed, [a], "nothing is written for the cascade");
    for replica in &mut replicas {
        assert_eq!(
            [1, 2, 3, 4].map(|n| shown(replica, n)),
            [false, false, false, true]
        );
        let found = replica.space.query(&mut replica.store, &Query::default());
        let found = found.unwrap();
        assert_eq!(
            found.iter().map(|view| view.object).collect::<Vec<_>>(),
            [d]
        );
    }
    // Moved out while its parent is deleted: shown again.
    let touched = replicas[1]
        .write(&[ObjectWrite::set_parent(c, Some(d))])
        .unwrap();
    assert_eq!(touched.objects, [c].into());
    assert!(shown(&mut replicas[1], 3) && !shown(&mut replicas[1], 2));
    let touched = replicas[1].write(&[ObjectWrite::restore(a)]).unwrap();
    assert_eq!(touched.objects, [a, b].into());
    assert_eq!([1, 2, 3, 4].map(|n| shown(&mut replicas[1], n)), [true; 4]);
    replicas[1].restart();
    assert_eq!([1, 2, 3, 4].map(|n| shown(&mut replicas[1], n)), [true; 4]);
}

#[test]
fn moves_that_close_a_circle_are_refused_or_the_lowest_is_ignored() {
    let mut replicas = two();
    for n in 1..=3 {
        replicas[0].create(n, &[]);
    }
    let [a, b, c] = [1, 2, 3].map(|n| ObjectId([n; 16]));
    replicas[0].edit(&[ObjectWrite::set_parent(b, Some(a))]);
    sync(&mut replicas);
    for (child, parent) in [(a, a), (a, b)] {
        let refused = replicas[0].write(&[ObjectWrite::set_parent(child, Some(parent))]);
        assert!(matches!(refused, Err(EchoError::BadValue { path, .. }) if path == "@parent"));
    }
    // c under b here, a under c there: together a circle a > b > c > a, in which b's move is the lowest.
    replicas[0].edit(&[ObjectWrite::set_parent(c, Some(b))]);
    replicas[1].now = Tick(replicas[1].now.0 + 10);
    replicas[1].edit(&[ObjectWrite::set_parent(a, Some(c))]);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    for replica in &mut replicas {
        let parent = |replica: &mut Replica, object| replica.object(object).meta.parent;
        assert_eq!(parent(replica, b), None);
        assert_eq!(parent(replica, c), Some(Ref::local(b)));
        assert_eq!(parent(replica, a), Some(Ref::local(c)));
    }
    replicas[0].edit(&[ObjectWrite::delete(b)]);
    assert_eq!([1, 2, 3].map(|n| shown(&mut replicas[0], n)), [false; 3]);
    replicas[0].edit(&[ObjectWrite::restore(b), ObjectWrite::delete(a)]);
    let now = [1, 2, 3].map(|n| shown(&mut replicas[0], n));
    assert_eq!(now, [false, true, true], "b is not below a");
}

#[test]
fn parents_that_never_came_hide_nothing_and_nesting_ends() {
    let mut device = two().remove(0);
    let child = device.create(1, &[]);
    device.edit(&[ObjectWrite::set_parent(child, Some(ObjectId([99; 16])))]);
    assert!(shown(&mut device, 1));
    let id = |n: usize| ObjectId((n as u128 + 1000).to_be_bytes());
    for n in 0..ANCESTORS_MAX {
        let parent = n.checked_sub(1).map(|above| Ref::local(id(above)));
        let meta = ObjectMeta {
            parent,
            ..Default::default()
        };
        device.edit(&[ObjectWrite::create(id(n), "", meta.values())]);
    }
    device.edit(&[ObjectWrite::delete(id(0))]);
    assert!(!device.object(id(ANCESTORS_MAX - 1)).shown);
    let under = ObjectWrite::set_parent(child, Some(id(ANCESTORS_MAX - 1)));
    let refused = device.write(&[under]);
    assert!(
        matches!(refused, Err(EchoError::BadValue { .. })),
        "{refused:?}"
    );
}

#[test]
fn reserved_names_are_refused_by_name_and_nothing_is_half_done() {
    let mut device = two().remove(0);
    let object = device.create(1, &[("a", 1.into())]);
    let other_space = Ref {
        space: Some(SpaceId([5; 20])),
        object,
    };
    let set = |path: &[&str], value: Value| ObjectWrite::set(object, path, value);
    let nested = Value::Map([("@type".to_owned(), Value::Int(1))].into());
    let cases = [
        (set(&["@type"], "t".into()), "@type"),
        (set(&["@created"], 1.into()), "@created"),
        (set(&["@new"], 1.into()), "@new"),
        (set(&["@meta"], Value::Map(Default::default())), "@meta"),
        (set(&["@meta", "tags"], Value::Null), "@meta/tags"),
        (set(&["@meta", "tags", "a"], 1.into()), "@meta/tags/a"),
        (
            set(&["@meta", "tags", "a", "b"], true.into()),
            "@meta/tags/a/b",
        ),
        (set(&["@meta", "other", "a"], true.into()), "@meta/other/a"),
        (set(&["@parent"], "a".into()), "@parent"),
        (set(&["@parent"], other_space.into()), "@parent"),
        (set(&["@parent", "x"], 1.into()), "@parent/x"),
        (set(&["@source"], Value::Null), "@source"),
        (set(&["b"], nested.clone()), "b/@type"),
        (set(&["b"], Value::List(vec![nested])), "b/@type"),
        (set(&["b", "@id"], 1.into()), "b/@id"),
        (ObjectWrite::remove(object, "@type"), "@type"),
        (ObjectWrite::remove(object, ["@meta", "tags"]), "@meta/tags"),
        (ObjectWrite::count(object, "@updated", 1), "@updated"),
        (
            ObjectWrite::count(object, ["@meta", "tags", "a"], 1),
            "@meta/tags/a",
        ),
        (ObjectWrite::include(object, "@parent", "a"), "@parent/a"),
        (ObjectWrite::include(object, "@meta", "a"), "@meta"),
        (ObjectWrite::tag(object, ""), "@meta/tags/"),
        (ObjectWrite::include(object, "a", "x"), "a"),
        (
            ObjectWrite::Restore {
                object,
                path: dxos_base::key_path(&["@type"]),
            },
            "@type",
        ),
    ];
    let before = (device.rows(), device.space.state_digest());
    for (write, named) in cases {
        let refused = device.write(&[ObjectWrite::set(object, "a", 2), write.clone()]);
        match refused {
            Err(EchoError::BadPath { path, .. } | EchoError::BadValue { path, .. }) => {
                assert_eq!(path, named, "{write:?}")
            }
            other => panic!("{write:?}: {other:?}"),
        }
        assert_eq!((device.rows(), device.space.state_digest()), before);
    }
    for name in ["@type", "@new", "@meta"] {
        let values = [(name.to_owned(), Value::Int(1))];
        let create = ObjectWrite::create(ObjectId([2; 16]), "", values);
        assert!(device.write(&[create]).is_err(), "{name}");
    }
    assert_eq!(device.rows(), before.0);
    // A member of a set may begin like a reserved name.
    device.edit(&[
        ObjectWrite::include(object, "people", "@ada"),
        set(&["all"], Value::set(["@bob"])),
    ]);
    assert_eq!(device.object(object).values["people"], Value::set(["@ada"]));
}

#[test]
fn what_lost_against_a_concurrent_write_is_told_until_somebody_has_seen_it() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
    let object = replicas[0].create(1, &[("a", 0.into()), ("b", 0.into())]);
    sync(&mut replicas);
    let authors: BTreeMap<_, _> = (0..3u8)
        .map(|n| (replicas[n as usize].space.feed(), IdentityKey([n; 32])))
        .collect();
    let conflicts = |replica: &mut Replica, name: &str| {
        replica.space.set_authors(authors.clone());
        let found = replica.run(|space, cx, access, _| {
            space.conflicts(cx.store, access, object, &dxos_base::key_path(&[name]))
        });
        let found = found.unwrap().into_iter();
        found
            .map(|lost| (lost.value, lost.by.map(|by| by.0[0])))
            .collect::<Vec<_>>()
    };
    assert_eq!(conflicts(&mut replicas[0], "a"), []);
    // Three at once; the last clock wins, and one of the others wrote twice.
    replicas[0].set(object, &["a"], Some(1.into()));
    replicas[0].set(object, &["a"], Some(2.into()));
    replicas[0].set(object, &["b"], Some(2.into()));
    replicas[1].now.0 += 5;
    replicas[1].set(object, &["a"], None);
    replicas[2].now.0 += 9;
    replicas[2].set(
        object,
        &["a"],
        Some(Value::Map([("x".to_owned(), 3.into())].into())),
    );
    assert_eq!(conflicts(&mut replicas[2], "a"), [], "nothing is known yet");
    sync(&mut replicas);
    for replica in &mut replicas {
        let lost = [(None, Some(1)), (Some(Value::Int(2)), Some(0))];
        assert_eq!(conflicts(replica, "a"), lost);
        assert_eq!(conflicts(replica, "b"), []);
    }
    // Written by one who has seen all three: over, also before it is sealed.
    replicas[1].set(object, &["a"], Some(4.into()));
    assert_eq!(conflicts(&mut replicas[1], "a"), []);
    sync(&mut replicas);
    assert_eq!(conflicts(&mut replicas[0], "a"), []);
    // A container that lost shows what was in it.
    replicas[0].set(object, &["a"], Some(Value::List(vec![7.into(), 8.into()])));
    replicas[1].now.0 += 50;
    replicas[1].set(object, &["a"], Some(9.into()));
    sync(&mut replicas);
    let lost = Value::List(vec![7.into(), 8.into()]);
    assert_eq!(conflicts(&mut replicas[2], "a"), [(Some(lost), Some(0))]);
    let missing = replicas[0]
        .run(|space, cx, access, _| space.conflicts(cx.store, access, ObjectId([77; 16]), &[]));
    assert!(matches!(missing, Err(EchoError::NotFound { .. })));
}
