//! A type kept in an object of a space, so that it replicates and people change it while programs run.
//!
//! The object has the type [`STORED_TYPE`] and an id derived from (space, name, version): two devices that make the
//! same type make one object. Its values: `name`, `version`, `label`, annotations, and `fields`: a map from a key that
//! never changes (the field's first name) to a map of `name`, `order`, `kind`, `aliases`, … Each is a property of its
//! own, so people who change different things at once both succeed.
//!
//! Invariants
//! * [`StoredType::read`] is total: any values give a sound schema or the reason why there is none;
//! * a kind that this version does not know reads as any value, and stays as it is unless it is changed.

use std::collections::BTreeMap;

use super::{
    Choice, Field, FieldType, Format, Item, Notes, SchemaError, TypeNameError, TypeRef, TypeSchema,
};
use crate::ids::{ObjectId, SpaceId};
use crate::limits;
use crate::property_changes::{PropertyChange, property_changes};
use crate::value::Value;

/// `@type` of objects that are types.
pub const STORED_TYPE: &str = "org.dxos.type.Schema@0.1.0";
/// The same without its version.
pub const STORED_TYPE_NAME: &str = "org.dxos.type.Schema";

/// Room between the orders of two new fields, so that others fit between them.
const ORDER_STEP: i64 = 1 << 16;

/// A stored type as read: its schema, and where its fields are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredType {
    schema: TypeSchema,
    /// Key and order of each field, as in `schema.fields`.
    places: Vec<(String, i64)>,
}

/// Why an object is no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredTypeError {
    /// `name` or `version` is missing or malformed.
    #[error(transparent)]
    Name(#[from] TypeNameError),
    /// The schema is not sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The id of the object that keeps a type in a space.
pub fn object_id(space: &SpaceId, type_ref: &TypeRef) -> ObjectId {
    ObjectId::well_known(space, &type_ref.name, &type_ref.version.to_string())
}

impl StoredType {
    /// A new one.
    ///
    /// # Errors
    /// When the schema is not sound.
    pub fn new(schema: TypeSchema) -> Result<StoredType, SchemaError> {
        schema.check()?;
        let key = |(at, field): (usize, &Field)| (field.name.clone(), order_at(at));
        let places = schema.fields.iter().enumerate().map(key).collect();
        Ok(StoredType { schema, places })
    }

    /// Reads an object's values.
    ///
    /// # Errors
    /// Why they make no sound schema.
    pub fn read(values: &BTreeMap<String, Value>) -> Result<StoredType, StoredTypeError> {
        let word = |key: &str| values.get(key).and_then(Value::as_str).unwrap_or_default();
        let TypeRef { name, version } = TypeRef::new(word("name"), word("version"))?;
        let (fields, places) = match values.get("fields") {
            Some(Value::Map(fields)) => read_fields(fields, 0),
            _ => Default::default(),
        };
        let label = text(values, "label").filter(|label| fields.iter().any(|f| f.name == *label));
        let schema = TypeSchema {
            name,
            version,
            label,
            notes: read_notes(values),
            fields,
        };
        schema.check()?;
        Ok(StoredType { schema, places })
    }

    /// The schema.
    pub fn schema(&self) -> &TypeSchema {
        &self.schema
    }

    /// All values of the object.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let mut values = write_notes(&self.schema.notes);
        values.insert("name".into(), self.schema.name.clone().into());
        values.insert("version".into(), self.schema.version.to_string().into());
        if let Some(label) = &self.schema.label {
            values.insert("label".into(), label.clone().into());
        }
        let fields = self.schema.fields.iter().zip(&self.places);
        let fields = fields.map(|(field, (key, order))| (key.clone(), write_field(field, *order)));
        values.insert("fields".into(), Value::Map(fields.collect()));
        values
    }

    /// Makes `schema` what is stored and gives the writes that do so: only what differs.
    ///
    /// # Errors
    /// When the schema is not sound or has another name or version; nothing is changed then.
    pub fn set_schema(&mut self, schema: TypeSchema) -> Result<Vec<PropertyChange>, SchemaError> {
        schema.check()?;
        if schema.type_ref() != self.schema.type_ref() {
            return Err(SchemaError::TypeName { name: schema.name });
        }
        let places = self.places_for(&schema.fields);
        let after = StoredType { schema, places };
        let changes = property_changes(&self.values(), &after.values());
        *self = after;
        Ok(changes)
    }

    /// Keys of fields that were here before stay; orders stay where they still say the same.
    fn places_for(&self, fields: &[Field]) -> Vec<(String, i64)> {
        let mut taken: Vec<&String> = Vec::new();
        let mut places: Vec<(String, Option<i64>)> = Vec::new();
        for field in fields {
            let names = || std::iter::once(&field.name).chain(&field.aliases);
            let is_same = |old: &Field| names().any(|name| *name == old.name);
            let old = self.schema.fields.iter().position(is_same);
            let place = old.map(|at| &self.places[at]);
            match place.filter(|(key, _)| !taken.contains(&key)) {
                Some((key, order)) => {
                    taken.push(key);
                    places.push((key.clone(), Some(*order)));
                }
                None => places.push((field.name.clone(), None)),
            }
        }
        // A new field may bear the first name of one that was renamed and kept its key.
        for at in 0..places.len() {
            let mut key = places[at].0.clone();
            while places[at].1.is_none()
                && places
                    .iter()
                    .enumerate()
                    .any(|(i, p)| i != at && p.0 == key)
            {
                key.push('~');
            }
            places[at].0 = key;
        }
        assign_orders(places)
    }
}

fn order_at(at: usize) -> i64 {
    (at as i64 + 1) * ORDER_STEP
}

/// Gives an order to each place; known ones stay if all can.
fn assign_orders(places: Vec<(String, Option<i64>)>) -> Vec<(String, i64)> {
    let mut orders: Vec<i64> = Vec::with_capacity(places.len());
    for (at, (_, order)) in places.iter().enumerate() {
        let last = orders.last().copied().unwrap_or(0);
        let next = places[at + 1..]
            .iter()
            .find_map(|(_, order)| order.filter(|next| *next > last));
        let order = match (order, next) {
            (Some(order), _) if *order > last => *order,
            (_, Some(next)) if next - last > 1 => last + (next - last) / 2,
            (_, None) if last < i64::MAX - ORDER_STEP => last + ORDER_STEP,
            _ => {
                let anew = places.iter().enumerate();
                return anew
                    .map(|(at, (key, _))| (key.clone(), order_at(at)))
                    .collect();
            }
        };
        orders.push(order);
    }
    places.into_iter().map(|(key, _)| key).zip(orders).collect()
}

// ---- fields -------------------------------------------------------------------------------------------------

fn text(values: &BTreeMap<String, Value>, key: &str) -> Option<String> {
    values.get(key)?.as_str().map(str::to_owned)
}

fn read_fields(stored: &BTreeMap<String, Value>, depth: usize) -> (Vec<Field>, Vec<(String, i64)>) {
    let mut found: Vec<(i64, &String, Field)> = Vec::new();
    for (key, value) in stored.iter().take(limits::SCHEMA_FIELDS_MAX) {
        let Value::Map(values) = value else { continue };
        let order = values
            .get("order")
            .and_then(Value::as_int)
            .unwrap_or(i64::MAX);
        let aliases = match values.get("aliases") {
            Some(Value::List(items)) => items
                .iter()
                .filter_map(Value::as_str)
                .map(Into::into)
                .collect(),
            _ => Vec::new(),
        };
        let Item { kind, notes } = read_item(values, depth);
        let field = Field {
            name: text(values, "name").unwrap_or_else(|| key.clone()),
            aliases,
            required: values
                .get("required")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            kind,
            notes,
        };
        found.push((order, key, field));
    }
    found.sort_by_key(|(order, key, _)| (*order, *key));
    let places = found
        .iter()
        .map(|(order, key, _)| ((*key).clone(), *order))
        .collect();
    let mut fields: Vec<Field> = found.into_iter().map(|(_, _, field)| field).collect();
    part_names(&mut fields);
    (fields, places)
}

/// Two people may have given one name to two fields at once: the later one shows with a mark until somebody renames
/// it. Aliases never take a name away.
fn part_names(fields: &mut [Field]) {
    let mut names: Vec<String> = Vec::new();
    for field in fields.iter_mut() {
        while names.contains(&field.name) {
            field.name.push('′');
        }
        names.push(field.name.clone());
    }
    for field in fields.iter_mut() {
        field.aliases.retain(|alias| {
            let is_new = !names.contains(alias);
            if is_new {
                names.push(alias.clone());
            }
            is_new
        });
    }
}

fn write_field(field: &Field, order: i64) -> Value {
    let mut values = write_item(&field.kind, &field.notes);
    values.insert("name".into(), field.name.clone().into());
    values.insert("order".into(), order.into());
    if field.required {
        values.insert("required".into(), true.into());
    }
    if !field.aliases.is_empty() {
        let aliases = field.aliases.iter().cloned().map(Value::from).collect();
        values.insert("aliases".into(), Value::List(aliases));
    }
    Value::Map(values)
}

fn read_item(values: &BTreeMap<String, Value>, depth: usize) -> Item {
    let kind = values
        .get("kind")
        .map_or(FieldType::Any, |kind| read_kind(kind, depth));
    let mut notes = read_notes(values);
    let fits = |value: &&Value| super::misfit::misfits_of_item(&kind, value).is_empty();
    notes.default = values.get("default").filter(fits).cloned();
    Item { kind, notes }
}

fn write_item(kind: &FieldType, notes: &Notes) -> BTreeMap<String, Value> {
    let mut values = write_notes(notes);
    values.insert("kind".into(), write_kind(kind));
    if let Some(default) = &notes.default {
        values.insert("default".into(), default.clone());
    }
    values
}

fn read_notes(values: &BTreeMap<String, Value>) -> Notes {
    let extra = match values.get("extra") {
        Some(Value::Map(extra)) => extra
            .iter()
            .filter_map(|(keyword, value)| Some((keyword.clone(), value.as_str()?.to_owned())))
            .collect(),
        _ => BTreeMap::new(),
    };
    Notes {
        title: text(values, "title"),
        description: text(values, "description"),
        icon: text(values, "icon"),
        hue: hue(values),
        hidden: values
            .get("hidden")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        default: None,
        extra,
    }
}

fn hue(values: &BTreeMap<String, Value>) -> Option<u16> {
    let hue = values.get("hue").and_then(Value::as_int)?;
    u16::try_from(hue).ok().filter(|hue| *hue < 360)
}

fn write_notes(notes: &Notes) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let texts = [
        ("title", &notes.title),
        ("description", &notes.description),
        ("icon", &notes.icon),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            values.insert(key.to_owned(), text.clone().into());
        }
    }
    if let Some(hue) = notes.hue {
        values.insert("hue".into(), i64::from(hue).into());
    }
    if notes.hidden {
        values.insert("hidden".into(), true.into());
    }
    if !notes.extra.is_empty() {
        let extra = notes
            .extra
            .iter()
            .map(|(key, text)| (key.clone(), text.clone().into()));
        values.insert("extra".into(), Value::Map(extra.collect()));
    }
    values
}

// ---- kinds --------------------------------------------------------------------------------------------------

/// Kinds without parts, by their stored word.
const WORDS: [(&str, FieldType); 9] = [
    ("any", FieldType::Any),
    ("bool", FieldType::Bool),
    ("int", FieldType::Int),
    ("float", FieldType::Float),
    ("string", FieldType::String),
    ("bytes", FieldType::Bytes),
    ("timestamp", FieldType::Timestamp),
    ("text", FieldType::Text),
    ("counter", FieldType::Counter),
];

fn write_kind(kind: &FieldType) -> Value {
    if let Some((word, _)) = WORDS.iter().find(|(_, known)| known == kind) {
        return (*word).into();
    }
    let (word, part): (&str, Option<(&str, Value)>) = match kind {
        FieldType::Ref(target) => ("ref", target.clone().map(|name| ("target", name.into()))),
        FieldType::Select(choices) => {
            let choices = choices.iter().map(write_choice).collect();
            ("select", Some(("choices", Value::List(choices))))
        }
        FieldType::Format(Format::Currency(Some(code))) => {
            ("currency", Some(("code", code.clone().into())))
        }
        FieldType::Format(format) => (format.keyword(), None),
        FieldType::Set(item) => ("set", Some(("of", write_part(item)))),
        FieldType::List(item) => ("list", Some(("of", write_part(item)))),
        FieldType::Map(item) => ("map", Some(("of", write_part(item)))),
        FieldType::Struct(fields) => {
            let field = |(at, field): (usize, &Field)| {
                (field.name.clone(), write_field(field, order_at(at)))
            };
            let fields = fields.iter().enumerate().map(field).collect();
            ("struct", Some(("fields", Value::Map(fields))))
        }
        _ => ("any", None),
    };
    let mut values = BTreeMap::from([("is".to_owned(), word.into())]);
    values.extend(part.map(|(key, value)| (key.to_owned(), value)));
    Value::Map(values)
}

fn write_part(item: &Item) -> Value {
    Value::Map(write_item(&item.kind, &item.notes))
}

/// Total: what is not understood, or nested too deeply, takes any value.
fn read_kind(value: &Value, depth: usize) -> FieldType {
    if depth >= limits::SCHEMA_DEPTH_MAX {
        return FieldType::Any;
    }
    let values = match value {
        Value::String(word) => {
            let known = WORDS.iter().find(|(known, _)| known == word);
            return known.map_or(FieldType::Any, |(_, kind)| kind.clone());
        }
        Value::Map(values) => values,
        _ => return FieldType::Any,
    };
    let part = || match values.get("of") {
        Some(Value::Map(values)) => Box::new(read_item(values, depth + 1)),
        _ => Box::new(FieldType::Any.into()),
    };
    match values.get("is").and_then(Value::as_str).unwrap_or_default() {
        "ref" => FieldType::Ref(text(values, "target")),
        "select" => match values.get("choices") {
            Some(Value::List(choices)) => {
                FieldType::Select(choices.iter().filter_map(read_choice).collect())
            }
            _ => FieldType::Any,
        },
        "currency" => FieldType::Format(Format::Currency(text(values, "code"))),
        "set" => FieldType::Set(part()),
        "list" => FieldType::List(part()),
        "map" => FieldType::Map(part()),
        "struct" => match values.get("fields") {
            Some(Value::Map(fields)) => FieldType::Struct(read_fields(fields, depth + 1).0),
            _ => FieldType::Struct(Vec::new()),
        },
        word => Format::of_keyword(word).map_or(FieldType::Any, FieldType::Format),
    }
}

fn write_choice(choice: &Choice) -> Value {
    let mut values = BTreeMap::from([("value".to_owned(), choice.value.clone().into())]);
    if let Some(title) = &choice.title {
        values.insert("title".into(), title.clone().into());
    }
    if let Some(hue) = choice.hue {
        values.insert("hue".into(), i64::from(hue).into());
    }
    Value::Map(values)
}

fn read_choice(value: &Value) -> Option<Choice> {
    let Value::Map(values) = value else {
        return None;
    };
    Some(Choice {
        value: text(values, "value")?,
        title: text(values, "title"),
        hue: hue(values),
    })
}
