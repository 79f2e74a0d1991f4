//! The JSON form of queries: for storage in objects (views), for JavaScript and the command line.
//!
//! Its grammar stands in `docs/formats.md`, samples in `vectors/query-1.jsonl`. [`from_json`] refuses what it does not know and says
//! where; what it gives has passed [`Query::check`]. [`to_json`] gives the one form that says everything shortest.

use serde_json::{Map, Value as Json, json};

use crate::ids::{ObjectId, SpaceId};
use crate::limits::{QUERY_DEPTH_MAX, QUERY_LIST_MAX};
use crate::query::{
    Aggregate, Comparison, Deleted, Filter, Group, Nested, Order, OrderBy, PropertyPath, Query,
    QueryError, QueryPart, Scope, Select, TextMode, Traversal,
};
use crate::value::{Ref, Value};

/// Why JSON is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryJsonError {
    /// Something else was expected at a place.
    #[error("{part}: {expected} is expected here")]
    Expected {
        /// Where.
        part: QueryPart,
        /// What, in words.
        expected: &'static str,
    },
    /// A name nobody knows.
    #[error("{part}: \"{name}\" is not known")]
    Unknown {
        /// Where.
        part: QueryPart,
        /// The name, cut to 64 characters.
        name: String,
    },
    /// A query, but not a sound one.
    #[error(transparent)]
    Query(#[from] QueryError),
}

type Read<T> = Result<T, QueryJsonError>;

/// A place in the JSON, for errors.
#[derive(Clone, Copy)]
struct At<'a> {
    above: Option<&'a At<'a>>,
    name: &'a str,
    depth: usize,
}

impl<'a> At<'a> {
    fn below<'b>(&'b self, name: &'b str) -> At<'b>
    where
        'a: 'b,
    {
        At {
            above: Some(self),
            name,
            depth: self.depth + 1,
        }
    }

    fn part(&self) -> QueryPart {
        match self.above {
            Some(above) if !above.name.is_empty() => {
                QueryPart(format!("{}.{}", above.part(), self.name))
            }
            _ => QueryPart(self.name.to_owned()),
        }
    }

    fn expected<T>(&self, expected: &'static str) -> Read<T> {
        let part = self.part();
        Err(QueryJsonError::Expected { part, expected })
    }

    fn unknown<T>(&self, name: &str) -> Read<T> {
        let name = name.chars().take(64).collect();
        let part = self.part();
        Err(QueryJsonError::Unknown { part, name })
    }
}

/// An object of JSON whose members are taken one by one; what is left over is unknown.
struct Members<'j> {
    rest: Map<String, Json>,
    at: At<'j>,
}

impl<'j> Members<'j> {
    fn of(json: &Json, at: At<'j>) -> Read<Members<'j>> {
        match json {
            Json::Object(rest) => Ok(Members {
                rest: rest.clone(),
                at,
            }),
            _ => at.expected("an object"),
        }
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Json, At<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        match self.rest.remove(name) {
            Some(json) => read(&json, self.at.below(name)).map(Some),
            None => Ok(None),
        }
    }

    fn end(self) -> Read<()> {
        match self.rest.keys().next() {
            Some(name) => self.at.unknown(name),
            None => Ok(()),
        }
    }
}

/// Reads a query from JSON.
///
/// # Errors
/// Which part is not understood, or over a limit.
pub fn from_json(json: &Json) -> Result<Query, QueryJsonError> {
    let at = At {
        above: None,
        name: "",
        depth: 0,
    };
    let mut members = Members::of(json, at)?;
    let select = members.take("select", select)?;
    let select = match members.take("where", filter)? {
        Some(filter) if select.is_none() => Select::Where(filter),
        Some(_) => return at.unknown("where beside select"),
        None => select.unwrap_or_default(),
    };
    let query = Query {
        select,
        order: members
            .take("order", |json, at| list(json, at, order))?
            .unwrap_or_default(),
        skip: members.take("skip", number)?.unwrap_or(0),
        limit: members.take("limit", number)?.unwrap_or(0),
        deleted: members.take("deleted", deleted)?.unwrap_or_default(),
        scope: members.take("scope", scope)?.unwrap_or_default(),
        group: members.take("group", group)?,
    };
    members.end()?;
    query.check()?;
    Ok(query)
}

fn text(json: &Json, at: At<'_>) -> Read<String> {
    match json {
        Json::String(text) => Ok(text.clone()),
        _ => at.expected("a text"),
    }
}

fn flag(json: &Json, at: At<'_>) -> Read<bool> {
    json.as_bool()
        .map_or_else(|| at.expected("true or false"), Ok)
}

fn number(json: &Json, at: At<'_>) -> Read<u32> {
    match json.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => at.expected("a whole number"),
    }
}

fn path(json: &Json, at: At<'_>) -> Read<PropertyPath> {
    text(json, at).map(|text| PropertyPath::from(text.as_str()))
}

fn list<T>(json: &Json, at: At<'_>, read: impl Fn(&Json, At<'_>) -> Read<T>) -> Read<Vec<T>> {
    let Json::Array(items) = json else {
        return at.expected("a list");
    };
    if items.len() > QUERY_LIST_MAX {
        let (part, len, max) = (at.part(), items.len(), QUERY_LIST_MAX);
        return Err(QueryError::ListTooLong { part, len, max }.into());
    }
    let item = |(n, json): (usize, &Json)| read(json, at.below(&n.to_string()));
    items.iter().enumerate().map(item).collect()
}

fn object_id(json: &Json, at: At<'_>) -> Read<ObjectId> {
    let id = text(json, at)?.parse();
    id.or_else(|_| at.expected("an object id"))
}

fn space_id(json: &Json, at: At<'_>) -> Read<SpaceId> {
    let id = text(json, at)?.parse();
    id.or_else(|_| at.expected("a space id"))
}

fn deep(at: &At<'_>) -> Read<()> {
    // Every level of the tree takes two of JSON at most, a list and its item; the rest is refused by the check.
    if at.depth > 2 * QUERY_DEPTH_MAX + 2 {
        return Err(QueryError::TooDeep { part: at.part() }.into());
    }
    Ok(())
}

fn select(json: &Json, at: At<'_>) -> Read<Select> {
    deep(&at)?;
    let mut members = Members::of(json, at)?;
    let one = |json: &Json, at: At<'_>| select(json, at).map(Box::new);
    let found = if let Some(from) = members.take("within", one)? {
        let filter = members.take("where", filter)?;
        Select::Within(from, filter.unwrap_or(Filter::Everything))
    } else if let Some(from) = members.take("follow", one)? {
        match members.take("by", traversal)? {
            Some(by) => Select::Follow(from, by),
            None => return at.expected("by"),
        }
    } else if let Some(sets) = members.take("union", |json, at| list(json, at, select))? {
        Select::Union(sets)
    } else if let Some(from) = members.take("difference", one)? {
        match members.take("without", one)? {
            Some(without) => Select::Difference(from, without),
            None => return at.expected("without"),
        }
    } else if let Some(filter) = members.take("where", filter)? {
        Select::Where(filter)
    } else {
        return at.expected("where, within, follow, union or difference");
    };
    members.end()?;
    Ok(found)
}

const TRAVERSALS: [(&str, Traversal); 8] = [
    ("source", Traversal::Source),
    ("target", Traversal::Target),
    ("sourceOf", Traversal::SourceOf),
    ("targetOf", Traversal::TargetOf),
    ("parent", Traversal::Parent),
    ("children", Traversal::Children),
    ("ancestors", Traversal::Ancestors),
    ("descendants", Traversal::Descendants),
];

fn traversal(json: &Json, at: At<'_>) -> Read<Traversal> {
    if let Json::String(name) = json {
        return match &name[..] {
            "references" => Ok(Traversal::References(None)),
            "referredBy" => Ok(Traversal::ReferredBy(None)),
            _ => match TRAVERSALS.iter().find(|(known, _)| known == name) {
                Some((_, traversal)) => Ok(traversal.clone()),
                None => at.unknown(name),
            },
        };
    }
    let mut members = Members::of(json, at)?;
    let found = if let Some(path) = members.take("references", path)? {
        Traversal::References(Some(path))
    } else if let Some(path) = members.take("referredBy", path)? {
        Traversal::ReferredBy(Some(path))
    } else {
        return at.expected("references or referredBy");
    };
    members.end()?;
    Ok(found)
}

fn filter(json: &Json, at: At<'_>) -> Read<Filter> {
    deep(&at)?;
    if let Json::String(name) = json {
        return match &name[..] {
            "everything" => Ok(Filter::Everything),
            "nothing" => Ok(Filter::Nothing),
            _ => at.unknown(name),
        };
    }
    let mut members = Members::of(json, at)?;
    let several = |json: &Json, at: At<'_>| list(json, at, filter);
    let found = if let Some(filters) = members.take("and", several)? {
        Filter::And(filters)
    } else if let Some(filters) = members.take("or", several)? {
        Filter::Or(filters)
    } else if let Some(filter) = members.take("not", filter)? {
        Filter::Not(Box::new(filter))
    } else if let Some(filter) = members.take("type", type_filter)? {
        filter
    } else if let Some(ids) = members.take("ids", |json, at| list(json, at, object_id))? {
        Filter::Ids(ids)
    } else if let Some(words) = members.take("text", text)? {
        let mode = members.take("mode", mode)?.unwrap_or(TextMode::All);
        Filter::Text { words, mode }
    } else if let Some(tag) = members.take("tag", text)? {
        Filter::Tag(tag)
    } else if let Some(filter) = members.take("key", key_filter)? {
        filter
    } else if let Some(parent) = members.take("childOf", object_id)? {
        let transitive = members.take("transitive", flag)?.unwrap_or(false);
        Filter::ChildOf { parent, transitive }
    } else if let Some(path) = members.take("field", path)? {
        property_filter(path, &mut members)?
    } else {
        return at.expected("a condition");
    };
    members.end()?;
    Ok(found)
}

fn type_filter(json: &Json, at: At<'_>) -> Read<Filter> {
    let whole = text(json, at)?;
    let (name, versions) = match whole.split_once('@') {
        Some((name, range)) => match range.parse() {
            Ok(range) => (name.to_owned(), Some(range)),
            Err(_) => return at.expected("a type with a range of versions after @"),
        },
        None => (whole, None),
    };
    Ok(Filter::Type { name, versions })
}

fn key_filter(json: &Json, at: At<'_>) -> Read<Filter> {
    let mut members = Members::of(json, at)?;
    let source = members.take("source", text)?;
    let id = members.take("id", text)?;
    members.end()?;
    match source {
        Some(source) => Ok(Filter::Key { source, id }),
        None => at.expected("source"),
    }
}

fn mode(json: &Json, at: At<'_>) -> Read<TextMode> {
    match &text(json, at)?[..] {
        "all" => Ok(TextMode::All),
        "prefix" => Ok(TextMode::Prefix),
        "any" => Ok(TextMode::Any),
        _ => at.expected("all, prefix or any"),
    }
}

type OfValue = fn(Value) -> Comparison;

const COMPARISONS: [(&str, OfValue); 7] = [
    ("eq", Comparison::Eq),
    ("neq", Comparison::Neq),
    ("lt", Comparison::Lt),
    ("lte", Comparison::Lte),
    ("gt", Comparison::Gt),
    ("gte", Comparison::Gte),
    ("contains", Comparison::Contains),
];

fn property_filter(path: PropertyPath, members: &mut Members<'_>) -> Read<Filter> {
    for (name, of) in COMPARISONS {
        if let Some(with) = members.take(name, value)? {
            let is = of(with);
            return Ok(Filter::Property { path, is });
        }
    }
    let values = |json: &Json, at: At<'_>| list(json, at, value);
    let is = if let Some(values) = members.take("in", values)? {
        Comparison::In(values)
    } else if let Some(ends) = members.take("between", values)? {
        match <[Value; 2]>::try_from(ends) {
            Ok([from, to]) => Comparison::Between(from, to),
            Err(_) => return members.at.below("between").expected("two values"),
        }
    } else if let Some(true) = members.take("exists", flag)? {
        Comparison::Exists
    } else if let Some(set) = members.take("inQuery", select)? {
        let of = members.take("of", self::path)?;
        return Ok(Filter::In {
            path,
            select: Box::new(Nested(set)),
            of: of.unwrap_or_else(|| PropertyPath::from("@id")),
        });
    } else {
        return members.at.expected("a comparison");
    };
    Ok(Filter::Property { path, is })
}

fn order(json: &Json, at: At<'_>) -> Read<Order> {
    let key = |name: &str, descending| Order {
        by: match name {
            "@rank" => OrderBy::Rank,
            path => OrderBy::Property(PropertyPath::from(path)),
        },
        descending,
    };
    if let Json::String(name) = json {
        return Ok(match name.strip_prefix('-') {
            Some(name) => key(name, true),
            None => key(name, false),
        });
    }
    let mut members = Members::of(json, at)?;
    let by = members.take("by", text)?;
    let descending = members.take("descending", flag)?.unwrap_or(false);
    members.end()?;
    match by {
        Some(by) => Ok(key(&by, descending)),
        None => at.expected("by"),
    }
}

fn deleted(json: &Json, at: At<'_>) -> Read<Deleted> {
    match &text(json, at)?[..] {
        "exclude" => Ok(Deleted::Exclude),
        "include" => Ok(Deleted::Include),
        "only" => Ok(Deleted::Only),
        _ => at.expected("exclude, include or only"),
    }
}

fn scope(json: &Json, at: At<'_>) -> Read<Scope> {
    match json {
        Json::String(name) if name == "here" => Ok(Scope::Here),
        Json::String(name) if name == "all" => Ok(Scope::All),
        Json::Array(_) => list(json, at, space_id).map(Scope::Spaces),
        _ => at.expected("\"here\", \"all\" or a list of spaces"),
    }
}

fn group(json: &Json, at: At<'_>) -> Read<Group> {
    let mut members = Members::of(json, at)?;
    let by = members.take("by", path)?;
    let mut aggregates = Vec::new();
    for (name, of) in [
        ("min", Aggregate::Min as fn(PropertyPath) -> Aggregate),
        ("max", Aggregate::Max),
    ] {
        let paths = members.take(name, |json, at| list(json, at, path))?;
        aggregates.extend(paths.into_iter().flatten().map(of));
    }
    members.end()?;
    Ok(Group { by, aggregates })
}

/// Reads a value: JSON's own kinds, and objects with one member for the others, as in the JSON form of objects.
fn value(json: &Json, at: At<'_>) -> Read<Value> {
    deep(&at)?;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(_) => Value::List(list(json, at, value)?),
        Json::Object(members) => {
            let only = members.iter().next().filter(|_| members.len() == 1);
            match only.map(|(name, json)| (name.as_str(), json)) {
                Some(("@timestamp", ms)) => match ms.as_i64() {
                    Some(ms) => Value::Timestamp(ms),
                    None => return at.expected("milliseconds"),
                },
                Some(("@counter", number)) => match number.as_i64() {
                    Some(number) => Value::Counter(number),
                    None => return at.expected("a whole number"),
                },
                Some(("@text", id)) => match text(id, at)?.parse() {
                    Ok(id) => Value::Text(id),
                    Err(_) => return at.expected("a text id"),
                },
                Some(("@ref", text)) => reference(text, at)?,
                Some(("@bytes", Json::String(text))) => {
                    match data_encoding::BASE64.decode(text.as_bytes()) {
                        Ok(bytes) => Value::Bytes(bytes),
                        Err(_) => return at.expected("base64"),
                    }
                }
                _ => {
                    let below = |(name, json): (&String, &Json)| {
                        Ok((name.clone(), value(json, at.below(name))?))
                    };
                    Value::Map(members.iter().map(below).collect::<Read<_>>()?)
                }
            }
        }
    })
}

fn reference(json: &Json, at: At<'_>) -> Read<Value> {
    let whole = text(json, at)?;
    let (space, object) = match whole.split_once('/') {
        Some((space, object)) => (Some(space.parse()), object),
        None => (None, &whole[..]),
    };
    match (space.transpose(), object.parse()) {
        (Ok(space), Ok(object)) => Ok(Value::Ref(Ref { space, object })),
        _ => at.expected("an object id, or space id / object id"),
    }
}

/// The JSON form of a query.
pub fn to_json(query: &Query) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, json: Json| {
        out.insert(name.to_owned(), json);
    };
    match &query.select {
        Select::Where(Filter::Everything) => {}
        Select::Where(filter) => put("where", filter_json(filter)),
        other => put("select", select_json(other)),
    }
    if !query.order.is_empty() {
        put("order", query.order.iter().map(order_json).collect());
    }
    if query.skip > 0 {
        put("skip", json!(query.skip));
    }
    if query.limit > 0 {
        put("limit", json!(query.limit));
    }
    match query.deleted {
        Deleted::Exclude => {}
        Deleted::Include => put("deleted", json!("include")),
        Deleted::Only => put("deleted", json!("only")),
    }
    match &query.scope {
        Scope::Here => {}
        Scope::All => put("scope", json!("all")),
        Scope::Spaces(spaces) => {
            put(
                "scope",
                spaces.iter().map(|id| json!(id.to_string())).collect(),
            );
        }
    }
    if let Some(group) = &query.group {
        let mut json = Map::new();
        if let Some(by) = &group.by {
            json.insert("by".to_owned(), path_json(by));
        }
        for aggregate in &group.aggregates {
            let (name, path) = match aggregate {
                Aggregate::Min(path) => ("min", path),
                Aggregate::Max(path) => ("max", path),
            };
            let paths = json.entry(name).or_insert_with(|| json!([]));
            paths
                .as_array_mut()
                .into_iter()
                .for_each(|paths| paths.push(path_json(path)));
        }
        put("group", Json::Object(json));
    }
    Json::Object(out)
}

fn path_json(path: &PropertyPath) -> Json {
    json!(path.to_string())
}

fn order_json(order: &Order) -> Json {
    let by = match &order.by {
        OrderBy::Property(path) => path.to_string(),
        OrderBy::Rank => "@rank".to_owned(),
    };
    match order.descending {
        true => json!({ "by": by, "descending": true }),
        false => json!({ "by": by }),
    }
}

fn select_json(select: &Select) -> Json {
    match select {
        Select::Where(filter) => json!({ "where": filter_json(filter) }),
        Select::Within(from, filter) => {
            json!({ "within": select_json(from), "where": filter_json(filter) })
        }
        Select::Follow(from, by) => {
            json!({ "follow": select_json(from), "by": traversal_json(by) })
        }
        Select::Union(sets) => {
            json!({ "union": sets.iter().map(select_json).collect::<Json>() })
        }
        Select::Difference(from, without) => {
            json!({ "difference": select_json(from), "without": select_json(without) })
        }
    }
}

fn traversal_json(traversal: &Traversal) -> Json {
    match traversal {
        Traversal::References(None) => json!("references"),
        Traversal::ReferredBy(None) => json!("referredBy"),
        Traversal::References(Some(path)) => json!({ "references": path_json(path) }),
        Traversal::ReferredBy(Some(path)) => json!({ "referredBy": path_json(path) }),
        other => TRAVERSALS
            .iter()
            .find(|(_, known)| known == other)
            .map_or(Json::Null, |(name, _)| json!(name)),
    }
}

fn filter_json(filter: &Filter) -> Json {
    match filter {
        Filter::Everything => json!("everything"),
        Filter::Nothing => json!("nothing"),
        Filter::And(filters) => json!({ "and": filters.iter().map(filter_json).collect::<Json>() }),
        Filter::Or(filters) => json!({ "or": filters.iter().map(filter_json).collect::<Json>() }),
        Filter::Not(filter) => json!({ "not": filter_json(filter) }),
        Filter::Type { name, versions } => match versions {
            Some(versions) => json!({ "type": format!("{name}@{versions}") }),
            None => json!({ "type": name }),
        },
        Filter::Ids(ids) => {
            json!({ "ids": ids.iter().map(|id| json!(id.to_string())).collect::<Json>() })
        }
        Filter::Property { path, is } => comparison_json(path, is),
        Filter::Text { words, mode } => match mode {
            TextMode::All => json!({ "text": words }),
            TextMode::Prefix => json!({ "text": words, "mode": "prefix" }),
            TextMode::Any => json!({ "text": words, "mode": "any" }),
        },
        Filter::Tag(tag) => json!({ "tag": tag }),
        Filter::Key { source, id } => match id {
            Some(id) => json!({ "key": { "source": source, "id": id } }),
            None => json!({ "key": { "source": source } }),
        },
        Filter::ChildOf { parent, transitive } => match transitive {
            true => json!({ "childOf": parent.to_string(), "transitive": true }),
            false => json!({ "childOf": parent.to_string() }),
        },
        Filter::In { path, select, of } => json!({
            "field": path_json(path), "inQuery": select_json(&select.0), "of": path_json(of),
        }),
    }
}

fn comparison_json(path: &PropertyPath, is: &Comparison) -> Json {
    let (name, json) = match is {
        Comparison::Eq(value) => ("eq", value_json(value)),
        Comparison::Neq(value) => ("neq", value_json(value)),
        Comparison::Lt(value) => ("lt", value_json(value)),
        Comparison::Lte(value) => ("lte", value_json(value)),
        Comparison::Gt(value) => ("gt", value_json(value)),
        Comparison::Gte(value) => ("gte", value_json(value)),
        Comparison::Contains(value) => ("contains", value_json(value)),
        Comparison::Between(from, to) => ("between", json!([value_json(from), value_json(to)])),
        Comparison::In(values) => ("in", values.iter().map(value_json).collect()),
        Comparison::Exists => ("exists", json!(true)),
    };
    let mut out = Map::new();
    out.insert("field".to_owned(), path_json(path));
    out.insert(name.to_owned(), json);
    Json::Object(out)
}

/// The JSON form of a value in a query.
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        // What JSON cannot say is null, as in JavaScript.
        Value::Float(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Bytes(bytes) => json!({ "@bytes": data_encoding::BASE64.encode(bytes) }),
        Value::Timestamp(ms) => json!({ "@timestamp": ms }),
        Value::Ref(Ref { space, object }) => match space {
            Some(space) => json!({ "@ref": format!("{space}/{object}") }),
            None => json!({ "@ref": object.to_string() }),
        },
        Value::Counter(number) => json!({ "@counter": number }),
        Value::Text(id) => json!({ "@text": id.to_string() }),
        Value::List(values) => values.iter().map(value_json).collect(),
        Value::Map(values) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), value_json(value));
            Json::Object(values.iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests;
