//! Cells and values: what a cell's letters mean in a column, and what a value is written as.

use std::collections::BTreeSet;

use dxos_base::json::{value_from_json, value_to_json};
use dxos_base::schema::FieldType;
use dxos_base::{Address, SpaceId, Value};
use serde_json::Value as Json;

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Bool,
    Int,
    Float,
    String,
    Timestamp,
    Text,
    Counter,
    Ref,
    Set,
    /// Values in their JSON form.
    Json,
    /// A value in its JSON form if it is one, else a string.
    Any,
}

impl Column {
    /// For a field of a schema.
    pub(super) fn of(kind: &FieldType) -> Column {
        match kind {
            FieldType::Bool => Column::Bool,
            FieldType::Int => Column::Int,
            FieldType::Float => Column::Float,
            FieldType::String | FieldType::Select(_) => Column::String,
            FieldType::Timestamp => Column::Timestamp,
            FieldType::Ref(_) => Column::Ref,
            FieldType::Text => Column::Text,
            FieldType::Counter => Column::Counter,
            FieldType::Format(format) => Column::of(&format.base()),
            FieldType::Set(_) => Column::Set,
            FieldType::Bytes | FieldType::List(_) | FieldType::Map(_) | FieldType::Struct(_) => {
                Column::Json
            }
            FieldType::Any => Column::Any,
        }
    }

    /// For a column without a schema, from its cells: what all of them are.
    pub(super) fn guess<'c>(cells: impl Iterator<Item = &'c str> + Clone) -> Column {
        let cells = cells.filter(|cell| !cell.is_empty());
        let all =
            |fits: fn(&str) -> bool| cells.clone().next().is_some() && cells.clone().all(fits);
        if all(|cell| matches!(cell, "true" | "false")) {
            Column::Bool
        } else if all(is_int) {
            Column::Int
        } else if all(|cell| is_int(cell) || is_float(cell)) {
            Column::Float
        } else if all(is_container) {
            Column::Json
        } else {
            Column::String
        }
    }

    /// The value of a cell that is not empty, and the content if it is a text.
    ///
    /// # Errors
    /// What it should be.
    pub(super) fn read(
        &self,
        cell: &str,
        space: SpaceId,
    ) -> Result<(Value, Option<String>), &'static str> {
        let json = |cell: &str| {
            let json: Json = serde_json::from_str(cell).map_err(|_| "is no JSON")?;
            value_from_json(&json, space).map_err(|_| "is no value in JSON")
        };
        let trimmed = cell.trim();
        let value = match self {
            Column::Bool => match trimmed.to_lowercase().as_str() {
                "true" | "yes" | "1" => Value::Bool(true),
                "false" | "no" | "0" => Value::Bool(false),
                _ => return Err("is neither true nor false"),
            },
            Column::Int => Value::Int(trimmed.parse().map_err(|_| "is no whole number")?),
            Column::Counter => Value::Counter(trimmed.parse().map_err(|_| "is no whole number")?),
            Column::Float => match trimmed.parse::<f64>() {
                Ok(number) => Value::float(number),
                Err(_) => return Err("is no number"),
            },
            Column::String => Value::from(cell),
            Column::Timestamp => {
                Value::Timestamp(trimmed.parse().map_err(|_| "is no time in milliseconds")?)
            }
            Column::Text => {
                return Ok((
                    Value::Text(dxos_base::TextId([0; 16])),
                    Some(cell.to_owned()),
                ));
            }
            Column::Ref => {
                let address: Option<Address> = trimmed.parse().ok();
                let reference = address.and_then(|address| address.reference(space));
                Value::Ref(reference.ok_or("is no address of an object")?)
            }
            Column::Set => match serde_json::from_str::<BTreeSet<String>>(cell) {
                Ok(members) => Value::set(members),
                Err(_) => Value::set(
                    cell.split([',', ';'])
                        .map(str::trim)
                        .filter(|word| !word.is_empty()),
                ),
            },
            Column::Json => json(cell)?,
            Column::Any => json(cell).unwrap_or_else(|_| Value::from(cell)),
        };
        Ok((value, None))
    }
}

fn is_int(cell: &str) -> bool {
    cell.parse::<i64>()
        .is_ok_and(|number| number.to_string() == cell)
}

fn is_float(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    digits.starts_with(|letter: char| letter.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."))
        && cell.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_container(cell: &str) -> bool {
    cell.starts_with(['{', '[']) && serde_json::from_str::<Json>(cell).is_ok()
}

/// A value as a cell: as people write it where a column of a kind is read so, else as JSON.
pub(super) fn write(
    value: &Value,
    text: Option<&str>,
    column: Option<&Column>,
    space: SpaceId,
) -> String {
    match (value, column) {
        (Value::String(text), Some(Column::Any)) if serde_json::from_str::<Json>(text).is_ok() => {
            Json::String(text.clone()).to_string()
        }
        (Value::String(text), _) => text.clone(),
        (Value::Bool(flag), _) => flag.to_string(),
        (Value::Int(number), _) => number.to_string(),
        (Value::Float(number), _) => format!("{number:?}"),
        (Value::Text(_), _) => text.unwrap_or_default().to_owned(),
        (Value::Timestamp(ms), Some(Column::Timestamp)) => ms.to_string(),
        (Value::Counter(number), Some(Column::Counter)) => number.to_string(),
        (Value::Ref(reference), Some(Column::Ref)) => {
            Address::of_ref(*reference, space).to_string()
        }
        (Value::Map(_), Some(Column::Set)) => {
            let members: Vec<&str> = value.members().collect();
            serde_json::to_string(&members).unwrap_or_default()
        }
        (other, _) => value_to_json(other, space).to_string(),
    }
}
