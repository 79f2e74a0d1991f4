//! One Automerge document: what it links to, and the objects in it.
//!
//! Client 0.8 keeps every string as an Automerge text, older ones only what people write together. So in a document where
//! even names of types are texts, a text is taken as a string, unless it looks written: it has a line break or is long.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value as Found};
use dxos_base::plain::{Place, PlaceStep};
use dxos_base::{Ref, TextId, Value, limits};

use super::bounds;
use super::names::{self, Name};

/// Units from which a string counts as written.
const WRITTEN_UNITS: usize = 256;

/// A document as far as it concerns an import.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// From object ids to names of documents.
    pub(super) links: BTreeMap<String, String>,
    /// Objects in it.
    pub(super) objects: BTreeMap<String, Result<Object, String>>,
    /// Why it could not be read.
    pub(super) unreadable: Option<String>,
}

/// An object as the original keeps it.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Of its type, its ends and its parent.
    pub(super) type_name: Option<Name>,
    pub(super) source: Option<Name>,
    pub(super) target: Option<Name>,
    pub(super) parent: Option<Name>,
    pub(super) deleted: bool,
    pub(super) keys: Vec<(String, String)>,
    pub(super) tags: Vec<String>,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) texts: BTreeMap<Place, String>,
    /// Where something was taken in another form, and why.
    pub(super) changed: Vec<(String, &'static str)>,
    /// Where something was not taken, and why.
    pub(super) left: Vec<(String, &'static str)>,
}

impl Document {
    pub(super) fn unreadable(reason: String) -> Document {
        Document {
            unreadable: Some(reason),
            ..Document::default()
        }
    }
}

/// Reads a document.
///
/// # Errors
/// Words for people.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    bounds::check(bytes)?;
    // The decoder is not ours: a bug in it must cost one document, not the import.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let document = Automerge::load(bytes).map_err(|error| error.to_string())?;
        Ok(Reader::new(&document).document())
    }));
    read.unwrap_or_else(|_| Err("the Automerge library fails on it".into()))
}

struct Reader<'d> {
    document: &'d Automerge,
    /// Strings are texts in it.
    all_texts: bool,
    place: Place,
    object: Object,
}

type Item = (Found<'static>, ObjId);

impl<'d> Reader<'d> {
    fn new(document: &'d Automerge) -> Self {
        Reader {
            document,
            all_texts: false,
            place: Place::new(),
            object: Object::default(),
        }
    }

    /// What stands under a name of a map.
    fn get(&self, map: &ObjId, name: &str) -> Option<Item> {
        let (value, id) = self.document.get(map, name).ok()??;
        Some((value.into_owned(), id))
    }

    fn map(&self, map: &ObjId, name: &str) -> Option<ObjId> {
        match self.get(map, name)? {
            (Found::Object(ObjType::Map | ObjType::Table), id) => Some(id),
            _ => None,
        }
    }

    fn list(&self, map: &ObjId, name: &str) -> Vec<Item> {
        match self.get(map, name) {
            Some((Found::Object(ObjType::List), id)) => self.items(&id),
            _ => Vec::new(),
        }
    }

    fn fields(&self, map: &ObjId) -> Vec<(String, Item)> {
        let fields = self.document.map_range(map, ..);
        fields
            .map(|field| {
                let id = field.id();
                (field.key.to_string(), (field.value.into_value(), id))
            })
            .collect()
    }

    fn items(&self, list: &ObjId) -> Vec<Item> {
        let items = self.document.list_range(list, ..);
        items
            .map(|item| {
                let id = item.id();
                (item.value.into_value(), id)
            })
            .collect()
    }

    /// A string, however it is kept.
    fn string(&self, (value, id): &Item) -> Option<String> {
        match value {
            Found::Object(ObjType::Text) => self.document.text(id).ok(),
            Found::Scalar(scalar) => match scalar.as_ref() {
                ScalarValue::Str(text) => Some(text.to_string()),
                _ => None,
            },
            Found::Object(_) => None,
        }
    }

    fn document(mut self) -> Document {
        let mut out = Document::default();
        if let Some(links) = self.map(&ROOT, "links") {
            for (id, link) in self.fields(&links) {
                let url = self.string(&link).unwrap_or_default();
                out.links.insert(id, document_of(&url).to_owned());
            }
        }
        if let Some(objects) = self.map(&ROOT, "objects") {
            for (id, (value, object)) in self.fields(&objects) {
                let read = match value {
                    Found::Object(ObjType::Map | ObjType::Table) => self.object(&object),
                    _ => Err("is no object".to_owned()),
                };
                out.objects.insert(id, read);
            }
        }
        out
    }

    fn object(&mut self, object: &ObjId) -> Result<Object, String> {
        self.object = Object::default();
        self.all_texts = false;
        for (name, _) in self.fields(object) {
            if !matches!(name.as_str(), "system" | "meta" | "data") {
                self.object
                    .left
                    .push((name, "is a part of objects that is not known here"));
            }
        }
        if let Some(system) = self.map(object, "system") {
            self.system(&system);
        }
        if let Some(meta) = self.map(object, "meta") {
            self.meta(&meta);
        }
        match self.map(object, "data") {
            Some(data) => {
                for (name, item) in self.fields(&data) {
                    let Some(name) = self.name(&name) else {
                        continue;
                    };
                    self.place = vec![PlaceStep::Name(name.clone())];
                    if let Some(value) = self.value(&item)? {
                        self.object.values.insert(name, value);
                    }
                }
            }
            None => self.object.left.push(("data".into(), "there is none")),
        }
        Ok(std::mem::take(&mut self.object))
    }

    fn system(&mut self, system: &ObjId) {
        for (name, item) in self.fields(system) {
            match (name.as_str(), &item.0) {
                ("deleted", Found::Scalar(value)) => {
                    self.object.deleted = value.as_ref() == &ScalarValue::Boolean(true);
                }
                ("type", _) => {
                    self.all_texts = self.is_kept_as_text(&item);
                    self.object.type_name = self.reference(&item);
                }
                ("source", _) => self.object.source = self.reference(&item),
                ("target", _) => self.object.target = self.reference(&item),
                ("parent", _) => self.object.parent = self.reference(&item),
                ("kind" | "id", _) => {
                    self.all_texts |= matches!(item.0, Found::Object(ObjType::Text));
                }
                ("createdAt" | "updatedAt", _) => {}
                _ => self
                    .object
                    .left
                    .push((format!("@{name}"), "is not known here")),
            }
        }
    }

    fn meta(&mut self, meta: &ObjId) {
        for key in self.list(meta, "keys") {
            let Found::Object(ObjType::Map) = key.0 else {
                continue;
            };
            let part = |name| self.get(&key.1, name).and_then(|item| self.string(&item));
            match (part("source"), part("id")) {
                (Some(source), Some(id)) if fits_key(&source) && fits_key(&id) => {
                    self.object.keys.push((source, id));
                }
                _ => self
                    .object
                    .left
                    .push(("@meta/keys".into(), "is no key with a source and an id")),
            }
        }
        for tag in self.list(meta, "tags") {
            let tag = match self.string(&tag) {
                Some(tag) => Some(tag),
                None => match self.reference(&tag) {
                    Some(Name::Object { id, .. }) => Some(id),
                    _ => None,
                },
            };
            match tag {
                Some(tag) if fits_key(&tag) => self.object.tags.push(tag),
                _ => self.object.left.push(("@meta/tags".into(), "is no tag")),
            }
        }
        for (name, _) in self.fields(meta) {
            if !matches!(name.as_str(), "keys" | "tags" | "created" | "updated") {
                self.object
                    .left
                    .push((format!("@meta/{name}"), "is not known here"));
            }
        }
    }

    /// Whether a reference's or string's letters are kept as a text.
    fn is_kept_as_text(&self, (value, id): &Item) -> bool {
        match value {
            Found::Object(ObjType::Text) => true,
            Found::Object(ObjType::Map) => {
                let fields = self.fields(id);
                fields
                    .iter()
                    .any(|(_, (value, _))| matches!(value, Found::Object(ObjType::Text)))
            }
            _ => false,
        }
    }

    /// What a reference leads to; `None`: it is none.
    fn reference(&self, item: &Item) -> Option<Name> {
        let (value, id) = item;
        if let Some(text) = self.string(item) {
            return Some(names::parse(&text)).filter(|name| *name != Name::Other);
        }
        let Found::Object(ObjType::Map | ObjType::Table) = value else {
            return None;
        };
        let part = |name| self.get(id, name).and_then(|item| self.string(&item));
        let count = self.document.length(id);
        if count == 1
            && let Some(text) = part("/")
        {
            return Some(names::parse(&text));
        }
        if part("@type").as_deref() != Some("dxos.echo.model.document.Reference") {
            return None;
        }
        let item = part("itemId")?;
        Some(match part("protocol").as_deref() {
            Some("protobuf") => Name::Type(item),
            _ => match part("host") {
                Some(host)
                    if host.starts_with('B') && host.parse::<dxos_base::SpaceId>().is_ok() =>
                {
                    Name::Object {
                        space: host.parse().ok(),
                        id: item,
                    }
                }
                _ => Name::Object {
                    space: None,
                    id: item,
                },
            },
        })
    }

    /// A property's name as it can be kept here; `None`: it cannot.
    fn name(&mut self, name: &str) -> Option<String> {
        if name.len() >= limits::NAME_BYTES_MAX {
            let short: String = name.chars().take(32).collect();
            self.object
                .left
                .push((self.at(&format!("{short}…")), "its name is too long"));
            return None;
        }
        if name.is_empty() || name.starts_with('@') {
            self.object.changed.push((
                self.at(name),
                "has _ before its name now, as such names are reserved",
            ));
            return Some(format!("_{name}"));
        }
        Some(name.to_owned())
    }

    /// The present place, and a step below it, in words.
    fn at(&self, below: &str) -> String {
        let steps = self.place.iter().map(|step| match step {
            PlaceStep::Name(name) => name.clone(),
            PlaceStep::Number(number) => number.to_string(),
        });
        steps
            .chain(Some(below.to_owned()))
            .collect::<Vec<_>>()
            .join("/")
    }

    fn here(&self) -> String {
        let text = self.at("");
        text.trim_end_matches('/').to_owned()
    }

    /// A value; `None`: left out. An error is about the whole object.
    fn value(&mut self, item: &Item) -> Result<Option<Value>, String> {
        if self.place.len() > limits::VALUE_DEPTH_MAX {
            return Err("its values stand too deep in one another".into());
        }
        match &item.0 {
            Found::Scalar(scalar) => {
                let scalar = scalar.as_ref().clone();
                Ok(self.scalar(scalar))
            }
            Found::Object(ObjType::Text) => Ok(self.text(&item.1)),
            Found::Object(ObjType::List) => {
                let mut values = Vec::new();
                for item in self.items(&item.1) {
                    self.place.push(PlaceStep::Number(values.len() as u32));
                    // An element that cannot be kept leaves its place: numbers of others have a meaning.
                    values.push(self.value(&item)?.unwrap_or(Value::Null));
                    self.place.pop();
                }
                Ok(Some(Value::List(values)))
            }
            Found::Object(ObjType::Map | ObjType::Table) => self.map_value(item),
        }
    }

    fn map_value(&mut self, item: &Item) -> Result<Option<Value>, String> {
        match self.reference(item) {
            Some(Name::Object { space, id }) => {
                return Ok(Some(Value::Ref(Ref {
                    space,
                    object: names::object_id(&id),
                })));
            }
            Some(_) => {
                let why = "leads to no object; kept as it is written";
                self.object.changed.push((self.here(), why));
            }
            None => {}
        }
        let mut values = BTreeMap::new();
        for (name, item) in self.fields(&item.1) {
            let Some(name) = self.name(&name) else {
                continue;
            };
            self.place.push(PlaceStep::Name(name.clone()));
            if let Some(value) = self.value(&item)? {
                values.insert(name, value);
            }
            self.place.pop();
        }
        Ok(Some(Value::Map(values)))
    }

    fn scalar(&mut self, scalar: ScalarValue) -> Option<Value> {
        match scalar {
            ScalarValue::Null => Some(Value::Null),
            ScalarValue::Boolean(flag) => Some(Value::Bool(flag)),
            ScalarValue::Int(number) => Some(Value::Int(number)),
            ScalarValue::Uint(number) => Some(match i64::try_from(number) {
                Ok(number) => Value::Int(number),
                Err(_) => {
                    self.object.changed.push((
                        self.here(),
                        "is too great a whole number; kept as one with a fraction",
                    ));
                    Value::float(number as f64)
                }
            }),
            ScalarValue::F64(number) => Some(Value::float(number)),
            ScalarValue::Timestamp(ms) => Some(Value::Timestamp(ms)),
            ScalarValue::Counter(counter) => Some(Value::Counter(i64::from(&counter))),
            ScalarValue::Bytes(bytes) if bytes.len() < limits::VALUE_BYTES_MAX => {
                Some(Value::Bytes(bytes))
            }
            ScalarValue::Bytes(_) => {
                self.object
                    .left
                    .push((self.here(), "has too many bytes for a value"));
                None
            }
            ScalarValue::Str(text) => Some(self.letters(text.to_string(), false)),
            ScalarValue::Unknown { .. } => {
                self.object
                    .left
                    .push((self.here(), "is a kind of value that is not known here"));
                None
            }
        }
    }

    fn text(&mut self, id: &ObjId) -> Option<Value> {
        let Ok(text) = self.document.text(id) else {
            self.object
                .left
                .push((self.here(), "its text cannot be read"));
            return None;
        };
        if self.document.marks(id).is_ok_and(|marks| !marks.is_empty()) {
            self.object.changed.push((
                self.here(),
                "has no marks (bold, links) any more; its letters are all there",
            ));
        }
        Some(self.letters(text, true))
    }

    /// A string or text, whichever it is.
    fn letters(&mut self, text: String, kept_as_text: bool) -> Value {
        let is_written =
            || text.contains('\n') || text.chars().take(WRITTEN_UNITS + 1).count() > WRITTEN_UNITS;
        let as_text = text.len() >= limits::VALUE_BYTES_MAX
            || (kept_as_text && (!self.all_texts || is_written()));
        match as_text {
            true => {
                self.object.texts.insert(self.place.clone(), text);
                Value::Text(TextId([0; 16]))
            }
            false => Value::String(text),
        }
    }
}

fn fits_key(text: &str) -> bool {
    !text.is_empty() && text.len() < limits::NAME_BYTES_MAX
}

/// The name of a document in its URL: `automerge:NAME`, perhaps with heads behind a `#`.
pub(super) fn document_of(url: &str) -> &str {
    let name = url.strip_prefix("automerge:").unwrap_or(url);
    name.split(['#', '?']).next().unwrap_or_default()
}
