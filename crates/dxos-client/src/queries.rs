//! Live queries of a client: the node's rows and own writes on top.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_base::query::GroupRow;
use dxos_base::{ObjectId, ObjectWrite, Query, SpaceId};
use dxos_services::{DiffError, QueryDiff, Row};

use crate::optimistic::apply_write;

/// What a live query gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryRows {
    /// Rows in order, own unacknowledged writes on top; none where groups are asked for.
    pub rows: Vec<Row>,
    /// Groups in order, as the node counts them.
    pub groups: Vec<GroupRow>,
}

/// Writes looked at one by one against the rows.
const WRITES_FEW: usize = 8;

/// Called with all rows.
pub(crate) type OnRows = Rc<RefCell<dyn FnMut(&QueryRows)>>;

/// Differences the node told before its answer to `Subscribe`, kept at most.
pub(crate) const EARLY_DIFFS_MAX: usize = 64;

/// Rows on their way to a listener.
pub(crate) struct TakenRows {
    pub(crate) id: u64,
    pub(crate) rows: QueryRows,
    pub(crate) changes: u64,
    pub(crate) on_rows: OnRows,
}

/// A live query.
pub(crate) struct LiveQuery {
    pub(crate) space: SpaceId,
    pub(crate) query: Query,
    pub(crate) on_rows: OnRows,
    /// The node's name for it, once answered on this connection.
    pub(crate) subscription: Option<u64>,
    /// Refused; asked again when the space shows up.
    pub(crate) refused: bool,
    /// As last told; `None` until the first event.
    told: Option<QueryRows>,
    /// Acknowledged writes the told rows may lack.
    acknowledged: Vec<(SpaceId, Rc<Vec<ObjectWrite>>)>,
    /// The rows to show, kept so that an own write changes only what it touches; `None` when they are made anew.
    shown: Option<QueryRows>,
    /// Counts what changes the rows to show.
    changes: u64,
}

impl QueryRows {
    /// Whether writes can change these rows: one of them is to a row's object, or makes an object.
    fn concerned(&self, writes: &[ObjectWrite]) -> bool {
        let known = self.known(writes);
        writes.iter().any(|write| match (write, &known) {
            (ObjectWrite::Create { .. }, _) => true,
            (other, Some(known)) => known.binary_search(&other.object()).is_ok(),
            (other, None) => {
                let object = other.object();
                self.rows.iter().any(|row| row.object.object == object)
            }
        })
    }

    /// The rows' objects in order, where there are many writes: most of those concern other objects, which is found here
    /// quicker than among the rows.
    fn known(&self, writes: &[ObjectWrite]) -> Option<Vec<ObjectId>> {
        if writes.len() <= WRITES_FEW {
            return None;
        }
        let mut ids: Vec<ObjectId> = self.rows.iter().map(|row| row.object.object).collect();
        ids.sort_unstable();
        Some(ids)
    }

    /// Applies writes in a space; gives whether anything changed but times and marks.
    fn write(&mut self, query: &Query, space: SpaceId, writes: &[ObjectWrite]) -> bool {
        let mut known = self.known(writes);
        let mut changed = false;
        for write in writes {
            if let Some(known) = &mut known {
                match (write, known.binary_search(&write.object())) {
                    (ObjectWrite::Create { object, .. }, Err(at)) => known.insert(at, *object),
                    (_, Err(_)) => continue,
                    (_, Ok(_)) => {}
                }
            }
            changed |= apply_write(&mut self.rows, query, space, write);
        }
        changed
    }
}

impl LiveQuery {
    pub(crate) fn new(space: SpaceId, query: Query, on_rows: OnRows) -> Self {
        LiveQuery {
            space,
            query,
            on_rows,
            subscription: None,
            refused: false,
            told: None,
            acknowledged: Vec::new(),
            shown: None,
            changes: 0,
        }
    }

    /// Whether there is anything to show.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// The node will tell all rows anew.
    pub(crate) fn forget(&mut self) {
        self.told = None;
        self.outdate();
    }

    /// What is shown has to be made anew.
    pub(crate) fn outdate(&mut self) {
        self.shown = None;
        self.changes += 1;
    }

    /// An own write, of a space this query looks at, comes on top; gives whether rows may show otherwise.
    pub(crate) fn write(&mut self, space: SpaceId, writes: &[ObjectWrite]) -> bool {
        self.changes += 1;
        match &mut self.shown {
            Some(shown) => shown.write(&self.query, space, writes),
            None => true,
        }
    }

    /// Takes the rows to show; [`LiveQuery::put_back`] keeps them for the next change.
    pub(crate) fn take_rows<'a>(
        &'a mut self,
        unacknowledged: impl Iterator<Item = (SpaceId, &'a Rc<Vec<ObjectWrite>>)>,
    ) -> Option<(QueryRows, u64)> {
        let rows = match self.shown.take() {
            Some(shown) => {
                debug_assert_eq!(Some(&shown), self.rows(unacknowledged).as_ref());
                shown
            }
            None => self.rows(unacknowledged)?,
        };
        Some((rows, self.changes))
    }

    /// Keeps rows taken at `changes`, unless something has changed since.
    pub(crate) fn put_back(&mut self, rows: QueryRows, changes: u64) {
        if self.changes == changes {
            self.shown = Some(rows);
        }
    }

    /// The node's rows with own writes on top, in order.
    fn rows<'a>(
        &'a self,
        unacknowledged: impl Iterator<Item = (SpaceId, &'a Rc<Vec<ObjectWrite>>)>,
    ) -> Option<QueryRows> {
        let mut rows = self.told.clone()?;
        let acknowledged = self
            .acknowledged
            .iter()
            .map(|(space, writes)| (*space, writes));
        for (space, writes) in acknowledged.chain(unacknowledged) {
            if self.looks_at(space) {
                rows.write(&self.query, space, writes);
            }
        }
        Some(rows)
    }

    /// Whether rows can be of a space.
    pub(crate) fn looks_at(&self, space: SpaceId) -> bool {
        self.query.scope.includes(self.space, space)
    }

    /// Told a difference: with it the rows hold every write acknowledged before.
    ///
    /// # Errors
    /// When it is none of these rows: the query has to be asked again.
    pub(crate) fn tell(&mut self, diff: &QueryDiff) -> Result<(), DiffError> {
        self.outdate();
        let QueryRows { rows, groups } = self.told.get_or_insert_default();
        diff.apply(rows, groups)?;
        self.acknowledged.clear();
        Ok(())
    }

    /// A write is acknowledged. It stays on top until the node tells rows, unless they hold it already.
    pub(crate) fn acknowledge(&mut self, space: SpaceId, writes: &Rc<Vec<ObjectWrite>>) {
        let Some(told) = &self.told else {
            return self.outdate();
        };
        // What is on top may be of objects that the told rows lack.
        if self.acknowledged.is_empty() && !told.concerned(writes) {
            return;
        }
        let mut rows = told.clone();
        for (space, earlier) in &self.acknowledged {
            rows.write(&self.query, *space, earlier);
        }
        let changed = rows.write(&self.query, space, writes);
        self.outdate();
        if changed {
            self.acknowledged.push((space, writes.clone()));
        }
    }
}
