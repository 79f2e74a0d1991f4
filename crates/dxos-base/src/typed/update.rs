//! What a program changed in a value, as the fewest writes that merge with what others change meanwhile.
//!
//! Invariants
//! * applied to the object as shown, the writes give what the program made of it;
//! * what is equal is not written; elements of a list that stay keep their ids, a moved one is moved;
//! * counters are counted by the difference, sets change by member, also those that begin with the change.

use std::collections::BTreeMap;

use crate::ids::{ElementId, ObjectId};
use crate::object::ObjectView;
use crate::path::{Path, Step};
use crate::schema::{Field, FieldType, Item};
use crate::value::Value;
use crate::write::{ObjectWrite, Place};

/// Lists longer than this (after equal ends are taken off) are compared by place, not by content.
const ALIGNED_MAX: usize = 512;

/// The writes that turn `before`, read from the object shown as `view`, into `after`. Fields with a schema are changed
/// as their kind asks for. `new_element` gives 8 random bytes each time.
pub fn update_writes(
    view: &ObjectView,
    fields: &[Field],
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    new_element: &mut dyn FnMut() -> ElementId,
) -> Vec<ObjectWrite> {
    let mut walk = Walk {
        object: view.object,
        view,
        path: Path::new(),
        writes: Vec::new(),
        new_element,
    };
    walk.map(Kinds::Fields(fields), before, after);
    walk.writes
}

/// What is known of the values of a map.
#[derive(Clone, Copy)]
enum Kinds<'a> {
    Fields(&'a [Field]),
    Item(&'a Item),
    Unknown,
}

impl<'a> Kinds<'a> {
    fn below(kind: Option<&'a FieldType>) -> Kinds<'a> {
        match kind {
            Some(FieldType::Struct(fields)) => Kinds::Fields(fields),
            Some(FieldType::Map(item) | FieldType::List(item)) => Kinds::Item(item),
            _ => Kinds::Unknown,
        }
    }

    fn of(self, name: &str) -> Option<&'a FieldType> {
        match self {
            Kinds::Fields(fields) => {
                let field = fields.iter().find(|field| field.name == name)?;
                Some(&field.kind)
            }
            Kinds::Item(item) => Some(&item.kind),
            Kinds::Unknown => None,
        }
    }
}

struct Walk<'a> {
    object: ObjectId,
    view: &'a ObjectView,
    path: Path,
    writes: Vec<ObjectWrite>,
    new_element: &'a mut dyn FnMut() -> ElementId,
}

impl Walk<'_> {
    fn map(
        &mut self,
        kinds: Kinds<'_>,
        before: &BTreeMap<String, Value>,
        after: &BTreeMap<String, Value>,
    ) {
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.path.push(Step::Key(name.clone()));
            let path = self.path.clone();
            self.writes.push(ObjectWrite::remove(self.object, path));
            self.path.pop();
        }
        for (name, value) in after {
            self.path.push(Step::Key(name.clone()));
            self.value(kinds.of(name), before.get(name), value);
            self.path.pop();
        }
    }

    fn value(&mut self, kind: Option<&FieldType>, before: Option<&Value>, after: &Value) {
        match (before, after) {
            (Some(before), after) if same(before, after) => {}
            (Some(Value::Counter(old)), Value::Counter(new)) => {
                let by = new.wrapping_sub(*old);
                self.writes
                    .push(ObjectWrite::count(self.object, self.path.clone(), by));
            }
            (Some(Value::Map(old)), Value::Map(new)) => match kind {
                Some(FieldType::Set(_)) => self.set(old, new),
                _ => self.map(Kinds::below(kind), old, new),
            },
            (Some(Value::List(old)), Value::List(new)) => {
                // What others put into an empty list meanwhile stays, as in any other one.
                let elements = self.view.elements(&self.path);
                let short = !old.is_empty() || new.len() <= ALIGNED_MAX;
                if elements.len() == old.len() && short {
                    let elements = elements.to_vec();
                    self.list(Kinds::below(kind), &elements, old, new);
                } else {
                    self.whole(after);
                }
            }
            (None, Value::Counter(new)) if self.view.value(&self.path).is_none() => {
                // Steps that others make meanwhile add up: an absent counter is one that stands at 0.
                let path = self.path.clone();
                self.writes
                    .push(ObjectWrite::count(self.object, path, *new));
            }
            _ => self.whole(after),
        }
    }

    fn whole(&mut self, value: &Value) {
        let path = self.path.clone();
        self.writes
            .push(ObjectWrite::set(self.object, path, value.clone()));
    }

    fn set(&mut self, before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) {
        let held = |set: &BTreeMap<String, Value>, member: &str| {
            set.get(member) == Some(&Value::Bool(true))
        };
        for member in before
            .keys()
            .filter(|member| held(before, member) && !held(after, member))
        {
            let path = self.path.clone();
            self.writes
                .push(ObjectWrite::exclude(self.object, path, member));
        }
        for member in after
            .keys()
            .filter(|member| held(after, member) && !held(before, member))
        {
            let path = self.path.clone();
            self.writes
                .push(ObjectWrite::include(self.object, path, member));
        }
    }

    fn list(&mut self, kinds: Kinds<'_>, elements: &[ElementId], old: &[Value], new: &[Value]) {
        let list = self.path.clone();
        let plan = align(old, new);
        for (at, element) in elements.iter().enumerate() {
            if !plan.iter().any(|source| source.from == Some(at)) {
                let mut path = list.clone();
                path.push(Step::Element(*element));
                self.writes.push(ObjectWrite::remove(self.object, path));
            }
        }
        let mut previous: Option<ElementId> = None;
        for (value, source) in new.iter().zip(&plan) {
            let place = previous.map_or(Place::Start, Place::After);
            let element = match source.from {
                Some(at) => {
                    if source.moved {
                        self.writes.push(ObjectWrite::Move {
                            object: self.object,
                            list: list.clone(),
                            element: elements[at],
                            place,
                        });
                    }
                    self.path.push(Step::Element(elements[at]));
                    self.value(kinds.of(""), Some(&old[at]), value);
                    self.path.pop();
                    elements[at]
                }
                None => {
                    let element = (self.new_element)();
                    self.writes.push(ObjectWrite::Insert {
                        object: self.object,
                        list: list.clone(),
                        element,
                        place,
                        value: value.clone(),
                    });
                    element
                }
            };
            previous = Some(element);
        }
    }
}

/// Where a new element comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Source {
    /// The old element it is, if any.
    from: Option<usize>,
    /// It stands elsewhere among those that stay.
    moved: bool,
}

/// For each element of `new`, the one of `old` it continues.
fn align(old: &[Value], new: &[Value]) -> Vec<Source> {
    let pairs = || old.iter().zip(new);
    let head = pairs().take_while(|(a, b)| same(a, b)).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| same(a, b))
        .count();
    let mut plan = vec![Source::default(); new.len()];
    for (at, source) in plan[..head].iter_mut().enumerate() {
        source.from = Some(at);
    }
    for back in 1..=tail {
        plan[new.len() - back].from = Some(old.len() - back);
    }
    let (old_middle, new_middle) = (head..old.len() - tail, head..new.len() - tail);
    if old_middle.len().max(new_middle.len()) <= ALIGNED_MAX {
        for (at, to) in common(&old[old_middle.clone()], &new[new_middle.clone()]) {
            plan[head + to].from = Some(head + at);
        }
        take_moved(old, new, &mut plan, old_middle.clone(), new_middle.clone());
    }
    replace_in_place(&mut plan, old_middle, new_middle);
    plan
}

/// Equal elements that stand elsewhere.
fn take_moved(
    old: &[Value],
    new: &[Value],
    plan: &mut [Source],
    old_middle: std::ops::Range<usize>,
    new_middle: std::ops::Range<usize>,
) {
    let mut used = vec![false; old.len()];
    plan.iter()
        .filter_map(|source| source.from)
        .for_each(|at| used[at] = true);
    for to in new_middle {
        if plan[to].from.is_none()
            && let Some(at) = old_middle
                .clone()
                .find(|at| !used[*at] && same(&old[*at], &new[to]))
        {
            used[at] = true;
            plan[to] = Source {
                from: Some(at),
                moved: true,
            };
        }
    }
}

/// What goes and what comes between the same neighbours is one element with another value.
fn replace_in_place(
    plan: &mut [Source],
    old_middle: std::ops::Range<usize>,
    new_middle: std::ops::Range<usize>,
) {
    let used: std::collections::BTreeSet<usize> = plan.iter().filter_map(|s| s.from).collect();
    let mut at = old_middle.start;
    for to in new_middle {
        match plan[to] {
            Source {
                from: Some(kept),
                moved: false,
            } => at = kept + 1,
            Source { moved: true, .. } => {}
            Source { from: None, .. } => {
                if at < old_middle.end && !used.contains(&at) {
                    plan[to].from = Some(at);
                    at += 1;
                }
            }
        }
    }
}

/// A longest common subsequence, as pairs of places.
fn common(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            longest[at * width + to] = if same(&old[at], &new[to]) {
                longest[(at + 1) * width + to + 1] + 1
            } else {
                longest[(at + 1) * width + to].max(longest[at * width + to + 1])
            };
        }
    }
    let (mut at, mut to, mut pairs) = (0, 0, Vec::new());
    while at < old.len() && to < new.len() {
        if same(&old[at], &new[to]) {
            pairs.push((at, to));
            (at, to) = (at + 1, to + 1);
        } else if longest[(at + 1) * width + to] >= longest[at * width + to + 1] {
            at += 1;
        } else {
            to += 1;
        }
    }
    pairs
}

/// Equal, and the one NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a, b), (Value::Float(a), Value::Float(b)) if a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::path::key_path;

    type Values = BTreeMap<String, Value>;

    fn values(pairs: &[(&str, Value)]) -> Values {
        let owned = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        pairs.iter().map(owned).collect()
    }

    /// The writes, and the object after them.
    fn run(before: &Values, after: &Values, fields: &[Field]) -> (Vec<ObjectWrite>, ObjectView) {
        let mut view = ObjectView::created(ObjectId([1; 16]), "", before);
        let mut last = 100u64;
        let mut element = || {
            last += 1;
            ElementId(last.to_le_bytes())
        };
        let writes = update_writes(&view, fields, before, after, &mut element);
        for write in &writes {
            view.apply(write);
        }
        (writes, view)
    }

    fn list(items: &[i64]) -> Value {
        Value::List(items.iter().map(|item| Value::Int(*item)).collect())
    }

    #[test]
    fn a_list_changes_by_element() {
        let check = |before: &[i64], after: &[i64], writes: usize| {
            let (made, view) = run(
                &values(&[("l", list(before))]),
                &values(&[("l", list(after))]),
                &[],
            );
            assert_eq!(
                view.values["l"],
                list(after),
                "{before:?} {after:?} {made:?}"
            );
            assert_eq!(made.len(), writes, "{before:?} {after:?} {made:?}");
        };
        check(&[1, 2, 3], &[1, 2, 3], 0);
        check(&[1, 2, 3], &[1, 2, 3, 4], 1);
        check(&[1, 2, 3], &[0, 1, 2, 3], 1);
        check(&[1, 2, 3], &[1, 3], 1);
        check(&[1, 2, 3], &[1, 9, 3], 1);
        check(&[1, 2, 3], &[3, 1, 2], 1);
        check(&[1, 2, 3], &[], 3);
        check(&[], &[1, 2], 2);
        check(&[1, 1, 2], &[1, 2, 1], 1);
    }

    #[test]
    fn counters_sets_and_maps_change_by_what_differs() {
        let fields = [Field::new("s", FieldType::set(FieldType::String))];
        let map = |pairs: &[(&str, Value)]| Value::Map(values(pairs));
        let before = values(&[
            ("c", Value::Counter(5)),
            ("m", map(&[("x", 1.into())])),
            ("s", Value::set(["a", "b"])),
        ]);
        let after = values(&[
            ("c", Value::Counter(3)),
            ("m", map(&[("x", 1.into()), ("y", 2.into())])),
            ("s", Value::set(["b", "c"])),
        ]);
        let (writes, _) = run(&before, &after, &fields);
        let object = ObjectId([1; 16]);
        assert_eq!(
            writes,
            [
                ObjectWrite::count(object, "c", -2),
                ObjectWrite::set(object, ["m", "y"], 2),
                ObjectWrite::exclude(object, "s", "a"),
                ObjectWrite::include(object, "s", "c"),
            ]
        );
    }

    #[test]
    fn what_two_programs_begin_at_once_adds_up() {
        let object = ObjectId([1; 16]);
        let mut view = ObjectView::created(object, "", &Values::new());
        let mut last = 0u64;
        let mut element = || {
            last += 1;
            ElementId(last.to_le_bytes())
        };
        // Neither has seen what the other one writes. An absent list reads as an empty one.
        let before = values(&[("l", list(&[]))]);
        let after = |n: i64| values(&[("l", list(&[n])), ("c", Value::Counter(n))]);
        let writes = [1, 2].map(|n| update_writes(&view, &[], &before, &after(n), &mut element));
        for write in writes.iter().flatten() {
            view.apply(write);
        }
        assert_eq!(view.values["c"], Value::Counter(3));
        assert_eq!(view.elements(&key_path(&["l"])).len(), 2);
        // One that is no counter is replaced.
        view.apply(&ObjectWrite::set(object, "c", Value::Null));
        let again = update_writes(&view, &[], &Values::new(), &after(4), &mut element);
        assert!(again.contains(&ObjectWrite::set(object, "c", Value::Counter(4))));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0i64..4).prop_map(Value::Int),
            any::<bool>().prop_map(Value::Bool)
        ];
        leaf.prop_recursive(3, 20, 6, |inner| {
            prop_oneof![
                3 => proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                1 => proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn writes_make_of_the_shown_what_the_program_made(
            before in proptest::collection::btree_map("[a-c]", value(), 0..3),
            after in proptest::collection::btree_map("[a-c]", value(), 0..3),
        ) {
            let (writes, view) = run(&before, &after, &[]);
            prop_assert_eq!(&view.values, &after, "{:?}", writes);
            let (again, _) = run(&after, &after, &[]);
            prop_assert_eq!(again, []);
        }
    }
}
