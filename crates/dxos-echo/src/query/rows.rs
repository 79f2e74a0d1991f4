//! Rows in order, cut to the window.
//!
//! The way in is chosen by looking: conditions that open an index are probed for a bounded number of entries, and
//! the first that turns out small is taken. Else the index over the order is walked, for as long as that pays.

use std::collections::BTreeSet;

use dxos_base::query::{Access, Deleted, Filter, property, row_order};
use dxos_base::{ObjectId, ObjectView, Query};

use crate::error::EchoError;
use crate::query::access::{self, Way, conditions, order_index, type_of};
use crate::query::sets::Known;
use crate::query::{After, Reader};
use crate::store::IndexScan;
use crate::view::index_value;

/// Rows read at once.
const CHUNK: usize = 256;
/// Entries looked at to see whether an index range is small.
const PROBE: usize = 256;
/// Objects read in the order's index, beyond the window, before another way is looked for.
const WALK_PATIENCE: usize = 2_048;
/// Entries of the order's index read at once, at most.
const WALK_CHUNK_MAX: usize = 512;

/// Conditions to be fulfilled, and what those on other objects came to.
pub(crate) struct Wanted<'q> {
    pub filters: Vec<&'q Filter>,
    pub known: Known<'q>,
    pub deleted: Deleted,
}

impl Wanted<'_> {
    /// Whether an object fulfils all but one condition, of which that is known.
    fn fits(&self, view: &ObjectView, but: Option<&Filter>) -> bool {
        self.deleted.lets(view)
            && self.filters.iter().all(|filter| {
                but.is_some_and(|but| std::ptr::eq(*filter, but))
                    || filter.holds(view, &self.known) == Some(true)
            })
    }
}

impl Reader<'_> {
    /// The first rows of a query behind some row.
    pub(crate) fn rows(
        &mut self,
        query: &Query,
        after: Option<&After<'_>>,
        window: usize,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let walk = Walk {
            query,
            after,
            window,
        };
        let Some(filters) = conditions(&query.select) else {
            let rows = self.set(&query.select, query.deleted)?;
            return Ok(self.cut(&walk, rows.into_values().collect()));
        };
        let known = self.learn(filters.iter().copied())?;
        let wanted = Wanted {
            filters,
            known,
            deleted: query.deleted,
        };
        if query.ranked()
            && self.space.policy.full_text
            && query.deleted == Deleted::Exclude
            && let Some(text) = query.text()
        {
            return self.ranked(&wanted, text, window);
        }
        let ways = self.ways(&wanted);
        if let Some((way, ids)) = self.small(&ways)? {
            let rows = self.among(&wanted, way, ids)?;
            return Ok(self.cut(&walk, rows));
        }
        let walked = match order_index(query, &self.space.policy) {
            Some((property, descending)) => {
                self.by_order(&walk, &wanted, property, descending, !ways.is_empty())?
            }
            None if query.order.is_empty() => {
                let patience = match ways.is_empty() {
                    true => usize::MAX,
                    false => window.saturating_add(WALK_PATIENCE),
                };
                let from = after.map(|after| after.view.object);
                self.scan(&wanted, from, window, patience, |_| true)?
            }
            None => None,
        };
        if let Some(rows) = walked {
            return Ok(rows);
        }
        let rows = self.all(&wanted, ways.first())?;
        Ok(self.cut(&walk, rows))
    }

    /// All objects that fulfil conditions, in no order.
    pub(crate) fn fulfilling(
        &mut self,
        filters: Vec<&Filter>,
        deleted: Deleted,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let known = self.learn(filters.iter().copied())?;
        let wanted = Wanted {
            filters,
            known,
            deleted,
        };
        let ways = self.ways(&wanted);
        match self.small(&ways)? {
            Some((way, ids)) => self.among(&wanted, way, ids),
            None => self.all(&wanted, ways.first()),
        }
    }

    fn ways<'q>(&self, wanted: &Wanted<'q>) -> Vec<Way<'q>> {
        let policy = &self.space.policy;
        let way = |filter: &&'q Filter| access::way(filter, wanted.deleted, policy, &wanted.known);
        let mut ways: Vec<Way<'q>> = wanted.filters.iter().filter_map(way).collect();
        ways.sort_by_key(Way::worth);
        ways
    }

    /// The way that turns out to lead to fewest objects, if there are few, with their ids.
    fn small<'w, 'q>(
        &mut self,
        ways: &'w [Way<'q>],
    ) -> Result<Option<(&'w Way<'q>, Vec<ObjectId>)>, EchoError> {
        let mut best: Option<(&Way<'q>, Vec<ObjectId>)> = None;
        for way in ways {
            // Ranking many texts to see how many there are costs what the search costs.
            if matches!(way, Way::Text(_)) && best.is_some() {
                continue;
            }
            let ids = self.ids(way, PROBE + 1)?;
            let fewer = best.as_ref().is_none_or(|(_, held)| ids.len() < held.len());
            if ids.len() <= PROBE && fewer {
                best = Some((way, ids));
            }
            if best.as_ref().is_some_and(|(_, ids)| ids.len() <= 1) {
                break;
            }
        }
        Ok(best)
    }

    /// Ids a way leads to, at most `limit`.
    fn ids(&mut self, way: &Way<'_>, limit: usize) -> Result<Vec<ObjectId>, EchoError> {
        let space = self.space.space;
        let ids = match way {
            Way::Nothing => Vec::new(),
            Way::Ids(ids) => return Ok(ids.iter().copied().take(limit).collect()),
            Way::Index(scans) => {
                let mut ids = BTreeSet::new();
                for scan in scans {
                    let limit = limit.saturating_sub(ids.len());
                    let scan = IndexScan {
                        limit,
                        ..scan.clone()
                    };
                    ids.extend(self.store.index_scan(space, &scan)?);
                }
                ids.into_iter().collect()
            }
            Way::Referrers(targets) => {
                let mut ids = BTreeSet::new();
                for target in targets {
                    ids.extend(self.store.referrers(space, *target)?);
                }
                ids.into_iter().take(limit).collect()
            }
            Way::Text(filter) => match filter {
                Filter::Text { words, mode } => self.store.search(space, words, *mode, limit)?,
                _ => Vec::new(),
            },
        };
        self.explain.index_entries += ids.len() as u64;
        Ok(ids)
    }

    fn note(&mut self, access: Access) {
        if self.explain.access.last() != Some(&access) {
            self.explain.access.push(access);
        }
    }

    fn note_way(&mut self, way: &Way<'_>, count: usize) {
        let access = match way {
            Way::Nothing => Access::Nothing,
            Way::Ids(_) => Access::Ids {
                count: count as u64,
            },
            Way::Index(scans) => Access::Index {
                property: scans
                    .first()
                    .map(|scan| scan.property.clone())
                    .unwrap_or_default(),
            },
            Way::Referrers(_) => Access::Referrers,
            Way::Text(filter) => Access::Text {
                words: words_of(filter).to_owned(),
            },
        };
        self.note(access);
    }

    /// Those of the objects a way led to that fulfil all conditions.
    fn among(
        &mut self,
        wanted: &Wanted<'_>,
        way: &Way<'_>,
        ids: Vec<ObjectId>,
    ) -> Result<Vec<ObjectView>, EchoError> {
        self.note_way(way, ids.len());
        let but = match way {
            Way::Text(filter) => Some(*filter),
            _ => None,
        };
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(self.view(id)?.filter(|view| wanted.fits(view, but)));
        }
        Ok(rows)
    }

    /// All objects that fulfil the conditions, by the best way in there is.
    fn all(
        &mut self,
        wanted: &Wanted<'_>,
        way: Option<&Way<'_>>,
    ) -> Result<Vec<ObjectView>, EchoError> {
        match way {
            Some(way) => {
                let ids = self.ids(way, usize::MAX >> 1)?;
                self.among(wanted, way, ids)
            }
            None => {
                let rows = self.scan(wanted, None, usize::MAX, usize::MAX, |_| true)?;
                Ok(rows.unwrap_or_default())
            }
        }
    }

    /// Best first, until the window is full.
    fn ranked(
        &mut self,
        wanted: &Wanted<'_>,
        text: &Filter,
        window: usize,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let Filter::Text { words, mode } = text else {
            return Ok(Vec::new());
        };
        self.note_way(&Way::Text(text), 0);
        let mut limit = window.min(usize::MAX >> 1);
        let mut rows = Vec::new();
        let mut read = 0;
        loop {
            let ids = self.store.search(self.space.space, words, *mode, limit)?;
            let done = ids.len() < limit;
            self.explain.index_entries += ids.len() as u64;
            for id in ids.into_iter().skip(read) {
                read += 1;
                rows.extend(self.view(id)?.filter(|view| wanted.fits(view, Some(text))));
            }
            if done || rows.len() >= window {
                rows.truncate(window);
                return Ok(rows);
            }
            limit = limit.saturating_mul(4).min(usize::MAX >> 1);
        }
    }

    /// Walks the index over the order's first key, then what lacks a value there, until the window is full. `None`
    /// when patience ran out; only with another way in, or a type with few objects, does it end.
    fn by_order(
        &mut self,
        walk: &Walk<'_>,
        wanted: &Wanted<'_>,
        name: &str,
        descending: bool,
        other_ways: bool,
    ) -> Result<Option<Vec<ObjectView>>, EchoError> {
        self.note(Access::Order {
            property: name.to_owned(),
            descending,
        });
        let mut rows: Vec<ObjectView> = Vec::new();
        let (scan, bounded) = walk.scan(wanted, name, descending);
        if let Some(mut scan) = scan {
            let mut read = 0;
            let mut patience = walk.window.saturating_add(WALK_PATIENCE);
            loop {
                let ids = self.store.index_scan(self.space.space, &scan)?;
                self.explain.index_entries += ids.len() as u64;
                let done = ids.len() < scan.limit;
                scan.skip += ids.len();
                for id in ids {
                    if walk.single() && rows.len() >= walk.window {
                        return Ok(Some(walk.in_order(rows)));
                    }
                    if walk.after.is_some_and(|after| after.view.object == id) {
                        continue;
                    }
                    read += 1;
                    let Some(view) = self.view(id)? else { continue };
                    if walk.full(&rows, &view, name) {
                        return Ok(Some(walk.in_order(rows)));
                    }
                    if walk.reaches(&view) && wanted.fits(&view, None) {
                        rows.push(view);
                    }
                }
                if done {
                    break;
                }
                if read > patience {
                    if other_ways || self.few_of_type(wanted)? {
                        return Ok(None);
                    }
                    patience = usize::MAX;
                }
                scan.limit = (scan.limit * 2).min(WALK_CHUNK_MAX);
            }
        }
        if !bounded && rows.len() < walk.window {
            // By id, if the first key is the only one.
            let lacks = |view: &ObjectView| value_at(view, name).is_none() && walk.reaches(view);
            let (from, count) = match walk.single() {
                true => (walk.id_without(name), walk.window - rows.len()),
                false => (None, usize::MAX),
            };
            let found = self.scan(wanted, from, count, usize::MAX, lacks)?;
            rows.extend(found.unwrap_or_default());
        }
        Ok(Some(walk.in_order(rows)))
    }

    /// Whether reading all objects of the type asked for is cheap.
    fn few_of_type(&mut self, wanted: &Wanted<'_>) -> Result<bool, EchoError> {
        let Some(name) = type_of(&wanted.filters) else {
            return Ok(false);
        };
        let rows = self
            .store
            .objects(self.space.space, Some(name), None, WALK_PATIENCE)?;
        Ok(rows.len() < WALK_PATIENCE)
    }

    /// Fulfilling objects behind an id, in id order, by type where one is asked for, until there are `count`. `None` when more
    /// than `patience` objects were read.
    fn scan(
        &mut self,
        wanted: &Wanted<'_>,
        from: Option<ObjectId>,
        count: usize,
        patience: usize,
        also: impl Fn(&ObjectView) -> bool,
    ) -> Result<Option<Vec<ObjectView>>, EchoError> {
        let name = type_of(&wanted.filters);
        self.note(match name {
            Some(name) => Access::Type {
                name: name.to_owned(),
            },
            None => Access::All,
        });
        let mut rows = Vec::new();
        let mut read = 0;
        let mut after = from;
        let mut limit = count.saturating_add(count / 4).clamp(16, CHUNK);
        loop {
            let chunk = self.store.objects(self.space.space, name, after, limit)?;
            for row in &chunk {
                if rows.len() == count {
                    return Ok(Some(rows));
                }
                read += 1;
                self.explain.examined += 1;
                let view = self.space.view_of(self.store, row)?;
                rows.extend(Some(view).filter(|view| wanted.fits(view, None) && also(view)));
            }
            match chunk.last() {
                Some(last) if chunk.len() == limit => after = Some(last.object),
                _ => return Ok(Some(rows)),
            }
            if read > patience {
                return Ok(None);
            }
            limit = CHUNK;
        }
    }

    fn cut(&mut self, walk: &Walk<'_>, mut rows: Vec<ObjectView>) -> Vec<ObjectView> {
        self.explain.sorted = true;
        rows.retain(|view| walk.reaches(view));
        walk.in_order(rows)
    }
}

/// A stretch of a query's rows.
struct Walk<'w> {
    query: &'w Query,
    after: Option<&'w After<'w>>,
    window: usize,
}

impl Walk<'_> {
    /// The first key is the only one.
    fn single(&self) -> bool {
        self.query.order.len() == 1
    }

    /// Whether an object stands behind the row to read on from.
    fn reaches(&self, view: &ObjectView) -> bool {
        self.after
            .is_none_or(|after| row_order(&self.query.order, view) > after.place)
    }

    /// Whether there are enough rows, and `next` and all behind it belong behind them: further keys may order what
    /// is equal in the first one, so all of that is needed.
    fn full(&self, rows: &[ObjectView], next: &ObjectView, name: &str) -> bool {
        rows.len() >= self.window
            && (self.single()
                || (rows.get(self.window.wrapping_sub(1)))
                    .is_none_or(|last| value_at(last, name) != value_at(next, name)))
    }

    /// Rows in order, cut.
    fn in_order(&self, mut rows: Vec<ObjectView>) -> Vec<ObjectView> {
        rows.sort_by_cached_key(|view| row_order(&self.query.order, view));
        rows.truncate(self.window);
        rows
    }

    /// The range of the first key's index to walk, if any, and whether conditions on that key bound it: what lacks a
    /// value there does not fulfil them.
    fn scan(&self, wanted: &Wanted<'_>, name: &str, descending: bool) -> (Option<IndexScan>, bool) {
        let narrowed = wanted.filters.iter().find_map(|filter| match filter {
            Filter::Property { path, is }
                if path.single() == Some(name) && path.former.is_empty() =>
            {
                access::range(name, is)
            }
            _ => None,
        });
        let bounded = narrowed.is_some();
        let mut scan = narrowed.unwrap_or(IndexScan {
            property: name.to_owned(),
            from: None,
            to: None,
            descending: false,
            skip: 0,
            limit: 0,
        });
        scan.descending = descending;
        scan.limit = self.window.saturating_add(self.window / 2).clamp(16, CHUNK);
        let Some(after) = self.after else {
            return (Some(scan), bounded);
        };
        // What stands last has no value: the index is behind it.
        let Some(value) = value_at(after.view, name) else {
            return (None, bounded);
        };
        if !descending {
            scan.from = scan.from.max(Some(value));
        } else if let Some(above) = access::above(value) {
            scan.to = Some(scan.to.map_or(above.clone(), |to| to.min(above)));
        }
        (Some(scan), bounded)
    }

    /// The id to read on from among objects without a value at the only key.
    fn id_without(&self, name: &str) -> Option<ObjectId> {
        let after = self.after?;
        value_at(after.view, name)
            .is_none()
            .then_some(after.view.object)
    }
}

/// Index bytes of a property at the top.
fn value_at(view: &ObjectView, name: &str) -> Option<Vec<u8>> {
    property(view, &name.into()).and_then(|value| index_value(&value))
}

fn words_of(filter: &Filter) -> &str {
    match filter {
        Filter::Text { words, .. } => words,
        _ => "",
    }
}

/// The window of a query, of all its rows in order.
pub(crate) fn window_of<T>(query: &Query, rows: Vec<T>) -> Vec<T> {
    rows.into_iter()
        .skip(query.skip as usize)
        .take(query.rows_max())
        .collect()
}
