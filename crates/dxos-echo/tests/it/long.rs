//! Writes of more than one entry: sealed by the transaction that acknowledges them.

use std::rc::Rc;

use dxos_base::{Hash, ObjectId, ObjectWrite, TextChange, limits};
use dxos_echo::store::Store as _;
use dxos_echo::{EchoError, SealedEntry, Sealing, Touched};

use crate::replica::*;

/// As many objects as make more than one entry.
fn many(first: u16) -> Vec<ObjectWrite> {
    (first..first + limits::ENTRY_CHANGES_MAX as u16)
        .map(|n| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&n.to_be_bytes());
            ObjectWrite::Create {
                object: ObjectId(id),
                type_name: "org.example.Task@0.1.0".into(),
                values: [("title".to_owned(), format!("title {n}").into())].into(),
            }
        })
        .collect()
}

fn write_and_seal(
    replica: &mut Replica,
    writes: &[ObjectWrite],
) -> Result<(Touched, Vec<SealedEntry>), EchoError> {
    let (signer, key) = (replica.signer.clone(), space_key());
    replica.run(|space, cx, _, heads| {
        let sealing = Sealing {
            key: &key,
            signer: &signer,
        };
        space.write_and_seal(cx, heads, writes, &sealing)
    })
}

fn two() -> Vec<Replica> {
    let members = Rc::new(Members::default());
    (1..=2).map(|n| Replica::new(n, &members)).collect()
}

fn bytes(entries: &[SealedEntry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.bytes.clone()).collect()
}

#[test]
fn a_long_write_is_sealed_at_once_and_nothing_of_it_is_stored_twice() {
    let mut replicas = two();
    let (a, b) = pair(&mut replicas, 0, 1);
    a.space.set_views_wanted(true);
    let (touched, entries) = write_and_seal(a, &many(1)).unwrap();
    assert!(entries.len() > 1);
    assert_eq!(touched.objects.len(), limits::ENTRY_CHANGES_MAX);
    assert_eq!(touched.views.len(), touched.objects.len());
    assert!(!a.space.pending());
    assert_eq!(a.store.pending(SPACE).unwrap(), []);
    assert_eq!(b.receive(&bytes(&entries)).stored, entries.len());
    assert_converged(&mut replicas);
    let before = (
        replicas[0].space.state_digest(),
        replicas[0].space.timeframe().clone(),
    );
    replicas[0].restart();
    let a = &mut replicas[0];
    assert_eq!(
        before,
        (a.space.state_digest(), a.space.timeframe().clone())
    );
    // The clock went with it: later writes win.
    let object = *touched.objects.first().unwrap();
    a.set(object, &["title"], Some("later".into()));
    assert_eq!(
        a.object(object).values["title"],
        dxos_base::Value::from("later")
    );
}

#[test]
fn a_short_write_waits_for_the_seal() {
    let mut replicas = two();
    let a = &mut replicas[0];
    let (_, entries) = write_and_seal(a, &many(1)[..3]).unwrap();
    assert_eq!(entries, []);
    assert_eq!(a.store.pending(SPACE).unwrap().len(), 1);
    assert_eq!(a.seal().len(), 1);
}

#[test]
fn one_long_value_is_sealed_at_once_too() {
    let mut replicas = two();
    let a = &mut replicas[0];
    let object = a.create(1, &[]);
    let value = "x".repeat(limits::ENTRY_BODY_BYTES_SOFT + 1);
    let (_, entries) = write_and_seal(a, &[ObjectWrite::set(object, "title", value)]).unwrap();
    assert!(!entries.is_empty());
    assert_eq!(a.store.pending(SPACE).unwrap(), []);
}

#[test]
fn what_was_pending_goes_first_under_its_own_mark() {
    let mut replicas = two();
    let (a, b) = pair(&mut replicas, 0, 1);
    let object = a.create(200, &[("title", "early".into())]);
    let text = a.open_text(object, "text");
    let delta = vec![TextChange {
        from: 0,
        delete: 0,
        insert: "typed".into(),
    }];
    assert_eq!(a.type_text(object, "text", &delta), text);
    a.heads = vec![Hash([2; 32])];
    let (_, entries) = write_and_seal(a, &many(1)).unwrap();
    assert!(!a.space.pending());
    assert_eq!(a.store.pending(SPACE).unwrap(), []);
    // The other device learns all of it, the text too.
    assert_eq!(b.receive(&bytes(&entries)).stored, entries.len());
    assert_eq!(b.content(object, "text"), "typed");
    assert_converged(&mut replicas);
    let claims = replicas[1].access.members.claims.borrow();
    let heads: Vec<_> = claims.iter().map(|claim| claim.2.clone()).collect();
    assert_eq!(heads[0], [Hash([1; 32])]);
    assert!(heads[1..].iter().all(|heads| *heads == [Hash([2; 32])]));
}

#[test]
fn a_refused_long_write_leaves_nothing() {
    let mut replicas = two();
    let a = &mut replicas[0];
    a.create(200, &[]);
    let before = (a.space.state_digest(), a.store.pending(SPACE).unwrap());
    let mut writes = many(1);
    writes.push(ObjectWrite::set(ObjectId([201; 16]), "title", "missing"));
    assert!(write_and_seal(a, &writes).is_err());
    assert_eq!(
        before,
        (a.space.state_digest(), a.store.pending(SPACE).unwrap())
    );
    assert!(a.space.timeframe().is_empty());
    assert_eq!(a.seal().len(), 1);
}
