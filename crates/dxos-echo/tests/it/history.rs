//! What was written when and by whom; how it was at a point; putting it back; undo.

use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::fuzz::SplitMix64;
use dxos_base::history::{Edit, EditKind, HistoryPage, HistoryWindow, Point, Version};
use dxos_base::{
    IdentityKey, ObjectId, ObjectView, ObjectWrite, Stamp, TextChange, Value, key_path,
};
use dxos_echo::store::Store;
use dxos_echo::{EchoError, UndoStep, Undone};

use crate::model::writes::{WRITES, write};
use crate::replica::*;

const ALL: HistoryWindow = HistoryWindow {
    before: None,
    limit: u32::MAX,
    pause_ms: 0,
};

fn history(replica: &mut Replica, object: ObjectId, window: HistoryWindow) -> HistoryPage {
    replica
        .run(|space, cx, access, _| space.history(cx, access, object, &window))
        .unwrap()
}

fn version(replica: &mut Replica, object: ObjectId, point: &Point) -> Option<Version> {
    replica
        .run(|space, cx, access, _| space.version_at(cx, access, object, point))
        .unwrap()
}

fn restore(replica: &mut Replica, object: ObjectId, point: &Point) -> Result<(), EchoError> {
    replica
        .run(|space, cx, access, heads| space.restore(cx, heads, access, object, point))
        .map(drop)
}

/// Writes as a step that can be undone.
fn step(replica: &mut Replica, writes: &[ObjectWrite]) -> Result<UndoStep, EchoError> {
    replica.run(|space, cx, _, heads| {
        let before = space.before_writes(cx.store, writes)?;
        space.write(cx, heads, writes)?;
        space.step_since(cx.store, &before)
    })
}

fn undo(replica: &mut Replica, step: &UndoStep) -> Undone {
    replica
        .run(|space, cx, _, heads| space.undo(cx, heads, step))
        .unwrap()
}

fn replace(from: u32, delete: u32, insert: &str) -> Vec<TextChange> {
    vec![TextChange {
        from,
        delete,
        insert: insert.to_owned(),
    }]
}

#[test]
fn a_history_tells_who_wrote_what_when() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let authors: BTreeMap<_, _> = (0..2u8)
        .map(|n| (replicas[n as usize].space.feed(), IdentityKey([n; 32])))
        .collect();
    let object = replicas[0].create(1, &[("title", "A".into())]);
    let other = replicas[0].create(2, &[("title", "Z".into())]);
    sync(&mut replicas);
    replicas[1].now.0 += 60_000;
    replicas[1].type_text(object, "body", &replace(0, 0, "Hi"));
    replicas[1].now.0 += 100;
    replicas[1].type_text(object, "body", &replace(2, 0, "!"));
    replicas[1].edit(&[ObjectWrite::count(object, "n", 2)]);
    sync(&mut replicas);
    replicas[0].now.0 += 120_000;
    replicas[0].set(object, &["title"], None);
    for replica in &mut replicas {
        replica.space.set_authors(authors.clone());
    }
    let window = HistoryWindow {
        pause_ms: 1_000,
        ..ALL
    };
    // Not sealed yet: told here.
    let page = history(&mut replicas[0], object, window);
    let told = |edit: &Edit| {
        (
            edit.by.map(|by| by.0[0]),
            edit.last.clock.ms() - 1_700_000_000_000,
            edit.properties.clone(),
        )
    };
    let kinds = |kinds: &[(&str, EditKind)]| {
        kinds
            .iter()
            .map(|(name, kind)| (name.to_string(), *kind))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(page.total, 3);
    assert_eq!(
        page.edits.iter().map(told).collect::<Vec<_>>(),
        [
            (Some(0), 120_000, kinds(&[("title", EditKind::Removed)])),
            (
                Some(1),
                60_100,
                kinds(&[("body", EditKind::Set), ("n", EditKind::Counted)])
            ),
            (
                Some(0),
                0,
                kinds(&[("@type", EditKind::Set), ("title", EditKind::Set)])
            ),
        ]
    );
    assert_eq!(
        page.edits.iter().map(|e| e.begins).collect::<Vec<_>>(),
        [false, false, true]
    );
    let before = Some(page.edits[0].last);
    let next = HistoryWindow {
        before,
        limit: 1,
        ..window
    };
    let next = history(&mut replicas[0], object, next);
    assert_eq!((next.total, &next.edits[..]), (3, &page.edits[1..2]));
    assert_eq!(
        history(&mut replicas[1], object, window).total,
        2,
        "the third has not come"
    );
    sync(&mut replicas);
    assert_eq!(history(&mut replicas[1], object, window), page);
    assert_eq!(history(&mut replicas[0], other, window).total, 1);
    let missing = history(&mut replicas[0], ObjectId([77; 16]), window);
    assert_eq!(missing, HistoryPage::default());
    // As it was after each edit.
    let at = |replica: &mut Replica, edit: &Edit| {
        let version = version(replica, object, &Point::Through(edit.last)).unwrap();
        (
            version.object.values.get("title").cloned(),
            version.texts.get(&key_path(&["body"])).cloned(),
        )
    };
    for replica in &mut replicas {
        let [last, middle, first] = &page.edits[..] else {
            unreachable!("three edits");
        };
        assert_eq!(at(replica, last), (None, Some("Hi!".to_owned())));
        assert_eq!(
            at(replica, middle),
            (Some("A".into()), Some("Hi!".to_owned()))
        );
        assert_eq!(at(replica, first), (Some("A".into()), None));
        let none = Point::Through(Stamp::ZERO);
        assert_eq!(version(replica, object, &none), None);
        let frame = Point::Timeframe([(replica.space.feed(), 1)].into());
        assert!(
            version(replica, other, &frame).is_some() == (replica.space.feed() == last.last.feed)
        );
    }
}

#[test]
fn a_store_of_an_earlier_build_is_noted_when_a_history_is_asked_for() {
    let members = Rc::new(Members::default());
    let mut device = Replica::new(1, &members);
    let object = device.create(1, &[("title", "A".into())]);
    device.seal();
    device.now.0 += 1;
    device.set(object, &["title"], Some("B".into()));
    device.seal();
    let page = history(&mut device, object, ALL);
    assert!(page.total > 1);
    let mut bare = dxos_echo::memory::MemoryStore::default();
    let feed = device.space.feed();
    for row in device.store.feeds(SPACE).unwrap() {
        bare.feed_put(SPACE, &row).unwrap();
    }
    for row in device.store.entries(SPACE, feed, 1, usize::MAX).unwrap() {
        bare.entry_put(SPACE, &row).unwrap();
    }
    let mut older = Replica::with_store(1, 1, &members, bare);
    assert_eq!(history(&mut older, object, ALL), page);
}

#[test]
fn what_becomes_void_leaves_the_history() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let object = replicas[0].create(1, &[("title", "A".into())]);
    sync(&mut replicas);
    replicas[1].set(object, &["title"], Some("B".into()));
    sync(&mut replicas);
    let feed = replicas[1].space.feed();
    let before = history(&mut replicas[0], object, ALL);
    assert!(before.edits.iter().any(|edit| edit.last.feed == feed));
    members.void.borrow_mut().insert(feed);
    replicas[0].rebuild();
    let after = history(&mut replicas[0], object, ALL);
    assert!(after.edits.iter().all(|edit| edit.last.feed != feed));
    members.void.borrow_mut().clear();
    replicas[0].rebuild();
    assert_eq!(history(&mut replicas[0], object, ALL), before);
}

/// What a reader sees of an object, who wrote when aside. In words: no number equals what is none.
fn seen(view: &ObjectView, texts: &BTreeMap<dxos_base::Path, String>) -> String {
    let ObjectView {
        shown,
        meta,
        values,
        lists,
        ..
    } = view;
    let ends = (meta.source, meta.target, meta.parent);
    format!(
        "{shown} {values:?} {lists:?} {:?} {:?} {ends:?} {texts:?}",
        meta.tags, meta.keys
    )
}

fn now(replica: &mut Replica, object: ObjectId) -> Version {
    let all = Point::Through(Stamp {
        clock: dxos_base::Clock(u64::MAX),
        feed: dxos_base::FeedId([u8::MAX; 16]),
    });
    version(replica, object, &all).unwrap()
}

/// Random writes by two in turn, each having seen the other's: every point reads as it was, and restores to it.
#[test]
fn every_point_reads_as_it_was_and_can_be_restored() {
    let mut done = 0;
    for seed in 0..40 {
        let mut random = SplitMix64::new(seed);
        let members = Rc::new(Members::default());
        let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
        let object = replicas[0].create(1, &[("a", 1.into())]);
        let mut points: Vec<(Point, Version)> = Vec::new();
        for _ in 0..24 {
            sync(&mut replicas);
            let who = random.below(2);
            let replica = &mut replicas[who];
            replica.now.0 += random.below(5) as u64;
            let view = replica.object(object);
            let kind = WRITES[random.below(WRITES.len())];
            if random.below(6) == 0 {
                let content = replica.content(object, "t");
                let units = content.encode_utf16().count() as u32;
                let from = random.below(units as usize + 1) as u32;
                let delete = random.below((units - from) as usize + 1) as u32;
                replica.type_text(object, "t", &replace(from, delete.min(2), "xyz"));
            } else if let Some(write) = write(&mut random, kind, &view)
                && replica.write(&[write]).is_err()
            {
                continue;
            }
            replica.seal();
            let frame = Point::Timeframe(replica.space.applied());
            let last = history(replica, object, ALL).edits[0].last;
            let as_now = now(replica, object);
            points.push((frame, as_now.clone()));
            points.push((Point::Through(last), as_now));
        }
        sync(&mut replicas);
        for (point, then) in &points {
            for replica in &mut replicas {
                let read = version(replica, object, point).unwrap();
                // As bytes: no number equals what is none.
                let bytes = (dxos_base::encode(&read), dxos_base::encode(then));
                assert_eq!(bytes.0, bytes.1, "seed {seed}");
            }
        }
        for _ in 0..4 {
            let (point, then) = &points[random.below(points.len())];
            restore(&mut replicas[0], object, point).unwrap();
            let restored = now(&mut replicas[0], object);
            assert_eq!(
                seen(&restored.object, &restored.texts),
                seen(&then.object, &then.texts),
                "seed {seed}"
            );
            done += 1;
        }
        sync(&mut replicas);
        assert_converged(&mut replicas);
        let both = [0, 1].map(|n| now(&mut replicas[n], object));
        assert_eq!(
            format!("{:?}", both[0]),
            format!("{:?}", both[1]),
            "seed {seed}"
        );
    }
    assert_eq!(done, 160);
}

#[test]
fn an_object_that_was_not_there_is_deleted_by_a_restore() {
    let members = Rc::new(Members::default());
    let mut device = Replica::new(1, &members);
    let first = device.create(1, &[]);
    let point = Point::Through(history(&mut device, first, ALL).edits[0].last);
    device.now.0 += 10;
    let second = device.create(2, &[]);
    device.set(first, &["a"], Some(1.into()));
    let changed = |device: &mut Replica, after, limit| {
        device
            .run(|space, cx, access, _| space.changed_since(cx, access, &point, after, limit))
            .unwrap()
    };
    assert_eq!(changed(&mut device, None, 9), [first, second]);
    device.seal();
    assert_eq!(changed(&mut device, None, 1), [first]);
    assert_eq!(changed(&mut device, Some(first), 1), [second]);
    restore(&mut device, second, &point).unwrap();
    assert!(!device.object(second).shown);
    restore(&mut device, first, &point).unwrap();
    assert_eq!(device.object(first).values, BTreeMap::new());
    let missing = restore(&mut device, ObjectId([77; 16]), &point);
    assert!(matches!(missing, Err(EchoError::NotFound { .. })));
}

/// As [`seen`], but that a number which began to count goes on as a counter, and what was made by writing into it
/// may stay, empty.
fn counted(version: &Version) -> String {
    fn plain(value: &Value) -> Option<Value> {
        Some(match value {
            Value::Counter(0) | Value::Int(0) => return None,
            Value::List(values) if values.is_empty() => return None,
            Value::Map(values) if map(values).is_empty() => return None,
            Value::Counter(n) => Value::Int(*n),
            Value::List(values) => Value::List(
                values
                    .iter()
                    .map(|v| plain(v).unwrap_or(0.into()))
                    .collect(),
            ),
            Value::Map(values) => Value::Map(map(values)),
            other => other.clone(),
        })
    }
    fn map(values: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        values
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), plain(value)?)))
            .collect()
    }
    let mut version = version.clone();
    version.object.values = map(&version.object.values);
    seen(&version.object, &BTreeMap::new())
}

/// Undoes or redoes the last of `from`; what undoes that goes to `to`.
fn turn(replica: &mut Replica, from: &mut Vec<UndoStep>, to: &mut Vec<UndoStep>) -> Option<u64> {
    let step = from.pop()?;
    let undone = undo(replica, &step);
    to.push(undone.redo);
    Some(undone.skipped)
}

#[test]
fn undo_and_redo_lead_back_and_forth() {
    // 1040: a counter, a plain number, a counter again.
    for seed in (0..200).chain([1040]) {
        let mut random = SplitMix64::new(seed);
        let members = Rc::new(Members::default());
        let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
        let object = replicas[0].create(1, &[("a", 1.into())]);
        let (mut undos, mut redos) = (Vec::new(), Vec::new());
        let mut states = vec![now(&mut replicas[0], object)];
        let mut kinds = Vec::new();
        for _ in 0..16 {
            let view = replicas[0].object(object);
            let kind = WRITES[random.below(WRITES.len())];
            // What a text says is its editor's to undo.
            if kind == "fill text" {
                continue;
            }
            let Some(write) = write(&mut random, kind, &view) else {
                continue;
            };
            if let Ok(step) = step(&mut replicas[0], &[write])
                && !step.is_empty()
            {
                undos.push(step);
                kinds.push(kind);
                states.push(now(&mut replicas[0], object));
            }
            if random.below(4) == 0 {
                sync(&mut replicas);
            }
        }
        let trail = |at: usize| format!("seed {seed}, {at} of {kinds:?}");
        for round in 0..2 {
            for at in (0..states.len() - 1).rev() {
                assert_eq!(
                    turn(&mut replicas[0], &mut undos, &mut redos),
                    Some(0),
                    "{}",
                    trail(at)
                );
                let state = now(&mut replicas[0], object);
                assert_eq!(
                    counted(&state),
                    counted(&states[at]),
                    "undo {round}, {}",
                    trail(at)
                );
            }
            assert_eq!(turn(&mut replicas[0], &mut undos, &mut redos), None);
            for (at, expected) in states.iter().enumerate().skip(1) {
                assert_eq!(
                    turn(&mut replicas[0], &mut redos, &mut undos),
                    Some(0),
                    "{}",
                    trail(at)
                );
                let state = now(&mut replicas[0], object);
                assert_eq!(
                    counted(&state),
                    counted(expected),
                    "redo {round}, {}",
                    trail(at)
                );
            }
        }
        sync(&mut replicas);
        assert_converged(&mut replicas);
    }
}

#[test]
fn undo_leaves_alone_what_others_changed_since() {
    let members = Rc::new(Members::default());
    let mut replicas: Vec<Replica> = (1..=2).map(|n| Replica::new(n, &members)).collect();
    let object = replicas[0].create(1, &[("a", 1.into()), ("b", 1.into()), ("n", 5.into())]);
    sync(&mut replicas);
    let both = step(
        &mut replicas[0],
        &[
            ObjectWrite::set(object, ["a"], 2),
            ObjectWrite::set(object, ["b"], 2),
            ObjectWrite::count(object, "n", 3),
        ],
    )
    .unwrap();
    let made = ObjectId([2; 16]);
    let made_step = step(&mut replicas[0], &[ObjectWrite::create(made, "", [])]).unwrap();
    let alone = ObjectId([3; 16]);
    let alone_step = step(&mut replicas[0], &[ObjectWrite::create(alone, "", [])]).unwrap();
    sync(&mut replicas);
    replicas[1].now.0 += 10;
    replicas[1].set(object, &["a"], Some(9.into()));
    replicas[1].edit(&[ObjectWrite::count(object, "n", 10)]);
    replicas[1].set(made, &["x"], Some(1.into()));
    sync(&mut replicas);
    replicas[0].now.0 += 20;
    let undone = undo(&mut replicas[0], &both);
    assert_eq!(undone.skipped, 1);
    let values = replicas[0].object(object).values;
    assert_eq!((&values["a"], &values["b"]), (&9.into(), &1.into()));
    assert_eq!(values["n"], Value::Counter(15));
    assert_eq!(undo(&mut replicas[0], &made_step).skipped, 1);
    assert!(replicas[0].object(made).shown);
    assert_eq!(undo(&mut replicas[0], &alone_step).skipped, 0);
    assert!(!replicas[0].object(alone).shown);
    let again = undo(&mut replicas[0], &undone.redo);
    assert_eq!(again.skipped, 0);
    let values = replicas[0].object(object).values;
    assert_eq!((&values["a"], &values["b"]), (&9.into(), &2.into()));
    assert_eq!(values["n"], Value::Counter(18));
    sync(&mut replicas);
    assert_converged(&mut replicas);
}
