//! Groups: objects counted by the value of a property.
//!
//! The count covers all objects that fulfil the query; order is by value, and the window is one of groups.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use dxos_base::query::{
    Aggregate, Group, GroupRow, PropertyPath, index_value, property, value_key,
};
use dxos_base::{ObjectView, Query, Value};

use crate::error::EchoError;
use crate::query::Reader;
use crate::query::access::conditions;

impl Reader<'_> {
    pub(crate) fn groups(
        &mut self,
        query: &Query,
        group: &Group,
    ) -> Result<Vec<GroupRow>, EchoError> {
        let rows = match conditions(&query.select) {
            Some(filters) => self.fulfilling(filters, query.deleted)?,
            None => self
                .set(&query.select, query.deleted)?
                .into_values()
                .collect(),
        };
        Ok(group_rows(group, rows.iter()))
    }
}

/// Groups of some objects, by value, those without one last.
pub fn group_rows<'v>(group: &Group, rows: impl Iterator<Item = &'v ObjectView>) -> Vec<GroupRow> {
    // Absent sorts behind every value.
    let mut groups: BTreeMap<(bool, Vec<u8>), GroupRow> = BTreeMap::new();
    let one = group.by.is_none();
    if one {
        groups.insert((true, Vec::new()), empty(group, None));
    }
    for view in rows {
        let value = group.by.as_ref().and_then(|path| property(view, path));
        let key = value.as_ref().map(|value| value_key(value));
        let slot = groups
            .entry((key.is_none(), key.unwrap_or_default()))
            .or_insert_with(|| empty(group, value.clone().map(|value| value.into_owned())));
        slot.count += 1;
        slot.value = plainer(slot.value.take(), value.map(|value| value.into_owned()));
        for (figure, aggregate) in slot.figures.iter_mut().zip(&group.aggregates) {
            let (path, greatest) = match aggregate {
                Aggregate::Min(path) => (path, false),
                Aggregate::Max(path) => (path, true),
            };
            take(figure, view, path, greatest);
        }
    }
    groups.into_values().collect()
}

/// Groups of several spaces as one: those with equal values joined, in order of value.
pub fn join_groups(group: &Group, groups: Vec<GroupRow>) -> Vec<GroupRow> {
    let mut joined: BTreeMap<(bool, Vec<u8>), GroupRow> = BTreeMap::new();
    for row in groups {
        let key = row.value.as_ref().map(value_key);
        let slot = joined
            .entry((key.is_none(), key.unwrap_or_default()))
            .or_insert_with(|| empty(group, row.value.clone()));
        slot.count += row.count;
        slot.value = plainer(slot.value.take(), row.value);
        let figures = slot.figures.iter_mut().zip(row.figures);
        for ((figure, other), aggregate) in figures.zip(&group.aggregates) {
            let greatest = matches!(aggregate, Aggregate::Max(_));
            if let Some(other) = other {
                weigh(figure, Cow::Owned(other), greatest);
            }
        }
    }
    joined.into_values().collect()
}

fn empty(group: &Group, value: Option<Value>) -> GroupRow {
    GroupRow {
        value,
        count: 0,
        figures: vec![None; group.aggregates.len()],
    }
}

/// Values without an order do not count.
fn take(figure: &mut Option<Value>, view: &ObjectView, path: &PropertyPath, greatest: bool) {
    let value = property(view, path).filter(|value| index_value(value).is_some());
    if let Some(value) = value {
        weigh(figure, value, greatest);
    }
}

/// Takes a value as a figure if it is smaller, or greater, than the one held.
fn weigh(figure: &mut Option<Value>, value: Cow<'_, Value>, greatest: bool) {
    let order = figure
        .as_ref()
        .map(|held| value_key(&value).cmp(&value_key(held)));
    match order {
        Some(Ordering::Equal) => *figure = plainer(figure.take(), Some(value.into_owned())),
        Some(order) if (order == Ordering::Greater) != greatest => {}
        _ => *figure = Some(value.into_owned()),
    }
}

/// Of two equal values the one shown: 1 rather than 1.0, whichever came first.
fn plainer(a: Option<Value>, b: Option<Value>) -> Option<Value> {
    match (&a, &b) {
        (Some(Value::Float(_)), Some(Value::Int(_))) => b,
        _ => a,
    }
}
