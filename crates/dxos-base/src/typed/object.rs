//! Objects and choices as Rust types.

use std::collections::BTreeMap;

use super::Property;
use crate::object::ObjectView;
use crate::query::TypeVersion;
use crate::schema::{Misfit, Step, TypeRef, TypeSchema};
use crate::value::Value;

/// A Rust type whose values are objects of a space. Derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of objects",
    label = "not a type of objects",
    note = "write `#[derive(Object)]` and `#[object(type = \"org.example.Name\", version = \"0.1.0\")]` above it"
)]
pub trait Object: Sized + 'static {
    /// Reverse-domain name.
    const TYPE: &'static str;
    /// Version of the schema.
    const VERSION: TypeVersion;

    /// The schema.
    fn schema() -> &'static TypeSchema;

    /// All values of an object; absent ones are left out.
    fn to_values(&self) -> BTreeMap<String, Value>;

    /// The Rust value of an object's values.
    ///
    /// # Errors
    /// The first field that is needed and absent or does not fit.
    fn from_values(values: &BTreeMap<String, Value>) -> Result<Self, Misfit>;

    /// First contents of collaborative texts by property name, those that are not empty.
    fn texts(&self) -> Vec<(&'static str, String)>;

    /// Name and version.
    fn type_ref() -> TypeRef {
        TypeRef {
            name: Self::TYPE.to_owned(),
            version: Self::VERSION,
        }
    }

    /// The Rust value of an object as shown.
    ///
    /// # Errors
    /// The first field that is needed and absent or does not fit; `@type` when the object is of another type.
    fn from_view(view: &ObjectView) -> Result<Self, Misfit> {
        if crate::query::bare_type(&view.type_name) != Self::TYPE {
            let found = Value::from(view.type_name.as_str());
            return Err(Misfit::new(&["@type".into()], Self::TYPE, Some(&found)));
        }
        Self::from_values(&view.values)
    }
}

/// A Rust enum whose variants are the options of a choice. Derive `Object` for it.
pub trait Options: Sized + 'static {
    /// What is stored for this variant.
    fn value(&self) -> &'static str;

    /// The variant of a stored value.
    fn from_option(value: &str) -> Option<Self>;
}

/// Reads one field: its value, else the one under the latest former name. What is absent or does not fit is
/// `default`, or what the kind of field has for it.
///
/// # Errors
/// When it is absent or does not fit, and there is nothing to stand for it.
pub fn read_field<T: Property>(
    values: &BTreeMap<String, Value>,
    name: &str,
    aliases: &[&str],
    default: Option<T>,
) -> Result<T, Misfit> {
    let names = std::iter::once(name).chain(aliases.iter().rev().copied());
    let found = names.filter_map(|name| values.get_key_value(name)).next();
    let misfit = match found {
        Some((stored, value)) => match T::from_value(value) {
            Ok(value) => return Ok(value),
            Err(misfit) => misfit.below(Step::Name(stored.clone())),
        },
        None => Misfit::new(&[name.into()], T::kind().words(), None),
    };
    default.or_else(T::absent).ok_or(misfit)
}
