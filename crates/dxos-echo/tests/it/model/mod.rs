//! Every kind of write and of value on three replicas, under delay, repetition, reordering, partition, restarts, late
//! keys and credentials, entries that become void, and clocks that jump: all end byte-identical, and show what two
//! naive models say, the merge ([`naive`](crate::naive)) and, for each write on its replica, the picture of one writer
//! alone ([`ObjectView::apply`](dxos_base::ObjectView::apply)).
//!
//! A case is a function of its seed; a failing one prints the line that runs it again.

mod events;
pub mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxos_base::fuzz::SplitMix64;
use dxos_base::{FeedId, ObjectId, ObjectView, ObjectWrite, Ref, TextId, Value};
use dxos_echo::change::Change;
use dxos_echo::{EchoError, LogEntry};

use crate::naive::Naive;
use crate::replica::*;
use events::EVENTS;
use writes::{WRITES, write};

/// Cases of one run of the tests.
const CASES: u64 = 10_000;
/// Operations of a case: writes and events that did something.
const OPERATIONS: usize = 44;
/// Objects there may be; the first two are made at the beginning.
const OBJECTS: u8 = 6;
/// Kinds tried more often than the others, by how many times: those that let entries travel, and those that
/// often find nothing to do.
const OFTEN: [(usize, &str); 6] = [
    (2, "seal"),
    (5, "deliver"),
    (1, "deliver reordered"),
    (1, "create"),
    (3, "keys come"),
    (1, "credentials come"),
];

/// One run of three replicas.
struct Case {
    seed: u64,
    random: SplitMix64,
    members: Rc<Members>,
    replicas: Vec<Replica>,
    /// A replica nobody reaches.
    apart: Option<usize>,
    /// Replicas with the newest build.
    upgraded: BTreeSet<usize>,
}

/// Values as bytes, all texts as one, NaN equal to itself; perhaps without empty containers.
fn bytes_of(values: &BTreeMap<String, Value>, empty: bool) -> Vec<u8> {
    fn plain(value: &Value, empty: bool) -> Option<Value> {
        let value = match value {
            Value::Text(_) => Value::Text(TextId([0; 16])),
            Value::Ref(reference) if reference.space == Some(SPACE) => {
                Ref::local(reference.object).into()
            }
            Value::List(values) => Value::List(
                values
                    .iter()
                    .filter_map(|value| plain(value, empty))
                    .collect(),
            ),
            Value::Map(values) => Value::Map(map(values, empty)),
            other => other.clone(),
        };
        let dropped = match &value {
            Value::List(values) => values.is_empty(),
            Value::Map(values) => values.is_empty(),
            _ => false,
        };
        (empty || !dropped).then_some(value)
    }
    fn map(values: &BTreeMap<String, Value>, empty: bool) -> BTreeMap<String, Value> {
        let kept = |(name, value): (&String, &Value)| Some((name.clone(), plain(value, empty)?));
        values.iter().filter_map(kept).collect()
    }
    dxos_base::encode(&map(values, empty))
}

/// Whether the picture of one writer alone knows all that comes of a write.
fn foreseen(write: &ObjectWrite) -> bool {
    match write {
        ObjectWrite::Restore { path, .. } => path.is_empty(),
        _ => true,
    }
}

impl Case {
    fn new(seed: u64) -> Case {
        let members = Rc::new(Members::default());
        let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
        for n in 1..=2 {
            replicas[0].create(n, &[("l", Value::List(vec![1.into(), 2.into()]))]);
        }
        sync(&mut replicas);
        Case {
            seed,
            random: SplitMix64::new(seed),
            members,
            replicas,
            apart: None,
            upgraded: BTreeSet::new(),
        }
    }

    /// One operation of a kind; tells whether it did something.
    fn operate(&mut self, kind: &str) -> bool {
        if !WRITES.contains(&kind) {
            return self.event(kind);
        }
        let who = self.random.below(self.replicas.len());
        let object = ObjectId([1 + self.random.below(2) as u8; 16]);
        // It is gone where the entry that made it became void.
        let Some(view) = self.replicas[who].shown(object) else {
            return false;
        };
        let write = write(&mut self.random, kind, &view);
        write.is_some_and(|write| self.try_write(who, &view, &write))
    }

    fn try_write(&mut self, who: usize, before: &ObjectView, write: &ObjectWrite) -> bool {
        let replica = &mut self.replicas[who];
        let rows = replica.rows();
        match replica.write(std::slice::from_ref(write)) {
            Ok(_) if foreseen(write) => {
                let view = replica.object(write.object());
                let mut expected = before.clone();
                expected.apply(write);
                // A container nobody assigned is gone with what was in it; one writer alone cannot tell it is one.
                let empty = !matches!(write, ObjectWrite::Remove { .. });
                assert!(
                    bytes_of(&expected.values, empty) == bytes_of(&view.values, empty),
                    "{write:?} on {before:?} gave {:?}, not {:?}",
                    view.values,
                    expected.values
                );
                let sets = |view: &ObjectView| (view.meta.tags.clone(), view.meta.keys.clone());
                assert_eq!(sets(&expected), sets(&view), "{write:?}");
                true
            }
            Ok(_) => true,
            Err(EchoError::BadPath { .. } | EchoError::BadValue { .. }) => {
                assert!(rows == replica.rows(), "{write:?} is half done");
                false
            }
            Err(error) => panic!("{write:?}: {error}"),
        }
    }

    /// All that is known comes to all, and all are compared, with each other and with the naive merge.
    fn end(&mut self) {
        // What a newer build wrote waits elsewhere, and nowhere if there is none.
        let newer = !self.upgraded.is_empty();
        for who in 0..self.replicas.len() {
            self.learn_keys(who);
            self.learn_credentials(who);
            if newer {
                self.upgrade(who);
            }
        }
        sync(&mut self.replicas);
        let replicas = &mut self.replicas;
        assert_converged(replicas);
        let rows = replicas[0].rows();
        let digest = replicas[0].space.state_digest();
        let texts = texts_in(&mut replicas[0]);
        for replica in replicas.iter_mut() {
            replica.restart();
            assert!(rows == replica.rows(), "after a restart");
            assert_eq!(texts, texts_in(replica));
            assert_eq!(replica.space.waiting_count(), 0);
        }
        if self.seed.is_multiple_of(8) {
            replicas[1].rebuild();
            assert!(rows == replicas[1].rows(), "after a rebuild");
            assert_eq!(digest, replicas[1].space.state_digest());
            assert_eq!(texts, texts_in(&mut replicas[1]));
        }
        self.check_naive();
    }

    fn check_naive(&mut self) {
        let replica = &mut self.replicas[2];
        let mut all: Vec<(Change, FeedId)> = Vec::new();
        let mut visit = |entry: &LogEntry<'_>| {
            let changes = entry.changes.iter().cloned();
            all.extend(changes.map(|change| (change, entry.feed)));
        };
        (replica.space)
            .log(&mut replica.store, &replica.access, &mut visit)
            .unwrap();
        for object in (1..=OBJECTS).map(|n| ObjectId([n; 16])) {
            let Some(view) = replica.shown(object) else {
                let touches = |(change, _): &(Change, FeedId)| change.object == object;
                assert!(!all.iter().any(touches), "{object} has changes");
                continue;
            };
            let naive = Naive::of(&all, object);
            let Some(Value::Map(mut values)) = naive.value(&[]) else {
                panic!("an object is a map");
            };
            let mut meta = dxos_base::ObjectMeta::default();
            for (name, value) in &values {
                meta.note(name, value);
            }
            values.retain(|name, _| !name.starts_with('@'));
            assert!(
                bytes_of(&values, true) == bytes_of(&view.values, true),
                "{object}: {values:?} but {:?}",
                view.values
            );
            let kept = |meta: &dxos_base::ObjectMeta| {
                (
                    meta.tags.clone(),
                    meta.keys.clone(),
                    meta.source,
                    meta.target,
                )
            };
            assert_eq!(kept(&meta), kept(&view.meta));
            if meta.parent.is_none() {
                assert_eq!(naive.deleted(), !view.shown, "{object}");
            }
        }
    }
}

/// What the texts of all objects read.
fn texts_in(replica: &mut Replica) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for object in (1..=OBJECTS).map(|n| ObjectId([n; 16])) {
        if replica.shown(object).is_none() {
            continue;
        }
        let texts = replica.run(|space, cx, _, _| space.texts_of(cx, object));
        let texts = texts.unwrap().into_iter();
        found.extend(texts.map(|(place, text)| (format!("{object} {place:?}"), text)));
    }
    found
}

/// Runs one case; counts what was done.
fn run(seed: u64, done: &mut BTreeMap<&'static str, u64>) {
    let often = OFTEN.into_iter().flat_map(|(more, kind)| vec![kind; more]);
    let kinds: Vec<&'static str> = WRITES.into_iter().chain(EVENTS).chain(often).collect();
    let mut case = Case::new(seed);
    let mut left = OPERATIONS;
    while left > 0 {
        let kind = case.random.one(&kinds);
        if case.operate(kind) {
            *done.entry(kind).or_default() += 1;
            left -= 1;
        }
    }
    case.end();
}

#[test]
fn replicas_end_alike_and_as_the_models_say() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = given("DXOS_MODEL_SEED").unwrap_or(0);
    let cases = given("DXOS_MODEL_CASES").unwrap_or(CASES);
    let (next, total) = (AtomicU64::new(first), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut done = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                break;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, &mut done))) {
                println!("replay: DXOS_MODEL_SEED={seed} DXOS_MODEL_CASES=1 {REPLAY}");
                next.store(first + cases, Ordering::Relaxed);
                resume_unwind(panic);
            }
        }
        let mut total = total.lock().expect("held for counting only");
        for (kind, count) in done {
            *total.entry(kind).or_insert(0) += count;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        others.into_iter().for_each(|other| {
            if let Err(panic) = other.join() {
                resume_unwind(panic);
            }
        });
    });
    let done: BTreeMap<&str, u64> = total.into_inner().expect("no thread died");
    let all: u64 = done.values().sum();
    println!("{cases} cases of {OPERATIONS} operations:");
    for (kind, count) in &done {
        println!("{:5.1} %  {kind}", *count as f64 * 100.0 / all as f64);
    }
    if cases >= 100 {
        for (kind, count) in &done {
            assert!(count * 100 >= all, "{kind} is under 1 %");
        }
        assert_eq!(
            done.len(),
            WRITES.len() + EVENTS.len(),
            "every kind comes up"
        );
    }
}

/// Runs the test above alone.
const REPLAY: &str = "cargo test -p dxos-echo --test it replicas_end_alike";
