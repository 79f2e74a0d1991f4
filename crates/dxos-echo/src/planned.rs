//! What writes come to: changes, and new objects that stand for theirs until somebody needs them one by one.

use dxos_base::limits;

use crate::change::{Change, ChangeRef};
use crate::fresh::Fresh;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Planned<'w> {
    pub changes: Vec<Change>,
    /// New objects, each with the number of `changes` before it; ascending.
    fresh: Vec<(usize, Fresh<'w>)>,
}

impl<'w> Planned<'w> {
    /// A new object comes behind all there is.
    pub fn push(&mut self, fresh: Fresh<'w>) {
        self.fresh.push((self.changes.len(), fresh));
    }

    /// All changes, in order.
    pub fn iter(&self) -> impl Iterator<Item = ChangeRef<'_>> {
        let places = || self.fresh.iter().map(|(at, _)| *at);
        let from = [0].into_iter().chain(places());
        let to = places().chain([self.changes.len()]);
        let behind = self.fresh.iter().map(|(_, fresh)| Some(fresh));
        let parts = from.zip(to).zip(behind.chain([None]));
        parts.flat_map(|((from, to), behind)| {
            let between = self.changes[from..to].iter().map(ChangeRef::Whole);
            between.chain(behind.into_iter().flat_map(Fresh::changes))
        })
    }

    /// All changes, standing by themselves.
    pub fn into_changes(self) -> Vec<Change> {
        match self.fresh.is_empty() {
            true => self.changes,
            false => self.iter().map(ChangeRef::to_change).collect(),
        }
    }

    /// Whether there are more than one entry holds.
    pub fn is_long(&self) -> bool {
        let bytes = || self.iter().map(|change| change.size()).sum::<usize>();
        let fresh = self.fresh.iter().map(|(_, fresh)| fresh.values);
        let count = self.changes.len() + fresh.map(Fresh::changes_count).sum::<usize>();
        count > limits::ENTRY_CHANGES_MAX || bytes() > limits::ENTRY_BODY_BYTES_SOFT
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dxos_base::{Clock, ObjectId, Value};

    use super::*;
    use crate::change::Operation;

    #[test]
    fn new_objects_stand_among_the_changes_in_order() {
        let change = |clock| Change {
            clock: Clock(clock),
            object: ObjectId([clock as u8; 16]),
            path: Vec::new(),
            operation: Operation::Delete { hides: None },
        };
        let values: BTreeMap<String, Value> = [("a".to_owned(), Value::from("x"))].into();
        let fresh = |first| Fresh {
            object: ObjectId([9; 16]),
            type_name: "t",
            values: &values,
            first: Clock(first),
        };
        let mut planned = Planned::default();
        planned.push(fresh(1));
        planned.changes.push(change(3));
        planned.changes.push(change(4));
        planned.push(fresh(5));
        planned.push(fresh(7));
        planned.changes.push(change(9));
        let clocks: Vec<u64> = planned.iter().map(|change| change.clock().0).collect();
        assert_eq!(clocks, Vec::from_iter(1..10));
        let sizes: Vec<usize> = planned.iter().map(|change| change.size()).collect();
        let changes = planned.into_changes();
        let whole = changes.iter().map(|change| ChangeRef::Whole(change).size());
        assert_eq!(whole.collect::<Vec<_>>(), sizes);
    }
}
