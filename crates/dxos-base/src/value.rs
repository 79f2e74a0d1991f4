//! Values of properties: the JSON-like leaves and trees an object is made of (DESIGN 4.2).
//!
//! Invariants
//! * floats hold one NaN and no negative zero, so equal values have equal encodings;
//! * maps are sorted by key without repeats;
//! * a value read from bytes nests at most [`limits::VALUE_DEPTH_MAX`] deep (`decode.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{ObjectId, SpaceId, TextId};
use crate::limits;

mod decode;

/// A reference to an object; `space` is `None` within the same space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ref {
    /// The other space, for a reference across spaces.
    pub space: Option<SpaceId>,
    /// The object referred to.
    pub object: ObjectId,
}

impl Ref {
    /// A reference to an object of the same space.
    pub const fn local(object: ObjectId) -> Ref {
        Ref {
            space: None,
            object,
        }
    }
}

/// A property's value. Containers are spread over registers when written; scalars are kept whole.
/// Reading is by hand, in `decode.rs`: a new variant goes there too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Value {
    /// Present and empty.
    Null,
    /// True or false.
    Bool(bool),
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float; made by [`Value::float`].
    Float(f64),
    /// Unicode text, kept as given (never normalised), replaced whole.
    String(String),
    /// Bytes, replaced whole.
    Bytes(Vec<u8>),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// Reference to an object.
    Ref(Ref),
    /// Ordered values.
    List(Vec<Value>),
    /// Named values. A set is a map of member → true (false: taken out).
    Map(BTreeMap<String, Value>),
    /// A text people write together; its content is read by opening it.
    Text(TextId),
    /// A number to which everyone's steps add up.
    Counter(i64),
}

impl Value {
    /// A float in its one form: every NaN is the same, −0 is 0.
    pub fn float(number: f64) -> Value {
        Value::Float(if number.is_nan() {
            f64::NAN
        } else {
            number + 0.0
        })
    }

    /// Whether at most [`limits::VALUE_DEPTH_MAX`] containers stand in one another: a deeper value cannot be read back.
    pub fn depth_fits(&self) -> bool {
        fn fits(value: &Value, left: usize) -> bool {
            match value {
                Value::List(values) => left > 0 && values.iter().all(|value| fits(value, left - 1)),
                Value::Map(values) => {
                    left > 0 && values.values().all(|value| fits(value, left - 1))
                }
                _ => true,
            }
        }
        fits(self, limits::VALUE_DEPTH_MAX)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A set of these members, as it is written and shown.
    pub fn set<S: AsRef<str>>(members: impl IntoIterator<Item = S>) -> Value {
        let member = |member: S| (member.as_ref().to_owned(), Value::Bool(true));
        Value::Map(members.into_iter().map(member).collect())
    }

    /// The members, if this is a set; of anything else none.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let map = match self {
            Value::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter()
            .flatten()
            .filter(|(_, held)| **held == Value::Bool(true))
            .map(|(member, _)| member.as_str())
    }

    /// The reference, if this is one.
    pub fn reference(&self) -> Option<Ref> {
        match self {
            Value::Ref(reference) => Some(*reference),
            _ => None,
        }
    }

    /// The number, if this is an integer or a counter.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) | Value::Counter(number) => Some(*number),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::float(number)
    }
}
impl From<Ref> for Value {
    fn from(reference: Ref) -> Self {
        Value::Ref(reference)
    }
}
impl From<BTreeSet<String>> for Value {
    fn from(members: BTreeSet<String>) -> Self {
        Value::set(members)
    }
}

#[cfg(test)]
mod tests;
