//! Sets of objects: combined, followed to others, and what conditions on other objects come to.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{
    Deleted, Filter, Nested, Others, PropertyPath, Select, Traversal, parent_of, property,
    value_key,
};
use dxos_base::{ObjectId, ObjectView, Ref, SpaceId, Value};

use crate::error::EchoError;
use crate::query::Reader;
use crate::query::access::{VALUES_MAX, conditions};
use crate::view::references;

/// Objects by id.
type Set = BTreeMap<ObjectId, ObjectView>;

/// What conditions on other objects came to, by the condition.
#[derive(Default)]
pub(crate) struct Known<'q> {
    space: Option<SpaceId>,
    found: Vec<(&'q Filter, Found)>,
}

enum Found {
    Objects(BTreeSet<ObjectId>),
    Values {
        keys: BTreeSet<Vec<u8>>,
        objects: Vec<ObjectId>,
    },
}

impl Known<'_> {
    fn of(&self, filter: &Filter) -> Option<&Found> {
        let same = |(known, _): &&(&Filter, Found)| std::ptr::eq(*known, filter);
        self.found.iter().find(same).map(|(_, found)| found)
    }

    /// Objects a condition comes to, as ids.
    pub fn objects(&self, filter: &Filter) -> Option<Vec<ObjectId>> {
        Some(match self.of(filter)? {
            Found::Objects(objects) => objects.iter().copied().collect(),
            Found::Values { objects, .. } => objects.clone(),
        })
    }

    /// Objects a condition comes to, if they are few and all its values.
    pub fn only_objects(&self, filter: &Filter) -> Option<Vec<ObjectId>> {
        match self.of(filter)? {
            Found::Values { keys, objects }
                if keys.len() == objects.len() && keys.len() <= VALUES_MAX =>
            {
                Some(objects.clone())
            }
            _ => None,
        }
    }
}

impl Others for Known<'_> {
    fn holds(&self, filter: &Filter, view: &ObjectView) -> Option<bool> {
        match (filter, self.of(filter)?) {
            (Filter::In { path, .. }, Found::Values { keys, .. }) => {
                let held = property(view, path);
                Some(held.is_some_and(|held| {
                    spread(&held).any(|value| keys.contains(&local_key(value, self.space)))
                }))
            }
            (_, Found::Objects(objects)) => Some(objects.contains(&view.object)),
            _ => None,
        }
    }
}

/// A value, or the elements of a list.
fn spread(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::List(values) => values.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// The key of a value; references into the space itself are one, however written.
fn local_key(value: &Value, space: Option<SpaceId>) -> Vec<u8> {
    match value {
        Value::Ref(reference) if reference.space == space => {
            let object = reference.object;
            value_key(&Value::Ref(Ref {
                space: None,
                object,
            }))
        }
        other => value_key(other),
    }
}

impl Reader<'_> {
    /// Finds out what conditions on other objects come to.
    pub(crate) fn learn<'q>(
        &mut self,
        filters: impl Iterator<Item = &'q Filter>,
    ) -> Result<Known<'q>, EchoError> {
        let mut known = Known {
            space: Some(self.space.space),
            found: Vec::new(),
        };
        let mut open: Vec<&Filter> = filters.collect();
        while let Some(filter) = open.pop() {
            match filter {
                Filter::And(filters) | Filter::Or(filters) => open.extend(filters),
                Filter::Not(filter) => open.push(filter),
                Filter::ChildOf {
                    parent,
                    transitive: true,
                } => {
                    let below = self.descendants(BTreeSet::from([*parent]))?;
                    known.found.push((filter, Found::Objects(below)));
                }
                Filter::In { select, of, .. } => {
                    let Nested(select) = &**select;
                    let found = self.values_of(select, of)?;
                    known.found.push((filter, found));
                }
                _ => {}
            }
        }
        Ok(known)
    }

    fn values_of(&mut self, select: &Select, of: &PropertyPath) -> Result<Found, EchoError> {
        let space = Some(self.space.space);
        let set = self.set(select, Deleted::Exclude)?;
        let mut keys = BTreeSet::new();
        let mut objects = BTreeSet::new();
        for view in set.values() {
            let Some(held) = property(view, of) else {
                continue;
            };
            for value in spread(&held) {
                keys.insert(local_key(value, space));
                objects.extend(self.target(value));
            }
        }
        let objects = objects.into_iter().collect();
        Ok(Found::Values { keys, objects })
    }

    /// The object of this space a value refers to.
    fn target(&self, value: &Value) -> Option<ObjectId> {
        match value {
            Value::Ref(Ref { space, object }) if space.is_none_or(|id| id == self.space.space) => {
                Some(*object)
            }
            _ => None,
        }
    }

    /// The objects of a set.
    pub(crate) fn set(&mut self, select: &Select, deleted: Deleted) -> Result<Set, EchoError> {
        if let Some(filters) = conditions(select) {
            let rows = self.fulfilling(filters, deleted)?;
            return Ok(rows.into_iter().map(|view| (view.object, view)).collect());
        }
        match select {
            Select::Where(_) => Ok(Set::new()),
            Select::Within(from, filter) => {
                let mut set = self.set(from, deleted)?;
                let known = self.learn([filter].into_iter())?;
                set.retain(|_, view| filter.holds(view, &known) == Some(true));
                Ok(set)
            }
            // Deleted objects lead nowhere, and nothing leads to them.
            Select::Follow(..) if deleted == Deleted::Only => Ok(Set::new()),
            Select::Follow(from, traversal) => {
                let from = self.set(from, Deleted::Exclude)?;
                self.follow(&from, traversal)
            }
            Select::Union(sets) => {
                let mut all = Set::new();
                for set in sets {
                    all.extend(self.set(set, deleted)?);
                }
                Ok(all)
            }
            Select::Difference(from, without) => {
                let mut set = self.set(from, deleted)?;
                let without = self.set(without, deleted)?;
                set.retain(|id, _| !without.contains_key(id));
                Ok(set)
            }
        }
    }

    fn follow(&mut self, from: &Set, traversal: &Traversal) -> Result<Set, EchoError> {
        let ids: BTreeSet<ObjectId> = match traversal {
            Traversal::References(path) => from
                .values()
                .flat_map(|view| self.referred(view, path.as_ref()))
                .collect(),
            Traversal::Source => self.facts(from, "@source"),
            Traversal::Target => self.facts(from, "@target"),
            Traversal::Parent => from.values().filter_map(parent_of).collect(),
            Traversal::ReferredBy(path) => {
                return self.led_from(from, |reader, view| reader.referred(view, path.as_ref()));
            }
            Traversal::SourceOf => {
                let path = PropertyPath::from("@source");
                return self.led_from(from, |reader, view| reader.referred(view, Some(&path)));
            }
            Traversal::TargetOf => {
                let path = PropertyPath::from("@target");
                return self.led_from(from, |reader, view| reader.referred(view, Some(&path)));
            }
            Traversal::Children => {
                return self.led_from(from, |_, view| parent_of(view).into_iter().collect());
            }
            Traversal::Descendants => self.descendants(from.keys().copied().collect())?,
            Traversal::Ancestors => return self.ancestors(from),
        };
        self.shown(ids)
    }

    fn shown(&mut self, ids: impl IntoIterator<Item = ObjectId>) -> Result<Set, EchoError> {
        let mut set = Set::new();
        for id in ids {
            if let Some(view) = self.view(id)?.filter(|view| view.shown) {
                set.insert(id, view);
            }
        }
        Ok(set)
    }

    /// Objects of the space an object refers to, at a path or anywhere.
    fn referred(&self, view: &ObjectView, path: Option<&PropertyPath>) -> Vec<ObjectId> {
        match path {
            None => references(view.into(), self.space.space),
            Some(path) => {
                let held = property(view, path);
                let values = held.iter().flat_map(|held| spread(held));
                values.filter_map(|value| self.target(value)).collect()
            }
        }
    }

    fn facts(&self, from: &Set, name: &str) -> BTreeSet<ObjectId> {
        let path = PropertyPath::from(name);
        from.values()
            .flat_map(|view| self.referred(view, Some(&path)))
            .collect()
    }

    /// Shown objects that lead to one of a set.
    fn led_from(
        &mut self,
        to: &Set,
        leads: impl Fn(&Self, &ObjectView) -> Vec<ObjectId>,
    ) -> Result<Set, EchoError> {
        let mut set = Set::new();
        for target in to.keys() {
            let ids = self.store.referrers(self.space.space, *target)?;
            self.explain.index_entries += ids.len() as u64;
            for id in ids {
                if set.contains_key(&id) {
                    continue;
                }
                if let Some(view) = self.view(id)?.filter(|view| view.shown)
                    && leads(self, &view).contains(target)
                {
                    set.insert(id, view);
                }
            }
        }
        Ok(set)
    }

    /// Shown objects below some, the ones asked for aside unless they stand below another.
    fn descendants(&mut self, of: BTreeSet<ObjectId>) -> Result<BTreeSet<ObjectId>, EchoError> {
        let mut found = BTreeSet::new();
        let mut open: Vec<ObjectId> = of.into_iter().collect();
        while let Some(parent) = open.pop() {
            for id in self.store.referrers(self.space.space, parent)? {
                self.explain.index_entries += 1;
                if found.contains(&id) {
                    continue;
                }
                if let Some(view) = self.view(id)?
                    && view.shown
                    && parent_of(&view) == Some(parent)
                {
                    found.insert(id);
                    open.push(id);
                }
            }
        }
        Ok(found)
    }

    fn ancestors(&mut self, of: &Set) -> Result<Set, EchoError> {
        let mut found = Set::new();
        let mut open: Vec<ObjectId> = of.values().filter_map(parent_of).collect();
        while let Some(id) = open.pop() {
            if found.contains_key(&id) {
                continue;
            }
            if let Some(view) = self.view(id)?.filter(|view| view.shown) {
                open.extend(parent_of(&view));
                found.insert(id, view);
            }
        }
        Ok(found)
    }
}
