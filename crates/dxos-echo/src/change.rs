//! Changes: what entries carry (DESIGN 4.8).
//!
//! Invariants
//! * a decoded [`Change`] is checked by [`Change::check`] before it touches state: a rule of the change alone, so
//!   every replica takes or voids the same ones;
//! * wire enums only ever grow at the end; a new operation needs a new entry version.

use serde::{Deserialize, Serialize, Serializer};

pub use dxos_base::Stamp;
use dxos_base::{Clock, FeedId, ObjectId, Path, Ref, Step, TextId, Value, limits};

/// What a container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Named values.
    Map,
    /// Ordered elements.
    List,
}

/// A value that is kept whole. Same order of variants, same bytes as [`Value`]'s scalars; no nesting, so hostile
/// bytes cannot nest deeply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Present and empty.
    Null,
    /// True or false.
    Bool(bool),
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float in its one form.
    Float(f64),
    /// Text, replaced whole.
    String(String),
    /// Bytes, replaced whole.
    Bytes(Vec<u8>),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// Reference to an object.
    Ref(Ref),
}

impl Scalar {
    /// Place of `String` among the variants.
    const STRING: u32 = 4;

    /// The scalar, unless `value` is a container, a text or a counter.
    pub fn from_value(value: Value) -> Result<Scalar, Value> {
        Ok(match value {
            Value::Null => Scalar::Null,
            Value::Bool(flag) => Scalar::Bool(flag),
            Value::Int(number) => Scalar::Int(number),
            Value::Float(number) => match Value::float(number) {
                Value::Float(number) => Scalar::Float(number),
                other => return Err(other),
            },
            Value::String(text) => Scalar::String(text),
            Value::Bytes(bytes) => Scalar::Bytes(bytes),
            Value::Timestamp(ms) => Scalar::Timestamp(ms),
            Value::Ref(reference) => Scalar::Ref(reference),
            other @ (Value::List(_) | Value::Map(_) | Value::Text(_) | Value::Counter(_)) => {
                return Err(other);
            }
        })
    }

    /// The value.
    pub fn to_value(&self) -> Value {
        match self {
            Scalar::Null => Value::Null,
            Scalar::Bool(flag) => Value::Bool(*flag),
            Scalar::Int(number) => Value::Int(*number),
            Scalar::Float(number) => Value::Float(*number),
            Scalar::String(text) => Value::String(text.clone()),
            Scalar::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Scalar::Timestamp(ms) => Value::Timestamp(*ms),
            Scalar::Ref(reference) => Value::Ref(*reference),
        }
    }

    fn size(&self) -> usize {
        match self {
            Scalar::String(text) => text.len(),
            Scalar::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    fn is_canonical(&self) -> bool {
        match self {
            Scalar::Float(number) => match Value::float(*number) {
                Value::Float(canonical) => canonical.to_bits() == number.to_bits(),
                _ => false,
            },
            _ => true,
        }
    }
}

/// What a change does at its path (numbers of DESIGN 4.8 are the variants' places).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Sets a scalar.
    Set(Scalar),
    /// Makes the path a container that hides what is older than `since`; `None`: than this change.
    Assign {
        /// Map or list.
        kind: Kind,
        /// The kept *since* of a restored container.
        since: Option<Stamp>,
    },
    /// Deletes; names the container it hides, so that a restore brings it back.
    Delete {
        /// Kind and *since* of the hidden container; `None` for a leaf.
        hides: Option<(Kind, Stamp)>,
    },
    /// Places an element in its list.
    Index(Vec<u8>),
    /// Sets a slot's running total of a counter.
    Count {
        /// The write that gave the base.
        assignment: Stamp,
        /// The slot: the writer's feed.
        slot: FeedId,
        /// Sum of the slot's steps.
        total: i64,
    },
    /// An update of a collaborative text; touches no register.
    Text {
        /// The text.
        id: TextId,
        /// On the first update of a session: what the engine's peer id is derived from.
        nonce: Option<SessionNonce>,
        /// The engine's update, of one peer only.
        update: Vec<u8>,
    },
    /// Makes the path a collaborative text.
    SetText(TextId),
    /// Makes the path a counter with this base.
    SetCounter(i64),
}

/// Names one editing session of a device on a text.
pub type SessionNonce = [u8; 8];

/// One change of an entry. Its clock is the header's plus the delta.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WireChange {
    pub clock_delta: i64,
    pub object: ObjectId,
    pub path: Path,
    pub operation: Operation,
}

/// One change with its final clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its clock.
    pub clock: Clock,
    /// The object it changes.
    pub object: ObjectId,
    /// Where.
    pub path: Path,
    /// What.
    pub operation: Operation,
}

impl Change {
    /// Checks what a change must fulfil by itself; the reason if it does not.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.path.len() > limits::PATH_STEPS_MAX {
            return Err("path is too deep");
        }
        if self
            .path
            .iter()
            .any(|s| matches!(s, Step::Key(k) if k.len() > limits::NAME_BYTES_MAX))
        {
            return Err("name is too long");
        }
        if matches!(self.path.first(), Some(Step::Element(_))) {
            return Err("an object is a map");
        }
        if self.clock == Clock::ZERO {
            return Err("clock is zero");
        }
        let root = self.path.is_empty();
        match &self.operation {
            Operation::Set(scalar) if !scalar.is_canonical() => Err("float is not canonical"),
            Operation::Set(scalar) if scalar.size() > limits::VALUE_BYTES_MAX => {
                Err("value is too long")
            }
            Operation::Set(_)
            | Operation::SetText(_)
            | Operation::SetCounter(_)
            | Operation::Count { .. }
                if root =>
            {
                Err("an object is a map")
            }
            Operation::Assign {
                kind: Kind::List, ..
            } if root => Err("an object is a map"),
            Operation::Index(index) => match self.path.last() {
                Some(Step::Element(_)) if index.len() <= INDEX_BYTES_MAX => Ok(()),
                Some(Step::Element(_)) => Err("index is too long"),
                _ => Err("only list elements have an index"),
            },
            _ => Ok(()),
        }
    }
}

/// A scalar that is not copied; its bytes are those of the [`Scalar`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum ScalarRef<'a> {
    String(&'a str),
    /// A value of which [`Scalar::from_value`] makes a scalar. Both have the same encoding.
    Value(&'a Value),
}

impl Serialize for ScalarRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ScalarRef::String(text) => {
                serializer.serialize_newtype_variant("Scalar", Scalar::STRING, "String", text)
            }
            ScalarRef::Value(value) => value.serialize(serializer),
        }
    }
}

/// A step that is not copied; its bytes are those of the [`Step`].
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum StepRef<'a> {
    Key(&'a str),
}

/// A change that is not copied.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChangeRef<'a> {
    Whole(&'a Change),
    /// A scalar set at the top of an object.
    Flat {
        clock: Clock,
        object: ObjectId,
        name: &'a str,
        value: ScalarRef<'a>,
    },
}

impl ChangeRef<'_> {
    pub fn clock(&self) -> Clock {
        match self {
            ChangeRef::Whole(change) => change.clock,
            ChangeRef::Flat { clock, .. } => *clock,
        }
    }

    pub fn object(&self) -> ObjectId {
        match self {
            ChangeRef::Whole(change) => change.object,
            ChangeRef::Flat { object, .. } => *object,
        }
    }

    pub fn to_change(self) -> Change {
        match self {
            ChangeRef::Whole(change) => change.clone(),
            ChangeRef::Flat {
                clock,
                object,
                name,
                value,
            } => {
                let scalar = match value {
                    ScalarRef::String(text) => Scalar::String(text.to_owned()),
                    ScalarRef::Value(value) => {
                        Scalar::from_value(value.clone()).expect("flat values are scalars")
                    }
                };
                Change {
                    clock,
                    object,
                    path: vec![Step::Key(name.to_owned())],
                    operation: Operation::Set(scalar),
                }
            }
        }
    }

    /// Encoded size, give or take a few bytes.
    pub fn size(&self) -> usize {
        const OTHER: usize = 24;
        let (path, operation) = match self {
            ChangeRef::Whole(change) => {
                let steps = change.path.iter().map(|step| match step {
                    Step::Key(name) => name.len() + 2,
                    Step::Element(_) => 9,
                });
                let operation = match &change.operation {
                    Operation::Set(Scalar::String(text)) => text.len(),
                    Operation::Set(Scalar::Bytes(bytes)) => bytes.len(),
                    Operation::Index(index) => index.len(),
                    Operation::Text { update, .. } => update.len() + 28,
                    _ => OTHER,
                };
                (steps.sum(), operation)
            }
            ChangeRef::Flat { name, value, .. } => {
                let value = match value {
                    ScalarRef::String(text) => text.len(),
                    ScalarRef::Value(Value::String(text)) => text.len(),
                    ScalarRef::Value(Value::Bytes(bytes)) => bytes.len(),
                    ScalarRef::Value(_) => OTHER,
                };
                (name.len() + 2, value)
            }
        };
        32 + path + operation
    }
}

/// Changes as an entry carries them: clocks as distances from the header's.
pub(crate) struct WireChanges<'a> {
    pub base: Clock,
    pub changes: &'a [ChangeRef<'a>],
}

impl Serialize for WireChanges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            clock_delta: i64,
            object: ObjectId,
            path: &'a Path,
            operation: &'a Operation,
        }
        #[derive(Serialize)]
        struct Flat<'a> {
            clock_delta: i64,
            object: ObjectId,
            path: &'a [StepRef<'a>],
            operation: Set<'a>,
        }
        #[derive(Serialize)]
        enum Set<'a> {
            Set(ScalarRef<'a>),
        }
        struct Wire<'a>(Clock, &'a ChangeRef<'a>);
        impl Serialize for Wire<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let clock_delta = self.1.clock().0.wrapping_sub(self.0.0) as i64;
                match *self.1 {
                    ChangeRef::Whole(change) => Whole {
                        clock_delta,
                        object: change.object,
                        path: &change.path,
                        operation: &change.operation,
                    }
                    .serialize(serializer),
                    ChangeRef::Flat {
                        object,
                        name,
                        value,
                        ..
                    } => Flat {
                        clock_delta,
                        object,
                        path: &[StepRef::Key(name)],
                        operation: Set::Set(value),
                    }
                    .serialize(serializer),
                }
            }
        }
        serializer.collect_seq(self.changes.iter().map(|change| Wire(self.base, change)))
    }
}

/// Changes as kept in `pending`: runs of one object, clocks as distances from the one before.
pub(crate) mod grouped {
    use serde::{Deserializer, Serializer};

    use super::*;

    #[derive(Serialize)]
    struct RunRef<'a> {
        object: ObjectId,
        changes: Vec<(i64, &'a Path, &'a Operation)>,
    }

    #[derive(Deserialize)]
    struct Run {
        object: ObjectId,
        changes: Vec<(i64, Path, Operation)>,
    }

    pub(crate) fn serialize<S: Serializer>(
        changes: &[Change],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut clock = 0;
        let runs = changes.chunk_by(|a, b| a.object == b.object).map(|run| {
            let distance = |change: &Change| {
                let before = std::mem::replace(&mut clock, change.clock.0);
                change.clock.0.wrapping_sub(before) as i64
            };
            let distances: Vec<i64> = run.iter().map(distance).collect();
            RunRef {
                object: run[0].object,
                changes: distances
                    .into_iter()
                    .zip(run)
                    .map(|(distance, change)| (distance, &change.path, &change.operation))
                    .collect(),
            }
        });
        let runs: Vec<RunRef<'_>> = runs.collect();
        runs.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Change>, D::Error> {
        let mut clock = 0u64;
        let mut changes = Vec::new();
        for run in Vec::<Run>::deserialize(deserializer)? {
            for (distance, path, operation) in run.changes {
                clock = clock.wrapping_add_signed(distance);
                changes.push(Change {
                    clock: Clock(clock),
                    object: run.object,
                    path,
                    operation,
                });
            }
        }
        Ok(changes)
    }
}

/// A list index, in bytes. Writers re-index neighbours past 64 bytes (DESIGN 4.3); this bounds what others send.
pub const INDEX_BYTES_MAX: usize = 1024;
