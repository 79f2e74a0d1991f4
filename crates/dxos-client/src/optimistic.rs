//! A query's rows with own unacknowledged writes on top.
//!
//! Invariants
//! * applying the same writes twice changes nothing more, so a row the node already told is not doubled;
//! * rows the writes do not touch keep the node's order.
//!
//! Not here: what the node alone knows. A write to an object outside the told rows that would make it match shows
//! when the node tells it; so does what other objects decide (references followed, ranks).

use dxos_base::query::{matches, row_order};
use dxos_base::{ObjectId, ObjectView, ObjectWrite, Query, Value};

/// Applies `write` to `rows`, the result of `query`. Gives whether anything changed but times and marks.
pub(crate) fn apply_write(rows: &mut Vec<ObjectView>, query: &Query, write: &ObjectWrite) -> bool {
    match write {
        ObjectWrite::Create {
            object,
            type_name,
            values,
        } => {
            if rows.iter().any(|row| row.object == *object) {
                return false;
            }
            let created_ms = created_ms(*object);
            let row = ObjectView {
                object: *object,
                type_name: type_name.clone(),
                shown: true,
                created_ms,
                updated_ms: created_ms,
                values: values.clone(),
                saving: true,
            };
            // Before the window's start nothing is known: leave such a window to the node.
            if query.skip > 0 || query.ranked() || matches(query, &row) != Some(true) {
                return false;
            }
            insert(rows, query, row);
            true
        }
        ObjectWrite::Set {
            object,
            path,
            value,
        } => change(rows, query, *object, |row| set(row, path, value)),
        ObjectWrite::Delete { object } => change(rows, query, *object, |row| {
            std::mem::replace(&mut row.shown, false)
        }),
        ObjectWrite::Restore { object } => change(rows, query, *object, |row| {
            !std::mem::replace(&mut row.shown, true)
        }),
    }
}

/// The wall time an object id was made at.
fn created_ms(object: ObjectId) -> u64 {
    object.0[..6]
        .iter()
        .fold(0, |ms, byte| (ms << 8) | u64::from(*byte))
}

fn change(
    rows: &mut Vec<ObjectView>,
    query: &Query,
    object: ObjectId,
    edit: impl FnOnce(&mut ObjectView) -> bool,
) -> bool {
    let Some(at) = rows.iter().position(|row| row.object == object) else {
        return false;
    };
    let changed = edit(&mut rows[at]);
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

/// Sets or removes a value; gives whether it was another one before.
fn set(row: &mut ObjectView, path: &[String], value: &Option<Value>) -> bool {
    let Some((first, below)) = path.split_first() else {
        return false;
    };
    let mut name = first;
    let mut map = &mut row.values;
    for step in below {
        let slot = map
            .entry(name.clone())
            .or_insert_with(|| Value::Map(Default::default()));
        if !matches!(slot, Value::Map(_)) {
            *slot = Value::Map(Default::default());
        }
        let Value::Map(inner) = slot else {
            return false;
        };
        map = inner;
        name = step;
    }
    match value {
        Some(value) => map.insert(name.clone(), value.clone()).as_ref() != Some(value),
        None => map.remove(name).is_some(),
    }
}
