//! Writing many objects into a space: in writes of bounded size, each object whole or not at all, none twice.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::json::to_json;
use dxos_base::{ObjectId, PlainObject, SpaceId, Value, limits};
use dxos_client::{Client, Failure, FailureKind, Space};
use serde_json::Value as Json;

use crate::{ExchangeError, Report};

/// Objects of one write, at most: also how many are asked for at once whether they are there.
const WRITE_OBJECTS_MAX: usize = 500;

/// Hears how far it is: what is done, and of how much (0: not known yet).
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Writes objects into a space. What is there already is left as it is.
pub struct Put<'a> {
    client: Client,
    space: SpaceId,
    report: &'a mut Report,
    waiting: Vec<(String, PlainObject)>,
    bytes: usize,
    /// What came already: a source may name an id twice.
    seen: BTreeSet<ObjectId>,
    /// Deleted because their parents are: no deletion of their own is written.
    with_parent: BTreeSet<ObjectId>,
}

impl<'a> Put<'a> {
    /// Into `space`; what came of it goes into `report`.
    pub fn new(space: &Space, report: &'a mut Report) -> Put<'a> {
        Put {
            client: space.client().clone(),
            space: space.id(),
            report,
            waiting: Vec::new(),
            bytes: 0,
            seen: BTreeSet::new(),
            with_parent: BTreeSet::new(),
        }
    }

    /// The report.
    pub fn report(&mut self) -> &mut Report {
        self.report
    }

    /// Takes one object; `name` is what the report calls it.
    ///
    /// # Errors
    /// When writing cannot go on: no room, no right to write, no node. An object that the node refuses stands in the
    /// report.
    pub async fn add(&mut self, name: String, object: PlainObject) -> Result<(), ExchangeError> {
        if !self.seen.insert(object.object) {
            self.report
                .leave(name, "is in the source twice; the first one is taken");
            return Ok(());
        }
        let bytes = weight(&object);
        if self.bytes + bytes > limits::IMPORT_WRITE_BYTES {
            self.write().await?;
        }
        self.bytes += bytes;
        self.waiting.push((name, object));
        if self.waiting.len() >= WRITE_OBJECTS_MAX {
            self.write().await?;
        }
        Ok(())
    }

    /// The same for an object that is deleted with its parent, and comes back with it.
    pub(crate) async fn add_with_parent(
        &mut self,
        name: String,
        object: PlainObject,
    ) -> Result<(), ExchangeError> {
        self.with_parent.insert(object.object);
        self.add(name, object).await
    }

    /// Writes what still waits.
    ///
    /// # Errors
    /// As [`Put::add`].
    pub async fn finish(mut self) -> Result<(), ExchangeError> {
        self.write().await
    }

    async fn write(&mut self) -> Result<(), ExchangeError> {
        self.bytes = 0;
        let mut batch = std::mem::take(&mut self.waiting);
        if batch.is_empty() {
            return Ok(());
        }
        let ids: Vec<ObjectId> = batch.iter().map(|(_, object)| object.object).collect();
        let here = self.client.plain(self.space, ids).await?;
        let here: BTreeMap<ObjectId, PlainObject> = here
            .into_iter()
            .map(|object| (object.object, object))
            .collect();
        batch.retain(|(name, object)| {
            let Some(present) = here.get(&object.object) else {
                return true;
            };
            if same(present, object, self.space) {
                self.report.unchanged += 1;
            } else {
                self.report.kept += 1;
                let why = match present.deleted && !object.deleted {
                    true => "was deleted here since it was imported, and stays so",
                    false => "is here already with other values, which stay",
                };
                self.report.leave(name.clone(), why);
            }
            false
        });
        let all: Vec<&PlainObject> = batch.iter().map(|(_, object)| object).collect();
        match self.write_objects(&all).await {
            Ok(()) => {
                self.report.taken += batch.len() as u64;
                return Ok(());
            }
            Err(failure) if ends(failure.kind) => return Err(failure.into()),
            Err(_) => {}
        }
        // One of them is refused: which, shows when they go one by one.
        for (name, object) in batch {
            match self.write_objects(&[&object]).await {
                Ok(()) => self.report.taken += 1,
                Err(failure) if ends(failure.kind) => return Err(failure.into()),
                Err(failure) => self.report.leave(name, failure.message),
            }
        }
        Ok(())
    }

    async fn write_objects(&self, objects: &[&PlainObject]) -> Result<(), Failure> {
        let mut writes = Vec::new();
        for object in objects {
            writes.extend(object.writes());
            if object.deleted && self.with_parent.contains(&object.object) {
                // The last of them is the deletion.
                writes.pop();
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.client.write(self.space, writes).await
    }
}

/// Whether a refusal means that others will be refused too.
fn ends(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::StorageFull
            | FailureKind::Storage
            | FailureKind::Gone
            | FailureKind::NotAllowed
            | FailureKind::NotFound
            | FailureKind::Identity
    )
}

/// Whether two objects say the same: all but who wrote them when.
fn same(a: &PlainObject, b: &PlainObject, space: SpaceId) -> bool {
    told(a, space) == told(b, space)
}

/// An object as JSON without what is for readers only.
pub(crate) fn told(object: &PlainObject, space: SpaceId) -> Json {
    let mut plain = object.clone();
    (plain.created_ms, plain.updated_ms) = (0, 0);
    (plain.meta.created_by, plain.meta.updated_by) = (None, None);
    // A text without content is an empty one.
    let mut empty = Vec::new();
    dxos_base::plain::leaves(&plain.values, &mut |place, value| {
        if matches!(value, Value::Text(_)) && !plain.texts.contains_key(place) {
            empty.push(place.clone());
        }
    });
    plain
        .texts
        .extend(empty.into_iter().map(|place| (place, String::new())));
    to_json(&plain, space)
}

/// About how many bytes an object takes in a write.
fn weight(object: &PlainObject) -> usize {
    fn of(value: &Value) -> usize {
        16 + match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(values) => values.iter().map(of).sum(),
            Value::Map(values) => values
                .iter()
                .map(|(name, value)| name.len() + of(value))
                .sum(),
            _ => 0,
        }
    }
    let values: usize = object
        .values
        .iter()
        .map(|(name, value)| name.len() + of(value))
        .sum();
    let texts: usize = object.texts.values().map(|text| text.len() + 64).sum();
    let tags: usize = object.meta.tags.iter().map(|tag| tag.len() + 32).sum();
    256 + values + texts + tags + object.meta.keys.len() * 128
}
