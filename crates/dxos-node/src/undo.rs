//! Undo: what this device's clients wrote as steps, by space and scope, and taking them back.
//!
//! Invariants
//! * a step is stored in the transaction of its write, so it survives a kill and a takeover as the write does;
//! * what is in memory can be read from the store again: a failed transaction drops it.
//!
//! Not here: what a step holds and how it is undone ([`dxos_echo::UndoStep`]).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use dxos_base::history::{HistoryWindow, Point};
use dxos_base::{ObjectId, SpaceId, limits};
use dxos_echo::store::{Durability, Store, StoreError};
use dxos_echo::{EchoError, UndoStep, Undone};
use dxos_services::{Failure, Response, UndoMark, UndoneView};

use crate::clients::from_echo;
use crate::failure::{malformed, no_space};
use crate::node::{Node, Turn};
use crate::space::{SpaceState, transaction};

/// A step as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    mark: UndoMark,
    /// It does again what was undone.
    redo: bool,
    step: UndoStep,
}

/// Steps of a space by number, as far as they were read.
#[derive(Debug, Default)]
struct Steps {
    by_number: BTreeMap<u64, Stored>,
}

/// Steps of the spaces whose steps were asked for.
#[derive(Debug, Default)]
pub(crate) struct UndoSteps(BTreeMap<SpaceId, Steps>);

fn prefix(space: &SpaceId) -> String {
    format!("undo/{space}/")
}

fn key(space: &SpaceId, number: u64) -> String {
    format!("undo/{space}/{number:016x}")
}

impl UndoSteps {
    fn of(&mut self, store: &mut dyn Store, space: SpaceId) -> Result<&mut Steps, StoreError> {
        let vacant = match self.0.entry(space) {
            Entry::Occupied(held) => return Ok(held.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let mut steps = Steps::default();
        for (key, bytes) in store.list(&prefix(&space))? {
            let number = key.rsplit('/').next().unwrap_or_default();
            let number = u64::from_str_radix(number, 16).ok();
            let stored = dxos_base::codec::decode_trusted(&bytes).ok();
            match number.zip(stored) {
                Some((number, stored)) => drop(steps.by_number.insert(number, stored)),
                // A step of another build's form cannot be undone any more.
                None => store.set(&key, None)?,
            }
        }
        Ok(vacant.insert(steps))
    }

    /// Forgets what is in memory: after a transaction that was taken back.
    fn forget(&mut self, space: &SpaceId) {
        self.0.remove(space);
    }

    /// Removes all steps of a space.
    pub(crate) fn remove(
        &mut self,
        store: &mut dyn Store,
        space: SpaceId,
    ) -> Result<(), StoreError> {
        self.forget(&space);
        for (key, _) in store.list(&prefix(&space))? {
            store.set(&key, None)?;
        }
        Ok(())
    }
}

impl Steps {
    fn last(&self, scope: &str, redo: bool) -> Option<u64> {
        let mut steps = self.by_number.iter().rev();
        let found = steps.find(|(_, stored)| stored.redo == redo && stored.mark.scope == scope);
        found.map(|(number, _)| *number)
    }

    fn push(
        &mut self,
        store: &mut dyn Store,
        space: &SpaceId,
        stored: Stored,
    ) -> Result<(), StoreError> {
        let number = self.by_number.last_key_value().map_or(1, |(n, _)| n + 1);
        store.set(&key(space, number), Some(&dxos_base::encode(&stored)))?;
        let scope = stored.mark.scope.clone();
        self.by_number.insert(number, stored);
        let of_scope = self.by_number.iter();
        let of_scope = of_scope.filter(|(_, stored)| stored.mark.scope == scope);
        let numbers: Vec<u64> = of_scope.map(|(number, _)| *number).collect();
        let over = numbers.len().saturating_sub(limits::UNDO_STEPS_MAX);
        for number in &numbers[..over] {
            self.take(store, space, *number)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        store: &mut dyn Store,
        space: &SpaceId,
        number: u64,
    ) -> Result<Option<Stored>, StoreError> {
        store.set(&key(space, number), None)?;
        Ok(self.by_number.remove(&number))
    }

    /// A new step: what was undone before it cannot be done again.
    fn add(
        &mut self,
        store: &mut dyn Store,
        space: &SpaceId,
        mark: &UndoMark,
        step: UndoStep,
    ) -> Result<(), StoreError> {
        if step.is_empty() {
            return Ok(());
        }
        while let Some(number) = self.last(&mark.scope, true) {
            self.take(store, space, number)?;
        }
        let mark = mark.clone();
        let redo = false;
        self.push(store, space, Stored { mark, redo, step })
    }
}

/// Whether a mark is within its limits.
pub(crate) fn check_mark(mark: &UndoMark) -> Result<(), Failure> {
    let fits = |name: &str| name.len() <= limits::UNDO_NAME_BYTES_MAX;
    match fits(&mark.scope) && fits(&mark.label) {
        true => Ok(()),
        false => Err(malformed("The name of a step is too long.")),
    }
}

/// Does `work` in the transaction of the caller and notes what it wrote to `objects` as a step.
pub(crate) fn as_step<T>(
    undo: &mut UndoSteps,
    cx: &mut crate::event::Context<'_>,
    space: &mut SpaceState,
    id: SpaceId,
    (mark, writes): (&UndoMark, &[dxos_base::ObjectWrite]),
    work: impl FnOnce(&mut SpaceState, &mut crate::event::Context<'_>) -> Result<T, EchoError>,
) -> Result<T, EchoError> {
    let before = space.data.before_writes(&mut *cx.store, writes)?;
    let done = work(space, cx)?;
    let step = space.data.step_since(&mut *cx.store, &before)?;
    undo.of(&mut *cx.store, id)?
        .add(&mut *cx.store, &id, mark, step)?;
    Ok(done)
}

impl Node {
    /// A write with a step was not kept.
    pub(crate) fn undo_failed(&mut self, id: &SpaceId) {
        self.undo.forget(id);
    }

    /// Undoes or redoes the last step of a scope.
    pub(crate) fn undo_step(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        scope: &str,
        redo: bool,
    ) -> Result<Response, Failure> {
        self.check_writer(&id)?;
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        let undo = &mut self.undo;
        let heads = space.control_heads();
        let result = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let steps = undo.of(&mut *cx.store, id)?;
            let Some(number) = steps.last(scope, redo) else {
                return Ok(None);
            };
            let stored = steps.take(&mut *cx.store, &id, number)?;
            let stored = stored.expect("found above");
            let undone = {
                let mut write = crate::space::write_context(cx);
                space.data.undo(&mut write, &heads, &stored.step)?
            };
            if !undone.redo.is_empty() {
                let again = Stored {
                    mark: stored.mark.clone(),
                    redo: !redo,
                    step: undone.redo.clone(),
                };
                steps.push(&mut *cx.store, &id, again)?;
            }
            Ok::<_, EchoError>(Some((stored.mark.label, undone)))
        });
        match result {
            Ok(None) => Ok(Response::Undone(None)),
            Ok(Some((label, undone))) => {
                let skipped = undone.skipped;
                self.put_back(turn, id, &undone);
                Ok(Response::Undone(Some(UndoneView { label, skipped })))
            }
            Err(error) => {
                self.undo.forget(&id);
                self.storage_failed(turn, id, &error);
                Err(from_echo(&error))
            }
        }
    }

    /// What could be undone and done again.
    pub(crate) fn undo_labels(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        scope: &str,
    ) -> Result<Response, Failure> {
        let steps = self.undo.of(&mut *turn.cx.store, id);
        let steps = steps.map_err(|error| from_echo(&error.into()))?;
        let label = |redo| {
            let number = steps.last(scope, redo)?;
            Some(steps.by_number[&number].mark.label.clone())
        };
        Ok(Response::UndoLabels {
            undo: label(false),
            redo: label(true),
        })
    }

    /// Puts objects back to what they were.
    pub(crate) fn restore_objects(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        objects: &[ObjectId],
        point: &Point,
        mark: Option<&UndoMark>,
    ) -> Result<Response, Failure> {
        if objects.len() > limits::RESTORE_OBJECTS_MAX {
            return Err(malformed("Too many objects at once."));
        }
        mark.map_or(Ok(()), check_mark)?;
        self.check_writer(&id)?;
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        let undo = &mut self.undo;
        let result = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let mut done = Undone::default();
            for object in objects {
                let undone = space.restore(cx, *object, point)?;
                done.touched.merge(undone.touched);
                done.text_deltas.extend(undone.text_deltas);
                done.redo.merge(undone.redo);
            }
            if let Some(mark) = mark {
                let steps = undo.of(&mut *cx.store, id)?;
                steps.add(&mut *cx.store, &id, mark, done.redo.clone())?;
            }
            Ok::<_, EchoError>(done)
        });
        match result {
            Ok(done) => {
                self.put_back(turn, id, &done);
                Ok(Response::Done)
            }
            Err(error) => {
                self.undo.forget(&id);
                self.storage_failed(turn, id, &error);
                Err(from_echo(&error))
            }
        }
    }

    /// Tells what putting back changed.
    fn put_back(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId, done: &Undone) {
        self.texts_changed(turn, id, &done.text_deltas);
        self.touched(turn.cx.now, id, &done.touched);
        self.plan_seal(turn.cx.now, id);
        self.status_dirty(turn.cx.now);
    }

    /// Edits of an object.
    pub(crate) fn history(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        object: ObjectId,
        window: &HistoryWindow,
    ) -> Result<Response, Failure> {
        self.reading(turn, id, |space, cx| space.history(cx, object, window))
            .map(Response::History)
    }

    /// An object as it was.
    pub(crate) fn version(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        object: ObjectId,
        point: &Point,
    ) -> Result<Response, Failure> {
        let version = self.reading(turn, id, |space, cx| space.version_at(cx, object, point))?;
        Ok(Response::Version(version.map(Box::new)))
    }

    /// Objects written since a point.
    pub(crate) fn changed_since(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        point: &Point,
        after: Option<ObjectId>,
    ) -> Result<Response, Failure> {
        self.reading(turn, id, |space, cx| space.changed_since(cx, point, after))
            .map(Response::Ids)
    }

    /// Reads a space's past; what was typed meanwhile may get its update on the way.
    fn reading<T>(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        work: impl FnOnce(&mut SpaceState, &mut crate::event::Context<'_>) -> Result<T, EchoError>,
    ) -> Result<T, Failure> {
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        let read = transaction(turn.cx, Durability::Acknowledged, |cx| work(space, cx));
        read.map_err(|error| {
            self.storage_failed(turn, id, &error);
            from_echo(&error)
        })
    }
}
