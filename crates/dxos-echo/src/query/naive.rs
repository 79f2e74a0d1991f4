//! The naive executor: reads every object, decides every condition as written, sorts, cuts. The model the real one
//! and live queries are tested against.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{
    Deleted, Filter, Nested, Others, PropertyPath, Select, Traversal, parent_of, property,
    row_order, value_key,
};
use dxos_base::{ObjectId, ObjectView, Query, Ref, Value};

use crate::error::EchoError;
use crate::query::Answer;
use crate::query::groups::group_rows;
use crate::space::Space;
use crate::store::Store;

/// Answers a query the slow way.
///
/// # Errors
/// When the store fails.
pub fn answer(space: &Space, store: &mut dyn Store, query: &Query) -> Result<Answer, EchoError> {
    let mut all = BTreeMap::new();
    for row in store.objects(space.space, None, None, usize::MAX >> 1)? {
        all.insert(row.object, space.view_of(store, &row)?);
    }
    let everything = Everything { space, all };
    let ids = everything.select(&query.select, query.deleted);
    let mut rows: Vec<&ObjectView> = ids.iter().map(|id| &everything.all[id]).collect();
    rows.sort_by_cached_key(|view| row_order(&query.order, view));
    if let (true, Some(Filter::Text { words, mode })) = (query.ranked(), query.text()) {
        let best = store.search(space.space, words, *mode, usize::MAX >> 1)?;
        let rank = |view: &&ObjectView| best.iter().position(|id| *id == view.object);
        rows.retain(|view| rank(view).is_some());
        rows.sort_by_key(rank);
    }
    let (skip, take) = (query.skip as usize, query.rows_max());
    let mut answer = Answer::default();
    match &query.group {
        Some(group) => {
            let groups = group_rows(group, rows.into_iter());
            answer.groups = groups.into_iter().skip(skip).take(take).collect();
        }
        None => answer.rows = rows.into_iter().skip(skip).take(take).cloned().collect(),
    }
    Ok(answer)
}

struct Everything<'a> {
    space: &'a Space,
    all: BTreeMap<ObjectId, ObjectView>,
}

impl Everything<'_> {
    fn select(&self, select: &Select, deleted: Deleted) -> BTreeSet<ObjectId> {
        match select {
            Select::Where(filter) => self.where_(self.all.keys().copied(), filter, deleted),
            Select::Within(from, filter) => {
                self.where_(self.select(from, deleted).into_iter(), filter, deleted)
            }
            Select::Union(sets) => sets
                .iter()
                .flat_map(|set| self.select(set, deleted))
                .collect(),
            Select::Difference(from, without) => {
                let without = self.select(without, deleted);
                let mut set = self.select(from, deleted);
                set.retain(|id| !without.contains(id));
                set
            }
            Select::Follow(_, _) if deleted == Deleted::Only => BTreeSet::new(),
            Select::Follow(from, traversal) => {
                let from = self.select(from, Deleted::Exclude);
                let shown = |id: &&ObjectId| self.all[id].shown;
                let leads = |to: &&ObjectId| self.leads(&from, **to, traversal);
                self.all
                    .keys()
                    .filter(shown)
                    .filter(leads)
                    .copied()
                    .collect()
            }
        }
    }

    fn where_(
        &self,
        ids: impl Iterator<Item = ObjectId>,
        filter: &Filter,
        deleted: Deleted,
    ) -> BTreeSet<ObjectId> {
        let fits = |id: &ObjectId| {
            let view = &self.all[id];
            deleted.lets(view) && filter.holds(view, self) == Some(true)
        };
        ids.filter(fits).collect()
    }

    /// Whether one of `from` leads to a shown object.
    fn leads(&self, from: &BTreeSet<ObjectId>, to: ObjectId, traversal: &Traversal) -> bool {
        let any = |test: &dyn Fn(&ObjectView) -> bool| from.iter().any(|id| test(&self.all[id]));
        let end = &self.all[&to];
        match traversal {
            Traversal::References(path) => any(&|view| self.refers(view, path.as_ref(), to)),
            Traversal::ReferredBy(path) => {
                any(&|view| self.refers(end, path.as_ref(), view.object))
            }
            Traversal::Source => any(&|view| self.refers(view, Some(&"@source".into()), to)),
            Traversal::Target => any(&|view| self.refers(view, Some(&"@target".into()), to)),
            Traversal::SourceOf => {
                any(&|view| self.refers(end, Some(&"@source".into()), view.object))
            }
            Traversal::TargetOf => {
                any(&|view| self.refers(end, Some(&"@target".into()), view.object))
            }
            Traversal::Parent => any(&|view| parent_of(view) == Some(to)),
            Traversal::Children => parent_of(end).is_some_and(|parent| from.contains(&parent)),
            Traversal::Ancestors => any(&|view| self.below(view, to)),
            Traversal::Descendants => any(&|view| self.below(end, view.object)),
        }
    }

    /// Whether an object stands below another one, over shown ones only.
    fn below(&self, view: &ObjectView, above: ObjectId) -> bool {
        let mut view = view;
        for _ in 0..=self.all.len() {
            match parent_of(view) {
                None => return false,
                Some(parent) if parent == above => return true,
                Some(parent) => match self.all.get(&parent).filter(|view| view.shown) {
                    Some(parent) => view = parent,
                    None => return false,
                },
            }
        }
        false
    }

    fn refers(&self, view: &ObjectView, path: Option<&PropertyPath>, to: ObjectId) -> bool {
        match path {
            Some(path) => property(view, path).is_some_and(|value| self.names(&value, to, false)),
            None => crate::view::references(view.into(), self.space.space).contains(&to),
        }
    }

    fn names(&self, value: &Value, to: ObjectId, nested: bool) -> bool {
        match value {
            Value::Ref(Ref { space, object }) => {
                *object == to && space.is_none_or(|id| id == self.space.space)
            }
            Value::List(values) if !nested => {
                values.iter().any(|value| self.names(value, to, true))
            }
            _ => false,
        }
    }
}

impl Others for Everything<'_> {
    fn holds(&self, filter: &Filter, view: &ObjectView) -> Option<bool> {
        Some(match filter {
            Filter::ChildOf { parent, .. } => view.shown && self.below(view, *parent),
            Filter::In { path, select, of } => {
                let Nested(select) = &**select;
                let values: Vec<Value> = self
                    .select(select, Deleted::Exclude)
                    .iter()
                    .filter_map(|id| property(&self.all[id], of).map(|value| value.into_owned()))
                    .flat_map(|value| self.spread(value))
                    .collect();
                let held = property(view, path).map(|value| self.spread(value.into_owned()));
                held.into_iter().flatten().any(|held| {
                    values
                        .iter()
                        .any(|value| value_key(value) == value_key(&held))
                })
            }
            _ => return None,
        })
    }
}

impl Everything<'_> {
    /// A value or the elements of a list, references into this space in one form.
    fn spread(&self, value: Value) -> Vec<Value> {
        let local = |value: Value| match value {
            Value::Ref(reference) if reference.space == Some(self.space.space) => Value::Ref(Ref {
                space: None,
                object: reference.object,
            }),
            other => other,
        };
        match value {
            Value::List(values) => values.into_iter().map(local).collect(),
            one => vec![local(one)],
        }
    }
}
