//! What turns one set of property values into another: the fewest writes at the deepest paths.
//!
//! Invariants
//! * applying the changes to `before` gives `after`;
//! * what is equal is not written, so a change somebody else makes meanwhile to another property stands.

use std::collections::BTreeMap;

use crate::value::Value;

/// A write of one property: its path from the top, and its new value (`None`: removed).
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyChange {
    /// Names from the top; at least one.
    pub path: Vec<String>,
    /// The value, or none any more.
    pub value: Option<Value>,
}

/// The changes from `before` to `after`. Maps are compared by key; lists and scalars are written whole.
pub fn property_changes(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<PropertyChange> {
    let mut changes = Vec::new();
    compare(&mut Vec::new(), before, after, &mut changes);
    changes
}

fn compare(
    path: &mut Vec<String>,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    changes: &mut Vec<PropertyChange>,
) {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        path.push(name.clone());
        changes.push(PropertyChange {
            path: path.clone(),
            value: None,
        });
        path.pop();
    }
    for (name, value) in after {
        path.push(name.clone());
        match (before.get(name), value) {
            (Some(old), _) if same(old, value) => {}
            (Some(Value::Map(old)), Value::Map(new)) => compare(path, old, new, changes),
            _ => changes.push(PropertyChange {
                path: path.clone(),
                value: Some(value.clone()),
            }),
        }
        path.pop();
    }
}

/// Equal, and the one NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a, b), (Value::Float(a), Value::Float(b)) if a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn only_what_differs_is_written_at_its_own_path() {
        let address = |city: &str| Value::Map(map(&[("city", city.into()), ("zip", "1".into())]));
        let before = map(&[
            ("address", address("Turin")),
            ("done", false.into()),
            ("nan", f64::NAN.into()),
            ("old", 1.into()),
        ]);
        let after = map(&[
            ("address", address("Rome")),
            ("done", false.into()),
            ("nan", f64::NAN.into()),
            ("tags", Value::List(vec!["a".into()])),
        ]);
        let changes = property_changes(&before, &after);
        let shown: Vec<_> = changes
            .iter()
            .map(|c| (c.path.join("."), c.value.clone()))
            .collect();
        assert_eq!(
            shown,
            [
                ("old".to_owned(), None),
                ("address.city".to_owned(), Some("Rome".into())),
                ("tags".to_owned(), Some(Value::List(vec!["a".into()]))),
            ]
        );
        assert_eq!(property_changes(&after, &after), []);
    }
}
