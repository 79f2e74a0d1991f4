//! Queries that are run again: those that look at other objects than the changed one, and ranked ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use dxos_base::query::matches;
use dxos_base::{ObjectView, Query, SpaceId, Tick};
use dxos_echo::EchoError;
use dxos_echo::store::Store;

use crate::live::diff::{HeldRow, Told};
use crate::live::run::run;
use crate::live::{Counters, RERUN_MS, Spaces};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Again {
    told: Told,
    /// When it was run last; `None`: never, or nothing of it holds.
    ran_at: Option<Tick>,
    stale: bool,
    /// One object alone decides whether it is in the set, and no other one.
    alone: bool,
}

impl Again {
    pub(crate) fn new(alone: bool) -> Again {
        Again {
            alone,
            ..Again::default()
        }
    }

    /// Takes a changed object in; gives whether the query must run again.
    pub(crate) fn offer(&mut self, query: &Query, space: SpaceId, view: &ObjectView) -> bool {
        let id = (space, view.object);
        // Where the object alone decides (ranked text), one that is not in the set and was not told is of no concern,
        // unless it stood before the window.
        let concerned = match matches(query, view) {
            Some(false) => query.skip > 0 || self.told.rows.iter().any(|row| row.id() == id),
            _ => true,
        };
        self.stale |= concerned || !self.alone || query.group.is_some();
        self.stale
    }

    pub(crate) fn forget(&mut self) {
        self.stale = true;
    }

    /// Whether what it holds is not of now.
    pub(crate) fn reads(&self) -> bool {
        self.ran_at.is_none() || self.stale
    }

    /// When it may run.
    pub(crate) fn due_at(&self) -> Option<Tick> {
        self.ran_at
            .filter(|_| self.stale)
            .map(|at| at.plus_ms(RERUN_MS))
    }

    /// Rows of now; `None` if it may not run yet.
    pub(crate) fn run(
        &mut self,
        now: Tick,
        query: &Query,
        wanted: &BTreeSet<SpaceId>,
        spaces: &Spaces,
        store: &mut dyn Store,
        counters: &mut Counters,
    ) -> Result<Option<Told>, EchoError> {
        if !self.reads() {
            return Ok(Some(self.told.clone()));
        }
        if self.due_at().is_some_and(|at| at > now) {
            return Ok(None);
        }
        let answer = run(query, wanted, spaces, store)?;
        counters.examined += answer.explain.examined;
        counters.runs += 1;
        let held = |row: dxos_services::Row| HeldRow {
            space: row.space,
            view: Arc::new(row.object),
        };
        self.told = Told {
            rows: answer.rows.into_iter().map(held).collect(),
            groups: answer.groups,
        };
        (self.ran_at, self.stale) = (Some(now), false);
        Ok(Some(self.told.clone()))
    }
}
