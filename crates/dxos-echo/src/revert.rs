//! Putting things back: an object to what it was at a point, and the writes of a step that is undone.
//!
//! Invariants
//! * what is put back is written anew, with clocks after what it replaces: replicas need no rule for it;
//! * undo compares what shows with what showed, place by place, and leaves alone what anybody else wrote since;
//! * containers keep their *since*, so what they held shows again as it was, with the same element ids.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::history::Point;
use dxos_base::text::{ARRIVING, invert, transform};
use dxos_base::{Hash, ObjectId, ObjectWrite, Path, PlainObject, Step, TextDelta, TextId, Value};

use crate::access::Access;
use crate::batch::Batch;
use crate::change::{Change, Kind, Operation, Stamp};
use crate::diff::difference;
use crate::error::EchoError;
use crate::plan::Planner;
use crate::record::{Part, Record, Register, RegisterValue};
use crate::space::{Space, Touched, WriteContext};
use crate::store::Store;
use crate::text::{TextEngine, TextError};
use crate::texts::text_at;
use crate::view::{is_thing, kind_for};

/// What a write did, to be undone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UndoStep {
    /// Objects it made.
    created: Vec<ObjectId>,
    changed: Vec<Changed>,
    counts: Vec<Counted>,
    texts: Vec<Retyped>,
}

/// An object that was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Changed {
    object: ObjectId,
    /// It was deleted or brought back: whether it showed before.
    showed: Option<bool>,
    /// Places that were written.
    places: BTreeSet<Path>,
    /// What was there: registers at these places, below and above.
    before: Vec<(Path, Part, Stamp, RegisterValue)>,
}

/// A counter that counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    object: ObjectId,
    path: Path,
    by: i64,
}

/// A text that was changed, and what takes the change back where the text is at `version`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Retyped {
    object: ObjectId,
    path: Path,
    text: TextId,
    version: Vec<u8>,
    inverse: TextDelta,
}

impl UndoStep {
    /// Nothing was done.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.changed.is_empty()
            && self.counts.is_empty()
            && self.texts.is_empty()
    }

    /// Adds what another write did after this one.
    pub fn merge(&mut self, later: UndoStep) {
        self.created.extend(later.created);
        self.changed.extend(later.changed);
        self.counts.extend(later.counts);
        self.texts.extend(later.texts);
    }

    fn objects(&self) -> BTreeSet<ObjectId> {
        let changed = self.changed.iter().map(|changed| changed.object);
        let counted = self.counts.iter().map(|counted| counted.object);
        let created = self.created.iter().copied();
        created.chain(changed).chain(counted).collect()
    }
}

/// What putting things back did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Undone {
    /// What changed.
    pub touched: Touched,
    /// How open texts changed.
    pub text_deltas: Vec<(TextId, TextDelta)>,
    /// What takes it back again.
    pub redo: UndoStep,
    /// Places left alone, as others changed them since.
    pub skipped: u64,
}

impl Undone {
    fn note_retyped(&mut self, retyped: Option<(TextDelta, Retyped)>, texts: &mut Vec<Retyped>) {
        if let Some((delta, retyped)) = retyped {
            self.touched.texts.insert(retyped.text);
            self.text_deltas.push((retyped.text, delta));
            texts.push(retyped);
        }
    }
}

/// Records of objects before a write.
pub type Before = BTreeMap<ObjectId, Record>;

impl Space {
    /// What the objects of some writes are before them; [`Space::step_since`] makes an undo step of it afterwards.
    pub fn before_writes(
        &self,
        store: &mut dyn Store,
        writes: &[ObjectWrite],
    ) -> Result<Before, EchoError> {
        self.records_of(store, writes.iter().map(ObjectWrite::object))
    }

    fn records_of(
        &self,
        store: &mut dyn Store,
        objects: impl Iterator<Item = ObjectId>,
    ) -> Result<Before, EchoError> {
        let mut records = Before::new();
        for object in objects {
            if let std::collections::btree_map::Entry::Vacant(vacant) = records.entry(object) {
                let row = store.object(self.space, object)?;
                let record = row.map(|row| Record::decode(&row.body)).transpose()?;
                vacant.insert(record.unwrap_or_default());
            }
        }
        Ok(records)
    }

    /// What was written since, as a step that can be undone. Texts are no part of it: their editors undo.
    pub fn step_since(
        &self,
        store: &mut dyn Store,
        before: &Before,
    ) -> Result<UndoStep, EchoError> {
        let mut step = UndoStep::default();
        let after = self.records_of(store, before.keys().copied())?;
        for (object, record) in &after {
            let old = &before[object];
            if old.is_empty() {
                if !record.is_empty() {
                    step.created.push(*object);
                }
                continue;
            }
            let (changed, counts) = changed_since(*object, old, record);
            if changed.showed.is_some() || !changed.places.is_empty() {
                step.changed.push(changed);
            }
            step.counts.extend(counts);
        }
        Ok(step)
    }

    /// Undoes a step: puts back what it wrote and nobody changed since, acknowledged as one write.
    ///
    /// # Errors
    /// When the store fails. On an error nothing of it may be committed.
    pub fn undo(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        step: &UndoStep,
    ) -> Result<Undone, EchoError> {
        let before = self.records_of(cx.store, step.objects().into_iter())?;
        let mut out = Undone::default();
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        for object in &step.created {
            if self.is_others_too(cx.store, *object)? {
                out.skipped += 1;
                continue;
            }
            self.plan(cx, &mut batch, &mut changes, *object, |planner, record| {
                planner.remove(record, *object, &Path::new())
            })?;
        }
        for counted in step.counts.iter().rev() {
            let (object, path) = (counted.object, &counted.path);
            self.plan(cx, &mut batch, &mut changes, object, |planner, record| {
                let counts = matches!(
                    record.shown_at(path),
                    None | Some(Value::Counter(_) | Value::Int(_))
                );
                match counted.by.checked_neg().filter(|_| counts) {
                    Some(by) => planner.count(record, object, path, by),
                    None => {
                        out.skipped += 1;
                        Ok(())
                    }
                }
            })?;
        }
        for changed in step.changed.iter().rev() {
            let object = changed.object;
            let others = self.is_others_too(cx.store, object)?;
            self.plan(cx, &mut batch, &mut changes, object, |planner, record| {
                out.skipped += planner.undo(record, changed, others)?;
                Ok(())
            })?;
        }
        batch.touch(&changes);
        out.touched = self.flush(batch, cx.store)?;
        self.acknowledge(cx, control_heads, changes, None)?;
        let mut texts = Vec::new();
        for typed in step.texts.iter().rev() {
            let place = (typed.object, typed.path.clone());
            let retyped = self.retype(cx, control_heads, place, typed.text, |engine| {
                let now = engine.version(typed.text)?;
                let since = engine.diff(typed.text, &typed.version, &now)?;
                Ok(transform(&typed.inverse, &since, ARRIVING))
            })?;
            out.note_retyped(retyped, &mut texts);
        }
        out.redo = self.step_since(cx.store, &before)?;
        out.redo.texts = texts;
        Ok(out)
    }

    /// Puts an object back to what it was at a point, its texts too; one that was not there yet is deleted.
    ///
    /// # Errors
    /// When the object is not here, or the store or the text engine fails. On an error nothing of it may be committed.
    pub fn restore(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        access: &dyn Access,
        object: ObjectId,
        point: &Point,
    ) -> Result<Undone, EchoError> {
        self.end_runs(cx)?;
        let mut past = self.past(cx.store, access, object, point)?;
        let before = self.records_of(cx.store, [object].into_iter())?;
        if before[&object].is_empty() {
            let space = self.space;
            return Err(EchoError::NotFound { space, object });
        }
        let mut out = Undone::default();
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        self.plan(cx, &mut batch, &mut changes, object, |planner, record| {
            planner.revert(record, object, &past.record)
        })?;
        batch.touch(&changes);
        out.touched = self.flush(batch, cx.store)?;
        self.acknowledge(cx, control_heads, changes, None)?;
        let mut texts = Vec::new();
        for (path, _) in PlainObject::text_paths(&past.record.view(object)) {
            let Some(text) = text_at(&past.record, &path) else {
                continue;
            };
            let then = past.text(cx.text, text)?;
            let retyped = self.retype(cx, control_heads, (object, path), text, |engine| {
                Ok(difference(&engine.content(text)?, &then))
            })?;
            out.note_retyped(retyped, &mut texts);
        }
        out.redo = self.step_since(cx.store, &before)?;
        out.redo.texts = texts;
        Ok(out)
    }

    /// Changes a text, open or not; gives the change, and what takes it back, if there is one.
    fn retype(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        (object, path): (ObjectId, Path),
        text: TextId,
        change: impl FnOnce(&mut dyn TextEngine) -> Result<TextDelta, TextError>,
    ) -> Result<Option<(TextDelta, Retyped)>, EchoError> {
        let open = self.is_text_open(text) && cx.text.is_open(text);
        if !open {
            self.load_text(cx, text, object, path.clone())?;
        }
        let content = cx.text.content(text)?;
        let delta = change(cx.text)?;
        let inverse = invert(&content, &delta).map_err(|error| TextError::BadChange {
            detail: error.to_string(),
        })?;
        if !delta.is_empty() {
            self.put_long(cx, control_heads, text, &delta, Vec::new())?;
        }
        let version = cx.text.version(text)?;
        match open {
            true => self.note_version(cx, text)?,
            false => self.close_text(cx, text)?,
        }
        let retyped = Retyped {
            object,
            path,
            text,
            version,
            inverse,
        };
        Ok((!delta.is_empty()).then_some((delta, retyped)))
    }

    /// Whether anybody else wrote to an object.
    fn is_others_too(&self, store: &mut dyn Store, object: ObjectId) -> Result<bool, EchoError> {
        let own: BTreeSet<_> = self.own_feeds().into_iter().collect();
        let entries = store.touched(self.space, object)?;
        Ok(entries.iter().any(|(feed, _)| !own.contains(feed)))
    }

    /// Plans changes of one object on its record in the batch.
    fn plan(
        &mut self,
        cx: &mut WriteContext<'_>,
        batch: &mut Batch<'_>,
        changes: &mut Vec<Change>,
        object: ObjectId,
        work: impl FnOnce(&mut Planner<'_>, &mut Record) -> Result<(), EchoError>,
    ) -> Result<(), EchoError> {
        let record = batch.load(self.space, &self.policy, object, cx.store)?;
        let mut planner = Planner {
            space: self.space,
            feed: self.own,
            now: cx.now,
            clock: &mut self.clock,
            entropy: cx.entropy,
            changes,
        };
        work(&mut planner, record)
    }
}

/// What became of an object between two states of it, by this device.
fn changed_since(object: ObjectId, old: &Record, now: &Record) -> (Changed, Vec<Counted>) {
    let mut changed = Changed {
        object,
        showed: (old.shown() != now.shown()).then(|| old.shown()),
        places: BTreeSet::new(),
        before: Vec::new(),
    };
    let mut counts = BTreeMap::new();
    for ((path, part), register) in &now.registers {
        let held = old.register(path, *part);
        if path.is_empty() || held.is_some_and(|held| held.stamp == register.stamp) {
            continue;
        }
        match (old.shown_at(path), now.shown_at(path)) {
            _ if *part == Part::Index => drop(changed.places.insert(path.clone())),
            (Some(Value::Counter(then) | Value::Int(then)), Some(Value::Counter(now)))
                if now.checked_sub(then).is_some() =>
            {
                counts.insert(path, now.wrapping_sub(then));
            }
            (None, Some(Value::Counter(now))) if *part != Part::Value => {
                counts.insert(path, now);
            }
            _ if matches!(part, Part::Slot { .. }) => {}
            _ => drop(changed.places.insert(path.clone())),
        }
    }
    // What was made anew is put back whole.
    counts.retain(|path, _| {
        let mut places = changed.places.iter();
        !places.any(|place| path.starts_with(place))
    });
    let of = |path: &Path, part: &Part| {
        let above = |place: &Path| *part == Part::Value && place.starts_with(path);
        let mut places = changed.places.iter();
        places.any(|place| path.starts_with(place) || above(place))
    };
    let before = old
        .registers
        .iter()
        .filter(|((path, part), _)| of(path, part));
    changed.before = before
        .map(|((path, part), register)| {
            (path.clone(), *part, register.stamp, register.value.clone())
        })
        .collect();
    let counted = |(path, by): (&Path, i64)| Counted {
        object,
        path: path.clone(),
        by,
    };
    (changed, counts.into_iter().map(counted).collect())
}

impl Planner<'_> {
    /// Makes a register what it was; `None`: it had never been written.
    fn put_back(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
        part: Part,
        old: Option<&RegisterValue>,
    ) -> Result<(), EchoError> {
        let operation = match old {
            Some(RegisterValue::Scalar(scalar)) => Operation::Set(scalar.clone()),
            Some(RegisterValue::Container { kind, since }) => Operation::Assign {
                kind: *kind,
                since: Some(*since),
            },
            Some(RegisterValue::Text(text)) => Operation::SetText(*text),
            Some(RegisterValue::Counter(base)) => Operation::SetCounter(*base),
            Some(RegisterValue::Index(index)) => Operation::Index(index.clone()),
            Some(RegisterValue::Total(_)) => return Ok(()),
            Some(RegisterValue::Deleted(_)) => return self.remove(record, object, path),
            // An element keeps its place, for when it shows again.
            None if part == Part::Index => return Ok(()),
            None => match record.value(path).map(|register| &register.value) {
                Some(RegisterValue::Deleted(Some((kind, since)))) => Operation::Assign {
                    kind: *kind,
                    since: Some(*since),
                },
                Some(RegisterValue::Deleted(None)) => return Ok(()),
                _ => return self.remove(record, object, path),
            },
        };
        self.put(record, object, path.clone(), operation)
    }

    /// Makes the places of a step show what they showed before it; gives how many were left alone.
    fn undo(
        &mut self,
        record: &mut Record,
        step: &Changed,
        others: bool,
    ) -> Result<u64, EchoError> {
        let object = step.object;
        let mut old = Record::default();
        for (path, part, stamp, value) in &step.before {
            let (stamp, value) = (*stamp, value.clone());
            let register = Register { stamp, value };
            old.registers.insert((path.clone(), *part), register);
        }
        let mut skipped = 0;
        let root = Path::new();
        match step.showed {
            Some(true) if !record.shown() => {
                self.put_back(record, object, &root, Part::Value, None)?;
            }
            Some(false) if record.shown() && others => skipped += 1,
            Some(false) if record.shown() => self.remove(record, object, &root)?,
            _ => {}
        }
        let held = old.registers.keys().chain(record.registers.keys());
        let is_of = |path: &&Path| step.places.iter().any(|place| path.starts_with(place));
        let paths: BTreeSet<Path> = held.map(|(path, _)| path).filter(is_of).cloned().collect();
        let mut left: Vec<Path> = Vec::new();
        for path in &paths {
            if left.iter().any(|left| path.starts_with(left)) {
                continue;
            }
            let now = record.value(path).map(|register| register.stamp);
            let then = old.value(path).map(|register| register.stamp);
            if now.is_some_and(|now| now.feed != self.feed) && now != then {
                left.push(path.clone());
                skipped += u64::from(step.places.contains(path));
                continue;
            }
            if step.places.contains(path) && old.shown_at(path).is_some() {
                if self.is_under_others(record, path) {
                    left.push(path.clone());
                    skipped += 1;
                    continue;
                }
                // What undoing removed above it showed nothing then.
                self.prepare(record, object, path)?;
            }
            match (old.shown_at(path), record.shown_at(path)) {
                // Steps of others stay; one's own are taken back one by one. A counter that was made anew, as after a
                // plain number stood there between, is another one: it goes, unless others count on it.
                (Some(Value::Counter(_)), Some(Value::Counter(_)))
                    if step.places.contains(path)
                        && (now == then || self.others_count(record, path)) =>
                {
                    self.revert_index(record, object, path, &old)?;
                }
                _ => self.revert_path(record, object, path, &old)?,
            }
        }
        Ok(skipped)
    }

    /// Whether steps of others are in what a counter shows.
    fn others_count(&self, record: &Record, path: &[Step]) -> bool {
        let standing = record.value(path).map(|register| register.stamp);
        let own = record.registers.range((path.to_vec(), Part::Value)..);
        let mut own = own.take_while(|((at, _), _)| at[..] == *path);
        own.any(|((_, part), register)| {
            let Part::Slot { assignment, slot } = part else {
                return false;
            };
            let counts = matches!(register.value, RegisterValue::Total(total) if total != 0);
            counts && Some(*assignment) == standing && *slot != self.feed
        })
    }

    /// Whether somebody else made something above a path that cannot hold it.
    fn is_under_others(&self, record: &Record, path: &[Step]) -> bool {
        (0..path.len()).any(|depth| {
            let above = record.value(&path[..depth]);
            above.is_some_and(|register| {
                let holds = match register.value {
                    RegisterValue::Container { kind, .. } => kind == kind_for(&path[depth]),
                    RegisterValue::Deleted(_) => is_thing(&path[..depth]),
                    _ => false,
                };
                !holds && register.stamp.feed != self.feed
            })
        })
    }

    /// Makes a record show what another state of it showed.
    fn revert(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        old: &Record,
    ) -> Result<(), EchoError> {
        let root = Path::new();
        if old.is_empty() || !old.shown() {
            if record.shown() {
                self.remove(record, object, &root)?;
            }
            if old.is_empty() {
                return Ok(());
            }
        } else if !record.shown() {
            self.put_back(record, object, &root, Part::Value, None)?;
        }
        let paths = [old, record].into_iter().flat_map(|of| of.registers.keys());
        let paths: BTreeSet<Path> = paths.map(|(path, _)| path.clone()).collect();
        // Containers come before what is in them.
        for path in paths.iter().filter(|path| !path.is_empty()) {
            self.revert_path(record, object, path, old)?;
        }
        Ok(())
    }

    fn revert_path(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
        old: &Record,
    ) -> Result<(), EchoError> {
        let Some(then) = old.shown_at(path) else {
            return match record.shown_at(path) {
                Some(_) => self.remove(record, object, path),
                None => Ok(()),
            };
        };
        let now = record.shown_at(path);
        match (&then, &now) {
            (Value::Map(_), _) => self.revert_container(record, object, path, Kind::Map, old)?,
            (Value::List(_), _) => self.revert_container(record, object, path, Kind::List, old)?,
            (Value::Counter(then), Some(Value::Counter(now))) if then != now => {
                match then.checked_sub(*now) {
                    Some(by) => self.count(record, object, path, by)?,
                    None => self.put(record, object, path.clone(), Operation::SetCounter(*then))?,
                }
            }
            (then, Some(now)) if then == now => {}
            (Value::Counter(then), _) => {
                self.put(record, object, path.clone(), Operation::SetCounter(*then))?
            }
            _ => {
                let value = old.value(path).map(|register| &register.value);
                self.put_back(record, object, path, Part::Value, value)?;
            }
        }
        self.revert_index(record, object, path, old)
    }

    /// Puts an element back to its place in its list.
    fn revert_index(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
        old: &Record,
    ) -> Result<(), EchoError> {
        let place = |of: &Record| {
            let index = of.register(path, Part::Index);
            let shown = index.filter(|register| register.stamp > of.floor(path));
            shown.map(|register| register.value.clone())
        };
        match (place(old), place(record)) {
            (Some(then), now) if now.as_ref() != Some(&then) => {
                self.put_back(record, object, path, Part::Index, Some(&then))
            }
            _ => Ok(()),
        }
    }

    /// Makes a path the container it was; what it held then shows again, what came since is looked at by itself.
    fn revert_container(
        &mut self,
        record: &mut Record,
        object: ObjectId,
        path: &Path,
        kind: Kind,
        old: &Record,
    ) -> Result<(), EchoError> {
        let since = |of: &Record| match of.value(path).map(|register| &register.value) {
            Some(RegisterValue::Container { kind: held, since }) => {
                (*held == kind).then_some(*since)
            }
            Some(_) => None,
            None => Some(Stamp::ZERO),
        };
        let then = since(old).unwrap_or(Stamp::ZERO);
        if since(record) == Some(then) && record.shown_at(path).is_some() {
            return Ok(());
        }
        let operation = Operation::Assign {
            kind,
            since: Some(then),
        };
        self.put(record, object, path.clone(), operation)
    }
}
