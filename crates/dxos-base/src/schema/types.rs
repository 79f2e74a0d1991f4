//! The description of a type: plain data, in the order in which forms and tables show it.
//!
//! It has no decoder of its own: what comes from elsewhere is read, and bounded, as JSON Schema or as a stored type.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Format, TypeNameError, TypeRef};
use crate::query::TypeVersion;
use crate::value::Value;

/// A type: its name, version, fields and annotations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeSchema {
    /// Reverse-domain name, such as `org.example.Task`.
    pub name: String,
    /// Semantic version.
    pub version: TypeVersion,
    /// The field whose value is an object's title.
    pub label: Option<String>,
    /// What people read about the type; `default` and `hidden` have no meaning here.
    pub notes: Notes,
    /// In the order in which they are shown.
    pub fields: Vec<Field>,
}

/// A field of a type or of a nested structure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// The property's name.
    pub name: String,
    /// Names the field had before: values stored under them are read as this field's while it has none of its own.
    pub aliases: Vec<String>,
    /// Objects without it do not fit.
    pub required: bool,
    /// What values it takes.
    pub kind: FieldType,
    /// What people read about it.
    pub notes: Notes,
}

/// What stands in a list, set or map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// What values it takes.
    pub kind: FieldType,
    /// What people read about it.
    pub notes: Notes,
}

/// Annotations, and keywords of JSON Schema that this format does not know.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Notes {
    /// Name to show instead of the property's.
    pub title: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// An icon's name, such as `ph--check--regular`.
    pub icon: Option<String>,
    /// Colour, 0–359 degrees.
    pub hue: Option<u16>,
    /// Not shown in generic forms and tables.
    pub hidden: bool,
    /// The value of a new object.
    pub default: Option<Value>,
    /// Unknown keywords with their JSON text, kept as they came.
    pub extra: BTreeMap<String, String>,
}

/// What values a field takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum FieldType {
    /// Anything.
    Any,
    /// True or false.
    Bool,
    /// 64-bit integer.
    Int,
    /// 64-bit float; integers fit too.
    Float,
    /// Text replaced whole.
    String,
    /// Bytes replaced whole.
    Bytes,
    /// Milliseconds since the Unix epoch.
    Timestamp,
    /// A reference, to objects of this type name if given.
    Ref(Option<String>),
    /// A collaborative text.
    Text,
    /// An integer to which increments add up.
    Counter,
    /// One of these; a set or list of it is a multiple choice.
    Select(Vec<Choice>),
    /// A value written in a known way.
    Format(Format),
    /// Strings without repetition, in no order: a map of member → true, so that people who add and remove at once
    /// both succeed.
    Set(Box<Item>),
    /// Values in order.
    List(Box<Item>),
    /// Values by name.
    Map(Box<Item>),
    /// Named fields.
    Struct(Vec<Field>),
}

/// An option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What is stored.
    pub value: String,
    /// Name to show instead.
    pub title: Option<String>,
    /// Colour, 0–359 degrees.
    pub hue: Option<u16>,
}

impl TypeSchema {
    /// A type without fields.
    ///
    /// # Errors
    /// When name or version is malformed.
    pub fn new(name: &str, version: &str) -> Result<TypeSchema, TypeNameError> {
        let TypeRef { name, version } = TypeRef::new(name, version)?;
        Ok(TypeSchema {
            name,
            version,
            label: None,
            notes: Notes::default(),
            fields: Vec::new(),
        })
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, field: Field) -> TypeSchema {
        self.fields.push(field);
        self
    }

    /// With the field that titles an object.
    #[must_use]
    pub fn label(mut self, name: &str) -> TypeSchema {
        self.label = Some(name.to_owned());
        self
    }

    /// Its name and version.
    pub fn type_ref(&self) -> TypeRef {
        TypeRef {
            name: self.name.clone(),
            version: self.version,
        }
    }

    /// A field by its present name.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The name to show for the type: its title, else the last part of its name.
    pub fn title(&self) -> &str {
        let last = self.name.rsplit('.').next().unwrap_or(&self.name);
        self.notes.title.as_deref().unwrap_or(last)
    }

    /// First values of a new object: the defaults of its fields.
    pub fn defaults(&self) -> BTreeMap<String, Value> {
        defaults(&self.fields)
    }

    /// The value of `field` in an object: under its name, else under the latest former name that has one.
    pub fn value_of<'a>(
        field: &Field,
        values: &'a BTreeMap<String, Value>,
    ) -> Option<(&'a str, &'a Value)> {
        let names = std::iter::once(&field.name).chain(field.aliases.iter().rev());
        let mut found = names.filter_map(|name| values.get_key_value(name.as_str()));
        found.next().map(|(name, value)| (name.as_str(), value))
    }
}

fn defaults(fields: &[Field]) -> BTreeMap<String, Value> {
    let of = |field: &Field| {
        let value = match (&field.notes.default, &field.kind) {
            (Some(value), _) => value.clone(),
            (None, FieldType::Struct(below)) => {
                let below = defaults(below);
                if below.is_empty() {
                    return None;
                }
                Value::Map(below)
            }
            (None, _) => return None,
        };
        Some((field.name.clone(), value))
    };
    fields.iter().filter_map(of).collect()
}

impl Field {
    /// A field that may be absent.
    pub fn new(name: &str, kind: FieldType) -> Field {
        Field {
            name: name.to_owned(),
            aliases: Vec::new(),
            required: false,
            kind,
            notes: Notes::default(),
        }
    }

    /// Objects without it do not fit.
    #[must_use]
    pub fn required(mut self) -> Field {
        self.required = true;
        self
    }

    /// With annotations.
    #[must_use]
    pub fn notes(mut self, notes: Notes) -> Field {
        self.notes = notes;
        self
    }

    /// The name to show: its title, else its name.
    pub fn title(&self) -> &str {
        self.notes.title.as_deref().unwrap_or(&self.name)
    }
}

impl FieldType {
    /// A list of values of one kind.
    pub fn list(kind: FieldType) -> FieldType {
        FieldType::List(Box::new(kind.into()))
    }

    /// A set of values of one kind.
    pub fn set(kind: FieldType) -> FieldType {
        FieldType::Set(Box::new(kind.into()))
    }

    /// A map to values of one kind.
    pub fn map(kind: FieldType) -> FieldType {
        FieldType::Map(Box::new(kind.into()))
    }

    /// The same with what it is made of in the end replaced: a list of strings with `leaf` an e-mail address is a list
    /// of e-mail addresses.
    #[must_use]
    pub fn with_leaf(self, leaf: FieldType) -> FieldType {
        let replaced = |mut item: Box<Item>| {
            item.kind = item.kind.with_leaf(leaf.clone());
            item
        };
        match self {
            FieldType::List(item) => FieldType::List(replaced(item)),
            FieldType::Set(item) => FieldType::Set(replaced(item)),
            FieldType::Map(item) => FieldType::Map(replaced(item)),
            _ => leaf,
        }
    }

    /// A choice of values without titles.
    pub fn select<'a>(values: impl IntoIterator<Item = &'a str>) -> FieldType {
        FieldType::Select(values.into_iter().map(Choice::new).collect())
    }
}

impl From<FieldType> for Item {
    fn from(kind: FieldType) -> Item {
        Item {
            kind,
            notes: Notes::default(),
        }
    }
}

impl Choice {
    /// An option shown as it is stored.
    pub fn new(value: &str) -> Choice {
        Choice {
            value: value.to_owned(),
            title: None,
            hue: None,
        }
    }
}
