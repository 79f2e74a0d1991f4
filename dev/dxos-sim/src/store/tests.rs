//! Tests of the crash store: what survives a kill, a power loss and a full disk.

use super::*;
use dxos_echo::store::IndexKey;

fn space() -> SpaceId {
    SpaceId([1; 20])
}

fn write(store: &mut CrashStore, key: &str, durability: Durability) -> Result<(), StoreError> {
    store.begin()?;
    store.set(key, Some(b"x"))?;
    store.commit(durability)
}

fn names(store: &mut CrashStore) -> String {
    store
        .list("")
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_kill_keeps_commits_and_drops_the_open_transaction() {
    let mut store = CrashStore::new();
    write(&mut store, "a", Durability::Acknowledged).unwrap();
    store.begin().unwrap();
    store.set("b", Some(b"x")).unwrap();
    store.set("a", None).unwrap();
    assert_eq!(names(&mut store), "b", "a transaction reads its own writes");
    store.kill();
    assert_eq!(names(&mut store), "a");
}

#[test]
fn a_power_loss_keeps_what_was_synced_and_a_front_of_the_rest() {
    for (keep, left, commits) in [(0, "ab", 2), (1, "abc", 3), (9, "abcd", 4)] {
        let mut store = CrashStore::new();
        write(&mut store, "a", Durability::Acknowledged).unwrap();
        write(&mut store, "b", Durability::Synced).unwrap();
        assert_eq!(store.unsynced(), 0, "syncing covers earlier commits");
        write(&mut store, "c", Durability::Acknowledged).unwrap();
        write(&mut store, "d", Durability::Acknowledged).unwrap();
        assert_eq!(store.lose_power(keep), commits);
        assert_eq!(names(&mut store), left);
    }
}

#[test]
fn the_process_dies_before_or_after_the_commit_it_was_told_to() {
    for (point, left) in [(CrashPoint::Before, "a"), (CrashPoint::After, "ab")] {
        let mut store = CrashStore::new();
        store.crash_at(2, point);
        write(&mut store, "a", Durability::Synced).unwrap();
        assert!(write(&mut store, "b", Durability::Synced).is_err());
        assert!(store.dead() && store.get("a").is_err() && store.begin().is_err());
        store.rollback();
        store.kill();
        assert_eq!(names(&mut store), left);
        write(&mut store, "c", Durability::Acknowledged).unwrap();
    }
}

#[test]
fn write_faults_fail_and_change_nothing() {
    let mut store = CrashStore::new();
    store.set_fault(Some(WriteFault::Commit));
    assert!(matches!(
        write(&mut store, "a", Durability::Synced),
        Err(StoreError::Failed { .. })
    ));
    store.rollback();
    write(&mut store, "b", Durability::Synced).unwrap();
    store.set_fault(Some(WriteFault::Full));
    assert_eq!(
        write(&mut store, "c", Durability::Synced),
        Err(StoreError::Full)
    );
    store.rollback();
    assert_eq!(names(&mut store), "b");
    assert_eq!(store.faults_hit(), 2);
    store.set_fault(None);
    write(&mut store, "d", Durability::Synced).unwrap();
    assert!(store.misuses().is_empty());
}

#[test]
fn breaking_the_contract_is_noticed() {
    let mut store = CrashStore::new();
    assert!(store.set("a", None).is_err());
    assert!(store.commit(Durability::Synced).is_err());
    store.begin().unwrap();
    assert!(store.begin().is_err());
    assert_eq!(store.misuses(), ["set", "commit", "begin"]);
}

#[test]
fn replaced_objects_leave_no_index_rows_and_undo_restores_them() {
    let mut store = CrashStore::new();
    let object = ObjectId([5; 16]);
    let row = |type_name: &str| ObjectRow {
        object,
        type_name: type_name.into(),
        shown: true,
        body: vec![1],
    };
    let index = |value: u8| {
        vec![IndexKey {
            property: "title".into(),
            value: vec![value],
        }]
    };
    let first = Findable {
        keys: index(1),
        full_text: "Hello world".into(),
        references: vec![ObjectId([6; 16])],
    };
    let second = Findable {
        keys: index(2),
        ..Findable::default()
    };
    let scan = IndexScan {
        property: "title".into(),
        from: None,
        to: Some(vec![2]),
        descending: false,
        skip: 0,
        limit: 10,
    };
    store.begin().unwrap();
    store.object_put(space(), &row("a"), None, &first).unwrap();
    store.commit(Durability::Synced).unwrap();
    store.begin().unwrap();
    store
        .object_put(space(), &row("b"), Some(&first), &second)
        .unwrap();
    assert_eq!(store.index_scan(space(), &scan).unwrap(), []);
    assert_eq!(store.objects(space(), Some("a"), None, 9).unwrap(), []);
    assert_eq!(store.objects(space(), Some("b"), None, 9).unwrap().len(), 1);
    store.rollback();
    assert_eq!(store.index_scan(space(), &scan).unwrap(), [object]);
    assert_eq!(
        store
            .search(space(), "HELLO wor", dxos_base::query::TextMode::Prefix, 9)
            .unwrap(),
        [object]
    );
    assert_eq!(
        store.referrers(space(), ObjectId([6; 16])).unwrap(),
        [object]
    );
    assert_eq!(store.objects(space(), None, Some(object), 9).unwrap(), []);
}

#[test]
fn numbers_grow_although_rows_go() {
    let mut store = CrashStore::new();
    store.begin().unwrap();
    let first = store.pending_put(space(), b"1").unwrap();
    store.pending_clear(space(), first).unwrap();
    let second = store.pending_put(space(), b"2").unwrap();
    assert!(second > first);
    assert_eq!(store.pending(space()).unwrap(), [(second, b"2".to_vec())]);
    store.commit(Durability::Synced).unwrap();
}

#[test]
fn a_copy_put_back_is_as_it_was_copied() {
    let mut store = CrashStore::new();
    write(&mut store, "a", Durability::Acknowledged).unwrap();
    let copy = store.copy();
    write(&mut store, "b", Durability::Synced).unwrap();
    assert_eq!(store.restore(&copy), 1);
    assert_eq!(names(&mut store), "a");
}
