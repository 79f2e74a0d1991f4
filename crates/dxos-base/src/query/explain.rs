//! What an answer tells beside rows: groups, and how the rows were found.

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// A group of objects with an equal value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The value; `None`: those without one, or all of them.
    pub value: Option<Value>,
    /// Objects in it.
    pub count: u64,
    /// The figures asked for, in that order; `None` where no object has the property.
    pub figures: Vec<Option<Value>>,
}

/// How a query was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Explain {
    /// Ways taken into the data, in order; more than one where sets are combined, or the first one did not pay.
    pub access: Vec<Access>,
    /// The rows had to be sorted; else the access gave their order.
    pub sorted: bool,
    /// Objects read.
    pub examined: u64,
    /// Entries of indexes read.
    pub index_entries: u64,
    /// Rows or groups given.
    pub returned: u64,
}

/// A way into the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// No object can be meant.
    Nothing,
    /// Objects by their ids.
    Ids {
        /// How many.
        count: u64,
    },
    /// A range of the index over a property.
    Index {
        /// The property; `@tag` and `@key` for tags and foreign keys.
        property: String,
    },
    /// The index over the first key of the order, read until the window is full.
    Order {
        /// The property.
        property: String,
        /// Greatest first.
        descending: bool,
    },
    /// The full-text index.
    Text {
        /// The words.
        words: String,
    },
    /// What refers to an object.
    Referrers,
    /// All objects of a type.
    Type {
        /// Its name.
        name: String,
    },
    /// All objects.
    All,
}
