//! The open archive: what goes out comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};

use dxos_base::plain::PlaceStep;
use dxos_base::schema::{Field, FieldType, TypeSchema};
use dxos_base::{ForeignKey, ObjectId, ObjectMeta, ObjectWrite, PlainObject, Ref, TextId, Value};
use dxos_client::Space;
use dxos_client::testing::World;
use dxos_exchange::{Report, archive};

use crate::{objects, run, told, world};

fn id(number: u8) -> ObjectId {
    ObjectId([number; 16])
}

fn object(number: u8, values: impl IntoIterator<Item = (&'static str, Value)>) -> PlainObject {
    PlainObject {
        object: id(number),
        type_name: "org.example.Thing@0.1.0".into(),
        meta: ObjectMeta::default(),
        created_ms: 0,
        updated_ms: 0,
        deleted: false,
        values: values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        texts: BTreeMap::new(),
    }
}

/// One of everything the model has.
fn fill(world: &mut World, space: &Space) {
    let text = || Value::Text(TextId([0; 16]));
    let name = |name: &str| PlaceStep::Name(name.to_owned());
    let mut all_kinds = object(
        1,
        [
            ("null", Value::Null),
            ("bool", Value::Bool(true)),
            ("int", Value::Int(i64::MIN)),
            ("float", Value::float(2.0)),
            ("nan", Value::float(f64::NAN)),
            ("string", Value::from("ünï 🎯\u{0}\r\n")),
            ("bytes", Value::Bytes((0..=255).collect())),
            ("time", Value::Timestamp(-5)),
            ("counter", Value::Counter(7)),
            ("set", Value::set(["b", "a"])),
            ("empty", Value::List(vec![])),
            ("ref", Value::Ref(Ref::local(id(2)))),
            (
                "abroad",
                Value::Ref(Ref {
                    space: Some(dxos_base::SpaceId([9; 20])),
                    object: id(2),
                }),
            ),
            (
                "list",
                Value::List(vec![
                    Value::from("z"),
                    Value::from("a"),
                    Value::Map([("t".to_owned(), text())].into()),
                ]),
            ),
            ("text", text()),
            ("@nested", Value::Null),
        ],
    );
    all_kinds.values.remove("@nested");
    all_kinds
        .texts
        .insert(vec![name("text")], "A *text*\n".into());
    all_kinds.texts.insert(
        vec![name("list"), PlaceStep::Number(2), name("t")],
        "inner".into(),
    );
    all_kinds.meta.tags = BTreeSet::from(["red".into(), "@odd".into()]);
    all_kinds.meta.keys = [("github.com", "7"), ("github.com", "8"), ("x", "y")]
        .map(|(source, id)| ForeignKey {
            source: source.into(),
            id: id.into(),
        })
        .into();
    let parent = object(2, [("title", Value::from("parent"))]);
    let mut child = object(3, []);
    child.meta.parent = Some(Ref::local(id(2)));
    let mut relation = object(4, []);
    relation.meta.source = Some(Ref::local(id(1)));
    relation.meta.target = Some(Ref::local(id(2)));
    let mut gone = object(5, [("title", Value::from("gone"))]);
    gone.deleted = true;
    let mut writes: Vec<ObjectWrite> = [all_kinds, parent, child, relation, gone]
        .iter()
        .flat_map(PlainObject::writes)
        .collect();
    writes.push(ObjectWrite::delete(id(2)));
    world.run(space.write(writes)).unwrap();
    let schema = TypeSchema::new("org.example.Plant", "0.1.0")
        .unwrap()
        .field(Field::new("metres", FieldType::Int));
    let owner = space.clone();
    world.run(async move {
        owner.types().await.unwrap().create(schema).await.unwrap();
        owner
            .properties()
            .update(|properties| properties.hue = Some(120))
            .await
            .unwrap();
    });
}

fn export(world: &mut World, space: &Space) -> Vec<u8> {
    let space = space.clone();
    world.run(async move {
        let mut bytes = Cursor::new(Vec::new());
        let (mut report, mut hear) = (Report::default(), |_: u64, _: u64| {});
        archive::export(&space, &mut bytes, &mut report, &mut hear)
            .await
            .unwrap();
        bytes.into_inner()
    })
}

fn import(world: &mut World, space: &Space, bytes: &[u8]) -> Report {
    let (space, bytes) = (space.clone(), bytes.to_vec());
    run!(world, |report, progress| async {
        let mut read = archive::open(Cursor::new(bytes)).unwrap();
        archive::import(&space, &mut read, report, progress).await
    })
    .unwrap()
}

#[test]
fn all_of_a_space_comes_back_the_same_and_once() {
    let (mut world, [from, to]) = world(["Garden", "Copy"]);
    fill(&mut world, &from);
    let bytes = export(&mut world, &from);
    assert_eq!(export(&mut world, &from), bytes, "one state, one archive");
    let report = import(&mut world, &to, &bytes);
    assert_eq!((report.taken, report.left), (7, 0), "{:?}", report.notes());
    let again = import(&mut world, &to, &bytes);
    assert_eq!(
        (again.taken, again.unchanged, again.left),
        (0, 7, 0),
        "{:?}",
        again.notes()
    );

    let (before, after) = (objects(&mut world, &from), objects(&mut world, &to));
    assert_eq!(before.len(), after.len());
    for number in 1..=5 {
        let (a, b) = (&before[&id(number)], &after[&id(number)]);
        assert_eq!(told(a, &from), told(b, &from), "{number}");
    }
    // The child was deleted with its parent, and comes back with it.
    assert!(after[&id(3)].deleted);
    world.run(to.restore(id(2))).unwrap();
    assert!(!objects(&mut world, &to)[&id(3)].deleted);
    // What a space gives ids to has those of its own.
    let owner = to.clone();
    let (hue, types) = world.run(async move {
        let hue = owner.properties().get().await.unwrap().hue;
        let name = "org.example.Plant@0.1.0".parse().unwrap();
        (hue, owner.types().await.unwrap().get(&name).is_some())
    });
    assert_eq!((hue, types), (Some(120), true));
}

fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn what_is_odd_in_an_archive_is_told_and_what_is_damaged_refused() {
    let (mut world, [space]) = world(["Garden"]);
    let manifest = format!(
        r#"{{"format":"org.dxos.archive","version":1,"space":"{}"}}"#,
        dxos_base::SpaceId([3; 20])
    );
    let deep = format!(
        "{{\"@id\":\"{}\",\"a\":{}{}}}\n",
        id(9),
        "[".repeat(100),
        "]".repeat(100)
    );
    let lines = format!(
        "{{\"@id\":\"{}\",\"a\":1}}\nnonsense\n{{\"a\":1}}\n{deep}{{\"@id\":\"{}\",\"@what\":1}}\n",
        id(1),
        id(2)
    );
    let members: &[(&str, &[u8])] = &[
        ("manifest.json", manifest.as_bytes()),
        ("objects.jsonl", lines.as_bytes()),
        ("../../etc/passwd", b"x"),
        ("blobs/1", b"x"),
    ];
    let bytes = packed(members);
    let report = import(&mut world, &space, &bytes);
    assert_eq!((report.taken, report.left), (1, 6), "{:?}", report.notes());

    for (manifest, words) in [
        (
            manifest.replace("\"version\":1", "\"version\":9"),
            "version 9",
        ),
        (
            manifest.replace("org.dxos.archive", "zip"),
            "something else",
        ),
        ("{".into(), "manifest.json"),
        (" ".repeat(70_000), "too large"),
    ] {
        let bytes = packed(&[("manifest.json", manifest.as_bytes())]);
        let error = archive::open(Cursor::new(bytes)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for length in (0..bytes.len()).step_by(7) {
        let Ok(mut read) = archive::open(Cursor::new(&bytes[..length])) else {
            continue;
        };
        let _ = read.objects(|_, _| {});
    }
    dxos_base::fuzz::seeded(&[bytes], 500, dxos_exchange::fuzz::archive);
}
