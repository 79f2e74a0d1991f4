//! The merge as DESIGN 4.3 says it, over a plain list of changes: no records, no order, no incremental state. Slow.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{FeedId, ObjectId, Path, Step, TextId, Value};
use dxos_echo::change::{Change, Kind, Operation, Stamp};

/// All changes of one object that touch registers.
pub struct Naive<'a> {
    changes: Vec<(&'a Change, Stamp)>,
    paths: BTreeSet<&'a Path>,
}

const LAST: Stamp = Stamp {
    clock: dxos_base::Clock::MAX,
    feed: FeedId([255; 16]),
};

impl<'a> Naive<'a> {
    pub fn of(all: &'a [(Change, FeedId)], object: ObjectId) -> Naive<'a> {
        let mine = all.iter().filter(|(change, _)| {
            change.object == object && !matches!(change.operation, Operation::Text { .. })
        });
        let stamped = mine.map(|(change, feed)| {
            let stamp = Stamp {
                clock: change.clock,
                feed: *feed,
            };
            (change, stamp)
        });
        let changes: Vec<_> = stamped.collect();
        let paths = changes.iter().map(|(change, _)| &change.path).collect();
        Naive { changes, paths }
    }

    fn greatest(
        &self,
        path: &[Step],
        part: impl Fn(&Operation) -> bool,
    ) -> Option<(&'a Operation, Stamp)> {
        let here = self
            .changes
            .iter()
            .filter(|(change, _)| change.path == path && part(&change.operation));
        let greatest = here.max_by_key(|(_, stamp)| *stamp);
        greatest.map(|(change, stamp)| (&change.operation, *stamp))
    }

    /// What a path is.
    fn is(&self, path: &[Step]) -> Option<(&'a Operation, Stamp)> {
        self.greatest(path, |operation| {
            !matches!(operation, Operation::Index(_) | Operation::Count { .. })
        })
    }

    /// The greatest *since* above a path.
    fn since_above(&self, path: &[Step]) -> Stamp {
        let sinces = (0..path.len()).filter_map(|depth| match self.is(&path[..depth])? {
            (Operation::Assign { since, .. }, stamp) => Some(since.unwrap_or(stamp)),
            (Operation::Delete { hides }, _) if depth == 0 => hides.map(|(_, since)| since),
            _ => None,
        });
        sinces.max().unwrap_or(Stamp::ZERO)
    }

    /// Sum of the steps under an assignment, each slot's greatest total once.
    fn counted(&self, path: &[Step], under: Stamp) -> Option<i128> {
        let slots: BTreeSet<FeedId> = self
            .changes
            .iter()
            .filter(|(change, _)| change.path == path)
            .filter_map(|(change, _)| match &change.operation {
                Operation::Count {
                    assignment, slot, ..
                } if *assignment == under => Some(*slot),
                _ => None,
            })
            .collect();
        if slots.is_empty() {
            return None;
        }
        let totals = slots.iter().map(|wanted| {
            let found = self.greatest(path, |operation| {
                matches!(operation, Operation::Count { assignment, slot, .. }
                    if *assignment == under && slot == wanted)
            });
            match found {
                Some((Operation::Count { total, .. }, _)) => i128::from(*total),
                _ => 0,
            }
        });
        Some(totals.sum())
    }

    fn implied(&self, path: &[Step]) -> Kind {
        let below = self
            .paths
            .iter()
            .filter(|other| other.len() > path.len() && other.starts_with(path));
        let mut map = false;
        for other in below {
            map |= matches!(other[path.len()], Step::Key(_));
        }
        if map { Kind::Map } else { Kind::List }
    }

    /// Every container above is of the right kind, with a *since* older than `stamp`.
    fn open(&self, path: &[Step], stamp: Stamp) -> bool {
        (0..path.len()).all(|depth| {
            let above = &path[..depth];
            let needed = match path[depth] {
                Step::Key(_) => Kind::Map,
                Step::Element(_) => Kind::List,
            };
            match self.is(above) {
                Some((Operation::Assign { kind, since }, own)) => {
                    *kind == needed && since.unwrap_or(own) < stamp
                }
                Some((Operation::Delete { hides }, _)) => {
                    depth == 0 && hides.is_none_or(|(_, since)| since < stamp)
                }
                Some(_) => false,
                None if depth == 0 => true,
                None => {
                    self.counted(above, self.since_above(above)).is_none()
                        && self.implied(above) == needed
                }
            }
        })
    }

    pub fn deleted(&self) -> bool {
        matches!(self.is(&[]), Some((Operation::Delete { .. }, _)))
    }

    /// The value at a path, if it shows; texts as one and the same.
    pub fn value(&self, path: &[Step]) -> Option<Value> {
        let clamp = |sum: i128| Value::Counter(sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        let (kind, assigned) = match self.is(path) {
            Some((Operation::Set(scalar), stamp)) => {
                return self.open(path, stamp).then(|| scalar.to_value());
            }
            Some((Operation::SetText(_), stamp)) => {
                let text = Value::Text(TextId([0; 16]));
                return self.open(path, stamp).then_some(text);
            }
            Some((Operation::SetCounter(base), stamp)) => {
                let steps = self.counted(path, stamp).unwrap_or(0);
                return self
                    .open(path, stamp)
                    .then(|| clamp(steps + i128::from(*base)));
            }
            Some((Operation::Assign { kind, .. }, stamp)) => (*kind, self.open(path, stamp)),
            Some((Operation::Delete { .. }, _)) if !path.is_empty() => return None,
            Some(_) => (Kind::Map, true),
            None => {
                if let Some(steps) = self.counted(path, self.since_above(path)) {
                    return self.open(path, LAST).then(|| clamp(steps));
                }
                (self.implied(path), path.is_empty())
            }
        };
        let below = self
            .paths
            .iter()
            .filter(|other| other.len() > path.len() && other.starts_with(path));
        let steps: BTreeSet<&Step> = below.map(|other| &other[path.len()]).collect();
        let child = |step: &Step| [path, std::slice::from_ref(step)].concat();
        match kind {
            Kind::Map => {
                let mut values = BTreeMap::new();
                for step in steps {
                    if let Step::Key(name) = step
                        && let Some(value) = self.value(&child(step))
                    {
                        values.insert(name.clone(), value);
                    }
                }
                (assigned || !values.is_empty()).then_some(Value::Map(values))
            }
            Kind::List => {
                let mut elements = Vec::new();
                for step in steps {
                    if let Step::Element(element) = step
                        && let Some(value) = self.value(&child(step))
                    {
                        let path = child(step);
                        let index = self
                            .greatest(&path, |operation| matches!(operation, Operation::Index(_)));
                        let index = match index {
                            Some((Operation::Index(index), stamp)) if self.open(&path, stamp) => {
                                Some(index)
                            }
                            _ => None,
                        };
                        let mut key = index.cloned().unwrap_or_default();
                        key.extend(element.0);
                        elements.push((index.is_none(), key, value));
                    }
                }
                elements.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
                let values: Vec<_> = elements.into_iter().map(|(_, _, value)| value).collect();
                (assigned || !values.is_empty()).then_some(Value::List(values))
            }
        }
    }
}
