//! Values against a schema: what does not fit, where, and what was expected there.
//!
//! Invariants
//! * total: any values against any schema give a list, at most [`limits::MISFITS_MAX`] long;
//! * fields the schema does not know fit (they may be a newer version's), and so do absent ones that are not required.

use std::collections::BTreeMap;
use std::fmt;

use super::names::cut;
use super::{Field, FieldType, Format, TypeSchema};
use crate::limits;
use crate::value::Value;

/// A step of a path into an object's values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A property or a key of a map.
    Name(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// A value that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {found}, expected {expected}", show_path(path))]
pub struct Misfit {
    /// Where.
    pub path: Vec<Step>,
    /// What fits there, in words.
    pub expected: String,
    /// What is there, in words, cut to 64 characters.
    pub found: String,
}

impl Misfit {
    /// Of a value at `path`; `None`: nothing is there.
    pub fn new(path: &[Step], expected: impl Into<String>, found: Option<&Value>) -> Misfit {
        Misfit {
            path: path.to_vec(),
            expected: expected.into(),
            found: found.map_or_else(|| "absent".into(), shown),
        }
    }

    /// The path as people read it: `members[2].email`.
    pub fn path_text(&self) -> String {
        show_path(&self.path)
    }

    /// The same misfit seen from one step further out.
    #[must_use]
    pub fn below(mut self, step: Step) -> Misfit {
        self.path.insert(0, step);
        self
    }
}

impl From<&str> for Step {
    fn from(name: &str) -> Step {
        Step::Name(name.to_owned())
    }
}

pub(super) fn show_path(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Index(at) => text.push_str(&format!("[{at}]")),
        }
    }
    if text.is_empty() {
        text.push_str("it");
    }
    text
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Int(number) => format!("the integer {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::String(text) => format!("the string \"{}\"", cut(text)),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Timestamp(ms) => format!("the timestamp {ms}"),
        Value::Ref(_) => "a reference".into(),
        Value::Text(_) => "a collaborative text".into(),
        Value::Counter(number) => format!("the counter {number}"),
        Value::List(items) => format!("a list of {}", items.len()),
        Value::Map(map) => format!("a map of {}", map.len()),
    }
}

impl FieldType {
    /// What fits, in words, as in "expected …".
    pub fn words(&self) -> String {
        match self {
            FieldType::Any => "any value".into(),
            FieldType::Bool => "true or false".into(),
            FieldType::Int => "an integer".into(),
            FieldType::Float => "a number".into(),
            FieldType::String => "a string".into(),
            FieldType::Bytes => "bytes".into(),
            FieldType::Timestamp => "a timestamp".into(),
            FieldType::Ref(None) => "a reference".into(),
            FieldType::Ref(Some(target)) => format!("a reference to {target}"),
            FieldType::Text => "a collaborative text".into(),
            FieldType::Counter => "a counter".into(),
            FieldType::Format(format) => format.words().into(),
            FieldType::Set(_) => "a set".into(),
            FieldType::List(_) => "a list".into(),
            FieldType::Map(_) => "a map".into(),
            FieldType::Struct(_) => "a map of fields".into(),
            FieldType::Select(choices) => {
                let some: Vec<_> = choices.iter().take(8).map(|c| c.value.as_str()).collect();
                let more = if choices.len() > 8 { ", …" } else { "" };
                format!("one of {}{more}", some.join(", "))
            }
        }
    }
}

impl TypeSchema {
    /// What of an object's values does not fit.
    pub fn misfits(&self, values: &BTreeMap<String, Value>) -> Vec<Misfit> {
        let mut walk = Walk::default();
        walk.fields(&self.fields, values);
        walk.found
    }

    /// What would not fit if the value at `path` became `value` (`None`: absent). Paths the schema does not describe
    /// fit.
    pub fn misfits_at(&self, path: &[String], value: Option<&Value>) -> Vec<Misfit> {
        let mut walk = Walk::default();
        walk.at(&self.fields, path, value);
        walk.found
    }
}

/// What of a single value does not fit `kind`.
pub(super) fn misfits_of_item(kind: &FieldType, value: &Value) -> Vec<Misfit> {
    let mut walk = Walk::default();
    walk.value(kind, value);
    walk.found
}

#[derive(Default)]
struct Walk {
    path: Vec<Step>,
    found: Vec<Misfit>,
}

impl Walk {
    fn misfit(&mut self, kind: &FieldType, found: Option<&Value>) {
        if self.found.len() < limits::MISFITS_MAX {
            let misfit = Misfit::new(&self.path, kind.words(), found);
            self.found.push(misfit);
        }
    }

    fn fields(&mut self, fields: &[Field], values: &BTreeMap<String, Value>) {
        for field in fields {
            match TypeSchema::value_of(field, values) {
                Some((name, value)) => {
                    self.path.push(name.into());
                    self.value(&field.kind, value);
                    self.path.pop();
                }
                None => self.absent(field),
            }
        }
    }

    fn absent(&mut self, field: &Field) {
        // A collaborative text is made by opening it.
        if field.required && field.kind != FieldType::Text {
            self.path.push(field.name.as_str().into());
            self.misfit(&field.kind, None);
            self.path.pop();
        }
    }

    fn at(&mut self, fields: &[Field], path: &[String], value: Option<&Value>) {
        let Some((name, below)) = path.split_first() else {
            return;
        };
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            return;
        };
        self.path.push(name.as_str().into());
        match (below.is_empty(), value) {
            (true, Some(value)) => self.value(&field.kind, value),
            (true, None) => {
                self.path.pop();
                return self.absent(field);
            }
            (false, _) => self.below(&field.kind, below, value),
        }
        self.path.pop();
    }

    fn below(&mut self, kind: &FieldType, path: &[String], value: Option<&Value>) {
        match kind {
            FieldType::Struct(fields) => self.at(fields, path, value),
            FieldType::Set(_) => {
                let held = value.cloned().unwrap_or(Value::Bool(false));
                let members = path.first().map(|member| (member.clone(), held));
                self.value(kind, &Value::Map(members.into_iter().collect()));
            }
            FieldType::Map(item) | FieldType::List(item) => {
                let Some((name, below)) = path.split_first() else {
                    return;
                };
                self.path.push(name.as_str().into());
                match (below.is_empty(), value) {
                    (true, Some(value)) => self.value(&item.kind, value),
                    (true, None) => {}
                    (false, _) => self.below(&item.kind, below, value),
                }
                self.path.pop();
            }
            FieldType::Any => {}
            scalar => self.misfit(scalar, Some(&Value::Map(BTreeMap::new()))),
        }
    }

    fn value(&mut self, kind: &FieldType, value: &Value) {
        match (kind, value) {
            (FieldType::Any, _)
            | (FieldType::Bool, Value::Bool(_))
            | (FieldType::Int, Value::Int(_))
            | (FieldType::Counter, Value::Counter(_))
            | (FieldType::Float, Value::Float(_) | Value::Int(_))
            | (FieldType::String, Value::String(_))
            | (FieldType::Bytes, Value::Bytes(_))
            | (FieldType::Timestamp, Value::Timestamp(_))
            | (FieldType::Ref(_), Value::Ref(_))
            | (FieldType::Text, Value::Text(_)) => {}
            (FieldType::Select(choices), Value::String(text)) => {
                if !choices.iter().any(|choice| choice.value == *text) {
                    self.misfit(kind, Some(value));
                }
            }
            (FieldType::Format(format), value) => self.format(kind, format, value),
            (FieldType::Set(item), Value::Map(map)) => {
                for (member, held) in map {
                    self.path.push(member.as_str().into());
                    match held {
                        Value::Bool(true) => self.value(&item.kind, &Value::from(member.as_str())),
                        Value::Bool(false) => {}
                        other => self.misfit(&FieldType::Bool, Some(other)),
                    }
                    self.path.pop();
                }
            }
            (FieldType::List(item), Value::List(items)) => {
                for (at, value) in items.iter().enumerate() {
                    self.path.push(Step::Index(at));
                    self.value(&item.kind, value);
                    self.path.pop();
                }
            }
            (FieldType::Map(item), Value::Map(map)) => {
                for (name, value) in map {
                    self.path.push(name.as_str().into());
                    self.value(&item.kind, value);
                    self.path.pop();
                }
            }
            (FieldType::Struct(fields), Value::Map(map)) => self.fields(fields, map),
            _ => self.misfit(kind, Some(value)),
        }
    }

    fn format(&mut self, kind: &FieldType, format: &Format, value: &Value) {
        let fits = match (format, value) {
            (Format::GeoPoint, Value::List(items)) => {
                let number = |value: &Value| match value {
                    Value::Float(number) => Some(*number),
                    Value::Int(number) => Some(*number as f64),
                    _ => None,
                };
                let numbers: Vec<_> = items.iter().filter_map(number).collect();
                matches!(numbers[..], [longitude, latitude] if items.len() == 2
                    && (-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude))
            }
            (Format::Currency(_) | Format::Percent, Value::Float(_) | Value::Int(_)) => true,
            (Format::Currency(_) | Format::Percent | Format::GeoPoint, _) => false,
            (format, Value::String(text)) => format.fits(text),
            _ => false,
        };
        if !fits {
            self.misfit(kind, Some(value));
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => f.write_str(name),
            Step::Index(at) => write!(f, "[{at}]"),
        }
    }
}
