//! Queries against the naive executor: load everything, filter, sort, cut.

use std::rc::Rc;

use dxos_base::{Filter, FilterOp, ObjectId, ObjectWrite, Order, Query, Value};
use dxos_echo::query::sort_position;
use dxos_echo::store::Store;
use dxos_echo::{IndexPolicy, Touched, affects, matches};
use proptest::prelude::*;

use crate::replica::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (-2..3i64).prop_map(Value::Int),
        2 => "[ab]{0,2}".prop_map(Value::String),
        1 => Just(Value::String("p".repeat(140) + "x")),
        1 => Just(Value::String("p".repeat(140) + "y")),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => (-2..2i32).prop_map(|n| Value::float(n as f64)),
        1 => Just(Value::List(vec![Value::Int(1)])),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let op = prop_oneof![
        Just(FilterOp::Eq),
        Just(FilterOp::Neq),
        Just(FilterOp::Lt),
        Just(FilterOp::Lte),
        Just(FilterOp::Gt),
        Just(FilterOp::Gte),
        Just(FilterOp::Contains),
    ];
    let filter = ("[xy]", op, value()).prop_map(|(property, op, value)| Filter {
        property,
        op,
        value,
    });
    let order = ("[xy]|@updated", any::<bool>()).prop_map(|(property, descending)| Order {
        property,
        descending,
    });
    (
        proptest::option::of(Just("org.example.Task".to_owned())),
        proptest::collection::vec(filter, 0..3),
        proptest::option::of(order),
        0..4u32,
        0..6u32,
        any::<bool>(),
    )
        .prop_map(|(type_name, filters, order, skip, limit, deleted)| Query {
            type_name,
            filters,
            order,
            skip,
            limit,
            deleted,
        })
}

proptest! {
    #[test]
    fn the_executor_agrees_with_the_naive_one(
        objects in proptest::collection::vec(
            (proptest::option::of(value()), proptest::option::of(value()), 0..8u8), 0..25),
        query in query(),
        only_x in any::<bool>(),
    ) {
        let mut device = Replica::new(1, &Rc::new(Members::default()));
        if only_x {
            let properties = Some(["x".to_owned()].into());
            device.space.set_index_policy(IndexPolicy { properties, full_text: false });
        }
        for (n, (x, y, kind)) in objects.into_iter().enumerate() {
            let object = ObjectId([n as u8 + 1; 16]);
            let values = [("x", x), ("y", y)];
            let values = values.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect();
            let type_name = if kind % 3 == 0 { "org.example.Other" } else { "org.example.Task@0.2.0" };
            device.now.0 += kind as u64 % 2;
            device.write(&[ObjectWrite::Create { object, type_name: type_name.into(), values }]).unwrap();
            if kind == 7 {
                device.write(&[ObjectWrite::Delete { object }]).unwrap();
            }
        }
        let rows = device.store.objects(SPACE, None, None, usize::MAX).unwrap();
        let mut naive: Vec<_> = rows
            .iter()
            .map(|row| device.object(row.object))
            .filter(|view| matches(&query, view))
            .collect();
        naive.sort_by_cached_key(|view| sort_position(&query, view));
        let limit = if query.limit == 0 { usize::MAX } else { query.limit as usize };
        let naive: Vec<_> = naive.into_iter().skip(query.skip as usize).take(limit).collect();
        prop_assert_eq!(device.query(&query), naive);
    }
}

#[test]
fn live_queries_rerun_only_for_their_type() {
    let mut device = Replica::new(1, &Rc::new(Members::default()));
    let object = ObjectId([1; 16]);
    let create = ObjectWrite::Create {
        object,
        type_name: "org.example.Task@1".into(),
        values: Default::default(),
    };
    let touched = device.write(&[create]).unwrap();
    let of = |name: &str| Query {
        type_name: Some(name.to_owned()),
        ..Query::default()
    };
    assert!(affects(&of("org.example.Task"), &touched) && affects(&Query::default(), &touched));
    assert!(!affects(&of("org.example.Other"), &touched));
    assert!(!affects(&Query::default(), &Touched::default()));
}
