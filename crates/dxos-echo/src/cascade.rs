//! Parents: deletion from above and broken circles, computed when reading, never written (DESIGN 4.2).
//!
//! * An object is shown iff neither it nor one of its ancestors is deleted. A parent that never came counts as shown.
//! * On a circle of parents the move with the lowest stamp is ignored.
//! * Ancestors beyond [`ANCESTORS_MAX`] are not looked at: a rule of the state alone, so all replicas show the same.
//!
//! Links of parents are kept in memory between reads: children of one folder ask for the same ones.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{ObjectId, ObjectView, Ref};

use crate::batch::Batch;
use crate::change::Stamp;
use crate::error::EchoError;
use crate::record::Record;
use crate::space::{Space, Touched};
use crate::store::Store;
use crate::view::bare_type;

/// Ancestors of an object that are looked at; writers refuse to nest deeper.
pub const ANCESTORS_MAX: usize = 256;
/// Links held in memory.
const LINKS_MAX: usize = 4096;

/// What children need to know of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Link {
    /// Deleted itself.
    pub deleted: bool,
    /// Its move under a parent.
    pub parent: Option<(ObjectId, Stamp)>,
}

/// Links read since they were last changed.
#[derive(Debug, Default)]
pub(crate) struct Links(RefCell<BTreeMap<ObjectId, Link>>);

impl Links {
    pub fn forget(&self, object: &ObjectId) {
        self.0.borrow_mut().remove(object);
    }

    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What an object's ancestors make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    /// One of them is deleted.
    hidden: bool,
    /// Its own move is the one that is ignored.
    ignored: bool,
}

/// Walks up from an object whose move is `own`; `link_of` gives the links of others.
fn standing(
    object: ObjectId,
    own: (ObjectId, Stamp),
    mut link_of: impl FnMut(ObjectId) -> Result<Link, EchoError>,
) -> Result<Standing, EchoError> {
    // Each with the stamp of its move and whether it is deleted; the object first.
    let mut chain = vec![(object, own.1, false)];
    let mut next = own.0;
    while chain.len() <= ANCESTORS_MAX {
        if let Some(first) = chain.iter().position(|(other, _, _)| *other == next) {
            let lowest = (first..chain.len()).min_by_key(|at| (chain[*at].1, chain[*at].0));
            let last = lowest.expect("a circle is not empty");
            return Ok(Standing {
                hidden: chain[1..=last].iter().any(|(_, _, deleted)| *deleted),
                ignored: last == 0,
            });
        }
        let link = link_of(next)?;
        chain.push((next, Stamp::ZERO, link.deleted));
        let Some((parent, stamp)) = link.parent else {
            break;
        };
        chain.last_mut().expect("pushed above").1 = stamp;
        next = parent;
    }
    Ok(Standing {
        hidden: chain.iter().any(|(_, _, deleted)| *deleted),
        ignored: false,
    })
}

impl Record {
    pub(crate) fn link(&self, space: dxos_base::SpaceId) -> Link {
        Link {
            deleted: !self.is_empty() && !self.shown(),
            parent: self.parent(space),
        }
    }
}

impl Space {
    fn link_of(&self, store: &mut dyn Store, object: ObjectId) -> Result<Link, EchoError> {
        if let Some(link) = self.links.0.borrow().get(&object) {
            return Ok(*link);
        }
        let link = match store.object(self.space, object)? {
            Some(row) => Record::decode(&row.body)?.link(self.space),
            None => Link::default(),
        };
        let mut links = self.links.0.borrow_mut();
        if links.len() >= LINKS_MAX {
            links.clear();
        }
        links.insert(object, link);
        Ok(link)
    }

    /// Applies what the ancestors of a record's object make of its picture.
    pub(crate) fn cascade(
        &self,
        store: &mut dyn Store,
        record: &Record,
        view: &mut ObjectView,
    ) -> Result<(), EchoError> {
        if view.meta.parent.is_none() {
            return Ok(());
        }
        let Some(own) = record.parent(self.space) else {
            return Ok(());
        };
        let found = standing(view.object, own, |object| self.link_of(store, object))?;
        view.shown &= !found.hidden;
        view.meta.parent = (!found.ignored).then_some(Ref::local(own.0));
        Ok(())
    }

    /// Refuses a move of `object` under `parent` that would close a circle or nest too deep.
    pub(crate) fn check_parent(
        &self,
        batch: &mut Batch<'_>,
        store: &mut dyn Store,
        object: ObjectId,
        parent: ObjectId,
    ) -> Result<(), EchoError> {
        let refuse = |detail| {
            Err(EchoError::BadValue {
                path: dxos_base::write::PARENT.to_owned(),
                detail,
            })
        };
        let mut seen = BTreeSet::from([object]);
        let mut at = Some(parent);
        while let Some(next) = at {
            if next == object {
                return refuse("an object cannot be below itself");
            }
            if !seen.insert(next) {
                // A circle made by others, which the reader breaks.
                return Ok(());
            }
            if seen.len() > ANCESTORS_MAX {
                return refuse("objects nest too deep");
            }
            let record = batch.load(self.space, &self.policy, next, store)?;
            at = record.parent(self.space).map(|(parent, _)| parent);
        }
        Ok(())
    }

    /// Adds the descendants of objects whose deletion or parent changed: they show otherwise now.
    pub(crate) fn touch_descendants(
        &self,
        store: &mut dyn Store,
        mut changed: Vec<ObjectId>,
        touched: &mut Touched,
    ) -> Result<(), EchoError> {
        let mut walked: BTreeSet<ObjectId> = changed.iter().copied().collect();
        while let Some(parent) = changed.pop() {
            for child in store.referrers(self.space, parent)? {
                if walked.contains(&child) {
                    continue;
                }
                let Some(row) = store.object(self.space, child)? else {
                    continue;
                };
                let link = Record::decode(&row.body)?.link(self.space);
                if link.parent.is_some_and(|(other, _)| other == parent) {
                    walked.insert(child);
                    touched.objects.insert(child);
                    touched.types.insert(bare_type(&row.type_name).to_owned());
                    if self.views_wanted {
                        touched.show(self.view_of(store, &row)?);
                    } else {
                        touched.views_left_out = true;
                    }
                    changed.push(child);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::{Clock, FeedId};
    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> ObjectId {
        ObjectId([n as u8; 16])
    }

    fn stamp(clock: u64) -> Stamp {
        Stamp {
            clock: Clock(clock + 1),
            feed: FeedId([0; 16]),
        }
    }

    proptest! {
        /// The naive model: drop the lowest move of every circle of the whole graph, then follow what is left.
        #[test]
        fn circles_break_at_their_lowest_move(
            parents in proptest::collection::vec(proptest::option::of(0..8usize), 8),
            clocks in proptest::sample::subsequence((0..20u64).collect::<Vec<_>>(), 8).prop_shuffle(),
            deleted in proptest::collection::vec(any::<bool>(), 8),
        ) {
            let mut kept = parents.clone();
            for start in 0..8 {
                // On a circle iff eight steps along the moves lead back.
                let mut circle = vec![start];
                while let Some(next) = kept[*circle.last().unwrap()].filter(|_| circle.len() < 9) {
                    if next == start {
                        let lowest = *circle.iter().min_by_key(|n| clocks[**n]).unwrap();
                        kept[lowest] = None;
                        break;
                    }
                    circle.push(next);
                }
            }
            let link = |n: usize| Link {
                deleted: deleted[n],
                parent: parents[n].map(|parent| (id(parent), stamp(clocks[n]))),
            };
            for n in 0..8 {
                let Some(own) = link(n).parent else { continue };
                let found = standing(id(n), own, |object| Ok(link(object.0[0] as usize))).unwrap();
                let mut hidden = false;
                let mut at = kept[n];
                while let Some(above) = at {
                    hidden |= deleted[above];
                    at = kept[above];
                }
                prop_assert_eq!(found, Standing { hidden, ignored: kept[n].is_none() });
            }
        }
    }
}
