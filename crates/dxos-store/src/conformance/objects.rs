//! Materialised objects: rows, index, full text, references.

use std::collections::BTreeMap;

use dxos_base::ObjectId;
use dxos_base::query::TextMode;
use dxos_echo::store::{Findable, IndexKey, IndexScan, ObjectRow, Store};

use super::{Case, Named, check, object, same, space, text};

pub(super) const CASES: &[Named] = &[
    ("an object row comes back as written and is replaced", rows),
    ("objects are listed by type, in id order, in pages", listing),
    ("the index orders by value, then id, both ways", index_order),
    ("the index takes bounds, skip and limit", index_bounds),
    ("index rows follow the object", index_follows),
    ("long index values are cut and still found", index_long),
    (
        "full text finds all words, the last as a prefix, best first",
        search,
    ),
    (
        "full text follows the object and takes any query",
        search_follows,
    ),
    ("references are found from their target", references),
    ("clearing objects of a space leaves another's", clearing),
    (
        "what a space's objects are findable by is forgotten and put anew",
        findable_anew,
    ),
];

pub(super) fn row(object: ObjectId, type_name: &str, body: &[u8]) -> ObjectRow {
    ObjectRow {
        object,
        type_name: type_name.into(),
        shown: true,
        body: body.to_vec(),
    }
}

pub(super) fn key(property: &str, value: &[u8]) -> IndexKey {
    IndexKey {
        property: property.into(),
        value: value.to_vec(),
    }
}

fn all(property: &str) -> IndexScan {
    IndexScan {
        property: property.into(),
        from: None,
        to: None,
        descending: false,
        skip: 0,
        limit: usize::MAX,
    }
}

/// First bytes of the ids: what a failed check shows.
fn firsts(ids: &[ObjectId]) -> Vec<u8> {
    ids.iter().map(|id| id.0[0]).collect()
}

/// A store, and what was put into it: a caller tells what it put before.
struct Told<'a> {
    store: &'a mut dyn Store,
    before: BTreeMap<(u8, ObjectId), Findable>,
}

impl<'a> Told<'a> {
    fn new(store: &'a mut dyn Store) -> Self {
        Told {
            store,
            before: BTreeMap::new(),
        }
    }

    fn put_row(&mut self, n: u8, row: &ObjectRow, now: Findable) -> Case {
        let before = self.before.insert((n, row.object), now.clone());
        self.store
            .object_put(space(n), row, before.as_ref(), &now)
            .map_err(text)
    }
}

impl<'a> std::ops::Deref for Told<'a> {
    type Target = dyn Store + 'a;
    fn deref(&self) -> &Self::Target {
        self.store
    }
}

impl std::ops::DerefMut for Told<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.store
    }
}

pub(super) fn findable(keys: &[IndexKey], full_text: &str, links: &[ObjectId]) -> Findable {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    let mut references = links.to_vec();
    references.sort_unstable();
    references.dedup();
    Findable {
        keys,
        full_text: full_text.into(),
        references,
    }
}

fn put(
    store: &mut Told<'_>,
    n: u8,
    keys: &[IndexKey],
    full_text: &str,
    links: &[ObjectId],
) -> Case {
    let row = row(object(n), "t", b"b");
    store.put_row(1, &row, findable(keys, full_text, links))
}

fn rows(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    same!(
        store.object(space(1), object(1)).map_err(text)?,
        None,
        "unknown object"
    );
    let first = row(object(1), "org.example.Task", &[0, 1, 255]);
    store.put_row(1, &first, Findable::default())?;
    same!(
        store.object(space(1), object(1)).map_err(text)?,
        Some(first),
        "as written"
    );
    let second = ObjectRow {
        shown: false,
        ..row(object(1), "", b"")
    };
    store.put_row(1, &second, Findable::default())?;
    same!(
        store.object(space(1), object(1)).map_err(text)?,
        Some(second),
        "replaced"
    );
    same!(
        store.object(space(2), object(1)).map_err(text)?,
        None,
        "in another space"
    );
    Ok(())
}

fn listing(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    for (n, type_name) in [(4, "a"), (2, "b"), (1, "a"), (3, "a")] {
        let shown = ObjectRow {
            shown: n != 3,
            ..row(object(n), type_name, &[n])
        };
        store.put_row(1, &shown, Findable::default())?;
    }
    let mut list = |type_name: Option<&str>, after: Option<u8>, limit| -> Result<Vec<u8>, String> {
        let found = store
            .objects(space(1), type_name, after.map(object), limit)
            .map_err(text)?;
        Ok(found.iter().map(|row| row.object.0[0]).collect())
    };
    same!(
        list(None, None, usize::MAX)?,
        [1, 2, 3, 4],
        "all, hidden ones too"
    );
    same!(list(Some("a"), None, usize::MAX)?, [1, 3, 4], "of a type");
    same!(list(Some("a"), Some(1), 1)?, [3], "a page");
    check!(list(None, Some(4), 9)?.is_empty(), "past the end");
    check!(list(Some("never"), None, 9)?.is_empty(), "an unknown type");
    check!(list(Some(""), None, 9)?.is_empty(), "untyped");
    store.put_row(1, &row(object(3), "b", b""), Findable::default())?;
    let found = store.objects(space(1), Some("b"), None, 9).map_err(text)?;
    same!(found.len(), 2, "after a change of type");
    Ok(())
}

fn index_order(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    for (n, value) in [(1, &b"b"[..]), (2, b"a"), (3, b"b"), (4, b""), (5, b"a\0")] {
        put(store, n, &[key("p", value), key("q", b"same")], "", &[])?;
    }
    let up = store.index_scan(space(1), &all("p")).map_err(text)?;
    same!(firsts(&up), [4, 2, 5, 1, 3], "ascending");
    let down = store
        .index_scan(
            space(1),
            &IndexScan {
                descending: true,
                ..all("p")
            },
        )
        .map_err(text)?;
    same!(firsts(&down), [3, 1, 5, 2, 4], "descending");
    let equal = store.index_scan(space(1), &all("q")).map_err(text)?;
    same!(firsts(&equal), [1, 2, 3, 4, 5], "equal values by id");
    check!(
        store
            .index_scan(space(1), &all("r"))
            .map_err(text)?
            .is_empty(),
        "an unknown property"
    );
    check!(
        store
            .index_scan(space(2), &all("p"))
            .map_err(text)?
            .is_empty(),
        "another space"
    );
    Ok(())
}

fn index_bounds(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    for n in 1..=9 {
        put(store, n, &[key("p", &[n])], "", &[])?;
    }
    let mut scan =
        |from: Option<u8>, to: Option<u8>, descending, skip, limit| -> Result<Vec<u8>, String> {
            let from = from.map(|n| vec![n]);
            let to = to.map(|n| vec![n]);
            let scan = IndexScan {
                property: "p".into(),
                from,
                to,
                descending,
                skip,
                limit,
            };
            Ok(firsts(&store.index_scan(space(1), &scan).map_err(text)?))
        };
    same!(
        scan(Some(3), Some(6), false, 0, 99)?,
        [3, 4, 5],
        "from inclusive, to exclusive"
    );
    same!(
        scan(Some(3), Some(6), true, 0, 99)?,
        [5, 4, 3],
        "the same downwards"
    );
    same!(scan(Some(8), None, false, 0, 99)?, [8, 9], "no upper bound");
    same!(scan(None, Some(3), false, 0, 99)?, [1, 2], "no lower bound");
    same!(scan(None, None, false, 7, 99)?, [8, 9], "skip");
    same!(
        scan(None, None, true, 1, 2)?,
        [8, 7],
        "skip and limit downwards"
    );
    check!(
        scan(Some(6), Some(3), false, 0, 99)?.is_empty(),
        "an empty range"
    );
    check!(scan(None, None, false, 0, 0)?.is_empty(), "no rows wanted");
    Ok(())
}

fn index_follows(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    put(
        store,
        1,
        &[key("p", b"old"), key("q", b"x"), key("p", b"old")],
        "",
        &[],
    )?;
    put(store, 1, &[key("p", b"new"), key("p", b"two")], "", &[])?;
    let found = store.index_scan(space(1), &all("p")).map_err(text)?;
    same!(firsts(&found), [1, 1], "one row for each value");
    check!(
        store
            .index_scan(space(1), &all("q"))
            .map_err(text)?
            .is_empty(),
        "the dropped property"
    );
    let old = IndexScan {
        to: Some(b"oldz".to_vec()),
        from: Some(b"old".to_vec()),
        ..all("p")
    };
    check!(
        store.index_scan(space(1), &old).map_err(text)?.is_empty(),
        "the old value"
    );
    put(store, 1, &[], "", &[])?;
    check!(
        store
            .index_scan(space(1), &all("p"))
            .map_err(text)?
            .is_empty(),
        "no rows"
    );
    Ok(())
}

fn index_long(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    let long = vec![7; 5000];
    put(store, 1, &[key("p", &long)], "", &[])?;
    let scan = IndexScan {
        from: Some(long.clone()),
        ..all("p")
    };
    same!(
        firsts(&store.index_scan(space(1), &scan).map_err(text)?),
        [1],
        "by a long lower bound"
    );
    let mut above = long.clone();
    above.push(0);
    let scan = IndexScan {
        from: Some(long),
        to: Some(above),
        ..all("p")
    };
    same!(
        firsts(&store.index_scan(space(1), &scan).map_err(text)?),
        [1],
        "by a long upper bound"
    );
    put(store, 1, &[], "", &[])?;
    check!(
        store
            .index_scan(space(1), &all("p"))
            .map_err(text)?
            .is_empty(),
        "removed"
    );
    Ok(())
}

fn search(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    put(
        store,
        1,
        &[],
        "Buy oat milk and bread and a very long list of other things to eat",
        &[],
    )?;
    put(store, 2, &[], "milk milk oat", &[])?;
    put(store, 3, &[], "Übermut tut selten gut", &[])?;
    let mut find = |query: &str| -> Result<Vec<u8>, String> {
        Ok(firsts(
            &store
                .search(space(1), query, TextMode::Prefix, 9)
                .map_err(text)?,
        ))
    };
    same!(find("milk oat")?, [2, 1], "all words, best first");
    same!(find("oat bre")?, [1], "the last word as a prefix");
    same!(find("OAT MI")?, [2, 1], "without case");
    same!(find("uberm")?, [3], "without accents");
    check!(
        find("oa milk")?.is_empty(),
        "only the last word is a prefix"
    );
    check!(find("cheese")?.is_empty(), "a word of none");
    let mut find = |query: &str, mode| -> Result<Vec<u8>, String> {
        Ok(firsts(
            &store.search(space(1), query, mode, 9).map_err(text)?,
        ))
    };
    check!(
        find("oat bre", TextMode::All)?.is_empty(),
        "whole words only"
    );
    same!(find("oat bread", TextMode::All)?, [1], "all words");
    same!(find("gut cheese", TextMode::Any)?, [3], "any word");
    same!(find("oat gut", TextMode::Any)?.len(), 3, "any of two");
    same!(
        store
            .search(space(1), "milk", TextMode::Prefix, 1)
            .map_err(text)?
            .len(),
        1,
        "limit"
    );
    check!(
        store
            .search(space(2), "milk", TextMode::Prefix, 9)
            .map_err(text)?
            .is_empty(),
        "another space"
    );
    Ok(())
}

fn search_follows(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    put(store, 1, &[], "old words", &[])?;
    put(store, 1, &[], "new words", &[])?;
    check!(
        store
            .search(space(1), "old", TextMode::Prefix, 9)
            .map_err(text)?
            .is_empty(),
        "the old text"
    );
    same!(
        store
            .search(space(1), "new", TextMode::Prefix, 9)
            .map_err(text)?
            .len(),
        1,
        "the new text"
    );
    for query in [
        "", " ", "\"", "*", "a AND", "NEAR(", "body:x", "^", "-", "\u{0}", "((((", "'; DROP",
    ] {
        let found = store.search(space(1), query, TextMode::Prefix, 9);
        check!(found.is_ok(), "{query:?} failed: {found:?}");
    }
    put(store, 1, &[], "", &[])?;
    check!(
        store
            .search(space(1), "new", TextMode::Prefix, 9)
            .map_err(text)?
            .is_empty(),
        "no text"
    );
    Ok(())
}

fn references(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    put(store, 2, &[], "", &[object(9), object(9), object(8)])?;
    put(store, 1, &[], "", &[object(9)])?;
    same!(
        firsts(&store.referrers(space(1), object(9)).map_err(text)?),
        [1, 2],
        "by source"
    );
    put(store, 2, &[], "", &[object(8)])?;
    same!(
        firsts(&store.referrers(space(1), object(9)).map_err(text)?),
        [1],
        "after a change"
    );
    same!(
        firsts(&store.referrers(space(1), object(8)).map_err(text)?),
        [2],
        "the other target"
    );
    check!(
        store
            .referrers(space(2), object(9))
            .map_err(text)?
            .is_empty(),
        "another space"
    );
    Ok(())
}

fn findable_anew(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    let row = row(object(1), "t", b"b");
    let found = |store: &mut Told<'_>, n: u8, word: &str, value: &[u8]| -> Result<_, String> {
        let scan = IndexScan {
            from: Some(value.to_vec()),
            ..all("p")
        };
        let scanned = store.index_scan(space(n), &scan).map_err(text)?.len();
        let searched = store.search(space(n), word, TextMode::All, 9);
        let referring = store.referrers(space(n), object(2)).map_err(text)?.len();
        Ok((scanned, searched.map_err(text)?.len(), referring))
    };
    for n in [1, 2] {
        let now = findable(&[key("p", b"v")], "milk", &[object(2)]);
        store.put_row(n, &row, now)?;
    }
    store.findable_clear(space(3)).map_err(text)?;
    store.findable_clear(space(1)).map_err(text)?;
    for ((n, _), before) in &mut store.before {
        if *n == 1 {
            *before = Findable::default();
        }
    }
    same!(found(store, 1, "milk", b"")?, (0, 0, 0), "forgotten");
    same!(found(store, 2, "milk", b"")?, (1, 1, 1), "the other space");
    let stored = store.object(space(1), object(1)).map_err(text)?;
    same!(stored, Some(row.clone()), "the row stays");
    let now = findable(&[key("p", b"w")], "bread", &[object(2)]);
    store.put_row(1, &row, now)?;
    same!(found(store, 1, "bread", b"w")?, (1, 1, 1), "put anew");
    same!(found(store, 1, "milk", b"")?, (1, 0, 1), "nothing else");
    Ok(())
}

fn clearing(store: &mut dyn Store) -> Case {
    let store = &mut Told::new(store);
    for n in [1, 2] {
        let keys = [key("p", b"v")];
        let row = row(object(1), "t", b"b");
        store.put_row(n, &row, findable(&keys, "milk", &[object(2)]))?;
    }
    store.objects_clear(space(1)).map_err(text)?;
    store.before.retain(|(n, _), _| *n != 1);
    store.objects_clear(space(3)).map_err(text)?;
    same!(
        store.object(space(1), object(1)).map_err(text)?,
        None,
        "object"
    );
    check!(
        store
            .index_scan(space(1), &all("p"))
            .map_err(text)?
            .is_empty(),
        "index"
    );
    check!(
        store
            .search(space(1), "milk", TextMode::Prefix, 9)
            .map_err(text)?
            .is_empty(),
        "full text"
    );
    check!(
        store
            .referrers(space(1), object(2))
            .map_err(text)?
            .is_empty(),
        "links"
    );
    check!(
        store.object(space(2), object(1)).map_err(text)?.is_some(),
        "the other space's object is gone"
    );
    same!(
        store.index_scan(space(2), &all("p")).map_err(text)?.len(),
        1,
        "the other's index"
    );
    same!(
        store
            .search(space(2), "milk", TextMode::Prefix, 9)
            .map_err(text)?
            .len(),
        1,
        "the other's full text"
    );
    put(store, 1, &[key("p", b"v")], "milk", &[object(2)])?;
    same!(
        store
            .search(space(1), "milk", TextMode::Prefix, 9)
            .map_err(text)?
            .len(),
        1,
        "written again"
    );
    Ok(())
}
