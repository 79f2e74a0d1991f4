//! Verification and repair: whatever happens to materialised rows, entries bring them back.

use std::rc::Rc;

use dxos_base::{ObjectId, TextChange};
use dxos_echo::store::{Durability, EntryState, Findable, ObjectRow, Store};

use crate::replica::*;

/// Two replicas with objects, references, texts, something void and something pending.
fn two() -> Vec<Replica> {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    for n in 1..=5 {
        let title = format!("number {n}");
        replicas[0].create(n, &[("title", title.into()), ("n", i64::from(n).into())]);
    }
    let typed = |at, insert: &str| {
        vec![TextChange {
            from: at,
            delete: 0,
            insert: insert.into(),
        }]
    };
    replicas[0].type_text(ObjectId([1; 16]), "body", &typed(0, "one"));
    sync(&mut replicas);
    replicas[1].type_text(ObjectId([1; 16]), "body", &typed(3, " and two"));
    replicas[1].type_text(ObjectId([2; 16]), "body", &typed(0, "another"));
    sync(&mut replicas);
    replicas[1].set(ObjectId([3; 16]), &["title"], Some("pending".into()));
    replicas
}

fn in_transaction(replica: &mut Replica, work: impl FnOnce(&mut dyn Store)) {
    replica.store.begin().unwrap();
    work(&mut replica.store);
    replica.store.commit(Durability::Synced).unwrap();
    replica.restart();
}

#[test]
fn a_sound_space_verifies_and_nothing_changes() {
    let mut replicas = two();
    for replica in &mut replicas {
        let (rows, digest) = (replica.rows(), replica.space.state_digest());
        for keep in [false, true] {
            let found = replica.verify(keep);
            assert!(found.is_sound(), "{found:?}");
            assert_eq!((found.objects, found.texts), (5, 2));
            assert!(found.entries >= 2);
            assert_eq!(
                (replica.rows(), replica.space.state_digest()),
                (rows.clone(), digest)
            );
            assert_eq!(replica.content(ObjectId([1; 16]), "body"), "one and two");
        }
    }
}

#[test]
fn damaged_rows_are_named_and_come_back() {
    let mut replicas = two();
    let replica = &mut replicas[1];
    let right = replica.rows();
    let digest = replica.space.state_digest();
    let text = replica.open_text(ObjectId([1; 16]), "body");
    in_transaction(replica, |store| {
        let other = store.object(SPACE, ObjectId([2; 16])).unwrap().unwrap();
        // One object reads like another, one is bytes of nothing, one was never written.
        let row = |n: u8, body: Vec<u8>| ObjectRow {
            object: ObjectId([n; 16]),
            body,
            ..other.clone()
        };
        store
            .object_put(
                SPACE,
                &row(1, other.body.clone()),
                None,
                &Findable::default(),
            )
            .unwrap();
        store
            .object_put(SPACE, &row(4, vec![9; 9]), None, &Findable::default())
            .unwrap();
        store
            .object_put(
                SPACE,
                &row(77, other.body.clone()),
                None,
                &Findable::default(),
            )
            .unwrap();
        store
            .text_snapshot(SPACE, text, b"nothing", u64::MAX >> 1)
            .unwrap();
    });
    let found = replica.verify(false);
    assert_eq!(
        found.objects_wrong,
        [1, 4, 77].map(|n| ObjectId([n; 16])).into()
    );
    assert_eq!(found.texts_wrong, [text].into());
    assert!(found.indexes_wrong.contains("title") && found.indexes_wrong.contains("n"));
    assert_ne!(replica.rows(), right, "only asked");
    assert_eq!(replica.verify(true), found);
    assert_eq!(replica.rows(), right);
    assert_eq!(replica.space.state_digest(), digest);
    assert!(replica.verify(false).is_sound());
    assert_eq!(replica.content(ObjectId([1; 16]), "body"), "one and two");
    sync(&mut replicas);
    assert_converged(&mut replicas);
}

#[test]
fn a_wrong_digest_or_standing_is_found_and_put_right() {
    let mut replicas = two();
    let replica = &mut replicas[0];
    let digest = replica.space.state_digest();
    let feed = replica.space.feed();
    in_transaction(replica, |store| {
        let key = format!("echo/{SPACE}/summary");
        let bytes = store.get(&key).unwrap().unwrap();
        let (revision, clock, objects, texts): (u64, u64, u128, u128) =
            dxos_base::decode(&bytes, 100).unwrap();
        let wrong = dxos_base::encode(&(revision, clock, objects, texts.wrapping_add(1)));
        store.set(&key, Some(&wrong)).unwrap();
        store.entry_state(SPACE, feed, 1, EntryState::Void).unwrap();
    });
    assert_ne!(replica.space.state_digest(), digest);
    let found = replica.verify(true);
    assert!(
        found.digest_wrong && found.objects_wrong.is_empty(),
        "{found:?}"
    );
    assert_eq!(found.entries_redecided, 1);
    assert_eq!(replica.space.state_digest(), digest);
    assert!(replica.verify(false).is_sound());
}

#[test]
fn damaged_entries_are_reported_and_nothing_else_is_touched() {
    let mut replicas = two();
    let replica = &mut replicas[0];
    let feed = replica.space.feed();
    in_transaction(replica, |store| {
        let mut row = store.entries(SPACE, feed, 1, 0).unwrap().remove(0);
        let last = row.bytes.len() - 1;
        row.bytes[last] ^= 1;
        store.entry_put(SPACE, &row).unwrap();
    });
    let rows = replica.rows();
    let found = replica.verify(true);
    assert_eq!(found.entries_damaged, [(feed, 1)]);
    assert!(!found.is_sound());
    assert_eq!(replica.rows(), rows);
}
