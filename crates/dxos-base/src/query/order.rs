//! The order of values and of rows.
//!
//! Kinds order as null, bool, number, string, bytes, timestamp, reference; containers have no place in an order.
//! [`compare`] is exact and knows an order within one kind only. [`index_value`] gives bytes that sort as the values
//! do, cut to [`INDEX_VALUE_BYTES_MAX`]: the order of rows is by these, so an index can give it.

use std::cmp::Ordering;

use crate::object::ObjectView;
use crate::query::{Order, OrderBy, property};
use crate::value::{Ref, Value};

/// Index values are cut here.
pub const INDEX_VALUE_BYTES_MAX: usize = 128;

/// Order of two values of one kind; values of different kinds are unordered and unequal. Integers, floats and
/// counters are one kind. Containers and references can only be equal.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a) | Value::Counter(a), Value::Int(b) | Value::Counter(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (
            Value::Int(_) | Value::Float(_) | Value::Counter(_),
            Value::Int(_) | Value::Float(_) | Value::Counter(_),
        ) => Some(number_key(a)?.cmp(&number_key(b)?)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => (a == b).then_some(Ordering::Equal),
    }
}

/// A number as the greatest float not above it, in ordered bits, and what is left to it.
fn number_key(value: &Value) -> Option<(u64, u16)> {
    let ordered = |number: f64| {
        let bits = number.to_bits();
        if bits >> 63 == 1 {
            !bits
        } else {
            bits | (1 << 63)
        }
    };
    match value {
        Value::Float(number) => Some((ordered(*number), 0)),
        Value::Int(number) | Value::Counter(number) => {
            let near = *number as f64;
            let floor = if near as i128 > i128::from(*number) {
                near.next_down()
            } else {
                near
            };
            // Floats near the ends of i64 lie 1,024 apart.
            let rest = i128::from(*number) - floor as i128;
            Some((ordered(floor), rest as u16))
        }
        _ => None,
    }
}

/// Order-preserving bytes of a scalar, cut to [`INDEX_VALUE_BYTES_MAX`]; `None` for containers.
pub fn index_value(value: &Value) -> Option<Vec<u8>> {
    ordered_bytes(value, INDEX_VALUE_BYTES_MAX - 1)
}

/// The same bytes for equal values and other ones for others; those of scalars sort as the values do.
pub fn value_key(value: &Value) -> Vec<u8> {
    ordered_bytes(value, usize::MAX).unwrap_or_else(|| {
        let mut out = vec![9];
        out.extend(crate::encode(value));
        out
    })
}

fn ordered_bytes(value: &Value, content_max: usize) -> Option<Vec<u8>> {
    let content = match value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => &[],
    };
    let content = &content[..content.len().min(content_max)];
    let mut out = Vec::with_capacity((1 + content.len()).max(16));
    match value {
        Value::Null => out.push(0),
        Value::Bool(flag) => out.extend([1, *flag as u8]),
        Value::Int(_) | Value::Float(_) | Value::Counter(_) => {
            let (floor, rest) = number_key(value)?;
            out.push(2);
            out.extend(floor.to_be_bytes());
            if rest > 0 {
                out.extend(rest.to_be_bytes());
            }
        }
        Value::String(_) => out.push(4),
        Value::Bytes(_) => out.push(5),
        Value::Timestamp(ms) => {
            out.push(6);
            out.extend((*ms as u64 ^ (1 << 63)).to_be_bytes());
        }
        Value::Ref(Ref { space, object }) => {
            out.push(7);
            out.extend(object.0);
            out.extend(space.iter().flat_map(|space| space.0));
        }
        Value::List(_) | Value::Map(_) | Value::Text(_) => return None,
    }
    out.extend_from_slice(content);
    Some(out)
}

/// Where an object stands in an order, as bytes: compare those of one order only. Rank is not known from an
/// object and counts as equal. Ties are broken by id, in the direction of the last key if the object has a value
/// there: so an index over one property gives the order, read forward or backward.
pub fn row_order(order: &[Order], view: &ObjectView) -> Vec<u8> {
    const WITH: u8 = 0;
    const WITHOUT: u8 = 1;
    let mut out = Vec::with_capacity(48);
    let mut reverse_id = false;
    for key in order {
        let OrderBy::Property(path) = &key.by else {
            continue;
        };
        let value = property(view, path).and_then(|value| index_value(&value));
        reverse_id = key.descending && value.is_some();
        let Some(value) = value else {
            out.push(WITHOUT);
            continue;
        };
        out.push(WITH);
        let from = out.len();
        // 0 is escaped, so no value is the beginning of another one.
        for byte in value {
            match byte {
                0 => out.extend([0, 0xff]),
                other => out.push(other),
            }
        }
        out.extend([0, 0]);
        if key.descending {
            out[from..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
    match reverse_id {
        true => out.extend(view.object.0.iter().map(|byte| !byte)),
        false => out.extend(view.object.0),
    }
    out
}

/// Order of two objects in a query's order.
pub fn compare_rows(order: &[Order], a: &ObjectView, b: &ObjectView) -> Ordering {
    row_order(order, a).cmp(&row_order(order, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_kind_in_exact_order() {
        let big = 1i64 << 53;
        let sorted = [
            Value::float(f64::NEG_INFINITY),
            Value::Int(i64::MIN),
            Value::Int(i64::MIN + 1),
            Value::Int(-big - 3),
            Value::Int(-big - 2),
            Value::float(-1.5),
            Value::Int(-1),
            Value::Int(0),
            Value::float(0.5),
            Value::Int(1),
            Value::float(1.5),
            Value::Int(big),
            Value::Int(big + 1),
            Value::float((big + 2) as f64),
            Value::Int(big + 3),
            Value::Int(i64::MAX - 1),
            Value::Int(i64::MAX),
            Value::float(9_223_372_036_854_775_808.0),
            Value::float(f64::INFINITY),
            Value::float(f64::NAN),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), Some(i.cmp(&j)), "{a:?} {b:?}");
                assert_eq!(
                    index_value(a).cmp(&index_value(b)),
                    i.cmp(&j),
                    "{a:?} {b:?}"
                );
            }
        }
        assert_eq!(
            compare(&Value::Int(3), &Value::float(3.0)),
            Some(Ordering::Equal)
        );
        assert_eq!(index_value(&Value::Int(3)), index_value(&Value::float(3.0)));
        assert_eq!(compare(&Value::Int(3), &Value::Timestamp(3)), None);
    }
}
