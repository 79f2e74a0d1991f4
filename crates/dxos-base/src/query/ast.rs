//! The tree of a query.
//!
//! Its encoding is that of [`crate::codec`]: the order of variants and fields is part of the protocol; new variants
//! go to the end. Reading refuses trees deeper than [`DEPTH_MAX`](crate::limits::QUERY_DEPTH_MAX) before it builds
//! them; everything else is bounded by [`Query::check`], which whoever takes a query from outside calls first.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{ObjectId, SpaceId};
use crate::limits;
use crate::query::{FormerName, VersionRange};
use crate::value::Value;

/// Objects wanted, in an order and a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Query {
    /// Which objects.
    pub select: Select,
    /// By what they are ordered, the most important first; none: by id, which is the order of making.
    pub order: Vec<Order>,
    /// Rows passed over.
    pub skip: u32,
    /// Rows at most; 0 = [`limits::QUERY_ROWS_MAX`], which holds in any case.
    pub limit: u32,
    /// Whether deleted objects are found.
    pub deleted: Deleted,
    /// In which spaces.
    pub scope: Scope,
    /// Count them by a property instead of giving them.
    pub group: Option<Group>,
}

/// A set of objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Select {
    /// All objects of the scope that fulfil a filter.
    Where(Filter),
    /// Those of a set that fulfil a filter.
    Within(#[serde(deserialize_with = "nested")] Box<Select>, Filter),
    /// What the objects of a set lead to.
    Follow(#[serde(deserialize_with = "nested")] Box<Select>, Traversal),
    /// What is in any of the sets.
    Union(#[serde(deserialize_with = "nested")] Vec<Select>),
    /// What is in the first and not in the second set.
    Difference(
        #[serde(deserialize_with = "nested")] Box<Select>,
        #[serde(deserialize_with = "nested")] Box<Select>,
    ),
}

impl Default for Select {
    fn default() -> Self {
        Select::Where(Filter::Everything)
    }
}

/// One step from objects to others. References that lead out of the scope, or to nothing, lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traversal {
    /// What they refer to, at a path (a reference, or a list with references) or anywhere (`None`).
    References(Option<PropertyPath>),
    /// What refers to them, at a path or anywhere.
    ReferredBy(Option<PropertyPath>),
    /// From relations: their source.
    Source,
    /// From relations: their target.
    Target,
    /// Relations they are the source of.
    SourceOf,
    /// Relations they are the target of.
    TargetOf,
    /// Their parent.
    Parent,
    /// Their children.
    Children,
    /// Their parent, its parent, and so on.
    Ancestors,
    /// Their children, and theirs, and so on.
    Descendants,
}

/// A condition on one object. Two-valued: what is absent, or of another kind than it is compared with, fulfils no
/// comparison but [`Comparison::Neq`]; [`Filter::Not`] is the exact opposite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Filter {
    /// Always.
    Everything,
    /// Never.
    Nothing,
    /// All of these (none: always).
    And(#[serde(deserialize_with = "nested")] Vec<Filter>),
    /// Any of these (none: never).
    Or(#[serde(deserialize_with = "nested")] Vec<Filter>),
    /// Not this.
    Not(#[serde(deserialize_with = "nested")] Box<Filter>),
    /// Of a type, by its name without version, in any version or in some. The empty name: untyped.
    Type {
        /// Such as `org.example.Task`.
        name: String,
        /// Which versions; `None`: all, also without one.
        versions: Option<VersionRange>,
    },
    /// One of these objects.
    Ids(Vec<ObjectId>),
    /// A property compares so.
    Property {
        /// Where.
        path: PropertyPath,
        /// How, and with what.
        is: Comparison,
    },
    /// The strings of the object have these words. Makes [`OrderBy::Rank`] possible.
    Text {
        /// Words as typed; everything but letters and digits parts them.
        words: String,
        /// Which of them are needed.
        mode: TextMode,
    },
    /// Bears a tag.
    Tag(String),
    /// Has a key in another system.
    Key {
        /// The system.
        source: String,
        /// The key; `None`: any.
        id: Option<String>,
    },
    /// Child of an object.
    ChildOf {
        /// The object.
        parent: ObjectId,
        /// Children of children too: below children that are shown.
        transitive: bool,
    },
    /// The property's value is among those of other objects (semi-join).
    In {
        /// Property of the object at hand; `@id` for itself.
        path: PropertyPath,
        /// The other objects, of the same scope, deleted ones never.
        select: Box<Nested>,
        /// Their property; `@id` for themselves.
        of: PropertyPath,
    },
}

/// A set of objects within a filter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nested(#[serde(deserialize_with = "nested")] pub Select);

/// Names from the top of an object. First names with `@` are facts of the object: `@id`, `@type`, `@created`,
/// `@updated`, `@parent`, `@source`, `@target`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PropertyPath {
    /// The names.
    pub steps: Vec<String>,
    /// Names to look under, in this order, where an object has nothing under the first step. Not written down with a
    /// query: see [`Query::add_former_names`].
    pub former: Vec<FormerName>,
}

impl PropertyPath {
    /// Of one or several names.
    pub fn new(steps: Vec<String>) -> PropertyPath {
        PropertyPath {
            steps,
            former: Vec::new(),
        }
    }

    /// Whether what it gives may depend on the property of this name at the top of an object.
    pub fn reads(&self, name: &str) -> bool {
        let former = self.former.iter().map(|former| &former.name);
        self.steps
            .first()
            .into_iter()
            .chain(former)
            .any(|first| first == name)
    }

    /// The only step, if there is but one.
    pub fn single(&self) -> Option<&str> {
        match &self.steps[..] {
            [name] => Some(name),
            _ => None,
        }
    }
}

impl From<&str> for PropertyPath {
    /// Names parted by `/`; `%2F` is a slash in a name, `%25` a percent sign.
    fn from(text: &str) -> PropertyPath {
        let name = |step: &str| step.replace("%2F", "/").replace("%25", "%");
        PropertyPath::new(text.split('/').map(name).collect())
    }
}

impl std::fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, name) in self.steps.iter().enumerate() {
            let parted = if place > 0 { "/" } else { "" };
            write!(
                f,
                "{parted}{}",
                name.replace('%', "%25").replace('/', "%2F")
            )?;
        }
        Ok(())
    }
}

/// How a property compares. Integers and floats are one kind, compared by their exact value; any other two kinds
/// are neither equal nor ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Comparison {
    /// Equal.
    Eq(Value),
    /// Not equal, or absent.
    Neq(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Lte(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Gte(Value),
    /// From the first to the second, both included.
    Between(Value, Value),
    /// Equal to one of them.
    In(Vec<Value>),
    /// A string with this part, a list with this element, a set with this member.
    Contains(Value),
    /// Present, also when null.
    Exists,
}

/// Which words of a text search are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextMode {
    /// All.
    All,
    /// All; the last one may be the beginning of a word (search as one types).
    Prefix,
    /// At least one.
    Any,
}

/// One key of an order. Objects without a value there stand last in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// Greatest first.
    pub descending: bool,
}

/// By what objects are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderBy {
    /// A property, or one of the facts a [`PropertyPath`] may name.
    Property(PropertyPath),
    /// How well they fit the text search, best first. The only key; needs a [`Filter::Text`] that must hold.
    Rank,
}

/// Whether deleted objects are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Deleted {
    /// No.
    #[default]
    Exclude,
    /// Like others.
    Include,
    /// Nothing else.
    Only,
}

/// In which spaces to look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scope {
    /// The space the query is asked in (for a stored query: where it is stored).
    #[default]
    Here,
    /// These.
    Spaces(Vec<SpaceId>),
    /// All of the profile.
    All,
}

impl Scope {
    /// Whether a query asked in `here` looks at a space.
    pub fn includes(&self, here: SpaceId, space: SpaceId) -> bool {
        match self {
            Scope::Here => here == space,
            Scope::Spaces(spaces) => spaces.contains(&space),
            Scope::All => true,
        }
    }
}

/// Counts objects by the value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Objects with an equal value here make a group; without one they make one too. `None`: one group of all.
    pub by: Option<PropertyPath>,
    /// What is told of each group beside its count.
    pub aggregates: Vec<Aggregate>,
}

/// A figure of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    /// The least value of a property; absent ones aside.
    Min(PropertyPath),
    /// The greatest.
    Max(PropertyPath),
}

thread_local! {
    /// Levels of the tree being read on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

struct Level;

impl Level {
    fn enter() -> Option<Level> {
        // Made before the test: dropping it takes the count back.
        let level = DEPTH.with(|depth| {
            depth.set(depth.get() + 1);
            (Level, depth.get())
        });
        (level.1 <= limits::QUERY_DEPTH_MAX).then_some(level.0)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Reads one level deeper: bytes from outside must not choose how much stack is used.
fn nested<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let Some(_level) = Level::enter() else {
        return Err(serde::de::Error::custom("the query is too deep"));
    };
    T::deserialize(deserializer)
}
