//! What of a record shows (DESIGN 4.3), and what of it is made findable.
//!
//! A leaf shows iff every container above it has the right kind and a *since* older than the leaf. Recursion is
//! bounded by the depth of paths, which [`Change::check`](crate::change::Change::check) bounds.

use std::collections::BTreeMap;

pub(crate) use dxos_base::query::{bare_type, full_text, index_value};
use dxos_base::{ElementId, ObjectId, ObjectView, SpaceId, Value};

use crate::change::{Kind, Path, Scalar, Stamp, Step};
use crate::record::{Part, Record, Register, RegisterValue};
use crate::store::IndexKey;

/// Name of the register that holds the type.
const TYPE: &str = "@type";

type Row<'a> = (&'a Path, &'a Part, &'a Register);

/// What shows at a path.
enum Shown {
    /// A value.
    Value(Value),
    /// A text, shown as null.
    Text,
}

impl Shown {
    fn into_value(self) -> Value {
        match self {
            Shown::Value(value) => value,
            Shown::Text => Value::Null,
        }
    }
}

impl Record {
    fn rows(&self) -> Vec<Row<'_>> {
        self.registers
            .iter()
            .map(|((path, part), register)| (path, part, register))
            .collect()
    }

    /// Not deleted.
    pub(crate) fn shown(&self) -> bool {
        !self.is_empty()
            && !matches!(
                self.value(&[]),
                Some(Register {
                    value: RegisterValue::Deleted(_),
                    ..
                })
            )
    }

    /// The register of `@type`; it stands near the front.
    fn type_register(&self) -> Option<&Register> {
        let own = self
            .registers
            .iter()
            .take_while(|((path, _), _)| match path.first() {
                Some(Step::Key(name)) => name.as_str() <= TYPE,
                _ => true,
            });
        let mut own = own.skip_while(
            |((path, part), _)| !matches!((&path[..], part), ([Step::Key(name)], Part::Value) if name == TYPE),
        );
        own.next().map(|(_, register)| register)
    }

    /// `@type`, with its version.
    pub(crate) fn type_name(&self) -> &str {
        match self.type_register() {
            Some(Register {
                value: RegisterValue::Scalar(Scalar::String(name)),
                ..
            }) => name,
            _ => "",
        }
    }

    /// The picture of the object; `saving` is the caller's to fill.
    pub(crate) fn view(&self, object: ObjectId) -> ObjectView {
        let rows = self.rows();
        let (own, below) = split_own(&rows, 0);
        let floor = match own.first() {
            Some((
                _,
                _,
                Register {
                    value: RegisterValue::Container { since, .. },
                    ..
                },
            )) => *since,
            Some((
                _,
                _,
                Register {
                    value: RegisterValue::Deleted(Some((_, since))),
                    ..
                },
            )) => *since,
            _ => Stamp::ZERO,
        };
        let mut values = BTreeMap::new();
        for (step, group) in groups(below, 0) {
            if let (Step::Key(name), Some(shown)) = (step, show(group, 1, floor))
                && name != TYPE
            {
                values.insert(name.clone(), shown.into_value());
            }
        }
        let clocks = || {
            self.registers
                .values()
                .map(|register| register.stamp.clock.ms())
        };
        let created = self
            .type_register()
            .map(|register| register.stamp.clock.ms());
        ObjectView {
            object,
            type_name: self.type_name().to_owned(),
            shown: self.shown(),
            created_ms: created.or_else(|| clocks().min()).unwrap_or(0),
            updated_ms: clocks().max().unwrap_or(0),
            values,
            saving: false,
        }
    }

    /// The greatest *since* above a path: what is not newer is hidden.
    pub(crate) fn floor(&self, path: &[Step]) -> Stamp {
        (0..path.len())
            .filter_map(|depth| match &self.value(&path[..depth])?.value {
                RegisterValue::Container { since, .. } => Some(*since),
                RegisterValue::Deleted(Some((_, since))) if depth == 0 => Some(*since),
                _ => None,
            })
            .max()
            .unwrap_or(Stamp::ZERO)
    }

    /// The value at a path, if it shows (an object's deletion aside).
    pub(crate) fn shown_at(&self, path: &[Step]) -> Option<Value> {
        for depth in 0..path.len() {
            let needed = kind_for(&path[depth]);
            match self.value(&path[..depth]).map(|register| &register.value) {
                None if depth == 0 || self.implied_kind(&path[..depth]) == Some(needed) => {}
                Some(RegisterValue::Container { kind, .. }) if *kind == needed => {}
                Some(RegisterValue::Deleted(_)) if depth == 0 => {}
                _ => return None,
            }
        }
        let rows: Vec<Row<'_>> = self
            .registers
            .range((path.to_vec(), Part::Value)..)
            .take_while(|((p, _), _)| p.starts_with(path))
            .map(|((p, part), register)| (p, part, register))
            .collect();
        show(&rows, path.len(), self.floor(path)).map(Shown::into_value)
    }

    /// Elements of the list at a path that show, in order, with their index if it shows.
    pub(crate) fn elements<'a>(&'a self, list: &'a [Step]) -> Vec<(ElementId, Option<&'a [u8]>)> {
        let mut path = list.to_vec();
        path.push(Step::Element(ElementId([0; 8])));
        let floor = self.floor(&path);
        let rows: Vec<Row<'_>> = self.below(list).collect();
        let mut out: Vec<(ElementId, Option<&[u8]>)> = groups(&rows, list.len())
            .filter_map(|(step, group)| match step {
                Step::Element(element) if show(group, list.len() + 1, floor).is_some() => {
                    Some((*element, index_of(group, list.len() + 1, floor)))
                }
                _ => None,
            })
            .collect();
        out.sort_by_cached_key(|(element, index)| sort_key(*index, element));
        out
    }

    /// The kind a path without register counts as: by what stands below it.
    pub(crate) fn implied_kind(&self, path: &[Step]) -> Option<Kind> {
        let depth = path.len();
        let mut kind = None;
        for (below, _, _) in self.below(path) {
            match below[depth] {
                Step::Key(_) => return Some(Kind::Map),
                Step::Element(_) => kind = Some(Kind::List),
            }
        }
        kind
    }
}

/// The container a step stands in.
pub(crate) fn kind_for(step: &Step) -> Kind {
    match step {
        Step::Key(_) => Kind::Map,
        Step::Element(_) => Kind::List,
    }
}

/// Order in a list: index, then element; without index last.
fn sort_key(index: Option<&[u8]>, element: &ElementId) -> (bool, Vec<u8>) {
    let mut key = index.unwrap_or_default().to_vec();
    key.extend_from_slice(&element.0);
    (index.is_none(), key)
}

fn split_own<'r, 'a>(rows: &'r [Row<'a>], depth: usize) -> (&'r [Row<'a>], &'r [Row<'a>]) {
    rows.split_at(rows.partition_point(|(path, _, _)| path.len() == depth))
}

/// Rows grouped by their step at `depth`; all rows are deeper than that.
fn groups<'r, 'a>(
    rows: &'r [Row<'a>],
    depth: usize,
) -> impl Iterator<Item = (&'a Step, &'r [Row<'a>])> {
    rows.chunk_by(move |a, b| a.0[depth] == b.0[depth])
        .map(move |group| (&group[0].0[depth], group))
}

fn index_of<'a>(rows: &[Row<'a>], depth: usize, floor: Stamp) -> Option<&'a [u8]> {
    split_own(rows, depth)
        .0
        .iter()
        .find_map(|(_, part, register)| match (part, &register.value) {
            (Part::Index, RegisterValue::Index(index)) if register.stamp > floor => {
                Some(&index[..])
            }
            _ => None,
        })
}

fn show(rows: &[Row<'_>], depth: usize, floor: Stamp) -> Option<Shown> {
    let (own, below) = split_own(rows, depth);
    let register = match own.first() {
        Some((_, Part::Value, register)) => Some(*register),
        _ => None,
    };
    let visible = register.is_some_and(|register| register.stamp > floor);
    match register.map(|register| (register.stamp, &register.value)) {
        Some((stamp, RegisterValue::Counter(base))) => visible.then(|| {
            Shown::Value(Value::Int(
                total(own, stamp).unwrap_or(0).saturating_add_base(*base),
            ))
        }),
        Some((_, RegisterValue::Scalar(scalar))) => {
            visible.then(|| Shown::Value(scalar.to_value()))
        }
        Some((_, RegisterValue::Text(_))) => visible.then_some(Shown::Text),
        Some((_, RegisterValue::Container { kind, since })) => {
            show_container(below, depth, *kind, floor.max(*since), visible)
        }
        Some(_) => None,
        None => match total(own, floor) {
            Some(sum) => Some(Shown::Value(Value::Int(sum.saturating_add_base(0)))),
            None if below.is_empty() => None,
            None => {
                let map = below
                    .iter()
                    .any(|(path, _, _)| matches!(path[depth], Step::Key(_)));
                let kind = if map { Kind::Map } else { Kind::List };
                show_container(below, depth, kind, floor, false)
            }
        },
    }
}

/// A container shows if it was written visibly, or if something in it shows.
fn show_container(
    below: &[Row<'_>],
    depth: usize,
    kind: Kind,
    floor: Stamp,
    visible: bool,
) -> Option<Shown> {
    let value = match kind {
        Kind::Map => {
            let values: BTreeMap<String, Value> = groups(below, depth)
                .filter_map(|(step, group)| match step {
                    Step::Key(name) => {
                        Some((name.clone(), show(group, depth + 1, floor)?.into_value()))
                    }
                    Step::Element(_) => None,
                })
                .collect();
            if values.is_empty() && !visible {
                return None;
            }
            Value::Map(values)
        }
        Kind::List => {
            let mut elements: Vec<((bool, Vec<u8>), Value)> = groups(below, depth)
                .filter_map(|(step, group)| match step {
                    Step::Element(element) => {
                        let value = show(group, depth + 1, floor)?.into_value();
                        Some((sort_key(index_of(group, depth + 1, floor), element), value))
                    }
                    Step::Key(_) => None,
                })
                .collect();
            if elements.is_empty() && !visible {
                return None;
            }
            elements.sort_by(|a, b| a.0.cmp(&b.0));
            Value::List(elements.into_iter().map(|(_, value)| value).collect())
        }
    };
    Some(Shown::Value(value))
}

/// Sum of the totals under an assignment, if there are any.
fn total(own: &[Row<'_>], standing: Stamp) -> Option<i128> {
    own.iter().fold(None, |sum, (_, part, register)| {
        match (part, &register.value) {
            (Part::Slot { assignment, .. }, RegisterValue::Total(total))
                if *assignment == standing =>
            {
                Some(sum.unwrap_or(0i128).saturating_add(*total as i128))
            }
            _ => sum,
        }
    })
}

trait AddBase {
    fn saturating_add_base(self, base: i64) -> i64;
}
impl AddBase for i128 {
    fn saturating_add_base(self, base: i64) -> i64 {
        self.saturating_add(base as i128)
            .clamp(i64::MIN as i128, i64::MAX as i128) as i64
    }
}

/// Index rows of a shown object.
pub(crate) fn index_keys(view: &ObjectView, wanted: impl Fn(&str) -> bool) -> Vec<IndexKey> {
    if !view.shown {
        return Vec::new();
    }
    let key = |property: &str, value: &Value| {
        Some(IndexKey {
            property: property.to_owned(),
            value: index_value(value)?,
        })
    };
    let mut keys = Vec::new();
    for (name, ms) in [("@created", view.created_ms), ("@updated", view.updated_ms)] {
        if wanted(name) {
            keys.extend(key(name, &Value::Timestamp(ms as i64)));
        }
    }
    for (name, value) in view.values.iter().filter(|(name, _)| wanted(name)) {
        keys.extend(key(name, value));
    }
    keys
}

/// Objects of the same space a shown object refers to.
pub(crate) fn references(view: &ObjectView, space: SpaceId) -> Vec<ObjectId> {
    fn collect(value: &Value, space: SpaceId, out: &mut Vec<ObjectId>) {
        match value {
            Value::Ref(reference) if reference.space.is_none_or(|other| other == space) => {
                out.push(reference.object)
            }
            Value::List(values) => values.iter().for_each(|value| collect(value, space, out)),
            Value::Map(values) => values.values().for_each(|value| collect(value, space, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    if view.shown {
        view.values
            .values()
            .for_each(|value| collect(value, space, &mut out));
        out.sort_unstable();
        out.dedup();
    }
    out
}
