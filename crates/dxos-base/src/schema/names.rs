//! Names of types: a reverse-domain name and a semantic version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::query::TypeVersion;

/// A text that names no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeNameError {
    /// Not `domain.of.owner.Name`.
    #[error("\"{name}\" is no reverse-domain name such as org.example.Task")]
    Name {
        /// What was given, cut to 64 characters.
        name: String,
    },
    /// Not `MAJOR.MINOR.PATCH`.
    #[error("\"{version}\" is no version such as 0.1.0")]
    Version {
        /// What was given, cut to 64 characters.
        version: String,
    },
}

/// A type by name and version; shown and stored as `org.example.Task@0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeRef {
    /// Reverse-domain name.
    pub name: String,
    /// Semantic version.
    pub version: TypeVersion,
}

impl TypeRef {
    /// Of a checked name and version.
    ///
    /// # Errors
    /// When either is malformed.
    pub fn new(name: &str, version: &str) -> Result<TypeRef, TypeNameError> {
        if !is_type_name(name) {
            return Err(TypeNameError::Name { name: cut(name) });
        }
        let wrong = || TypeNameError::Version {
            version: cut(version),
        };
        Ok(TypeRef {
            name: name.to_owned(),
            version: parse_version(version).ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for TypeRef {
    type Err = TypeNameError;
    fn from_str(text: &str) -> Result<Self, TypeNameError> {
        let (name, version) = text.split_once('@').unwrap_or((text, ""));
        TypeRef::new(name, version)
    }
}

/// Exactly `MAJOR.MINOR.PATCH`, without leading zeros.
fn parse_version(text: &str) -> Option<TypeVersion> {
    let mut parts = text.split('.').map(|part| {
        let plain = part == "0" || part.starts_with(|c: char| ('1'..='9').contains(&c));
        plain.then(|| part.parse().ok()).flatten()
    });
    let version = TypeVersion(parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

/// Whether `name` is a reverse-domain name: two or more parts of ASCII letters, digits, `-` and `_`, each beginning
/// with a letter, joined by dots.
pub(super) fn is_type_name(name: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    name.len() <= limits::NAME_BYTES_MAX && name.contains('.') && name.split('.').all(is_part)
}

/// Whether `name` may name a field: not empty, at most 256 bytes, no control characters, no leading `@`.
pub(super) fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::NAME_BYTES_MAX
        && !name.starts_with('@')
        && !name.chars().any(char::is_control)
}

/// At most 64 characters of `text`, for messages.
pub(super) fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(64).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
