//! Reading of values: the one place where nested bytes become nested values.
//!
//! A derived implementation would call itself once for each container, as deep as the bytes say, and a hostile frame
//! of a few thousand bytes would end the program's stack. So the number of containers still allowed travels down as
//! an argument, and reading stops with an error where it is used up.
//!
//! Invariants
//! * a value read has at most [`limits::VALUE_DEPTH_MAX`] containers around any leaf, whatever the format;
//! * floats are read into their one form, so other forms fail the check of `codec::decode`;
//! * numbers of variants are those of the written form, which is derived from [`Value`] itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::Value;
use crate::limits;

/// Which variant follows, in the order of [`Value`].
#[derive(serde::Deserialize)]
#[serde(variant_identifier)]
enum Kind {
    Null,
    Bool,
    Int,
    Float,
    String,
    Bytes,
    Timestamp,
    Ref,
    List,
    Map,
    Text,
    Counter,
}

const KINDS: [&str; 12] = [
    "Null",
    "Bool",
    "Int",
    "Float",
    "String",
    "Bytes",
    "Timestamp",
    "Ref",
    "List",
    "Map",
    "Text",
    "Counter",
];

/// Reads a value that may hold as many containers in one another as the number says.
#[derive(Clone, Copy)]
struct Nested(usize);

/// Reads the values of a list, each within the given bound.
struct ListOf(Nested);

/// Reads the values of a map, each within the given bound.
struct MapOf(Nested);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Nested(limits::VALUE_DEPTH_MAX).deserialize(deserializer)
    }
}

impl Nested {
    /// The bound within a container.
    fn inner<E: Error>(self) -> Result<Nested, E> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Nested(left)),
            None => Err(E::custom("a value nests too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_enum("Value", &KINDS, self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (kind, variant) = data.variant::<Kind>()?;
        Ok(match kind {
            Kind::Null => {
                variant.unit_variant()?;
                Value::Null
            }
            Kind::Bool => Value::Bool(variant.newtype_variant()?),
            Kind::Int => Value::Int(variant.newtype_variant()?),
            Kind::Float => Value::float(variant.newtype_variant()?),
            Kind::String => Value::String(variant.newtype_variant()?),
            Kind::Bytes => Value::Bytes(variant.newtype_variant()?),
            Kind::Timestamp => Value::Timestamp(variant.newtype_variant()?),
            Kind::Ref => Value::Ref(variant.newtype_variant()?),
            Kind::List => Value::List(variant.newtype_variant_seed(ListOf(self.inner()?))?),
            Kind::Map => Value::Map(variant.newtype_variant_seed(MapOf(self.inner()?))?),
            Kind::Text => Value::Text(variant.newtype_variant()?),
            Kind::Counter => Value::Counter(variant.newtype_variant()?),
        })
    }
}

impl<'de> DeserializeSeed<'de> for ListOf {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListOf {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Vec<Value>, A::Error> {
        // The count in the bytes is a claim, so no room is made for it beforehand.
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(self.0)? {
            list.push(value);
        }
        Ok(list)
    }
}

impl<'de> DeserializeSeed<'de> for MapOf {
    type Value = BTreeMap<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MapOf {
    type Value = BTreeMap<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = entries.next_key()? {
            map.insert(name, entries.next_value_seed(self.0)?);
        }
        Ok(map)
    }
}
