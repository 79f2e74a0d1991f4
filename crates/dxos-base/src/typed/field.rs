//! Typed queries: fields that know their type of object and of value, and what is asked of them.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Not;

use super::{Member, Object, Property};
use crate::query::{self, Deleted, Filter, PropertyPath, Query, TextMode, VersionRange};
use crate::value::Value;

/// A property of objects of type `O` that takes values of `T`; a constant of the derived type.
pub struct Field<O, T> {
    name: &'static str,
    of: PhantomData<fn() -> (O, T)>,
}

impl<O, T> Clone for Field<O, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<O, T> Copy for Field<O, T> {}

impl<O, T> fmt::Debug for Field<O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.name)
    }
}

impl<O, T> Field<O, T> {
    /// Of a stored name.
    pub const fn new(name: &'static str) -> Self {
        Field {
            name,
            of: PhantomData,
        }
    }

    /// The property's stored name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its path in queries.
    pub fn path(&self) -> PropertyPath {
        PropertyPath::new(vec![self.name.to_owned()])
    }
}

/// A value as it is compared. What has none is compared as null.
fn compared<T: Property>(value: impl Into<T::Plain>) -> Value {
    value.into().to_value().unwrap_or(Value::Null)
}

impl<O: Object, T: Property> Field<O, T> {
    fn is(self, filter: impl FnOnce(query::Field) -> Filter) -> TypedQuery<O> {
        TypedQuery::of(filter(query::field(self.path())))
    }

    /// Equal.
    pub fn eq(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.eq(compared::<T>(value)))
    }

    /// Not equal, or absent.
    pub fn neq(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.neq(compared::<T>(value)))
    }

    /// Less.
    pub fn lt(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.lt(compared::<T>(value)))
    }

    /// Less or equal.
    pub fn lte(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.lte(compared::<T>(value)))
    }

    /// Greater.
    pub fn gt(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.gt(compared::<T>(value)))
    }

    /// Greater or equal.
    pub fn gte(self, value: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.gte(compared::<T>(value)))
    }

    /// From one to another, both included.
    pub fn between(self, from: impl Into<T::Plain>, to: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.between(compared::<T>(from), compared::<T>(to)))
    }

    /// One of these.
    pub fn one_of<V: Into<T::Plain>>(self, values: impl IntoIterator<Item = V>) -> TypedQuery<O> {
        let values: Vec<Value> = values.into_iter().map(compared::<T>).collect();
        self.is(|field| field.one_of(values))
    }

    /// Present.
    pub fn exists(self) -> TypedQuery<O> {
        self.is(query::Field::exists)
    }

    /// Absent.
    pub fn is_absent(self) -> TypedQuery<O> {
        !self.exists()
    }
}

impl<O: Object, T: Property> Field<O, Vec<T>> {
    /// A list with this element.
    pub fn contains(self, element: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.contains(compared::<T>(element)))
    }
}

impl<O: Object, T: Member> Field<O, BTreeSet<T>> {
    /// A set with this member.
    pub fn contains(self, member: impl Into<T::Plain>) -> TypedQuery<O> {
        self.is(|field| field.contains(compared::<T>(member)))
    }
}

impl<O: Object> Field<O, String> {
    /// A string with this part.
    pub fn contains(self, part: impl Into<String>) -> TypedQuery<O> {
        self.is(|field| field.contains(part.into()))
    }
}

impl<O: Object> Field<O, Option<String>> {
    /// A string with this part.
    pub fn contains(self, part: impl Into<String>) -> TypedQuery<O> {
        self.is(|field| field.contains(part.into()))
    }
}

/// A query for objects of type `O`.
pub struct TypedQuery<O> {
    filter: Filter,
    versions: Option<VersionRange>,
    /// Order and window; its selection is unused.
    window: Query,
    of: PhantomData<fn() -> O>,
}

impl<O> Clone for TypedQuery<O> {
    fn clone(&self) -> Self {
        TypedQuery {
            filter: self.filter.clone(),
            versions: self.versions,
            window: self.window.clone(),
            of: PhantomData,
        }
    }
}

impl<O> fmt::Debug for TypedQuery<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedQuery")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl<O: Object> TypedQuery<O> {
    fn of(filter: Filter) -> Self {
        TypedQuery {
            filter,
            versions: None,
            window: Query::default(),
            of: PhantomData,
        }
    }

    /// All objects of the type.
    pub fn all() -> Self {
        Self::of(Filter::Everything)
    }

    /// Only of some versions of the type; else of any.
    #[must_use]
    pub fn versions(mut self, versions: VersionRange) -> Self {
        self.versions = Some(versions);
        self
    }

    /// Those that fulfil the other's condition too; the other's order and window are left behind.
    #[must_use]
    pub fn and(mut self, other: TypedQuery<O>) -> Self {
        self.filter = self.filter.and(other.filter);
        self
    }

    /// Those that fulfil this or the other's condition; the other's order and window are left behind.
    #[must_use]
    pub fn or(mut self, other: TypedQuery<O>) -> Self {
        self.filter = self.filter.or(other.filter);
        self
    }

    /// Those that fulfil any filter too: tags, foreign keys, times, parents.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Those whose text has words, the last of them perhaps not whole.
    #[must_use]
    pub fn search(self, words: impl Into<String>) -> Self {
        self.filter(query::text_mode(words, TextMode::Prefix))
    }

    /// By a property, least first, after those named before.
    #[must_use]
    pub fn order_by<T>(mut self, field: Field<O, T>) -> Self {
        self.window = self.window.order_by(field.path());
        self
    }

    /// By a property, greatest first, after those named before.
    #[must_use]
    pub fn order_by_descending<T>(mut self, field: Field<O, T>) -> Self {
        self.window = self.window.order_by_descending(field.path());
        self
    }

    /// Those made last first, after orders named before.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.window = self.window.order_by_descending("@created");
        self
    }

    /// At most so many rows; 0: as many as there may be.
    #[must_use]
    pub fn limit(mut self, rows: u32) -> Self {
        self.window = self.window.limit(rows);
        self
    }

    /// Without the first rows.
    #[must_use]
    pub fn skip(mut self, rows: u32) -> Self {
        self.window = self.window.skip(rows);
        self
    }

    /// Whether deleted objects are found.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.window = self.window.deleted(deleted);
        self
    }

    /// The query without its Rust type.
    pub fn into_query(self) -> Query {
        let name = O::TYPE.to_owned();
        let versions = self.versions;
        Query {
            select: Filter::Type { name, versions }.and(self.filter).into(),
            ..self.window
        }
    }
}

impl<O: Object> Not for TypedQuery<O> {
    type Output = Self;

    /// Objects of the type that do not fulfil the condition.
    fn not(mut self) -> Self {
        self.filter = !self.filter;
        self
    }
}

impl<O: Object> From<TypedQuery<O>> for Query {
    fn from(query: TypedQuery<O>) -> Query {
        query.into_query()
    }
}
