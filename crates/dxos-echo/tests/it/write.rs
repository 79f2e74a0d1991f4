//! Local writes and what shows.

use std::rc::Rc;

use dxos_base::limits::TOUCHED_VIEWS_MAX;
use dxos_base::{ElementId, ObjectId, ObjectWrite, Place, Ref, Step, Tick, Value, key_path};
use dxos_echo::EchoError;

use crate::replica::*;

fn one() -> Replica {
    Replica::new(1, &Rc::new(Members::default()))
}

fn list(replica: &mut Replica, object: ObjectId) -> Vec<Value> {
    match replica.object(object).values.remove("items") {
        Some(Value::List(values)) => values,
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_shows_and_survives_a_restart() {
    let mut device = one();
    let nested = Value::Map(
        [
            ("city".to_owned(), Value::from("Paris")),
            (
                "tags".to_owned(),
                Value::List(vec![Value::Int(1), Value::Null, Value::from("x")]),
            ),
            ("empty".to_owned(), Value::Map(Default::default())),
        ]
        .into(),
    );
    let object = device.create(1, &[("title", "a".into()), ("where", nested.clone())]);
    device.set(object, &["done"], Some(true.into()));
    let view = device.object(object);
    assert_eq!(view.type_name, "org.example.Task@0.1.0");
    assert_eq!(view.values["where"], nested);
    assert_eq!(view.values["done"], Value::Bool(true));
    assert!(view.shown);
    assert_eq!(
        (view.created_ms, view.updated_ms),
        (1_700_000_000_000, 1_700_000_000_000)
    );
    device.restart();
    assert_eq!(device.object(object), view);
    assert!(device.space.pending());
    assert_eq!(device.space.pending_since(), Some(Tick(0)));
    assert_eq!(device.seal().len(), 1);
    device.restart();
    assert!(!device.space.pending());
}

#[test]
fn values_below_other_values_replace_them_and_removals_go_deep() {
    let mut device = one();
    let object = device.create(1, &[("a", 5.into())]);
    device.set(object, &["a", "b", "c"], Some(1.into()));
    let map = |name: &str, value| Value::Map([(name.to_owned(), value)].into());
    assert_eq!(
        device.object(object).values["a"],
        map("b", map("c", 1.into()))
    );
    device.set(object, &["a", "b"], None);
    assert_eq!(
        device.object(object).values["a"],
        Value::Map(Default::default())
    );
    device.set(object, &["a", "b", "d"], Some(2.into()));
    assert_eq!(
        device.object(object).values["a"],
        map("b", map("d", 2.into()))
    );
    device.set(object, &["a"], Some(map("b", map("e", 3.into()))));
    assert_eq!(
        device.object(object).values["a"],
        map("b", map("e", 3.into()))
    );
    device.set(object, &["a"], None);
    assert_eq!(device.object(object).values.get("a"), None);
    device.edit(&[ObjectWrite::Restore {
        object,
        path: key_path(&["a"]),
    }]);
    assert_eq!(
        device.object(object).values["a"],
        map("b", map("e", 3.into()))
    );
}

#[test]
fn a_deleted_object_keeps_late_writes_hidden_until_it_is_restored() {
    let mut device = one();
    let object = device.create(1, &[("title", "a".into())]);
    device.write(&[ObjectWrite::delete(object)]).unwrap();
    device.set(object, &["title"], Some("b".into()));
    assert!(!device.object(object).shown);
    device.write(&[ObjectWrite::restore(object)]).unwrap();
    let view = device.object(object);
    assert!(view.shown);
    assert_eq!(view.values["title"], Value::from("b"));
}

#[test]
fn list_elements_are_inserted_moved_and_removed() {
    let mut device = one();
    let object = device.create(1, &[("items", Value::List(vec!["b".into(), "d".into()]))]);
    let items = key_path(&["items"]);
    let mut made = 0u64;
    let mut insert = |at, value: &str| {
        made += 1;
        ObjectWrite::Insert {
            object,
            list: items.clone(),
            element: ElementId(made.to_le_bytes()),
            place: Place::At(at),
            value: value.into(),
        }
    };
    device.edit(&[insert(0, "a"), insert(2, "c"), insert(99, "e")]);
    let shown: Vec<Value> = ["a", "b", "c", "d", "e"].map(Value::from).into();
    assert_eq!(list(&mut device, object), shown);
    // The first element's id, from the row.
    let entry = device.seal();
    assert_eq!(entry.len(), 1);
    for at in 0..300 {
        device.edit(&[insert(at % 5, "x")]);
    }
    assert_eq!(list(&mut device, object).len(), 305);
    device.set(object, &["items"], Some(Value::List(vec![])));
    assert_eq!(list(&mut device, object), vec![]);
    device.edit(&[insert(0, "z")]);
    assert_eq!(list(&mut device, object), vec![Value::from("z")]);
}

#[test]
fn counters_begin_from_nothing_or_an_integer() {
    let mut device = one();
    let object = device.create(1, &[("stars", 5.into()), ("name", "n".into())]);
    let count = |name: &str, by| ObjectWrite::count(object, name, by);
    device.edit(&[count("stars", 2), count("views", 3), count("views", -1)]);
    let view = device.object(object);
    assert_eq!(
        (&view.values["stars"], &view.values["views"]),
        (&Value::Counter(7), &Value::Counter(2))
    );
    device.set(object, &["views"], None);
    assert_eq!(device.object(object).values.get("views"), None);
    device.edit(&[count("views", 4)]);
    assert_eq!(device.object(object).values["views"], Value::Counter(4));
    let refused = device.write(&[count("name", 1)]);
    assert!(matches!(refused, Err(EchoError::BadValue { .. })));
}

#[test]
fn wrong_writes_are_refused_whole() {
    let mut device = one();
    let object = device.create(1, &[("a", 1.into())]);
    let before = (device.rows(), device.space.state_digest());
    let good = ObjectWrite::set(object, "a", 2);
    let set = |path: &[&str], value: Value| ObjectWrite::set(object, path, value);
    let missing = ObjectId([9; 16]);
    let wrong = [
        set(&[], 1.into()),
        set(&["@type"], 1.into()),
        set(&["a", ""], 1.into()),
        set(&["x"; 40], 1.into()),
        set(&["big"], Value::Bytes(vec![0; 300 * 1024])),
        ObjectWrite::delete(missing),
        ObjectWrite::Create {
            object,
            type_name: String::new(),
            values: Default::default(),
        },
    ];
    for write in wrong {
        assert!(
            device.write(&[good.clone(), write.clone()]).is_err(),
            "{write:?}"
        );
        assert_eq!(
            (device.rows(), device.space.state_digest()),
            before,
            "{write:?}"
        );
    }
    device.write(&[good]).unwrap();
}

#[test]
fn references_and_words_are_found() {
    let mut device = one();
    let target = device.create(1, &[("title", "Milk and honey".into())]);
    let source = device.create(
        2,
        &[(
            "to",
            Value::List(vec![
                Ref {
                    space: None,
                    object: target,
                }
                .into(),
            ]),
        )],
    );
    let ids =
        |views: Vec<dxos_base::ObjectView>| views.iter().map(|v| v.object).collect::<Vec<_>>();
    assert_eq!(
        ids(device.space.referrers(&mut device.store, target).unwrap()),
        vec![source]
    );
    assert_eq!(
        ids(device
            .space
            .search(&mut device.store, "honey mil", 9)
            .unwrap()),
        vec![target]
    );
    device.write(&[ObjectWrite::delete(target)]).unwrap();
    assert_eq!(
        device.space.search(&mut device.store, "honey", 9).unwrap(),
        vec![]
    );
}

#[test]
fn elements_of_a_list_are_maps_too() {
    let mut device = one();
    let item = Value::Map([("name".to_owned(), Value::from("n"))].into());
    let object = device.create(1, &[("items", Value::List(vec![item.clone()]))]);
    assert_eq!(list(&mut device, object), vec![item]);
    let path = vec![
        Step::Key("items".into()),
        Step::Element(ElementId([3; 8])),
        Step::Key("name".into()),
    ];
    device.edit(&[ObjectWrite::set(object, path, "m")]);
    assert_eq!(
        list(&mut device, object).len(),
        2,
        "an element without index stands last"
    );
}

#[test]
fn a_removed_element_keeps_late_writes_hidden_until_it_is_restored() {
    let mut device = one();
    let item = Value::Map([("name".to_owned(), Value::from("n"))].into());
    let object = device.create(1, &[("items", Value::List(vec![item]))]);
    let items = key_path(&["items"]);
    let element = device.object(object).elements(&items)[0];
    let path = [&items[..], &[Step::Element(element)]].concat();
    let below = |name: &str| [&path[..], &[Step::Key(name.into())]].concat();
    device.edit(&[ObjectWrite::remove(object, path.clone())]);
    device.edit(&[
        ObjectWrite::set(object, below("note"), "late"),
        ObjectWrite::count(object, below("count"), 2),
        ObjectWrite::include(object, below("set"), "x"),
    ]);
    assert_eq!(list(&mut device, object), vec![]);
    device.edit(&[ObjectWrite::Restore { object, path }]);
    let whole = Value::Map(
        [
            ("name".to_owned(), Value::from("n")),
            ("note".to_owned(), Value::from("late")),
            ("count".to_owned(), Value::Counter(2)),
            ("set".to_owned(), Value::set(["x"])),
        ]
        .into(),
    );
    assert_eq!(list(&mut device, object), vec![whole]);
}

#[test]
fn a_plain_object_is_made_whole_with_the_contents_of_its_texts() {
    let mut replicas: Vec<Replica> = {
        let members = Rc::new(Members::default());
        (1..=2).map(|n| Replica::new(n, &members)).collect()
    };
    let json = serde_json::json!({
        "@type": "t@0.1.0", "@meta": { "tags": ["red"] },
        "body": { "@text": "Hello" }, "count": { "@counter": 4 },
        "parts": [{ "name": "a", "text": { "@text": "é".repeat(200_000) } }, 1, [{ "@text": "x" }]],
    });
    let object = ObjectId([1; 16]);
    let plain = dxos_base::json::from_json(&json, SPACE, || object).unwrap();
    let touched = replicas[0].write(&plain.writes()).unwrap();
    assert_eq!(touched.texts.len(), 3);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    for replica in &mut replicas {
        let view = replica.object(object);
        assert_eq!(view.values["count"], Value::Counter(4));
        assert_eq!(
            view.lists.values().map(Vec::len).collect::<Vec<_>>(),
            [3, 1]
        );
        let mut back = dxos_base::PlainObject::of(&view);
        let found = replica
            .run(|space, cx, _, _| space.texts_of(cx, object))
            .unwrap();
        back.texts = found;
        (back.created_ms, back.updated_ms) = (0, 0);
        let mut json = json.clone();
        json["@id"] = object.to_string().into();
        assert_eq!(dxos_base::json::to_json(&back, SPACE), json);
        assert!(!replica.space.is_text_open(match view.values["body"] {
            Value::Text(text) => text,
            ref other => panic!("{other:?}"),
        }));
    }
    // Put in again: the texts have content and keep it.
    let again = ObjectWrite::Text {
        object,
        path: key_path(&["body"]),
        content: "other".into(),
    };
    replicas[0].edit(&[again]);
    assert!(!replicas[0].space.pending());
    assert_eq!(replicas[0].content(object, "body"), "Hello");
}

#[test]
fn elements_are_named_by_the_writer_and_told_in_views() {
    let mut device = one();
    let object = device.create(1, &[]);
    let items = key_path(&["items"]);
    let [a, b, c] = [1, 2, 3].map(|n| ElementId([n; 8]));
    let insert = |element, place| ObjectWrite::Insert {
        object,
        list: items.clone(),
        element,
        place,
        value: Value::Map([("n".to_owned(), i64::from(element.0[0]).into())].into()),
    };
    device.edit(&[
        insert(a, Place::End),
        insert(c, Place::After(a)),
        insert(b, Place::Before(c)),
    ]);
    assert_eq!(device.object(object).elements(&items), [a, b, c]);
    let to = |element, place| ObjectWrite::Move {
        object,
        list: items.clone(),
        element,
        place,
    };
    device.edit(&[to(c, Place::Start), to(a, Place::After(b))]);
    assert_eq!(device.object(object).elements(&items), [c, b, a]);
    let at = |element| [&items[..], &[Step::Element(element)]].concat();
    let name = [&at(b)[..], &[Step::Key("n".into())]].concat();
    device.edit(&[
        ObjectWrite::count(object, name.clone(), 5),
        ObjectWrite::remove(object, at(c)),
        ObjectWrite::remove(object, at(a)),
    ]);
    let view = device.object(object);
    assert_eq!(view.elements(&items), [b]);
    assert_eq!(view.value(&name), Some(&Value::Counter(7)));
    device.edit(&[ObjectWrite::Restore {
        object,
        path: at(c),
    }]);
    assert_eq!(
        device.object(object).elements(&items),
        [c, b],
        "where it was"
    );
    for (wrong, path) in [
        (insert(b, Place::End), at(b)),
        (to(a, Place::End), at(a)),
        (
            ObjectWrite::Insert {
                object,
                list: name.clone(),
                element: a,
                place: Place::End,
                value: 1.into(),
            },
            name.clone(),
        ),
    ] {
        match device.write(std::slice::from_ref(&wrong)) {
            Err(
                EchoError::BadPath { path: named, .. } | EchoError::BadValue { path: named, .. },
            ) => {
                assert_eq!(named, dxos_base::path::show_path(&path))
            }
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
}

#[test]
fn how_new_and_changed_objects_show_is_told_where_somebody_looks() {
    let mut device = one();
    let create = |n: u16, name: &str, value: Value| ObjectWrite::Create {
        object: ObjectId(std::array::from_fn(|at| match at {
            0..2 => n.to_be_bytes()[at],
            _ => 1,
        })),
        type_name: "org.example.Task@0.1.0".into(),
        values: [(name.to_owned(), value)].into(),
    };
    let list = Value::List(vec![1.into()]);
    let writes = [
        create(1, "title", "flat".into()),
        create(2, "list", list),
        create(3, "title", "flat, then changed".into()),
    ];
    let third = writes[2].object();
    let told = device.write(&writes).unwrap();
    assert!(told.views.is_empty() && told.views_left_out, "nobody looks");

    let mut device = one();
    device.space.set_views_wanted(true);
    let change = ObjectWrite::set(third, "title", "changed");
    let told = device.write(&[&writes[..], &[change]].concat()).unwrap();
    assert!(!told.views_left_out);
    assert_eq!(told.views.len(), 3);
    for (object, view) in told.views {
        assert_eq!(view, device.object(object));
    }

    let many: Vec<ObjectWrite> = (0..=TOUCHED_VIEWS_MAX as u16)
        .map(|n| create(n + 10, "title", "one of many".into()))
        .collect();
    let told = device.write(&many).unwrap();
    assert_eq!(
        (told.objects.len(), told.views.len(), told.views_left_out),
        (TOUCHED_VIEWS_MAX + 1, TOUCHED_VIEWS_MAX, true)
    );
}
