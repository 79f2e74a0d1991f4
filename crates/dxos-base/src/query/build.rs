//! Writing queries in Rust.
//!
//! ```
//! use dxos_base::query::{Query, field, tag};
//!
//! let open = Query::of_type("org.example.Task")
//!     .filter(field("done").eq(false).and(!tag("later")))
//!     .order_by("title")
//!     .limit(50);
//! assert!(open.check().is_ok());
//! ```

use std::ops::Not;

use crate::ids::{ObjectId, SpaceId};
use crate::query::{
    Aggregate, Comparison, Deleted, Filter, Group, Nested, Order, OrderBy, PropertyPath, Query,
    Scope, Select, TextMode, Traversal, VersionRange,
};
use crate::value::{Ref, Value};

/// A property at a path (`"address/city"`), to be compared.
pub fn field(path: impl Into<PropertyPath>) -> Field {
    Field(path.into())
}

/// Objects of a type, in any version.
pub fn type_of(name: impl Into<String>) -> Filter {
    Filter::Type {
        name: name.into(),
        versions: None,
    }
}

/// Objects that bear a tag.
pub fn tag(tag: impl Into<String>) -> Filter {
    Filter::Tag(tag.into())
}

/// Objects with a key in another system.
pub fn key(source: impl Into<String>, id: impl Into<String>) -> Filter {
    Filter::Key {
        source: source.into(),
        id: Some(id.into()),
    }
}

/// Objects whose text has all of some words.
pub fn text(words: impl Into<String>) -> Filter {
    text_mode(words, TextMode::All)
}

/// Objects whose text has words; see [`TextMode`].
pub fn text_mode(words: impl Into<String>, mode: TextMode) -> Filter {
    Filter::Text {
        words: words.into(),
        mode,
    }
}

/// A property to be compared; see [`Comparison`].
#[derive(Debug, Clone)]
pub struct Field(PropertyPath);

impl Field {
    fn is(self, is: Comparison) -> Filter {
        Filter::Property { path: self.0, is }
    }

    /// Equal.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Eq(value.into()))
    }

    /// Not equal, or absent.
    pub fn neq(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Neq(value.into()))
    }

    /// Less.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Lt(value.into()))
    }

    /// Less or equal.
    pub fn lte(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Lte(value.into()))
    }

    /// Greater.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Gt(value.into()))
    }

    /// Greater or equal.
    pub fn gte(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Gte(value.into()))
    }

    /// From one to another, both included.
    pub fn between(self, from: impl Into<Value>, to: impl Into<Value>) -> Filter {
        self.is(Comparison::Between(from.into(), to.into()))
    }

    /// One of these.
    pub fn one_of<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.is(Comparison::In(values.into_iter().map(Into::into).collect()))
    }

    /// A string with this part, a list with this element, a set with this member.
    pub fn contains(self, value: impl Into<Value>) -> Filter {
        self.is(Comparison::Contains(value.into()))
    }

    /// Present.
    pub fn exists(self) -> Filter {
        self.is(Comparison::Exists)
    }

    /// A reference to an object of the same space.
    pub fn refers_to(self, object: ObjectId) -> Filter {
        let space = None;
        self.eq(Ref { space, object })
    }

    /// Its value is that of a property (`"@id"`: the object itself) of some object in a set.
    pub fn in_query(self, select: impl Into<Select>, of: impl Into<PropertyPath>) -> Filter {
        Filter::In {
            path: self.0,
            select: Box::new(Nested(select.into())),
            of: of.into(),
        }
    }
}

impl Filter {
    /// Both.
    pub fn and(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::Everything, one) | (one, Filter::Everything) => one,
            (Filter::And(mut all), Filter::And(more)) => {
                all.extend(more);
                Filter::And(all)
            }
            (Filter::And(mut all), one) => {
                all.push(one);
                Filter::And(all)
            }
            (one, other) => Filter::And(vec![one, other]),
        }
    }

    /// At least one.
    pub fn or(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::Or(mut all), one) => {
                all.push(one);
                Filter::Or(all)
            }
            (one, other) => Filter::Or(vec![one, other]),
        }
    }
}

impl Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

impl From<Filter> for Select {
    fn from(filter: Filter) -> Select {
        Select::Where(filter)
    }
}

impl From<Query> for Select {
    /// The set; order and window are left behind.
    fn from(query: Query) -> Select {
        query.select
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Query {
        Query {
            select: Select::Where(filter),
            ..Query::default()
        }
    }
}

impl Query {
    /// All objects.
    pub fn all() -> Query {
        Query::default()
    }

    /// Objects of a type, in any version.
    pub fn of_type(name: impl Into<String>) -> Query {
        type_of(name).into()
    }

    /// Objects of a type in some versions.
    pub fn of_type_version(name: impl Into<String>, versions: VersionRange) -> Query {
        let (name, versions) = (name.into(), Some(versions));
        Filter::Type { name, versions }.into()
    }

    /// Certain objects.
    pub fn of_ids(ids: impl IntoIterator<Item = ObjectId>) -> Query {
        Filter::Ids(ids.into_iter().collect()).into()
    }

    /// Objects whose text has words, the last of them perhaps not whole, best first.
    pub fn search(words: impl Into<String>) -> Query {
        Query::from(text_mode(words, TextMode::Prefix)).by_rank()
    }

    /// Only those that fulfil a condition, too.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Query {
        self.select = match self.select {
            Select::Where(held) => Select::Where(held.and(filter)),
            Select::Within(from, held) => Select::Within(from, held.and(filter)),
            other => Select::Within(Box::new(other), filter),
        };
        self
    }

    /// What the found objects lead to.
    #[must_use]
    pub fn follow(mut self, step: Traversal) -> Query {
        self.select = Select::Follow(Box::new(self.select), step);
        self
    }

    /// What the found objects refer to at a path.
    #[must_use]
    pub fn references(self, path: impl Into<PropertyPath>) -> Query {
        self.follow(Traversal::References(Some(path.into())))
    }

    /// What refers to the found objects at a path.
    #[must_use]
    pub fn referred_by(self, path: impl Into<PropertyPath>) -> Query {
        self.follow(Traversal::ReferredBy(Some(path.into())))
    }

    /// The found objects and others.
    #[must_use]
    pub fn union(mut self, other: impl Into<Select>) -> Query {
        self.select = match self.select {
            Select::Union(mut sets) => {
                sets.push(other.into());
                Select::Union(sets)
            }
            one => Select::Union(vec![one, other.into()]),
        };
        self
    }

    /// The found objects but those of another set.
    #[must_use]
    pub fn without(mut self, other: impl Into<Select>) -> Query {
        self.select = Select::Difference(Box::new(self.select), Box::new(other.into()));
        self
    }

    /// By a property, least first, after the keys named before.
    #[must_use]
    pub fn order_by(self, path: impl Into<PropertyPath>) -> Query {
        self.ordered(OrderBy::Property(path.into()), false)
    }

    /// By a property, greatest first, after the keys named before.
    #[must_use]
    pub fn order_by_descending(self, path: impl Into<PropertyPath>) -> Query {
        self.ordered(OrderBy::Property(path.into()), true)
    }

    /// By how well they fit the text search.
    #[must_use]
    pub fn by_rank(self) -> Query {
        self.ordered(OrderBy::Rank, false)
    }

    fn ordered(mut self, by: OrderBy, descending: bool) -> Query {
        self.order.push(Order { by, descending });
        self
    }

    /// At most so many rows; 0: as many as there may be.
    #[must_use]
    pub fn limit(mut self, rows: u32) -> Query {
        self.limit = rows;
        self
    }

    /// Without the first rows.
    #[must_use]
    pub fn skip(mut self, rows: u32) -> Query {
        self.skip = rows;
        self
    }

    /// Whether deleted objects are found.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Query {
        self.deleted = deleted;
        self
    }

    /// In these spaces.
    #[must_use]
    pub fn in_spaces(mut self, spaces: impl IntoIterator<Item = SpaceId>) -> Query {
        self.scope = Scope::Spaces(spaces.into_iter().collect());
        self
    }

    /// In all spaces.
    #[must_use]
    pub fn everywhere(mut self) -> Query {
        self.scope = Scope::All;
        self
    }

    /// Counts by a property's value.
    #[must_use]
    pub fn group_by(mut self, path: impl Into<PropertyPath>) -> Query {
        self.group = Some(Group {
            by: Some(path.into()),
            aggregates: Vec::new(),
        });
        self
    }

    /// Counts them all.
    #[must_use]
    pub fn count(mut self) -> Query {
        self.group = Some(Group {
            by: None,
            aggregates: Vec::new(),
        });
        self
    }

    /// Tells a figure of each group; after [`Query::group_by`] or [`Query::count`], which it implies.
    #[must_use]
    pub fn aggregate(mut self, aggregate: Aggregate) -> Query {
        let group = self.group.get_or_insert(Group {
            by: None,
            aggregates: Vec::new(),
        });
        group.aggregates.push(aggregate);
        self
    }

    /// Rows given at most.
    pub fn rows_max(&self) -> usize {
        let max = crate::limits::QUERY_ROWS_MAX;
        match self.limit {
            0 => max as usize,
            limit => limit.min(max) as usize,
        }
    }
}
