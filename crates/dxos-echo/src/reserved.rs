//! What may be written where: reserved names and the kinds their places take.
//!
//! At the top of an object names that start with `@` belong to the database, but for the places below. Deeper down
//! such a name is only a member of a set (a bool), so that later versions can give such names a meaning: `@blob` is
//! what makes a map a reference to a blob.

use dxos_base::blob::{BLOB, BlobRef};
use dxos_base::path::show_path;
use dxos_base::write::{KEYS, META, PARENT, SOURCE, TAGS, TARGET};
use dxos_base::{SpaceId, Step, Value};

use crate::error::EchoError;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Anything.
    Free,
    /// `@parent`, `@source`, `@target`.
    Reference,
    /// `@meta/tags`, `@meta/keys/<source>`.
    Set,
    /// A member of such a set.
    Member,
}

pub(crate) fn bad_path<T>(path: &[Step], detail: &'static str) -> Result<T, EchoError> {
    Err(EchoError::BadPath {
        path: show_path(path),
        detail,
    })
}

pub(crate) fn bad_value<T>(path: &[Step], detail: &'static str) -> Result<T, EchoError> {
    Err(EchoError::BadValue {
        path: show_path(path),
        detail,
    })
}

/// What a path names, if it may be written at all.
pub(crate) fn check_path(path: &[Step]) -> Result<Place, EchoError> {
    let Some(Step::Key(first)) = path.first() else {
        return bad_path(path, "the object itself is a map");
    };
    let names = path.iter().map(|step| match step {
        Step::Key(name) => Some(name.as_str()),
        Step::Element(_) => None,
    });
    if names.clone().any(|name| name == Some("")) {
        return bad_path(path, "a name is empty");
    }
    if !first.starts_with('@') {
        return Ok(Place::Free);
    }
    let names: Vec<&str> = names.flatten().collect();
    match names[..] {
        _ if names.len() < path.len() => bad_path(path, "there is no list here"),
        [PARENT | SOURCE | TARGET] => Ok(Place::Reference),
        [META, TAGS] | [META, KEYS, _] => Ok(Place::Set),
        [META, TAGS, _] | [META, KEYS, _, _] => Ok(Place::Member),
        _ => bad_path(path, "this field is kept by the database"),
    }
}

/// Whether a place takes a value.
pub(crate) fn check_value(
    place: Place,
    path: &[Step],
    value: &Value,
    space: SpaceId,
) -> Result<(), EchoError> {
    match (place, value) {
        (Place::Free, _) => check_names(path, value),
        (Place::Member, Value::Bool(_)) => Ok(()),
        (Place::Member, _) => bad_value(path, "a member is in or out"),
        (Place::Reference, Value::Ref(reference)) => {
            let parent = matches!(path.first(), Some(Step::Key(name)) if name == PARENT);
            match parent && reference.space.is_some_and(|other| other != space) {
                true => bad_value(path, "a parent is in the same space"),
                false => Ok(()),
            }
        }
        (Place::Reference, _) => bad_value(path, "must be a reference"),
        (Place::Set, _) => bad_path(path, "members are put in one by one"),
    }
}

/// Refuses reserved names within the steps below the top, and within the value.
pub(crate) fn check_names(path: &[Step], value: &Value) -> Result<(), EchoError> {
    let reserved = |name: &str| name.starts_with('@');
    let member = |name: &str, value: &Value| match value {
        Value::Bool(_) => true,
        Value::Bytes(encoded) => name == BLOB && BlobRef::decode(encoded).is_ok(),
        _ => false,
    };
    for (depth, step) in path.iter().enumerate() {
        if let Step::Key(name) = step
            && reserved(name)
            && !(depth + 1 == path.len() && member(name, value))
        {
            return bad_path(path, "names that start with @ are reserved");
        }
    }
    match value {
        Value::Map(values) => values.iter().try_for_each(|(name, value)| {
            check_names(&[path, &[Step::Key(name.clone())]].concat(), value)
        }),
        Value::List(values) => values.iter().try_for_each(|value| check_names(path, value)),
        _ => Ok(()),
    }
}
