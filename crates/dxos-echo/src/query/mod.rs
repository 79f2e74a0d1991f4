//! Answers to queries over materialised rows.
//!
//! What a query means stands in `dxos_base::query`; the executor finds the same rows with less work, and says how
//! ([`Explain`]). `access` chooses the way into the data, `rows` walks it and cuts the window, `sets` follows
//! references and combines sets, `groups` counts, `naive` (for tests) reads everything.
//!
//! Invariant: every object that is answered was read and fulfils every condition; an index only says where to look.
//! Texts are never loaded.

pub(crate) mod access;
mod groups;
#[cfg(any(test, feature = "testing"))]
pub mod naive;
mod rows;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod sets;

use dxos_base::query::{Explain, GroupRow, TextMode};
use dxos_base::{ObjectId, ObjectView, Query};

use crate::error::EchoError;
use crate::space::{Space, Touched};
use crate::store::Store;

/// An answer to a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Objects in order, within the window; none where groups are asked for.
    pub rows: Vec<ObjectView>,
    /// Groups by value, those without one last, within the window.
    pub groups: Vec<GroupRow>,
    /// How they were found.
    pub explain: Explain,
}

/// Whether a live query must run again after a call changed `touched`.
pub fn affects(query: &Query, touched: &Touched) -> bool {
    match access::type_wanted(query) {
        Some(wanted) => touched.types.contains(wanted),
        None => !touched.objects.is_empty(),
    }
}

/// What one answer reads.
pub(crate) struct Reader<'a> {
    pub space: &'a Space,
    pub store: &'a mut dyn Store,
    pub explain: Explain,
}

impl Reader<'_> {
    /// An object as it shows, if it was ever written.
    fn view(&mut self, object: ObjectId) -> Result<Option<ObjectView>, EchoError> {
        self.explain.examined += 1;
        self.space.object(self.store, object)
    }
}

impl Space {
    /// Objects that fulfil a query, in its order and window.
    pub fn query(
        &self,
        store: &mut dyn Store,
        query: &Query,
    ) -> Result<Vec<ObjectView>, EchoError> {
        Ok(self.answer(store, query)?.rows)
    }

    /// Objects or groups that a query asks for, and how they were found. The scope is the caller's matter.
    ///
    /// # Errors
    /// A query over a limit, or a store that fails.
    pub fn answer(&self, store: &mut dyn Store, query: &Query) -> Result<Answer, EchoError> {
        query.check()?;
        let mut reader = Reader {
            space: self,
            store,
            explain: Explain::default(),
        };
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        match &query.group {
            Some(group) => groups = reader.groups(query, group)?,
            None => rows = reader.rows(query)?,
        }
        let mut explain = reader.explain;
        explain.returned = (rows.len() + groups.len()) as u64;
        Ok(Answer {
            rows,
            groups,
            explain,
        })
    }

    /// Shown objects whose full text has all `words`, the last one perhaps not whole, best first.
    pub fn search(
        &self,
        store: &mut dyn Store,
        words: &str,
        limit: usize,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let ids = store.search(self.space, words, TextMode::Prefix, limit)?;
        self.views(store, ids)
    }

    /// Shown objects that refer to `target`.
    pub fn referrers(
        &self,
        store: &mut dyn Store,
        target: ObjectId,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let ids = store.referrers(self.space, target)?;
        self.views(store, ids)
    }

    fn views(
        &self,
        store: &mut dyn Store,
        ids: Vec<ObjectId>,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.extend(self.object(store, id)?.filter(|view| view.shown));
        }
        Ok(out)
    }
}
