//! Every kind of write and of value on three replicas, under delay, repetition, reordering, partition, restarts and
//! clocks that jump: all end byte-identical, and show what two naive models say, the merge ([`naive`](crate::naive))
//! and, for each write on its replica, the picture of one writer alone
//! ([`ObjectView::apply`](dxos_base::ObjectView::apply)).

use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::{
    ElementId, FeedId, ForeignKey, ObjectId, ObjectView, ObjectWrite, Path, Place, Ref, SpaceId,
    Step, TextChange, TextId, Value, key_path,
};
use dxos_echo::change::Change;
use dxos_echo::{EchoError, LogEntry};

use crate::naive::Naive;
use crate::replica::*;

/// Cases of one run of the tests.
const CASES: u64 = 1_000;
/// Steps of a case.
const STEPS: usize = 48;
const OBJECTS: u8 = 4;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Writes, by what they do; each comes up as often as the others.
const WRITES: [&str; 34] = [
    "set null",
    "set bool",
    "set int",
    "set float",
    "set string",
    "set bytes",
    "set timestamp",
    "set reference",
    "set list",
    "set map",
    "set text",
    "set counter",
    "set set",
    "set nested",
    "set in element",
    "remove value",
    "remove element",
    "restore value",
    "delete object",
    "restore object",
    "insert",
    "insert beside",
    "move",
    "count",
    "count nested",
    "include",
    "exclude",
    "tag",
    "untag",
    "add key",
    "remove key",
    "parent",
    "relate",
    "fill text",
];
/// What else happens.
const EVENTS: [&str; 9] = [
    "create",
    "type text",
    "seal",
    "deliver",
    "deliver repeatedly",
    "partition",
    "restart",
    "clock forward",
    "clock back",
];

fn scalar(random: &mut Random, kind: &str) -> Value {
    match kind {
        "null" => Value::Null,
        "bool" => Value::Bool(random.below(2) == 0),
        "float" => Value::float(random.one(&[0.5, -0.0, f64::NAN, f64::MAX, 1.0])),
        "string" => Value::from(random.one(&["", "a", "é\u{0}"])),
        "bytes" => Value::Bytes(vec![0, random.below(3) as u8]),
        "timestamp" => Value::Timestamp(random.below(3) as i64 - 1),
        "reference" => Value::Ref(Ref {
            space: random.one(&[None, Some(SpaceId([9; 20])), Some(SPACE)]),
            object: ObjectId([random.below(5) as u8; 16]),
        }),
        "counter" => Value::Counter(random.below(5) as i64 - 2),
        "text" => Value::Text(TextId([0; 16])),
        _ => Value::Int(random.one(&[0, 1, -7, i64::MAX, i64::MIN])),
    }
}

fn nested(random: &mut Random) -> Value {
    let kind = random.one(&["null", "int", "text", "counter", "reference"]);
    match random.below(4) {
        0 => Value::List(
            (0..random.below(3))
                .map(|_| scalar(random, "int"))
                .collect(),
        ),
        1 => Value::Map([("a".to_owned(), scalar(random, kind))].into()),
        _ => scalar(random, kind),
    }
}

/// A place at the top, or in a map or a list element that shows.
fn place(random: &mut Random, view: &ObjectView) -> Path {
    let lists: Vec<&Path> = view.lists.keys().collect();
    match random.below(4) {
        0 => key_path(&["m", random.one(&["a", "b"])]),
        1 if !lists.is_empty() => element(random, view).unwrap_or_else(|| key_path(&["a"])),
        _ => key_path(&[random.one(&["a", "b", "l", "m"])]),
    }
}

fn list(random: &mut Random, view: &ObjectView) -> Option<Path> {
    let lists: Vec<&Path> = view.lists.keys().collect();
    (!lists.is_empty()).then(|| lists[random.below(lists.len())].clone())
}

fn element(random: &mut Random, view: &ObjectView) -> Option<Path> {
    let mut path = list(random, view)?;
    let ids = view.elements(&path);
    path.push(Step::Element(ids[random.below(ids.len())]));
    Some(path)
}

fn write(random: &mut Random, kind: &str, view: &ObjectView) -> Option<ObjectWrite> {
    let object = view.object;
    let fresh = ElementId(random.next().to_le_bytes());
    let any_place = random.one(&[Place::Start, Place::End, Place::At(1), Place::At(99)]);
    let key = ForeignKey {
        source: random.one(&["s", "t"]).to_owned(),
        id: random.one(&["1", "2"]).to_owned(),
    };
    let member = random.one(&["x", "y", "@z"]);
    let set = random.one(&[&["s"][..], &["m", "s"]]);
    Some(match kind {
        "set list" => {
            let values = (0..random.below(4)).map(|_| nested(random)).collect();
            ObjectWrite::set(
                object,
                key_path(&[random.one(&["l", "a"])]),
                Value::List(values),
            )
        }
        "set map" => {
            let values = ["a", "b"].map(|name| (name.to_owned(), nested(random)));
            ObjectWrite::set(
                object,
                key_path(&[random.one(&["m", "a"])]),
                Value::Map(values.into()),
            )
        }
        "set set" => ObjectWrite::set(object, set, Value::set(["x", member])),
        "set nested" => {
            let value = nested(random);
            ObjectWrite::set(
                object,
                key_path(&["m", random.one(&["a", "b"]), "c"]),
                value,
            )
        }
        "set in element" => {
            let mut path = element(random, view)?;
            path.push(Step::Key("n".to_owned()));
            ObjectWrite::set(object, path, nested(random))
        }
        "remove value" => {
            ObjectWrite::remove(object, key_path(&[random.one(&["a", "l", "m", "s"])]))
        }
        "remove element" => ObjectWrite::remove(object, element(random, view)?),
        "restore value" => ObjectWrite::Restore {
            object,
            path: place(random, view),
        },
        "delete object" => ObjectWrite::delete(object),
        "restore object" => ObjectWrite::restore(object),
        "insert" | "insert beside" => {
            let found = list(random, view);
            let list = found.unwrap_or_else(|| key_path(&["l"]));
            let ids = view.elements(&list);
            let place = match kind == "insert beside" && !ids.is_empty() {
                true => {
                    let beside = ids[random.below(ids.len())];
                    random.one(&[Place::After(beside), Place::Before(beside)])
                }
                false => any_place,
            };
            ObjectWrite::Insert {
                object,
                list,
                element: fresh,
                place,
                value: nested(random),
            }
        }
        "move" => {
            let list = list(random, view)?;
            let ids = view.elements(&list);
            ObjectWrite::Move {
                object,
                element: ids[random.below(ids.len())],
                place: random.one(&[Place::After(ids[0]), any_place]),
                list,
            }
        }
        "count" => ObjectWrite::count(object, "n", random.below(5) as i64 - 2),
        "count nested" => ObjectWrite::count(object, ["m", "n"], 3),
        "include" => ObjectWrite::include(object, set, member),
        "exclude" => ObjectWrite::exclude(object, set, member),
        "tag" => ObjectWrite::tag(object, member),
        "untag" => ObjectWrite::untag(object, member),
        "add key" => ObjectWrite::add_key(object, key),
        "remove key" => ObjectWrite::remove_key(object, key),
        "parent" => {
            let parent = ObjectId([random.below(OBJECTS as usize + 1) as u8; 16]);
            ObjectWrite::set_parent(object, Some(parent).filter(|parent| parent.0[0] > 0))
        }
        "relate" => {
            let end = random.one(&["@source", "@target"]);
            ObjectWrite::set(object, end, scalar(random, "reference"))
        }
        "fill text" => ObjectWrite::Text {
            object,
            path: place(random, view),
            content: random.one(&["", "Hello"]).to_owned(),
        },
        scalar_kind => {
            let kind = scalar_kind.strip_prefix("set ")?;
            let value = scalar(random, kind);
            ObjectWrite::set(object, place(random, view), value)
        }
    })
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

fn try_write(replica: &mut Replica, write: &ObjectWrite, seed: u64) -> bool {
    let before = (replica.rows(), replica.object(write.object()));
    match replica.write(std::slice::from_ref(write)) {
        Ok(_) => {
            if foreseen(write) {
                let mut expected = before.1.clone();
                expected.apply(write);
                let view = replica.object(write.object());
                // A container nobody assigned is gone with what was in it; one writer alone cannot tell it is one.
                let empty = !matches!(write, ObjectWrite::Remove { .. });
                assert_eq!(
                    bytes_of(&expected.values, empty),
                    bytes_of(&view.values, empty),
                    "seed {seed}: {write:?} on {:?} gave {:?}, not {:?}",
                    before.1,
                    view.values,
                    expected.values
                );
                let sets = |view: &ObjectView| (view.meta.tags.clone(), view.meta.keys.clone());
                assert_eq!(sets(&expected), sets(&view), "seed {seed}: {write:?}");
            }
            true
        }
        Err(EchoError::BadPath { .. } | EchoError::BadValue { .. }) => {
            assert_eq!(
                before.0,
                replica.rows(),
                "seed {seed}: {write:?} is half done"
            );
            false
        }
        Err(error) => panic!("seed {seed}: {write:?}: {error}"),
    }
}

/// Some of what is missing, feeds mixed, each in its order; perhaps with repeats.
fn deliver(random: &mut Random, from: &mut Replica, to: &mut Replica, repeat: bool) {
    let mut feeds: BTreeMap<FeedId, Vec<Vec<u8>>> = BTreeMap::new();
    let known: Vec<FeedId> = from.space.timeframe().keys().copied().collect();
    for feed in known {
        let held = to.space.timeframe().get(&feed).map_or(0, |head| head.seq);
        let after = held.saturating_sub(if repeat { 3 } else { 0 });
        let rows = from
            .space
            .entries_from(&mut from.store, feed, after + 1, usize::MAX)
            .unwrap();
        let keep = 1 + random.below(rows.len() + 2);
        let rows = rows.into_iter().map(|row| row.bytes);
        feeds.insert(feed, rows.take(keep).rev().collect());
    }
    let mut mixed = Vec::new();
    while !feeds.is_empty() {
        let feed = *feeds.keys().nth(random.below(feeds.len())).unwrap();
        match feeds.get_mut(&feed).and_then(Vec::pop) {
            Some(entry) => {
                if repeat {
                    mixed.push(entry.clone());
                }
                mixed.push(entry);
            }
            None => drop(feeds.remove(&feed)),
        }
    }
    let received = to.receive(&mixed);
    assert_eq!(received.refused, vec![]);
}

fn event(random: &mut Random, kind: &str, replicas: &mut [Replica], apart: &mut Option<usize>) {
    let who = random.below(3);
    match kind {
        "create" => {
            let object = ObjectId([1 + random.below(OBJECTS as usize) as u8; 16]);
            let values = [
                ("a".to_owned(), nested(random)),
                ("m".to_owned(), nested(random)),
            ];
            let create = ObjectWrite::create(object, "org.example.Task@0.1.0", values);
            match replicas[who].write(&[create]) {
                Ok(_) | Err(EchoError::Exists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        "type text" => {
            let object = ObjectId([1; 16]);
            let insert = vec![TextChange {
                from: 0,
                delete: 0,
                insert: "t".into(),
            }];
            replicas[who].type_text(object, "text", &insert);
        }
        "seal" => drop(replicas[who].seal()),
        "deliver" | "deliver repeatedly" => {
            let to = (who + 1 + random.below(2)) % 3;
            if *apart != Some(who) && *apart != Some(to) {
                let (from, to) = pair(replicas, who, to);
                deliver(random, from, to, kind == "deliver repeatedly");
            }
        }
        "partition" => *apart = random.one(&[None, Some(0), Some(1), Some(2)]),
        "restart" => replicas[who].restart(),
        "clock forward" => replicas[who].now.0 += random.one(&[1, 1_000, 400_000]),
        _ => replicas[who].now.0 -= random.one(&[1, 1_000, 400_000]),
    }
}

fn check_end(replicas: &mut [Replica], seed: u64) {
    sync(replicas);
    assert_converged(replicas);
    let rows = replicas[0].rows();
    let digest = replicas[0].space.state_digest();
    for replica in replicas.iter_mut() {
        replica.restart();
        assert_eq!(rows, replica.rows(), "seed {seed}");
    }
    if seed.is_multiple_of(8) {
        replicas[1].rebuild();
        assert_eq!(
            (rows, digest),
            (replicas[1].rows(), replicas[1].space.state_digest())
        );
    }
    let mut all: Vec<(Change, FeedId)> = Vec::new();
    let mut visit = |entry: &LogEntry<'_>| {
        all.extend(
            entry
                .changes
                .iter()
                .map(|change| (change.clone(), entry.feed)),
        );
    };
    let replica = &mut replicas[2];
    let log = replica
        .space
        .log(&mut replica.store, &replica.access, &mut visit);
    log.unwrap();
    for n in 1..=OBJECTS {
        let object = ObjectId([n; 16]);
        let Some(view) = replica.space.object(&mut replica.store, object).unwrap() else {
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
        assert_eq!(
            bytes_of(&values, true),
            bytes_of(&view.values, true),
            "seed {seed}, object {n}: {values:?} but {:?}",
            view.values
        );
        assert_eq!(
            (&meta.tags, &meta.keys, meta.source, meta.target),
            (
                &view.meta.tags,
                &view.meta.keys,
                view.meta.source,
                view.meta.target
            )
        );
        if meta.parent.is_none() {
            assert_eq!(naive.deleted(), !view.shown, "seed {seed}, object {n}");
        }
    }
}

/// Runs one case; counts what was done.
fn run(seed: u64, done: &mut BTreeMap<&'static str, u64>) {
    let mut random = Random(seed);
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=3).map(|n| Replica::new(n, &members)).collect();
    for n in 1..=2 {
        replicas[0].create(n, &[("l", Value::List(vec![1.into(), 2.into()]))]);
    }
    sync(&mut replicas);
    let mut apart = None;
    for _ in 0..STEPS {
        let kind = random.below(WRITES.len() + EVENTS.len() + 4);
        let Some(kind) = WRITES.get(kind) else {
            // The first ones come up twice as often as the others.
            let at = (kind - WRITES.len()) % EVENTS.len();
            event(&mut random, EVENTS[at], &mut replicas, &mut apart);
            *done.entry(EVENTS[at]).or_default() += 1;
            continue;
        };
        let replica = &mut replicas[random.below(3)];
        let object = ObjectId([1 + random.below(2) as u8; 16]);
        let view = replica.object(object);
        if let Some(write) = write(&mut random, kind, &view)
            && try_write(replica, &write, seed)
        {
            *done.entry(kind).or_default() += 1;
        }
    }
    check_end(&mut replicas, seed);
}

#[test]
fn replicas_end_alike_and_as_the_models_say() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = given("DXOS_MODEL_SEED").unwrap_or(0);
    let cases = given("DXOS_MODEL_CASES").unwrap_or(CASES);
    let mut done = BTreeMap::new();
    for seed in first..first + cases {
        run(seed, &mut done);
    }
    let all: u64 = done.values().sum();
    for (kind, count) in &done {
        println!("{:5.1} %  {kind}", *count as f64 * 100.0 / all as f64);
        assert!(cases < 100 || count * 100 >= all, "{kind} is under 1 %");
    }
    if cases >= 100 {
        assert_eq!(
            done.len(),
            WRITES.len() + EVENTS.len(),
            "every kind comes up"
        );
    }
}
