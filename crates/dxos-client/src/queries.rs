//! Live queries of a client: the node's rows and own writes on top.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_base::{ObjectView, ObjectWrite, Query, SpaceId};

use crate::optimistic::apply_write;

/// Called with all rows.
pub(crate) type OnRows = Rc<RefCell<dyn FnMut(&[ObjectView])>>;

/// Rows of subscriptions the node told before its answer to `Subscribe`, kept at most.
pub(crate) const EARLY_ROWS_MAX: usize = 64;

/// A live query.
pub(crate) struct LiveQuery {
    pub(crate) space: SpaceId,
    pub(crate) query: Query,
    pub(crate) on_rows: OnRows,
    /// The node's name for it, once answered on this connection.
    pub(crate) subscription: Option<u64>,
    /// Refused; asked again when the space shows up.
    pub(crate) refused: bool,
    /// Rows as last told; `None` until the first event.
    pub(crate) told: Option<Vec<ObjectView>>,
    /// Acknowledged writes the told rows may lack.
    pub(crate) acknowledged: Vec<Rc<Vec<ObjectWrite>>>,
}

impl LiveQuery {
    /// The node's rows with own writes on top, in order.
    pub(crate) fn rows<'a>(
        &self,
        unacknowledged: impl Iterator<Item = &'a Rc<Vec<ObjectWrite>>>,
    ) -> Option<Vec<ObjectView>> {
        let mut rows = self.told.clone()?;
        for write in self.acknowledged.iter().flat_map(|writes| writes.iter()) {
            apply_write(&mut rows, &self.query, write);
        }
        for write in unacknowledged.flat_map(|writes| writes.iter()) {
            apply_write(&mut rows, &self.query, write);
        }
        Some(rows)
    }

    /// Told all rows: they hold every write acknowledged before.
    pub(crate) fn set_told(&mut self, rows: Vec<ObjectView>) {
        self.told = Some(rows);
        self.acknowledged.clear();
    }

    /// A write is acknowledged. It stays on top until the node tells rows, unless they hold it already.
    pub(crate) fn acknowledge(&mut self, writes: &Rc<Vec<ObjectWrite>>) {
        let Some(told) = &self.told else { return };
        let mut rows = told.clone();
        let mut changed = false;
        for write in writes.iter() {
            changed |= apply_write(&mut rows, &self.query, write);
        }
        if changed {
            self.acknowledged.push(writes.clone());
        }
    }
}
