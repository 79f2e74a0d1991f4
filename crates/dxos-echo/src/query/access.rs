//! Ways into the data: what a condition that must hold says about where to look.

use dxos_base::query::{
    Comparison, Deleted, Filter, OrderBy, PropertyPath, Select, bare_type, index_value,
};
use dxos_base::{ObjectId, Query, Value};

use crate::query::sets::Known;
use crate::space::IndexPolicy;
use crate::store::IndexScan;

/// Index rows of tags, and of foreign keys (source, 0, id).
pub(crate) const TAG: &str = "@tag";
/// See [`TAG`].
pub(crate) const KEY: &str = "@key";

/// Values of a list looked up one by one; longer lists are no way in.
pub(crate) const VALUES_MAX: usize = 64;

/// Where the objects are that fulfil a condition: all of them, and perhaps others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Way<'q> {
    /// None fulfils it.
    Nothing,
    /// Among these.
    Ids(Vec<ObjectId>),
    /// In ranges of one property's index.
    Index(Vec<IndexScan>),
    /// Among what refers to one of these.
    Referrers(Vec<ObjectId>),
    /// In the full-text index.
    Text(&'q Filter),
}

impl Way<'_> {
    /// Ways that usually lead to fewer objects stand first.
    pub fn worth(&self) -> u8 {
        match self {
            Way::Nothing => 0,
            Way::Ids(_) => 1,
            Way::Index(scans) => match scans.first().map(|scan| (&scan.property[..], &scan.to)) {
                Some((KEY, _)) => 2,
                Some((TAG, _)) => 4,
                Some((_, Some(_))) if scans.iter().all(is_point) => 3,
                _ => 7,
            },
            Way::Referrers(_) => 5,
            Way::Text(_) => 6,
        }
    }
}

fn is_point(scan: &IndexScan) -> bool {
    match (&scan.from, &scan.to) {
        (Some(from), Some(to)) => from.len() > 1 && to.len() == from.len(),
        _ => false,
    }
}

/// Conditions that all must hold, those nested in and flattened; `None` if the set is more than conditions.
pub(crate) fn conditions(select: &Select) -> Option<Vec<&Filter>> {
    fn flatten<'q>(filter: &'q Filter, out: &mut Vec<&'q Filter>) {
        match filter {
            Filter::And(filters) => filters.iter().for_each(|filter| flatten(filter, out)),
            Filter::Everything => {}
            one => out.push(one),
        }
    }
    match select {
        Select::Where(filter) => {
            let mut out = Vec::new();
            flatten(filter, &mut out);
            Some(out)
        }
        Select::Within(from, filter) => {
            let mut out = conditions(from)?;
            flatten(filter, &mut out);
            Some(out)
        }
        _ => None,
    }
}

/// The one type all objects of a query have, if it names one.
pub fn type_wanted(query: &Query) -> Option<&str> {
    type_of(&conditions(&query.select)?)
}

/// The one type conditions allow, if they name one.
pub(crate) fn type_of<'q>(conditions: &[&'q Filter]) -> Option<&'q str> {
    conditions.iter().find_map(|filter| match filter {
        Filter::Type { name, .. } => Some(bare_type(name)),
        _ => None,
    })
}

/// The indexed property that gives a query's order, and whether it is read backward.
pub(crate) fn order_index<'q>(query: &'q Query, policy: &IndexPolicy) -> Option<(&'q str, bool)> {
    let first = query.order.first()?;
    let OrderBy::Property(path) = &first.by else {
        return None;
    };
    // Of a renamed property each name has an index of its own: none gives the order.
    let name = indexed(path, policy).filter(|_| path.former.is_empty())?;
    (query.deleted == Deleted::Exclude).then_some((name, first.descending))
}

fn indexed<'q>(path: &'q PropertyPath, policy: &IndexPolicy) -> Option<&'q str> {
    let name = path.single()?;
    let known = !name.starts_with('@') || matches!(name, "@created" | "@updated");
    (known && policy.covers(name)).then_some(name)
}

/// The way in that a condition opens, if any. `known` holds what conditions on other objects came to.
pub(crate) fn way<'q>(
    filter: &'q Filter,
    deleted: Deleted,
    policy: &IndexPolicy,
    known: &Known<'q>,
) -> Option<Way<'q>> {
    match filter {
        Filter::Nothing => return Some(Way::Nothing),
        Filter::Ids(ids) => return Some(Way::Ids(distinct(ids.clone()))),
        Filter::In { path, .. } if path.single() == Some("@id") => {
            return Some(Way::Ids(known.objects(filter)?));
        }
        // Deleted objects stand in no index, and may be children themselves.
        _ if deleted != Deleted::Exclude => return None,
        Filter::ChildOf {
            transitive: true, ..
        } => return Some(Way::Ids(known.objects(filter)?)),
        _ => {}
    }
    Some(match filter {
        Filter::Tag(tag) => Way::Index(vec![point(TAG, index_value(&tag[..].into())?)]),
        Filter::Key { source, id } => Way::Index(vec![key_scan(source, id.as_deref())]),
        Filter::ChildOf { parent, .. } => Way::Referrers(vec![*parent]),
        Filter::Text { .. } if policy.full_text => Way::Text(filter),
        Filter::Property { path, is } => return property_way(path, is, policy),
        Filter::In { .. } => Way::Referrers(known.only_objects(filter)?),
        _ => return None,
    })
}

fn property_way<'q>(path: &PropertyPath, is: &Comparison, policy: &IndexPolicy) -> Option<Way<'q>> {
    if path.single() == Some("@id") {
        let ids = match is {
            Comparison::Eq(value) => vec![object_of(value)?],
            Comparison::In(values) => values.iter().filter_map(object_of).collect(),
            _ => return None,
        };
        return Some(Way::Ids(distinct(ids)));
    }
    if let (Comparison::Eq(Value::Ref(target)) | Comparison::Contains(Value::Ref(target)), None) =
        (is, indexed(path, policy))
        && target.space.is_none()
    {
        return Some(Way::Referrers(vec![target.object]));
    }
    let mut names = vec![indexed(path, policy)?];
    for former in path.former.iter().map(|former| &former.name[..]) {
        if !policy.covers(former) {
            return None;
        }
        if !names.contains(&former) {
            names.push(former);
        }
    }
    let mut scans = Vec::with_capacity(names.len());
    for name in names {
        match is {
            Comparison::In(values) if values.len() <= VALUES_MAX => {
                let keys: Option<Vec<_>> = values.iter().map(index_value).collect();
                scans.extend(keys?.into_iter().map(|key| point(name, key)));
            }
            _ => scans.push(range(name, is)?),
        }
    }
    Some(match scans.is_empty() {
        true => Way::Nothing,
        false => Way::Index(scans),
    })
}

fn object_of(value: &Value) -> Option<ObjectId> {
    match value {
        Value::Ref(reference) if reference.space.is_none() => Some(reference.object),
        _ => None,
    }
}

fn distinct(mut ids: Vec<ObjectId>) -> Vec<ObjectId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn key_scan(source: &str, id: Option<&str>) -> IndexScan {
    match id {
        Some(id) => point(KEY, key_value(source, id)),
        None => {
            let from = key_value(source, "");
            scan(KEY, Some(from.clone()), above(from))
        }
    }
}

/// Index bytes of a foreign key.
pub(crate) fn key_value(source: &str, id: &str) -> Vec<u8> {
    let whole = format!("{source}\0{id}");
    index_value(&Value::String(whole)).expect("a string has index bytes")
}

/// An index range that holds every object whose property compares so.
pub(crate) fn range(name: &str, is: &Comparison) -> Option<IndexScan> {
    let ends = |value: &Value| {
        let key = index_value(value)?;
        // No value of another kind compares.
        let kind = key[0];
        Some((key, vec![kind], vec![kind + 1]))
    };
    Some(match is {
        Comparison::Eq(value) => point(name, index_value(value)?),
        Comparison::Lt(value) | Comparison::Lte(value) => {
            let (key, low, _) = ends(value)?;
            scan(name, Some(low), above(key))
        }
        Comparison::Gt(value) | Comparison::Gte(value) => {
            let (key, _, high) = ends(value)?;
            scan(name, Some(key), Some(high))
        }
        Comparison::Between(from, to) => {
            scan(name, Some(index_value(from)?), above(index_value(to)?))
        }
        _ => return None,
    })
}

fn scan(property: &str, from: Option<Vec<u8>>, to: Option<Vec<u8>>) -> IndexScan {
    IndexScan {
        property: property.to_owned(),
        from,
        to,
        descending: false,
        skip: 0,
        limit: usize::MAX >> 1,
    }
}

/// Everything that begins with a key: it may be cut.
fn point(property: &str, key: Vec<u8>) -> IndexScan {
    scan(property, Some(key.clone()), above(key))
}

/// The least key above all that begin with `key`.
pub(crate) fn above(mut key: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = key.pop() {
        if last < 0xff {
            key.push(last + 1);
            return Some(key);
        }
    }
    None
}
