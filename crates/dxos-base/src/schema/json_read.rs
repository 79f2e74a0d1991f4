//! JSON Schema as a schema.
//!
//! Invariants
//! * reading what [`TypeSchema::to_json`] wrote gives the same schema;
//! * nothing is lost: a keyword that is unknown, or used in a way this format has no word for, is kept in
//!   [`Notes::extra`]; a property whose kind is not understood takes any value.

use serde_json::{Map, Value as Json};

use super::json::{DRAFT, NO_SPACE, id};
use super::{Choice, Field, FieldType, Format, Item, Notes, SchemaError, TypeNameError};
use super::{TypeRef, TypeSchema};
use crate::json::value_from_json;
use crate::limits;

/// Why a JSON Schema describes no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonSchemaError {
    /// Longer than allowed, before it is looked at.
    #[error("the schema takes {len} bytes, {max} are allowed")]
    Size {
        /// Its length.
        len: usize,
        /// Length allowed.
        max: usize,
    },
    /// No JSON.
    #[error("not JSON: {detail}")]
    Json {
        /// What the parser says.
        detail: String,
    },
    /// Not an object with `x-dxos-type`, `x-dxos-version` and readable `properties`.
    #[error("no type's schema: {keyword} is missing or not readable")]
    Keyword {
        /// The keyword.
        keyword: &'static str,
    },
    /// Name or version of the type are malformed.
    #[error(transparent)]
    Name(#[from] TypeNameError),
    /// Nested deeper than allowed.
    #[error("nested deeper than {max} levels")]
    Depth {
        /// Levels allowed.
        max: usize,
    },
    /// What it describes is not sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl TypeSchema {
    /// Reads the text of a JSON Schema and checks it.
    ///
    /// # Errors
    /// See [`JsonSchemaError`].
    pub fn from_json_text(text: &str) -> Result<TypeSchema, JsonSchemaError> {
        let (len, max) = (text.len(), limits::SCHEMA_BYTES_MAX);
        if len > max {
            return Err(JsonSchemaError::Size { len, max });
        }
        let json = serde_json::from_str(text).map_err(|error| JsonSchemaError::Json {
            detail: error.to_string(),
        })?;
        TypeSchema::from_json(json)
    }

    /// Reads a JSON Schema and checks it.
    ///
    /// # Errors
    /// See [`JsonSchemaError`].
    pub fn from_json(json: Json) -> Result<TypeSchema, JsonSchemaError> {
        let Json::Object(mut keywords) = json else {
            return Err(JsonSchemaError::Keyword {
                keyword: "x-dxos-type",
            });
        };
        let mut name = |keyword: &'static str| {
            let text = take_string(&mut keywords, keyword);
            text.ok_or(JsonSchemaError::Keyword { keyword })
        };
        let (name, version) = (name("x-dxos-type")?, name("x-dxos-version")?);
        let TypeRef { name, version } = TypeRef::new(&name, &version)?;
        let mut schema = TypeSchema {
            name,
            version,
            label: take_string(&mut keywords, "x-dxos-label"),
            notes: Notes::default(),
            fields: Vec::new(),
        };
        for (keyword, own) in [("$schema", DRAFT.to_owned()), ("$id", id(&schema))] {
            take_if(&mut keywords, keyword, |value| *value == own.as_str());
        }
        take_if(&mut keywords, "type", |value| value == "object");
        schema.fields = take_fields(&mut keywords, 0)?;
        if keywords.contains_key("properties") {
            return Err(JsonSchemaError::Keyword {
                keyword: "properties",
            });
        }
        schema.notes = take_notes(&mut keywords);
        schema.notes.extra = rest(keywords);
        schema.check()?;
        Ok(schema)
    }
}

fn rest(keywords: Map<String, Json>) -> std::collections::BTreeMap<String, String> {
    let pairs = keywords.into_iter();
    pairs
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

/// Takes a keyword whose value is a string.
fn take_string(keywords: &mut Map<String, Json>, keyword: &str) -> Option<String> {
    let text = keywords.get(keyword)?.as_str()?.to_owned();
    keywords.remove(keyword);
    Some(text)
}

/// Takes a keyword if its value is as expected; tells whether it was.
fn take_if(keywords: &mut Map<String, Json>, keyword: &str, is: impl Fn(&Json) -> bool) -> bool {
    let found = keywords.get(keyword).is_some_and(is);
    if found {
        keywords.remove(keyword);
    }
    found
}

/// Takes a keyword whose value is a list of strings.
fn take_strings(keywords: &mut Map<String, Json>, keyword: &str) -> Vec<String> {
    let items = keywords.get(keyword).and_then(Json::as_array);
    let strings: Option<Vec<String>> = items.filter(|items| !items.is_empty()).and_then(|items| {
        items
            .iter()
            .map(|item| Some(item.as_str()?.into()))
            .collect()
    });
    match strings {
        Some(strings) => {
            keywords.remove(keyword);
            strings
        }
        None => Vec::new(),
    }
}

/// `properties` describe fields: all of them are objects.
fn has_fields(keywords: &Map<String, Json>) -> bool {
    let properties = keywords.get("properties").and_then(Json::as_object);
    properties.is_some_and(|properties| properties.values().all(Json::is_object))
}

/// `properties`, in the order told, with `required` of those there are.
fn take_fields(
    keywords: &mut Map<String, Json>,
    depth: usize,
) -> Result<Vec<Field>, JsonSchemaError> {
    let is_readable = has_fields(keywords);
    let mut properties = match is_readable.then(|| keywords.remove("properties")).flatten() {
        Some(Json::Object(properties)) => properties,
        _ => return Ok(Vec::new()),
    };
    let is_told = |order: &[String]| {
        order.len() == properties.len() && order.iter().all(|name| properties.contains_key(name))
    };
    let mut order = take_strings(keywords, "x-dxos-order");
    if !is_told(&order) {
        order = properties.keys().cloned().collect();
    }
    let required = match keywords.get("required").and_then(Json::as_array) {
        Some(names)
            if names
                .iter()
                .all(|n| n.as_str().is_some_and(|n| properties.contains_key(n))) =>
        {
            take_strings(keywords, "required")
        }
        _ => Vec::new(),
    };
    let mut fields = Vec::with_capacity(order.len());
    for name in order {
        if let Some(Json::Object(mut property)) = properties.remove(&name) {
            let aliases = take_strings(&mut property, "x-dxos-aliases");
            let Item { kind, notes } = item_in(property, depth + 1)?;
            let required = required.contains(&name);
            fields.push(Field {
                name,
                aliases,
                required,
                kind,
                notes,
            });
        }
    }
    Ok(fields)
}

fn take_notes(keywords: &mut Map<String, Json>) -> Notes {
    let hue = |json: &Json| {
        json.as_u64()
            .filter(|hue| *hue < 360)
            .and_then(|hue| u16::try_from(hue).ok())
    };
    Notes {
        title: take_string(keywords, "title"),
        description: take_string(keywords, "description"),
        icon: take_string(keywords, "x-dxos-icon"),
        hue: keywords.get("x-dxos-hue").and_then(hue).inspect(|_| {
            keywords.remove("x-dxos-hue");
        }),
        hidden: take_if(keywords, "x-dxos-hidden", |value| *value == true),
        default: None,
        extra: Default::default(),
    }
}

fn item_in(mut keywords: Map<String, Json>, depth: usize) -> Result<Item, JsonSchemaError> {
    if depth > limits::SCHEMA_DEPTH_MAX {
        return Err(JsonSchemaError::Depth {
            max: limits::SCHEMA_DEPTH_MAX,
        });
    }
    let kind = kind_in(&mut keywords, depth)?;
    let mut notes = take_notes(&mut keywords);
    // A default that does not fit, or does not read, is a stranger's: kept as it came.
    let default = keywords.get("default");
    let default = default.and_then(|value| value_from_json(value, NO_SPACE).ok());
    notes.default = default
        .filter(|value| super::misfit::misfits_of_item(&kind, value).is_empty())
        .inspect(|_| {
            keywords.remove("default");
        });
    notes.extra = rest(keywords);
    Ok(Item { kind, notes })
}

fn kind_in(keywords: &mut Map<String, Json>, depth: usize) -> Result<FieldType, JsonSchemaError> {
    let word = |keywords: &Map<String, Json>, keyword: &str| {
        keywords
            .get(keyword)
            .and_then(Json::as_str)
            .map(str::to_owned)
    };
    let (base, own) = (word(keywords, "type"), word(keywords, "x-dxos-kind"));
    let format = word(keywords, "format");
    let kind = match (base.as_deref(), own.as_deref()) {
        (None, Some("bytes")) => FieldType::Bytes,
        (None, Some("timestamp")) => FieldType::Timestamp,
        (None, Some("reference")) => FieldType::Ref(take_string(keywords, "x-dxos-target")),
        (Some("string"), Some("text")) => FieldType::Text,
        (Some("integer"), Some("counter")) => FieldType::Counter,
        (Some("boolean"), None) => FieldType::Bool,
        (Some("integer"), None) => FieldType::Int,
        (Some("array"), Some("set")) => {
            let unique = keywords.get("uniqueItems") == Some(&Json::Bool(true));
            let Some(item) = unique
                .then(|| take_item(keywords, "items", depth))
                .flatten()
            else {
                return Ok(FieldType::Any);
            };
            keywords.remove("uniqueItems");
            FieldType::Set(Box::new(item?))
        }
        (Some(base), None) if format.is_some() => {
            let Some(format) = format.and_then(|word| take_format(keywords, base, &word)) else {
                return Ok(plain_kind(keywords, base));
            };
            FieldType::Format(format)
        }
        (Some("string"), None) => match take_choices(keywords) {
            Some(choices) => FieldType::Select(choices),
            None => FieldType::String,
        },
        (Some("number"), None) => FieldType::Float,
        (Some("array"), None) => match take_item(keywords, "items", depth) {
            Some(item) => FieldType::List(Box::new(item?)),
            None => return Ok(FieldType::Any),
        },
        (Some("object"), None) => {
            if let Some(item) = take_item(keywords, "additionalProperties", depth) {
                FieldType::Map(Box::new(item?))
            } else if has_fields(keywords) {
                FieldType::Struct(take_fields(keywords, depth)?)
            } else {
                return Ok(FieldType::Any);
            }
        }
        _ => return Ok(FieldType::Any),
    };
    keywords.remove("type");
    if own.is_some() {
        keywords.remove("x-dxos-kind");
    }
    Ok(kind)
}

/// A kind whose format is unknown: the base kind, and the format is kept.
fn plain_kind(keywords: &mut Map<String, Json>, base: &str) -> FieldType {
    let kind = match base {
        "string" => FieldType::String,
        "number" => FieldType::Float,
        _ => return FieldType::Any,
    };
    keywords.remove("type");
    kind
}

fn take_format(keywords: &mut Map<String, Json>, base: &str, word: &str) -> Option<Format> {
    let mut format = Format::of_keyword(word)?;
    let expected = match format.base() {
        FieldType::Float => "number",
        FieldType::List(_) => "array",
        _ => "string",
    };
    if base != expected {
        return None;
    }
    keywords.remove("format");
    if let Format::Currency(code) = &mut format {
        *code = take_string(keywords, "x-dxos-currency");
    }
    Some(format)
}

/// A nested schema, if the keyword holds one.
fn take_item(
    keywords: &mut Map<String, Json>,
    keyword: &str,
    depth: usize,
) -> Option<Result<Item, JsonSchemaError>> {
    if !keywords.get(keyword)?.is_object()
        || (keyword != "items" && keywords.contains_key("properties"))
    {
        return None;
    }
    match keywords.remove(keyword) {
        Some(Json::Object(below)) => Some(item_in(below, depth + 1)),
        _ => None,
    }
}

fn take_choices(keywords: &mut Map<String, Json>) -> Option<Vec<Choice>> {
    let values = take_strings(keywords, "enum");
    if values.is_empty() {
        return None;
    }
    let told = keywords.get("x-dxos-options").and_then(Json::as_array);
    let told: Option<Vec<Choice>> =
        told.and_then(|options| options.iter().map(choice_in).collect());
    if let Some(told) = told
        && told.iter().map(|choice| &choice.value).eq(&values)
        && told.iter().any(|c| c.title.is_some() || c.hue.is_some())
    {
        keywords.remove("x-dxos-options");
        return Some(told);
    }
    Some(values.iter().map(|value| Choice::new(value)).collect())
}

fn choice_in(json: &Json) -> Option<Choice> {
    let option = json.as_object()?;
    let known = ["value", "title", "hue"];
    let text = |key: &str| {
        option
            .get(key)
            .map(|value| value.as_str().map(str::to_owned))
    };
    let hue = option
        .get("hue")
        .map(|hue| hue.as_u64().and_then(|hue| u16::try_from(hue).ok()));
    if option.keys().any(|key| !known.contains(&key.as_str())) {
        return None;
    }
    Some(Choice {
        value: text("value")??,
        title: match text("title") {
            Some(title) => Some(title?),
            None => None,
        },
        hue: match hue {
            Some(hue) => Some(hue.filter(|hue| *hue < 360)?),
            None => None,
        },
    })
}
