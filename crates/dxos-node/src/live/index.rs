//! Which queries a change can concern.
//!
//! Invariant: a query that is left out neither holds one of the changed objects nor would take one in.
//!
//! Queries stand under the one type of their rows, and beneath it under a value that a property must equal, where they
//! name such. Those of the latter kind that hold an object are known by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dxos_base::query::{Comparison, Filter, PropertyPath, Select, property, value_key};
use dxos_base::{ObjectId, Query, SpaceId};
use dxos_echo::Touched;

/// A property and the [`value_key`] of what it must equal.
pub(crate) type Equality = (PropertyPath, Vec<u8>);

/// An object is held by a window, or is not any more.
pub(crate) type Move = (SpaceId, ObjectId, Held);

/// See [`Move`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Now,
    NoMore,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By type; under `None` those of any.
    by_type: BTreeMap<Option<String>, OfType>,
    holders: HashMap<(SpaceId, ObjectId), BTreeSet<u64>>,
}

#[derive(Debug, Default)]
struct OfType {
    /// Those that any object may concern.
    any: BTreeSet<u64>,
    by_value: BTreeMap<PropertyPath, HashMap<Vec<u8>, BTreeSet<u64>>>,
}

/// A condition of a query that all its rows fulfil, and that says what a property equals.
pub(crate) fn equality(query: &Query) -> Option<Equality> {
    fn of_filter(filter: &Filter) -> Option<Equality> {
        match filter {
            Filter::And(filters) => filters.iter().find_map(of_filter),
            Filter::Property {
                path,
                is: Comparison::Eq(value),
            } => Some((path.clone(), value_key(value))),
            _ => None,
        }
    }
    fn of_select(select: &Select) -> Option<Equality> {
        match select {
            Select::Where(filter) => of_filter(filter),
            Select::Within(from, filter) => of_filter(filter).or_else(|| of_select(from)),
            Select::Difference(from, _) => of_select(from),
            Select::Follow(..) | Select::Union(_) => None,
        }
    }
    of_select(&query.select)
}

impl Index {
    pub(crate) fn add(&mut self, id: u64, type_name: Option<&str>, equality: Option<&Equality>) {
        let of_type = self.by_type.entry(type_name.map(str::to_owned));
        let of_type = of_type.or_default();
        match equality {
            None => of_type.any.insert(id),
            Some((path, value)) => {
                let by_value = of_type.by_value.entry(path.clone()).or_default();
                by_value.entry(value.clone()).or_default().insert(id)
            }
        };
    }

    pub(crate) fn remove(&mut self, id: u64, type_name: Option<&str>, equality: Option<&Equality>) {
        let type_name = type_name.map(str::to_owned);
        let Some(of_type) = self.by_type.get_mut(&type_name) else {
            return;
        };
        match equality {
            None => {
                of_type.any.remove(&id);
            }
            Some((path, value)) => {
                if let Some(by_value) = of_type.by_value.get_mut(path) {
                    take(by_value, value, id);
                    if by_value.is_empty() {
                        of_type.by_value.remove(path);
                    }
                }
            }
        }
        if of_type.any.is_empty() && of_type.by_value.is_empty() {
            self.by_type.remove(&type_name);
        }
    }

    /// Notes what a query's window took in and let go.
    pub(crate) fn follow(&mut self, id: u64, moves: impl Iterator<Item = Move>) {
        for (space, object, held) in moves {
            match held {
                Held::Now => {
                    let ids = self.holders.entry((space, object)).or_default();
                    ids.insert(id);
                }
                Held::NoMore => take(&mut self.holders, &(space, object), id),
            }
        }
    }

    /// Queries that a change can concern.
    pub(crate) fn concerned(&self, space: SpaceId, touched: &Touched) -> BTreeSet<u64> {
        let mut concerned = BTreeSet::new();
        let all_shown = !touched.views_left_out && touched.views.len() >= touched.objects.len();
        let types = touched.types.iter().cloned().map(Some).chain([None]);
        for of_type in types.filter_map(|name| self.by_type.get(&name)) {
            concerned.extend(&of_type.any);
            for (path, by_value) in &of_type.by_value {
                if !all_shown {
                    concerned.extend(by_value.values().flatten());
                    continue;
                }
                for view in touched.views.values() {
                    let value = property(view, path).map(|value| value_key(&value));
                    concerned.extend(
                        value
                            .and_then(|value| by_value.get(&value))
                            .into_iter()
                            .flatten(),
                    );
                }
            }
        }
        for object in &touched.objects {
            concerned.extend(self.holders.get(&(space, *object)).into_iter().flatten());
        }
        concerned
    }
}

fn take<K: Eq + std::hash::Hash>(ids: &mut HashMap<K, BTreeSet<u64>>, key: &K, id: u64) {
    if let Some(held) = ids.get_mut(key) {
        held.remove(&id);
        if held.is_empty() {
            ids.remove(key);
        }
    }
}
