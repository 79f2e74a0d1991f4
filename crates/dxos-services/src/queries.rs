//! Rows of queries as they are sent: whole in an answer, as differences in events.
//!
//! Invariant: [`QueryDiff::apply`] on the rows told before gives the rows of now; a difference that does not fit them
//! is an error and changes nothing.

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
        let left = places(self.removed.iter().copied());
        let away = places(self.moved.iter().map(|(_, id)| *id));
        let other = places(self.changed.iter().map(Row::id));
        let mut stay = Vec::with_capacity(rows.len());
        let mut moving: Vec<Option<Row>> = vec![None; away.len()];
        let mut gone = 0;
        for row in rows.iter() {
            let id = row.id();
            let now = place_of(&other, &id).map_or(row, |at| &self.changed[at]);
            if let Some(at) = place_of(&away, &id) {
                moving[at] = Some(now.clone());
            } else if place_of(&left, &id).is_some() {
                gone += 1;
            } else {
                stay.push(now.clone());
            }
        }
        if gone != left.len() {
            return Err(DiffError);
        }
        let mut new = Vec::with_capacity(stay.len() + moving.len() + self.added.len());
        let mut stay = stay.into_iter();
        let mut added = self.added.iter().peekable();
        let mut moved = self.moved.iter().zip(moving).peekable();
        // Both are in order of where they stand in the end.
        while added.peek().is_some() || moved.peek().is_some() {
            let before = moved.peek().map(|((at, _), _)| *at);
            let (at, row) = match added.next_if(|(at, _)| before.is_none_or(|before| *at < before))
            {
                Some((at, row)) => (*at, row.clone()),
                None => {
                    let ((at, _), row) = moved.next().ok_or(DiffError)?;
                    (*at, row.ok_or(DiffError)?)
                }
            };
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

/// Where rows stand in their list, by their ids.
fn places(ids: impl Iterator<Item = RowId>) -> Vec<(RowId, usize)> {
    let mut places: Vec<(RowId, usize)> = ids.zip(0..).collect();
    places.sort_unstable();
    places
}

fn place_of(places: &[(RowId, usize)], id: &RowId) -> Option<usize> {
    let found = places.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
    Some(places[found].1)
}
