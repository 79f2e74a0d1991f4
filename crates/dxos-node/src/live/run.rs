//! Answers from the store, over one space or several.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{Aggregate, Group, GroupRow, row_order, value_key};
use dxos_base::{ObjectView, Query, SpaceId};
use dxos_echo::EchoError;
use dxos_echo::store::Store;
use dxos_services::{QueryAnswer, Row};

use crate::live::Spaces;

/// Where a row of several spaces stands: by the query's order, then by space.
pub(crate) fn place(query: &Query, space: SpaceId, view: &ObjectView) -> Vec<u8> {
    let mut place = row_order(&query.order, view);
    place.extend(space.0);
    place
}

/// Answers a query over some spaces. Ranks of different spaces do not compare: the best of each come first, then the
/// second ones, and so on.
pub(crate) fn run(
    query: &Query,
    wanted: &BTreeSet<SpaceId>,
    spaces: &Spaces,
    store: &mut dyn Store,
) -> Result<QueryAnswer, EchoError> {
    let mut answer = QueryAnswer::default();
    let window = query.skip as usize + query.rows_max();
    let mut placed: Vec<((usize, Vec<u8>), Row)> = Vec::new();
    let mut groups: Vec<GroupRow> = Vec::new();
    for space in wanted {
        let Some(state) = spaces.get(space) else {
            continue;
        };
        let found = match &query.group {
            Some(_) => state.data.all_groups(store, query)?,
            None => state.data.window(store, query, None, window)?,
        };
        for (rank, object) in found.rows.into_iter().enumerate() {
            let rank = if query.ranked() { rank } else { 0 };
            let space = *space;
            placed.push(((rank, place(query, space, &object)), Row { space, object }));
        }
        groups.extend(found.groups);
        answer.explain.access.extend(found.explain.access);
        answer.explain.sorted |= found.explain.sorted;
        answer.explain.examined += found.explain.examined;
        answer.explain.index_entries += found.explain.index_entries;
    }
    if wanted.len() > 1 {
        placed.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let rows = placed.into_iter().map(|(_, row)| row);
    answer.rows = cut(query, rows.collect());
    if let Some(group) = &query.group {
        answer.groups = cut(query, joined(group, groups));
    }
    answer.explain.returned = (answer.rows.len() + answer.groups.len()) as u64;
    Ok(answer)
}

fn cut<T>(query: &Query, all: Vec<T>) -> Vec<T> {
    let rest = all.into_iter().skip(query.skip as usize);
    rest.take(query.rows_max()).collect()
}

/// Groups of several spaces, those with equal values as one, in order of value.
fn joined(group: &Group, groups: Vec<GroupRow>) -> Vec<GroupRow> {
    let mut by_value: BTreeMap<(bool, Vec<u8>), GroupRow> = BTreeMap::new();
    for row in groups {
        let key = row.value.as_ref().map(value_key);
        let key = (key.is_none(), key.unwrap_or_default());
        let Some(held) = by_value.get_mut(&key) else {
            by_value.insert(key, row);
            continue;
        };
        held.count += row.count;
        let figures = held.figures.iter_mut().zip(row.figures);
        for ((held, new), aggregate) in figures.zip(&group.aggregates) {
            let better = match (&*held, &new, aggregate) {
                (_, None, _) => false,
                (None, Some(_), _) => true,
                (Some(held), Some(new), Aggregate::Min(_)) => value_key(new) < value_key(held),
                (Some(held), Some(new), Aggregate::Max(_)) => value_key(new) > value_key(held),
            };
            if better {
                *held = new;
            }
        }
    }
    by_value.into_values().collect()
}
