//! What a query means for one object: the one place where conditions are decided, for the node's executor, for live
//! queries, and for a client's own unacknowledged writes.
//!
//! Some conditions need other objects ([`Filter::In`], transitive children): [`Others`] answers for them. Where
//! nobody knows, the answer is `None`, which passes through and, or and not as "unknown" does.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::ids::ObjectId;
use crate::object::ObjectView;
use crate::query::{
    Comparison, Deleted, Filter, PropertyPath, Query, Select, TypeVersion, bare_type, compare,
    full_text, has_words,
};
use crate::value::{Ref, Value};

/// What conditions say that need other objects than the one at hand.
pub trait Others {
    /// Whether a condition holds; `None`: not known.
    fn holds(&self, filter: &Filter, view: &ObjectView) -> Option<bool>;
}

/// Knows of no other object.
pub struct Alone;

impl Others for Alone {
    fn holds(&self, _: &Filter, _: &ObjectView) -> Option<bool> {
        None
    }
}

/// Whether an object belongs to a query's rows, window aside; `None` where that takes other objects to know.
pub fn matches(query: &Query, view: &ObjectView) -> Option<bool> {
    both(Some(query.deleted.lets(view)), || {
        query.select.holds(view, &Alone)
    })
}

impl Deleted {
    /// Whether an object is found as far as its deletion goes.
    pub fn lets(self, view: &ObjectView) -> bool {
        match self {
            Deleted::Exclude => view.shown,
            Deleted::Include => true,
            Deleted::Only => !view.shown,
        }
    }
}

impl Select {
    /// Whether an object is in the set; `None` where that takes other objects to know.
    pub fn holds(&self, view: &ObjectView, others: &dyn Others) -> Option<bool> {
        match self {
            Select::Where(filter) => filter.holds(view, others),
            Select::Within(from, filter) => {
                both(filter.holds(view, others), || from.holds(view, others))
            }
            Select::Follow(..) => None,
            Select::Union(sets) => any(sets, |set| set.holds(view, others)),
            Select::Difference(from, without) => both(from.holds(view, others), || {
                without.holds(view, others).map(|held| !held)
            }),
        }
    }
}

impl Filter {
    /// Whether the condition holds; `None` where that takes other objects to know.
    pub fn holds(&self, view: &ObjectView, others: &dyn Others) -> Option<bool> {
        Some(match self {
            Filter::Everything => true,
            Filter::Nothing => false,
            Filter::And(filters) => {
                return any(filters, |filter| {
                    filter.holds(view, others).map(|held| !held)
                })
                .map(|failed| !failed);
            }
            Filter::Or(filters) => return any(filters, |filter| filter.holds(view, others)),
            Filter::Not(filter) => return filter.holds(view, others).map(|held| !held),
            Filter::Type { name, versions } => {
                bare_type(&view.type_name) == name
                    && versions.is_none_or(|range| {
                        TypeVersion::of_type(&view.type_name)
                            .is_some_and(|version| range.contains(version))
                    })
            }
            Filter::Ids(ids) => ids.contains(&view.object),
            Filter::Property { path, is } => is.holds(property(view, path).as_deref()),
            Filter::Text { words, mode } => has_words(&full_text(view), words, *mode),
            Filter::Tag(tag) => view.has_tag(tag),
            Filter::Key { source, id } => view.has_key(source, id.as_deref()),
            Filter::ChildOf { parent, transitive } => {
                let direct = parent_of(view) == Some(*parent);
                if *transitive && !direct {
                    return others.holds(self, view);
                }
                direct
            }
            Filter::In { .. } => return others.holds(self, view),
        })
    }
}

impl Comparison {
    /// Whether a value, or its absence, fulfils the comparison.
    pub fn holds(&self, held: Option<&Value>) -> bool {
        let order = |with: &Value| held.and_then(|held| compare(held, with));
        match self {
            Comparison::Eq(with) => order(with) == Some(Ordering::Equal),
            Comparison::Neq(with) => order(with) != Some(Ordering::Equal),
            Comparison::Lt(with) => order(with) == Some(Ordering::Less),
            Comparison::Lte(with) => order(with).is_some_and(Ordering::is_le),
            Comparison::Gt(with) => order(with) == Some(Ordering::Greater),
            Comparison::Gte(with) => order(with).is_some_and(Ordering::is_ge),
            Comparison::Between(from, to) => {
                order(from).is_some_and(Ordering::is_ge) && order(to).is_some_and(Ordering::is_le)
            }
            Comparison::In(values) => values
                .iter()
                .any(|with| order(with) == Some(Ordering::Equal)),
            Comparison::Contains(part) => held.is_some_and(|held| contains(held, part)),
            Comparison::Exists => held.is_some(),
        }
    }
}

fn contains(held: &Value, part: &Value) -> bool {
    match (held, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::List(values), part) => values
            .iter()
            .any(|held| compare(held, part) == Some(Ordering::Equal)),
        // A set: map of value → true.
        (Value::Map(values), Value::String(key)) => values.get(key) == Some(&Value::Bool(true)),
        _ => false,
    }
}

/// The value at a path, if there is one. A path leads through maps only, and begins under a former name of its first
/// step where the object has nothing under the present one.
pub fn property<'v>(view: &'v ObjectView, path: &PropertyPath) -> Option<Cow<'v, Value>> {
    let (first, below) = path.steps.split_first()?;
    if let Some(fact) = first.strip_prefix('@') {
        if below.is_empty() {
            return view.fact(fact);
        }
        return None;
    }
    let former = || {
        let type_name = bare_type(&view.type_name);
        let mut names = path.former.iter().filter(|f| f.type_name == type_name);
        names.find_map(|former| view.values.get(&former.name))
    };
    let mut value = view.values.get(first).or_else(former)?;
    for step in below {
        let Value::Map(values) = value else {
            return None;
        };
        value = values.get(step)?;
    }
    Some(Cow::Borrowed(value))
}

impl ObjectView {
    /// A fact of the object that a path may name, without its `@`.
    fn fact(&self, name: &str) -> Option<Cow<'_, Value>> {
        let time = |ms: u64| Value::Timestamp(i64::try_from(ms).unwrap_or(i64::MAX));
        let value = match name {
            "id" => Value::Ref(Ref {
                space: None,
                object: self.object,
            }),
            "type" => Value::String(self.type_name.clone()),
            "created" => time(self.created_ms),
            "updated" => time(self.updated_ms),
            "parent" | "source" | "target" => return self.reference_fact(name),
            _ => return None,
        };
        Some(Cow::Owned(value))
    }
}

fn both(first: Option<bool>, second: impl FnOnce() -> Option<bool>) -> Option<bool> {
    match first {
        Some(false) => Some(false),
        Some(true) => second(),
        None => second().filter(|held| !held),
    }
}

fn any<T>(items: &[T], mut holds: impl FnMut(&T) -> Option<bool>) -> Option<bool> {
    let mut answer = Some(false);
    for item in items {
        match holds(item) {
            Some(true) => return Some(true),
            None => answer = None,
            Some(false) => {}
        }
    }
    answer
}

/// Facts kept beside the properties.
impl ObjectView {
    fn has_tag(&self, tag: &str) -> bool {
        self.meta.tags.contains(tag)
    }

    fn has_key(&self, source: &str, id: Option<&str>) -> bool {
        let mut keys = self.meta.keys.iter();
        keys.any(|key| key.source == source && id.is_none_or(|id| key.id == id))
    }

    fn reference_fact(&self, name: &str) -> Option<Cow<'_, Value>> {
        let reference = match name {
            "parent" => self.meta.parent,
            "source" => self.meta.source,
            _ => self.meta.target,
        };
        reference.map(|reference| Cow::Owned(Value::Ref(reference)))
    }
}

/// The parent of an object, if it is of the same space.
pub fn parent_of(view: &ObjectView) -> Option<ObjectId> {
    match view.meta.parent {
        Some(Ref {
            space: None,
            object,
        }) => Some(object),
        _ => None,
    }
}
