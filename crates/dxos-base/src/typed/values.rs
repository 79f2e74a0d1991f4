//! Kinds of fields that Rust has no type for.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Leaf, Object, Property};
use crate::ids::ObjectId;
use crate::schema::{FieldType, Format, Misfit};
use crate::value::{self, Value};

/// Of no known type; see [`Ref`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untyped {}

/// What a reference may point to.
pub trait Target: 'static {
    /// The type's name, if it must be one.
    const TARGET: Option<&'static str>;
    /// What a field that refers to it is made of.
    const LEAF: Leaf;
}

impl<T: Object> Target for T {
    const TARGET: Option<&'static str> = Some(T::TYPE);
    const LEAF: Leaf = Leaf::Other;
}

impl Target for Untyped {
    const TARGET: Option<&'static str> = None;
    const LEAF: Leaf = Leaf::Reference;
}

/// A reference to an object of type `T`. It may dangle, or point to something else: who follows it finds out.
pub struct Ref<T = Untyped> {
    reference: value::Ref,
    target: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    /// To an object of the same space.
    pub fn to(object: ObjectId) -> Self {
        Ref::from(value::Ref {
            space: None,
            object,
        })
    }

    /// The object referred to.
    pub fn object(&self) -> ObjectId {
        self.reference.object
    }

    /// The reference as a value.
    pub fn untyped(&self) -> value::Ref {
        self.reference
    }
}

impl<T> From<value::Ref> for Ref<T> {
    fn from(reference: value::Ref) -> Self {
        Ref {
            reference,
            target: PhantomData,
        }
    }
}

// Written out: `T` need not have any of these.
impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.reference == other.reference
    }
}
impl<T> Eq for Ref<T> {}
impl<T> PartialOrd for Ref<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Ref<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.reference.cmp(&other.reference)
    }
}
impl<T> Hash for Ref<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reference.hash(state);
    }
}
impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({})", self.reference.object)
    }
}
impl<T> Serialize for Ref<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference.serialize(serializer)
    }
}
impl<'de, T> Deserialize<'de> for Ref<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        value::Ref::deserialize(deserializer).map(Ref::from)
    }
}

impl<T: Target> Property for Ref<T> {
    const LEAF: Leaf = T::LEAF;
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::Ref(T::TARGET.map(str::to_owned))
    }
    fn to_value(&self) -> Option<Value> {
        Some(Value::Ref(self.reference))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        match value {
            Value::Ref(reference) => Ok(Ref::from(*reference)),
            _ => Err(Misfit::new(&[], Self::kind().words(), Some(value))),
        }
    }
}

/// A text people write together. In a Rust value it stands for the property: its content is read and written by
/// opening it, and lists never load it. [`Text::new`] gives the first content of a new object's text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Text(String);

impl Text {
    /// A text that begins with `content`.
    pub fn new(content: impl Into<String>) -> Text {
        Text(content.into())
    }
}

/// A number to which everyone's steps add up: changing it by 2 in an update adds 2 to whatever it is by then.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Counter(pub i64);

/// Milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// Bytes, replaced whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Bytes(pub Vec<u8>);

/// A place on earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
pub struct GeoPoint {
    /// −180 to 180.
    pub longitude: f64,
    /// −90 to 90.
    pub latitude: f64,
}

macro_rules! own {
    ($type:ty, $kind:expr, $this:ident => $write:expr, $value:ident => $read:expr) => {
        impl Property for $type {
            type Plain = Self;
            fn kind() -> FieldType {
                $kind
            }
            fn to_value(&self) -> Option<Value> {
                let $this = self;
                $write
            }
            fn from_value($value: &Value) -> Result<Self, Misfit> {
                let read: Option<Self> = $read;
                read.ok_or_else(|| Misfit::new(&[], Self::kind().words(), Some($value)))
            }
        }
    };
}

own!(Counter, FieldType::Counter, this => Some(Value::Counter(this.0)), value => value.as_int().map(Counter));
own!(Timestamp, FieldType::Timestamp, this => Some(Value::Timestamp(this.0)), value => match value {
    Value::Timestamp(ms) => Some(Timestamp(*ms)),
    _ => None,
});
own!(Bytes, FieldType::Bytes, this => Some(Value::Bytes(this.0.clone())), value => match value {
    Value::Bytes(bytes) => Some(Bytes(bytes.clone())),
    _ => None,
});
own!(
    GeoPoint,
    FieldType::Format(Format::GeoPoint),
    this => Some(Value::List(vec![this.longitude.into(), this.latitude.into()])),
    value => match value {
        Value::List(items) => match items.as_slice() {
            [longitude, latitude] => f64::from_value(longitude)
                .and_then(|longitude| Ok(GeoPoint { longitude, latitude: f64::from_value(latitude)? }))
                .ok(),
            _ => None,
        },
        _ => None,
    }
);

impl Property for Text {
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::Text
    }
    fn to_value(&self) -> Option<Value> {
        None
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        match value {
            Value::Text(_) => Ok(Text::default()),
            _ => Err(Misfit::new(&[], Self::kind().words(), Some(value))),
        }
    }
    fn absent() -> Option<Self> {
        Some(Text::default())
    }
    fn first_text(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }
}
