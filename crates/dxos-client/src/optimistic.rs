//! A query's rows with own unacknowledged writes on top.
//!
//! Invariants
//! * applying the same writes twice changes nothing more, so a row the node already told is not doubled;
//! * rows the writes do not touch keep the node's order.
//!
//! Not here: what the node alone knows. A write to an object outside the told rows that would make it match shows
//! when the node tells it.

use std::cmp::Ordering;

use dxos_base::{Filter, FilterOp, ObjectId, ObjectView, ObjectWrite, Query, Value};

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
            if query.skip > 0 || !matches(query, &row) {
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
    if !matches(query, &rows[at]) {
        rows.remove(at);
        return true;
    }
    let before_fits = at == 0 || compare(query, &rows[at - 1], &rows[at]) != Ordering::Greater;
    let after_fits =
        at + 1 == rows.len() || compare(query, &rows[at], &rows[at + 1]) != Ordering::Greater;
    if !(before_fits && after_fits) {
        let row = rows.remove(at);
        insert(rows, query, row);
    }
    true
}

fn insert(rows: &mut Vec<ObjectView>, query: &Query, row: ObjectView) {
    let at = rows
        .iter()
        .position(|other| compare(query, &row, other) == Ordering::Less)
        .unwrap_or(rows.len());
    rows.insert(at, row);
    if query.limit > 0 {
        rows.truncate(query.limit as usize);
    }
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

/// Whether an object belongs to a query's rows.
pub(crate) fn matches(query: &Query, row: &ObjectView) -> bool {
    if !row.shown && !query.deleted {
        return false;
    }
    if let Some(wanted) = &query.type_name {
        let name = row.type_name.split('@').next().unwrap_or_default();
        if name != wanted {
            return false;
        }
    }
    query.filters.iter().all(|filter| holds(filter, row))
}

fn property(row: &ObjectView, name: &str) -> Option<Value> {
    match name {
        "@created" => Some(Value::Timestamp(row.created_ms as i64)),
        "@updated" => Some(Value::Timestamp(row.updated_ms as i64)),
        _ => row.values.get(name).cloned(),
    }
}

fn holds(filter: &Filter, row: &ObjectView) -> bool {
    let Some(value) = property(row, &filter.property) else {
        return filter.op == FilterOp::Neq;
    };
    let order = value_order(&value, &filter.value);
    match filter.op {
        FilterOp::Eq => order == Some(Ordering::Equal),
        FilterOp::Neq => order != Some(Ordering::Equal),
        FilterOp::Lt => order == Some(Ordering::Less),
        FilterOp::Lte => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        FilterOp::Gt => order == Some(Ordering::Greater),
        FilterOp::Gte => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        FilterOp::Contains => match (&value, &filter.value) {
            (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
            _ => false,
        },
    }
}

/// Order of two values of one kind.
fn value_order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => {
            Some(a.cmp(b))
        }
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => (a == b).then_some(Ordering::Equal),
    }
}

/// Order of two rows: the query's property, then the id.
fn compare(query: &Query, a: &ObjectView, b: &ObjectView) -> Ordering {
    let by_id = a.object.cmp(&b.object);
    let Some(order) = &query.order else {
        return by_id;
    };
    let found = match (property(a, &order.property), property(b, &order.property)) {
        (Some(a), Some(b)) => value_order(&a, &b).unwrap_or(Ordering::Equal),
        (Some(_), None) => return Ordering::Less,
        (None, Some(_)) => return Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    let found = found.then(by_id);
    if order.descending {
        found.reverse()
    } else {
        found
    }
}
