//! Rust types that can be fields of objects.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{FieldType, Misfit, Step};
use crate::value::Value;

/// What a kind of field is made of in the end; says which formats it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// Strings.
    String,
    /// Floats.
    Number,
    /// References without a type.
    Reference,
    /// Anything else.
    Other,
}

/// Whether a kind of field is made of `wanted`; for checks while compiling.
pub const fn has_leaf(leaf: Leaf, wanted: Leaf) -> bool {
    leaf as u8 == wanted as u8
}

/// A Rust type that can be a field of an object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of an object",
    label = "not a kind of field",
    note = "fields are bool, integers, f64, String, Bytes, Timestamp, GeoPoint, Ref<T>, Text, Counter, Value, enums and \
            `#[object(nested)]` structs with `#[derive(Object)]`, and Option, Vec, BTreeSet and BTreeMap<String, _> of \
            them"
)]
pub trait Property: Sized {
    /// What it is made of in the end.
    const LEAF: Leaf = Leaf::Other;

    /// The same when it is there: what an optional field is compared with. Else the type itself.
    type Plain: Property;

    /// What values it takes.
    fn kind() -> FieldType;

    /// The value; `None`: absent.
    fn to_value(&self) -> Option<Value>;

    /// The Rust value of a stored one.
    ///
    /// # Errors
    /// What does not fit; the path begins below this field.
    fn from_value(value: &Value) -> Result<Self, Misfit>;

    /// What stands for an absent value; `None`: objects without it do not fit.
    fn absent() -> Option<Self> {
        None
    }

    /// First content, if this is a collaborative text that has some.
    fn first_text(&self) -> Option<&str> {
        None
    }
}

/// A Rust type that can be a member of a set: a string in the end.
pub trait Member: Property + Ord {}

fn misfit<T: Property>(found: &Value) -> Misfit {
    Misfit::new(&[], T::kind().words(), Some(found))
}

macro_rules! scalar {
    ($type:ty, $kind:ident, $leaf:ident, $pattern:pat => $read:expr, $this:ident => $write:expr) => {
        impl Property for $type {
            const LEAF: Leaf = Leaf::$leaf;
            type Plain = Self;
            fn kind() -> FieldType {
                FieldType::$kind
            }
            fn to_value(&self) -> Option<Value> {
                let $this = self;
                Some($write)
            }
            fn from_value(value: &Value) -> Result<Self, Misfit> {
                match value {
                    $pattern => $read.ok_or_else(|| misfit::<Self>(value)),
                    _ => Err(misfit::<Self>(value)),
                }
            }
        }
    };
}

scalar!(bool, Bool, Other, Value::Bool(flag) => Some(*flag), this => Value::Bool(*this));
scalar!(i64, Int, Other, Value::Int(number) => Some(*number), this => Value::Int(*this));
scalar!(i32, Int, Other, Value::Int(number) => i32::try_from(*number).ok(), this => Value::Int((*this).into()));
scalar!(u32, Int, Other, Value::Int(number) => u32::try_from(*number).ok(), this => Value::Int((*this).into()));
scalar!(u16, Int, Other, Value::Int(number) => u16::try_from(*number).ok(), this => Value::Int((*this).into()));
scalar!(u8, Int, Other, Value::Int(number) => u8::try_from(*number).ok(), this => Value::Int((*this).into()));
scalar!(String, String, String, Value::String(text) => Some(text.clone()), this => Value::String(this.clone()));

impl Property for Value {
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::Any
    }
    fn to_value(&self) -> Option<Value> {
        Some(self.clone())
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        Ok(value.clone())
    }
}

impl Property for f64 {
    const LEAF: Leaf = Leaf::Number;
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::Float
    }
    fn to_value(&self) -> Option<Value> {
        Some(Value::float(*self))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        match value {
            Value::Float(number) => Ok(*number),
            // Other programs write whole numbers as integers.
            Value::Int(number) => Ok(*number as f64),
            _ => Err(misfit::<Self>(value)),
        }
    }
}

impl Member for String {}

impl<T: Property> Property for Option<T> {
    const LEAF: Leaf = T::LEAF;
    type Plain = T::Plain;
    fn kind() -> FieldType {
        T::kind()
    }
    fn to_value(&self) -> Option<Value> {
        self.as_ref()?.to_value()
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        T::from_value(value).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn first_text(&self) -> Option<&str> {
        self.as_ref()?.first_text()
    }
}

impl<T: Property> Property for Vec<T> {
    const LEAF: Leaf = T::LEAF;
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::list(T::kind())
    }
    fn to_value(&self) -> Option<Value> {
        // An absent element would move those behind it: it is null.
        let element = |element: &T| element.to_value().unwrap_or(Value::Null);
        Some(Value::List(self.iter().map(element).collect()))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let Value::List(items) = value else {
            return Err(misfit::<Self>(value));
        };
        let element = |(at, value): (usize, &Value)| {
            match value {
                Value::Null => T::absent().map_or_else(|| T::from_value(value), Ok),
                value => T::from_value(value),
            }
            .map_err(|misfit| misfit.below(Step::Index(at)))
        };
        items.iter().enumerate().map(element).collect()
    }
    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Property> Property for BTreeMap<String, T> {
    const LEAF: Leaf = T::LEAF;
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::map(T::kind())
    }
    fn to_value(&self) -> Option<Value> {
        let pairs = self.iter();
        let pairs = pairs.filter_map(|(name, value)| Some((name.clone(), value.to_value()?)));
        Some(Value::Map(pairs.collect()))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let Value::Map(map) = value else {
            return Err(misfit::<Self>(value));
        };
        let pair = |(name, value): (&String, &Value)| match T::from_value(value) {
            Ok(value) => Ok((name.clone(), value)),
            Err(misfit) => Err(misfit.below(Step::Name(name.clone()))),
        };
        map.iter().map(pair).collect()
    }
    fn absent() -> Option<Self> {
        Some(BTreeMap::new())
    }
}

impl<T: Member> Property for BTreeSet<T> {
    const LEAF: Leaf = T::LEAF;
    type Plain = Self;
    fn kind() -> FieldType {
        FieldType::set(T::kind())
    }
    fn to_value(&self) -> Option<Value> {
        let members = self.iter().filter_map(|member| match member.to_value()? {
            Value::String(member) => Some((member, Value::Bool(true))),
            _ => None,
        });
        Some(Value::Map(members.collect()))
    }
    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let Value::Map(map) = value else {
            return Err(misfit::<Self>(value));
        };
        let held = map.iter().filter(|(_, held)| **held == Value::Bool(true));
        let member = |(name, _): (&String, &Value)| {
            T::from_value(&Value::from(name.as_str()))
                .map_err(|misfit| misfit.below(Step::Name(name.clone())))
        };
        held.map(member).collect()
    }
    fn absent() -> Option<Self> {
        Some(BTreeSet::new())
    }
}
