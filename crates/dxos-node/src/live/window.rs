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
        let place = row_order(&query.order, view);
        let fits = matches(query, view) == Some(true);
        if fits && part.reaches(&place) {
            part.insert(place, Arc::new(view.clone()));
            if part.rows.len() > most {
                part.cut(self.reach + self.slack);
            }
            return true;
        }
        left
    }

    pub(crate) fn forget(&mut self, space: SpaceId) {
        self.parts.remove(&space);
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
        self.parts.retain(|space, _| wanted.contains(space));
        for space in wanted {
            let Some(state) = spaces.get(space) else {
                continue;
            };
            let first = !self.parts.contains_key(space);
            let part = self.parts.entry(*space).or_default();
            if part.complete || part.rows.len() >= self.reach {
                continue;
            }
            let count = self.reach + self.slack - part.rows.len();
            let after = part.rows.values().next_back().cloned();
            let found = state.data.window(store, query, after.as_deref(), count);
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.parts.remove(space);
                    return Err(error);
                }
            };
            counters.examined += found.explain.examined;
            counters.runs += u64::from(first);
            part.complete = found.rows.len() < count;
            for view in found.rows {
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

    fn cut(&mut self, len: usize) {
        while self.rows.len() > len {
            if let Some((_, view)) = self.rows.pop_last() {
                self.places.remove(&view.object);
            }
        }
        self.complete = false;
    }
}
