//! A query's rows with own unacknowledged writes on top.
//!
//! Invariants
//! * applying the same writes twice changes nothing more, so a row the node already told is not doubled;
//! * rows the writes do not touch keep the node's order.
//!
//! Not here: what the node alone knows. A write to an object outside the told rows that would make it match shows
//! when the node tells it; so does what other objects decide (references followed, ranks).

use dxos_base::query::{matches, row_order};
use dxos_base::{ObjectView, ObjectWrite, Query};

/// Applies `write` to `rows`, the result of `query`. Gives whether anything changed but times and marks.
pub(crate) fn apply_write(rows: &mut Vec<ObjectView>, query: &Query, write: &ObjectWrite) -> bool {
    let ObjectWrite::Create {
        object,
        type_name,
        values,
    } = write
    else {
        return change(rows, query, write);
    };
    if rows.iter().any(|row| row.object == *object) {
        return false;
    }
    let row = ObjectView::created(*object, type_name, values);
    // Before the window's start nothing is known: leave such a window to the node.
    if query.skip > 0 || query.ranked() || matches(query, &row) != Some(true) {
        return false;
    }
    insert(rows, query, row);
    true
}

fn change(rows: &mut Vec<ObjectView>, query: &Query, write: &ObjectWrite) -> bool {
    let object = write.object();
    let Some(at) = rows.iter().position(|row| row.object == object) else {
        return false;
    };
    let changed = rows[at].apply(write);
    rows[at].saving = true;
    if !changed {
        return false;
    }
    if matches(query, &rows[at]) == Some(false) {
        rows.remove(at);
        return true;
    }
    if query.ranked() {
        return true;
    }
    let place = |row: &ObjectView| row_order(&query.order, row);
    let own = place(&rows[at]);
    let before_fits = at == 0 || place(&rows[at - 1]) <= own;
    let after_fits = rows.get(at + 1).is_none_or(|next| own <= place(next));
    if !(before_fits && after_fits) {
        let row = rows.remove(at);
        insert(rows, query, row);
    }
    true
}

fn insert(rows: &mut Vec<ObjectView>, query: &Query, row: ObjectView) {
    let place = row_order(&query.order, &row);
    let at = rows.partition_point(|other| row_order(&query.order, other) <= place);
    rows.insert(at, row);
    rows.truncate(query.rows_max());
}
