//! What people write into objects: every kind of write there is, each with what the ledger can say of it. Values of
//! other places (scalars, trees, references, parents) are compared between replicas, not followed.
//!
//! Not here: who does what when, and texts on the screen (`work`).

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::typed::{Counter, Object as _, update_writes};
use dxos_base::{
    ElementId, Entropy, ForeignKey, ObjectId, ObjectView, ObjectWrite, Path, Place, Ref, SpaceId,
    Step, Value, key_path,
};

use crate::ledger::{EditId, ITEMS, MEMBERS, PARTS, TAGS, VOTES, items, named};
use crate::tap::CANARY;
use crate::world::World;

/// Kinds of writes that are acts of a person's own.
const ACTS: [&str; 5] = [
    "create",
    "delete",
    "remove property",
    "restore",
    "set property",
];

/// Kinds of writes that a suite must have seen acknowledged.
pub fn write_kinds() -> impl Iterator<Item = &'static str> {
    ACTS.into_iter().chain(EDITS)
}

/// Kinds a person chooses among when editing.
const EDITS: [&str; 25] = [
    "add key",
    "count",
    "exclude",
    "fill text",
    "include",
    "insert",
    "insert part",
    "move",
    "refer",
    "remove element",
    "remove key",
    "remove part",
    "remove tree",
    "restore tree",
    "set counter",
    "set in part",
    "set list",
    "set map",
    "set nested",
    "set parent",
    "set scalar",
    "tag",
    "take from parent",
    "typed update",
    "untag",
];

/// Those of them that the ledger follows.
const FOLLOWED: [&str; 9] = [
    "count",
    "exclude",
    "include",
    "insert",
    "insert part",
    "remove element",
    "remove part",
    "tag",
    "untag",
];

/// People's objects as programs see them.
#[derive(Debug, Clone, PartialEq, dxos_client::Object)]
#[object(type = "org.dxos.sim.Note", version = "0.1.0")]
struct Note {
    title: Option<String>,
    votes: Option<Counter>,
    members: BTreeSet<String>,
    items: Vec<i64>,
}

impl World {
    /// A new object.
    pub fn create(&mut self, index: usize, person: usize, space: SpaceId) {
        let object = ObjectId::new(self.now(), &mut self.random);
        self.objects.push(object);
        let mut edits = vec![self.ledger.create(index, space, object)];
        let mut values = BTreeMap::new();
        for property in ["count", "title"] {
            let value = self.fresh(property);
            let register = (space, object, property.to_owned());
            let value_written = Some(value.clone());
            edits.push((self.ledger).property(index, register, value_written, None, &[]));
            values.insert(property.to_owned(), value);
        }
        let write = ObjectWrite::create(object, Note::type_ref().to_string(), values);
        self.write(index, person, space, "create", vec![write], edits);
    }

    /// A property gets a value nobody wrote before.
    pub fn set_property(&mut self, index: usize, person: usize, space: SpaceId, object: ObjectId) {
        let property = *self.random.pick(&["count", "count", "title"]);
        let value = self.fresh(property);
        let edit = self.register(index, person, space, object, property, Some(value.clone()));
        let write = ObjectWrite::set(object, property, value);
        self.write(
            index,
            person,
            space,
            "set property",
            vec![write],
            vec![edit],
        );
    }

    /// A property goes.
    pub fn remove_property(
        &mut self,
        index: usize,
        person: usize,
        space: SpaceId,
        object: ObjectId,
    ) {
        let edit = self.register(index, person, space, object, "title", None);
        let write = ObjectWrite::remove(object, "title");
        let (kind, edits) = ("remove property", vec![edit]);
        self.write(index, person, space, kind, vec![write], edits);
    }

    /// An object is deleted or restored.
    pub fn show(
        &mut self,
        index: usize,
        person: usize,
        space: SpaceId,
        object: ObjectId,
        shown: bool,
    ) {
        let own = self.peers[index].persons[person].own.clone();
        let edit = self.ledger.show(index, space, object, shown, &own);
        let (kind, write) = match shown {
            true => ("restore", ObjectWrite::restore(object)),
            false => ("delete", ObjectWrite::delete(object)),
        };
        self.write(index, person, space, kind, vec![write], vec![edit]);
    }

    /// Any other write, if the object shows what it needs.
    pub fn edit(&mut self, index: usize, person: usize, space: SpaceId, object: ObjectId) {
        let Some(view) = self.peers[index].persons[person].row(object) else {
            return;
        };
        let kind = *self.random.pick(&EDITS);
        let made = match kind {
            "typed update" => self.typed_update(index, person, space, &view),
            kind if FOLLOWED.contains(&kind) => self.collection_edit(kind, index, space, &view),
            kind => {
                let write = self.plain_edit(kind, &view);
                write.map(|write| (vec![write], Vec::new()))
            }
        };
        if let Some((writes, edits)) = made {
            self.write(index, person, space, kind, writes, edits);
        }
    }

    fn write(
        &mut self,
        index: usize,
        person: usize,
        space: SpaceId,
        kind: &'static str,
        writes: Vec<ObjectWrite>,
        edits: Vec<EditId>,
    ) {
        self.peers[index].persons[person].write(space, kind, writes, edits);
    }

    fn fresh(&mut self, property: &str) -> Value {
        let value = self.ledger.fresh_value();
        match property {
            "count" => Value::Int(value),
            _ => Value::String(format!("{CANARY} {value}")),
        }
    }

    /// Notes the write of a property by someone who has seen what the person sees.
    fn register(
        &mut self,
        index: usize,
        person: usize,
        space: SpaceId,
        object: ObjectId,
        property: &str,
        value: Option<Value>,
    ) -> EditId {
        let hand = &self.peers[index].persons[person];
        let row = hand.row(object);
        let seen = row.as_ref().and_then(|row| row.values.get(property));
        let register = (space, object, property.to_owned());
        (self.ledger).property(index, register, value, seen, &hand.own)
    }

    fn element(&mut self) -> ElementId {
        ElementId((&mut self.random as &mut dyn Entropy).array())
    }

    fn list_place(&mut self, elements: &[ElementId]) -> Place {
        match (self.random.below(5), elements.is_empty()) {
            (0, _) => Place::Start,
            (1, _) => Place::At(self.random.below(4) as u32),
            (2, false) => Place::After(*self.random.pick(elements)),
            (3, false) => Place::Before(*self.random.pick(elements)),
            _ => Place::End,
        }
    }

    /// Steps of counters, members of sets, elements of lists: the ledger follows each of them.
    fn collection_edit(
        &mut self,
        kind: &str,
        index: usize,
        space: SpaceId,
        view: &ObjectView,
    ) -> Option<(Vec<ObjectWrite>, Vec<EditId>)> {
        let object = view.object;
        let register = |name: &str| (space, object, name.to_owned());
        let (write, edit) = match kind {
            "count" => {
                let by = self.random.between(1, 3) as i64;
                let edit = self.ledger.step(index, register(VOTES), by);
                (ObjectWrite::count(object, VOTES, by), edit)
            }
            "include" | "tag" => {
                let added = self.ledger.fresh_value();
                let name = if kind == "tag" { TAGS } else { MEMBERS };
                let edit = (self.ledger).item(index, register(name), Some(added), None);
                let write = match kind {
                    "tag" => ObjectWrite::tag(object, named(added)),
                    _ => ObjectWrite::include(object, MEMBERS, named(added)),
                };
                (write, edit)
            }
            "exclude" | "untag" => {
                let name = if kind == "untag" { TAGS } else { MEMBERS };
                let held = items(view, name);
                let removed = *self.random.pick((!held.is_empty()).then_some(&held)?);
                let edit = (self.ledger).item(index, register(name), None, Some(removed));
                let write = match kind {
                    "untag" => ObjectWrite::untag(object, named(removed)),
                    _ => ObjectWrite::exclude(object, MEMBERS, named(removed)),
                };
                (write, edit)
            }
            "insert" | "insert part" => {
                let added = self.ledger.fresh_value();
                let (name, value) = match kind {
                    "insert" => (ITEMS, Value::Int(added)),
                    _ => {
                        let values = [("n".to_owned(), Value::Int(added))];
                        (PARTS, Value::Map(values.into()))
                    }
                };
                let list = key_path(&[name]);
                let place = self.list_place(view.elements(&list));
                let write = ObjectWrite::Insert {
                    object,
                    list,
                    element: self.element(),
                    place,
                    value,
                };
                let edit = (self.ledger).item(index, register(name), Some(added), None);
                (write, edit)
            }
            "remove element" | "remove part" => {
                let name = if kind == "remove part" { PARTS } else { ITEMS };
                let (path, removed) = self.element_of(view, name)?;
                let edit = (self.ledger).item(index, register(name), None, Some(removed));
                (ObjectWrite::remove(object, path), edit)
            }
            other => panic!("the ledger follows no {other}"),
        };
        Some((vec![write], vec![edit]))
    }

    /// One of a list's elements that shows, and what it is.
    fn element_of(&mut self, view: &ObjectView, name: &str) -> Option<(Path, i64)> {
        let list = key_path(&[name]);
        let (ids, held) = (view.elements(&list), items(view, name));
        if ids.is_empty() || ids.len() != held.len() {
            return None;
        }
        let at = self.random.index(ids.len());
        let path = [&list[..], &[Step::Element(ids[at])]].concat();
        Some((path, held[at]))
    }

    /// Writes that are only compared between replicas.
    fn plain_edit(&mut self, kind: &str, view: &ObjectView) -> Option<ObjectWrite> {
        let object = view.object;
        let leaf = Value::Int(self.ledger.fresh_value());
        let name = (*self.random.pick(&["a", "b", "c"])).to_owned();
        let other = Ref::local(*self.random.pick(&self.objects));
        let key = ForeignKey {
            source: (*self.random.pick(&["hub", "lab"])).to_owned(),
            id: self.random.below(3).to_string(),
        };
        Some(match kind {
            "set map" => ObjectWrite::set(object, "tree", Value::Map([(name, leaf)].into())),
            "set list" => ObjectWrite::set(object, "tree", Value::List(vec![leaf.clone(), leaf])),
            "set nested" => {
                let path = key_path(&["tree".to_owned(), name, "leaf".to_owned()]);
                ObjectWrite::set(object, path, leaf)
            }
            "remove tree" => match self.random.chance(50) {
                true => ObjectWrite::remove(object, "tree"),
                false => ObjectWrite::remove(object, key_path(&["tree".to_owned(), name])),
            },
            "restore tree" => ObjectWrite::Restore {
                object,
                path: key_path(&["tree"]),
            },
            "set scalar" => {
                let value = match self.random.below(7) {
                    0 => Value::Null,
                    1 => Value::Bool(self.random.chance(50)),
                    2 => Value::float(self.random.below(9) as f64 / 4.0 - 1.0),
                    3 => Value::Bytes(CANARY.as_bytes().to_vec()),
                    4 => Value::Timestamp(self.random.below(9) as i64 - 4),
                    5 => Value::Int(i64::MIN),
                    _ => leaf,
                };
                ObjectWrite::set(object, "any", value)
            }
            "set counter" => {
                ObjectWrite::set(object, "score", Value::Counter(self.random.below(5) as i64))
            }
            "set in part" => {
                let (mut path, _) = self.element_of(view, PARTS)?;
                path.push(Step::Key("note".to_owned()));
                ObjectWrite::set(object, path, format!("{CANARY} note"))
            }
            "move" => {
                let name = *self.random.pick(&[ITEMS, PARTS]);
                let list = key_path(&[name]);
                let ids = view.elements(&list).to_vec();
                let element = *self.random.pick((!ids.is_empty()).then_some(&ids)?);
                let place = self.list_place(&ids);
                ObjectWrite::Move {
                    object,
                    list,
                    element,
                    place,
                }
            }
            "refer" => ObjectWrite::set(object, "link", other),
            "set parent" => ObjectWrite::set_parent(object, Some(other.object)),
            "take from parent" => ObjectWrite::set_parent(object, None),
            "add key" => ObjectWrite::add_key(object, key),
            "remove key" => ObjectWrite::remove_key(object, key),
            "fill text" => ObjectWrite::Text {
                object,
                path: key_path(&["notes"]),
                content: format!("{CANARY} begins"),
            },
            other => panic!("no kind of write is called {other}"),
        })
    }

    /// What a program changes in a typed value, as the writes that make it so.
    fn typed_update(
        &mut self,
        index: usize,
        person: usize,
        space: SpaceId,
        view: &ObjectView,
    ) -> Option<(Vec<ObjectWrite>, Vec<EditId>)> {
        let before = Note::from_view(view).ok()?;
        let (object, mut after, mut edits) = (view.object, before.clone(), Vec::new());
        let register = |name: &str| (space, object, name.to_owned());
        if self.random.chance(50) {
            let by = self.random.between(1, 3) as i64;
            let votes = after.votes.map_or(0, |votes| votes.0);
            after.votes = Some(Counter(votes + by));
            edits.push(self.ledger.step(index, register(VOTES), by));
        }
        if self.random.chance(50) {
            let added = self.ledger.fresh_value();
            after.members.insert(named(added));
            edits.push((self.ledger).item(index, register(MEMBERS), Some(added), None));
        }
        if self.random.chance(40)
            && let Some(removed) = items(view, MEMBERS).first()
        {
            after.members.remove(&named(*removed));
            edits.push((self.ledger).item(index, register(MEMBERS), None, Some(*removed)));
        }
        // What goes and what comes at one place would be one element with another value.
        if self.random.chance(30) && !after.items.is_empty() {
            let removed = after.items.remove(self.random.index(after.items.len()));
            edits.push((self.ledger).item(index, register(ITEMS), None, Some(removed)));
        } else {
            let added = self.ledger.fresh_value();
            let at = self.random.index(after.items.len() + 1);
            after.items.insert(at, added);
            edits.push((self.ledger).item(index, register(ITEMS), Some(added), None));
        }
        if self.random.chance(40) {
            let title = self.fresh("title");
            after.title = title.as_str().map(str::to_owned);
            edits.push(self.register(index, person, space, object, "title", Some(title)));
        }
        let mut element = || ElementId((&mut self.random as &mut dyn Entropy).array());
        let fields = &Note::schema().fields;
        let (before, after) = (before.to_values(), after.to_values());
        let writes = update_writes(view, fields, &before, &after, &mut element);
        Some((writes, edits))
    }
}
