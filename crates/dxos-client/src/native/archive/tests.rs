//! Profiles archived and restored, and everything that can be wrong with a file.

use dxos_base::{ObjectId, ObjectWrite, SpaceId, Value};

use super::super::tests::{config, run_local};
use super::*;

const PASSPHRASE: &str = "four horses in the rain";

fn nothing(_: u64, _: u64) {}

/// A profile with an identity and an object.
fn written(profile: &Path) -> (SpaceId, ObjectId) {
    run_local(async {
        let native = super::super::open(config(profile)).await.unwrap();
        let client = native.client();
        client
            .create_identity("Ada", "laptop", "Mine")
            .await
            .unwrap();
        let space = client
            .status_with(|status| Some(status.spaces.first()?.space))
            .await;
        let object = write(client, space, "kept").await;
        client.flush().await.unwrap();
        native.close().await;
        (space, object)
    })
}

async fn write(client: &crate::Client, space: SpaceId, title: &str) -> ObjectId {
    let object = client.new_object_id();
    let create = ObjectWrite::Create {
        object,
        type_name: "t@0.1.0".into(),
        values: [
            ("title".to_owned(), Value::String(title.into())),
            ("more".to_owned(), Value::String("more ".repeat(30_000))),
        ]
        .into(),
    };
    client.write(space, vec![create]).await.unwrap();
    object
}

#[test]
fn a_profile_comes_back_whole_and_writes_in_a_feed_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let archive = dir.path().join("ada.dxprofile");
    let (space, object) = written(&first);
    let mut told = (0, 0);
    archive_profile(&first, PASSPHRASE, &archive, &mut |done, of| {
        told = (done, of);
    })
    .unwrap();
    assert!(told.0 == told.1 && told.1 > 0, "{told:?}");
    let bytes = std::fs::read(&archive).unwrap();
    for word in [&b"SQLite format"[..], b"Ada", b"kept", b"laptop"] {
        let found = bytes.windows(word.len()).any(|part| part == word);
        assert!(!found, "{}", String::from_utf8_lossy(word));
    }
    assert_eq!(
        std::fs::read_dir(&first)
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().contains("partial")
            })
            .count(),
        0
    );

    restore_profile(&archive, PASSPHRASE, &second, &mut nothing).unwrap();
    let key = |profile: &Path| std::fs::read(profile.join("key")).unwrap();
    assert_eq!(key(&first), key(&second));
    // Both go on: the restored one does not continue the feed of the first.
    let heads = |profile: &Path| {
        run_local(async {
            let native = super::super::open(config(profile)).await.unwrap();
            let client = native.client();
            let found = client.get(space, object).await.unwrap().unwrap();
            assert_eq!(found.values["title"], Value::String("kept".into()));
            write(client, space, "after").await;
            client.flush().await.unwrap();
            native.close().await;
        });
        let mut store = SqliteStore::open_file(&profile.join("profile.db")).unwrap();
        let feeds = dxos_echo::store::Store::feeds(&mut store, space).unwrap();
        feeds.len()
    };
    assert_eq!((heads(&first), heads(&second)), (1, 2));
}

#[test]
fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (profile, restored) = (dir.path().join("first"), dir.path().join("second"));
    let archive = dir.path().join("ada.dxprofile");
    written(&profile);
    archive_profile(&profile, PASSPHRASE, &archive, &mut nothing).unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let refused = |bytes: &[u8], passphrase: &str| {
        std::fs::write(&archive, bytes).unwrap();
        let error = restore_profile(&archive, passphrase, &restored, &mut nothing).unwrap_err();
        assert!(!restored.exists());
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
        error
    };
    assert!(matches!(
        refused(&bytes, "another passphrase"),
        ArchiveError::Refused
    ));
    assert!(matches!(refused(&[], PASSPHRASE), ArchiveError::NoArchive));
    assert!(matches!(
        refused(
            b"SQLite format 3\0 and more, long enough for a header of an archive of a profile",
            PASSPHRASE
        ),
        ArchiveError::NoArchive
    ));
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    assert!(matches!(
        refused(&with(MAGIC.len(), 2), PASSPHRASE),
        ArchiveError::Newer { version: 2 }
    ));
    // 4 TiB for one key.
    assert!(matches!(
        refused(&with(MAGIC.len() + 4, 0xff), PASSPHRASE),
        ArchiveError::NoArchive
    ));
    let chunk = CHUNK_LEN + TAG_LEN;
    let (second, third) = (HEADER_LEN + chunk, HEADER_LEN + 2 * chunk);
    assert!(third < bytes.len(), "{}", bytes.len());
    for cut in [HEADER_LEN, HEADER_LEN + 5, second, third, bytes.len() - 1] {
        let error = refused(&bytes[..cut], PASSPHRASE);
        assert!(
            matches!(error, ArchiveError::CutShort | ArchiveError::Refused),
            "{cut}: {error}"
        );
    }
    // Changed, and with two chunks in the other order.
    for at in [HEADER_LEN + 40, second + 7, bytes.len() - 3] {
        refused(&with(at, !bytes[at]), PASSPHRASE);
    }
    let mut turned = bytes.clone();
    turned[HEADER_LEN..third].rotate_left(chunk);
    refused(&turned, PASSPHRASE);

    std::fs::write(&archive, &bytes).unwrap();
    restore_profile(&archive, PASSPHRASE, &restored, &mut nothing).unwrap();
    let again = restore_profile(&archive, PASSPHRASE, &restored, &mut nothing);
    assert!(matches!(again, Err(ArchiveError::Exists { .. })));
}

#[test]
fn only_a_profile_at_rest_is_archived_and_under_a_passphrase_worth_it() {
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("p");
    let archive = dir.path().join("a");
    let none = archive_profile(&profile, PASSPHRASE, &archive, &mut nothing);
    assert!(matches!(none, Err(ArchiveError::NoProfile { .. })));
    written(&profile);
    let short = archive_profile(&profile, "short", &archive, &mut nothing);
    assert!(matches!(short, Err(ArchiveError::Passphrase)));
    run_local(async {
        let native = super::super::open(config(&profile)).await.unwrap();
        let open = archive_profile(&profile, PASSPHRASE, &archive, &mut nothing);
        assert!(matches!(open, Err(ArchiveError::InUse { .. })));
        native.close().await;
    });
    assert!(!archive.exists());
}
