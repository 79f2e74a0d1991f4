//! What a write makes of an object's picture: for rows a client shows before the node has answered.
//!
//! * A write the node would refuse changes nothing here.
//! * What only the node knows stays as it was until it tells: times and writers, what a restored container holds,
//!   which text a new one is.
//!   Elements of a list that is set whole get stand-in ids.
//!
//! Invariant: a shown list that is not empty has as many ids in [`ObjectView::lists`] as values.

use std::collections::BTreeMap;

use crate::ids::{ElementId, ObjectId, TextId};
use crate::object::{ForeignKey, ObjectView};
use crate::path::{Path, Step};
use crate::value::{Ref, Value};
use crate::write::{KEYS, META, ObjectWrite, PARENT, SOURCE, TAGS, TARGET};

type Lists = BTreeMap<Path, Vec<ElementId>>;

impl ObjectView {
    /// The picture of an object right after its creation.
    pub fn created(
        object: ObjectId,
        type_name: &str,
        values: &BTreeMap<String, Value>,
    ) -> ObjectView {
        let mut view = ObjectView::new(object, type_name);
        view.created_ms = object.created_ms();
        view.updated_ms = view.created_ms;
        for (name, value) in values {
            if name.starts_with('@') {
                view.meta.note(name, value);
            } else {
                stand_in(&mut view.lists, &[Step::Key(name.clone())], value);
                view.values.insert(name.clone(), value.clone());
            }
        }
        view
    }

    /// Applies a write to this object, other than its creation; tells whether it changed anything shown.
    pub fn apply(&mut self, write: &ObjectWrite) -> bool {
        if write.object() != self.object {
            return false;
        }
        match write {
            ObjectWrite::Create { .. } => false,
            ObjectWrite::Set { path, value, .. } => self.set(path, value),
            ObjectWrite::Remove { path, .. } if path.is_empty() => {
                std::mem::replace(&mut self.shown, false)
            }
            ObjectWrite::Remove { path, .. } => self.remove(path),
            ObjectWrite::Restore { path, .. } => {
                path.is_empty() && !std::mem::replace(&mut self.shown, true)
            }
            ObjectWrite::Insert {
                list,
                element,
                place,
                value,
                ..
            } => {
                let listed = matches!(self.value(list), None | Some(Value::Null | Value::List(_)));
                if !is_free(list) || !listed || self.elements(list).contains(element) {
                    return false;
                }
                let path = [&list[..], &[Step::Element(*element)]].concat();
                if !self.set(&path, value) {
                    return false;
                }
                self.rearrange(list, *element, |others| place.index_in(others));
                true
            }
            ObjectWrite::Move {
                list,
                element,
                place,
                ..
            } => {
                self.elements(list).contains(element)
                    && self.rearrange(list, *element, |others| place.index_in(others))
            }
            ObjectWrite::Count { path, by, .. } => {
                let held = match self.value(path) {
                    None => 0,
                    Some(Value::Counter(held) | Value::Int(held)) => *held,
                    Some(_) => return false,
                };
                self.set(path, &Value::Counter(held.saturating_add(*by)))
            }
            ObjectWrite::Include { set, member, .. } => self.member(set, member, true),
            ObjectWrite::Exclude { set, member, .. } => self.member(set, member, false),
            ObjectWrite::Text { path, .. } => self.set(path, &Value::Text(TextId([0; 16]))),
        }
    }

    fn set(&mut self, path: &[Step], value: &Value) -> bool {
        if let Some(place) = Reserved::of(path) {
            return match (place, value) {
                (Reserved::Reference(name), Value::Ref(reference)) => {
                    self.refer(name, Some(*reference))
                }
                (Reserved::Member(set, member), Value::Bool(held)) => {
                    self.meta_member(set, member, *held)
                }
                _ => false,
            };
        }
        let held = self.value(path);
        let text = |value: Option<&Value>| matches!(value, Some(Value::Text(_)));
        let same = held == Some(value) || (text(held) && text(Some(value)));
        if path.is_empty() || same || self.is_below_gone(path) {
            return false;
        }
        self.lists.retain(|list, _| !list.starts_with(path));
        let (values, lists) = (&mut self.values, &mut self.lists);
        if let Some(slot) = slot(values, lists, path) {
            *slot = value.clone();
            stand_in(lists, path, value);
        }
        true
    }

    /// Whether a path leads into an element that is not here: what is written there does not bring it back.
    fn is_below_gone(&self, path: &[Step]) -> bool {
        (1..path.len()).any(|depth| match &path[depth - 1] {
            Step::Element(element) => !self.elements(&path[..depth - 1]).contains(element),
            Step::Key(_) => false,
        })
    }

    fn remove(&mut self, path: &[Step]) -> bool {
        match Reserved::of(path) {
            Some(Reserved::Reference(name)) => return self.refer(name, None),
            Some(_) => return false,
            None => {}
        }
        let Some((last, above)) = path.split_last() else {
            return false;
        };
        if self.value(path).is_none() {
            return false;
        }
        self.lists.retain(|list, _| !list.starts_with(path));
        match (above, last) {
            ([], Step::Key(name)) => {
                self.values.remove(name);
            }
            (_, step) => match (slot(&mut self.values, &mut self.lists, above), step) {
                (Some(Value::Map(values)), Step::Key(name)) => {
                    values.remove(name);
                }
                (Some(Value::List(values)), Step::Element(element)) => {
                    let ids = self.lists.get_mut(above);
                    if let Some(ids) = ids
                        && let Some(at) = ids.iter().position(|other| other == element)
                    {
                        ids.remove(at);
                        values.remove(at);
                    }
                }
                _ => {}
            },
        }
        self.lists.retain(|_, ids| !ids.is_empty());
        true
    }

    /// Puts an element of a list where `place` says, given the others.
    fn rearrange(
        &mut self,
        list: &[Step],
        element: ElementId,
        place: impl FnOnce(&[ElementId]) -> usize,
    ) -> bool {
        let (values, lists) = (&mut self.values, &mut self.lists);
        let Some(Value::List(values)) = slot(values, lists, list) else {
            return false;
        };
        let Some(ids) = lists.get_mut(list) else {
            return false;
        };
        let Some(from) = ids.iter().position(|other| *other == element) else {
            return false;
        };
        ids.remove(from);
        let value = values.remove(from);
        let to = place(ids);
        ids.insert(to, element);
        values.insert(to, value);
        from != to
    }

    fn member(&mut self, set: &[Step], member: &str, held: bool) -> bool {
        let path = [set, &[Step::Key(member.to_owned())]].concat();
        if let Some(place) = Reserved::of(&path) {
            return match place {
                Reserved::Member(set, member) => self.meta_member(set, member, held),
                _ => false,
            };
        }
        let is = self.value(&path) == Some(&Value::Bool(true));
        if set.is_empty() || !matches!(self.value(set), None | Some(Value::Map(_))) || is == held {
            return false;
        }
        self.set(&path, &Value::Bool(held))
    }

    fn meta_member(&mut self, set: Option<&str>, member: &str, held: bool) -> bool {
        let id = member.to_owned();
        match (set, held) {
            (None, true) => self.meta.tags.insert(id),
            (None, false) => self.meta.tags.remove(member),
            (Some(source), held) => {
                let source = source.to_owned();
                let key = ForeignKey { source, id };
                match held {
                    true => self.meta.keys.insert(key),
                    false => self.meta.keys.remove(&key),
                }
            }
        }
    }

    fn refer(&mut self, name: &str, reference: Option<Ref>) -> bool {
        let slot = match name {
            PARENT => &mut self.meta.parent,
            SOURCE => &mut self.meta.source,
            _ => &mut self.meta.target,
        };
        std::mem::replace(slot, reference) != reference
    }
}

/// A path below a reserved name.
enum Reserved<'p> {
    /// A reference, by its name.
    Reference(&'p str),
    /// A member of the tags (`None`) or of the keys of a source.
    Member(Option<&'p str>, &'p str),
    /// Not written by clients.
    Other,
}

impl Reserved<'_> {
    fn of(path: &[Step]) -> Option<Reserved<'_>> {
        let name = |step: usize| match path.get(step) {
            Some(Step::Key(name)) => name.as_str(),
            _ => "",
        };
        if !name(0).starts_with('@') {
            return None;
        }
        Some(match (name(0), name(1), path.len()) {
            (PARENT | SOURCE | TARGET, _, 1) => Reserved::Reference(name(0)),
            (META, TAGS, 3) => Reserved::Member(None, name(2)),
            (META, KEYS, 4) => Reserved::Member(Some(name(2)), name(3)),
            _ => Reserved::Other,
        })
    }
}

fn is_free(path: &[Step]) -> bool {
    !path.is_empty() && Reserved::of(path).is_none()
}

/// The place of a path; containers above it are made where there are none of the right kind.
fn slot<'v>(
    values: &'v mut BTreeMap<String, Value>,
    lists: &mut Lists,
    path: &[Step],
) -> Option<&'v mut Value> {
    let (Step::Key(first), below) = path.split_first()? else {
        return None;
    };
    let mut at = values.entry(first.clone()).or_insert(Value::Null);
    for (depth, step) in (1..).zip(below) {
        let here = &path[..depth];
        match step {
            Step::Key(name) => {
                if !matches!(at, Value::Map(_)) {
                    lists.retain(|list, _| !list.starts_with(here));
                    *at = Value::Map(BTreeMap::new());
                }
                let Value::Map(values) = at else { return None };
                at = values.entry(name.clone()).or_insert(Value::Null);
            }
            Step::Element(element) => {
                if !matches!(at, Value::List(_)) {
                    lists.retain(|list, _| !list.starts_with(here));
                    *at = Value::List(Vec::new());
                }
                let Value::List(values) = at else { return None };
                let ids = lists.entry(here.to_vec()).or_default();
                let place = ids.iter().position(|other| other == element);
                let place = place.unwrap_or_else(|| {
                    ids.push(*element);
                    values.push(Value::Null);
                    values.len() - 1
                });
                at = values.get_mut(place)?;
            }
        }
    }
    Some(at)
}

/// Gives the elements of all lists in a value stand-in ids: their numbers.
fn stand_in(lists: &mut Lists, path: &[Step], value: &Value) {
    match value {
        Value::List(values) if !values.is_empty() => {
            let ids: Vec<ElementId> = (0..values.len() as u64)
                .map(|n| ElementId(n.to_be_bytes()))
                .collect();
            for (value, id) in values.iter().zip(&ids) {
                stand_in(lists, &[path, &[Step::Element(*id)]].concat(), value);
            }
            lists.insert(path.to_vec(), ids);
        }
        Value::Map(values) => {
            for (name, value) in values {
                stand_in(lists, &[path, &[Step::Key(name.clone())]].concat(), value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{IntoPath, key_path};
    use crate::write::Place;

    const OBJECT: ObjectId = ObjectId([1; 16]);

    fn view() -> ObjectView {
        let values = [
            ("title".to_owned(), Value::from("a")),
            (
                "items".to_owned(),
                Value::List(vec![1.into(), Value::List(vec![2.into()])]),
            ),
        ];
        ObjectView::created(OBJECT, "t@0.1.0", &values.into())
    }

    #[test]
    fn elements_are_put_moved_and_removed() {
        let mut view = view();
        let items = key_path(&["items"]);
        let (x, y) = (ElementId([7; 8]), ElementId([8; 8]));
        let first = view.elements(&items)[0];
        let insert = |element, place, value: i64| ObjectWrite::Insert {
            object: OBJECT,
            list: items.clone(),
            element,
            place,
            value: value.into(),
        };
        assert!(view.apply(&insert(x, Place::Start, 10)));
        assert!(!view.apply(&insert(x, Place::Start, 11)), "done before");
        assert!(view.apply(&insert(y, Place::After(first), 12)));
        let numbers = |view: &ObjectView| match &view.values["items"] {
            Value::List(values) => values.iter().filter_map(Value::as_int).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(numbers(&view), [10, 1, 12]);
        let inner = [&items[..], &[Step::Element(view.elements(&items)[3])]].concat();
        assert_eq!(view.elements(&inner).len(), 1, "a list in a list");
        let to_end = ObjectWrite::Move {
            object: OBJECT,
            list: items.clone(),
            element: x,
            place: Place::End,
        };
        assert!(view.apply(&to_end) && !view.apply(&to_end));
        assert_eq!(numbers(&view), [1, 12, 10]);
        let path = [&items[..], &[Step::Element(y)]].concat();
        assert!(view.apply(&ObjectWrite::set(OBJECT, path.clone(), 13)));
        assert_eq!(view.value(&path), Some(&13.into()));
        assert!(view.apply(&ObjectWrite::remove(OBJECT, path.clone())));
        assert!(!view.apply(&ObjectWrite::remove(OBJECT, path.clone())));
        assert_eq!(numbers(&view), [1, 10]);
        let below = [&path[..], &key_path(&["note"])].concat();
        assert!(!view.apply(&ObjectWrite::set(OBJECT, below, "late")));
        let within = ObjectWrite::Insert {
            object: OBJECT,
            list: path,
            element: x,
            place: Place::End,
            value: 14.into(),
        };
        assert!(!view.apply(&within));
        assert_eq!(view.elements(&items).len(), 3, "nothing came back");
        assert!(view.apply(&ObjectWrite::remove(OBJECT, "items")));
        assert!(view.lists.is_empty());
    }

    #[test]
    fn counters_sets_and_what_is_kept_beside_properties() {
        let mut view = view();
        let count = |name: &str, by| ObjectWrite::count(OBJECT, name, by);
        assert!(view.apply(&count("stars", 2)) && view.apply(&count("stars", -3)));
        assert_eq!(view.values["stars"], Value::Counter(-1));
        assert!(!view.apply(&count("title", 1)), "a string does not count");
        assert!(view.apply(&ObjectWrite::include(OBJECT, "set", "a")));
        assert!(!view.apply(&ObjectWrite::include(OBJECT, "set", "a")));
        assert!(!view.apply(&ObjectWrite::include(OBJECT, "title", "a")));
        assert!(view.apply(&ObjectWrite::exclude(OBJECT, "set", "a")));
        assert_eq!(view.values["set"].members().count(), 0);
        let key = ForeignKey {
            source: "s".into(),
            id: "7".into(),
        };
        assert!(view.apply(&ObjectWrite::tag(OBJECT, "red")));
        assert!(view.apply(&ObjectWrite::add_key(OBJECT, key.clone())));
        let parent = ObjectId([9; 16]);
        assert!(view.apply(&ObjectWrite::set_parent(OBJECT, Some(parent))));
        assert_eq!(view.meta.parent, Some(Ref::local(parent)));
        let copy = ObjectView::created(OBJECT, "t@0.1.0", &view.meta.values());
        assert_eq!(copy.meta, view.meta, "what is kept can be written again");
        assert!(view.apply(&ObjectWrite::untag(OBJECT, "red")));
        assert!(view.apply(&ObjectWrite::remove_key(OBJECT, key)));
        assert!(view.apply(&ObjectWrite::set_parent(OBJECT, None)));
        assert_eq!(view.meta, Default::default());
        for reserved in ["@type", "@created", "@meta", "@new"] {
            assert!(!view.apply(&ObjectWrite::set(OBJECT, reserved, 1)));
            assert!(!view.apply(&ObjectWrite::remove(OBJECT, reserved)));
        }
    }

    #[test]
    fn texts_stay_and_values_make_room_for_what_is_below() {
        let mut view = view();
        let text = Value::Text(crate::TextId([3; 16]));
        assert!(view.apply(&ObjectWrite::set(OBJECT, "body", text.clone())));
        let other = Value::Text(crate::TextId([4; 16]));
        assert!(!view.apply(&ObjectWrite::set(OBJECT, "body", other)));
        assert_eq!(view.values["body"], text);
        assert!(view.apply(&ObjectWrite::set(OBJECT, ["items", "x"], 1)));
        assert!(view.lists.is_empty());
        assert_eq!(view.value(&["items", "x"].into_path()), Some(&1.into()));
        assert!(view.apply(&ObjectWrite::delete(OBJECT)) && !view.shown);
        assert!(view.apply(&ObjectWrite::restore(OBJECT)) && view.shown);
    }
}
