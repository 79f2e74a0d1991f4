//! Schemas as data: what a type's objects look like, checked by writers, read by generic interfaces.
//!
//! * [`TypeSchema`] describes a type; [`TypeSchema::check`] says whether the description itself is sound.
//! * [`TypeSchema::misfits`] compares values with it. Writers refuse what does not fit; readers are total: they
//!   show what fits and name what does not.
//! * [`TypeSchema::to_json`] and [`TypeSchema::from_json`] speak JSON Schema, draft 2020-12.
//! * [`stored`] keeps a schema in an object of a space; [`Registry`] holds the types of code and spaces together.
//!
//! Not here: how values merge (`dxos-echo`), Rust types as schemas ([`crate::typed`]).

mod changes;
mod check;
mod format;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod json_read;
mod misfit;
mod names;
mod registry;
pub mod stored;
mod types;

pub use crate::query::{TypeVersion, VersionRange};
pub use changes::{FieldChange, FieldChangeError};
pub use check::SchemaError;
pub use format::Format;
#[cfg(feature = "json")]
pub use json_read::JsonSchemaError;
pub use misfit::{Misfit, Step};
pub use names::{TypeNameError, TypeRef};
pub use registry::{RegisterError, Registered, Registry, TypeOrigin};
pub use types::{Choice, Field, FieldType, Item, Notes, TypeSchema};

#[cfg(test)]
mod tests;
