//! Queries over materialised rows: filters, order, window.
//!
//! Order is total: by the order-preserving bytes of the property (cut as in the index), then by object id; descending
//! is the exact reverse. Objects without the property stand last in either direction, by id. [`matches`] and [`sort_position`] are the whole meaning; the executor only
//! finds the same rows with less work.

use std::cmp::{Ordering, Reverse};

use dxos_base::{Filter, FilterOp, ObjectId, ObjectView, Query, Value};

use crate::error::EchoError;
use crate::space::{Space, Touched};
use crate::store::{IndexScan, Store};
use crate::view::{bare_type, index_value};

/// Rows a query gives when it names no limit.
pub const QUERY_ROWS_MAX: usize = 10_000;
/// Rows read at once.
const CHUNK: usize = 256;

/// Whether an object fulfils a query's type, filters and deleted option (order and window aside).
pub fn matches(query: &Query, view: &ObjectView) -> bool {
    (view.shown || query.deleted)
        && query
            .type_name
            .as_ref()
            .is_none_or(|wanted| bare_type(&view.type_name) == bare_type(wanted))
        && query.filters.iter().all(|filter| holds(filter, view))
}

/// Whether a live query must run again after a call changed `touched`.
pub fn affects(query: &Query, touched: &Touched) -> bool {
    match &query.type_name {
        Some(wanted) => touched.types.contains(bare_type(wanted)),
        None => !touched.objects.is_empty(),
    }
}

fn property(view: &ObjectView, name: &str) -> Option<Value> {
    match name {
        "@created" => Some(Value::Timestamp(view.created_ms as i64)),
        "@updated" => Some(Value::Timestamp(view.updated_ms as i64)),
        _ => view.values.get(name).cloned(),
    }
}

fn holds(filter: &Filter, view: &ObjectView) -> bool {
    let held = property(view, &filter.property);
    let order = held.as_ref().and_then(|held| compare(held, &filter.value));
    match filter.op {
        FilterOp::Eq => order == Some(Ordering::Equal),
        FilterOp::Neq => order != Some(Ordering::Equal),
        FilterOp::Lt => order == Some(Ordering::Less),
        FilterOp::Lte => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        FilterOp::Gt => order == Some(Ordering::Greater),
        FilterOp::Gte => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        FilterOp::Contains => match (&held, &filter.value) {
            (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
            (Some(Value::List(values)), value) => values
                .iter()
                .any(|held| compare(held, value) == Some(Ordering::Equal)),
            // A set: map of value → true.
            (Some(Value::Map(values)), Value::String(key)) => {
                values.get(key) == Some(&Value::Bool(true))
            }
            _ => false,
        },
    }
}

/// Order of two values of one kind; values of different kinds are unordered and unequal.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => Some(a.total_cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Ref(a), Value::Ref(b)) if a == b => Some(Ordering::Equal),
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) if a == b => {
            Some(Ordering::Equal)
        }
        _ => None,
    }
}

/// Where an object stands in a query's order: compare these.
pub fn sort_position(query: &Query, view: &ObjectView) -> SortPosition {
    let Some(order) = &query.order else {
        return SortPosition::Without(view.object);
    };
    let value = property(view, &order.property)
        .as_ref()
        .and_then(index_value);
    match value {
        Some(value) if order.descending => SortPosition::Descending(Reverse((value, view.object))),
        Some(value) => SortPosition::Ascending(value, view.object),
        None => SortPosition::Without(view.object),
    }
}

/// A place in an order; compare those of one query only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortPosition {
    /// By value, then id.
    Ascending(Vec<u8>, ObjectId),
    /// The exact reverse.
    Descending(Reverse<(Vec<u8>, ObjectId)>),
    /// Without an indexable value of the property: last, by id.
    Without(ObjectId),
}

/// Inclusive lower and exclusive upper bound.
type Range = (Option<Vec<u8>>, Option<Vec<u8>>);

/// An index range that holds every object fulfilling one filter.
fn range_of(filter: &Filter) -> Option<Range> {
    let key = index_value(&filter.value)?;
    let kind = key[0];
    // Keys may be cut: the upper bound must let everything with this prefix in.
    let above = |mut key: Vec<u8>| {
        while let Some(last) = key.pop() {
            if last < 0xff {
                key.push(last + 1);
                return Some(key);
            }
        }
        None
    };
    match filter.op {
        FilterOp::Eq => Some((Some(key.clone()), above(key))),
        FilterOp::Lt | FilterOp::Lte => Some((Some(vec![kind]), above(key))),
        FilterOp::Gt | FilterOp::Gte => Some((Some(key), Some(vec![kind + 1]))),
        FilterOp::Neq | FilterOp::Contains => None,
    }
}

impl Space {
    /// Objects that fulfil a query, in its order and window.
    pub fn query(
        &self,
        store: &mut dyn Store,
        query: &Query,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let indexed = |name: &str| self.policy.covers(name) && !query.deleted;
        if let Some(order) = query
            .order
            .as_ref()
            .filter(|order| indexed(&order.property))
        {
            return self.query_by_order(store, query, &order.property, order.descending);
        }
        let narrowed = query
            .filters
            .iter()
            .filter(|filter| indexed(&filter.property))
            .find_map(|filter| Some((filter, range_of(filter)?)));
        match narrowed {
            Some((filter, (from, to))) => {
                let scan = IndexScan {
                    property: filter.property.clone(),
                    from,
                    to,
                    descending: false,
                    skip: 0,
                    limit: usize::MAX >> 1,
                };
                let mut rows = Vec::new();
                for object in store.index_scan(self.space, &scan)? {
                    rows.extend(
                        self.object(store, object)?
                            .filter(|view| matches(query, view)),
                    );
                }
                rows.sort_by_cached_key(|view| sort_position(query, view));
                Ok(rows
                    .into_iter()
                    .skip(query.skip as usize)
                    .take(limit_of(query))
                    .collect())
            }
            None => self.query_by_scan(store, query),
        }
    }

    /// Walks the order's index, then what lacks the property, until the window is full.
    fn query_by_order(
        &self,
        store: &mut dyn Store,
        query: &Query,
        property: &str,
        descending: bool,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let wanted = query.skip as usize + limit_of(query);
        let narrowed = query
            .filters
            .iter()
            .filter(|filter| filter.property == property);
        let (from, to) = narrowed.filter_map(range_of).next().unwrap_or((None, None));
        let bounded = from.is_some();
        let mut rows: Vec<ObjectView> = Vec::new();
        let mut skip = 0;
        let mut chunk = (wanted + wanted / 2).clamp(16, CHUNK);
        loop {
            let scan = IndexScan {
                property: property.to_owned(),
                from: from.clone(),
                to: to.clone(),
                descending,
                skip,
                limit: chunk,
            };
            let ids = store.index_scan(self.space, &scan)?;
            let done = ids.len() < chunk;
            skip += ids.len();
            for object in ids {
                rows.extend(
                    self.object(store, object)?
                        .filter(|view| matches(query, view)),
                );
            }
            if rows.len() >= wanted || done {
                if done && !bounded && rows.len() < wanted {
                    rows.extend(self.without(store, query, property, wanted - rows.len())?);
                }
                break;
            }
            chunk = CHUNK;
        }
        rows.sort_by_cached_key(|view| sort_position(query, view));
        Ok(rows
            .into_iter()
            .skip(query.skip as usize)
            .take(limit_of(query))
            .collect())
    }

    /// Fulfilling objects that lack an indexable value of `property`, in id order.
    fn without(
        &self,
        store: &mut dyn Store,
        query: &Query,
        property_name: &str,
        count: usize,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let lacks = |view: &ObjectView| {
            property(view, property_name)
                .as_ref()
                .and_then(index_value)
                .is_none()
        };
        self.scan(store, query, count, lacks)
    }

    fn query_by_scan(
        &self,
        store: &mut dyn Store,
        query: &Query,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let wanted = query.skip as usize + limit_of(query);
        let count = if query.order.is_some() {
            usize::MAX
        } else {
            wanted
        };
        let mut rows = self.scan(store, query, count, |_| true)?;
        rows.sort_by_cached_key(|view| sort_position(query, view));
        Ok(rows
            .into_iter()
            .skip(query.skip as usize)
            .take(limit_of(query))
            .collect())
    }

    fn scan(
        &self,
        store: &mut dyn Store,
        query: &Query,
        count: usize,
        also: impl Fn(&ObjectView) -> bool,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let type_name = query.type_name.as_deref().map(bare_type);
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let chunk = store.objects(self.space, type_name, after, CHUNK)?;
            for row in &chunk {
                if rows.len() == count {
                    return Ok(rows);
                }
                if row.shown || query.deleted {
                    let view = self.view_of(row)?;
                    rows.extend(Some(view).filter(|view| matches(query, view) && also(view)));
                }
            }
            match chunk.last() {
                Some(last) if chunk.len() == CHUNK => after = Some(last.object),
                _ => return Ok(rows),
            }
        }
    }

    /// Shown objects whose full text has all `words`, best first.
    pub fn search(
        &self,
        store: &mut dyn Store,
        words: &str,
        limit: usize,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let ids = store.search(self.space, words, limit)?;
        self.views(store, ids)
    }

    /// Shown objects that refer to `target`.
    pub fn referrers(
        &self,
        store: &mut dyn Store,
        target: ObjectId,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let ids = store.referrers(self.space, target)?;
        self.views(store, ids)
    }

    fn views(
        &self,
        store: &mut dyn Store,
        ids: Vec<ObjectId>,
    ) -> Result<Vec<ObjectView>, EchoError> {
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.extend(self.object(store, id)?.filter(|view| view.shown));
        }
        Ok(out)
    }
}

fn limit_of(query: &Query) -> usize {
    if query.limit == 0 {
        QUERY_ROWS_MAX
    } else {
        query.limit as usize
    }
}
