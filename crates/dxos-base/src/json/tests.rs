//! JSON out and back, for every value there can be.

use proptest::prelude::*;

use super::*;
use crate::object::ObjectView;
use crate::plain::{Ids, copy};
use crate::write::ObjectWrite;

const SPACE: SpaceId = SpaceId([1; 20]);
const OTHER: SpaceId = SpaceId([2; 20]);

fn id(n: u8) -> ObjectId {
    ObjectId([n; 16])
}

fn reference() -> impl Strategy<Value = Ref> {
    (any::<bool>(), 0..3u8).prop_map(|(far, n)| Ref {
        space: far.then_some(OTHER),
        object: id(n),
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-3..3i64).prop_map(Value::Int),
        any::<f64>().prop_map(Value::float),
        (-3..3i64).prop_map(|n| Value::float(n as f64)),
        "[@é\u{0}a]{0,3}".prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        any::<i64>().prop_map(Value::Timestamp),
        reference().prop_map(Value::Ref),
        Just(Value::Text(TextId([0; 16]))),
        any::<i64>().prop_map(Value::Counter),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("@{0,2}(int|ref|a|text)", inner, 0..4)
                .prop_map(Value::Map),
        ]
    })
}

fn plain() -> impl Strategy<Value = PlainObject> {
    let key = ("[ab]{1,2}", "[ab@]{1,2}").prop_map(|(source, id)| ForeignKey { source, id });
    let meta = (
        proptest::collection::btree_set("[@a-c]{1,2}", 0..3),
        proptest::collection::btree_set(key, 0..3),
        proptest::option::of(reference()),
        proptest::option::of(reference()),
    );
    let values = proptest::collection::btree_map("[a-c/]{1,2}", value(), 0..4);
    (meta, values, any::<bool>()).prop_map(|((tags, keys, parent, target), values, deleted)| {
        let mut texts = BTreeMap::new();
        crate::plain::leaves(&values, &mut |place, value| {
            if matches!(value, Value::Text(_)) {
                texts.insert(place.clone(), format!("{place:?}"));
            }
        });
        PlainObject {
            object: id(7),
            type_name: "org.example.Task@0.1.0".into(),
            meta: ObjectMeta {
                tags,
                keys,
                parent,
                target,
                ..Default::default()
            },
            created_ms: 0,
            updated_ms: 0,
            deleted,
            values,
            texts,
        }
    })
}

proptest! {
    #[test]
    fn values_come_back_from_text_as_they_were(value in value()) {
        let text = value_to_json(&value, SPACE).to_string();
        let back = value_from_json(&serde_json::from_str(&text).unwrap(), SPACE).unwrap();
        prop_assert_eq!(crate::encode(&back), crate::encode(&value), "{}", text);
    }

    #[test]
    fn objects_come_back_with_their_texts(plain in plain()) {
        let text = serde_json::to_string_pretty(&to_json(&plain, SPACE)).unwrap();
        let json = serde_json::from_str(&text).unwrap();
        let back = from_json(&json, SPACE, || unreachable!("it has an id")).unwrap();
        // Compared as written: NaN is no equal of itself.
        prop_assert_eq!(to_json(&back, SPACE), json);
        prop_assert_eq!(back.texts, plain.texts);
        prop_assert_eq!(back.meta, plain.meta);
    }

    /// The writes of a plain object make it again, element by element and text by text.
    #[test]
    fn the_writes_of_an_object_make_it_again(plain in plain()) {
        let writes = plain.writes();
        let Some((ObjectWrite::Create { object, type_name, values }, rest)) = writes.split_first() else {
            panic!("an object is created first")
        };
        let mut view = ObjectView::created(*object, type_name, values);
        for write in rest {
            view.apply(write);
        }
        prop_assert_eq!(crate::encode(&view.values), crate::encode(&plain.values));
        prop_assert_eq!(!view.shown, plain.deleted);
        prop_assert_eq!(&view.meta, &plain.meta);
        let contents = writes.iter().filter(|write| matches!(write, ObjectWrite::Text { .. }));
        prop_assert_eq!(contents.count(), plain.texts.len());
        for (path, place) in PlainObject::text_paths(&view) {
            let named = |write: &ObjectWrite| matches!(write, ObjectWrite::Text { path: other, content, .. }
                if *other == path && *content == plain.texts[&place]);
            prop_assert!(writes.iter().any(named));
        }
    }

    #[test]
    fn any_json_is_an_object_or_an_error(text in "[\\[\\]{}\":,@a-z0-9.]{0,40}") {
        if let Ok(json) = serde_json::from_str::<Json>(&text) {
            drop(value_from_json(&json, SPACE));
            drop(from_json(&json, SPACE, || id(1)));
        }
    }
}

#[test]
fn an_object_looks_like_this() {
    let values = [
        ("title".to_owned(), Value::from("Milk")),
        ("count".to_owned(), Value::Int(3)),
        ("big".to_owned(), Value::Int(i64::MAX)),
        ("half".to_owned(), Value::float(0.5)),
        ("one".to_owned(), Value::float(1.0)),
        ("not".to_owned(), Value::float(f64::NAN)),
        ("due".to_owned(), Value::Timestamp(1_700_000_000_000)),
        ("raw".to_owned(), Value::Bytes(vec![1, 2, 255])),
        ("stars".to_owned(), Value::Counter(-7)),
        ("who".to_owned(), Value::set(["@ada"])),
        ("near".to_owned(), Ref::local(id(2)).into()),
        ("notes".to_owned(), Value::Text(TextId([0; 16]))),
    ];
    let mut plain = PlainObject::of(&ObjectView::created(id(1), "t@0.1.0", &values.into()));
    plain.meta.tags.insert("red".into());
    plain.meta.parent = Some(Ref::local(id(3)));
    (plain.created_ms, plain.updated_ms) = (5, 6);
    plain
        .texts
        .insert(vec![PlaceStep::Name("notes".into())], "Hi".into());
    let address = |n| Address::of(SPACE, id(n)).to_string();
    let expected = json!({
        "@id": id(1).to_string(), "@type": "t@0.1.0",
        "@meta": { "tags": ["red"], "created": { "at": 5 }, "updated": { "at": 6 } },
        "@parent": address(3),
        "title": "Milk", "count": 3, "big": { "@int": "9223372036854775807" },
        "half": 0.5, "one": { "@float": "1" }, "not": { "@float": "NaN" },
        "due": { "@timestamp": 1_700_000_000_000i64 }, "raw": { "@bytes": "AQL/" },
        "stars": { "@counter": -7 }, "who": { "@@ada": true },
        "near": { "@ref": address(2) }, "notes": { "@text": "Hi" },
    });
    assert_eq!(to_json(&plain, SPACE), expected);
    // What files in people's hands look like: a difference is a new format.
    let golden = include_str!("../../../../vectors/object-1.json");
    assert_eq!(format!("{:#}\n", to_json(&plain, SPACE)), golden);
    let read = from_json(&serde_json::from_str(golden).unwrap(), SPACE, || id(9)).unwrap();
    assert_eq!((read.object, read.texts), (plain.object, plain.texts));
}

#[test]
fn what_is_not_understood_is_refused_by_its_place() {
    let check = |json: Json, path: &str| {
        let refused = from_json(&json, SPACE, || id(1)).unwrap_err();
        assert_eq!(refused.path, path, "{json}: {refused}");
    };
    check(json!([]), "");
    check(json!({ "@id": "x" }), "@id");
    check(json!({ "@new": 1 }), "@new");
    check(json!({ "@parent": "x" }), "@parent");
    check(json!({ "@parent": format!("dxos://{SPACE}") }), "@parent");
    check(json!({ "@meta": { "tags": [1] } }), "@meta/tags");
    check(json!({ "@meta": { "new": 1 } }), "@meta/new");
    check(
        json!({ "@meta": { "keys": [{ "id": "1" }] } }),
        "@meta/keys",
    );
    check(json!({ "a": [1, { "b": { "@new": 1 } }] }), "a/1/b");
    check(json!({ "a": { "@bytes": "*" } }), "a");
    check(json!({ "a": { "@text": 1 } }), "a");
    check(json!({ "a": { "@int": 1 } }), "a");
    check(json!({ "a": { "@timestamp": 1.5 } }), "a");
    check(json!({ "a": { "@x": 1, "b": 2 } }), "a/@x");
    let deep = (0..60).fold(json!(1), |value, _| json!([value]));
    assert!(from_json(&json!({ "a": deep }), SPACE, || id(1)).is_err());
}

#[test]
fn copies_refer_to_copies() {
    let list = |n: u8, far: bool| {
        Value::List(vec![Value::Ref(Ref {
            space: far.then_some(OTHER),
            object: id(n),
        })])
    };
    let make = |n: u8, values: Vec<(&str, Value)>| {
        let values = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        PlainObject::of(&ObjectView::created(id(n), "", &values.collect()))
    };
    let mut first = make(
        1,
        vec![
            ("in", list(2, false)),
            ("out", list(9, false)),
            ("far", list(2, true)),
        ],
    );
    first.meta.keys.insert(ForeignKey {
        source: "a".into(),
        id: "b".into(),
    });
    let mut second = make(2, vec![]);
    second.meta.parent = Some(Ref::local(id(1)));
    first.meta.parent = Some(Ref::local(id(9)));
    let set = [first, second];
    let mut next = 100;
    let mut fresh = || {
        next += 1;
        id(next)
    };
    let copies = copy(&set, SPACE, SPACE, Ids::New(&mut fresh));
    assert_eq!((copies[0].object, copies[1].object), (id(101), id(102)));
    assert_eq!(copies[0].values["in"], list(102, false));
    assert_eq!(copies[0].values["out"], list(9, false));
    assert_eq!(copies[0].values["far"], list(2, true));
    assert_eq!(copies[0].meta.parent, Some(Ref::local(id(9))));
    assert_eq!(copies[1].meta.parent, Some(Ref::local(id(101))));
    assert!(copies[0].meta.keys.is_empty());
    // Into the other space, under the same ids.
    let moved = copy(&set, SPACE, OTHER, Ids::Same);
    assert_eq!(moved[0].values["in"], list(2, false));
    let back = Value::Ref(Ref {
        space: Some(SPACE),
        object: id(9),
    });
    assert_eq!(moved[0].values["out"], Value::List(vec![back]));
    assert_eq!(moved[0].values["far"], list(2, false), "it is there");
    assert_eq!(
        (moved[0].meta.parent, moved[1].meta.parent),
        (None, Some(Ref::local(id(1))))
    );
    assert_eq!(moved[0].meta.keys.len(), 1);
    let mut references = vec![];
    set[0]
        .references()
        .iter()
        .for_each(|reference| references.push(reference.object));
    assert_eq!(references, [id(2), id(9), id(2)]);
}
