//! Credentials, feeds, entries and pending changes.

use dxos_base::Hash;
use dxos_echo::store::{BranchPlace, BranchRow, EntryRow, EntryState, FeedRow, Store};

use super::{Case, Named, check, feed, object, same, space, text};

pub(super) const CASES: &[Named] = &[
    (
        "credentials come back in order of arrival, once",
        credentials,
    ),
    ("feed rows are replaced whole", feeds),
    ("entries are given in order and in bounded windows", entries),
    (
        "entries change their state and are found while waiting",
        states,
    ),
    ("an entry is replaced, not doubled", replaced),
    ("entries of a feed's end are removed", removed),
    (
        "entries are found by the objects they change",
        touched_objects,
    ),
    ("branches are kept beside the entries", branches),
    (
        "numbers no feed reaches are refused, not wrapped",
        far_numbers,
    ),
    (
        "pending changes are numbered and cleared up to a number",
        pending,
    ),
    ("removing a space removes nothing of another", removal),
];

fn entry(n: u8, seq: u64, state: EntryState, len: usize) -> EntryRow {
    EntryRow {
        feed: feed(n),
        seq,
        hash: Hash([seq as u8; 32]),
        state,
        bytes: vec![n; len],
    }
}

fn credentials(store: &mut dyn Store) -> Case {
    check!(
        store.credentials(space(1)).map_err(text)?.is_empty(),
        "unknown space"
    );
    let (second, first) = (Hash([1; 32]), Hash([2; 32]));
    store
        .credential_put(space(1), first, b"first")
        .map_err(text)?;
    store
        .credential_put(space(1), second, b"second")
        .map_err(text)?;
    store
        .credential_put(space(1), first, b"again")
        .map_err(text)?;
    store
        .credential_put(space(2), first, b"elsewhere")
        .map_err(text)?;
    let stored = store.credentials(space(1)).map_err(text)?;
    same!(
        stored,
        [(first, b"first".to_vec()), (second, b"second".to_vec())],
        "order of arrival"
    );
    Ok(())
}

fn feeds(store: &mut dyn Store) -> Case {
    let mut row = FeedRow {
        feed: feed(2),
        stored_seq: 7,
        head: Hash([9; 32]),
        applied_seq: 3,
        state: b"heads".to_vec(),
    };
    store.feed_put(space(1), &row).map_err(text)?;
    let first = FeedRow {
        feed: feed(1),
        ..row.clone()
    };
    store.feed_put(space(1), &first).map_err(text)?;
    row.stored_seq = 8;
    row.state = Vec::new();
    store.feed_put(space(1), &row).map_err(text)?;
    same!(
        store.feeds(space(1)).map_err(text)?,
        [first, row],
        "feeds by id"
    );
    check!(
        store.feeds(space(2)).map_err(text)?.is_empty(),
        "feeds of another space"
    );
    Ok(())
}

fn entries(store: &mut dyn Store) -> Case {
    for seq in [3, 1, 2, 4] {
        store
            .entry_put(space(1), &entry(1, seq, EntryState::Applied, 100))
            .map_err(text)?;
    }
    store
        .entry_put(space(1), &entry(2, 1, EntryState::Applied, 100))
        .map_err(text)?;
    let mut seqs = |from, bytes_max| -> Result<Vec<u64>, String> {
        let found = store
            .entries(space(1), feed(1), from, bytes_max)
            .map_err(text)?;
        Ok(found.iter().map(|row| row.seq).collect())
    };
    same!(seqs(1, usize::MAX)?, [1, 2, 3, 4], "all");
    same!(seqs(3, usize::MAX)?, [3, 4], "from a number");
    same!(seqs(1, 250)?, [1, 2], "a window");
    same!(seqs(1, 0)?, [1], "at least one");
    check!(seqs(5, usize::MAX)?.is_empty(), "past the end");
    check!(seqs(u64::MAX, usize::MAX)?.is_empty(), "far past the end");
    let unknown = store
        .entries(space(1), feed(9), 1, usize::MAX)
        .map_err(text)?;
    check!(unknown.is_empty(), "an unknown feed");
    let stored = store.entries(space(1), feed(1), 2, 1).map_err(text)?;
    same!(
        stored,
        [entry(1, 2, EntryState::Applied, 100)],
        "the whole row"
    );
    Ok(())
}

fn states(store: &mut dyn Store) -> Case {
    store
        .entry_put(space(1), &entry(2, 1, EntryState::Waiting, 1))
        .map_err(text)?;
    store
        .entry_put(space(1), &entry(1, 2, EntryState::Waiting, 1))
        .map_err(text)?;
    store
        .entry_put(space(1), &entry(1, 1, EntryState::Applied, 1))
        .map_err(text)?;
    store
        .entry_put(space(2), &entry(1, 1, EntryState::Waiting, 1))
        .map_err(text)?;
    let waiting = |store: &mut dyn Store| -> Result<Vec<(u8, u64)>, String> {
        let rows = store.entries_waiting(space(1)).map_err(text)?;
        Ok(rows.iter().map(|row| (row.feed.0[0], row.seq)).collect())
    };
    same!(waiting(store)?, [(1, 2), (2, 1)], "by feed and number");
    store
        .entry_state(space(1), feed(1), 2, EntryState::Void)
        .map_err(text)?;
    same!(waiting(store)?, [(2, 1)], "after one was voided");
    store
        .entry_state(space(1), feed(1), 1, EntryState::Waiting)
        .map_err(text)?;
    same!(waiting(store)?, [(1, 1), (2, 1)], "after one was set back");
    store
        .entry_state(space(1), feed(9), 1, EntryState::Waiting)
        .map_err(text)?;
    store
        .entry_state(space(3), feed(1), 1, EntryState::Waiting)
        .map_err(text)?;
    let void = store.entries(space(1), feed(1), 2, 1).map_err(text)?;
    same!(
        void.first().map(|row| row.state),
        Some(EntryState::Void),
        "the stored state"
    );
    Ok(())
}

fn replaced(store: &mut dyn Store) -> Case {
    store
        .entry_put(space(1), &entry(1, 1, EntryState::Waiting, 10))
        .map_err(text)?;
    let newer = EntryRow {
        hash: Hash([77; 32]),
        ..entry(1, 1, EntryState::Applied, 20)
    };
    store.entry_put(space(1), &newer).map_err(text)?;
    same!(
        store
            .entries(space(1), feed(1), 1, usize::MAX)
            .map_err(text)?,
        [newer],
        "one row"
    );
    check!(
        store.entries_waiting(space(1)).map_err(text)?.is_empty(),
        "nothing waits"
    );
    Ok(())
}

fn far_numbers(store: &mut dyn Store) -> Case {
    let far = entry(1, u64::MAX, EntryState::Applied, 1);
    check!(
        store.entry_put(space(1), &far).is_err(),
        "the entry was taken"
    );
    let row = FeedRow {
        feed: feed(1),
        stored_seq: u64::MAX,
        head: Hash::default(),
        applied_seq: 0,
        state: Vec::new(),
    };
    check!(
        store.feed_put(space(1), &row).is_err(),
        "the feed row was taken"
    );
    Ok(())
}

fn pending(store: &mut dyn Store) -> Case {
    let a = store.pending_put(space(1), b"a").map_err(text)?;
    let other = store.pending_put(space(2), b"other").map_err(text)?;
    let b = store.pending_put(space(1), b"b").map_err(text)?;
    let c = store.pending_put(space(1), b"c").map_err(text)?;
    check!(a < b && b < c, "numbers do not grow: {a} {b} {c}");
    let stored = store.pending(space(1)).map_err(text)?;
    same!(
        stored,
        [(a, b"a".to_vec()), (b, b"b".to_vec()), (c, b"c".to_vec())],
        "by number"
    );
    store.pending_clear(space(1), b).map_err(text)?;
    same!(
        store.pending(space(1)).map_err(text)?,
        [(c, b"c".to_vec())],
        "after clearing"
    );
    store.pending_clear(space(1), u64::MAX).map_err(text)?;
    check!(
        store.pending(space(1)).map_err(text)?.is_empty(),
        "after clearing all"
    );
    same!(
        store.pending(space(2)).map_err(text)?,
        [(other, b"other".to_vec())],
        "of another space"
    );
    let d = store.pending_put(space(1), b"d").map_err(text)?;
    check!(d > c, "a number came back: {d} after {c}");
    Ok(())
}

fn removal(store: &mut dyn Store) -> Case {
    for n in [1, 2] {
        store
            .credential_put(space(n), Hash([n; 32]), b"c")
            .map_err(text)?;
        store
            .entry_put(space(n), &entry(1, 1, EntryState::Waiting, 1))
            .map_err(text)?;
        store.pending_put(space(n), b"p").map_err(text)?;
    }
    store.space_remove(space(1)).map_err(text)?;
    store.space_remove(space(3)).map_err(text)?;
    check!(
        store.credentials(space(1)).map_err(text)?.is_empty(),
        "credentials"
    );
    check!(store.feeds(space(1)).map_err(text)?.is_empty(), "feeds");
    check!(
        store.entries_waiting(space(1)).map_err(text)?.is_empty(),
        "entries"
    );
    check!(store.pending(space(1)).map_err(text)?.is_empty(), "pending");
    same!(
        store.credentials(space(2)).map_err(text)?.len(),
        1,
        "credentials of the other"
    );
    same!(
        store.entries_waiting(space(2)).map_err(text)?.len(),
        1,
        "entries of the other"
    );
    same!(
        store.pending(space(2)).map_err(text)?.len(),
        1,
        "pending of the other"
    );
    store
        .entry_put(space(1), &entry(1, 1, EntryState::Applied, 1))
        .map_err(text)?;
    same!(
        store.feeds(space(1)).map_err(text)?.len(),
        1,
        "the space begun again"
    );
    Ok(())
}

fn branch(n: u8, seq: u64, hash: u8, reissued: bool) -> BranchRow {
    BranchRow {
        place: BranchPlace {
            feed: feed(n),
            seq,
            hash: Hash([hash; 32]),
            previous: Hash([hash - 1; 32]),
            reissued,
        },
        bytes: vec![hash; 40],
    }
}

fn branches(store: &mut dyn Store) -> Case {
    let rows = [
        branch(1, 3, 9, false),
        branch(1, 2, 8, false),
        branch(1, 3, 7, true),
        branch(2, 1, 6, false),
    ];
    let none = store.branches(space(1)).map_err(text)?;
    check!(none.is_empty(), "unknown space");
    for row in &rows {
        store.branch_put(space(1), row).map_err(text)?;
    }
    store.branch_put(space(2), &rows[0]).map_err(text)?;
    let expected: Vec<BranchPlace> = [1, 2, 0, 3].map(|n: usize| rows[n].place).into();
    let found = store.branches(space(1)).map_err(text)?;
    same!(found, expected, "by feed, seq and hash");
    let again = branch(1, 2, 8, true);
    let hash = again.place.hash;
    store.branch_put(space(1), &again).map_err(text)?;
    let found = store.branch(space(1), feed(1), hash).map_err(text)?;
    same!(found, Some(again), "replaced");
    store.branch_remove(space(1), feed(1), hash).map_err(text)?;
    let found = store.branch(space(1), feed(1), hash).map_err(text)?;
    same!(found, None, "removed");
    same!(store.branches(space(1)).map_err(text)?.len(), 3, "others");
    store.space_remove(space(1)).map_err(text)?;
    let left = store.branches(space(1)).map_err(text)?;
    check!(left.is_empty(), "gone with the space");
    let left = store.branches(space(2)).map_err(text)?;
    same!(left.len(), 1, "the other's stay");
    Ok(())
}

fn touched_objects(store: &mut dyn Store) -> Case {
    let (a, b, c) = (object(1), object(2), object(3));
    same!(
        store.touched(space(1), a).map_err(text)?,
        vec![],
        "of an unknown space"
    );
    for (n, of, seq, objects) in [
        (1, 2, 1, &[a, b][..]),
        (1, 1, 5, &[a]),
        (1, 2, 1, &[a]),
        (2, 3, 1, &[a]),
        (1, 1, 6, &[]),
    ] {
        store
            .touch_put(space(n), feed(of), seq, objects)
            .map_err(text)?;
    }
    let found = |store: &mut dyn Store, n, of| store.touched(space(n), of).map_err(text);
    same!(
        found(store, 1, a)?,
        vec![(feed(1), 5), (feed(2), 1)],
        "by feed and place, each once"
    );
    same!(found(store, 1, b)?, vec![(feed(2), 1)], "of another object");
    same!(found(store, 1, c)?, vec![], "of an object nothing changes");
    store.space_remove(space(1)).map_err(text)?;
    same!(found(store, 1, a)?, vec![], "after the space is removed");
    same!(
        found(store, 2, a)?,
        vec![(feed(3), 1)],
        "of the space that stays"
    );
    Ok(())
}

fn removed(store: &mut dyn Store) -> Case {
    for seq in 1..=5 {
        for n in 1..=2 {
            let row = entry(n, seq, EntryState::Waiting, 10);
            store.entry_put(space(1), &row).map_err(text)?;
        }
    }
    store.entries_remove(space(1), feed(1), 3).map_err(text)?;
    let left = store.entries(space(1), feed(1), 1, usize::MAX);
    same!(left.map_err(text)?.len(), 2, "those before stay");
    let waiting = store.entries_waiting(space(1)).map_err(text)?;
    same!(waiting.len(), 7, "those removed wait no more");
    Ok(())
}
