//! Groups kept by what each object adds to them.
//!
//! Invariant: the sum over members is what counting all fulfilling objects of the filled spaces gives.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{
    Aggregate, Group, GroupRow, PropertyPath, index_value, matches, property, value_key,
};
use dxos_base::{ObjectId, ObjectView, Query, SpaceId, Value};
use dxos_echo::EchoError;
use dxos_echo::store::Store;

use crate::live::diff::Told;
use crate::live::{Counters, Spaces};

/// A value's key, then its encoding: of equal numbers the integer stands first.
type ValueKey = (Vec<u8>, Vec<u8>);
/// Values and how many have them.
type Values = BTreeMap<ValueKey, (u64, Value)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Counts {
    group: Group,
    filled: BTreeSet<SpaceId>,
    members: BTreeMap<(SpaceId, ObjectId), Member>,
    groups: BTreeMap<(bool, Vec<u8>), Sum>,
}

/// What an object adds.
#[derive(Debug, PartialEq)]
struct Member {
    value: Option<Value>,
    figures: Vec<Option<Value>>,
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    values: Values,
    figures: Vec<Values>,
}

impl Counts {
    pub(crate) fn new(group: Group) -> Counts {
        Counts {
            group,
            filled: BTreeSet::new(),
            members: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// Takes a changed object in; gives whether groups may have changed.
    pub(crate) fn offer(&mut self, query: &Query, space: SpaceId, view: &ObjectView) -> bool {
        if !self.filled.contains(&space) {
            return true;
        }
        let fits = matches(query, view) == Some(true);
        let new = fits.then(|| self.member(view));
        let id = (space, view.object);
        if self.members.get(&id) == new.as_ref() {
            return false;
        }
        if let Some(old) = self.members.remove(&id) {
            self.take(&old);
        }
        if let Some(new) = new {
            self.add(&new);
            self.members.insert(id, new);
        }
        true
    }

    pub(crate) fn forget(&mut self, space: SpaceId) {
        self.filled.remove(&space);
        let of = self.members.keys().filter(|(other, _)| *other == space);
        for id in of.copied().collect::<Vec<_>>() {
            if let Some(old) = self.members.remove(&id) {
                self.take(&old);
            }
        }
    }

    /// Whether a space is not counted yet.
    pub(crate) fn reads(&self, space: &SpaceId) -> bool {
        !self.filled.contains(space)
    }

    /// Counts the spaces not counted yet.
    pub(crate) fn fill(
        &mut self,
        query: &Query,
        wanted: &BTreeSet<SpaceId>,
        spaces: &Spaces,
        store: &mut dyn Store,
        counters: &mut Counters,
    ) -> Result<(), EchoError> {
        for space in self.filled.difference(wanted).copied().collect::<Vec<_>>() {
            self.forget(space);
        }
        for space in wanted {
            let Some(state) = spaces.get(space) else {
                continue;
            };
            if !self.reads(space) {
                continue;
            }
            let ungrouped = Query {
                group: None,
                order: Vec::new(),
                ..query.clone()
            };
            let found = state
                .data
                .window(store, &ungrouped, None, usize::MAX >> 1)?;
            counters.examined += found.explain.examined;
            counters.runs += 1;
            for view in &found.rows {
                let member = self.member(view);
                self.add(&member);
                self.members.insert((*space, view.object), member);
            }
            self.filled.insert(*space);
        }
        Ok(())
    }

    /// Groups within the window.
    pub(crate) fn groups(&self, query: &Query) -> Told {
        let mut rows: Vec<GroupRow> = self.groups.values().map(|sum| self.row(sum)).collect();
        if self.group.by.is_none() && rows.is_empty() {
            rows.push(GroupRow {
                value: None,
                count: 0,
                figures: vec![None; self.group.aggregates.len()],
            });
        }
        let rest = rows.into_iter().skip(query.skip as usize);
        Told {
            rows: Vec::new(),
            groups: rest.take(query.rows_max()).collect(),
        }
    }

    fn row(&self, sum: &Sum) -> GroupRow {
        let figure = |(values, aggregate): (&Values, &Aggregate)| match aggregate {
            Aggregate::Min(_) => values.values().next().map(|(_, value)| value.clone()),
            Aggregate::Max(_) => {
                let ((greatest, _), _) = values.last_key_value()?;
                let mut equal = values.range((greatest.clone(), Vec::new())..);
                equal.next().map(|(_, (_, value))| value.clone())
            }
        };
        GroupRow {
            value: sum.values.values().next().map(|(_, value)| value.clone()),
            count: sum.count,
            figures: (sum.figures.iter().zip(&self.group.aggregates))
                .map(figure)
                .collect(),
        }
    }

    fn member(&self, view: &ObjectView) -> Member {
        let held = |path: &PropertyPath| property(view, path).map(|value| value.into_owned());
        let figure = |aggregate: &Aggregate| {
            let (Aggregate::Min(path) | Aggregate::Max(path)) = aggregate;
            held(path).filter(|value| index_value(value).is_some())
        };
        Member {
            value: self.group.by.as_ref().and_then(held),
            figures: self.group.aggregates.iter().map(figure).collect(),
        }
    }

    fn add(&mut self, member: &Member) {
        let sum = self.groups.entry(key_of(member)).or_default();
        sum.count += 1;
        sum.figures.resize_with(member.figures.len(), Values::new);
        let own = member.value.iter().map(|value| (0, value));
        let figures = member.figures.iter().enumerate();
        let figures = figures.filter_map(|(n, value)| Some((n + 1, value.as_ref()?)));
        for (n, value) in own.chain(figures) {
            let values = match n.checked_sub(1) {
                None => &mut sum.values,
                Some(n) => &mut sum.figures[n],
            };
            let slot = values.entry(value_and_form(value));
            slot.or_insert_with(|| (0, value.clone())).0 += 1;
        }
    }

    fn take(&mut self, member: &Member) {
        let key = key_of(member);
        let Some(sum) = self.groups.get_mut(&key) else {
            return;
        };
        sum.count -= 1;
        if sum.count == 0 {
            self.groups.remove(&key);
            return;
        }
        take_value(&mut sum.values, member.value.as_ref());
        for (values, value) in sum.figures.iter_mut().zip(&member.figures) {
            take_value(values, value.as_ref());
        }
    }
}

fn key_of(member: &Member) -> (bool, Vec<u8>) {
    let key = member.value.as_ref().map(value_key);
    (key.is_none(), key.unwrap_or_default())
}

fn value_and_form(value: &Value) -> ValueKey {
    (value_key(value), dxos_base::encode(value))
}

fn take_value(values: &mut Values, value: Option<&Value>) {
    let Some(key) = value.map(value_and_form) else {
        return;
    };
    if let Some((count, _)) = values.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            values.remove(&key);
        }
    }
}
