//! The conformance suite on the native adapters, and what only files can show: locks, foreign and newer files.

use std::path::Path;

use dxos_base::query::TextMode;
use dxos_base::{FeedId, Hash, ObjectId, SpaceId};
use dxos_echo::store::{
    Durability, EntryRow, EntryState, Findable, IndexKey, ObjectPut, ObjectRow, Store, StoreError,
};
use dxos_store::{SCHEMA_VERSION, SqliteStore, conformance, floor};
use rusqlite::Connection;

fn boxed(store: Result<SqliteStore, StoreError>) -> Result<Box<dyn Store>, StoreError> {
    store.map(|store| Box::new(store) as Box<dyn Store>)
}

#[test]
fn memory_conforms() {
    let count = conformance::run(&mut || boxed(SqliteStore::memory())).unwrap();
    assert!(count > 20, "{count} cases");
}

#[test]
fn file_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    let mut fresh = || {
        n += 1;
        boxed(SqliteStore::open_file(&dir.path().join(format!("{n}.db"))))
    };
    conformance::run(&mut fresh).unwrap();
}

#[test]
fn file_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    conformance::reopen(&mut || boxed(SqliteStore::open_file(&dir.path().join("p.db")))).unwrap();
}

#[test]
fn acknowledged_commits_survive_a_process_that_never_closes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.db");
    let mut store = SqliteStore::open_file(&path).unwrap();
    store.begin().unwrap();
    store.set("k", Some(b"v")).unwrap();
    store.commit(Durability::Acknowledged).unwrap();
    store.begin().unwrap();
    store.set("k", Some(b"torn")).unwrap();
    // The files as a kill would leave them: no checkpoint, no rollback.
    let copy = dir.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(dir.path().join("p.db-wal"), dir.path().join("copy.db-wal")).unwrap();
    let mut after = SqliteStore::open_file(&copy).unwrap();
    assert_eq!(after.get("k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn memory_reopened_has_what_was_committed() {
    let mut store = SqliteStore::memory().unwrap();
    store.begin().unwrap();
    store.set("k", Some(b"v")).unwrap();
    store.commit(Durability::Acknowledged).unwrap();
    store.begin().unwrap();
    store.set("k", Some(b"torn")).unwrap();
    let mut after = store.reopened().unwrap();
    assert_eq!(after.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    after.begin().unwrap();
    after.set("k", Some(b"next")).unwrap();
    after.commit(Durability::Synced).unwrap();
    assert_eq!(after.get("k").unwrap().as_deref(), Some(&b"next"[..]));
}

#[test]
fn second_opener_is_told_the_profile_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.db");
    let first = SqliteStore::open_file(&path).unwrap();
    assert_eq!(SqliteStore::open_file(&path).err(), Some(StoreError::Busy));
    first.close().unwrap();
    SqliteStore::open_file(&path).unwrap();
}

fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the test wrote the file")
}

#[test]
fn newer_store_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.db");
    SqliteStore::open_file(&path).unwrap().close().unwrap();
    let newer = SCHEMA_VERSION + 1;
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", newer)
        .unwrap();
    let before = bytes_of(&path);
    let error = SqliteStore::open_file(&path).err();
    assert_eq!(
        error,
        Some(StoreError::Newer {
            found: newer,
            known: SCHEMA_VERSION
        })
    );
    assert_eq!(bytes_of(&path), before);
}

#[test]
fn foreign_files_are_refused_and_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs(x)")
        .unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but long enough to look at ".repeat(40),
    )
    .unwrap();
    for path in [path, text] {
        let before = bytes_of(&path);
        let error = SqliteStore::open_file(&path).err();
        assert!(
            matches!(error, Some(StoreError::Corrupt { .. })),
            "{error:?}"
        );
        assert_eq!(bytes_of(&path), before);
    }
}

#[test]
fn missing_directory_is_denied() {
    let error = SqliteStore::open_file(Path::new("/nonexistent-dxos/p.db")).err();
    assert!(
        matches!(error, Some(StoreError::Denied { .. })),
        "{error:?}"
    );
}

#[test]
fn full_disk_is_told_and_the_store_works_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.db");
    let mut store = SqliteStore::open_file(&path).unwrap();
    store.limit_pages(80).unwrap();
    store.begin().unwrap();
    let mut full = Ok(());
    for n in 0..1000 {
        full = store.set(&format!("k/{n}"), Some(&[7; 4000]));
        if full.is_err() {
            break;
        }
    }
    assert_eq!(full, Err(StoreError::Full));
    store.rollback();
    assert_eq!(store.list("k/").unwrap().len(), 0);
    store.limit_pages(100_000).unwrap();
    store.begin().unwrap();
    store.set("k/1", Some(b"v")).unwrap();
    store.commit(Durability::Synced).unwrap();
    assert_eq!(store.list("k/").unwrap().len(), 1);
}

/// All rows of the tables that creating objects writes.
fn rows_of(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the file opens");
    let mut found = Vec::new();
    for table in [
        "space", "name", "shape", "obj", "ix", "doc", "entry", "touch", "feed",
    ] {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table}"))
            .expect("the table is there");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let cells = (0..columns).map(|at| format!("{:?}", row.get_ref(at).expect("a cell")));
            found.push(format!("{table} {}", cells.collect::<Vec<_>>().join(",")));
        }
    }
    found
}

#[test]
fn the_floor_writes_the_rows_and_words_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let (run, floor) = (dir.path().join("run.db"), dir.path().join("floor.db"));
    let space = SpaceId([7; SpaceId::LEN]);
    let mut store = SqliteStore::open_file(&run).unwrap();
    for batch in 0..3_u8 {
        let put = |n: u8| ObjectPut {
            row: ObjectRow {
                object: ObjectId([batch * 10 + n; 16]),
                type_name: "a".into(),
                shown: true,
                body: vec![n; 40],
            },
            before: None,
            now: Findable {
                keys: vec![IndexKey {
                    property: "title".into(),
                    value: vec![9 - n],
                }],
                full_text: format!("Garden, number{n} Éclair"),
                references: Vec::new(),
            },
        };
        let puts: Vec<ObjectPut> = (0..10).map(put).collect();
        store.begin().unwrap();
        store.objects_put(space, &puts).unwrap();
        let entry = EntryRow {
            feed: FeedId([1; FeedId::LEN]),
            seq: u64::from(batch) + 1,
            hash: Hash([batch; 32]),
            state: EntryState::Applied,
            bytes: vec![batch; 100],
        };
        store.entry_put(space, &entry).unwrap();
        let made: Vec<ObjectId> = puts.iter().map(|put| put.row.object).collect();
        store
            .touch_put(space, entry.feed, entry.seq, &made)
            .unwrap();
        store.commit(Durability::Synced).unwrap();
    }
    let rows = floor::Rows::read(&store, 10, 10).unwrap();
    store.close().unwrap();
    assert_eq!(rows.objects_count(), 30);

    let mut copy = SqliteStore::open_file(&floor).unwrap();
    rows.write(&mut copy, floor::Sync::Each).unwrap();
    let found = copy.search(space, "number3 eclair", TextMode::All, 10);
    assert_eq!(
        found.unwrap().len(),
        3,
        "full text holds the words of the run"
    );
    copy.close().unwrap();
    assert_eq!(rows_of(&floor), rows_of(&run));
}
