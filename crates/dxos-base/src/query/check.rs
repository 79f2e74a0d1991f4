//! Bounds of a query, and what makes no sense in one.

use std::fmt;

use crate::limits::*;
use crate::query::{
    Aggregate, Comparison, Filter, Nested, OrderBy, PropertyPath, Query, Scope, Select, Traversal,
    index_value,
};
use crate::value::Value;

/// A part of a query, such as `select.filter.and[2].value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPart(pub String);

impl fmt::Display for QueryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// More nodes than allowed.
    #[error("a query may have {QUERY_NODES_MAX} parts at most")]
    TooLarge,
    /// Longer than allowed, all parts together.
    #[error("the query is {len} bytes long, {max} are allowed")]
    TooManyBytes {
        /// Bytes of its encoding.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Deeper than allowed.
    #[error("{part}: a query may be {QUERY_DEPTH_MAX} levels deep at most")]
    TooDeep {
        /// Where.
        part: QueryPart,
    },
    /// A list with too many items.
    #[error("{part}: {len} items, {max} are allowed")]
    ListTooLong {
        /// Which.
        part: QueryPart,
        /// Items found.
        len: usize,
        /// Items allowed.
        max: usize,
    },
    /// A name or value that is too long.
    #[error("{part}: {len} bytes, {max} are allowed")]
    TooLong {
        /// Which.
        part: QueryPart,
        /// Bytes found.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A path without steps, with too many, or with an empty one.
    #[error("{part}: a path has 1 to {PATH_STEPS_MAX} names, none of them empty")]
    BadPath {
        /// Which.
        part: QueryPart,
    },
    /// A fact nobody knows.
    #[error("{part}: there is no {name}")]
    UnknownFact {
        /// Which.
        part: QueryPart,
        /// The name, with its `@`.
        name: String,
    },
    /// Lists, maps and references have no order.
    #[error("{part}: this value has no order")]
    NoOrder {
        /// Which.
        part: QueryPart,
    },
    /// A number out of range.
    #[error("{part}: {value} is more than {max}")]
    TooMany {
        /// Which.
        part: QueryPart,
        /// The number.
        value: u32,
        /// The greatest allowed.
        max: u32,
    },
    /// Rank needs a text search that every row fulfils, and stands alone.
    #[error("{part}: rank needs a text search that must hold, and is the only key of an order")]
    BadRank {
        /// Which.
        part: QueryPart,
    },
}

/// Longest name of a type, tag, source or path step, and longest search, in bytes.
const NAME_BYTES: usize = 1024;
/// Keys of an order.
const ORDER_KEYS_MAX: usize = 8;
/// Figures of a group.
const AGGREGATES_MAX: usize = 16;
/// Spaces of a scope.
const SPACES_MAX: usize = 256;
/// Names a path may begin with.
const FACTS: [&str; 7] = [
    "@id", "@type", "@created", "@updated", "@parent", "@source", "@target",
];

struct Check {
    nodes: usize,
    part: Vec<String>,
}

type Checked = Result<(), QueryError>;

impl Query {
    /// Refuses what is over a limit or makes no sense, and says which part it is.
    pub fn check(&self) -> Checked {
        let mut check = Check {
            nodes: 0,
            part: Vec::new(),
        };
        check.at("select", |check| check.select(&self.select, 1))?;
        check.at("order", |check| {
            check.list(self.order.len(), ORDER_KEYS_MAX)?;
            for (n, key) in self.order.iter().enumerate() {
                check.at(n, |check| match &key.by {
                    OrderBy::Property(path) => check.path(path),
                    OrderBy::Rank if self.order.len() > 1 || self.text().is_none() => {
                        Err(QueryError::BadRank { part: check.part() })
                    }
                    OrderBy::Rank => Ok(()),
                })?;
            }
            Ok(())
        })?;
        check.number("limit", self.limit, QUERY_ROWS_MAX)?;
        check.number("skip", self.skip, QUERY_SKIP_MAX)?;
        if let Scope::Spaces(spaces) = &self.scope {
            check.at("scope", |check| check.list(spaces.len(), SPACES_MAX))?;
        }
        if let Some(group) = &self.group {
            check.at("group", |check| {
                group.by.iter().try_for_each(|path| check.path(path))?;
                check.list(group.aggregates.len(), AGGREGATES_MAX)?;
                group.aggregates.iter().try_for_each(|aggregate| {
                    let (Aggregate::Min(path) | Aggregate::Max(path)) = aggregate;
                    check.path(path)
                })
            })?;
        }
        // Each part may be within its limit and all of them far over it.
        let (len, max) = (crate::codec::encoded_len(self), QUERY_BYTES_MAX);
        if len > max {
            return Err(QueryError::TooManyBytes { len, max });
        }
        Ok(())
    }

    /// The text search every row fulfils, if there is one: the first one that must hold.
    pub fn text(&self) -> Option<&Filter> {
        fn of_filter(filter: &Filter) -> Option<&Filter> {
            match filter {
                Filter::Text { .. } => Some(filter),
                Filter::And(filters) => filters.iter().find_map(of_filter),
                _ => None,
            }
        }
        match &self.select {
            Select::Where(filter) => of_filter(filter),
            _ => None,
        }
    }

    /// Whether the order is by rank.
    pub fn ranked(&self) -> bool {
        matches!(self.order.first().map(|key| &key.by), Some(OrderBy::Rank))
    }
}

impl Check {
    fn at(&mut self, part: impl ToString, check: impl FnOnce(&mut Self) -> Checked) -> Checked {
        self.part.push(part.to_string());
        let result = check(self);
        self.part.pop();
        result
    }

    fn part(&self) -> QueryPart {
        QueryPart(self.part.join("."))
    }

    fn node(&mut self, depth: usize) -> Checked {
        self.nodes += 1;
        if self.nodes > QUERY_NODES_MAX {
            return Err(QueryError::TooLarge);
        }
        if depth > QUERY_DEPTH_MAX {
            return Err(QueryError::TooDeep { part: self.part() });
        }
        Ok(())
    }

    fn list(&self, len: usize, max: usize) -> Checked {
        if len > max {
            let part = self.part();
            return Err(QueryError::ListTooLong { part, len, max });
        }
        Ok(())
    }

    fn name(&self, name: &str) -> Checked {
        let (len, max) = (name.len(), NAME_BYTES);
        if len > max {
            let part = self.part();
            return Err(QueryError::TooLong { part, len, max });
        }
        Ok(())
    }

    fn number(&self, part: &str, value: u32, max: u32) -> Checked {
        if value > max {
            let part = QueryPart(part.to_owned());
            return Err(QueryError::TooMany { part, value, max });
        }
        Ok(())
    }

    fn path(&self, path: &PropertyPath) -> Checked {
        let steps = &path.steps;
        if steps.is_empty() || steps.len() > PATH_STEPS_MAX || steps.iter().any(String::is_empty) {
            return Err(QueryError::BadPath { part: self.part() });
        }
        steps.iter().try_for_each(|step| self.name(step))?;
        self.list(path.former.len(), FORMER_NAMES_MAX)?;
        let former = path.former.iter().flat_map(|f| [&f.type_name, &f.name]);
        former.into_iter().try_for_each(|name| self.name(name))?;
        if steps[0].starts_with('@') && (steps.len() > 1 || !FACTS.contains(&steps[0].as_str())) {
            let (part, name) = (self.part(), path.to_string());
            return Err(QueryError::UnknownFact { part, name });
        }
        Ok(())
    }

    fn select(&mut self, select: &Select, depth: usize) -> Checked {
        self.node(depth)?;
        match select {
            Select::Where(filter) => self.at("where", |c| c.filter(filter, depth)),
            Select::Within(from, filter) => {
                self.at("within", |c| c.select(from, depth + 1))?;
                self.at("where", |c| c.filter(filter, depth))
            }
            Select::Follow(from, step) => {
                self.at("follow", |c| c.select(from, depth + 1))?;
                match step {
                    Traversal::References(Some(path)) | Traversal::ReferredBy(Some(path)) => {
                        self.at("step", |c| c.path(path))
                    }
                    _ => Ok(()),
                }
            }
            Select::Union(sets) => self.at("union", |c| {
                (sets.iter().enumerate())
                    .try_for_each(|(n, set)| c.at(n, |c| c.select(set, depth + 1)))
            }),
            Select::Difference(from, without) => {
                self.at("difference", |c| c.select(from, depth + 1))?;
                self.at("without", |c| c.select(without, depth + 1))
            }
        }
    }

    fn filter(&mut self, filter: &Filter, depth: usize) -> Checked {
        self.node(depth)?;
        match filter {
            Filter::Everything | Filter::Nothing | Filter::ChildOf { .. } => Ok(()),
            Filter::And(filters) | Filter::Or(filters) => {
                let name = if matches!(filter, Filter::And(_)) {
                    "and"
                } else {
                    "or"
                };
                self.at(name, |c| {
                    (filters.iter().enumerate())
                        .try_for_each(|(n, filter)| c.at(n, |c| c.filter(filter, depth + 1)))
                })
            }
            Filter::Not(filter) => self.at("not", |c| c.filter(filter, depth + 1)),
            Filter::Type { name, .. } => self.at("type", |c| c.name(name)),
            Filter::Ids(ids) => self.at("ids", |c| c.list(ids.len(), QUERY_LIST_MAX)),
            Filter::Property { path, is } => {
                self.at("field", |c| c.path(path))?;
                self.at("value", |c| c.comparison(is))
            }
            Filter::Text { words, .. } => self.at("text", |c| c.name(words)),
            Filter::Tag(tag) => self.at("tag", |c| c.name(tag)),
            Filter::Key { source, id } => self.at("key", |c| {
                c.name(source)?;
                id.iter().try_for_each(|id| c.name(id))
            }),
            Filter::In { path, select, of } => {
                self.at("field", |c| c.path(path))?;
                self.at("of", |c| c.path(of))?;
                let Nested(select) = &**select;
                self.at("in", |c| c.select(select, depth + 1))
            }
        }
    }

    fn comparison(&self, is: &Comparison) -> Checked {
        let ordered = |value: &Value| {
            if matches!(value, Value::Ref(_)) || index_value(value).is_none() {
                return Err(QueryError::NoOrder { part: self.part() });
            }
            self.value(value)
        };
        match is {
            Comparison::Eq(value) | Comparison::Neq(value) | Comparison::Contains(value) => {
                self.value(value)
            }
            Comparison::Lt(value)
            | Comparison::Lte(value)
            | Comparison::Gt(value)
            | Comparison::Gte(value) => ordered(value),
            Comparison::Between(from, to) => ordered(from).and(ordered(to)),
            Comparison::In(values) => {
                self.list(values.len(), QUERY_LIST_MAX)?;
                values.iter().try_for_each(|value| self.value(value))
            }
            Comparison::Exists => Ok(()),
        }
    }

    fn value(&self, value: &Value) -> Checked {
        let len = match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(_) | Value::Map(_) => crate::encode(value).len(),
            _ => 0,
        };
        let max = QUERY_BYTES_MAX / 4;
        if len > max {
            let part = self.part();
            return Err(QueryError::TooLong { part, len, max });
        }
        Ok(())
    }
}
