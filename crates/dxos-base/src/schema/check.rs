//! Whether a schema itself is sound. Schemas come from people, programs and other devices: all of it is checked.

use std::collections::BTreeSet;

use super::misfit::{Step, misfits_of_item, show_path};
use super::names::{is_field_name, is_type_name};
use super::{Field, FieldType, Item, Notes, TypeSchema};
use crate::limits;
use crate::value::Value;

/// Why a schema is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The type's name is no reverse-domain name.
    #[error("\"{name}\" is no reverse-domain name such as org.example.Task")]
    TypeName {
        /// The name.
        name: String,
    },
    /// A field's name is empty, too long, begins with `@` or holds control characters.
    #[error("\"{path}\" cannot name a field")]
    FieldName {
        /// Where.
        path: String,
    },
    /// Two fields share a name or former name.
    #[error("{path} stands twice")]
    Twice {
        /// Where.
        path: String,
    },
    /// The label names no field.
    #[error("the label \"{label}\" names no field")]
    Label {
        /// The name.
        label: String,
    },
    /// Structures, lists and maps nested too deeply.
    #[error("{path} is nested deeper than {max} levels")]
    Depth {
        /// Where.
        path: String,
        /// Levels allowed.
        max: usize,
    },
    /// Too many fields, nested ones included.
    #[error("more than {max} fields")]
    Fields {
        /// Fields allowed.
        max: usize,
    },
    /// A choice without options, with too many, or with one twice.
    #[error("the options of {path} are none, more than {max}, or repeat")]
    Choices {
        /// Where.
        path: String,
        /// Options allowed.
        max: usize,
    },
    /// A default that does not fit its own field.
    #[error("the default of {path} does not fit: {misfit}")]
    Default {
        /// Where.
        path: String,
        /// What does not fit.
        misfit: String,
    },
    /// A colour outside 0–359 degrees.
    #[error("the hue of {path} is not between 0 and 359")]
    Hue {
        /// Where.
        path: String,
    },
    /// A collaborative text or counter within a list, or a text as a default, where it cannot live.
    #[error("{path} holds a {kind} in a place where none can be kept")]
    Misplaced {
        /// Where.
        path: String,
        /// `text` or `counter`.
        kind: &'static str,
    },
    /// A set of other things than strings.
    #[error("{path} is a set of something else than strings")]
    Member {
        /// Where.
        path: String,
    },
    /// All of it together is too long.
    #[error("the schema takes {len} bytes, {max} are allowed")]
    Size {
        /// Its length encoded.
        len: usize,
        /// Length allowed.
        max: usize,
    },
}

impl TypeSchema {
    /// Whether the schema is sound and within all limits.
    ///
    /// # Errors
    /// The first fault, with the path of the field.
    pub fn check(&self) -> Result<(), SchemaError> {
        if !is_type_name(&self.name) {
            return Err(SchemaError::TypeName {
                name: super::names::cut(&self.name),
            });
        }
        let mut walk = Walk {
            path: Vec::new(),
            fields: 0,
        };
        walk.notes(&self.notes)?;
        walk.fields(&self.fields)?;
        if let Some(label) = &self.label
            && self.field_named(label).is_none()
        {
            return Err(SchemaError::Label {
                label: label.clone(),
            });
        }
        let (len, max) = (crate::encode(self).len(), limits::SCHEMA_BYTES_MAX);
        if len > max {
            return Err(SchemaError::Size { len, max });
        }
        Ok(())
    }
}

struct Walk {
    path: Vec<Step>,
    fields: usize,
}

impl Walk {
    fn shown(&self) -> String {
        show_path(&self.path)
    }

    fn fields(&mut self, fields: &[Field]) -> Result<(), SchemaError> {
        self.fields += fields.len();
        if self.fields > limits::SCHEMA_FIELDS_MAX {
            return Err(SchemaError::Fields {
                max: limits::SCHEMA_FIELDS_MAX,
            });
        }
        let mut names = BTreeSet::new();
        for field in fields {
            self.path.push(Step::Name(field.name.clone()));
            for name in std::iter::once(&field.name).chain(&field.aliases) {
                if !is_field_name(name) {
                    return Err(SchemaError::FieldName { path: self.shown() });
                }
                if !names.insert(name) {
                    return Err(SchemaError::Twice { path: self.shown() });
                }
            }
            self.notes(&field.notes)?;
            self.kind(&field.kind)?;
            self.default(&field.kind, &field.notes)?;
            self.path.pop();
        }
        Ok(())
    }

    /// Members of sets are names in a map: strings, however they are written.
    fn member(&mut self, item: &Item) -> Result<(), SchemaError> {
        let is_string = match &item.kind {
            FieldType::String | FieldType::Select(_) => true,
            FieldType::Format(format) => format.base() == FieldType::String,
            _ => false,
        };
        if !is_string {
            return Err(SchemaError::Member { path: self.shown() });
        }
        self.item(item, false)
    }

    fn item(&mut self, item: &Item, in_map: bool) -> Result<(), SchemaError> {
        let kind = match item.kind {
            FieldType::Text => "text",
            FieldType::Counter => "counter",
            _ => "",
        };
        if !kind.is_empty() && !in_map {
            return Err(SchemaError::Misplaced {
                path: self.shown(),
                kind,
            });
        }
        self.path.push(Step::Name("*".into()));
        self.notes(&item.notes)?;
        self.kind(&item.kind)?;
        self.default(&item.kind, &item.notes)?;
        self.path.pop();
        Ok(())
    }

    fn kind(&mut self, kind: &FieldType) -> Result<(), SchemaError> {
        if self.path.len() > limits::SCHEMA_DEPTH_MAX {
            return Err(SchemaError::Depth {
                path: self.shown(),
                max: limits::SCHEMA_DEPTH_MAX,
            });
        }
        match kind {
            FieldType::Set(item) => self.member(item),
            FieldType::List(item) => self.item(item, false),
            FieldType::Map(item) => self.item(item, true),
            FieldType::Struct(fields) => self.fields(fields),
            FieldType::Select(choices) => {
                let values: BTreeSet<&str> = choices.iter().map(|c| c.value.as_str()).collect();
                let max = limits::SCHEMA_CHOICES_MAX;
                let hues = choices.iter().all(|choice| is_hue(choice.hue));
                if !hues {
                    return Err(SchemaError::Hue { path: self.shown() });
                }
                if choices.is_empty() || choices.len() > max || values.len() < choices.len() {
                    let path = self.shown();
                    return Err(SchemaError::Choices { path, max });
                }
                Ok(())
            }
            FieldType::Ref(Some(name)) if !is_type_name(name) => Err(SchemaError::TypeName {
                name: super::names::cut(name),
            }),
            _ => Ok(()),
        }
    }

    fn notes(&self, notes: &Notes) -> Result<(), SchemaError> {
        if is_hue(notes.hue) {
            Ok(())
        } else {
            Err(SchemaError::Hue { path: self.shown() })
        }
    }

    fn default(&self, kind: &FieldType, notes: &Notes) -> Result<(), SchemaError> {
        let Some(default) = &notes.default else {
            return Ok(());
        };
        if has_text(default) {
            return Err(SchemaError::Misplaced {
                path: self.shown(),
                kind: "text",
            });
        }
        match misfits_of_item(kind, default).into_iter().next() {
            Some(misfit) => Err(SchemaError::Default {
                path: self.shown(),
                misfit: misfit.to_string(),
            }),
            None => Ok(()),
        }
    }
}

/// A text belongs to one object: it cannot be everyone's default.
fn has_text(value: &Value) -> bool {
    match value {
        Value::Text(_) => true,
        Value::List(items) => items.iter().any(has_text),
        Value::Map(map) => map.values().any(has_text),
        _ => false,
    }
}

fn is_hue(hue: Option<u16>) -> bool {
    hue.is_none_or(|hue| hue < 360)
}
