//! Queries against the naive executor, and what they read.

use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::query::{Access, Deleted, Explain, Filter, field, type_of};
use dxos_base::{ObjectId, ObjectWrite, Query, Value};
use dxos_echo::query::{naive, sample};
use dxos_echo::store::{Findable, IndexKey, Store};
use dxos_echo::{Answer, EchoError, IndexPolicy};

use crate::replica::*;

/// Stores with data, each asked [`QUERIES`] queries.
const CASES: u64 = 2_000;
const QUERIES: u64 = 5;

fn answer(device: &mut Replica, query: &Query) -> Answer {
    let answer = device.space.answer(&mut device.store, query);
    answer.expect("the store answers")
}

fn filled(seed: u64, random: &mut sample::Sample) -> Replica {
    let mut device = Replica::new(1, &Rc::new(Members::default()));
    if seed.is_multiple_of(3) {
        let properties = Some(["x".to_owned(), "@updated".to_owned()].into());
        let full_text = !seed.is_multiple_of(2);
        device.space.set_index_policy(IndexPolicy {
            properties,
            full_text,
        });
    }
    let creations = random.creations();
    let mut exist: Vec<ObjectId> = creations.iter().map(ObjectWrite::object).collect();
    device.write(&creations).expect("creations are sound");
    for _ in 0..random.below(12) {
        device.now.0 += random.below(2);
        let edit = random.edit(&exist);
        exist.push(edit.object());
        match device.write(&[edit]) {
            Err(EchoError::BadValue { path, .. }) if path == "@parent" => {}
            edited => drop(edited.expect("other edits are sound")),
        }
    }
    device
}

#[test]
fn the_executor_agrees_with_the_naive_one() {
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..CASES {
        let mut random = sample::Sample::new(seed);
        let mut device = filled(seed, &mut random);
        for n in 0..QUERIES {
            let query = random.query();
            let full_text = !(seed.is_multiple_of(3) && seed.is_multiple_of(2));
            if query.ranked() && !full_text {
                continue;
            }
            sample::parts(&query)
                .into_iter()
                .for_each(|part| *used.entry(part).or_default() += 1);
            let found = answer(&mut device, &query);
            let naive = naive::answer(&device.space, &mut device.store, &query);
            let naive = naive.expect("the store answers");
            let ids = |answer: &Answer| {
                answer
                    .rows
                    .iter()
                    .map(|row| row.object.0[0])
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                ids(&found),
                ids(&naive),
                "seed {seed}, query {n}: {query:#?} {:?}",
                found.explain
            );
            assert_eq!(found.rows, naive.rows, "seed {seed}, query {n}");
            assert_eq!(
                found.groups, naive.groups,
                "seed {seed}, query {n}: {query:#?}"
            );
        }
    }
    let all = CASES * QUERIES;
    for (part, count) in &used {
        println!("{:5.1} %  {part}", *count as f64 * 100.0 / all as f64);
        assert!(count * 100 >= all, "{part} is in under 1 % of all queries");
    }
    assert_eq!(
        used.len(),
        sample::PARTS,
        "every part of a query comes up: {used:?}"
    );
}

/// 3,000 tasks with a number, a title that repeats, and a person each hundredth refers to.
fn many() -> Replica {
    let mut device = Replica::new(1, &Rc::new(Members::default()));
    let creations: Vec<ObjectWrite> = (0..3_000u32)
        .map(|n| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            let values = [
                ("n".to_owned(), Value::Int(i64::from(n * 7 % 3_000))),
                ("title".to_owned(), Value::from(format!("task {}", n % 60))),
                ("done".to_owned(), Value::Bool(n % 3 == 0)),
            ];
            let of = if n % 1_000 == 0 { "Rare" } else { "Task" };
            ObjectWrite::Create {
                object: ObjectId(id),
                type_name: format!("org.example.{of}@0.1.0"),
                values: values.into(),
            }
        })
        .collect();
    device.write(&creations).unwrap();
    device
}

fn explain(device: &mut Replica, query: Query) -> (usize, Explain) {
    let answer = answer(device, &query);
    let naive = naive::answer(&device.space, &mut device.store, &query).unwrap();
    assert_eq!(answer.rows, naive.rows, "{query:?}");
    (answer.rows.len(), answer.explain)
}

#[test]
fn a_window_of_an_ordered_view_reads_about_its_rows() {
    let mut device = many();
    let tasks = || Query::of_type("org.example.Task");
    let ordered = |property: &str, descending| Access::Order {
        property: property.to_owned(),
        descending,
    };
    let (rows, how) = explain(&mut device, tasks().order_by("n").skip(100).limit(50));
    assert_eq!((rows, &how.access[..]), (50, &[ordered("n", false)][..]));
    assert!(how.examined <= 160 && !how.sorted, "{how:?}");
    let open = tasks().filter(field("done").eq(false));
    let (_, how) = explain(&mut device, open.clone().order_by_descending("n").limit(20));
    assert_eq!(how.access, [ordered("n", true)]);
    assert!(how.examined <= 40, "{how:?}");
    let between = open.filter(field("n").between(1_000, 1_999));
    let (_, how) = explain(&mut device, between.order_by("n").limit(20));
    assert!(how.examined <= 40, "{how:?}");
    let (_, how) = explain(
        &mut device,
        tasks().order_by("title").order_by_descending("n").limit(10),
    );
    assert_eq!(how.access, [ordered("title", false)]);
    assert!(how.examined <= 52, "one title's worth: {how:?}");
    let (_, how) = explain(&mut device, tasks().limit(10));
    assert!(how.examined <= 16, "in the order of ids: {how:?}");
}

#[test]
fn the_narrowest_way_in_is_taken() {
    let mut device = many();
    let index = |property: &str| Access::Index {
        property: property.to_owned(),
    };
    let both = field("title").eq("task 7").and(field("n").eq(49));
    let (rows, how) = explain(&mut device, Query::from(both));
    assert_eq!((rows, how.examined), (1, 1), "{how:?}");
    assert_eq!(how.access, [index("n")]);
    let (rows, how) = explain(
        &mut device,
        type_of("org.example.Task")
            .and(field("title").eq("task 7"))
            .into(),
    );
    assert_eq!(
        (rows as u64, how.access.clone()),
        (how.examined, vec![index("title")])
    );
    let rare = Query::of_type("org.example.Rare").order_by("n").limit(10);
    let (rows, how) = explain(&mut device, rare);
    assert_eq!(rows, 3);
    assert!(how.examined <= 2_600, "the walk was given up: {how:?}");
    let (_, how) = explain(&mut device, Query::search("7").limit(5));
    assert!(
        matches!(&how.access[..], [Access::Text { .. }]) && how.examined <= 5,
        "{how:?}"
    );
    let (rows, how) = explain(&mut device, Query::of_ids([ObjectId([9; 16])]));
    assert_eq!((rows, how.examined), (0, 1));
    let contradiction = field("n").eq(1).and(dxos_base::Filter::Nothing);
    let (_, how) = explain(&mut device, contradiction.into());
    assert_eq!((how.examined, &how.access[..]), (0, &[Access::Nothing][..]));
}

#[test]
fn a_deleted_child_is_found_whether_or_not_its_children_are_looked_for() {
    let mut device = Replica::new(1, &Rc::new(Members::default()));
    let [top, child, below] = [1, 2, 3].map(|n| device.create(n, &[]));
    device.edit(&[
        ObjectWrite::set_parent(child, Some(top)),
        ObjectWrite::set_parent(below, Some(child)),
        ObjectWrite::delete(child),
    ]);
    for transitive in [false, true] {
        let children = Query::from(Filter::ChildOf {
            parent: top,
            transitive,
        });
        let (rows, _) = explain(&mut device, children.clone());
        assert_eq!(rows, 0);
        let (rows, _) = explain(&mut device, children.deleted(Deleted::Include));
        assert_eq!(rows, 1, "itself; what stands below it is hidden with it");
    }
}

#[test]
fn an_index_of_an_earlier_form_is_made_anew() {
    let mut device = many();
    // Object 1: its number is 7.
    let object = ObjectId(
        [[0; 3].as_slice(), &[1], &[0; 12]]
            .concat()
            .try_into()
            .unwrap(),
    );
    let row = device.store.object(SPACE, object).unwrap().expect("made");
    // As an earlier build left it: integers as they were, and no word of the form.
    let earlier = IndexKey {
        property: "n".into(),
        value: [&[2, 0x80][..], &[0; 6], &[7]].concat(),
    };
    let earlier = Findable {
        keys: vec![earlier],
        ..Findable::default()
    };
    device.store.findable_clear(SPACE).unwrap();
    (device.store)
        .object_put(SPACE, &row, Some(&Findable::default()), &earlier)
        .unwrap();
    device
        .store
        .set(&format!("echo/{SPACE}/index"), None)
        .unwrap();
    let find = Query::from(field("n").eq(7));
    assert_eq!(answer(&mut device, &find).rows.len(), 0);
    let members = Rc::new(Members::default());
    let mut again = Replica::with_store(1, 1, &members, device.store.clone());
    assert_eq!(answer(&mut again, &find).rows.len(), 1);
    let opened = again.store.clone();
    let third = Replica::with_store(1, 1, &members, again.store);
    assert!(third.store == opened, "once");
}
