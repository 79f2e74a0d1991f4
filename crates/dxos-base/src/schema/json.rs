//! A schema as JSON Schema, draft 2020-12.
//!
//! What the draft has no word for stands in keywords of our own (other readers pass over them):
//! `x-dxos-type`, `x-dxos-version`, `x-dxos-label` (the field that titles an object), `x-dxos-kind` (`text`,
//! `counter`, `set`, `reference`, `bytes`, `timestamp`), `x-dxos-target` (type of a reference), `x-dxos-options`,
//! `x-dxos-currency`, `x-dxos-icon`, `x-dxos-hue`, `x-dxos-hidden`, `x-dxos-aliases`, `x-dxos-order` (order of
//! `properties`). Unknown keywords stay as they came.

use serde_json::{Map, Value as Json, json};

use super::{Choice, Field, FieldType, Format, Item, Notes, TypeSchema};
use crate::ids::SpaceId;
use crate::json::value_to_json;

/// Stands for the space a schema is used in, in references of defaults.
pub(super) const NO_SPACE: SpaceId = SpaceId([0; SpaceId::LEN]);
/// The dialect.
pub(super) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

impl TypeSchema {
    /// The schema as JSON Schema. [`TypeSchema::from_json`] gives the same schema back.
    pub fn to_json(&self) -> Json {
        let mut out = notes_out(&self.notes);
        out.insert("$schema".into(), DRAFT.into());
        out.insert("$id".into(), id(self).into());
        out.insert("x-dxos-type".into(), self.name.clone().into());
        out.insert("x-dxos-version".into(), self.version.to_string().into());
        if let Some(label) = &self.label {
            out.insert("x-dxos-label".into(), label.clone().into());
        }
        fields_out(&self.fields, &mut out);
        Json::Object(out)
    }
}

/// The address of a type.
pub(super) fn id(schema: &TypeSchema) -> String {
    format!("dxos:type:{}", schema.type_ref())
}

fn fields_out(fields: &[Field], out: &mut Map<String, Json>) {
    out.insert("type".into(), "object".into());
    let mut properties = Map::new();
    for field in fields {
        let mut property = item_out(&field.kind, &field.notes);
        if !field.aliases.is_empty() {
            property.insert("x-dxos-aliases".into(), json!(field.aliases));
        }
        properties.insert(field.name.clone(), Json::Object(property));
    }
    out.insert("properties".into(), Json::Object(properties));
    let names = |wanted: fn(&&Field) -> bool| -> Vec<&str> {
        let named = fields.iter().filter(wanted);
        named.map(|field| field.name.as_str()).collect()
    };
    let (all, required) = (names(|_| true), names(|field| field.required));
    if all.len() > 1 {
        out.insert("x-dxos-order".into(), json!(all));
    }
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
}

fn notes_out(notes: &Notes) -> Map<String, Json> {
    let mut out = Map::new();
    for (keyword, text) in &notes.extra {
        // What does not read was not put there by this format; it is no JSON then and cannot be told.
        if let Ok(value) = serde_json::from_str(text) {
            out.insert(keyword.clone(), value);
        }
    }
    let mut set = |keyword: &str, value: Option<Json>| {
        if let Some(value) = value {
            out.insert(keyword.into(), value);
        }
    };
    set("title", notes.title.clone().map(Json::from));
    set("description", notes.description.clone().map(Json::from));
    set("x-dxos-icon", notes.icon.clone().map(Json::from));
    set("x-dxos-hue", notes.hue.map(Json::from));
    set("x-dxos-hidden", notes.hidden.then_some(Json::Bool(true)));
    set(
        "default",
        notes
            .default
            .as_ref()
            .map(|value| value_to_json(value, NO_SPACE)),
    );
    out
}

fn item_json(item: &Item) -> Json {
    Json::Object(item_out(&item.kind, &item.notes))
}

fn item_out(kind: &FieldType, notes: &Notes) -> Map<String, Json> {
    let mut out = notes_out(notes);
    let mut set = |keyword: &str, value: Json| out.insert(keyword.into(), value);
    match kind {
        FieldType::Any => {}
        FieldType::Bool => drop(set("type", "boolean".into())),
        FieldType::Int => drop(set("type", "integer".into())),
        FieldType::Float => drop(set("type", "number".into())),
        FieldType::String => drop(set("type", "string".into())),
        FieldType::Bytes => drop(set("x-dxos-kind", "bytes".into())),
        FieldType::Timestamp => drop(set("x-dxos-kind", "timestamp".into())),
        FieldType::Ref(target) => {
            set("x-dxos-kind", "reference".into());
            if let Some(target) = target {
                set("x-dxos-target", target.clone().into());
            }
        }
        FieldType::Text => {
            set("type", "string".into());
            set("x-dxos-kind", "text".into());
        }
        FieldType::Counter => {
            set("type", "integer".into());
            set("x-dxos-kind", "counter".into());
        }
        FieldType::Select(choices) => {
            set("type", "string".into());
            let values: Vec<&str> = choices.iter().map(|choice| choice.value.as_str()).collect();
            set("enum", json!(values));
            if choices.iter().any(|c| c.title.is_some() || c.hue.is_some()) {
                let options = choices.iter().map(choice_out).collect();
                set("x-dxos-options", Json::Array(options));
            }
        }
        FieldType::Format(format) => {
            set("format", format.keyword().into());
            match format {
                Format::Currency(code) => {
                    set("type", "number".into());
                    if let Some(code) = code {
                        set("x-dxos-currency", code.clone().into());
                    }
                }
                Format::Percent => drop(set("type", "number".into())),
                Format::GeoPoint => drop(set("type", "array".into())),
                _ => drop(set("type", "string".into())),
            }
        }
        FieldType::Set(item) => {
            set("type", "array".into());
            set("uniqueItems", true.into());
            set("items", item_json(item));
            set("x-dxos-kind", "set".into());
        }
        FieldType::List(item) => {
            set("type", "array".into());
            set("items", item_json(item));
        }
        FieldType::Map(item) => {
            set("type", "object".into());
            set("additionalProperties", item_json(item));
        }
        FieldType::Struct(fields) => fields_out(fields, &mut out),
    }
    out
}

fn choice_out(choice: &Choice) -> Json {
    let mut out = Map::new();
    out.insert("value".into(), choice.value.clone().into());
    if let Some(title) = &choice.title {
        out.insert("title".into(), title.clone().into());
    }
    if let Some(hue) = choice.hue {
        out.insert("hue".into(), hue.into());
    }
    Json::Object(out)
}
