//! Answers from the store, over one space or several.

use std::collections::BTreeSet;

use dxos_base::query::{GroupRow, row_order};
use dxos_base::{ObjectView, Query, SpaceId};
use dxos_echo::EchoError;
use dxos_echo::query::join_groups;
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
        answer.groups = cut(query, join_groups(group, groups));
    }
    answer.explain.returned = (answer.rows.len() + answer.groups.len()) as u64;
    Ok(answer)
}

fn cut<T>(query: &Query, all: Vec<T>) -> Vec<T> {
    let rest = all.into_iter().skip(query.skip as usize);
    rest.take(query.rows_max()).collect()
}
