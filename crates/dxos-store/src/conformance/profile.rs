//! Transactions, profile values, texts, and what survives closing.

use dxos_echo::store::{Durability, Store, TextRow};

use super::{Case, Named, check, object, same, space, text, text_id};

pub(super) const CASES: &[Named] = &[
    (
        "values are set, replaced, removed and listed by prefix",
        values,
    ),
    ("a rolled back transaction leaves nothing", rollback),
    ("a transaction reads its own writes", own_writes),
    ("transactions do not nest and end once", nesting),
    (
        "a name first used in a rolled back transaction works afterwards",
        names_after_rollback,
    ),
    ("text tails grow and are folded into snapshots", texts),
    ("texts of two spaces are apart", texts_apart),
];

fn values(store: &mut dyn Store) -> Case {
    same!(store.get("a").map_err(text)?, None, "unset value");
    store.set("a/1", Some(b"one")).map_err(text)?;
    store.set("a/2", Some(b"")).map_err(text)?;
    store.set("a0", Some(b"not below a/")).map_err(text)?;
    store.set("b", Some(&[0, 255])).map_err(text)?;
    store.set("a/1", Some(b"uno")).map_err(text)?;
    same!(
        store.get("a/1").map_err(text)?.as_deref(),
        Some(&b"uno"[..]),
        "replaced value"
    );
    same!(
        store.get("a/2").map_err(text)?.as_deref(),
        Some(&b""[..]),
        "empty value"
    );
    let listed: Vec<String> = store
        .list("a/")
        .map_err(text)?
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    same!(listed, ["a/1", "a/2"], "list by prefix");
    same!(store.list("").map_err(text)?.len(), 4, "list of all");
    store.set("a/1", None).map_err(text)?;
    store.set("never", None).map_err(text)?;
    same!(store.get("a/1").map_err(text)?, None, "removed value");
    Ok(())
}

fn rollback(store: &mut dyn Store) -> Case {
    store.rollback();
    store.set("kept", Some(b"1")).map_err(text)?;
    store.begin().map_err(text)?;
    store.set("kept", Some(b"2")).map_err(text)?;
    store.set("new", Some(b"2")).map_err(text)?;
    store.pending_put(space(1), b"x").map_err(text)?;
    store
        .text_append(space(1), text_id(1), b"y")
        .map_err(text)?;
    store.rollback();
    same!(
        store.get("kept").map_err(text)?.as_deref(),
        Some(&b"1"[..]),
        "value before the transaction"
    );
    same!(
        store.get("new").map_err(text)?,
        None,
        "value of the transaction"
    );
    check!(
        store.pending(space(1)).map_err(text)?.is_empty(),
        "pending of the transaction"
    );
    check!(
        store.texts(space(1)).map_err(text)?.is_empty(),
        "text of the transaction"
    );
    store.rollback();
    store.begin().map_err(text)?;
    store.commit(Durability::Acknowledged).map_err(text)
}

fn own_writes(store: &mut dyn Store) -> Case {
    store.begin().map_err(text)?;
    store.set("k", Some(b"v")).map_err(text)?;
    same!(
        store.get("k").map_err(text)?.as_deref(),
        Some(&b"v"[..]),
        "inside"
    );
    store.commit(Durability::Synced).map_err(text)?;
    same!(
        store.get("k").map_err(text)?.as_deref(),
        Some(&b"v"[..]),
        "after"
    );
    Ok(())
}

fn nesting(store: &mut dyn Store) -> Case {
    check!(
        store.commit(Durability::Acknowledged).is_err(),
        "a commit without a transaction succeeded"
    );
    store.begin().map_err(text)?;
    store.set("k", Some(b"v")).map_err(text)?;
    check!(store.begin().is_err(), "a transaction began inside another");
    store.commit(Durability::Acknowledged).map_err(text)?;
    same!(
        store.get("k").map_err(text)?.as_deref(),
        Some(&b"v"[..]),
        "the outer transaction"
    );
    Ok(())
}

fn names_after_rollback(store: &mut dyn Store) -> Case {
    for round in 0..2 {
        store.begin().map_err(text)?;
        let row = super::objects::row(object(1), "org.example.New", b"body");
        let keys = [super::objects::key("title", b"x")];
        store
            .object_put(
                space(9),
                &row,
                None,
                &super::objects::findable(&keys, "x", &[]),
            )
            .map_err(text)?;
        store.pending_put(space(9), b"p").map_err(text)?;
        if round == 0 {
            store.rollback();
            same!(
                store.object(space(9), object(1)).map_err(text)?,
                None,
                "after the rollback"
            );
        } else {
            store.commit(Durability::Acknowledged).map_err(text)?;
            same!(
                store.object(space(9), object(1)).map_err(text)?,
                Some(row),
                "after the commit"
            );
            same!(
                store.pending(space(9)).map_err(text)?.len(),
                1,
                "pending after the commit"
            );
        }
    }
    Ok(())
}

fn texts(store: &mut dyn Store) -> Case {
    same!(
        store.text(space(1), text_id(1)).map_err(text)?,
        TextRow::default(),
        "unknown text"
    );
    let first = store
        .text_append(space(1), text_id(1), b"1")
        .map_err(text)?;
    let other = store
        .text_append(space(1), text_id(2), b"other")
        .map_err(text)?;
    let second = store
        .text_append(space(1), text_id(1), b"2")
        .map_err(text)?;
    check!(
        first < other && other < second,
        "numbers do not grow: {first} {other} {second}"
    );
    let stored = store.text(space(1), text_id(1)).map_err(text)?;
    same!(
        stored.tail,
        [(first, b"1".to_vec()), (second, b"2".to_vec())],
        "tail"
    );
    same!(stored.snapshot, Vec::<u8>::new(), "no snapshot yet");
    store
        .text_snapshot(space(1), text_id(1), b"S", first)
        .map_err(text)?;
    let stored = store.text(space(1), text_id(1)).map_err(text)?;
    same!(stored.snapshot, b"S".to_vec(), "snapshot");
    same!(
        stored.tail,
        [(second, b"2".to_vec())],
        "tail after the snapshot"
    );
    store
        .text_snapshot(space(1), text_id(1), b"SS", second)
        .map_err(text)?;
    let third = store
        .text_append(space(1), text_id(1), b"3")
        .map_err(text)?;
    check!(third > second, "a number came back: {third} after {second}");
    same!(
        store.texts(space(1)).map_err(text)?,
        [text_id(1), text_id(2)],
        "all texts"
    );
    Ok(())
}

fn texts_apart(store: &mut dyn Store) -> Case {
    store
        .text_append(space(1), text_id(1), b"a")
        .map_err(text)?;
    store
        .text_append(space(2), text_id(1), b"b")
        .map_err(text)?;
    let tail = store.text(space(2), text_id(1)).map_err(text)?.tail;
    same!(tail.len(), 1, "tail of the second space");
    store.space_remove(space(1)).map_err(text)?;
    same!(
        store.text(space(2), text_id(1)).map_err(text)?.tail,
        tail,
        "the other space afterwards"
    );
    check!(
        store.texts(space(1)).map_err(text)?.is_empty(),
        "the removed space"
    );
    Ok(())
}

pub(super) fn before_reopening(store: &mut dyn Store) -> Case {
    store.begin().map_err(text)?;
    store.set("acknowledged", Some(b"1")).map_err(text)?;
    store.pending_put(space(1), b"p").map_err(text)?;
    store.commit(Durability::Acknowledged).map_err(text)?;
    store.begin().map_err(text)?;
    store.set("synced", Some(b"2")).map_err(text)?;
    store
        .text_append(space(1), text_id(1), b"t")
        .map_err(text)?;
    let row = super::objects::row(object(1), "org.example.Task", b"body");
    let keys = [super::objects::key("title", b"milk")];
    store
        .object_put(
            space(1),
            &row,
            None,
            &super::objects::findable(&keys, "buy milk", &[object(2)]),
        )
        .map_err(text)?;
    store.commit(Durability::Synced).map_err(text)?;
    store.begin().map_err(text)?;
    store.set("open", Some(b"3")).map_err(text)
}

pub(super) fn after_reopening(store: &mut dyn Store) -> Case {
    same!(
        store.get("acknowledged").map_err(text)?.as_deref(),
        Some(&b"1"[..]),
        "acknowledged value"
    );
    same!(
        store.get("synced").map_err(text)?.as_deref(),
        Some(&b"2"[..]),
        "synced value"
    );
    same!(
        store.get("open").map_err(text)?,
        None,
        "value of a transaction that never ended"
    );
    let pending = store.pending(space(1)).map_err(text)?;
    same!(pending.len(), 1, "pending");
    let number = store.pending_put(space(1), b"q").map_err(text)?;
    check!(
        number > pending[0].0,
        "a pending number came back: {number}"
    );
    same!(
        store.text(space(1), text_id(1)).map_err(text)?.tail.len(),
        1,
        "tail"
    );
    check!(
        store.object(space(1), object(1)).map_err(text)?.is_some(),
        "the object is gone"
    );
    same!(
        store
            .search(space(1), "mil", dxos_base::query::TextMode::Prefix, 9)
            .map_err(text)?,
        [object(1)],
        "full text"
    );
    same!(
        store.referrers(space(1), object(2)).map_err(text)?,
        [object(1)],
        "links"
    );
    Ok(())
}
