//! Objects as shown: plain data every layer speaks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{ElementId, IdentityKey, ObjectId};
use crate::path::{Path, Step};
use crate::value::{Ref, Value};
use crate::write::{KEYS, META, PARENT, SOURCE, TAGS, TARGET};

/// What an object is called in another system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The other system, such as `github.com`; at most [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX).
    pub source: String,
    /// The id there; at most as long.
    pub id: String,
}

/// A write of a property that lost against a concurrent one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// What was written; `None`: it was removed.
    pub value: Option<Value>,
    /// When, milliseconds since the epoch.
    pub written_ms: u64,
    /// By whom; `None` if the space's credentials do not tell (yet).
    pub by: Option<IdentityKey>,
}

/// What the database keeps about an object beside its properties. All but who wrote it is written like
/// properties, under reserved names ([`crate::write`]).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Tags: ids or addresses of tag objects, or plain words.
    pub tags: BTreeSet<String>,
    /// What it is called elsewhere.
    pub keys: BTreeSet<ForeignKey>,
    /// The object it belongs to, with which it is deleted. A move that would close a circle with others shows as none.
    pub parent: Option<Ref>,
    /// Of a relation: where it leads from.
    pub source: Option<Ref>,
    /// Of a relation: where it leads to.
    pub target: Option<Ref>,
    /// Who made it; `None` if the space's credentials do not tell (yet).
    pub created_by: Option<IdentityKey>,
    /// Whose write is the last one.
    pub updated_by: Option<IdentityKey>,
}

impl ObjectMeta {
    /// What of it can be written, as [`ObjectWrite::Create`](crate::ObjectWrite::Create) takes it among the values.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let mut out = BTreeMap::new();
        for (name, reference) in [
            (PARENT, self.parent),
            (SOURCE, self.source),
            (TARGET, self.target),
        ] {
            out.extend(reference.map(|reference| (name.to_owned(), Value::Ref(reference))));
        }
        let mut meta = BTreeMap::new();
        if !self.tags.is_empty() {
            meta.insert(TAGS.to_owned(), Value::set(&self.tags));
        }
        let mut keys: BTreeMap<String, Value> = BTreeMap::new();
        for ForeignKey { source, id } in &self.keys {
            let ids = keys
                .entry(source.clone())
                .or_insert_with(|| Value::Map(BTreeMap::new()));
            if let Value::Map(ids) = ids {
                ids.insert(id.clone(), Value::Bool(true));
            }
        }
        if !keys.is_empty() {
            meta.insert(KEYS.to_owned(), Value::Map(keys));
        }
        if !meta.is_empty() {
            out.insert(META.to_owned(), Value::Map(meta));
        }
        out
    }

    /// Takes up what shows under a reserved name; wrong kinds count as absent.
    pub fn note(&mut self, name: &str, value: &Value) {
        let reference = match value {
            Value::Ref(reference) => Some(*reference),
            _ => None,
        };
        match name {
            PARENT => self.parent = reference,
            SOURCE => self.source = reference,
            TARGET => self.target = reference,
            META => {
                let Value::Map(meta) = value else { return };
                if let Some(tags) = meta.get(TAGS) {
                    self.tags = tags.members().map(str::to_owned).collect();
                }
                let Some(Value::Map(keys)) = meta.get(KEYS) else {
                    return;
                };
                self.keys = keys
                    .iter()
                    .flat_map(|(source, ids)| ids.members().map(move |id| (source, id)))
                    .map(|(source, id)| ForeignKey {
                        source: source.clone(),
                        id: id.to_owned(),
                    })
                    .collect();
            }
            _ => {}
        }
    }
}

/// An object with its shown values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectView {
    /// The object.
    pub object: ObjectId,
    /// `@type` with version; empty if untyped.
    pub type_name: String,
    /// False when deleted, itself or by a parent.
    pub shown: bool,
    /// Milliseconds since the epoch, of its first write.
    pub created_ms: u64,
    /// Of its last write.
    pub updated_ms: u64,
    /// Tags, foreign keys, parent, ends of a relation, who wrote it.
    pub meta: ObjectMeta,
    /// Shown values by top-level name; names that start with `@` never stand here.
    pub values: BTreeMap<String, Value>,
    /// Element ids of every shown list that is not empty, in the order of its values.
    pub lists: BTreeMap<Path, Vec<ElementId>>,
}

impl ObjectView {
    /// A picture of an object nothing is known of but its id and type.
    pub fn new(object: ObjectId, type_name: impl Into<String>) -> Self {
        ObjectView {
            object,
            type_name: type_name.into(),
            shown: true,
            created_ms: 0,
            updated_ms: 0,
            meta: ObjectMeta::default(),
            values: BTreeMap::new(),
            lists: BTreeMap::new(),
        }
    }

    /// The shown value at a path.
    pub fn value(&self, path: &[Step]) -> Option<&Value> {
        let (first, below) = path.split_first()?;
        let Step::Key(name) = first else { return None };
        let mut value = self.values.get(name)?;
        for (depth, step) in below.iter().enumerate() {
            value = match (step, value) {
                (Step::Key(name), Value::Map(values)) => values.get(name)?,
                (Step::Element(element), Value::List(values)) => {
                    let at = self
                        .elements(&path[..=depth])
                        .iter()
                        .position(|other| other == element)?;
                    values.get(at)?
                }
                _ => return None,
            };
        }
        Some(value)
    }

    /// Ids of the elements of the list at a path, in order; empty if there is none.
    pub fn elements(&self, list: &[Step]) -> &[ElementId] {
        self.lists.get(list).map_or(&[], |elements| elements)
    }
}
