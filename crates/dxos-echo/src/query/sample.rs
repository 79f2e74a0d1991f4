//! Random objects, edits and queries over a small vocabulary, from a seed: so that queries find something, values
//! collide, and every form of a query comes up. For differential tests of the executor and of live queries.

use std::collections::BTreeMap;

use dxos_base::fuzz::SplitMix64;
use dxos_base::query::{
    Aggregate, Comparison, Deleted, Filter, FormerName, Nested, Order, OrderBy, PropertyPath,
    Query, Select, TextMode, Traversal, field, text_mode,
};
use dxos_base::{ForeignKey, ObjectId, ObjectWrite, Ref, Value};

/// Objects a sample speaks of.
const OBJECTS: u8 = 24;
/// Words of texts.
const WORDS: [&str; 6] = ["oat", "milk", "bread", "oats", "Café", "tea"];
/// Types of objects.
const TYPES: [&str; 5] = [
    "org.example.Task@0.1.0",
    "org.example.Task@0.2.0",
    "org.example.Person@1.0.0",
    "org.example.Link@0.1.0",
    "",
];

/// Properties of objects, beside reserved ones.
const PROPERTIES: [&str; 6] = ["x", "y", "s", "n", "r", "l"];
/// Kinds of values: see [`Sample::value_of`].
const KINDS: u64 = 9;

/// Randomness from a seed, and the schema it gave: which properties objects of each type mostly have, and of which
/// kind the values mostly are.
#[derive(Debug, Clone)]
pub struct Sample {
    random: SplitMix64,
    schema: BTreeMap<(&'static str, &'static str), Option<u64>>,
}

impl Sample {
    /// The same for the same seed.
    pub fn new(seed: u64) -> Sample {
        let mut sample = Sample {
            random: SplitMix64::new(seed),
            schema: BTreeMap::new(),
        };
        for of in TYPES {
            for property in PROPERTIES {
                let kind = sample.chance(70).then(|| sample.below(KINDS));
                sample.schema.insert((of, property), kind);
            }
        }
        sample
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.random.number() % end
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        self.random.one(of)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the objects.
    pub fn object(&mut self) -> ObjectId {
        ObjectId([self.below(u64::from(OBJECTS)) as u8 + 1; 16])
    }

    fn reference(&mut self) -> Value {
        Value::Ref(Ref {
            space: None,
            object: self.object(),
        })
    }

    fn words(&mut self) -> String {
        let count = self.below(4);
        let words: Vec<&str> = (0..count).map(|_| self.one(&WORDS)).collect();
        words.join(" ")
    }

    /// A value of any kind.
    fn value(&mut self) -> Value {
        let kind = self.below(KINDS);
        self.value_of(kind)
    }

    fn value_of(&mut self, kind: u64) -> Value {
        match kind {
            0 => Value::Int(self.below(5) as i64 - 2),
            1 => Value::float(self.below(8) as f64 / 2.0 - 2.0),
            2 => Value::String(self.words()),
            3 => Value::String("p".repeat(140) + self.one(&["x", "y"])),
            4 => Value::Bool(self.chance(50)),
            5 => Value::Timestamp(self.below(3) as i64),
            6 => Value::Null,
            7 => Value::List(vec![Value::Int(self.below(3) as i64), self.reference()]),
            _ => self.reference(),
        }
    }

    /// A value for a property of an object of a type, or of any.
    fn property_value(&mut self, of: Option<&'static str>, name: &'static str) -> Value {
        let of = of.unwrap_or_else(|| self.one(&TYPES));
        let kind = self.schema[&(of, name)].filter(|_| self.chance(75));
        match name {
            "n" => Value::Map([("c".to_owned(), self.value_of_some(kind))].into()),
            "r" => self.reference(),
            "l" => {
                let count = self.below(3);
                Value::List((0..count).map(|_| self.reference()).collect())
            }
            _ => self.value_of_some(kind),
        }
    }

    fn value_of_some(&mut self, kind: Option<u64>) -> Value {
        match kind {
            Some(kind) => self.value_of(kind),
            None => self.value(),
        }
    }

    /// The first objects.
    pub fn creations(&mut self) -> Vec<ObjectWrite> {
        let mut made = Vec::new();
        for n in 1..=OBJECTS {
            if self.chance(85) {
                made.push(self.create(ObjectId([n; 16])));
            }
        }
        made
    }

    fn create(&mut self, object: ObjectId) -> ObjectWrite {
        let (of, mut values) = (self.one(&TYPES), BTreeMap::new());
        for name in PROPERTIES {
            let usual = self.schema[&(of, name)].is_some();
            if self.chance(if usual { 85 } else { 25 }) {
                values.insert(name.to_owned(), self.property_value(Some(of), name));
            }
        }
        for name in ["@source", "@target"] {
            if self.chance(30) {
                values.insert(name.to_owned(), self.reference());
            }
        }
        // Under one with a smaller id: no circle.
        let below = u64::from(object.0[0]) - 1;
        if below > 0 && self.chance(35) {
            let parent = ObjectId([self.below(below) as u8 + 1; 16]);
            values.insert("@parent".to_owned(), Value::Ref(Ref::local(parent)));
        }
        ObjectWrite::Create {
            object,
            type_name: of.to_owned(),
            values,
        }
    }

    /// An edit of one of the objects that `exist`, or a new one.
    pub fn edit(&mut self, exist: &[ObjectId]) -> ObjectWrite {
        let object = self.object();
        if !exist.contains(&object) {
            return self.create(object);
        }
        match self.below(10) {
            0 => ObjectWrite::delete(object),
            1 => ObjectWrite::restore(object),
            2 => ObjectWrite::set(object, ["n", "c"], self.value()),
            3 => ObjectWrite::remove(object, self.one(&["x", "y", "s", "r"])),
            4 => self.meta_edit(object),
            _ => {
                let name = self.one(&["x", "x", "y", "s", "r", "l"]);
                ObjectWrite::set(object, name, self.property_value(None, name))
            }
        }
    }

    /// Tags, keys and parents; a parent may be refused.
    fn meta_edit(&mut self, object: ObjectId) -> ObjectWrite {
        let key = ForeignKey {
            source: self.one(&["hub", "lab"]).to_owned(),
            id: self.one(&["1", "2"]).to_owned(),
        };
        match self.below(6) {
            0 => ObjectWrite::tag(object, self.one(&["red", "blue"])),
            1 => ObjectWrite::untag(object, self.one(&["red", "blue"])),
            2 => ObjectWrite::add_key(object, key),
            3 => ObjectWrite::remove_key(object, key),
            4 => ObjectWrite::set_parent(object, None),
            _ => ObjectWrite::set_parent(object, Some(self.object())),
        }
    }

    fn path(&mut self) -> PropertyPath {
        let path = self.one(&[
            "x", "x", "y", "s", "n/c", "r", "l", "@created", "@updated", "@type", "@id",
        ]);
        self.perhaps_renamed(path)
    }

    /// Sometimes the path of a property that had another name before.
    fn perhaps_renamed(&mut self, path: &str) -> PropertyPath {
        let mut path = PropertyPath::from(path);
        if !path.steps[0].starts_with('@') && self.chance(15) {
            path.former = vec![FormerName {
                type_name: self
                    .one(&["org.example.Task", "org.example.Person"])
                    .to_owned(),
                name: self.one(&PROPERTIES).to_owned(),
            }];
        }
        path
    }

    fn ordered(&mut self) -> Value {
        loop {
            let value = self.value();
            if !matches!(value, Value::Ref(_) | Value::List(_)) {
                return value;
            }
        }
    }

    fn comparison(&mut self) -> Comparison {
        match self.below(11) {
            0..2 => Comparison::Eq(self.value()),
            2 => Comparison::Neq(self.value()),
            3 => Comparison::Lt(self.ordered()),
            4 => Comparison::Lte(self.ordered()),
            5 => Comparison::Gt(self.ordered()),
            6 => Comparison::Gte(self.ordered()),
            7 => Comparison::Between(self.ordered(), self.ordered()),
            8 => {
                let count = self.below(4);
                Comparison::In((0..count).map(|_| self.value()).collect())
            }
            9 => Comparison::Contains(self.value()),
            _ => Comparison::Exists,
        }
    }

    fn mode(&mut self) -> TextMode {
        self.one(&[TextMode::All, TextMode::Prefix, TextMode::Any])
    }

    fn filter(&mut self, depth: u64) -> Filter {
        let kinds = if depth == 0 { 11 } else { 17 };
        match self.below(kinds) {
            0..4 => Filter::Property {
                path: self.path(),
                is: self.comparison(),
            },
            4 => {
                let name = self.one(&["org.example.Task", "org.example.Person", ""]);
                let versions = self.one(&[None, None, Some("^0.1"), Some(">=0.2"), Some("*")]);
                Filter::Type {
                    name: name.to_owned(),
                    versions: versions.map(|range| range.parse().expect("a range")),
                }
            }
            5 => {
                let count = self.below(4);
                Filter::Ids((0..count).map(|_| self.object()).collect())
            }
            6 => {
                let words = self.words();
                text_mode(words, self.mode())
            }
            7 => Filter::Tag(self.one(&["red", "blue"]).to_owned()),
            8 => Filter::Key {
                source: self.one(&["hub", "lab"]).to_owned(),
                id: self.chance(70).then(|| self.one(&["1", "2"]).to_owned()),
            },
            9 => Filter::ChildOf {
                parent: self.object(),
                transitive: self.chance(50),
            },
            10 => self.one(&[Filter::Everything, Filter::Nothing, Filter::Everything]),
            11..13 => {
                let count = self.below(3);
                Filter::And((0..=count).map(|_| self.filter(depth - 1)).collect())
            }
            13 => {
                let count = self.below(3);
                Filter::Or((0..=count).map(|_| self.filter(depth - 1)).collect())
            }
            14 => !self.filter(depth - 1),
            _ => Filter::In {
                path: {
                    let path = self.one(&["r", "l", "x", "@id"]);
                    self.perhaps_renamed(path)
                },
                select: Box::new(Nested(self.select(depth - 1))),
                of: self.one(&["@id", "r", "x", "l"]).into(),
            },
        }
    }

    fn traversal(&mut self) -> Traversal {
        let path = self.one(&[None, Some("r"), Some("l"), Some("n/c")]);
        let path = path.map(|path| self.perhaps_renamed(path));
        match self.below(10) {
            0 => Traversal::References(path),
            1 => Traversal::ReferredBy(path),
            2 => Traversal::Source,
            3 => Traversal::Target,
            4 => Traversal::SourceOf,
            5 => Traversal::TargetOf,
            6 => Traversal::Parent,
            7 => Traversal::Children,
            8 => Traversal::Ancestors,
            _ => Traversal::Descendants,
        }
    }

    fn select(&mut self, depth: u64) -> Select {
        let kinds = if depth == 0 { 6 } else { 13 };
        match self.below(kinds) {
            0..6 => Select::Where(self.filter(depth)),
            6 => Select::Within(Box::new(self.select(depth - 1)), self.filter(depth - 1)),
            7..11 => Select::Follow(Box::new(self.select(depth - 1)), self.traversal()),
            11 => Select::Union(vec![self.select(depth - 1), self.select(depth - 1)]),
            _ => Select::Difference(
                Box::new(self.select(depth - 1)),
                Box::new(self.select(depth - 1)),
            ),
        }
    }

    /// A query; sound ones only.
    pub fn query(&mut self) -> Query {
        if self.chance(8) {
            let mut query = Query::from(text_mode(self.words(), self.mode())).by_rank();
            if self.chance(50) {
                query = query.filter(field("x").gte(self.below(3) as i64));
            }
            return query.limit(self.below(6) as u32);
        }
        let depth = self.below(4);
        let mut query = Query {
            select: self.select(depth),
            ..Query::default()
        };
        for _ in 0..self.one(&[0, 1, 1, 2]) {
            let by = OrderBy::Property(self.path());
            let descending = self.chance(50);
            query.order.push(Order { by, descending });
        }
        if self.chance(20) {
            query.deleted = self.one(&[Deleted::Include, Deleted::Only]);
        }
        if self.chance(12) {
            query = match self.chance(70) {
                true => query.group_by(self.path()),
                false => query.count(),
            };
            if self.chance(60) {
                query = query.aggregate(Aggregate::Min(self.path()));
                query = query.aggregate(Aggregate::Max(self.path()));
            }
        }
        query
            .skip(self.one(&[0, 0, 0, 1, 3]))
            .limit(self.below(8) as u32)
    }
}

/// How many names [`parts`] gives, over all queries.
pub const PARTS: usize = 55;

/// Names of everything a query is made of, for counting.
pub fn parts(query: &Query) -> Vec<&'static str> {
    let mut out = Vec::new();
    of_select(&query.select, &mut out);
    out.extend(
        query
            .order
            .iter()
            .map(|key| match (&key.by, key.descending) {
                (OrderBy::Rank, _) => "order by rank",
                (_, false) => "order ascending",
                (_, true) => "order descending",
            }),
    );
    if query.order.len() > 1 {
        out.push("order by several");
    }
    let renamed = |by: &OrderBy| matches!(by, OrderBy::Property(path) if !path.former.is_empty());
    if query.order.iter().any(|key| renamed(&key.by)) {
        out.push("order by a renamed property");
    }
    if query.order.is_empty() {
        out.push("order natural");
    }
    out.extend((query.skip > 0).then_some("skip"));
    out.extend((query.limit > 0).then_some("limit"));
    out.push(match query.deleted {
        Deleted::Exclude => "deleted excluded",
        Deleted::Include => "deleted included",
        Deleted::Only => "deleted only",
    });
    if let Some(group) = &query.group {
        out.push(if group.by.is_some() { "group" } else { "count" });
        out.extend(group.aggregates.iter().map(|aggregate| match aggregate {
            Aggregate::Min(_) => "min",
            Aggregate::Max(_) => "max",
        }));
    }
    out.sort_unstable();
    out.dedup();
    out
}

fn of_select(select: &Select, out: &mut Vec<&'static str>) {
    match select {
        Select::Where(filter) => of_filter(filter, out),
        Select::Within(from, filter) => {
            out.push("within");
            of_select(from, out);
            of_filter(filter, out);
        }
        Select::Follow(from, traversal) => {
            out.push(match traversal {
                Traversal::References(_) => "follow references",
                Traversal::ReferredBy(_) => "follow referred by",
                Traversal::Source => "follow source",
                Traversal::Target => "follow target",
                Traversal::SourceOf => "follow source of",
                Traversal::TargetOf => "follow target of",
                Traversal::Parent => "follow parent",
                Traversal::Children => "follow children",
                Traversal::Ancestors => "follow ancestors",
                Traversal::Descendants => "follow descendants",
            });
            of_select(from, out);
        }
        Select::Union(sets) => {
            out.push("union");
            sets.iter().for_each(|set| of_select(set, out));
        }
        Select::Difference(from, without) => {
            out.push("difference");
            of_select(from, out);
            of_select(without, out);
        }
    }
}

fn of_filter(filter: &Filter, out: &mut Vec<&'static str>) {
    if let Filter::Property { path, .. } = filter
        && !path.former.is_empty()
    {
        out.push("renamed property");
    }
    out.push(match filter {
        Filter::Everything => "everything",
        Filter::Nothing => "nothing",
        Filter::And(_) => "and",
        Filter::Or(_) => "or",
        Filter::Not(_) => "not",
        Filter::Type { versions: None, .. } => "type",
        Filter::Type { .. } => "type in a range",
        Filter::Ids(_) => "ids",
        Filter::Property { is, .. } => match is {
            Comparison::Eq(_) => "eq",
            Comparison::Neq(_) => "neq",
            Comparison::Lt(_) => "lt",
            Comparison::Lte(_) => "lte",
            Comparison::Gt(_) => "gt",
            Comparison::Gte(_) => "gte",
            Comparison::Between(..) => "between",
            Comparison::In(_) => "in",
            Comparison::Contains(_) => "contains",
            Comparison::Exists => "exists",
        },
        Filter::Text { mode, .. } => match mode {
            TextMode::All => "text all",
            TextMode::Prefix => "text prefix",
            TextMode::Any => "text any",
        },
        Filter::Tag(_) => "tag",
        Filter::Key { .. } => "key",
        Filter::ChildOf {
            transitive: false, ..
        } => "child of",
        Filter::ChildOf { .. } => "child of, transitive",
        Filter::In { .. } => "semi-join",
    });
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter().for_each(|filter| of_filter(filter, out));
        }
        Filter::Not(filter) => of_filter(filter, out),
        Filter::In { select, .. } => of_select(&select.0, out),
        _ => {}
    }
}
