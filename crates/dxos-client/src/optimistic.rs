//! A query's rows with own unacknowledged writes on top.
//!
//! Invariants
//! * applying the same writes twice changes nothing more, so a row the node already told is not doubled;
//! * rows the writes do not touch keep the node's order.
//!
//! Not here: what the node alone knows. A write to an object outside the told rows that would make it match shows
//! when the node tells it; so does what other objects decide (references followed, ranks).

use dxos_base::query::{OrderBy, matches, row_order};
use dxos_base::{ObjectId, ObjectView, ObjectWrite, Query, SpaceId, Step};
use dxos_services::Row;

/// Applies a write in a space to `rows`, the result of `query`. Gives whether anything changed but times and marks.
pub(crate) fn apply_write(
    rows: &mut Vec<Row>,
    query: &Query,
    space: SpaceId,
    write: &ObjectWrite,
) -> bool {
    let ObjectWrite::Create {
        object,
        type_name,
        values,
    } = write
    else {
        return change(rows, query, space, write);
    };
    if find(rows, space, *object).is_some() {
        return false;
    }
    let view = ObjectView::created(*object, type_name, values);
    // Before the window's start nothing is known: leave such a window to the node.
    let known = query.skip == 0 && !query.ranked() && query.group.is_none();
    if !known || matches(query, &view) != Some(true) {
        return false;
    }
    let object = view;
    insert(rows, query, Row { space, object });
    true
}

fn change(rows: &mut Vec<Row>, query: &Query, space: SpaceId, write: &ObjectWrite) -> bool {
    let Some(at) = find(rows, space, write.object()) else {
        return false;
    };
    let changed = rows[at].object.apply(write);
    if !changed {
        return false;
    }
    if matches(query, &rows[at].object) == Some(false) {
        rows.remove(at);
        return true;
    }
    if query.ranked() || !may_move(query, write) {
        return true;
    }
    let own = place(query, &rows[at]);
    let before_fits = at == 0 || place(query, &rows[at - 1]) <= own;
    let after_fits = rows
        .get(at + 1)
        .is_none_or(|next| own <= place(query, next));
    if !(before_fits && after_fits) {
        let row = rows.remove(at);
        insert(rows, query, row);
    }
    true
}

/// Whether a write can change where its object stands: not if it sets a property the query does not order by.
fn may_move(query: &Query, write: &ObjectWrite) -> bool {
    let ObjectWrite::Set { path, .. } = write else {
        return true;
    };
    let Some(Step::Key(name)) = path.first().filter(|_| !query.order.is_empty()) else {
        return true;
    };
    let orders = |by: &OrderBy| match by {
        OrderBy::Property(path) => path.reads(name),
        OrderBy::Rank => true,
    };
    name.starts_with('@') || query.order.iter().any(|order| orders(&order.by))
}

fn find(rows: &[Row], space: SpaceId, object: ObjectId) -> Option<usize> {
    rows.iter().position(|row| row.id() == (space, object))
}

/// Where a row stands, as the node orders rows of several spaces.
fn place(query: &Query, row: &Row) -> (Vec<u8>, SpaceId) {
    (row_order(&query.order, &row.object), row.space)
}

fn insert(rows: &mut Vec<Row>, query: &Query, row: Row) {
    let own = place(query, &row);
    let at = rows.partition_point(|other| place(query, other) <= own);
    rows.insert(at, row);
    rows.truncate(query.rows_max());
}
