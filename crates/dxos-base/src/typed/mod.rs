//! Rust types as types of objects: what `#[derive(Object)]` (crate `dxos-macros`) writes the code for.
//!
//! Invariants
//! * reading is total: an object's values give the Rust value, or the path that does not fit. A field that may be
//!   absent reads as absent when its stored value does not fit;
//! * values of fields the Rust type does not know are never read and never written, so they survive.

mod field;
mod object;
mod property;
mod update;
mod values;

pub use crate::value::Value;
pub use field::{Field, TypedQuery};
pub use object::{Object, Options, read_field};
pub use property::{Leaf, Member, Property, has_leaf};
pub use update::update_writes;
pub use values::{Bytes, Counter, GeoPoint, Ref, Target, Text, Timestamp, Untyped};
