//! Planning: turns an edit on a record into changes with their final clocks, joined into the record as they come.
//!
//! Invariants
//! * each change's clock is greater than that of the register it replaces and of every *since* above it, so an edit
//!   made on seeing a state always wins over it;
//! * a write below a path that is no container of the right kind assigns it first; a write below a *never set* path
//!   writes no register for it (DESIGN 4.3);
//! * a write below a deleted object does not bring it back: it is kept, hidden, and shows after a restore.

use std::collections::BTreeMap;

use dxos_base::{
    Clock, ElementId, Entropy, FeedId, HybridClock, ObjectId, Tick, Value, hash, limits,
};

use crate::change::{Change, Edit, Kind, Operation, Path, Scalar, Stamp, Step, show_path};
use crate::error::EchoError;
use crate::order::{self, Neighbour};
use crate::record::{Part, Record, RegisterValue};
use crate::view::kind_for;

/// What planning needs besides the record.
pub(crate) struct Planner<'a> {
    pub feed: FeedId,
    pub now: Tick,
    pub clock: &'a mut HybridClock,
    pub entropy: &'a mut dyn Entropy,
    pub changes: &'a mut Vec<Change>,
}

/// Names at the top of an object that only ECHO writes.
const RESERVED: [&str; 3] = ["@type", "@created", "@updated"];

impl Edit {
    /// The object it is about.
    pub fn object(&self) -> ObjectId {
        match self {
            Edit::Create { object, .. }
            | Edit::Set { object, .. }
            | Edit::Remove { object, .. }
            | Edit::Restore { object, .. }
            | Edit::Insert { object, .. }
            | Edit::Move { object, .. }
            | Edit::Count { object, .. } => *object,
        }
    }
}

impl Planner<'_> {
    /// Plans one edit on its object's record. The caller has checked that the object is there (or, for a creation,
    /// is not).
    pub fn edit(&mut self, record: &mut Record, edit: &Edit) -> Result<(), EchoError> {
        match edit {
            Edit::Create {
                object,
                type_name,
                values,
            } => self.create(record, *object, type_name, values),
            Edit::Set {
                object,
                path,
                value,
            } => {
                check_path(path)?;
                let mut spread = Spread {
                    record,
                    object: *object,
                    planner: self,
                };
                spread.prepare(path)?;
                spread.set(path.clone(), value)
            }
            Edit::Remove { object, path } => {
                if !path.is_empty() {
                    check_path(path)?;
                }
                self.remove(record, *object, path)
            }
            Edit::Restore { object, path } => match record.value(path).map(|r| &r.value) {
                Some(RegisterValue::Deleted(Some((kind, since)))) => {
                    let operation = Operation::Assign {
                        kind: *kind,
                        since: Some(*since),
                    };
                    self.put(record, *object, path.clone(), operation)
                }
                _ => Ok(()),
            },
            Edit::Insert {
                object,
                list,
                at,
                value,
            } => {
                check_path(list)?;
                self.insert(record, *object, list, *at, value)
            }
            Edit::Move {
                object,
                list,
                element,
                to,
            } => {
                check_path(list)?;
                self.place(record, *object, list, *element, *to)
            }
            Edit::Count { object, path, by } => {
                check_path(path)?;
                self.count(record, *object, path, *by)
            }
        }
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
                Some(RegisterValue::Deleted(_)) => depth == 0,
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
        let replaced = replaced.max(record.floor(&path).clock);
        let change = Change {
            clock: self.tick(&path, replaced)?,
            object,
            path,
            operation,
        };
        change.check().map_err(|detail| EchoError::BadValue {
            path: show_path(&change.path),
            detail,
        })?;
        record.apply(&change, self.feed);
        self.changes.push(change);
        Ok(())
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
        let type_path = vec![Step::Key("@type".to_owned())];
        if type_name.len() > limits::NAME_BYTES_MAX {
            return Err(EchoError::BadValue {
                path: "@type".to_owned(),
                detail: "type name is too long",
            });
        }
        let type_name = Scalar::String(type_name.to_owned());
        self.put(record, object, type_path, Operation::Set(type_name))?;
        for (name, value) in values {
            let path = vec![Step::Key(name.clone())];
            check_path(&path)?;
            Spread {
                record,
                object,
                planner: self,
            }
            .set(path, value)?;
        }
        Ok(())
    }

    fn remove(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
    ) -> Result<(), EchoError> {
        let hides = match record.value(path).map(|register| &register.value) {
            Some(RegisterValue::Deleted(_)) => return Ok(()),
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
        at: usize,
        value: &Value,
    ) -> Result<(), EchoError> {
        let element = ElementId(self.entropy.array());
        let mut path = list.clone();
        path.push(Step::Element(element));
        self.prepare(record, object, &path)?;
        Spread {
            record,
            object,
            planner: self,
        }
        .set(path, value)?;
        self.place(record, object, list, element, at)
    }

    /// Gives an element the index of place `to`.
    fn place(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        list: &Path,
        element: ElementId,
        to: usize,
    ) -> Result<(), EchoError> {
        let path_of = |element| [&list[..], &[Step::Element(element)]].concat();
        let elements = record.elements(list);
        if elements.iter().all(|(other, _)| *other != element) {
            return Err(EchoError::BadPath {
                path: show_path(&path_of(element)),
                detail: "no such element",
            });
        }
        let others: Vec<_> = elements
            .iter()
            .filter(|(other, _)| *other != element)
            .collect();
        let to = to.min(others.len());
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
        let mut order: Vec<ElementId> = others.iter().map(|(other, _)| *other).collect();
        if let Some(index) = placed {
            return self.put(record, object, path_of(element), Operation::Index(index));
        }
        order.insert(to, element);
        let indices = order::fresh(order.len(), run);
        for (element, index) in order.into_iter().zip(indices) {
            self.put(record, object, path_of(element), Operation::Index(index))?;
        }
        Ok(())
    }

    fn count(
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
            Some(_) => {
                return Err(EchoError::BadValue {
                    path: show_path(path),
                    detail: "not a number that counts",
                });
            }
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

/// Spreads a value over registers.
struct Spread<'s, 'a> {
    record: &'s mut Record,
    object: ObjectId,
    planner: &'s mut Planner<'a>,
}

impl Spread<'_, '_> {
    fn prepare(&mut self, path: &[Step]) -> Result<(), EchoError> {
        self.planner.prepare(self.record, self.object, path)
    }

    fn put(&mut self, path: Path, operation: Operation) -> Result<(), EchoError> {
        self.planner.put(self.record, self.object, path, operation)
    }

    /// Recursion ends at the path limit, which `put` enforces.
    fn set(&mut self, path: Path, value: &Value) -> Result<(), EchoError> {
        let child = |step: Step| [&path[..], &[step]].concat();
        match value {
            Value::Map(values) => {
                self.put(
                    path.clone(),
                    Operation::Assign {
                        kind: Kind::Map,
                        since: None,
                    },
                )?;
                for (name, value) in values {
                    self.set(child(Step::Key(name.clone())), value)?;
                }
                Ok(())
            }
            Value::List(values) => {
                self.put(
                    path.clone(),
                    Operation::Assign {
                        kind: Kind::List,
                        since: None,
                    },
                )?;
                let ids: Vec<ElementId> = values
                    .iter()
                    .map(|_| ElementId(self.planner.entropy.array()))
                    .collect();
                let run = ids
                    .first()
                    .map_or([0; 2], |id| order::run_of(self.planner.feed, *id));
                for ((value, id), index) in
                    values.iter().zip(&ids).zip(order::fresh(values.len(), run))
                {
                    let path = child(Step::Element(*id));
                    self.set(path.clone(), value)?;
                    self.put(path, Operation::Index(index))?;
                }
                Ok(())
            }
            scalar => match Scalar::from_value(scalar.clone()) {
                Ok(scalar) => self.put(path, Operation::Set(scalar)),
                Err(_) => unreachable!("containers are handled above"),
            },
        }
    }
}

fn check_path(path: &[Step]) -> Result<(), EchoError> {
    let refuse = |detail| {
        Err(EchoError::BadPath {
            path: show_path(path),
            detail,
        })
    };
    match path.first() {
        None => return refuse("the object itself is a map"),
        Some(Step::Element(_)) => return refuse("the object itself is a map"),
        Some(Step::Key(name)) if RESERVED.contains(&name.as_str()) => {
            return refuse("this field is kept by the database");
        }
        Some(Step::Key(_)) => {}
    }
    if path
        .iter()
        .any(|step| matches!(step, Step::Key(name) if name.is_empty()))
    {
        return refuse("a name is empty");
    }
    Ok(())
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
