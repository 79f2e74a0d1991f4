//! The JSON form of queries, out and back.

use proptest::prelude::*;

use super::*;
use crate::query::{VersionRange, field, tag, text, type_of};
use crate::{decode, encode};

/// Samples of every form, in JSON and encoded.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/query-1.jsonl");

fn samples() -> Vec<Query> {
    let object = ObjectId([7; 16]);
    let space = SpaceId([9; 20]);
    let here = Ref {
        space: None,
        object,
    };
    let there = Ref {
        space: Some(space),
        object,
    };
    let all_values = vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-3),
        Value::float(0.5),
        Value::from("é"),
        Value::Bytes(vec![1, 2, 255]),
        Value::Timestamp(1_700_000_000_000),
        Value::Ref(here),
        Value::Ref(there),
        Value::List(vec![Value::Int(1)]),
        Value::Map([("k".to_owned(), Value::Bool(false))].into()),
    ];
    let tasks = || Query::of_type("org.example.Task");
    let compared = Filter::And(vec![
        field("a").eq(1),
        field("a/b").neq("x"),
        field("a").lt(2),
        field("a").lte(0.5),
        field("@created").gt(Value::Timestamp(5)),
        field("@updated").gte(Value::Timestamp(6)),
        field("a").between(1, 9),
        field("a").one_of(all_values),
        field("list").contains("x"),
        field("a%2Fb").exists(),
    ]);
    let version: VersionRange = "^0.2".parse().expect("a range");
    let other = Filter::Or(vec![
        Filter::Everything,
        Filter::Nothing,
        !tag("later"),
        Filter::Key {
            source: "github.com".into(),
            id: None,
        },
        crate::query::key("github.com", "4"),
        Filter::Ids(vec![object]),
        Filter::ChildOf {
            parent: object,
            transitive: false,
        },
        Filter::ChildOf {
            parent: object,
            transitive: true,
        },
        text("oat milk"),
        crate::query::text_mode("oat", TextMode::Any),
        field("project").in_query(type_of("org.example.Project"), "@id"),
    ]);
    let mut samples = vec![
        Query::all(),
        Query::from(compared),
        Query::from(other).deleted(Deleted::Include),
        Query::of_type_version("org.example.Task", version).deleted(Deleted::Only),
        Query::search("garden lan").limit(20),
        tasks()
            .order_by("title")
            .order_by_descending("@updated")
            .skip(5)
            .limit(50),
        tasks().without(tag("later")).in_spaces([space]),
        tasks().union(type_of("org.example.Note")).everywhere(),
        tasks()
            .group_by("status")
            .aggregate(Aggregate::Min("due".into()))
            .aggregate(Aggregate::Max("due".into())),
        tasks().count(),
    ];
    let mut traversals: Vec<Traversal> = TRAVERSALS.iter().map(|(_, t)| t.clone()).collect();
    traversals.extend([
        Traversal::References(None),
        Traversal::References(Some("assignee".into())),
        Traversal::ReferredBy(None),
        Traversal::ReferredBy(Some("a/b".into())),
    ]);
    samples.extend(
        traversals
            .into_iter()
            .map(|traversal| tasks().follow(traversal).filter(field("a").exists())),
    );
    samples
}

#[test]
fn every_form_is_as_its_vector() {
    let lines: Vec<String> = samples()
        .iter()
        .map(|query| {
            let bytes = data_encoding::HEXLOWER.encode(&encode(query));
            json!({ "query": to_json(query), "bytes": bytes }).to_string()
        })
        .collect();
    if std::env::var_os("DXOS_BLESS").is_some() {
        std::fs::write(VECTORS, lines.join("\n") + "\n").expect("the vectors can be written");
    }
    let kept = std::fs::read_to_string(VECTORS).expect("the vectors are there");
    assert_eq!(kept.lines().collect::<Vec<_>>(), lines);
    for (line, query) in kept.lines().zip(samples()) {
        let line: Json = serde_json::from_str(line).expect("a vector is JSON");
        assert_eq!(from_json(&line["query"]).as_ref(), Ok(&query));
        let bytes = data_encoding::HEXLOWER
            .decode(line["bytes"].as_str().expect("hex").as_bytes())
            .expect("hex");
        assert_eq!(decode::<Query>(&bytes, 1 << 16).as_ref(), Ok(&query));
        for cut in 0..bytes.len() {
            assert!(decode::<Query>(&bytes[..cut], 1 << 16).is_err());
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_and_named() {
    let check = |json: Json, words: &str| {
        let error = from_json(&json).expect_err(words).to_string();
        assert!(error.contains(words), "{error}: {words}");
    };
    check(json!([]), "an object");
    check(json!({ "wher": {} }), "\"wher\" is not known");
    check(
        json!({ "where": { "and": [{ "tag": 3 }] } }),
        "where.and.0.tag: a text",
    );
    check(json!({ "where": { "field": "a" } }), "where: a comparison");
    check(
        json!({ "where": { "field": "a", "eq": 1, "neq": 2 } }),
        "\"neq\"",
    );
    check(
        json!({ "where": { "field": "", "eq": 1 } }),
        "select.where.field: a path",
    );
    check(
        json!({ "where": { "field": "@me", "eq": 1 } }),
        "there is no @me",
    );
    check(json!({ "where": { "field": "a", "lt": [1] } }), "no order");
    check(
        json!({ "where": { "ids": ["x"] } }),
        "where.ids.0: an object id",
    );
    check(json!({ "where": { "type": "a@b" } }), "range of versions");
    check(
        json!({ "where": { "text": "a", "mode": "some" } }),
        "all, prefix or any",
    );
    check(json!({ "where": "all" }), "\"all\" is not known");
    check(json!({ "order": ["@rank"] }), "rank needs");
    check(
        json!({ "where": { "text": "a" }, "order": ["@rank", "b"] }),
        "rank needs",
    );
    check(json!({ "limit": -1 }), "limit: a whole number");
    check(
        json!({ "limit": 10_001 }),
        "limit: 10001 is more than 10000",
    );
    check(json!({ "scope": "there" }), "scope");
    check(json!({ "select": { "follow": {} } }), "where, within");
    check(
        json!({ "select": { "follow": { "where": "everything" } } }),
        "by is expected",
    );
    check(
        json!({ "select": {"where": "everything"}, "where": "everything" }),
        "beside",
    );
    let mut deep = json!("everything");
    for _ in 0..200 {
        deep = json!({ "not": deep });
    }
    check(json!({ "where": deep }), "levels deep");
    let wide = json!({ "and": vec![json!("everything"); 300] });
    check(json!({ "where": wide }), "256 parts");
    let ids = vec![json!(ObjectId([1; 16]).to_string()); 4_097];
    check(
        json!({ "where": { "ids": ids } }),
        "4097 items, 4096 are allowed",
    );
}

#[test]
fn hostile_nesting_is_an_error() {
    // Where(Not(Not(…)))
    for depth in [15, 16, 1_000_000] {
        let mut bytes = vec![0];
        bytes.extend(std::iter::repeat_n(4, depth));
        bytes.push(0);
        bytes.extend([0, 0, 0, 0, 0, 0]);
        let read = decode::<Query>(&bytes, 1 << 24);
        assert_eq!(read.is_ok(), depth <= 16, "{depth}");
    }
    // Follow(Follow(…
    assert!(decode::<Query>(&[2; 1_000_000], 1 << 24).is_err());
    // Reading goes on as before after a refusal.
    assert!(decode::<Query>(&encode(&samples()[1]), 1 << 24).is_ok());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::float),
        "[a@%/]{0,6}".prop_map(Value::String),
        any::<i64>().prop_map(Value::Timestamp),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        any::<[u8; 16]>().prop_map(|id| Value::Ref(Ref {
            space: None,
            object: ObjectId(id)
        })),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::btree_map("[ab]{1,3}", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = ("[a-c/%]{0,5}", value(), 0..8u8).prop_map(|(name, value, kind)| {
        let held = field(&name[..]);
        match kind {
            0 => held.eq(value),
            1 => held.neq(value),
            2 => held.one_of([value]),
            3 => held.contains(value),
            4 => held.exists(),
            5 => tag(name),
            6 => text(name),
            _ => held.gte(1),
        }
    });
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|filter| !filter),
        ]
    })
}

#[test]
fn a_query_is_bounded_as_a_whole() {
    let of = |bytes: usize| {
        // Each value is within its own limit.
        let values = (0..8).map(|n| Value::String(n.to_string().repeat(bytes)));
        Query::from(field("title").one_of(values))
    };
    let fits = of(30_000);
    assert_eq!(from_json(&to_json(&fits)), Ok(fits));
    let long = of(33_000);
    let error = QueryError::TooManyBytes {
        len: encode(&long).len(),
        max: crate::limits::QUERY_BYTES_MAX,
    };
    assert_eq!(long.check(), Err(error.clone()));
    assert_eq!(from_json(&to_json(&long)), Err(error.into()));
}

proptest! {
    #[test]
    fn queries_survive_json_and_encoding(filter in filter(), limit in 0..10_000u32) {
        let query = Query::from(filter).limit(limit);
        let bytes = encode(&query);
        let read = decode::<Query>(&bytes, 1 << 20);
        prop_assert_eq!(read.as_ref(), Ok(&query));
        let json: Json = serde_json::from_str(&to_json(&query).to_string()).expect("JSON");
        match query.check() {
            Ok(()) => prop_assert_eq!(from_json(&json), Ok(query)),
            Err(error) => prop_assert_eq!(from_json(&json), Err(error.into())),
        }
    }

    #[test]
    fn any_json_is_a_query_or_an_error(text in "[\\[\\]{}\":,a-z0-9@]{0,40}") {
        if let Ok(json) = serde_json::from_str::<Json>(&text) {
            let _ = from_json(&json);
        }
    }

    #[test]
    fn any_bytes_are_a_query_or_an_error(bytes in proptest::collection::vec(0..20u8, 0..64)) {
        if let Ok(query) = decode::<Query>(&bytes, 64) {
            let _ = query.check();
            prop_assert_eq!(encode(&query), bytes);
        }
    }
}
