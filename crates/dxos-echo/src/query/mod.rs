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

use dxos_base::query::{Explain, GroupRow, TextMode, row_order};
use dxos_base::{ObjectId, ObjectView, Query};

use crate::error::EchoError;
use crate::query::rows::window_of;
use crate::space::Space;
use crate::store::Store;

pub use access::type_wanted;
pub use groups::{group_rows, join_groups};

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

/// What one answer reads.
pub(crate) struct Reader<'a> {
    pub space: &'a Space,
    pub store: &'a mut dyn Store,
    pub explain: Explain,
}

/// A row to read on from.
pub(crate) struct After<'a> {
    pub view: &'a ObjectView,
    pub place: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(space: &'a Space, store: &'a mut dyn Store) -> Self {
        Reader {
            space,
            store,
            explain: Explain::default(),
        }
    }

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
        let mut answer = match &query.group {
            Some(_) => self.all_groups(store, query)?,
            None => self.window(store, query, None, query.skip as usize + query.rows_max())?,
        };
        answer.rows = window_of(query, answer.rows);
        answer.groups = window_of(query, answer.groups);
        answer.explain.returned = (answer.rows.len() + answer.groups.len()) as u64;
        Ok(answer)
    }

    /// The first `count` rows of a query behind one of its rows (`None`: from the first one), its own window and
    /// groups aside: to read on in a list. Rank has no place to read on from.
    ///
    /// # Errors
    /// When the store fails.
    pub fn window(
        &self,
        store: &mut dyn Store,
        query: &Query,
        after: Option<&ObjectView>,
        count: usize,
    ) -> Result<Answer, EchoError> {
        let mut reader = Reader::new(self, store);
        let after = after.map(|view| After {
            view,
            place: row_order(&query.order, view),
        });
        let rows = reader.rows(query, after.as_ref(), count)?;
        Ok(Answer {
            rows,
            groups: Vec::new(),
            explain: reader.explain,
        })
    }

    /// All groups a query asks for, its window aside; none if it asks for none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_groups(&self, store: &mut dyn Store, query: &Query) -> Result<Answer, EchoError> {
        let mut reader = Reader::new(self, store);
        let groups = match &query.group {
            Some(group) => reader.groups(query, group)?,
            None => Vec::new(),
        };
        Ok(Answer {
            rows: Vec::new(),
            groups,
            explain: reader.explain,
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
