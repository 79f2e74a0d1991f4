//! The first rows of a query in its order, by space: as many as the window reaches, and some more, so that a row
//! that leaves is replaced without reading.
//!
//! Invariant: of each space filled, the rows held are exactly the first ones of those that fulfil the query; all of
//! them if it is `complete`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_base::query::{matches, row_order};
use dxos_base::{ObjectId, ObjectView, Query, SpaceId};
use dxos_echo::EchoError;
use dxos_echo::store::Store;

use crate::live::diff::{HeldRow, Told};
use crate::live::index::{Held, Move};
use crate::live::run::place;
use crate::live::{Counters, Spaces};

/// Rows held beyond the window, at most.
const SLACK_MAX: usize = 32;

/// See the module.
#[derive(Debug)]
pub(crate) struct Windows {
    parts: BTreeMap<SpaceId, Part>,
    /// Rows from the first one to the window's end.
    reach: usize,
    /// Rows held beyond when filled.
    slack: usize,
    moves: Vec<Move>,
}

#[derive(Debug, Default)]
struct Part {
    rows: BTreeMap<Vec<u8>, Arc<ObjectView>>,
    places: BTreeMap<ObjectId, Vec<u8>>,
    /// There are no others.
    complete: bool,
}

impl Windows {
    pub(crate) fn new(query: &Query) -> Windows {
        let rows = query.rows_max();
        Windows {
            parts: BTreeMap::new(),
            reach: query.skip as usize + rows,
            slack: rows.clamp(1, SLACK_MAX),
            moves: Vec::new(),
        }
    }

    /// Takes a changed object in; gives whether rows may have changed.
    pub(crate) fn offer(&mut self, query: &Query, space: SpaceId, view: &ObjectView) -> bool {
        let most = self.reach + 2 * self.slack;
        let Some(part) = self.parts.get_mut(&space) else {
            // It is read with all others.
            return true;
        };
        let left = part.remove(view.object);
        if left {
            self.moves.push((space, view.object, Held::NoMore));
        }
        if matches(query, view) != Some(true) {
            return left;
        }
        let place = row_order(&query.order, view);
        if part.reaches(&place) {
            part.insert(place, Arc::new(view.clone()));
            self.moves.push((space, view.object, Held::Now));
            if part.rows.len() > most {
                let cut = part.cut(self.reach + self.slack);
                let cut = cut.map(|object| (space, object, Held::NoMore));
                self.moves.extend(cut);
            }
            return true;
        }
        left
    }

    pub(crate) fn forget(&mut self, space: SpaceId) {
        if let Some(part) = self.parts.remove(&space) {
            let gone = part.places.into_keys();
            self.moves
                .extend(gone.map(|object| (space, object, Held::NoMore)));
        }
    }

    pub(crate) fn forget_all(&mut self) {
        let spaces: Vec<SpaceId> = self.parts.keys().copied().collect();
        spaces.into_iter().for_each(|space| self.forget(space));
    }

    /// Objects taken in and let go since this was asked last, in order.
    pub(crate) fn moves(&mut self) -> impl Iterator<Item = Move> + '_ {
        self.moves.drain(..)
    }

    /// Whether rows of a space are missing.
    pub(crate) fn reads(&self, space: &SpaceId) -> bool {
        let part = self.parts.get(space);
        part.is_none_or(|part| !part.complete && part.rows.len() < self.reach)
    }

    /// Reads what is missing from the windows of some spaces.
    pub(crate) fn fill(
        &mut self,
        query: &Query,
        wanted: &BTreeSet<SpaceId>,
        spaces: &Spaces,
        store: &mut dyn Store,
        counters: &mut Counters,
    ) -> Result<(), EchoError> {
        let other = self.parts.keys().filter(|space| !wanted.contains(*space));
        for space in other.copied().collect::<Vec<_>>() {
            self.forget(space);
        }
        for space in wanted {
            let Some(state) = spaces.get(space) else {
                continue;
            };
            if !self.reads(space) {
                continue;
            }
            let first = !self.parts.contains_key(space);
            let part = self.parts.entry(*space).or_default();
            let count = self.reach + self.slack - part.rows.len();
            let after = part.rows.values().next_back().cloned();
            let found = state.data.window(store, query, after.as_deref(), count);
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.forget(*space);
                    return Err(error);
                }
            };
            counters.examined += found.explain.examined;
            counters.runs += u64::from(first);
            part.complete = found.rows.len() < count;
            for view in found.rows {
                self.moves.push((*space, view.object, Held::Now));
                part.insert(row_order(&query.order, &view), Arc::new(view));
            }
        }
        Ok(())
    }

    /// Rows within the window, of all spaces.
    pub(crate) fn rows(&self, query: &Query) -> Told {
        let held = |(space, view): (SpaceId, &Arc<ObjectView>)| HeldRow {
            space,
            view: view.clone(),
        };
        let of = |(space, part): (&SpaceId, &'_ Part)| {
            let space = *space;
            (part.rows.values().take(self.reach))
                .map(|view| (space, view.clone()))
                .collect::<Vec<_>>()
        };
        let mut all: Vec<(SpaceId, Arc<ObjectView>)> = self.parts.iter().flat_map(of).collect();
        if self.parts.len() > 1 {
            all.sort_by_cached_key(|(space, view)| place(query, *space, view));
        }
        let rows = (all.iter().skip(query.skip as usize))
            .take(query.rows_max())
            .map(|(space, view)| held((*space, view)));
        Told {
            rows: rows.collect(),
            groups: Vec::new(),
        }
    }
}

impl Part {
    fn remove(&mut self, object: ObjectId) -> bool {
        match self.places.remove(&object) {
            Some(place) => self.rows.remove(&place).is_some(),
            None => false,
        }
    }

    fn insert(&mut self, place: Vec<u8>, view: Arc<ObjectView>) {
        self.places.insert(view.object, place.clone());
        self.rows.insert(place, view);
    }

    /// Whether what stands at a place belongs to the rows held.
    fn reaches(&self, place: &[u8]) -> bool {
        let last = self.rows.keys().next_back();
        self.complete || last.is_some_and(|last| place < last.as_slice())
    }

    /// Keeps the first `len` rows; gives the objects of the others.
    fn cut(&mut self, len: usize) -> impl Iterator<Item = ObjectId> + use<> {
        let mut gone = Vec::new();
        while self.rows.len() > len {
            if let Some((_, view)) = self.rows.pop_last() {
                self.places.remove(&view.object);
                gone.push(view.object);
            }
        }
        self.complete = false;
        gone.into_iter()
    }
}
