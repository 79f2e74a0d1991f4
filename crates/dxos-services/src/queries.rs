//! Rows of queries as they are sent: whole in an answer, as differences in events.
//!
//! Invariant: [`QueryDiff::apply`] on the rows told before gives the rows of now; a difference that does not fit them
//! is an error and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::query::{Explain, GroupRow};
use dxos_base::{ObjectId, ObjectView, SpaceId};

/// A row of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The space the object is in.
    pub space: SpaceId,
    /// The object.
    pub object: ObjectView,
}

impl Row {
    /// Names the row among those of its query.
    pub fn id(&self) -> RowId {
        (self.space, self.object.object)
    }
}

/// Names a row.
pub type RowId = (SpaceId, ObjectId);

/// Everything a query gave once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct QueryAnswer {
    /// Rows in order; none where groups were asked for.
    pub rows: Vec<Row>,
    /// Groups in order.
    pub groups: Vec<GroupRow>,
    /// How they were found, summed up over the spaces.
    pub explain: Explain,
}

/// What became of a live query's rows since they were last told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct QueryDiff {
    /// Rows that are gone.
    pub removed: Vec<RowId>,
    /// New rows and where they stand in the end, in that order.
    pub added: Vec<(u32, Row)>,
    /// Rows that stand elsewhere among the others, and where in the end, in that order.
    pub moved: Vec<(u32, RowId)>,
    /// Rows with other contents; some of them may have moved too.
    pub changed: Vec<Row>,
    /// All groups, if any of them is another one.
    pub groups: Option<Vec<GroupRow>>,
}

/// A difference that does not fit the rows it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a difference does not fit the rows told before")]
pub struct DiffError;

impl QueryDiff {
    /// Takes rows away and puts others in their place: a difference without thought.
    pub fn replacing(old: impl IntoIterator<Item = RowId>, new: Vec<Row>) -> QueryDiff {
        QueryDiff {
            removed: old.into_iter().collect(),
            added: (0..).zip(new).collect(),
            ..QueryDiff::default()
        }
    }

    /// Nothing became of them.
    pub fn is_empty(&self) -> bool {
        *self == QueryDiff::default()
    }

    /// Brings rows and groups up to now.
    ///
    /// # Errors
    /// When it is no difference of these rows: nothing is changed then.
    pub fn apply(&self, rows: &mut Vec<Row>, groups: &mut Vec<GroupRow>) -> Result<(), DiffError> {
        let left: BTreeSet<RowId> = self.removed.iter().copied().collect();
        let away: BTreeSet<RowId> = self.moved.iter().map(|(_, id)| *id).collect();
        let other: BTreeMap<RowId, &Row> = self.changed.iter().map(|row| (row.id(), row)).collect();
        let mut stay = Vec::with_capacity(rows.len());
        let mut moving = Vec::with_capacity(away.len());
        for row in rows.iter() {
            let id = row.id();
            let row = other.get(&id).copied().unwrap_or(row);
            if away.contains(&id) {
                moving.push(row.clone());
            } else if !left.contains(&id) {
                stay.push(row.clone());
            }
        }
        if rows.len() != stay.len() + moving.len() + left.len() || moving.len() != away.len() {
            return Err(DiffError);
        }
        let mut placed: Vec<(u32, Row)> = self.added.clone();
        for (at, id) in &self.moved {
            let found = moving.iter().find(|row| row.id() == *id);
            placed.push((*at, found.ok_or(DiffError)?.clone()));
        }
        placed.sort_by_key(|(at, _)| *at);
        let mut new = Vec::with_capacity(stay.len() + placed.len());
        let mut stay = stay.into_iter();
        for (at, row) in placed {
            while new.len() < at as usize {
                new.push(stay.next().ok_or(DiffError)?);
            }
            if new.len() != at as usize {
                return Err(DiffError);
            }
            new.push(row);
        }
        new.extend(stay);
        *rows = new;
        if let Some(told) = &self.groups {
            *groups = told.clone();
        }
        Ok(())
    }
}
