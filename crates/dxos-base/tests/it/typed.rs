//! `#[derive(Object)]`: schemas, values and queries of Rust types.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::schema::{FieldType, Format, TypeSchema, TypeVersion};
use dxos_base::typed::{
    Bytes, Counter, GeoPoint, Object, Ref, Text, Timestamp, TypedQuery, Untyped,
};
use dxos_base::{ObjectId, Query, Value};
use dxos_macros::Object;

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Person", version = "1.0.0", crate = dxos_base, icon = "ph--user--regular")]
struct Person {
    #[object(label)]
    name: String,
    #[object(format = "email")]
    mails: Vec<String>,
}

#[derive(Object, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[object(crate = dxos_base)]
enum State {
    #[object(title = "To do", hue = 30)]
    Open,
    InProgress,
    #[object(rename = "closed")]
    Done,
}

#[derive(Object, Debug, Clone, PartialEq, Default)]
#[object(nested, crate = dxos_base, rename_all = "camelCase")]
struct Address {
    zip_code: String,
    lines: Vec<String>,
    place: Option<GeoPoint>,
}

/// Something to be done.
///
/// Not told to people.
#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Task", version = "0.2.0", crate = dxos_base, hue = 200)]
struct Task {
    /// What is to be done.
    #[object(label, title = "Title")]
    title: String,
    done: bool,
    #[object(default = State::Open)]
    state: State,
    assignee: Option<Ref<Person>>,
    others: Vec<Ref>,
    notes: Text,
    votes: Counter,
    due: Option<Timestamp>,
    #[object(currency = "EUR", alias = "price", alias = "worth")]
    cost: Option<f64>,
    #[object(hidden)]
    secret: Option<Bytes>,
    labels: BTreeSet<String>,
    addresses: BTreeMap<String, Address>,
    #[object(options("low", "high"), default = "low")]
    urgency: String,
    #[object(default = 3)]
    points: u8,
    r#type: Option<Value>,
}

fn task() -> Task {
    Task {
        title: "Buy milk".into(),
        done: false,
        state: State::InProgress,
        assignee: Some(Ref::to(ObjectId([1; 16]))),
        others: vec![Ref::to(ObjectId([2; 16]))],
        notes: Text::default(),
        votes: Counter(4),
        due: Some(Timestamp(1_000)),
        cost: Some(1.5),
        secret: Some(Bytes(vec![1, 2])),
        labels: ["home".to_owned()].into(),
        addresses: [(
            "home".to_owned(),
            Address {
                zip_code: "10121".into(),
                lines: vec!["Via Po 1".into()],
                place: Some(GeoPoint {
                    longitude: 7.7,
                    latitude: 45.1,
                }),
            },
        )]
        .into(),
        urgency: "high".into(),
        points: 5,
        r#type: Some(Value::Null),
    }
}

#[test]
fn the_schema_says_what_the_type_says() {
    let schema = Task::schema();
    assert_eq!(schema.check(), Ok(()));
    assert_eq!(Task::type_ref().to_string(), "org.example.Task@0.2.0");
    assert_eq!(Task::VERSION, TypeVersion(0, 2, 0));
    assert_eq!(schema.label.as_deref(), Some("title"));
    assert_eq!(
        (schema.notes.description.as_deref(), schema.notes.hue),
        (Some("Something to be done."), Some(200))
    );
    let kind = |name: &str| schema.field_named(name).unwrap().kind.clone();
    assert_eq!(
        kind("assignee"),
        FieldType::Ref(Some("org.example.Person".into()))
    );
    assert_eq!(kind("others"), FieldType::list(FieldType::Ref(None)));
    assert_eq!(
        kind("cost"),
        FieldType::Format(Format::Currency(Some("EUR".into())))
    );
    assert_eq!(kind("urgency"), FieldType::select(["low", "high"]));
    assert_eq!(kind("notes"), FieldType::Text);
    assert_eq!(kind("labels"), FieldType::set(FieldType::String));
    let mails = Person::schema().field_named("mails").unwrap();
    assert_eq!(
        mails.kind,
        FieldType::list(FieldType::Format(Format::Email))
    );
    let FieldType::Select(choices) = kind("state") else {
        panic!("a choice")
    };
    let choices: Vec<_> = choices
        .iter()
        .map(|c| (c.value.as_str(), c.title.as_deref()))
        .collect();
    assert_eq!(
        choices,
        [
            ("open", Some("To do")),
            ("in-progress", None),
            ("closed", None)
        ]
    );
    let FieldType::Map(item) = kind("addresses") else {
        panic!("a map")
    };
    let FieldType::Struct(fields) = item.kind else {
        panic!("a structure")
    };
    assert_eq!(fields[0].name, "zipCode");
    let field = |name: &str| schema.field_named(name).unwrap();
    assert_eq!(
        field("title").notes.description.as_deref(),
        Some("What is to be done.")
    );
    assert!(field("secret").notes.hidden);
    assert_eq!(field("cost").aliases, ["price", "worth"]);
    let required: Vec<_> = schema
        .fields
        .iter()
        .filter(|f| f.required)
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(required, ["title", "done", "votes"]);
    assert_eq!(schema.fields.last().unwrap().name, "type");
}

#[test]
fn the_schema_comes_back_from_json() {
    for schema in [Task::schema(), Person::schema()] {
        assert_eq!(TypeSchema::from_json(schema.to_json()).as_ref(), Ok(schema));
    }
}

#[test]
fn values_come_back_and_fit_the_schema() {
    let values = task().to_values();
    assert_eq!(Task::schema().misfits(&values), []);
    assert_eq!(Task::from_values(&values), Ok(task()));
    assert!(!values.contains_key("notes"), "a text is no value");
    let with_text = Task {
        notes: Text::new("From the shop"),
        ..task()
    };
    assert_eq!(with_text.texts(), [("notes", "From the shop".to_owned())]);
    assert_eq!(task().texts(), []);
}

#[test]
fn reading_is_total() {
    let least = || {
        BTreeMap::from([
            ("title".to_owned(), Value::from("x")),
            ("done".to_owned(), true.into()),
            ("votes".to_owned(), Value::Counter(0)),
        ])
    };
    let read = Task::from_values(&least()).unwrap();
    assert_eq!(
        (read.state, read.urgency.as_str(), read.points),
        (State::Open, "low", 3)
    );
    let with = |name: &str, value: Value| {
        let mut values = least();
        values.insert(name.into(), value);
        Task::from_values(&values)
    };
    let refused = |name: &str, value: Value| with(name, value).unwrap_err().to_string();
    // What may be absent is absent when it does not fit.
    assert_eq!(with("assignee", 5.into()).unwrap().assignee, None);
    assert_eq!(
        with("state", "unheard-of".into()).unwrap().state,
        State::Open
    );
    assert_eq!(with("points", 300.into()).unwrap().points, 3);
    assert_eq!(with("labels", 1.into()).unwrap().labels.len(), 0);
    // What is needed names its path.
    assert_eq!(
        refused("title", 5.into()),
        "title is the integer 5, expected a string"
    );
    let mut none = least();
    none.remove("done");
    assert_eq!(Task::from_values(&none).unwrap_err().path_text(), "done");
    // Former names, the latest first.
    let mut old = least();
    old.insert("price".into(), 2.0.into());
    assert_eq!(Task::from_values(&old).unwrap().cost, Some(2.0));
    old.insert("worth".into(), 3.into());
    assert_eq!(Task::from_values(&old).unwrap().cost, Some(3.0));
    old.insert("cost".into(), 4.0.into());
    assert_eq!(Task::from_values(&old).unwrap().cost, Some(4.0));
}

#[test]
fn typed_queries_are_queries() {
    let query: Query = Task::filter()
        .done
        .eq(false)
        .and(Task::TITLE.contains("milk"))
        .and(
            Task::STATE
                .one_of([State::Open, State::InProgress])
                .or(Task::LABELS.contains("home")),
        )
        .and(!Task::ASSIGNEE.eq(Ref::to(ObjectId([1; 16]))))
        .and(Task::COST.gt(2.0))
        .and(Task::DUE.is_absent())
        .order_by(Task::TITLE)
        .limit(50)
        .into();
    assert!(query.check().is_ok());
    assert_eq!(query.order.len(), 1);
    assert_eq!(query.limit, 50);
    let all: Query = TypedQuery::<Task>::all().into();
    assert_eq!(all, Query::of_type("org.example.Task"));
    assert_eq!(Query::from(Task::all()), all);
    let _: Option<Ref<Untyped>> = None;
}
