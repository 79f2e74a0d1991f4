//! Values of properties: the JSON-like leaves and trees an object is made of (DESIGN 4.2).
//!
//! Invariants
//! * floats hold one NaN and no negative zero, so equal values have equal encodings;
//! * maps are sorted by key without repeats;
//! * a value read from bytes nests at most [`limits::VALUE_DEPTH_MAX`] deep (`decode.rs`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ObjectId, SpaceId};
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
    /// Named values.
    Map(BTreeMap<String, Value>),
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

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
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

#[cfg(test)]
mod tests;
