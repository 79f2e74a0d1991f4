//! Plain objects: all there is of an object in one value, to be kept, copied, or written as a file ([`json`](crate::json)).
//!
//! A plain object holds what a person or program wrote, not how it came to be: clocks, element ids, text history and
//! hidden registers are not in it. A text is there as its content.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::encode;
use crate::crypto::hash;
use crate::ids::{ElementId, ObjectId, SpaceId};
use crate::object::{ObjectMeta, ObjectView};
use crate::path::{Path, Step};
use crate::value::{Ref, Value};
use crate::write::ObjectWrite;

/// An object as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlainObject {
    /// Its id.
    pub object: ObjectId,
    /// `@type` with version; empty if untyped.
    pub type_name: String,
    /// Tags, keys, parent, ends. Who wrote it is for readers only: a copy is the copier's.
    pub meta: ObjectMeta,
    /// When it was made, milliseconds since the epoch; for readers only.
    pub created_ms: u64,
    /// When it was last written; for readers only.
    pub updated_ms: u64,
    /// Deleted, itself or by a parent.
    pub deleted: bool,
    /// Values by top-level name. References to objects of the same space name no space.
    pub values: BTreeMap<String, Value>,
    /// Contents of the texts among the values, by place.
    pub texts: BTreeMap<Place, String>,
}

/// Where a text stands: names of maps and, as element ids are not kept, numbers in lists.
pub type Place = Vec<PlaceStep>;

/// One step to a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PlaceStep {
    /// A name in a map.
    Name(String),
    /// A number in a list, from 0.
    Number(u32),
}

/// Calls `found` with the place of every value of a kind that is no container.
pub fn leaves<'v>(values: &'v BTreeMap<String, Value>, found: &mut dyn FnMut(&Place, &'v Value)) {
    fn walk<'v>(place: &mut Place, value: &'v Value, found: &mut dyn FnMut(&Place, &'v Value)) {
        match value {
            Value::Map(values) => {
                for (name, value) in values {
                    place.push(PlaceStep::Name(name.clone()));
                    walk(place, value, found);
                    place.pop();
                }
            }
            Value::List(values) => {
                for (number, value) in values.iter().enumerate() {
                    place.push(PlaceStep::Number(number as u32));
                    walk(place, value, found);
                    place.pop();
                }
            }
            leaf => found(place, leaf),
        }
    }
    let mut place = Place::new();
    for (name, value) in values {
        place.push(PlaceStep::Name(name.clone()));
        walk(&mut place, value, found);
        place.pop();
    }
}

impl PlainObject {
    /// The plain form of a shown object; `texts` are filled in by who can read them ([`PlainObject::text_paths`]).
    pub fn of(view: &ObjectView) -> PlainObject {
        PlainObject {
            object: view.object,
            type_name: view.type_name.clone(),
            meta: view.meta.clone(),
            created_ms: view.created_ms,
            updated_ms: view.updated_ms,
            deleted: !view.shown,
            values: view.values.clone(),
            texts: BTreeMap::new(),
        }
    }

    /// Where the texts of a shown object stand: as a path, to open them, and as a place, to keep their content.
    pub fn text_paths(view: &ObjectView) -> Vec<(Path, Place)> {
        let mut places = Vec::new();
        leaves(&view.values, &mut |place, value| {
            if matches!(value, Value::Text(_)) {
                places.push(place.clone());
            }
        });
        let path_of = |place: &Place| {
            let mut path = Path::new();
            for step in place {
                let step = match step {
                    PlaceStep::Name(name) => Step::Key(name.clone()),
                    PlaceStep::Number(number) => {
                        Step::Element(*view.elements(&path).get(*number as usize)?)
                    }
                };
                path.push(step);
            }
            Some(path)
        };
        places
            .into_iter()
            .filter_map(|place| Some((path_of(&place)?, place)))
            .collect()
    }

    /// The writes that make an object of this, texts with their content. The same ones each time.
    pub fn writes(&self) -> Vec<ObjectWrite> {
        let mut later = Vec::new();
        let mut values: BTreeMap<String, Value> = self.meta.values();
        for (name, value) in &self.values {
            let mut planting = Planting {
                plain: self,
                path: vec![Step::Key(name.clone())],
                place: vec![PlaceStep::Name(name.clone())],
            };
            values.insert(name.clone(), planting.plant(value, &mut later));
        }
        let mut writes = vec![ObjectWrite::Create {
            object: self.object,
            type_name: self.type_name.clone(),
            values,
        }];
        writes.append(&mut later);
        if self.deleted {
            writes.push(ObjectWrite::delete(self.object));
        }
        writes
    }

    /// Objects this one refers to, in any space.
    pub fn references(&self) -> BTreeSet<Ref> {
        let mut out = BTreeSet::new();
        leaves(&self.values, &mut |_, value| out.extend(value.reference()));
        let ends = [self.meta.parent, self.meta.source, self.meta.target];
        out.extend(ends.into_iter().flatten());
        out
    }

    /// Replaces every reference by what `change` makes of it.
    pub fn rewrite(&mut self, change: &impl Fn(Ref) -> Ref) {
        fn walk(value: &mut Value, change: &impl Fn(Ref) -> Ref) {
            match value {
                Value::Ref(reference) => *reference = change(*reference),
                Value::List(values) => values.iter_mut().for_each(|value| walk(value, change)),
                Value::Map(values) => values.values_mut().for_each(|value| walk(value, change)),
                _ => {}
            }
        }
        self.values
            .values_mut()
            .for_each(|value| walk(value, change));
        let ends = [
            &mut self.meta.parent,
            &mut self.meta.source,
            &mut self.meta.target,
        ];
        for reference in ends.into_iter().flatten() {
            *reference = change(*reference);
        }
    }
}

/// Makes the writes of a value: elements of lists with texts in them are inserted one by one, under ids derived from
/// the object and the place, so that their texts can be named.
struct Planting<'a> {
    plain: &'a PlainObject,
    path: Path,
    place: Place,
}

impl Planting<'_> {
    fn plant(&mut self, value: &Value, later: &mut Vec<ObjectWrite>) -> Value {
        let object = self.plain.object;
        match value {
            Value::Map(values) => {
                let mut out = BTreeMap::new();
                for (name, value) in values {
                    self.path.push(Step::Key(name.clone()));
                    self.place.push(PlaceStep::Name(name.clone()));
                    out.insert(name.clone(), self.plant(value, later));
                    self.path.pop();
                    self.place.pop();
                }
                Value::Map(out)
            }
            Value::List(values) if holds_text(value) => {
                for (number, value) in values.iter().enumerate() {
                    let list = self.path.clone();
                    self.place.push(PlaceStep::Number(number as u32));
                    let element = self.element();
                    self.path.push(Step::Element(element));
                    let mut below = Vec::new();
                    later.push(ObjectWrite::Insert {
                        object,
                        list,
                        element,
                        place: crate::write::Place::End,
                        value: self.plant(value, &mut below),
                    });
                    later.append(&mut below);
                    self.path.pop();
                    self.place.pop();
                }
                Value::List(Vec::new())
            }
            Value::Text(_) => {
                if let Some(content) = self.plain.texts.get(&self.place) {
                    later.push(ObjectWrite::Text {
                        object,
                        path: self.path.clone(),
                        content: content.clone(),
                    });
                }
                value.clone()
            }
            other => other.clone(),
        }
    }

    fn element(&self) -> ElementId {
        let place: Vec<(Option<&str>, u64)> = self
            .place
            .iter()
            .map(|step| match step {
                PlaceStep::Name(name) => (Some(name.as_str()), 0),
                PlaceStep::Number(number) => (None, u64::from(*number)),
            })
            .collect();
        let place = encode(&place);
        let hash = hash("copied element", &[self.plain.object.as_bytes(), &place]);
        ElementId(hash.0[..8].try_into().expect("8 of 32 bytes"))
    }
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::Text(_) => true,
        Value::List(values) => values.iter().any(holds_text),
        Value::Map(values) => values.values().any(holds_text),
        _ => false,
    }
}

/// Which ids copies get.
pub enum Ids<'a> {
    /// Those of the originals: into another space, or to put something back.
    Same,
    /// New ones, made one by one. Foreign keys are left out, as the copy is another thing.
    New(&'a mut dyn FnMut() -> ObjectId),
}

/// Copies objects of space `from` into space `to`. References among them lead to the copies; all others lead where
/// they led, naming the space now where that is another one. A parent outside of the copied set is left out when the
/// space changes: parents are of the same space.
pub fn copy(objects: &[PlainObject], from: SpaceId, to: SpaceId, ids: Ids<'_>) -> Vec<PlainObject> {
    let fresh = matches!(ids, Ids::New(_));
    let copies: BTreeMap<ObjectId, ObjectId> = match ids {
        Ids::Same => objects.iter().map(|o| (o.object, o.object)).collect(),
        Ids::New(make) => objects.iter().map(|o| (o.object, make())).collect(),
    };
    let change = |reference: Ref| {
        let space = reference.space.unwrap_or(from);
        match copies.get(&reference.object) {
            Some(copy) if space == from => Ref::local(*copy),
            _ => Ref {
                space: (space != to).then_some(space),
                object: reference.object,
            },
        }
    };
    objects
        .iter()
        .map(|object| {
            let mut copy = object.clone();
            copy.object = copies[&object.object];
            copy.rewrite(&change);
            if copy
                .meta
                .parent
                .is_some_and(|parent| parent.space.is_some())
            {
                copy.meta.parent = None;
            }
            if fresh {
                copy.meta.keys.clear();
            }
            copy
        })
        .collect()
}
