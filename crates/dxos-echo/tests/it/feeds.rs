//! Entries between replicas: order, refusals, waiting, restarts, copies of a profile.

use std::rc::Rc;

use dxos_base::{FeedId, Hash, ObjectWrite, SigningKey, Tick, Value, limits};
use dxos_echo::{
    Access, Decision, EntryHeader, Refusal, RefusalReason, Sealing, WaitReason, feed_id,
};

use crate::replica::*;

fn three() -> (Rc<Members>, Vec<Replica>) {
    let members = Rc::new(Members::default());
    let replicas = (1..=3).map(|n| Replica::new(n, &members)).collect();
    (members, replicas)
}

fn bytes(entries: &[dxos_echo::SealedEntry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.bytes.clone()).collect()
}

fn reasons(refused: &[Refusal]) -> Vec<RefusalReason> {
    refused.iter().map(|refusal| refusal.reason).collect()
}

#[test]
fn replicas_agree_and_repeats_change_nothing() {
    let (_, mut replicas) = three();
    let object = replicas[0].create(1, &[("title", "a".into())]);
    replicas[2].create(3, &[("title", "c".into())]);
    sync(&mut replicas);
    replicas[1].set(object, &["title"], Some("b".into()));
    replicas[2].set(object, &["done"], Some(true.into()));
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(replicas[0].object(object).values["title"], Value::from("b"));
    let all = {
        let empty = Replica::new(9, &Rc::new(Members::default()));
        replicas[0].missing_in(&empty)
    };
    let before = replicas[1].space.state_digest();
    let received = replicas[1].receive(&all);
    assert_eq!((received.stored, received.known), (0, all.len()));
    assert!(received.touched.is_empty());
    assert_eq!(replicas[1].space.state_digest(), before);
}

#[test]
fn an_object_that_takes_another_type_is_told_under_both() {
    let (_, mut replicas) = three();
    let create = |of: &str| ObjectWrite::create(dxos_base::ObjectId([1; 16]), of, []);
    replicas[0].edit(&[create("org.example.Task@0.1.0")]);
    replicas[1].now = Tick(replicas[1].now.0 + 5);
    replicas[1].edit(&[create("org.example.Person@0.1.0")]);
    let entries = bytes(&replicas[1].seal());
    let touched = replicas[0].receive(&entries).touched;
    let types: Vec<&String> = touched.types.iter().collect();
    assert_eq!(types, ["org.example.Person", "org.example.Task"]);
}

#[test]
fn concurrent_deletion_and_edit_end_alike_everywhere() {
    let (_, mut replicas) = three();
    let object = replicas[0].create(1, &[("title", "a".into())]);
    sync(&mut replicas);
    replicas[0].write(&[ObjectWrite::delete(object)]).unwrap();
    replicas[1].now = Tick(replicas[1].now.0 + 5);
    replicas[1].set(object, &["title"], Some("late".into()));
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert!(!replicas[2].object(object).shown);
    replicas[2].write(&[ObjectWrite::restore(object)]).unwrap();
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(
        replicas[0].object(object).values["title"],
        Value::from("late")
    );
}

#[test]
fn an_edit_made_on_seeing_a_value_wins_however_far_ahead_that_is() {
    let (_, mut replicas) = three();
    replicas[0].now = Tick(1_900_000_000_000);
    let object = replicas[0].create(1, &[("title", "future".into())]);
    sync(&mut replicas);
    replicas[1].set(object, &["title"], Some("now".into()));
    replicas[1].create(2, &[]);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(
        replicas[0].object(object).values["title"],
        Value::from("now")
    );
    let other = replicas[2].object(dxos_base::ObjectId([2; 16]));
    assert_eq!(
        other.created_ms, 1_700_000_000_000,
        "the local clock did not follow"
    );
}

#[test]
fn gaps_forgeries_and_strangers_are_refused() {
    let (members, mut replicas) = three();
    let mut entries = Vec::new();
    for n in 1..=3 {
        replicas[0].create(n, &[]);
        entries.extend(bytes(&replicas[0].seal()));
    }
    let (a, b) = pair(&mut replicas, 0, 1);
    let feed = a.space.feed();
    assert_eq!(
        reasons(&b.receive(&entries[1..]).refused),
        [RefusalReason::Gap { stored_seq: 0 }; 2]
    );
    let mut altered = entries[0].clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(
        reasons(&b.receive(&[altered]).refused),
        [RefusalReason::BadSignature]
    );
    let mut altered = entries[0].clone();
    altered[1] ^= 1;
    assert_eq!(
        reasons(&b.receive(&[altered]).refused),
        [RefusalReason::OtherSpace]
    );
    for junk in [
        vec![],
        vec![1],
        vec![1; 200],
        vec![0xff; 4000],
        vec![1; limits::ENTRY_BYTES_MAX + 1],
    ] {
        assert_eq!(b.receive(&[junk]).refused.len(), 1);
    }
    members.devices.borrow_mut().remove(&feed);
    assert_eq!(
        reasons(&b.receive(&entries[..1]).refused),
        [RefusalReason::UnknownFeed]
    );
    members
        .devices
        .borrow_mut()
        .insert(feed, a.signer.device_key());
    assert_eq!(b.receive(&entries).stored, 3);
    assert_eq!(b.rows(), a.rows());
}

#[test]
fn what_is_void_is_kept_and_forwarded_but_never_shows() {
    let (members, mut replicas) = three();
    let object = replicas[0].create(1, &[("title", "a".into())]);
    sync(&mut replicas);
    members.void.borrow_mut().insert(replicas[1].space.feed());
    replicas[1].set(object, &["title"], Some("void".into()));
    let entries = bytes(&replicas[1].seal());
    assert_eq!(replicas[2].receive(&entries).stored, 1);
    assert_eq!(replicas[2].object(object).values["title"], Value::from("a"));
    let (two, zero) = pair(&mut replicas, 2, 0);
    let forwarded = two.missing_in(zero);
    assert_eq!(forwarded, entries);
    zero.receive(&forwarded);
    assert_eq!(
        zero.space.applied(),
        two.space.applied(),
        "void entries count as applied"
    );
    // The writer itself decides anew, and all agree.
    replicas[1].rebuild();
    assert_converged(&mut replicas);
    // Let in by a later credential.
    members.void.borrow_mut().clear();
    for replica in &mut replicas {
        replica.rebuild();
    }
    assert_converged(&mut replicas);
    assert_eq!(
        replicas[0].object(object).values["title"],
        Value::from("void")
    );
}

#[test]
fn entries_wait_for_keys_and_credentials_across_restarts() {
    let (members, mut replicas) = three();
    let mut entries = Vec::new();
    for (n, head) in [(1, 1), (2, 7), (3, 7), (4, 8)] {
        replicas[0].heads = vec![Hash([head; 32])];
        replicas[0].create(n, &[]);
        entries.extend(bytes(&replicas[0].seal()));
    }
    let feed = replicas[0].space.feed();
    members.unknown_heads.borrow_mut().insert(Hash([7; 32]));
    replicas[1].receive(&entries);
    assert_eq!(replicas[1].space.waiting_count(), 2);
    assert_eq!(
        replicas[1].space.applied()[&feed],
        1,
        "what lies beyond a waiting one does not count"
    );
    assert_eq!(
        replicas[1].rows().len(),
        2,
        "the feed's other entries still apply"
    );
    replicas[1].restart();
    assert_eq!(replicas[1].space.waiting_count(), 2);
    assert_eq!(replicas[1].retry().touched.objects.len(), 0);
    members.unknown_heads.borrow_mut().clear();
    members.claims.borrow_mut().clear();
    assert_eq!(replicas[1].retry().touched.objects.len(), 2);
    let claim =
        |seq, previous: u8, heads: u8| (seq, vec![Hash([previous; 32])], vec![Hash([heads; 32])]);
    assert_eq!(
        *members.claims.borrow(),
        vec![claim(2, 1, 7), claim(3, 7, 7)]
    );
    assert_eq!(replicas[1].space.applied()[&feed], 4);

    replicas[2].access.has_key.set(false);
    replicas[2].receive(&entries);
    assert_eq!(
        (replicas[2].space.waiting_count(), replicas[2].rows().len()),
        (4, 0)
    );
    replicas[2].access.has_key.set(true);
    replicas[2].retry();
    assert_converged(&mut replicas);
}

#[test]
fn entries_of_a_newer_build_are_kept_forwarded_and_apply_after_an_upgrade() {
    let (members, mut replicas) = three();
    let mut entries = Vec::new();
    for (n, version, head) in [(1, 1, 1), (2, 9, 7), (3, 1, 7), (4, 9, 7)] {
        replicas[0].heads = vec![Hash([head; 32])];
        replicas[0].space.set_entry_version(version);
        replicas[0].create(n, &[]);
        entries.extend(bytes(&replicas[0].seal()));
    }
    let feed = replicas[0].space.feed();
    replicas[0].space.set_entry_version(9);
    let old = &mut replicas[1];
    let received = old.receive(&entries);
    assert_eq!((received.stored, received.refused.len()), (4, 0));
    assert_eq!(old.space.waiting(), [(WaitReason::Version, 2)].into());
    assert_eq!(old.rows().len(), 2, "the feed's other entries still apply");
    assert_eq!(old.space.applied()[&feed], 1);
    // Heads told by a newer entry hold for those after it.
    let claims = members.claims.borrow().clone();
    assert_eq!(
        claims.last().unwrap(),
        &(4, vec![Hash([7; 32])], vec![Hash([7; 32])])
    );
    let mut altered = entries[3].clone();
    altered[120] ^= 1;
    assert_eq!(old.receive(&[altered]).refused.len(), 1);
    // It goes on writing, and hands on what it does not understand.
    old.create(5, &[]);
    old.seal();
    replicas[2].space.set_entry_version(9);
    let (old, new) = pair(&mut replicas, 1, 2);
    let forwarded = old.missing_in(new);
    assert_eq!(new.receive(&forwarded).refused, vec![]);
    assert_eq!((new.rows().len(), new.space.waiting_count()), (5, 0));
    old.restart();
    assert_eq!(old.retry().touched.objects.len(), 0);
    assert_eq!(old.space.waiting(), [(WaitReason::Version, 2)].into());
    old.space.set_entry_version(9);
    assert_eq!(old.retry().touched.objects.len(), 2);
    sync(&mut replicas);
    assert_converged(&mut replicas);
}

#[test]
fn what_may_not_be_written_is_void_in_every_version() {
    let (members, mut replicas) = three();
    replicas[0].space.set_entry_version(2);
    members.void.borrow_mut().insert(replicas[0].space.feed());
    replicas[0].create(1, &[]);
    let entries = bytes(&replicas[0].seal());
    for at in [1, 2] {
        assert_eq!(replicas[at].receive(&entries).stored, 1);
        assert_eq!(replicas[at].space.waiting_count(), 0);
    }
    replicas[2].space.set_entry_version(2);
    replicas[2].rebuild();
    replicas[0].rebuild();
    assert_converged(&mut replicas);
}

#[test]
fn what_is_signed_and_malformed_is_void_for_all_and_the_chain_goes_on() {
    let (_, mut replicas) = three();
    replicas[0].create(1, &[]);
    let mut entries = bytes(&replicas[0].seal());
    let (signer, feed) = (replicas[0].signer.clone(), replicas[0].space.feed());
    let mut previous = replicas[0].space.timeframe()[&feed].hash;
    for (seq, rest) in [(2, &b"\x07nothing"[..]), (3, b""), (4, b"\x03abc")] {
        let header = EntryHeader {
            version: 1,
            space: SPACE,
            feed,
            seq,
            previous,
            clock: dxos_base::Clock::from_ms(1_700_000_000_000),
            kind: 0,
            key: space_key().id(),
            control_heads: vec![],
        };
        let mut signed = dxos_base::encode(&header);
        signed.extend_from_slice(rest);
        previous = dxos_base::hash("entry", &[&signed]);
        signed.extend_from_slice(&signer.sign(&previous).0);
        entries.push(signed);
    }
    let received = replicas[1].receive(&entries);
    assert_eq!((received.stored, received.refused.len()), (4, 0));
    assert_eq!(replicas[1].space.applied()[&feed], 4);
    let (one, two) = pair(&mut replicas, 1, 2);
    let forwarded = one.missing_in(two);
    assert_eq!(forwarded, entries);
    // One that comes late, before its key, ends in the same state.
    two.access.has_key.set(false);
    two.receive(&forwarded);
    assert_eq!(two.space.waiting(), [(WaitReason::Key, 4)].into());
    two.access.has_key.set(true);
    two.retry();
    assert_converged(&mut replicas[1..]);
}

#[test]
fn control_heads_are_told_once_and_resolved_for_every_entry() {
    let (members, mut replicas) = three();
    let mut entries = Vec::new();
    for (n, head) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        replicas[0].heads = vec![Hash([head; 32])];
        replicas[0].create(n, &[]);
        entries.extend(bytes(&replicas[0].seal()));
    }
    members.claims.borrow_mut().clear();
    replicas[1].receive(&entries);
    let h = |n: u8| vec![Hash([n; 32])];
    let claims = members.claims.borrow().clone();
    assert_eq!(
        claims,
        vec![
            (1, vec![], h(1)),
            (2, h(1), h(1)),
            (3, h(1), h(2)),
            (4, h(2), h(2))
        ]
    );
    assert!(
        entries[1].len() + 20 < entries[2].len(),
        "unchanged heads cost nothing"
    );
    members.claims.borrow_mut().clear();
    replicas[1].rebuild();
    assert_eq!(*members.claims.borrow(), claims);
}

#[test]
fn large_transactions_span_entries_within_limits() {
    let (_, mut replicas) = three();
    let writes: Vec<ObjectWrite> = (0..1000u32)
        .map(|n| ObjectWrite::Create {
            object: dxos_base::ObjectId((n as u128).to_be_bytes()),
            type_name: "org.example.Task@0.1.0".into(),
            values: [("title".to_owned(), Value::from("x".repeat(100)))].into(),
        })
        .collect();
    replicas[0].write(&writes).unwrap();
    replicas[0].create(
        255,
        &[(
            "blob",
            Value::Bytes((0..200_000u64).map(|n| ((n * n) >> 7) as u8).collect()),
        )],
    );
    let sealed = replicas[0].seal();
    assert!(sealed.len() >= 4, "{}", sealed.len());
    assert!(
        sealed
            .iter()
            .all(|entry| entry.bytes.len() <= limits::ENTRY_BYTES_MAX)
    );
    replicas[1].receive(&bytes(&sealed));
    assert_eq!(replicas[1].rows(), replicas[0].rows());
}

#[test]
fn nothing_is_lost_or_made_twice_by_a_crash_at_any_commit() {
    let (_, mut replicas) = three();
    for n in 1..=10 {
        replicas[0].create(n, &[("n", (n as i64).into())]);
        replicas[0].restart();
        if n % 3 == 0 {
            assert_eq!(replicas[0].seal().len(), 1);
            replicas[0].restart();
        }
    }
    let digest = replicas[0].space.state_digest();
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(replicas[1].rows().len(), 10);
    assert_eq!(replicas[1].space.state_digest(), digest);
    // A failed commit leaves nothing behind.
    let (signer, key) = (replicas[0].signer.clone(), space_key());
    replicas[0].create(11, &[]);
    let before = (replicas[0].rows(), replicas[0].space.timeframe().clone());
    let failed: Result<(), _> = replicas[0].run(|space, cx, _, _| {
        space.seal(
            cx,
            &Sealing {
                key: &key,
                signer: &signer,
            },
        )?;
        Err(dxos_echo::store::StoreError::Full.into())
    });
    assert!(failed.is_err() && replicas[0].space.pending());
    assert_eq!(
        (replicas[0].rows(), replicas[0].space.timeframe().clone()),
        before
    );
}

#[test]
fn a_copied_profile_opens_a_new_feed() {
    let (members, mut replicas) = three();
    replicas[0].create(1, &[]);
    sync(&mut replicas);
    replicas[0].create(2, &[("title", "unsealed".into())]);
    let copy = replicas[0].store.clone();
    let mut copied = Replica::with_store(1, 2, &members, copy);
    assert_ne!(copied.space.feed(), replicas[0].space.feed());
    assert!(copied.space.needs_rebuild());
    assert_eq!(copied.seal(), vec![]);
    copied.rebuild();
    copied.create(3, &[]);
    replicas[0].create(4, &[]);
    replicas.push(copied);
    sync(&mut replicas);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(replicas[1].rows().len(), 4);
    let heads = members.claims.borrow();
    assert!(
        heads.iter().all(|(_, _, heads)| !heads.is_empty()),
        "a new feed tells its heads"
    );
}

#[test]
fn a_copy_that_writes_and_dies_before_its_rebuild_still_reissues() {
    let (members, mut replicas) = three();
    let object = replicas[0].create(1, &[("title", "a".into())]);
    sync(&mut replicas);
    replicas[0].set(object, &["title"], Some("unsealed".into()));
    replicas[0].set(object, &["done"], Some(true.into()));
    let mut copied = Replica::with_store(1, 2, &members, replicas[0].store.clone());
    copied.create(2, &[("title", "of the copy".into())]);
    copied.restart();
    assert!(copied.space.needs_rebuild());
    assert_eq!(copied.seal(), vec![]);
    copied.rebuild();
    copied.restart();
    assert!(!copied.space.needs_rebuild());
    replicas[0] = copied;
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(
        replicas[2].object(object).values["title"],
        Value::from("unsealed")
    );
}

#[test]
fn an_older_backup_goes_on_beside_what_it_had_written() {
    let (members, mut replicas) = three();
    replicas[0].create(1, &[]);
    replicas[0].seal();
    let backup = replicas[0].store.clone();
    replicas[0].create(2, &[]);
    sync(&mut replicas);
    // Restored with a new marker: gets its own later entries back from others.
    let mut restored = Replica::with_store(1, 2, &members, backup);
    restored.create(3, &[]);
    replicas[0] = restored;
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(replicas[0].rows().len(), 3);
    // A profile that lost its database but kept its device key, and wrote before it knew of feed 0.
    let mut fresh = Replica::with_store(2, 2, &members, Default::default());
    replicas[1].create(5, &[]);
    fresh.create(6, &[]);
    sync(&mut replicas);
    let entries = replicas[0].missing_in(&fresh);
    fresh.receive(&entries);
    assert!(fresh.space.needs_rebuild());
    fresh.rebuild();
    replicas[1] = fresh;
    sync(&mut replicas);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(replicas[2].rows().len(), 5);
}

#[test]
fn feeds_of_a_device_are_told_apart() {
    let device = SigningKey::from_seed([1; 32]).device_key();
    let other = SigningKey::from_seed([2; 32]).device_key();
    assert_ne!(feed_id(&SPACE, &device, 0), feed_id(&SPACE, &device, 1));
    assert_ne!(feed_id(&SPACE, &device, 0), feed_id(&SPACE, &other, 0));
    struct Nobody;
    impl Access for Nobody {
        fn device_of_feed(&self, _: &dxos_base::FeedId) -> Option<dxos_base::DeviceKey> {
            None
        }
        fn decide(&self, _: &dxos_echo::Claim<'_>) -> Decision {
            Decision::Counts
        }
        fn picked(&self, _: &FeedId, _: u64) -> Option<Hash> {
            None
        }
        fn key(&self, _: &dxos_base::KeyId) -> Option<dxos_base::SpaceKey> {
            None
        }
    }
    let (_, mut replicas) = three();
    replicas[0].create(1, &[]);
    let entries = bytes(&replicas[0].seal());
    let refused = replicas[1]
        .run(|space, cx, _, _| space.receive(cx, &Nobody, &entries))
        .unwrap();
    assert_eq!(reasons(&refused.refused), [RefusalReason::UnknownFeed]);
}

#[test]
fn a_container_set_anew_clears_what_is_in_it_however_far_ahead_that_is() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let object = replicas[0].create(1, &[("m", Value::Map(Default::default()))]);
    sync(&mut replicas);
    replicas[1].now.0 += 3_600_000;
    replicas[1].set(object, &["m", "far"], Some(1.into()));
    sync(&mut replicas);
    let map = Value::Map([("near".to_owned(), 2.into())].into());
    replicas[0].set(object, &["m"], Some(map.clone()));
    assert_eq!(replicas[0].object(object).values["m"], map);
    replicas[0].set(object, &["m"], None);
    replicas[0].set(object, &["m", "x"], Some(3.into()));
    sync(&mut replicas);
    assert_converged(&mut replicas);
    let map = Value::Map([("x".to_owned(), 3.into())].into());
    assert_eq!(replicas[1].object(object).values["m"], map);
}
