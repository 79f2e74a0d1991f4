//! New objects whose values are all scalars: written without a [`Record`](crate::record::Record).
//!
//! They are what comes in thousands (imports, pastes, generated data), and a map of registers, a view and a second
//! copy of every string cost more than everything else about them.
//!
//! Invariant: rows are, byte for byte, those the record would give; builds with debug assertions compare.

use std::collections::BTreeMap;

use serde::Serialize;

use dxos_base::write::TYPE;
use dxos_base::{Clock, FeedId, ObjectId, Path, Step, Value, limits};

use crate::change::{Change, Operation, Scalar};
use crate::error::EchoError;
use crate::plan::Planner;
use crate::record::{Body, Part, RECORD_VERSION};
use crate::reserved::{bad_value, check_path, check_value};

/// A new object whose row is not written yet: a stretch of a write's changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh<'w> {
    pub object: ObjectId,
    pub type_name: &'w str,
    pub values: &'w BTreeMap<String, Value>,
    /// Its changes: from here …
    pub from: usize,
    /// … to here.
    pub to: usize,
}

/// Values a record would show as they are given.
pub(crate) fn is_flat(values: &BTreeMap<String, Value>) -> bool {
    // Names that start with `@` are the database's.
    let free = values.keys().all(|name| !name.starts_with('@'));
    free && values.values().all(|value| match value {
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Timestamp(_)
        | Value::Ref(_) => true,
        Value::Float(number) => match Value::float(*number) {
            Value::Float(canonical) => canonical.to_bits() == number.to_bits(),
            _ => false,
        },
        // Containers, texts and what else is more than one register.
        _ => false,
    })
}

impl Planner<'_> {
    /// Plans a new object of flat values, as [`Planner::create`] does, without its record.
    pub(crate) fn create_flat(
        &mut self,
        object: ObjectId,
        type_name: &str,
        values: &BTreeMap<String, Value>,
    ) -> Result<(), EchoError> {
        if type_name.len() > limits::NAME_BYTES_MAX {
            return bad_value(&[Step::Key(TYPE.to_owned())], "type name is too long");
        }
        let type_path = vec![Step::Key(TYPE.to_owned())];
        self.put_flat(object, type_path, Scalar::String(type_name.to_owned()))?;
        for (name, value) in values {
            let path = vec![Step::Key(name.clone())];
            check_value(check_path(&path)?, &path, value, self.space)?;
            let scalar = Scalar::from_value(value.clone()).expect("the caller checked");
            self.put_flat(object, path, scalar)?;
        }
        Ok(())
    }

    fn put_flat(&mut self, object: ObjectId, path: Path, scalar: Scalar) -> Result<(), EchoError> {
        let change = Change {
            clock: self.tick(&path, Clock::ZERO)?,
            object,
            path,
            operation: Operation::Set(scalar),
        };
        self.checked(&change)?;
        self.changes.push(change);
        Ok(())
    }
}

#[derive(Serialize)]
enum ValueRef<'a> {
    Scalar(&'a Scalar),
}

#[derive(Serialize)]
struct RowRef<'a> {
    path: &'a Path,
    part: Part,
    clock: u64,
    feed: u32,
    value: ValueRef<'a>,
}

/// The record's bytes of an object that has just these changes.
pub(crate) fn body_of(changes: &[Change], feed: FeedId) -> Vec<u8> {
    let base = changes.iter().map(|change| change.clock).min();
    let base = base.unwrap_or_default();
    let mut registers: Vec<RowRef<'_>> = changes
        .iter()
        .filter_map(|change| match &change.operation {
            Operation::Set(scalar) => Some(RowRef {
                path: &change.path,
                part: Part::Value,
                clock: change.clock.0 - base.0,
                feed: 0,
                value: ValueRef::Scalar(scalar),
            }),
            _ => None,
        })
        .collect();
    registers.sort_by(|a, b| a.path.cmp(b.path));
    dxos_base::encode(&Body {
        version: RECORD_VERSION,
        base,
        feeds: vec![feed],
        registers,
    })
}
