//! Forked feeds: proofs, where a feed stands, picks, and what the writer issues again.

use std::rc::Rc;

use dxos_base::{FeedId, Hash, ObjectWrite, Step, TextChange, Value};
use dxos_echo::{RefusalReason, SealedEntry, WaitReason};

use crate::replica::*;

fn bytes(entries: &[SealedEntry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.bytes.clone()).collect()
}

/// Device 1 wrote object 1 with value 0, everybody has it; then its profile was copied whole, marker and all.
fn forked() -> (Rc<Members>, Vec<Replica>, Replica) {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
    replicas[0].create(1, &[("a", 0.into()), ("b", 0.into())]);
    sync(&mut replicas);
    let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
    twin.entropy = Seeded::new(77);
    (members, replicas, twin)
}

/// Everybody gets all entries and all branches.
fn exchange(replicas: &mut [Replica]) {
    for replica in replicas.iter_mut() {
        if replica.space.needs_rebuild() {
            replica.rebuild();
        }
        replica.seal();
    }
    for _ in 0..3 {
        for from in 0..replicas.len() {
            for to in 0..replicas.len() {
                if from != to {
                    let (a, b) = pair(replicas, from, to);
                    let entries = a.missing_in(b);
                    b.receive(&entries);
                    let branches = a.branches_missing_in(b);
                    b.receive(&branches);
                }
            }
        }
    }
}

fn pick(members: &Members, feed: FeedId, seq: u64, hash: Hash) {
    members.picked.borrow_mut().insert((feed, seq), hash);
}

fn value(replica: &mut Replica, n: u8, name: &str) -> Value {
    let object = dxos_base::ObjectId([n; 16]);
    replica.object(object).values[name].clone()
}

#[test]
fn a_feed_with_two_entries_for_one_place_stands_before_it() {
    let (_, mut replicas, mut twin) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].set(object, &["a"], Some(1.into()));
    twin.set(object, &["b"], Some(2.into()));
    twin.create(9, &[]);
    let (here, there) = (bytes(&replicas[0].seal()), bytes(&twin.seal()));
    // Another order at each of the two others.
    replicas[1].receive(&here);
    assert_eq!(value(&mut replicas[1], 1, "a"), 1.into());
    let received = replicas[1].receive(&there);
    assert_eq!((received.stored, received.refused), (1, vec![]));
    assert!(received.forked.contains(&feed));
    assert!(received.touched.objects.contains(&object));
    replicas[2].receive(&there);
    replicas[2].receive(&here);
    for replica in &mut replicas[1..] {
        assert_eq!(value(replica, 1, "a"), 0.into());
        assert_eq!(value(replica, 1, "b"), 0.into());
        assert_eq!(replica.space.timeframe()[&feed].seq, 1);
        assert_eq!(replica.space.tips().len(), 2);
        assert!(replica.verify(false).is_sound());
        assert_eq!(replica.receive(&here).known, 1);
    }
    assert_converged(&mut replicas[1..]);
    // All of it is on disk.
    let tips = replicas[1].space.tips();
    replicas[1].restart();
    assert_eq!(replicas[1].space.tips(), tips);
    assert_eq!(replicas[1].space.open_forks().len(), 1);
}

#[test]
fn a_pick_lets_its_branch_stand_and_go_on() {
    let (members, mut replicas, mut twin) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].set(object, &["a"], Some(1.into()));
    let here = replicas[0].seal();
    twin.set(object, &["b"], Some(2.into()));
    let there = twin.seal();
    replicas[1].receive(&bytes(&here));
    replicas[1].receive(&bytes(&there));
    // This one has not heard of the first branch, and the other has not heard of the second.
    replicas[2].receive(&bytes(&there));
    pick(&members, feed, 2, there[0].hash);
    for replica in &mut replicas[1..] {
        replica.settle_forks();
        assert_eq!(value(replica, 1, "b"), 2.into());
        assert_eq!(value(replica, 1, "a"), 0.into());
    }
    twin.set(object, &["b"], Some(3.into()));
    let more = bytes(&twin.seal());
    assert_eq!(replicas[1].receive(&more).stored, 1);
    replicas[2].receive(&more);
    replicas[2].receive(&bytes(&here));
    assert_eq!(value(&mut replicas[2], 1, "b"), 3.into());
    assert_converged(&mut replicas[1..]);
    // A later credential picks the other branch.
    pick(&members, feed, 2, here[0].hash);
    for replica in &mut replicas[1..] {
        replica.settle_forks();
        assert_eq!(value(replica, 1, "b"), 0.into());
        assert_eq!(value(replica, 1, "a"), 1.into());
        assert!(replica.verify(false).is_sound());
    }
    assert_converged(&mut replicas[1..]);
}

#[test]
fn a_cut_on_a_branch_that_does_not_stand_cuts_at_the_fork() {
    let (members, mut replicas, mut twin) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].set(object, &["a"], Some(1.into()));
    let here = bytes(&replicas[0].seal());
    replicas[0].set(object, &["a"], Some(2.into()));
    let last = replicas[0].seal();
    let here: Vec<_> = here.into_iter().chain(bytes(&last)).collect();
    twin.set(object, &["b"], Some(2.into()));
    let there = twin.seal();
    twin.set(object, &["b"], Some(3.into()));
    let there_too = bytes(&twin.seal());
    // Who removed the device had seen only the first branch; the second was picked.
    members.cuts.borrow_mut().insert(feed, (3, last[0].hash));
    pick(&members, feed, 2, there[0].hash);
    // One hears of the branch named by the cut before the one that stands, one after it.
    replicas[1].receive(&here);
    assert_eq!(value(&mut replicas[1], 1, "a"), 2.into());
    for entries in [&bytes(&there), &there_too] {
        replicas[1].receive(entries);
    }
    for entries in [&bytes(&there), &there_too] {
        replicas[2].receive(entries);
    }
    // The entry at the place named is another one: so much is known without the branch.
    assert_eq!(value(&mut replicas[2], 1, "b"), 2.into());
    replicas[2].receive(&here);
    for replica in &mut replicas[1..] {
        assert_eq!(value(replica, 1, "a"), 0.into());
        assert_eq!(value(replica, 1, "b"), 0.into());
        assert_eq!(replica.space.timeframe()[&feed].seq, 3);
        assert!(replica.verify(false).is_sound());
    }
    assert_converged(&mut replicas[1..]);
}

#[test]
fn a_pick_without_a_fork_ends_nothing() {
    let (members, mut replicas, _) = forked();
    let feed = replicas[0].space.feed();
    pick(&members, feed, 1, Hash([7; 32]));
    replicas[1].settle_forks();
    assert_eq!(value(&mut replicas[1], 1, "a"), 0.into());
    assert_eq!(replicas[1].space.timeframe()[&feed].seq, 1);
}

#[test]
fn an_entry_of_an_unknown_branch_is_asked_for_and_blames_nobody() {
    let (_, mut replicas, mut twin) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    for n in 0..5 {
        replicas[0].set(object, &["a"], Some(n.into()));
        replicas[0].seal();
    }
    let (writer, other) = pair(&mut replicas, 0, 1);
    let entries = writer.missing_in(other);
    other.receive(&entries);
    twin.set(object, &["b"], Some(2.into()));
    twin.seal();
    twin.set(object, &["b"], Some(3.into()));
    let last = twin.seal();
    let refused = replicas[1].receive(&bytes(&last)).refused;
    let hash = last[0].hash;
    assert_eq!(refused[0].reason, RefusalReason::Apart { hash });
    // What is asked for begins where the two part.
    let feed = last[0].feed;
    let other = &mut replicas[1];
    let points = other.space.points(&mut other.store, feed);
    let points = points.unwrap();
    assert_eq!(
        points.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        [6, 6, 5, 3]
    );
    let tip = dxos_echo::Tip { feed, seq: 3, hash };
    let chain = twin
        .space
        .chain_to(&mut twin.store, &tip, &points, usize::MAX);
    let chain = chain.unwrap();
    let received = replicas[1].receive(&chain);
    assert_eq!((received.refused.len(), received.stored), (0, 2));
    assert_eq!(replicas[1].space.timeframe()[&feed].seq, 1);
    // A forged one is still blamed.
    let mut forged = bytes(&last);
    let end = forged[0].len() - 1;
    forged[0][end] ^= 1;
    let refused = replicas[2].receive(&forged).refused;
    assert_eq!(refused[0].reason, RefusalReason::Gap { stored_seq: 1 });
    let mut forged = chain[1].clone();
    let end = forged.len() - 1;
    forged[end] ^= 1;
    let refused = replicas[2].receive(&[forged]).refused;
    assert_eq!(refused[0].reason, RefusalReason::BadSignature);
}

#[test]
fn the_writer_issues_again_what_it_wrote_on_the_other_branch() {
    for kept in [0, 1] {
        let (members, mut replicas, twin) = forked();
        replicas.push(twin);
        let object = dxos_base::ObjectId([1; 16]);
        let feed = replicas[0].space.feed();
        replicas[0].edit(&[
            ObjectWrite::set(object, ["n"], Value::Counter(10)),
            ObjectWrite::Count {
                object,
                path: path("n"),
                by: 1,
            },
        ]);
        sync(&mut replicas[..3]);
        // The twin was copied before: copy it again, with the counter.
        let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
        twin.entropy = Seeded::new(78);
        replicas[3] = twin;
        let seq = replicas[0].space.timeframe()[&feed].seq + 1;
        let count = |by| ObjectWrite::Count {
            object,
            path: path("n"),
            by,
        };
        replicas[0].edit(&[count(100)]);
        replicas[0].set(object, &["a"], Some(1.into()));
        let here = replicas[0].seal();
        replicas[0].edit(&[count(200)]);
        replicas[0].create(7, &[("t", Value::String("first".into()))]);
        replicas[0].seal();
        replicas[3].edit(&[count(1000)]);
        replicas[3].set(object, &["b"], Some(2.into()));
        let there = replicas[3].seal();
        replicas[3].type_text(object, "text", &insert("typed"));
        replicas[3].seal();
        exchange(&mut replicas);
        assert_ne!(replicas[0].space.feed(), feed);
        assert_ne!(replicas[3].space.feed(), feed);
        pick(&members, feed, seq, [&here, &there][kept][0].hash);
        for replica in &mut replicas {
            replica.settle_forks();
        }
        let again: Vec<u64> = [0, 3].map(|n| replicas[n].reissue().entries).into();
        assert_eq!(again, [2, 2]);
        assert_eq!(replicas[0].reissue().entries, 0);
        exchange(&mut replicas);
        exchange(&mut replicas);
        assert_converged(&mut replicas);
        for replica in &mut replicas {
            assert_eq!(value(replica, 1, "a"), 1.into());
            assert_eq!(value(replica, 1, "b"), 2.into());
            assert_eq!(value(replica, 1, "n"), Value::Counter(1311), "kept {kept}");
            assert_eq!(value(replica, 7, "t"), "first".into());
            assert_eq!(replica.content(object, "text"), "typed");
            assert!(replica.verify(false).is_sound());
        }
    }
}

#[test]
fn steps_of_others_on_a_counter_made_on_the_branch_not_picked_count_on() {
    let (members, mut replicas, twin) = forked();
    replicas.push(twin);
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].set(object, &["n"], Some(Value::Counter(5)));
    let here = bytes(&replicas[0].seal());
    replicas[1].receive(&here);
    replicas[1].edit(&[ObjectWrite::Count {
        object,
        path: path("n"),
        by: 2,
    }]);
    replicas[3].create(8, &[]);
    let there = replicas[3].seal();
    exchange(&mut replicas);
    pick(&members, feed, 2, there[0].hash);
    for replica in &mut replicas {
        replica.settle_forks();
        replica.reissue();
    }
    exchange(&mut replicas);
    replicas[1].edit(&[ObjectWrite::Count {
        object,
        path: path("n"),
        by: 10,
    }]);
    exchange(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(value(&mut replicas[2], 1, "n"), Value::Counter(17));
}

#[test]
fn unsealed_writes_of_a_forked_feed_go_on_in_another() {
    let (_, mut replicas, mut twin) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    twin.set(object, &["b"], Some(2.into()));
    let there = bytes(&twin.seal());
    replicas[0].set(object, &["a"], Some(1.into()));
    replicas[0].seal();
    replicas[0].set(object, &["a"], Some(5.into()));
    replicas[0].type_text(object, "text", &insert("abc"));
    replicas[0].receive(&there);
    assert_eq!(value(&mut replicas[0], 1, "a"), 5.into());
    assert_eq!(replicas[0].content(object, "text"), "abc");
    let sealed = replicas[0].seal();
    assert_eq!(sealed[0].seq, 1);
    assert_ne!(sealed[0].feed, feed);
    replicas[0].restart();
    assert_eq!(replicas[0].space.feed(), sealed[0].feed);
}

#[test]
fn branches_beyond_the_limit_are_not_kept() {
    let (members, mut replicas, _) = forked();
    let max = dxos_base::limits::FEED_BRANCHES_MAX;
    let backup = replicas[0].store.clone();
    let mut refused = Vec::new();
    for n in 0..=max {
        let mut twin = Replica::with_store(1, 1, &members, backup.clone());
        twin.create(u8::try_from(n).unwrap() + 10, &[]);
        refused.extend(replicas[1].receive(&bytes(&twin.seal())).refused);
    }
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reason, RefusalReason::TooManyBranches);
    assert_eq!(replicas[1].space.tips().len(), max);
}

#[test]
fn a_waiting_entry_of_a_branch_waits_no_more_when_it_stands_no_more() {
    let (_, mut replicas, mut twin) = forked();
    replicas[1].access.has_key.set(false);
    replicas[0].create(2, &[]);
    let here = bytes(&replicas[0].seal());
    replicas[1].receive(&here);
    assert_eq!(replicas[1].space.waiting()[&WaitReason::Key], 1);
    twin.create(3, &[]);
    let there = bytes(&twin.seal());
    replicas[1].access.has_key.set(true);
    replicas[1].receive(&there);
    assert_eq!(replicas[1].space.waiting_count(), 0);
    assert_eq!(replicas[1].rows().len(), 1);
}

fn path(name: &str) -> Vec<Step> {
    vec![Step::Key(name.to_owned())]
}

fn insert(text: &str) -> Vec<TextChange> {
    vec![TextChange {
        from: 0,
        delete: 0,
        insert: text.to_owned(),
    }]
}

#[test]
fn texts_hold_what_all_branches_say_before_one_is_picked_and_after() {
    let (members, mut replicas, _) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].type_text(object, "text", &insert("ab"));
    sync(&mut replicas);
    let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
    twin.entropy = Seeded::new(78);
    let last = |insert: &str| {
        vec![TextChange {
            from: 2,
            delete: 0,
            insert: insert.to_owned(),
        }]
    };
    replicas[0].type_text(object, "text", &insert("1"));
    let here = bytes(&replicas[0].seal());
    twin.type_text(object, "text", &last("2"));
    let there = twin.seal();
    let text = replicas[1].open_text(object, "text");
    replicas[1].receive(&here);
    // Nothing is taken from an editor, and what is typed now stands on the branches.
    let received = replicas[1].receive(&bytes(&there));
    let change = TextChange {
        from: 3,
        delete: 0,
        insert: "2".to_owned(),
    };
    assert_eq!(received.text_deltas, vec![(text, vec![change])]);
    let delete = TextChange {
        from: 0,
        delete: 1,
        insert: String::new(),
    };
    replicas[1].type_text(object, "text", &vec![delete]);
    replicas.push(twin);
    exchange(&mut replicas);
    for replica in &mut replicas {
        assert_eq!(replica.space.open_forks().len(), 1);
        assert_eq!(replica.content(object, "text"), "ab2");
    }
    pick(&members, feed, there[0].seq, there[0].hash);
    for replica in &mut replicas {
        assert_eq!(replica.settle_forks().text_deltas, vec![]);
        replica.reissue();
    }
    exchange(&mut replicas);
    exchange(&mut replicas);
    for replica in &mut replicas {
        assert_eq!(replica.content(object, "text"), "ab2");
        assert!(replica.verify(false).is_sound());
    }
    assert_converged(&mut replicas);
}

#[test]
fn what_a_cut_leaves_out_of_a_branch_is_not_in_the_text() {
    let (members, mut replicas, _) = forked();
    let object = dxos_base::ObjectId([1; 16]);
    let feed = replicas[0].space.feed();
    replicas[0].type_text(object, "text", &insert("ab"));
    sync(&mut replicas);
    let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
    twin.entropy = Seeded::new(78);
    replicas[0].type_text(object, "text", &insert("1"));
    let mut here = replicas[0].seal();
    replicas[0].type_text(object, "text", &insert("2"));
    here.extend(replicas[0].seal());
    twin.type_text(object, "text", &insert("3"));
    let there = bytes(&twin.seal());
    let ends = [(here[0].seq, here[0].hash), (here[1].seq, here[1].hash)];
    for (end, shown) in ends.into_iter().zip(["1ab", "21ab"]) {
        members.cuts.borrow_mut().insert(feed, end);
        let mut replica = Replica::new(4, &members);
        let entries = replicas[2].missing_in(&replica);
        replica.receive(&entries);
        for entries in [&there, &bytes(&here)] {
            replica.receive(entries);
        }
        assert_eq!(replica.space.open_forks().len(), 1);
        assert_eq!(replica.content(object, "text"), shown);
        replica.rebuild();
        assert_eq!(replica.content(object, "text"), shown);
    }
}

#[test]
fn a_step_that_waited_for_sealing_when_the_profile_was_copied_counts_once() {
    for kept in [0, 1] {
        let (members, mut replicas, _) = forked();
        let object = dxos_base::ObjectId([1; 16]);
        let feed = replicas[0].space.feed();
        let count = |by| {
            [ObjectWrite::Count {
                object,
                path: path("n"),
                by,
            }]
        };
        replicas[0].edit(&count(1));
        replicas[0].edit(&count(2));
        // Copied before it was sealed: both copies seal it.
        let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
        twin.entropy = Seeded::new(78);
        replicas[0].edit(&count(10));
        let here = replicas[0].seal();
        replicas[0].edit(&count(20));
        replicas[0].seal();
        twin.edit(&count(100));
        let there = twin.seal();
        replicas.push(twin);
        exchange(&mut replicas);
        let picked = [&here, &there][kept][0].hash;
        pick(&members, feed, here[0].seq, picked);
        for replica in &mut replicas {
            replica.settle_forks();
            replica.reissue();
        }
        exchange(&mut replicas);
        exchange(&mut replicas);
        assert_converged(&mut replicas);
        for replica in &mut replicas {
            assert_eq!(value(replica, 1, "n"), Value::Counter(133), "kept {kept}");
        }
    }
}

#[test]
fn a_step_whose_standing_copy_is_void_is_issued_again() {
    for kept in [0, 1] {
        let (members, mut replicas, _) = forked();
        let object = dxos_base::ObjectId([1; 16]);
        let feed = replicas[0].space.feed();
        let count = |by| {
            [ObjectWrite::Count {
                object,
                path: path("n"),
                by,
            }]
        };
        replicas[0].edit(&count(3));
        // Copied before it was sealed: both copies seal it.
        let mut twin = Replica::with_store(1, 1, &members, replicas[0].store.clone());
        twin.entropy = Seeded::new(78);
        twin.edit(&count(20));
        let there = twin.seal();
        let here = replicas[0].seal();
        // The person left from the copy: its branch is named, so what stands is cut at the fork if it is the other.
        let seq = here[0].seq;
        members.cuts.borrow_mut().insert(feed, (seq, there[0].hash));
        pick(&members, feed, seq, [&here, &there][kept][0].hash);
        replicas.push(twin);
        exchange(&mut replicas);
        for replica in &mut replicas {
            replica.settle_forks();
            replica.reissue();
        }
        exchange(&mut replicas);
        exchange(&mut replicas);
        assert_converged(&mut replicas);
        for replica in &mut replicas {
            assert_eq!(value(replica, 1, "n"), Value::Counter(23), "kept {kept}");
        }
    }
}
