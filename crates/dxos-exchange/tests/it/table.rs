//! Tables, in and out.

use dxos_base::schema::{Field, FieldType, TypeSchema};
use dxos_base::{ObjectWrite, Value};
use dxos_client::Space;
use dxos_client::testing::World;
use dxos_exchange::table::{self, Import};
use dxos_exchange::{ExchangeError, Report};

use crate::{objects, run, told, world};

const PLANT: &str = "org.example.Plant@0.1.0";

fn csv(
    world: &mut World,
    space: &Space,
    type_name: &'static str,
    bytes: &[u8],
) -> Result<Report, ExchangeError> {
    let (space, bytes) = (space.clone(), bytes.to_vec());
    let how = Import {
        type_name,
        source: "plants",
    };
    run!(world, |report, progress| table::import_csv(
        &space, &bytes, how, report, progress
    ))
}

fn plant_type(world: &mut World, space: &Space) {
    let mut metres = Field::new("metres", FieldType::Int);
    metres.notes.title = Some("Height".into());
    let schema = TypeSchema::new("org.example.Plant", "0.1.0")
        .unwrap()
        .field(Field::new("title", FieldType::String).required())
        .field(metres)
        .field(Field::new("notes", FieldType::Text))
        .field(Field::new("uses", FieldType::set(FieldType::String)))
        .field(Field::new("seen", FieldType::Timestamp));
    let space = space.clone();
    world.run(async move { space.types().await.unwrap().create(schema).await.unwrap() });
}

#[test]
fn rows_become_objects_of_the_types_kinds_and_come_back() {
    let (mut world, [space, copy]) = world(["Garden", "Copy"]);
    for space in [&space, &copy] {
        plant_type(&mut world, space);
    }
    let text = "Title;HEIGHT;notes;uses;seen;extra\r\n\
                Birch;12;\"two\nlines\";\"a, b\";1700000000000;x\r\n\
                Oak;tall;;;;\r\n\
                Elm;3\r\n\
                ;4;;;;\r\n\
                Moss;0;;;;;;;\r\n";
    let report = csv(&mut world, &space, PLANT, text.as_bytes()).unwrap();
    assert_eq!(
        (report.taken, report.left, report.changed),
        (2, 3, 1),
        "{:?}",
        report.notes()
    );
    let lines: Vec<&str> = report
        .notes()
        .iter()
        .map(|note| note.what.as_str())
        .collect();
    assert_eq!(lines, ["line 4", "line 5", "line 6", "line 7"]);
    let again = csv(&mut world, &space, PLANT, text.as_bytes()).unwrap();
    assert_eq!((again.taken, again.unchanged), (0, 2));
    let plants = |world: &mut World, space: &Space| {
        let mut all = objects(world, space);
        all.retain(|_, object| object.type_name == PLANT);
        all
    };
    let before = plants(&mut world, &space);
    let birch = before
        .values()
        .find(|plant| plant.values["title"] == Value::from("Birch"))
        .unwrap();
    assert_eq!(birch.values["metres"], Value::Int(12));
    assert_eq!(birch.values["uses"], Value::set(["a", "b"]));
    assert_eq!(birch.values["seen"], Value::Timestamp(1_700_000_000_000));
    assert_eq!(birch.texts.values().next().unwrap(), "two\nlines");

    let from = space.clone();
    let bytes = world.run(async move {
        let mut bytes = Vec::new();
        table::export_csv(
            &from,
            "org.example.Plant",
            &mut bytes,
            &mut Report::default(),
        )
        .await
        .unwrap();
        bytes
    });
    assert!(
        bytes.starts_with(b"@id,title,metres,notes,uses,seen,extra\r\n"),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    let report = csv(&mut world, &copy, PLANT, &bytes).unwrap();
    assert_eq!((report.taken, report.left), (2, 0), "{:?}", report.notes());
    let after = plants(&mut world, &copy);
    for (id, plant) in &before {
        assert_eq!(told(plant, &space), told(&after[id], &space));
    }
}

#[test]
fn without_a_type_a_column_is_what_all_its_cells_are() {
    let (mut world, [space]) = world(["Garden"]);
    let text = "\u{feff}a\tb\tc\td\te\n1\t1.5\ttrue\t007\t[1]\n2\t2\tfalse\t8\t{}\n1\t1.5\ttrue\t007\t[1]\n";
    let report = csv(&mut world, &space, "", text.as_bytes()).unwrap();
    assert_eq!(
        (report.taken, report.changed),
        (3, 0),
        "the same row twice is two objects"
    );
    let all = objects(&mut world, &space);
    let second = all
        .values()
        .find(|object| object.values.get("a") == Some(&Value::Int(2)))
        .unwrap();
    assert_eq!(second.values["b"], Value::float(2.0));
    assert_eq!(second.values["c"], Value::Bool(false));
    assert_eq!(second.values["d"], Value::from("8"));
    assert_eq!(second.values["e"], Value::Map([].into()));
    for (bytes, words) in [
        (&b""[..], "nothing"),
        (b"a,a\n1,2\n", "two columns"),
        (b"@type\n1\n", "no name"),
    ] {
        let error = csv(&mut world, &space, "", bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let report = csv(&mut world, &space, "", b"name\ncaf\xe9\n").unwrap();
    assert_eq!((report.taken, report.changed), (1, 1));
}

#[test]
fn json_goes_in_and_out() {
    let (mut world, [space, copy]) = world(["Garden", "Copy"]);
    let json = r#"[{"title": "Birch", "when": {"@timestamp": 5}}, {"@odd": 1}, 7, {"@type": "org.example.Other@0.1.0"}]"#;
    let into = space.clone();
    let how = Import {
        type_name: PLANT,
        source: "x",
    };
    let report = run!(world, |report, progress| table::import_json(
        &into,
        json.as_bytes(),
        how,
        report,
        progress
    ))
    .unwrap();
    assert_eq!((report.taken, report.left), (2, 2), "{:?}", report.notes());
    let from = space.clone();
    let bytes = world.run(async move {
        let mut bytes = Vec::new();
        table::export_json(&from, PLANT, &mut bytes, &mut Report::default())
            .await
            .unwrap();
        bytes
    });
    let into = copy.clone();
    let report = run!(world, |report, progress| table::import_json(
        &into, &bytes, how, report, progress
    ))
    .unwrap();
    assert_eq!(report.taken, 1);
    let (before, after) = (objects(&mut world, &space), objects(&mut world, &copy));
    for (id, object) in &after {
        assert_eq!(told(object, &space), told(&before[id], &space));
    }
}

#[test]
fn what_a_person_changed_here_is_not_written_over() {
    let (mut world, [space]) = world(["Garden"]);
    csv(&mut world, &space, "", b"a,b\n1,x\n2,y\n").unwrap();
    let all = objects(&mut world, &space);
    let [first, second] = [0, 1].map(|at| *all.keys().nth(at).unwrap());
    world
        .run(space.write(vec![
            ObjectWrite::set(first, "b", "mine"),
            ObjectWrite::delete(second),
        ]))
        .unwrap();
    let report = csv(&mut world, &space, "", b"a,b\n1,x\n2,y\n3,z\n").unwrap();
    assert_eq!((report.taken, report.kept, report.left), (1, 2, 2));
    assert_eq!(
        objects(&mut world, &space)[&first].values["b"],
        Value::from("mine")
    );
}
