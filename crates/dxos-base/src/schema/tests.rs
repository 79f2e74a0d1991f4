//! Schemas: soundness, misfits, JSON Schema, stored types, the registry.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::stored::{StoredType, object_id};
use super::*;
use crate::ids::{ObjectId, SpaceId};
use crate::property_changes::PropertyChange;
use crate::query::{TypeVersion, VersionRange};
use crate::value::{Ref, Value};

fn task() -> TypeSchema {
    let person = FieldType::Struct(vec![
        Field::new("name", FieldType::String).required(),
        Field::new("email", FieldType::Format(Format::Email)),
    ]);
    TypeSchema::new("org.example.Task", "0.1.0")
        .unwrap()
        .field(Field::new("title", FieldType::String).required())
        .field(Field::new("done", FieldType::Bool))
        .field(Field::new("state", FieldType::select(["open", "closed"])))
        .field(Field::new("people", FieldType::list(person)))
        .field(Field::new("due", FieldType::Format(Format::Date)))
        .field(Field::new("place", FieldType::Format(Format::GeoPoint)))
        .field(Field::new("notes", FieldType::Text).required())
        .field(Field::new(
            "labels",
            FieldType::set(FieldType::select(["home", "work"])),
        ))
        .label("title")
}

fn values(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let owned = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    pairs.iter().map(owned).collect()
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(values(pairs))
}

#[test]
fn misfits_name_the_path_and_what_was_expected() {
    let check = |pairs: &[(&str, Value)], expected: &[&str]| {
        let shown: Vec<String> = task()
            .misfits(&values(pairs))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, expected);
    };
    let title = ("title", Value::from("Buy milk"));
    check(std::slice::from_ref(&title), &[]);
    check(&[title.clone(), ("later", 5.into())], &[]);
    check(&[], &["title is absent, expected a string"]);
    check(
        &[
            title.clone(),
            ("done", "yes".into()),
            ("state", "ajar".into()),
        ],
        &[
            "done is the string \"yes\", expected true or false",
            "state is the string \"ajar\", expected one of open, closed",
        ],
    );
    let people = Value::List(vec![
        map(&[("name", "Ada".into()), ("email", "ada@example.org".into())]),
        map(&[("email", "nowhere".into())]),
        Value::Null,
    ]);
    check(
        &[title.clone(), ("people", people)],
        &[
            "people[1].name is absent, expected a string",
            "people[1].email is the string \"nowhere\", expected an e-mail address",
            "people[2] is null, expected a map of fields",
        ],
    );
    let labels = map(&[
        ("home", true.into()),
        ("gone", false.into()),
        ("zoo", true.into()),
    ]);
    check(
        &[title.clone(), ("labels", labels)],
        &["labels.zoo is the string \"zoo\", expected one of home, work"],
    );
    let place = |longitude: f64| Value::List(vec![longitude.into(), 45.0.into()]);
    check(&[title.clone(), ("place", place(7.7))], &[]);
    check(
        &[title, ("place", place(181.0))],
        &["place is a list of 2, expected a longitude and a latitude"],
    );
}

#[test]
fn a_single_write_is_checked_at_its_path() {
    let at = |path: &[&str], value: Option<Value>| {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        task()
            .misfits_at(&path, value.as_ref())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(at(&["done"], Some(true.into())), [""; 0]);
    assert_eq!(at(&["done"], None), [""; 0]);
    assert_eq!(at(&["unknown", "deep"], Some(1.into())), [""; 0]);
    assert_eq!(at(&["title"], None), ["title is absent, expected a string"]);
    assert_eq!(
        at(&["done"], Some(1.into())),
        ["done is the integer 1, expected true or false"]
    );
    assert_eq!(
        at(&["done", "x"], Some(1.into())),
        ["done is a map of 0, expected true or false"]
    );
    assert_eq!(at(&["people", "k", "email"], Some("x".into())).len(), 1);
}

#[test]
fn formats_tell_what_is_surely_wrong() {
    let check = |format: Format, good: &[&str], bad: &[&str]| {
        for text in good {
            assert!(format.fits(text), "{text} is {}", format.words());
        }
        for text in bad {
            assert!(!format.fits(text), "{text} is not {}", format.words());
        }
    };
    check(
        Format::Email,
        &["a@b.org", "a.b+c@x"],
        &["", "a", "@b", "a@", "a b@c", "a@b@c", "a@-b"],
    );
    check(
        Format::Hostname,
        &["localhost", "a.example.org"],
        &["", "a..b", "-a", "a b"],
    );
    check(
        Format::Url,
        &["https://x.org/a?b#c", "mailto:a@b"],
        &["", "x.org", "http://", "ht tp:x", "1a:b"],
    );
    check(
        Format::Regex,
        &["a+b?", "(a|b)*", "[)]", r"\(", "(?:x)"],
        &["(", ")", "[", "*a", "a\\", "(|*)"],
    );
    check(
        Format::Uuid,
        &["123e4567-e89b-12d3-a456-426614174000"],
        &[
            "",
            "123e4567e89b12d3a456426614174000",
            "123e4567-e89b-12d3-a456-42661417400g",
        ],
    );
    check(
        Format::Date,
        &["2026-11-25", "2024-02-29", "2000-02-29"],
        &[
            "2026-11-31",
            "2023-02-29",
            "1900-02-29",
            "26-1-1",
            "2026-13-01",
            "2026-11-25T00",
            "+026-11-25",
        ],
    );
    check(
        Format::Time,
        &["09:30", "09:30:00", "23:59:60Z", "09:30:00.123+02:00"],
        &["", "24:00", "09:60", "9:30", "09:30:00.", "09:30+2", "09"],
    );
    check(
        Format::DateTime,
        &["2026-11-25T09:30:00Z", "2026-11-25t09:30:00.5-08:00"],
        &[
            "2026-11-25",
            "2026-11-25T09:30:00",
            "2026-11-31T09:30:00Z",
            "T",
        ],
    );
    check(
        Format::Duration,
        &["P1DT2H", "PT0.5S", "P3W"],
        &["", "P", "PT", "1D", "P1H", "PD", "P1D2Y", "P1"],
    );
}

#[test]
fn what_is_not_sound_is_refused_with_its_place() {
    let refused = |schema: TypeSchema| schema.check().unwrap_err().to_string();
    let base = || TypeSchema::new("org.example.T", "0.1.0").unwrap();
    let string = || FieldType::String;
    assert_eq!(task().check(), Ok(()));
    assert_eq!(
        refused(base().field(Field::new("@id", string()))),
        "\"@id\" cannot name a field"
    );
    let twice = base()
        .field(Field::new("a", string()))
        .field(Field::new("a", string()));
    assert_eq!(refused(twice), "a stands twice");
    let mut alias = Field::new("b", string());
    alias.aliases.push("a".into());
    let shadowed = base().field(Field::new("a", string())).field(alias);
    assert_eq!(refused(shadowed), "b stands twice");
    assert_eq!(
        refused(base().label("none")),
        "the label \"none\" names no field"
    );
    let mut wrong = Field::new("n", FieldType::Int);
    wrong.notes.default = Some("one".into());
    assert_eq!(
        refused(base().field(wrong)),
        "the default of n does not fit: it is the string \"one\", expected an integer"
    );
    let deep = (0..40).fold(FieldType::Int, |kind, _| FieldType::list(kind));
    assert!(refused(base().field(Field::new("d", deep))).ends_with("nested deeper than 16 levels"));
    let texts = base().field(Field::new("t", FieldType::list(FieldType::Text)));
    assert_eq!(
        refused(texts),
        "t holds a text in a place where none can be kept"
    );
    let numbers = base().field(Field::new("s", FieldType::set(FieldType::Int)));
    assert_eq!(
        refused(numbers),
        "s is a set of something else than strings"
    );
    let many = (0..600).fold(base(), |schema, n| {
        schema.field(Field::new(&format!("f{n}"), FieldType::Any))
    });
    assert_eq!(refused(many), "more than 512 fields");
    let mut long = base();
    long.notes.description = Some("x".repeat(200_000));
    assert!(refused(long).contains("are allowed"));
    assert!(
        refused(base().field(Field::new("c", FieldType::select(["a", "a"]))))
            .contains("options of c")
    );
    for (name, version) in [
        ("Task", "0.1.0"),
        ("org.example.", "0.1.0"),
        ("org.example.T", "1.0"),
        ("org.example.T", "01.0.0"),
        ("org.example.T", "1.0.0-a"),
        ("org.éxample", "1.0.0"),
    ] {
        assert!(TypeRef::new(name, version).is_err(), "{name}@{version}");
    }
}

#[test]
fn json_schema_has_standard_keywords_and_keeps_unknown_ones() {
    let text = r#"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-dxos-type": "org.example.Note", "x-dxos-version": "1.2.3",
        "type": "object", "x-owner": {"team": 7}, "x-dxos-order": ["z", "a", "b"],
        "properties": {
            "a": {"type": "string", "format": "date-time", "minLength": 3},
            "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "z": {"type": "number", "format": "float32", "title": "Zed"}
        },
        "required": ["a"]
    }"#;
    let schema = TypeSchema::from_json_text(text).unwrap();
    let shown: Vec<_> = schema
        .fields
        .iter()
        .map(|f| (f.name.as_str(), f.kind.clone(), f.required))
        .collect();
    assert_eq!(
        shown,
        [
            ("z", FieldType::Float, false),
            ("a", FieldType::Format(Format::DateTime), true),
            ("b", FieldType::Any, false)
        ]
    );
    let mut expected: serde_json::Value = serde_json::from_str(text).unwrap();
    expected["$id"] = "dxos:type:org.example.Note@1.2.3".into();
    assert_eq!(schema.to_json(), expected);
}

#[test]
fn what_is_no_types_schema_is_an_error() {
    let refused = |text: &str| TypeSchema::from_json_text(text).unwrap_err().to_string();
    assert!(refused("{").starts_with("not JSON"));
    assert!(refused("[]").contains("x-dxos-type is missing"));
    assert!(refused(r#"{"x-dxos-type":"a.b"}"#).contains("x-dxos-version is missing"));
    assert!(refused(r#"{"x-dxos-type":"a","x-dxos-version":"1.0.0"}"#).contains("reverse-domain"));
    assert!(
        refused(r#"{"x-dxos-type":"a.b","x-dxos-version":"1.0.0","properties":{"a":true}}"#)
            .contains("properties")
    );
    assert!(refused(&"x".repeat(200_000)).contains("are allowed"));
    let deep = (0..60).fold(r#"{"type":"integer"}"#.to_owned(), |inner, _| {
        format!(r#"{{"type":"array","items":{inner}}}"#)
    });
    let text =
        format!(r#"{{"x-dxos-type":"a.b","x-dxos-version":"1.0.0","properties":{{"d":{deep}}}}}"#);
    assert!(refused(&text).contains("nested deeper"));
}

#[test]
fn fields_change_and_old_data_stays_readable() {
    let mut schema = task();
    let before = schema.clone();
    let rename = |from: &str, to: &str| FieldChange::Rename {
        from: from.into(),
        to: to.into(),
    };
    schema.change(rename("title", "name")).unwrap();
    assert_eq!(schema.label.as_deref(), Some("name"));
    let old = values(&[("title", "Buy milk".into())]);
    assert_eq!(schema.misfits(&old), []);
    let field = schema.field_named("name").unwrap();
    assert_eq!(
        TypeSchema::value_of(field, &old),
        Some(("title", &"Buy milk".into()))
    );
    let both = values(&[("title", "old".into()), ("name", "new".into())]);
    assert_eq!(
        TypeSchema::value_of(field, &both),
        Some(("name", &"new".into()))
    );
    schema.change(rename("name", "title")).unwrap();
    assert_eq!(schema.field_named("title").unwrap().aliases, ["name"]);

    let mut schema = before.clone();
    let retype = FieldChange::Retype {
        name: "done".into(),
        kind: FieldType::Int,
    };
    schema.change(retype).unwrap();
    let old = values(&[("title", "x".into()), ("done", true.into())]);
    assert_eq!(schema.misfits(&old)[0].path_text(), "done");
    schema
        .change(FieldChange::Remove {
            name: "done".into(),
        })
        .unwrap();
    assert_eq!(
        schema.misfits(&old),
        [],
        "a removed field's values are unknown ones"
    );

    let mut schema = before.clone();
    for refused in [
        rename("none", "x"),
        rename("title", "done"),
        rename("title", "@x"),
        FieldChange::Label {
            name: Some("none".into()),
        },
    ] {
        schema.change(refused).unwrap_err();
        assert_eq!(schema, before);
    }
}

fn apply(values: &mut BTreeMap<String, Value>, changes: &[PropertyChange]) {
    for change in changes {
        let (last, above) = change.path.split_last().unwrap();
        let mut at = &mut *values;
        for step in above {
            let slot = at
                .entry(step.clone())
                .or_insert_with(|| Value::Map(BTreeMap::new()));
            let Value::Map(below) = slot else {
                panic!("a write below a scalar")
            };
            at = below;
        }
        match &change.value {
            Some(value) => drop(at.insert(last.clone(), value.clone())),
            None => drop(at.remove(last)),
        }
    }
}

#[test]
fn two_devices_that_change_a_stored_type_at_once_both_succeed() {
    let stored = StoredType::new(task()).unwrap();
    let (mut ada, mut bob) = (stored.clone(), stored.clone());
    let mut schema = ada.schema().clone();
    schema
        .change(FieldChange::Rename {
            from: "title".into(),
            to: "name".into(),
        })
        .unwrap();
    let from_ada = ada.set_schema(schema).unwrap();
    let mut schema = bob.schema().clone();
    let points = Field::new("points", FieldType::Int);
    schema
        .change(FieldChange::Add {
            field: points,
            at: Some(1),
        })
        .unwrap();
    schema
        .change(FieldChange::Remove { name: "due".into() })
        .unwrap();
    let from_bob = bob.set_schema(schema).unwrap();
    for order in [[&from_ada, &from_bob], [&from_bob, &from_ada]] {
        let mut values = stored.values();
        order
            .into_iter()
            .for_each(|changes| apply(&mut values, changes));
        let merged = StoredType::read(&values).unwrap();
        let names: Vec<_> = merged
            .schema()
            .fields
            .iter()
            .map(|f| f.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "name", "points", "done", "state", "people", "place", "notes", "labels"
            ]
        );
        assert_eq!(merged.schema().label.as_deref(), Some("name"));
    }
}

#[test]
fn one_name_given_twice_at_once_shows_both_fields() {
    let mut values = StoredType::new(task()).unwrap().values();
    let Some(Value::Map(fields)) = values.get_mut("fields") else {
        panic!()
    };
    let double = map(&[
        ("name", "title".into()),
        ("kind", "int".into()),
        ("aliases", Value::List(vec!["done".into()])),
    ]);
    fields.insert("other".into(), double);
    let stored = StoredType::read(&values).unwrap();
    let other = stored.schema().fields.last().unwrap();
    assert_eq!((other.name.as_str(), other.aliases.len()), ("title′", 0));
}

#[test]
fn a_new_field_may_take_a_freed_name() {
    let mut stored = StoredType::new(task()).unwrap();
    let mut schema = stored.schema().clone();
    schema
        .change(FieldChange::Rename {
            from: "done".into(),
            to: "finished".into(),
        })
        .unwrap();
    let at = schema
        .fields
        .iter()
        .position(|f| f.name == "finished")
        .unwrap();
    schema.fields[at].aliases.clear();
    schema.fields.push(Field::new("done", FieldType::Int));
    let mut values = stored.values();
    apply(&mut values, &stored.set_schema(schema.clone()).unwrap());
    assert_eq!(StoredType::read(&values).unwrap().schema(), &schema);
}

#[test]
fn a_registry_merges_code_and_spaces() {
    let space = SpaceId([1; 20]);
    let mut registry = Registry::default();
    registry.register(&task()).unwrap();
    registry.register(&task()).unwrap();
    let mut other = task();
    other.fields.pop();
    assert!(matches!(
        registry.register(&other),
        Err(RegisterError::Twice(_))
    ));
    let mut newer = task();
    newer.version = TypeVersion(0, 2, 0);
    newer.name = "org.example.Task".into();
    let note = TypeSchema::new("org.example.Note", "1.0.0").unwrap();
    let objects: Vec<_> = [task(), newer.clone(), note.clone()]
        .into_iter()
        .map(|schema| {
            (
                object_id(&space, &schema.type_ref()),
                StoredType::new(schema).unwrap().values(),
            )
        })
        .chain([(ObjectId([9; 16]), values(&[("name", "nonsense".into())]))])
        .collect();
    let told = || objects.iter().map(|(object, values)| (*object, values));
    assert!(registry.set_stored(space, told()));
    assert!(!registry.set_stored(space, told()));
    let shown: Vec<_> = registry
        .all(Some(space))
        .iter()
        .map(|found| {
            format!(
                "{} {}",
                found.schema.type_ref(),
                found.origin == TypeOrigin::Code
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "org.example.Note@1.0.0 false",
            "org.example.Task@0.1.0 true",
            "org.example.Task@0.2.0 false"
        ]
    );
    assert_eq!(registry.all(None).len(), 1);
    assert_eq!(registry.unsound(space).len(), 1);
    let newest = |range: &str| {
        let found = registry.newest(
            Some(space),
            "org.example.Task",
            &range.parse::<VersionRange>().unwrap(),
        );
        found.map(|found| found.schema.version.to_string())
    };
    assert_eq!(newest("*").as_deref(), Some("0.2.0"));
    assert_eq!(newest("^0.1").as_deref(), Some("0.1.0"));
    assert_eq!(newest("^1"), None);
    assert!(
        registry
            .of_object(space, "org.example.Note@1.0.0")
            .is_some()
    );
    assert!(registry.of_object(space, "").is_none());
    registry.remove_space(&space);
    assert_eq!(registry.all(Some(space)).len(), 1);
}

#[test]
fn ids_of_stored_types_differ_by_space_name_and_version() {
    let id = |space: u8, name: &str, version: &str| {
        object_id(&SpaceId([space; 20]), &TypeRef::new(name, version).unwrap())
    };
    let first = id(1, "org.example.Task", "0.1.0");
    assert_eq!(first, id(1, "org.example.Task", "0.1.0"));
    for other in [
        id(2, "org.example.Task", "0.1.0"),
        id(1, "org.example.Tas", "0.1.0"),
        id(1, "org.example.Task", "0.1.1"),
    ] {
        assert_ne!(first, other);
    }
}

// ---- properties over random schemas -------------------------------------------------------------------------

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]{1,3}", "[\u{e0}-\u{ff} ~.\"]{1,3}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::float),
        "[ -~\u{e0}]{0,6}".prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        any::<i64>().prop_map(Value::Timestamp),
        (any::<[u8; 16]>(), any::<Option<[u8; 20]>>()).prop_map(|(object, space)| Value::Ref(
            Ref {
                space: space.map(SpaceId),
                object: ObjectId(object),
            }
        )),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let key = prop_oneof!["[a-c]{1,2}", Just("@ref".to_owned()), Just("@x".to_owned())];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::btree_map(key, inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn notes() -> impl Strategy<Value = Notes> {
    let text = || proptest::option::weighted(0.2, "[ -~]{0,5}");
    let extra = proptest::collection::btree_map(
        prop_oneof![
            Just("minLength".to_owned()),
            Just("x-other".to_owned()),
            Just("examples".to_owned())
        ],
        prop_oneof![
            Just("3".to_owned()),
            Just("[{\"a\":null}]".to_owned()),
            Just("\"x\"".to_owned())
        ],
        0..2,
    );
    let hue = proptest::option::weighted(0.2, 0u16..360);
    (text(), text(), text(), hue, any::<bool>(), extra).prop_map(
        |(title, description, icon, hue, hidden, extra)| Notes {
            title,
            description,
            icon,
            hue,
            hidden,
            default: None,
            extra,
        },
    )
}

fn choices() -> impl Strategy<Value = FieldType> {
    let rest = (
        proptest::option::of("[A-Z]{1,3}"),
        proptest::option::of(0u16..360),
    );
    proptest::collection::btree_map("[a-z]{1,3}", rest, 1..4).prop_map(|choices| {
        let choice = |(value, (title, hue))| Choice { value, title, hue };
        FieldType::Select(choices.into_iter().map(choice).collect())
    })
}

fn kind() -> impl Strategy<Value = FieldType> {
    let plain = proptest::sample::select(vec![
        FieldType::Any,
        FieldType::Bool,
        FieldType::Int,
        FieldType::Float,
        FieldType::String,
        FieldType::Bytes,
        FieldType::Timestamp,
        FieldType::Ref(None),
        FieldType::Ref(Some("org.example.Other".into())),
        FieldType::Format(Format::Email),
        FieldType::Format(Format::Url),
        FieldType::Format(Format::Formula),
        FieldType::Format(Format::Currency(None)),
        FieldType::Format(Format::Currency(Some("EUR".into()))),
        FieldType::Format(Format::Percent),
        FieldType::Format(Format::GeoPoint),
        FieldType::Format(Format::Duration),
    ]);
    prop_oneof![4 => plain, 1 => choices()].prop_recursive(3, 12, 3, |inner| {
        let item = (inner.clone(), notes())
            .prop_map(|(kind, notes)| Box::new(Item { kind, notes }))
            .boxed();
        prop_oneof![
            item.clone().prop_map(FieldType::List),
            prop_oneof![
                Just(FieldType::String),
                Just(FieldType::Format(Format::Email)),
                choices()
            ]
            .prop_map(FieldType::set),
            item.prop_map(FieldType::Map),
            fields(inner).prop_map(FieldType::Struct),
        ]
    })
}

fn fields(kind: impl Strategy<Value = FieldType>) -> impl Strategy<Value = Vec<Field>> {
    let field = (
        kind,
        notes(),
        any::<bool>(),
        proptest::option::weighted(0.3, "[A-Z]{2,3}"),
        value(),
    );
    proptest::collection::btree_map(name(), field, 0..4).prop_map(|fields| {
        let mut aliases: Vec<String> = Vec::new();
        let field = |(name, (kind, mut notes, required, alias, default)): (
            String,
            (FieldType, Notes, bool, Option<String>, Value),
        )| {
            let alias = alias.filter(|alias| !aliases.contains(alias));
            aliases.extend(alias.clone());
            notes.default =
                Some(default).filter(|value| misfit::misfits_of_item(&kind, value).is_empty());
            Field {
                name,
                aliases: alias.into_iter().collect(),
                required,
                kind,
                notes,
            }
        };
        let mut fields: Vec<Field> = fields.into_iter().map(field).collect();
        fields.reverse();
        fields
    })
}

fn schema() -> impl Strategy<Value = TypeSchema> {
    let top = prop_oneof![6 => kind(), 1 => Just(FieldType::Text), 1 => Just(FieldType::Counter)];
    (fields(top), notes(), any::<bool>(), any::<(u8, u8, u8)>()).prop_map(
        |(fields, notes, label, (a, b, c))| TypeSchema {
            name: "org.example.Random".into(),
            version: TypeVersion(a.into(), b.into(), c.into()),
            label: fields
                .first()
                .filter(|_| label)
                .map(|field| field.name.clone()),
            notes,
            fields,
        },
    )
}

fn equal(a: &TypeSchema, b: &TypeSchema) -> bool {
    // By their bytes: a default may be the one NaN, which no comparison of floats finds equal.
    crate::encode(a) == crate::encode(b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_comes_back_from_json(schema in schema()) {
        prop_assert_eq!(schema.check(), Ok(()));
        let text = schema.to_json().to_string();
        let back = TypeSchema::from_json_text(&text).unwrap();
        prop_assert!(equal(&back, &schema), "{text}\n{back:?}\n{schema:?}");
        prop_assert_eq!(back.to_json().to_string(), text);
    }

    #[test]
    fn any_schema_comes_back_from_its_object(schema in schema()) {
        let stored = StoredType::new(schema.clone()).unwrap();
        let back = StoredType::read(&stored.values()).unwrap();
        prop_assert!(equal(back.schema(), &schema), "{back:?}\n{schema:?}");
    }

    #[test]
    fn changing_a_stored_type_writes_what_makes_it_so(before in schema(), after in schema()) {
        let after = TypeSchema { name: before.name.clone(), version: before.version, ..after };
        let mut stored = StoredType::new(before).unwrap();
        let mut values = stored.values();
        let changes = stored.set_schema(after.clone()).unwrap();
        apply(&mut values, &changes);
        let back = StoredType::read(&values).unwrap();
        prop_assert!(equal(back.schema(), &after), "{back:?}\n{after:?}");
        prop_assert_eq!(stored.set_schema(after).unwrap(), []);
    }

    #[test]
    fn any_values_against_any_schema_give_a_list(schema in schema(), values in proptest::collection::btree_map(name(), value(), 0..6)) {
        let found = schema.misfits(&values);
        prop_assert!(found.len() <= crate::limits::MISFITS_MAX);
        // Defaults fit where nothing else is required.
        let defaults = schema.defaults();
        let wrong = schema.misfits(&defaults).into_iter().find(|misfit| misfit.found != "absent");
        prop_assert_eq!(wrong, None);
    }

    #[test]
    fn any_object_reads_as_a_stored_type_or_says_why_not(
        mut values in proptest::collection::btree_map("(name|version|label|fields|title|hue)", value(), 0..6),
        named in any::<bool>(),
        fields in proptest::collection::btree_map("[a-c]", proptest::collection::btree_map("(name|kind|order|aliases|default|of|is)", value(), 0..5).prop_map(Value::Map), 0..4),
    ) {
        if named {
            values.insert("name".into(), "org.example.T".into());
            values.insert("version".into(), "0.1.0".into());
            values.insert("fields".into(), Value::Map(fields));
        }
        if let Ok(stored) = StoredType::read(&values) {
            prop_assert_eq!(stored.schema().check(), Ok(()));
        }
    }
}
