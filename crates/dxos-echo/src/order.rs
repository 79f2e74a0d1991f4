//! Fractional list indices (DESIGN 4.3). A sort key is index ‖ element id.
//!
//! A new index is above the left neighbour's sort key, below the right one's, no prefix of it, and does not end in
//! zero. A run of inserts by one writer shares a prefix, so concurrent runs do not interleave.

use dxos_base::{ElementId, FeedId};

/// Past this the writer re-indexes the list.
pub(crate) const INDEX_BYTES_SOFT: usize = 64;

/// A neighbour: its index, its element, and whose write placed it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbour<'a> {
    pub index: &'a [u8],
    pub element: ElementId,
    pub own: bool,
}

impl Neighbour<'_> {
    fn key(&self) -> Vec<u8> {
        let mut key = self.index.to_vec();
        key.extend_from_slice(&self.element.0);
        key
    }
}

/// An index between two neighbours; `None` if there is no short one: re-index then.
pub(crate) fn between(
    left: Option<Neighbour<'_>>,
    right: Option<Neighbour<'_>>,
    run: [u8; 2],
) -> Option<Vec<u8>> {
    let left_key = left.map(|left| left.key());
    let right_key = right.map(|right| right.key());
    let fits = |index: &Vec<u8>| {
        index.len() <= INDEX_BYTES_SOFT
            && index.last().is_some_and(|byte| *byte != 0)
            && left_key.as_ref().is_none_or(|key| index > key)
            && right_key
                .as_ref()
                .is_none_or(|key| index < key && !key.starts_with(index))
    };
    if let Some(left) = left.filter(|left| left.own)
        && let Some(next) = next_of_run(left.index)
        && fits(&next)
    {
        return Some(next);
    }
    let mut index = middle(
        left_key.as_deref().unwrap_or_default(),
        right_key.as_deref(),
    );
    index.extend(run);
    index.extend(FIRST);
    Some(index).filter(fits)
}

/// Indices of a fresh list.
pub(crate) fn fresh(count: usize, run: [u8; 2]) -> Vec<Vec<u8>> {
    let mut index = vec![0x80];
    index.extend(run);
    index.extend(FIRST);
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let next = next_of_run(&index).unwrap_or_else(|| [&index[..], &FIRST].concat());
        out.push(std::mem::replace(&mut index, next));
    }
    out
}

/// The counter at the end of a run starts low: runs grow upwards.
const FIRST: [u8; 3] = [0x10, 0x00, 0x01];

/// The next index of a run: its last three bytes are a counter that never ends in zero.
fn next_of_run(index: &[u8]) -> Option<Vec<u8>> {
    let (prefix, counter) = index.split_last_chunk::<3>()?;
    let counter = u32::from_be_bytes([0, counter[0], counter[1], counter[2]]);
    let next = counter + if counter & 0xff == 0xff { 2 } else { 1 };
    (next <= 0xff_ffff && index.len() > 3).then(|| [prefix, &next.to_be_bytes()[1..]].concat())
}

/// A string above `left` and below `right`, as short as it gets.
fn middle(left: &[u8], right: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bound = right;
    for place in 0..left.len() + right.map_or(0, <[u8]>::len) + 1 {
        let low = left.get(place).copied().unwrap_or(0) as u16;
        let high = bound.map_or(256, |bound| bound.get(place).copied().unwrap_or(0) as u16);
        if high > low + 1 {
            out.push((low + (high - low) / 2) as u8);
            return out;
        }
        out.push(low as u8);
        if low < high {
            bound = None;
        }
    }
    out
}

/// Two bytes that tell runs apart.
pub(crate) fn run_of(feed: FeedId, element: ElementId) -> [u8; 2] {
    [feed.0[0] ^ element.0[0], element.0[1]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn neighbour(held: &(Vec<u8>, ElementId, bool)) -> Neighbour<'_> {
        Neighbour {
            index: &held.0,
            element: held.1,
            own: held.2,
        }
    }

    proptest! {
        #[test]
        fn inserts_stand_where_they_were_put(
            places in proptest::collection::vec((any::<prop::sample::Index>(), any::<[u8; 8]>(), any::<bool>()), 1..80),
        ) {
            let mut list: Vec<(Vec<u8>, ElementId, bool)> = Vec::new();
            for (place, element, own) in places {
                let at = place.index(list.len() + 1);
                let left = at.checked_sub(1).map(|at| neighbour(&list[at]));
                let right = list.get(at).map(neighbour);
                let element = ElementId(element);
                let Some(index) = between(left, right, run_of(FeedId([3; 16]), element)) else { continue };
                prop_assert!(*index.last().unwrap() != 0);
                list.insert(at, (index, element, own));
                prop_assert!(list.is_sorted_by(|a, b| neighbour(a).key() < neighbour(b).key()));
            }
        }
    }

    #[test]
    fn long_runs_stay_short_and_equal_indices_leave_room() {
        let indices = fresh(100_000, [7, 0]);
        assert!(indices.is_sorted_by(|a, b| a < b));
        assert!(
            indices
                .iter()
                .all(|index| index.len() <= 9 && index.last() != Some(&0))
        );
        let at = |element: u8| Neighbour {
            index: &[5, 5],
            element: ElementId([element; 8]),
            own: false,
        };
        for (left, right) in [(1, 2), (0, 1), (0xfe, 0xff)] {
            assert!(between(Some(at(left)), Some(at(right)), [0, 0]).is_some());
        }
    }
}
