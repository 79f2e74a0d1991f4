//! Paths into an object: names of maps, elements of lists.
//!
//! Text form (addresses, errors, the CLI): steps joined by `/`; a name as it is, but `%`, `/` and a leading `[`, as
//! `%25`, `%2F`, `%5B`; an element as `[id]`. [`parse_path`] reads what [`show_path`] shows, and nothing else.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::ids::{ElementId, IdError};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// A name in a map.
    Key(String),
    /// An element of a list.
    Element(ElementId),
}

/// Steps from the top of an object; empty is the object itself.
pub type Path = Vec<Step>;

/// A path of map names.
pub fn key_path<S: AsRef<str>>(names: &[S]) -> Path {
    names
        .iter()
        .map(|name| Step::Key(name.as_ref().to_owned()))
        .collect()
}

/// What can be meant as a path: a name at the top, names from the top, or a path itself.
pub trait IntoPath {
    /// The path.
    fn into_path(self) -> Path;
}
impl IntoPath for Path {
    fn into_path(self) -> Path {
        self
    }
}
impl IntoPath for &[Step] {
    fn into_path(self) -> Path {
        self.to_vec()
    }
}
impl IntoPath for &str {
    fn into_path(self) -> Path {
        key_path(&[self])
    }
}
impl IntoPath for String {
    fn into_path(self) -> Path {
        vec![Step::Key(self)]
    }
}
impl IntoPath for &[&str] {
    fn into_path(self) -> Path {
        key_path(self)
    }
}
impl<const N: usize> IntoPath for [&str; N] {
    fn into_path(self) -> Path {
        key_path(&self)
    }
}

/// A path as text: `address/city`, `items/[abc…]/name`.
pub fn show_path(path: &[Step]) -> String {
    let mut out = String::new();
    for (place, step) in path.iter().enumerate() {
        if place > 0 {
            out.push('/');
        }
        match step {
            Step::Element(element) => {
                write!(out, "[{element}]").expect("writing to a string succeeds")
            }
            Step::Key(name) => {
                for (at, letter) in name.chars().enumerate() {
                    match letter {
                        '%' => out.push_str("%25"),
                        '/' => out.push_str("%2F"),
                        '[' if at == 0 => out.push_str("%5B"),
                        other => out.push(other),
                    }
                }
            }
        }
    }
    out
}

/// Reads a path from its text; the empty text is the empty path.
///
/// # Errors
/// An empty name, an element that is no id, or an escape that [`show_path`] does not make.
pub fn parse_path(text: &str) -> Result<Path, IdError> {
    let error = || IdError::new("path", text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let path: Path = text
        .split('/')
        .map(|step| match step.strip_prefix('[') {
            Some(rest) => {
                let id = rest.strip_suffix(']').ok_or_else(error)?;
                Ok(Step::Element(id.parse().map_err(|_| error())?))
            }
            None => {
                let name = step.replace("%5B", "[").replace("%2F", "/");
                Ok(Step::Key(name.replace("%25", "%")))
            }
        })
        .collect::<Result<_, IdError>>()?;
    let empty = |step: &Step| matches!(step, Step::Key(name) if name.is_empty());
    if path.iter().any(empty) || show_path(&path) != text {
        return Err(error());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            "[a%/\\[\\]é25FB@ ]{1,6}".prop_map(Step::Key),
            any::<[u8; 8]>().prop_map(|id| Step::Element(ElementId(id))),
        ]
    }

    proptest! {
        #[test]
        fn paths_round_trip_as_text(path in proptest::collection::vec(step(), 0..5)) {
            prop_assert_eq!(parse_path(&show_path(&path)), Ok(path));
        }

        #[test]
        fn any_text_is_a_path_or_an_error(text in "[a%/\\[\\]25FB]{0,12}") {
            if let Ok(path) = parse_path(&text) {
                prop_assert_eq!(show_path(&path), text);
            }
        }
    }
}
