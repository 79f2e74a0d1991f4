//! The difference between two lists of rows.
//!
//! Rows that are in both and keep their order among each other are not told; of the others as few as possible are
//! (the longest increasing run of old places stays).

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_base::query::GroupRow;
use dxos_base::{ObjectView, SpaceId};
use dxos_services::{QueryDiff, Row, RowId};

/// A row the node holds.
#[derive(Debug, Clone)]
pub(crate) struct HeldRow {
    pub(crate) space: SpaceId,
    pub(crate) view: Arc<ObjectView>,
}

impl HeldRow {
    pub(crate) fn id(&self) -> RowId {
        (self.space, self.view.object)
    }

    pub(crate) fn row(&self) -> Row {
        Row {
            space: self.space,
            object: (*self.view).clone(),
        }
    }
}

/// Rows and groups as told, or to be told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) rows: Vec<HeldRow>,
    pub(crate) groups: Vec<GroupRow>,
}

/// What turns `old` into `new`.
pub(crate) fn difference(old: &Told, new: &Told) -> QueryDiff {
    let mut diff = rows_difference(&old.rows, &new.rows);
    if old.groups != new.groups {
        diff.groups = Some(new.groups.clone());
    }
    diff
}

fn same(a: &HeldRow, b: &HeldRow) -> bool {
    Arc::ptr_eq(&a.view, &b.view) || a.view == b.view
}

fn rows_difference(old: &[HeldRow], new: &[HeldRow]) -> QueryDiff {
    let mut diff = QueryDiff::default();
    // Most changes leave most rows where they are: what the ends have in common is not looked up.
    let front = (old.iter().zip(new))
        .take_while(|(old, new)| old.id() == new.id())
        .inspect(|(old, new)| {
            if !same(old, new) {
                diff.changed.push(new.row());
            }
        })
        .count();
    let (old, new) = (&old[front..], &new[front..]);
    let mut changed_behind = Vec::new();
    let back = (old.iter().rev().zip(new.iter().rev()))
        .take_while(|(old, new)| old.id() == new.id())
        .inspect(|(old, new)| {
            if !same(old, new) {
                changed_behind.push(new.row());
            }
        })
        .count();
    let (old, new) = (&old[..old.len() - back], &new[..new.len() - back]);

    let places: BTreeMap<RowId, usize> = old
        .iter()
        .enumerate()
        .map(|(n, row)| (row.id(), n))
        .collect();
    let kept: BTreeMap<RowId, usize> = new
        .iter()
        .enumerate()
        .map(|(n, row)| (row.id(), n))
        .collect();
    diff.removed = old
        .iter()
        .map(HeldRow::id)
        .filter(|id| !kept.contains_key(id))
        .collect();
    // New places of rows that are in both, with their old ones.
    let mut both = Vec::new();
    for (n, row) in new.iter().enumerate() {
        let at = (front + n) as u32;
        match places.get(&row.id()) {
            None => diff.added.push((at, row.row())),
            Some(place) => {
                if !same(&old[*place], row) {
                    diff.changed.push(row.row());
                }
                both.push((at, row.id(), *place));
            }
        }
    }
    let old_places: Vec<usize> = both.iter().map(|(_, _, place)| *place).collect();
    let stay = longest_rising(&old_places);
    diff.moved = both
        .into_iter()
        .zip(stay)
        .filter(|(_, stays)| !stays)
        .map(|((at, id, _), _)| (at, id))
        .collect();
    diff.changed.extend(changed_behind);
    diff
}

/// Marks the members of a longest rising run of different numbers.
fn longest_rising(numbers: &[usize]) -> Vec<bool> {
    // By patience: `ends[k]` is where the run of k + 1 numbers with the least end ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let place = ends.partition_point(|end| numbers[*end] < *number);
        before.push(place.checked_sub(1).map(|place| ends[place]));
        match ends.get_mut(place) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut marked = vec![false; numbers.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        marked[at] = true;
        next = before[at];
    }
    marked
}

#[cfg(test)]
mod tests {
    use dxos_base::ObjectId;
    use proptest::prelude::*;

    use super::*;

    fn held(rows: &[(u8, u64)]) -> Told {
        let row = |(n, version): &(u8, u64)| {
            let mut view = ObjectView::new(ObjectId([*n; 16]), "");
            view.updated_ms = *version;
            HeldRow {
                space: SpaceId([n % 2; 20]),
                view: Arc::new(view),
            }
        };
        Told {
            rows: rows.iter().map(row).collect(),
            groups: Vec::new(),
        }
    }

    fn plain(told: &Told) -> Vec<Row> {
        told.rows.iter().map(HeldRow::row).collect()
    }

    fn rows() -> impl Strategy<Value = Vec<(u8, u64)>> {
        let some = proptest::sample::subsequence((0..14u8).collect::<Vec<_>>(), 0..14);
        some.prop_shuffle().prop_flat_map(|ids| {
            ids.into_iter()
                .map(|n| (Just(n), 0..3u64))
                .collect::<Vec<_>>()
        })
    }

    proptest! {
        #[test]
        fn a_difference_turns_old_into_new(old in rows(), new in rows()) {
            let (old, new) = (held(&old), held(&new));
            let diff = difference(&old, &new);
            let mut told = plain(&old);
            prop_assert_eq!(diff.apply(&mut told, &mut Vec::new()), Ok(()));
            prop_assert_eq!(told, plain(&new));
            prop_assert!(difference(&new, &new).is_empty());
        }
    }

    #[test]
    fn one_move_is_told_as_one() {
        let (old, new) = ([1, 2, 3, 4, 5], [2, 3, 4, 1, 5]);
        let [old, new] = [old, new].map(|ids| held(&ids.map(|n| (n, 0))));
        let diff = difference(&old, &new);
        assert_eq!(diff.moved, [(3, (SpaceId([1; 20]), ObjectId([1; 16])))]);
        assert!(diff.added.is_empty() && diff.removed.is_empty() && diff.changed.is_empty());
    }

    #[test]
    fn a_difference_of_other_rows_changes_nothing() {
        let [old, new, other] = [&[1, 2, 3][..], &[3, 1, 4], &[1, 2]]
            .map(|ids| held(&ids.iter().map(|n| (*n, 0)).collect::<Vec<_>>()));
        let diff = difference(&old, &new);
        let mut rows = plain(&other);
        assert!(diff.apply(&mut rows, &mut Vec::new()).is_err());
        assert_eq!(rows, plain(&other));
    }
}
