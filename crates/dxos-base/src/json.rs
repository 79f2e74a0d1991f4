//! Objects as JSON, out and back without loss.
//!
//! ```json
//! {
//!   "@id": "01J…", "@type": "org.example.Task@0.1.0",
//!   "@meta": { "tags": ["red"], "keys": [{ "source": "github.com", "id": "7" }], "created": { "at": 1700000000000 } },
//!   "@parent": "dxos://B…/01J…",
//!   "title": "Milk", "due": { "@timestamp": 1700000000000 }, "notes": { "@text": "…" }
//! }
//! ```
//!
//! * null, bool, string, list and map are JSON's own. Integers up to 2⁵³ − 1 either way and numbers with a fraction are
//!   JSON numbers. All else is an object with one name: `@int` (text), `@float` (text), `@bytes` (base64), `@timestamp`
//!   (milliseconds), `@ref` (address), `@counter`, `@text` (content; null: not given).
//! * A name of a map that begins with `@` is written with one more `@`.
//! * `created`, `updated` and `deleted` of `@meta` are for readers; reading an object takes `deleted` only.
//! * Reading refuses what it does not understand, with the path: nothing is lost without a word.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde_json::{Map, Number, Value as Json, json};

use crate::address::Address;
use crate::ids::{IdentityKey, ObjectId, SpaceId, TextId};
use crate::limits;
use crate::object::{ForeignKey, ObjectMeta};
use crate::plain::{Place, PlaceStep, PlainObject};
use crate::value::{Ref, Value};
use crate::write::{META, PARENT, SOURCE, TARGET, TYPE};

/// Name of an object's id.
pub const ID: &str = "@id";
/// Greatest integer every reader of JSON takes whole: 2⁵³ − 1.
const SAFE_INT: i64 = (1 << 53) - 1;

/// JSON that is no object as [`to_json`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{path}\" cannot be read: {detail}")]
pub struct JsonError {
    /// Names and numbers from the top, joined by `/`.
    pub path: String,
    /// What is wrong.
    pub detail: &'static str,
}

/// An object of `space` as JSON.
pub fn to_json(plain: &PlainObject, space: SpaceId) -> Json {
    let mut writer = Writer {
        space,
        texts: &plain.texts,
        place: Place::new(),
    };
    let mut out = Map::new();
    out.insert(ID.to_owned(), Json::String(plain.object.to_string()));
    if !plain.type_name.is_empty() {
        out.insert(TYPE.to_owned(), Json::String(plain.type_name.clone()));
    }
    let meta = meta_to_json(plain);
    if !meta.is_empty() {
        out.insert(META.to_owned(), Json::Object(meta));
    }
    for (name, reference) in [
        (PARENT, plain.meta.parent),
        (SOURCE, plain.meta.source),
        (TARGET, plain.meta.target),
    ] {
        out.extend(reference.map(|reference| {
            let address = Address::of_ref(reference, space);
            (name.to_owned(), Json::String(address.to_string()))
        }));
    }
    for (name, value) in &plain.values {
        out.insert(
            escape(name),
            writer.below(PlaceStep::Name(name.clone()), value),
        );
    }
    Json::Object(out)
}

/// A value of `space` as JSON, texts without content.
pub fn value_to_json(value: &Value, space: SpaceId) -> Json {
    Writer {
        space,
        texts: &BTreeMap::new(),
        place: Place::new(),
    }
    .value(value)
}

/// Reads an object of `space` from JSON.
///
/// # Errors
/// Whatever [`to_json`] would not have written, with its place. Without `@id` the caller's `id` is taken.
pub fn from_json(
    json: &Json,
    space: SpaceId,
    id: impl FnOnce() -> ObjectId,
) -> Result<PlainObject, JsonError> {
    let mut reader = Reader {
        space,
        texts: BTreeMap::new(),
        place: Place::new(),
    };
    let Json::Object(fields) = json else {
        return reader.error("an object is a JSON object");
    };
    let mut object = None;
    let mut plain = PlainObject {
        object: ObjectId([0; 16]),
        type_name: String::new(),
        meta: ObjectMeta::default(),
        created_ms: 0,
        updated_ms: 0,
        deleted: false,
        values: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    for (name, json) in fields {
        reader.place = vec![PlaceStep::Name(name.clone())];
        match name.as_str() {
            ID => object = Some(reader.parsed(json, "not an object id")?),
            TYPE => plain.type_name = reader.string(json)?.to_owned(),
            META => reader.meta(json, &mut plain)?,
            PARENT => plain.meta.parent = Some(reader.reference(json)?),
            SOURCE => plain.meta.source = Some(reader.reference(json)?),
            TARGET => plain.meta.target = Some(reader.reference(json)?),
            _ => {
                let name = reader.name(name)?;
                reader.place = vec![PlaceStep::Name(name.clone())];
                plain.values.insert(name, reader.value(json)?);
            }
        }
    }
    plain.object = object.unwrap_or_else(id);
    plain.texts = reader.texts;
    Ok(plain)
}

/// Reads a value of `space` from JSON.
///
/// # Errors
/// Whatever [`value_to_json`] would not have written, with its place.
pub fn value_from_json(json: &Json, space: SpaceId) -> Result<Value, JsonError> {
    Reader {
        space,
        texts: BTreeMap::new(),
        place: Place::new(),
    }
    .value(json)
}

fn meta_to_json(plain: &PlainObject) -> Map<String, Json> {
    let mut out = Map::new();
    if !plain.meta.tags.is_empty() {
        out.insert("tags".to_owned(), json!(plain.meta.tags));
    }
    if !plain.meta.keys.is_empty() {
        let key = |key: &ForeignKey| json!({ "source": key.source, "id": key.id });
        out.insert("keys".to_owned(), plain.meta.keys.iter().map(key).collect());
    }
    for (name, at, by) in [
        ("created", plain.created_ms, plain.meta.created_by),
        ("updated", plain.updated_ms, plain.meta.updated_by),
    ] {
        if at > 0 || by.is_some() {
            let mut when = Map::from_iter([("at".to_owned(), json!(at))]);
            when.extend(by.map(|by: IdentityKey| ("by".to_owned(), json!(by.to_string()))));
            out.insert(name.to_owned(), Json::Object(when));
        }
    }
    if plain.deleted {
        out.insert("deleted".to_owned(), Json::Bool(true));
    }
    out
}

fn escape(name: &str) -> String {
    match name.starts_with('@') {
        true => format!("@{name}"),
        false => name.to_owned(),
    }
}

struct Writer<'a> {
    space: SpaceId,
    texts: &'a BTreeMap<Place, String>,
    place: Place,
}

impl Writer<'_> {
    fn below(&mut self, step: PlaceStep, value: &Value) -> Json {
        self.place.push(step);
        let json = self.value(value);
        self.place.pop();
        json
    }

    fn value(&mut self, value: &Value) -> Json {
        let tagged =
            |name: &str, json: Json| Json::Object(Map::from_iter([(name.to_owned(), json)]));
        let whole = |number: i64| match number.unsigned_abs() <= SAFE_INT as u64 {
            true => Json::from(number),
            false => tagged("@int", Json::String(number.to_string())),
        };
        match value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(number) => whole(*number),
            Value::Float(number) => match Number::from_f64(*number) {
                Some(json) if number.fract() != 0.0 => Json::Number(json),
                _ => tagged("@float", Json::String(number.to_string())),
            },
            Value::String(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => tagged("@bytes", Json::String(BASE64.encode(bytes))),
            Value::Timestamp(ms) => tagged("@timestamp", whole(*ms)),
            Value::Ref(reference) => {
                let address = Address::of_ref(*reference, self.space);
                tagged("@ref", Json::String(address.to_string()))
            }
            Value::Counter(number) => tagged("@counter", whole(*number)),
            Value::Text(_) => {
                let content = self.texts.get(&self.place);
                tagged(
                    "@text",
                    content.map_or(Json::Null, |content| json!(content)),
                )
            }
            Value::List(values) => {
                let items = values.iter().enumerate();
                items
                    .map(|(number, value)| self.below(PlaceStep::Number(number as u32), value))
                    .collect()
            }
            Value::Map(values) => {
                let fields = values.iter().map(|(name, value)| {
                    let json = self.below(PlaceStep::Name(name.clone()), value);
                    (escape(name), json)
                });
                Json::Object(fields.collect())
            }
        }
    }
}

struct Reader {
    space: SpaceId,
    texts: BTreeMap<Place, String>,
    place: Place,
}

impl Reader {
    fn error<T>(&self, detail: &'static str) -> Result<T, JsonError> {
        let steps: Vec<String> = self
            .place
            .iter()
            .map(|step| match step {
                PlaceStep::Name(name) => name.chars().take(64).collect(),
                PlaceStep::Number(number) => number.to_string(),
            })
            .collect();
        Err(JsonError {
            path: steps.join("/"),
            detail,
        })
    }

    fn string<'j>(&self, json: &'j Json) -> Result<&'j str, JsonError> {
        match json {
            Json::String(text) => Ok(text),
            _ => self.error("must be a string"),
        }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        json: &Json,
        detail: &'static str,
    ) -> Result<T, JsonError> {
        self.string(json)?.parse().or_else(|_| self.error(detail))
    }

    fn reference(&self, json: &Json) -> Result<Ref, JsonError> {
        let address: Address = self.parsed(json, "not an address")?;
        match address.reference(self.space) {
            Some(reference) => Ok(reference),
            None => self.error("not the address of an object"),
        }
    }

    /// A name of a map, without what [`escape`] put before it.
    fn name(&self, name: &str) -> Result<String, JsonError> {
        match name.strip_prefix('@') {
            Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
            Some(_) => self.error("an unknown name that starts with @"),
            None => Ok(name.to_owned()),
        }
    }

    fn meta(&mut self, json: &Json, plain: &mut PlainObject) -> Result<(), JsonError> {
        let Json::Object(fields) = json else {
            return self.error("must be a JSON object");
        };
        for (name, json) in fields {
            self.place.push(PlaceStep::Name(name.clone()));
            match (name.as_str(), json) {
                ("tags", Json::Array(tags)) => {
                    let tags = tags.iter().map(|tag| self.string(tag).map(str::to_owned));
                    plain.meta.tags = tags.collect::<Result<BTreeSet<_>, _>>()?;
                }
                ("keys", Json::Array(keys)) => {
                    let keys = keys.iter().map(|key| self.key(key));
                    plain.meta.keys = keys.collect::<Result<BTreeSet<_>, _>>()?;
                }
                ("created" | "updated", Json::Object(_)) => {}
                ("deleted", Json::Bool(deleted)) => plain.deleted = *deleted,
                _ => return self.error("unknown, or of a wrong kind"),
            }
            self.place.pop();
        }
        Ok(())
    }

    fn key(&self, json: &Json) -> Result<ForeignKey, JsonError> {
        match (json.get("source"), json.get("id"), json.as_object()) {
            (Some(Json::String(source)), Some(Json::String(id)), Some(fields))
                if fields.len() == 2 =>
            {
                Ok(ForeignKey {
                    source: source.clone(),
                    id: id.clone(),
                })
            }
            _ => self.error("a key has a source and an id"),
        }
    }

    fn number(&self, number: &Number) -> Result<Value, JsonError> {
        match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::Int(whole)),
            (None, Some(float)) if float.is_finite() => Ok(Value::float(float)),
            _ => self.error("a number out of range"),
        }
    }

    fn whole(&mut self, json: &Json) -> Result<i64, JsonError> {
        match self.value(json)? {
            Value::Int(number) => Ok(number),
            _ => self.error("must be a whole number"),
        }
    }

    fn value(&mut self, json: &Json) -> Result<Value, JsonError> {
        if self.place.len() > limits::VALUE_DEPTH_MAX + 2 {
            return self.error("nests too deep");
        }
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => self.number(number)?,
            Json::String(text) => Value::String(text.clone()),
            Json::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (number, json) in items.iter().enumerate() {
                    self.place.push(PlaceStep::Number(number as u32));
                    values.push(self.value(json)?);
                    self.place.pop();
                }
                Value::List(values)
            }
            Json::Object(fields) => match fields.iter().next() {
                Some((name, json))
                    if fields.len() == 1 && name.starts_with('@') && !name.starts_with("@@") =>
                {
                    self.tagged(name, json)?
                }
                _ => {
                    let mut values = BTreeMap::new();
                    for (name, json) in fields {
                        self.place.push(PlaceStep::Name(name.clone()));
                        let name = self.name(name)?;
                        self.place.pop();
                        self.place.push(PlaceStep::Name(name.clone()));
                        values.insert(name, self.value(json)?);
                        self.place.pop();
                    }
                    Value::Map(values)
                }
            },
        })
    }

    fn tagged(&mut self, name: &str, json: &Json) -> Result<Value, JsonError> {
        Ok(match name {
            "@int" => Value::Int(self.parsed(json, "not a whole number of 64 bits")?),
            "@float" => Value::float(self.parsed(json, "not a number")?),
            "@bytes" => match BASE64.decode(self.string(json)?.as_bytes()) {
                Ok(bytes) => Value::Bytes(bytes),
                Err(_) => return self.error("not base64"),
            },
            "@timestamp" => Value::Timestamp(self.whole(json)?),
            "@counter" => Value::Counter(self.whole(json)?),
            "@ref" => Value::Ref(self.reference(json)?),
            "@text" => {
                if let Json::String(content) = json {
                    self.texts.insert(self.place.clone(), content.clone());
                } else if !json.is_null() {
                    return self.error("a text is a string or null");
                }
                Value::Text(TextId([0; 16]))
            }
            _ => return self.error("an unknown name that starts with @"),
        })
    }
}

#[cfg(test)]
mod tests;
