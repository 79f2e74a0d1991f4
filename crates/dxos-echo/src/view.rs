//! What of a record shows (DESIGN 4.3), and what of it is made findable.
//!
//! A leaf shows iff every container above it has the right kind and a *since* older than the leaf. Recursion is
//! bounded by the depth of paths, which [`Change::check`](crate::change::Change::check) bounds.

use std::collections::BTreeMap;

pub(crate) use dxos_base::query::{bare_type, full_text_of, index_value};
use dxos_base::{
    ElementId, FeedId, ForeignKey, ObjectId, ObjectMeta, ObjectView, Path, SpaceId, Step, Value,
    limits,
};

use crate::blobs::blob_keys;
use crate::change::{Kind, Scalar, Stamp};
use crate::query::access::{KEY, TAG, key_value};
use crate::record::{Part, Record, Register, RegisterValue};
use crate::store::IndexKey;
use dxos_base::write::{PARENT, TYPE};

type Row<'a> = (&'a Path, &'a Part, &'a Register);

/// Element ids of shown lists.
type Lists = BTreeMap<Path, Vec<ElementId>>;

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

    /// The picture of the object.
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
        let (created, updated) = self.written();
        let mut view = ObjectView {
            shown: self.shown(),
            created_ms: created.clock.ms(),
            updated_ms: updated.clock.ms(),
            ..ObjectView::new(object, self.type_name())
        };
        for (step, group) in groups(below, 0) {
            let Step::Key(name) = step else { continue };
            if name.starts_with('@') {
                if let Some(value) = show(group, 1, floor, &mut Lists::new()) {
                    view.meta.note(name, &value);
                }
            } else if let Some(value) = show(group, 1, floor, &mut view.lists) {
                view.values.insert(name.clone(), value);
            }
        }
        view
    }

    /// The first write (of the type, where there is one) and the last one.
    pub(crate) fn written(&self) -> (Stamp, Stamp) {
        let stamps = || self.registers.values().map(|register| register.stamp);
        let created = self.type_register().map(|register| register.stamp);
        let created = created.or_else(|| stamps().min()).unwrap_or(Stamp::ZERO);
        (created, stamps().max().unwrap_or(Stamp::ZERO))
    }

    /// Whose the first and the last write are.
    pub(crate) fn writers(&self) -> (FeedId, FeedId) {
        let (created, updated) = self.written();
        (created.feed, updated.feed)
    }

    /// The move under a parent of the same space, as written: circles are the reader's to break.
    pub(crate) fn parent(&self, space: SpaceId) -> Option<(ObjectId, Stamp)> {
        let key = [Step::Key(PARENT.to_owned())];
        let register = self.value(&key)?;
        match &register.value {
            RegisterValue::Scalar(Scalar::Ref(parent))
                if register.stamp > self.floor(&key)
                    && parent.space.is_none_or(|other| other == space) =>
            {
                Some((parent.object, register.stamp))
            }
            _ => None,
        }
    }

    /// The greatest *since* above a path: what is not newer is hidden, or would be once a deleted object or element is
    /// restored.
    pub(crate) fn floor(&self, path: &[Step]) -> Stamp {
        (0..path.len())
            .filter_map(|depth| match &self.value(&path[..depth])?.value {
                RegisterValue::Container { since, .. } => Some(*since),
                RegisterValue::Deleted(Some((_, since))) if is_thing(&path[..depth]) => {
                    Some(*since)
                }
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
        show(&rows, path.len(), self.floor(path), &mut Lists::new())
    }

    /// Elements of the list at a path that show, in order, with their index if it shows.
    pub(crate) fn elements<'a>(&'a self, list: &'a [Step]) -> Vec<(ElementId, Option<&'a [u8]>)> {
        let mut path = list.to_vec();
        path.push(Step::Element(ElementId([0; 8])));
        let floor = self.floor(&path);
        let rows: Vec<Row<'_>> = self.below(list).collect();
        let mut out: Vec<(ElementId, Option<&[u8]>)> = groups(&rows, list.len())
            .filter_map(|(step, group)| match step {
                Step::Element(element) => {
                    show(group, list.len() + 1, floor, &mut Lists::new())?;
                    Some((*element, index_of(group, list.len() + 1, floor)))
                }
                Step::Key(_) => None,
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

/// Whether a path is an object or an element of a list: what is written into one that is deleted does not bring it back.
pub(crate) fn is_thing(path: &[Step]) -> bool {
    matches!(path.last(), None | Some(Step::Element(_)))
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

/// What shows at the path all `rows` begin with; the lists in it go to `lists`.
fn show(rows: &[Row<'_>], depth: usize, floor: Stamp, lists: &mut Lists) -> Option<Value> {
    let (own, below) = split_own(rows, depth);
    let register = match own.first() {
        Some((_, Part::Value, register)) => Some(*register),
        _ => None,
    };
    let visible = register.is_some_and(|register| register.stamp > floor);
    match register.map(|register| (register.stamp, &register.value)) {
        Some((stamp, RegisterValue::Counter(base))) => visible
            .then(|| Value::Counter(total(own, stamp).unwrap_or(0).saturating_add_base(*base))),
        Some((_, RegisterValue::Scalar(scalar))) => visible.then(|| scalar.to_value()),
        Some((_, RegisterValue::Text(text))) => visible.then_some(Value::Text(*text)),
        Some((_, RegisterValue::Container { kind, since })) => {
            show_container(below, depth, *kind, floor.max(*since), visible, lists)
        }
        Some(_) => None,
        None => match total(own, floor) {
            Some(sum) => Some(Value::Counter(sum.saturating_add_base(0))),
            None if below.is_empty() => None,
            None => {
                let map = below
                    .iter()
                    .any(|(path, _, _)| matches!(path[depth], Step::Key(_)));
                let kind = if map { Kind::Map } else { Kind::List };
                show_container(below, depth, kind, floor, false, lists)
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
    lists: &mut Lists,
) -> Option<Value> {
    match kind {
        Kind::Map => {
            let values: BTreeMap<String, Value> = groups(below, depth)
                .filter_map(|(step, group)| match step {
                    Step::Key(name) => Some((name.clone(), show(group, depth + 1, floor, lists)?)),
                    Step::Element(_) => None,
                })
                .collect();
            (visible || !values.is_empty()).then_some(Value::Map(values))
        }
        Kind::List => {
            let mut elements: Vec<_> = groups(below, depth)
                .filter_map(|(step, group)| match step {
                    Step::Element(element) => {
                        let value = show(group, depth + 1, floor, lists)?;
                        let key = sort_key(index_of(group, depth + 1, floor), element);
                        Some((key, *element, value))
                    }
                    Step::Key(_) => None,
                })
                .collect();
            elements.sort_by(|a, b| a.0.cmp(&b.0));
            if let Some((path, _, _)) = below.first().filter(|_| !elements.is_empty()) {
                let ids = elements.iter().map(|(_, element, _)| *element).collect();
                lists.insert(path[..depth].to_vec(), ids);
            }
            let show = visible || !elements.is_empty();
            let values = elements.into_iter().map(|(_, _, value)| value).collect();
            show.then_some(Value::List(values))
        }
    }
}

/// Sum of the totals under an assignment, if there are any.
fn total(own: &[Row<'_>], standing: Stamp) -> Option<i128> {
    let origin = origin_of(own, standing);
    own.iter().fold(None, |sum, (_, part, register)| {
        match (part, &register.value) {
            (Part::Slot { assignment, .. }, RegisterValue::Total(total))
                if *assignment == standing
                    || (assignment.clock == standing.clock
                        && origin_of(own, *assignment) == origin) =>
            {
                Some(sum.unwrap_or(0i128).saturating_add(*total as i128))
            }
            _ => sum,
        }
    })
}

/// The feed in which an assignment was first made. One that was issued again after a fork names the feed it was taken
/// from: as a slot written at the assignment's own clock, which no step has. Steps under either are steps of one.
fn origin_of(own: &[Row<'_>], assignment: Stamp) -> FeedId {
    let mut origin = assignment.feed;
    for _ in 0..limits::FEEDS_PER_DEVICE_MAX {
        let made_in = |row: &&Row<'_>| match row.1 {
            Part::Slot {
                assignment: again, ..
            } => {
                (again.clock, again.feed) == (assignment.clock, origin)
                    && row.2.stamp.clock == assignment.clock
            }
            _ => false,
        };
        match own.iter().find(made_in).map(|row| row.1) {
            Some(Part::Slot { slot, .. }) => origin = *slot,
            _ => break,
        }
    }
    origin
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

/// What findability looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub shown: bool,
    pub created_ms: u64,
    pub updated_ms: u64,
    pub meta: &'a ObjectMeta,
    pub values: &'a BTreeMap<String, Value>,
}

impl<'a> From<&'a ObjectView> for Shape<'a> {
    fn from(view: &'a ObjectView) -> Self {
        Shape {
            shown: view.shown,
            created_ms: view.created_ms,
            updated_ms: view.updated_ms,
            meta: &view.meta,
            values: &view.values,
        }
    }
}

/// Index rows of a shown object.
pub(crate) fn index_keys(view: Shape<'_>, wanted: impl Fn(&str) -> bool) -> Vec<IndexKey> {
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
    for tag in &view.meta.tags {
        keys.extend(key(TAG, &Value::from(tag.as_str())));
    }
    for ForeignKey { source, id } in &view.meta.keys {
        keys.push(IndexKey {
            property: KEY.to_owned(),
            value: key_value(source, id),
        });
    }
    for (name, value) in view.values.iter().filter(|(name, _)| wanted(name)) {
        keys.extend(key(name, value));
    }
    blob_keys(view.values.values(), &mut keys);
    keys
}

/// Objects of the same space a shown object refers to.
pub(crate) fn references(view: Shape<'_>, space: SpaceId) -> Vec<ObjectId> {
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
        let ends = [view.meta.parent, view.meta.source, view.meta.target];
        for reference in ends.into_iter().flatten() {
            collect(&Value::Ref(reference), space, &mut out);
        }
        view.values
            .values()
            .for_each(|value| collect(value, space, &mut out));
        out.sort_unstable();
        out.dedup();
    }
    out
}
