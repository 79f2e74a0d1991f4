//! Objects as written and as shown: plain data every layer speaks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ObjectId;
use crate::value::Value;

/// One write to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ObjectWrite {
    /// A new object; the client makes the id, so it can name it before the answer.
    Create {
        /// Its id.
        object: ObjectId,
        /// `@type` such as `org.dxos.type.Document@0.1.0`; empty if untyped.
        type_name: String,
        /// First values by top-level name. A `Text` property is made by opening it.
        values: BTreeMap<String, Value>,
    },
    /// Sets a property, or removes it with `None`.
    Set {
        /// The object.
        object: ObjectId,
        /// Names from the top.
        path: Vec<String>,
        /// The new value.
        value: Option<Value>,
    },
    /// Deletes an object, restorably.
    Delete {
        /// The object.
        object: ObjectId,
    },
    /// Brings a deleted object back.
    Restore {
        /// The object.
        object: ObjectId,
    },
}

impl ObjectWrite {
    /// Whether every value in it can be read back ([`Value::depth_fits`]); a node refuses the whole frame otherwise.
    pub fn depth_fits(&self) -> bool {
        match self {
            ObjectWrite::Create { values, .. } => values.values().all(Value::depth_fits),
            ObjectWrite::Set { value, .. } => value.as_ref().is_none_or(Value::depth_fits),
            ObjectWrite::Delete { .. } | ObjectWrite::Restore { .. } => true,
        }
    }
}

/// An object with its shown values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectView {
    /// The object.
    pub object: ObjectId,
    /// `@type` with version; empty if untyped.
    pub type_name: String,
    /// False when deleted.
    pub shown: bool,
    /// Milliseconds since the epoch, of its first write.
    pub created_ms: u64,
    /// Of its last write.
    pub updated_ms: u64,
    /// Shown values by top-level name; texts show as [`Value::Null`].
    pub values: BTreeMap<String, Value>,
    /// The object has writes not yet sealed and synced.
    pub saving: bool,
}
