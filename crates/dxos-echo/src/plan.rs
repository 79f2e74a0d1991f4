//! Planning: turns an edit on a record into changes with their final clocks, joined into the record as they come.
//!
//! Invariants
//! * each change's clock is greater than that of the register it replaces, of every *since* above it, and, where it
//!   clears a container, of all below it, so an edit made on seeing a state always wins over it;
//! * a write below a path that is no container of the right kind assigns it first; a write below a *never set* path
//!   writes no register for it (DESIGN 4.3);
//! * a deletion or restore that repeats another device's is written all the same: the other one may turn out void;
//! * a write below a deleted object or list element does not bring it back: it is kept, hidden, and shows after a restore.

use std::collections::BTreeMap;

use dxos_base::path::show_path;
use dxos_base::write::{META, Place, TYPE};
use dxos_base::{
    Clock, ElementId, Entropy, FeedId, HybridClock, ObjectId, ObjectWrite, Path, Ref, SpaceId,
    Step, TextId, Tick, Value, hash, limits,
};

use crate::change::{Change, Kind, Operation, Scalar, Stamp};
use crate::error::EchoError;
use crate::order::{self, Neighbour};
use crate::record::{Part, Record, RegisterValue};
use crate::reserved::{
    Place as Reserved, bad_path, bad_value, check_names, check_path, check_value,
};
use crate::view::{is_thing, kind_for};

/// What planning needs besides the record.
pub(crate) struct Planner<'a> {
    pub space: SpaceId,
    pub feed: FeedId,
    pub now: Tick,
    pub clock: &'a mut HybridClock,
    pub entropy: &'a mut dyn Entropy,
    pub changes: &'a mut Vec<Change>,
}

impl Planner<'_> {
    /// Plans one write on its object's record. The caller has checked that the object is there (or, for a creation,
    /// is not), and that a parent is not below its child.
    pub fn write(&mut self, record: &mut Record, write: &ObjectWrite) -> Result<(), EchoError> {
        let object = write.object();
        match write {
            ObjectWrite::Create {
                type_name, values, ..
            } => self.create(record, object, type_name, values),
            ObjectWrite::Set { path, value, .. } => {
                check_value(check_path(path)?, path, value, self.space)?;
                self.prepare(record, object, path)?;
                self.spread(record, object, path.clone(), value)
            }
            ObjectWrite::Remove { path, .. } if path.is_empty() => {
                self.remove(record, object, path)
            }
            ObjectWrite::Remove { path, .. } => match check_path(path)? {
                Reserved::Free | Reserved::Reference => self.remove(record, object, path),
                Reserved::Set | Reserved::Member => bad_path(path, "members are taken out"),
            },
            ObjectWrite::Restore { path, .. } => {
                if !path.is_empty() {
                    check_free(path)?;
                }
                self.restore(record, object, path)
            }
            ObjectWrite::Insert {
                list,
                element,
                place,
                value,
                ..
            } => self.insert(record, object, list, *element, *place, value),
            ObjectWrite::Move {
                list,
                element,
                place,
                ..
            } => {
                check_free(list)?;
                self.place(record, object, list, *element, *place)
            }
            ObjectWrite::Count { path, by, .. } => {
                check_free(path)?;
                self.count(record, object, path, *by)
            }
            ObjectWrite::Include { set, member, .. } => {
                self.member(record, object, set, member, true)
            }
            ObjectWrite::Exclude { set, member, .. } => {
                self.member(record, object, set, member, false)
            }
            ObjectWrite::Text { path, .. } => {
                check_free(path)?;
                self.prepare(record, object, path)?;
                self.spread(record, object, path.clone(), &Value::Text(TextId([0; 16])))
            }
        }
    }

    /// Puts a member into a set or takes it out; what is so already is not written again.
    fn member(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        set: &Path,
        member: &str,
        held: bool,
    ) -> Result<(), EchoError> {
        let path = [&set[..], &[Step::Key(member.to_owned())]].concat();
        match check_path(set)? {
            Reserved::Set => {}
            Reserved::Free => check_free(set)?,
            _ => return bad_path(&path, "this is no set"),
        }
        if member.is_empty() {
            return bad_path(&path, "a name is empty");
        }
        if !matches!(record.shown_at(set), None | Some(Value::Map(_))) {
            return bad_value(set, "not a set");
        }
        if (record.shown_at(&path) == Some(Value::Bool(true))) == held {
            return Ok(());
        }
        self.prepare(record, object, &path)?;
        let operation = Operation::Set(Scalar::Bool(held));
        self.put(record, object, path, operation)
    }

    fn restore(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
    ) -> Result<(), EchoError> {
        let Some(register) = record.value(path) else {
            return Ok(());
        };
        let (kind, since) = match register.value {
            RegisterValue::Deleted(Some(hidden)) => hidden,
            // Older than what says so: restored by another device.
            RegisterValue::Container { kind, since }
                if since < register.stamp && register.stamp.feed != self.feed =>
            {
                (kind, since)
            }
            _ => return Ok(()),
        };
        let since = Some(since);
        let operation = Operation::Assign { kind, since };
        self.put(record, object, path.clone(), operation)
    }

    /// Assigns the containers above `path` where they are not of the right kind.
    pub fn prepare(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &[Step],
    ) -> Result<(), EchoError> {
        for depth in 0..path.len() {
            let above = &path[..depth];
            let needed = kind_for(&path[depth]);
            let fits = match record.value(above).map(|register| &register.value) {
                Some(RegisterValue::Container { kind, .. }) => *kind == needed,
                Some(RegisterValue::Deleted(_)) => is_thing(above),
                Some(_) => false,
                None => {
                    needed == Kind::Map
                        || record.implied_kind(above).is_none_or(|kind| kind == needed)
                }
            };
            if !fits {
                let operation = Operation::Assign {
                    kind: needed,
                    since: None,
                };
                self.put(record, object, above.to_vec(), operation)?;
            }
        }
        Ok(())
    }

    /// Adds one change and joins it.
    pub fn put(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: Path,
        operation: Operation,
    ) -> Result<(), EchoError> {
        let part = match &operation {
            Operation::Index(_) => Part::Index,
            Operation::Count {
                assignment, slot, ..
            } => Part::Slot {
                assignment: *assignment,
                slot: *slot,
            },
            _ => Part::Value,
        };
        let replaced = record
            .register(&path, part)
            .map_or(Clock::ZERO, |r| r.stamp.clock);
        let mut replaced = replaced.max(record.floor(&path).clock);
        if matches!(operation, Operation::Assign { since: None, .. }) {
            // It replaces what is below too, however far ahead the clocks there are.
            let below = record
                .below(&path)
                .map(|(_, _, register)| register.stamp.clock);
            replaced = replaced.max(below.max().unwrap_or_default());
        }
        let change = Change {
            clock: self.tick(&path, replaced)?,
            object,
            path,
            operation,
        };
        self.checked(&change)?;
        record.apply(&change, self.feed);
        self.changes.push(change);
        Ok(())
    }

    /// Refuses a change that no replica would take.
    pub fn checked(&self, change: &Change) -> Result<(), EchoError> {
        change.check().map_err(|detail| EchoError::BadValue {
            path: show_path(&change.path),
            detail,
        })
    }

    /// A clock after `replaced`.
    pub fn tick(&mut self, path: &[Step], replaced: Clock) -> Result<Clock, EchoError> {
        let clock = self.clock.tick(self.now, replaced);
        clock.ok_or_else(|| EchoError::ClockExhausted {
            path: show_path(path),
        })
    }

    /// Plans a new object.
    pub fn create(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        type_name: &str,
        values: &BTreeMap<String, Value>,
    ) -> Result<(), EchoError> {
        let type_path = vec![Step::Key(TYPE.to_owned())];
        if type_name.len() > limits::NAME_BYTES_MAX {
            return bad_value(&type_path, "type name is too long");
        }
        let type_name = Scalar::String(type_name.to_owned());
        self.put(record, object, type_path, Operation::Set(type_name))?;
        for (name, value) in values {
            let path = vec![Step::Key(name.clone())];
            match name.as_str() {
                META => self.create_meta(record, object, path, value)?,
                _ => {
                    check_value(check_path(&path)?, &path, value, self.space)?;
                    self.spread(record, object, path, value)?;
                }
            }
        }
        Ok(())
    }

    /// The sets of a new object's `@meta`: nested maps, of which only members are written.
    fn create_meta(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: Path,
        value: &Value,
    ) -> Result<(), EchoError> {
        let child = |name: &String| [&path[..], &[Step::Key(name.clone())]].concat();
        match value {
            Value::Map(values) => values
                .iter()
                .try_for_each(|(name, value)| self.create_meta(record, object, child(name), value)),
            value => {
                let place = check_path(&path)?;
                if !matches!(place, Reserved::Member) {
                    return bad_value(&path, "must be a set");
                }
                check_value(place, &path, value, self.space)?;
                self.spread(record, object, path, value)
            }
        }
    }

    pub fn remove(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
    ) -> Result<(), EchoError> {
        let register = record.value(path);
        let hides = match register.map(|register| &register.value) {
            Some(RegisterValue::Deleted(_))
                if register.is_some_and(|register| register.stamp.feed == self.feed) =>
            {
                return Ok(());
            }
            Some(RegisterValue::Deleted(hides)) => *hides,
            Some(RegisterValue::Container { kind, since }) => Some((*kind, *since)),
            Some(_) => None,
            None if path.is_empty() => Some((Kind::Map, Stamp::ZERO)),
            None => match record.implied_kind(path) {
                Some(kind) => Some((kind, Stamp::ZERO)),
                None if record.shown_at(path).is_some() => None,
                None => return Ok(()),
            },
        };
        self.put(record, object, path.clone(), Operation::Delete { hides })
    }

    fn insert(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        list: &Path,
        element: ElementId,
        place: Place,
        value: &Value,
    ) -> Result<(), EchoError> {
        check_free(list)?;
        let path = [&list[..], &[Step::Element(element)]].concat();
        check_value(Reserved::Free, &path, value, self.space)?;
        if !matches!(
            record.shown_at(list),
            None | Some(Value::Null | Value::List(_))
        ) {
            return bad_value(list, "not a list");
        }
        if record.value(&path).is_some() || record.below(&path).next().is_some() {
            return bad_path(&path, "this element exists already");
        }
        self.prepare(record, object, &path)?;
        self.spread(record, object, path, value)?;
        self.place(record, object, list, element, place)
    }

    /// Gives an element the index of a place.
    fn place(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        list: &Path,
        element: ElementId,
        place: Place,
    ) -> Result<(), EchoError> {
        let path_of = |element| [&list[..], &[Step::Element(element)]].concat();
        let elements = record.elements(list);
        if elements.iter().all(|(other, _)| *other != element) {
            return bad_path(&path_of(element), "no such element");
        }
        let others: Vec<_> = elements
            .iter()
            .filter(|(other, _)| *other != element)
            .collect();
        let ids: Vec<ElementId> = others.iter().map(|(other, _)| *other).collect();
        let to = place.index_in(&ids);
        let neighbour = |&(element, index): &(ElementId, Option<&[u8]>)| {
            let own = record
                .register(&path_of(element), Part::Index)
                .is_some_and(|register| register.stamp.feed == self.feed);
            (element, index.map(<[u8]>::to_vec), own)
        };
        let left = to.checked_sub(1).map(|at| neighbour(others[at]));
        let right = others.get(to).map(|other| neighbour(other));
        let run = order::run_of(self.feed, element);
        // Elements without an index stand last; behind one of them there is no place until it has an index.
        let placed = match &left {
            Some((_, None, _)) => None,
            _ => order::between(as_neighbour(&left), as_neighbour(&right), run),
        };
        if let Some(index) = placed {
            return self.put(record, object, path_of(element), Operation::Index(index));
        }
        let mut order = ids;
        order.insert(to, element);
        let indices = order::fresh(order.len(), run);
        for (element, index) in order.into_iter().zip(indices) {
            self.put(record, object, path_of(element), Operation::Index(index))?;
        }
        Ok(())
    }

    pub fn count(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
        by: i64,
    ) -> Result<(), EchoError> {
        self.prepare(record, object, path)?;
        let floor = record.floor(path);
        let visible = record.value(path).filter(|register| register.stamp > floor);
        match visible.map(|register| &register.value) {
            None | Some(RegisterValue::Counter(_)) => {}
            Some(RegisterValue::Scalar(Scalar::Int(base))) => {
                let base = *base;
                self.put(record, object, path.clone(), Operation::SetCounter(base))?;
            }
            Some(RegisterValue::Deleted(_)) => {
                self.put(record, object, path.clone(), Operation::SetCounter(0))?;
            }
            Some(_) => return bad_value(path, "not a number that counts"),
        }
        let assignment = match record.value(path).filter(|register| register.stamp > floor) {
            Some(register) => register.stamp,
            None => floor,
        };
        let slot = self.feed;
        let held = match record
            .register(path, Part::Slot { assignment, slot })
            .map(|r| &r.value)
        {
            Some(RegisterValue::Total(total)) => *total,
            _ => 0,
        };
        let total = held.checked_add(by).ok_or_else(|| EchoError::BadValue {
            path: show_path(path),
            detail: "the count is out of range",
        })?;
        let operation = Operation::Count {
            assignment,
            slot,
            total,
        };
        self.put(record, object, path.clone(), operation)
    }
}

type Placed = Option<(ElementId, Option<Vec<u8>>, bool)>;

fn as_neighbour(side: &Placed) -> Option<Neighbour<'_>> {
    match side {
        Some((element, Some(index), own)) => Some(Neighbour {
            index,
            element: *element,
            own: *own,
        }),
        _ => None,
    }
}

impl Planner<'_> {
    /// Spreads a value over registers. Recursion ends at the path limit, which `put` enforces.
    fn spread(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: Path,
        value: &Value,
    ) -> Result<(), EchoError> {
        let child = |step: Step| [&path[..], &[step]].concat();
        let assign = |kind| Operation::Assign { kind, since: None };
        match value {
            Value::Map(values) => {
                self.put(record, object, path.clone(), assign(Kind::Map))?;
                for (name, value) in values {
                    let path = child(Step::Key(name.clone()));
                    if name.is_empty() {
                        return bad_path(&path, "a name is empty");
                    }
                    self.spread(record, object, path, value)?;
                }
                Ok(())
            }
            Value::List(values) => {
                self.put(record, object, path.clone(), assign(Kind::List))?;
                let ids: Vec<ElementId> = values
                    .iter()
                    .map(|_| ElementId(self.entropy.array()))
                    .collect();
                let run = ids
                    .first()
                    .map_or([0; 2], |id| order::run_of(self.feed, *id));
                for ((value, id), index) in
                    values.iter().zip(&ids).zip(order::fresh(values.len(), run))
                {
                    let path = child(Step::Element(*id));
                    self.spread(record, object, path.clone(), value)?;
                    self.put(record, object, path, Operation::Index(index))?;
                }
                Ok(())
            }
            Value::Counter(base) => self.put(record, object, path, Operation::SetCounter(*base)),
            Value::Text(_) => {
                if matches!(record.shown_at(&path), Some(Value::Text(_))) {
                    return Ok(());
                }
                let text = text_id_at(record, object, &path);
                self.put(record, object, path, Operation::SetText(text))
            }
            // A reference to the same space names no space, in whatever way it was written.
            Value::Ref(reference) if reference.space == Some(self.space) => {
                let scalar = Scalar::Ref(Ref::local(reference.object));
                self.put(record, object, path, Operation::Set(scalar))
            }
            scalar => match Scalar::from_value(scalar.clone()) {
                Ok(scalar) => self.put(record, object, path, Operation::Set(scalar)),
                Err(_) => unreachable!("all other kinds are handled above"),
            },
        }
    }
}

fn check_free(path: &[Step]) -> Result<(), EchoError> {
    match check_path(path)? {
        Reserved::Free => check_names(path, &Value::Null),
        _ => bad_path(path, "this field is kept by the database"),
    }
}

/// The id of the text that begins at `path` on this state: whoever begins it on the same state begins the same one.
pub(crate) fn text_id_at(record: &Record, object: ObjectId, path: &Path) -> dxos_base::TextId {
    let replaced = record
        .value(path)
        .map_or(Stamp::ZERO, |register| register.stamp);
    let parts = dxos_base::encode(&(object, path, record.floor(path), replaced));
    let hash = hash("text", &[&parts]);
    dxos_base::TextId(hash.0[..16].try_into().expect("a hash has 32 bytes"))
}
