//! Local writes and what shows.

use std::rc::Rc;

use dxos_base::{ObjectId, ObjectWrite, Ref, Tick, Value};
use dxos_echo::change::key_path;
use dxos_echo::{EchoError, Edit, Step};

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
    assert!(view.shown && view.saving);
    assert_eq!(
        (view.created_ms, view.updated_ms),
        (1_700_000_000_000, 1_700_000_000_000)
    );
    device.restart();
    assert_eq!(device.object(object), view);
    assert!(device.space.pending());
    assert_eq!(device.space.pending_since(), Some(Tick(0)));
    assert_eq!(device.seal().len(), 1);
    assert!(!device.object(object).saving);
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
    device.edit(&[Edit::Restore {
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
    device.write(&[ObjectWrite::Delete { object }]).unwrap();
    device.set(object, &["title"], Some("b".into()));
    assert!(!device.object(object).shown);
    device.write(&[ObjectWrite::Restore { object }]).unwrap();
    let view = device.object(object);
    assert!(view.shown);
    assert_eq!(view.values["title"], Value::from("b"));
}

#[test]
fn list_elements_are_inserted_moved_and_removed() {
    let mut device = one();
    let object = device.create(1, &[("items", Value::List(vec!["b".into(), "d".into()]))]);
    let items = key_path(&["items"]);
    let insert = |at, value: &str| Edit::Insert {
        object,
        list: items.clone(),
        at,
        value: value.into(),
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
    let count = |name: &str, by| Edit::Count {
        object,
        path: key_path(&[name]),
        by,
    };
    device.edit(&[count("stars", 2), count("views", 3), count("views", -1)]);
    let view = device.object(object);
    assert_eq!(
        (&view.values["stars"], &view.values["views"]),
        (&Value::Int(7), &Value::Int(2))
    );
    device.set(object, &["views"], None);
    assert_eq!(device.object(object).values.get("views"), None);
    device.edit(&[count("views", 4)]);
    assert_eq!(device.object(object).values["views"], Value::Int(4));
    let refused = device.run(|space, cx, _, heads| space.edit(cx, heads, &[count("name", 1)]));
    assert!(matches!(refused, Err(EchoError::BadValue { .. })));
}

#[test]
fn wrong_writes_are_refused_whole() {
    let mut device = one();
    let object = device.create(1, &[("a", 1.into())]);
    let before = (device.rows(), device.space.state_digest());
    let good = ObjectWrite::Set {
        object,
        path: vec!["a".into()],
        value: Some(2.into()),
    };
    let set = |path: &[&str], value: Value| ObjectWrite::Set {
        object,
        path: path.iter().map(|name| name.to_string()).collect(),
        value: Some(value),
    };
    let missing = ObjectId([9; 16]);
    let wrong = [
        set(&[], 1.into()),
        set(&["@type"], 1.into()),
        set(&["a", ""], 1.into()),
        set(&["x"; 40], 1.into()),
        set(&["big"], Value::Bytes(vec![0; 300 * 1024])),
        ObjectWrite::Set {
            object,
            path: vec![],
            value: None,
        },
        ObjectWrite::Delete { object: missing },
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
    device
        .write(&[ObjectWrite::Delete { object: target }])
        .unwrap();
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
        Step::Element(dxos_base::ElementId([3; 8])),
        Step::Key("name".into()),
    ];
    device.edit(&[Edit::Set {
        object,
        path,
        value: "m".into(),
    }]);
    assert_eq!(
        list(&mut device, object).len(),
        2,
        "an element without index stands last"
    );
}
