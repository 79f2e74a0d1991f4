//! Queries: which objects are wanted, in which order, which part of them. Plain data that can be kept in objects
//! (views), sent and shown.
//!
//! `ast` is the tree, `build` the way to write one, `check` its bounds, `explain` what an answer tells beside rows, `former` names that
//! properties had before, `matching` its meaning for one object,
//! `order` the order of values and objects, `version` ranges of type versions, `words` full text, `json` (feature
//! `json`) the form for storage in objects and for JavaScript.

mod ast;
mod build;
mod check;
mod explain;
mod former;
#[cfg(feature = "json")]
pub mod json;
mod matching;
mod order;
mod version;
mod words;

pub use ast::{
    Aggregate, Comparison, Deleted, Filter, Group, Nested, Order, OrderBy, PropertyPath, Query,
    Scope, Select, TextMode, Traversal,
};
pub use build::{Field, field, key, tag, text, text_mode, type_of};
pub use check::{QueryError, QueryPart};
pub use explain::{Access, Explain, GroupRow};
pub use former::FormerName;
pub use matching::{Alone, Others, matches, parent_of, property};
pub use order::{INDEX_VALUE_BYTES_MAX, compare, compare_rows, index_value, row_order, value_key};
pub use version::{TypeVersion, VersionRange};
pub use words::{FULL_TEXT_BYTES_MAX, full_text, full_text_of, has_words, words};

/// `@type` without its version.
pub fn bare_type(type_name: &str) -> &str {
    type_name
        .split_once('@')
        .map_or(type_name, |(bare, _)| bare)
}
