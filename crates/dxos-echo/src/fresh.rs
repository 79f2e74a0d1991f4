//! New objects whose values are all scalars: written without a [`Record`](crate::record::Record), and without a copy
//! of anything that the write holds.
//!
//! They are what comes in thousands (imports, pastes, generated data), and a map of registers, a view, changes and
//! copies of every string cost more than everything else about them.
//!
//! Invariant: rows and entries are, byte for byte, those the record and its changes would give; builds with debug
//! assertions compare.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use dxos_base::write::TYPE;
use dxos_base::{Clock, FeedId, ObjectId, Ref, Value, limits};

use crate::change::{Change, ChangeRef, ScalarRef, StepRef};
use crate::record::{Body, Part, RECORD_VERSION};

/// A new object, as the write gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh<'w> {
    pub object: ObjectId,
    pub type_name: &'w str,
    pub values: &'w BTreeMap<String, Value>,
    /// The clock of its first change; each of the others has the next one.
    pub first: Clock,
}

/// Whether a record would take values of a new object and show them just as they are given.
pub(crate) fn is_flat(type_name: &str, values: &BTreeMap<String, Value>) -> bool {
    // Names that start with `@` are the database's.
    let free = |name: &String| {
        !name.is_empty() && !name.starts_with('@') && name.len() <= limits::NAME_BYTES_MAX
    };
    let flat = |value: &Value| match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Timestamp(_) => true,
        Value::String(text) => text.len() <= limits::VALUE_BYTES_MAX,
        Value::Bytes(bytes) => bytes.len() <= limits::VALUE_BYTES_MAX,
        // Such a one may name the own space, and then is written without it.
        Value::Ref(Ref { space, .. }) => space.is_none(),
        Value::Float(number) => match Value::float(*number) {
            Value::Float(canonical) => canonical.to_bits() == number.to_bits(),
            _ => false,
        },
        // Containers, texts and what else is more than one register.
        _ => false,
    };
    type_name.len() <= limits::NAME_BYTES_MAX
        && values.iter().all(|(name, value)| free(name) && flat(value))
}

impl<'w> Fresh<'w> {
    /// How many changes make an object.
    pub fn changes_count(values: &BTreeMap<String, Value>) -> usize {
        1 + values.len()
    }

    /// The clock of its last change.
    pub fn last(&self) -> Clock {
        Clock(self.first.0 + self.values.len() as u64)
    }

    /// Its type, then its values in order.
    pub fn changes(&self) -> impl Iterator<Item = ChangeRef<'w>> + use<'w> {
        let (object, first) = (self.object, self.first.0);
        let values = self.values.iter();
        let values = values.map(|(name, value)| (name.as_str(), ScalarRef::Value(value)));
        let all = std::iter::once((TYPE, ScalarRef::String(self.type_name))).chain(values);
        all.zip(first..)
            .map(move |((name, value), clock)| ChangeRef::Flat {
                clock: Clock(clock),
                object,
                name,
                value,
            })
    }

    /// The same, as changes that stand by themselves.
    pub fn to_changes(self) -> Vec<Change> {
        self.changes().map(|change| change.to_change()).collect()
    }

    /// The record's bytes.
    pub fn body(&self, feed: FeedId) -> Vec<u8> {
        dxos_base::encode(&Body {
            version: RECORD_VERSION,
            base: self.first,
            feeds: [feed].as_slice(),
            registers: Registers(self),
        })
    }
}

/// Registers in the order of their names.
struct Registers<'a>(&'a Fresh<'a>);

#[derive(Serialize)]
struct RowRef<'a> {
    path: &'a [StepRef<'a>],
    part: Part,
    clock: u64,
    feed: u32,
    value: ValueRef<'a>,
}

#[derive(Serialize)]
enum ValueRef<'a> {
    Scalar(ScalarRef<'a>),
}

impl Serialize for Registers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let Fresh {
            type_name, values, ..
        } = self.0;
        let mut rows = serializer.serialize_seq(Some(Fresh::changes_count(values)))?;
        let mut put = |name: &str, clock: usize, value| {
            rows.serialize_element(&RowRef {
                path: &[StepRef::Key(name)],
                part: Part::Value,
                clock: clock as u64,
                feed: 0,
                value: ValueRef::Scalar(value),
            })
        };
        let mut type_name = Some(*type_name);
        for (n, (name, value)) in values.iter().enumerate() {
            if name.as_str() > TYPE
                && let Some(type_name) = type_name.take()
            {
                put(TYPE, 0, ScalarRef::String(type_name))?;
            }
            put(name, n + 1, ScalarRef::Value(value))?;
        }
        if let Some(type_name) = type_name {
            put(TYPE, 0, ScalarRef::String(type_name))?;
        }
        rows.end()
    }
}
