//! Blobs: put in, read where they are and elsewhere, followed, bounded, collected.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_client::testing::World;
use dxos_client::{BlobKeeping, BlobLife, BlobRef, ErrorKind, Object, Space, Value};

const PIECE: usize = 256 * 1024;
const DAY_MS: u64 = 24 * 3600 * 1000;

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Picture", version = "0.1.0")]
struct Picture {
    #[object(label)]
    title: String,
    file: Option<BlobRef>,
}

fn content(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|n| (n / 7) as u8 ^ (n >> 9) as u8 ^ salt)
        .collect()
}

fn put(world: &mut World, space: &Space, bytes: &[u8]) -> BlobRef {
    let put = world.run(space.blob_put(bytes, "image/png", "a.png"));
    put.unwrap()
}

fn wait_here(world: &mut World, space: &Space, reference: &BlobRef) {
    let mut watch = space.blob_watch(reference.id);
    world.run(async { while watch.next().await.unwrap().life != BlobLife::Here {} });
}

fn life(world: &mut World, space: &Space, reference: &BlobRef) -> BlobLife {
    world.run(space.blob_status(reference.id)).unwrap().life
}

#[test]
fn a_blob_is_read_by_another_who_got_the_reference_in_an_object() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    for len in [0, 1, PIECE, 3 * PIECE + 5] {
        let bytes = content(len, 1);
        let file = put(&mut world, &hers, &bytes);
        assert_eq!((file.bytes, &file.name[..]), (len as u64, "a.png"));
        let picture = Picture {
            title: "Moss".into(),
            file: Some(file.clone()),
        };
        let id = world.run(hers.add(picture.clone())).unwrap().id();
        world.settle();
        let found = world.run(his.get::<Picture>(id)).unwrap().unwrap();
        let found = found.into_value().unwrap();
        assert_eq!(found, picture);
        let file = found.file.unwrap();
        assert_eq!(life(&mut world, &his, &file), BlobLife::Absent);
        let read = world.run(his.blob_bytes(&file, usize::MAX)).unwrap();
        assert_eq!(read, bytes);
        if len > 0 {
            assert_eq!(life(&mut world, &his, &file), BlobLife::Here);
        }
        // Where it is already it is not stored again, whoever puts it in.
        assert_eq!(put(&mut world, &hers, &bytes), file);
        assert_eq!(put(&mut world, &his, &bytes).id, file.id);
    }
}

#[test]
fn a_transfer_goes_on_from_another_peer_when_one_vanishes_and_after_a_restart() {
    let mut world = World::new(3);
    let [ada, bob, cem] = world.peers();
    let [hers, his, theirs] = world.shared_space("Home", [&ada, &bob, &cem]);
    let bytes = content(24 * PIECE + 99, 2);
    let file = put(&mut world, &hers, &bytes);
    assert_eq!(world.run(his.blob_bytes(&file, usize::MAX)).unwrap(), bytes);

    let mut reader = theirs.blob_get(&file);
    let mut read = Vec::new();
    for _ in 0..5 {
        read.extend(world.run(reader.next()).unwrap().unwrap());
    }
    // Whoever it came from, one of the two is gone.
    world.disconnect(&ada);
    for _ in 0..5 {
        read.extend(world.run(reader.next()).unwrap().unwrap());
    }
    drop(reader);
    world.disconnect(&bob);
    let client = world.restart(&cem);
    let theirs = client.spaces().get(theirs.id()).unwrap();
    let view = world.run(theirs.blob_status(file.id)).unwrap();
    assert!(view.bytes_here >= 10 * PIECE as u64, "{view:?}");
    assert_eq!(view.life, BlobLife::Waiting);
    world.connect(&ada);
    // Nobody asked again: it was wanted.
    wait_here(&mut world, &theirs, &file);
    let mut reader = theirs.blob_get(&file);
    assert_eq!(reader.seek(read.len() as u64 + 9), read.len() as u64);
    while let Some(piece) = world.run(reader.next()).unwrap() {
        read.extend(piece);
    }
    assert!(read == bytes);
}

#[test]
fn progress_is_told_and_fetching_can_be_ended() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let file = put(&mut world, &hers, &content(40 * PIECE, 3));
    world.disconnect(&bob);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (told, mut watch) = (seen.clone(), his.blob_watch(file.id));
    world.spawn(async move {
        while let Some(view) = watch.next().await {
            told.borrow_mut().push((view.bytes_here, view.life));
        }
    });
    let view = world
        .run(his.blob_keep(file.id, BlobKeeping::Fetch))
        .unwrap();
    assert_eq!(view.life, BlobLife::Waiting);
    world.settle();
    world.connect(&bob);
    wait_here(&mut world, &his, &file);
    world.advance(1_000);
    let seen = seen.borrow().clone();
    assert_eq!(seen.last(), Some(&(40 * PIECE as u64, BlobLife::Here)));
    assert!(seen.windows(2).all(|two| two[0].0 <= two[1].0), "{seen:?}");
    assert!(seen.contains(&(0, BlobLife::Waiting)));

    let other = put(&mut world, &hers, &content(PIECE, 4));
    world.disconnect(&ada);
    world
        .run(his.blob_keep(other.id, BlobKeeping::Fetch))
        .unwrap();
    world
        .run(his.blob_keep(other.id, BlobKeeping::Stop))
        .unwrap();
    world.connect(&ada);
    world.settle();
    assert_eq!(life(&mut world, &his, &other), BlobLife::Absent);
}

#[test]
fn what_is_read_longest_ago_makes_room_but_never_the_only_copy() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let client = bob.client();
    let max = 5 * (PIECE as u64 + 16);
    world.run(client.set_blob_bytes_max(max)).unwrap();
    let files: Vec<BlobRef> = (0..4)
        .map(|n| put(&mut world, &hers, &content(2 * PIECE, 10 + n)))
        .collect();
    let own = put(&mut world, &his, &content(PIECE, 20));
    for file in &files[..2] {
        world.run(his.blob_bytes(file, usize::MAX)).unwrap();
        world.advance(1_000);
    }
    let used = world.run(client.blob_usage()).unwrap();
    assert_eq!((used.bytes, used.bytes_max), (max, max));
    world.run(his.blob_bytes(&files[0], usize::MAX)).unwrap();
    world.run(his.blob_bytes(&files[2], usize::MAX)).unwrap();
    let lives = |world: &mut World| {
        let of = |file: &BlobRef| life(world, &his, file);
        files.iter().map(of).collect::<Vec<_>>()
    };
    use BlobLife::{Absent, Here, NoRoom};
    assert_eq!(lives(&mut world), [Here, Absent, Here, Absent]);
    assert_eq!(life(&mut world, &his, &own), Here);

    // What is pinned stays, so another has no room, until some is made.
    for at in [0, 2] {
        world
            .run(his.blob_keep(files[at].id, BlobKeeping::Pin))
            .unwrap();
    }
    world
        .run(his.blob_keep(files[3].id, BlobKeeping::Fetch))
        .unwrap();
    world.advance(5_000);
    assert_eq!(lives(&mut world), [Here, Absent, Here, NoRoom]);
    let refused = world.run(his.blob_put(&content(PIECE, 30)[..], "", ""));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Storage);
    world
        .run(his.blob_keep(files[0].id, BlobKeeping::Unpin))
        .unwrap();
    world.advance(5_000);
    assert_eq!(lives(&mut world), [Absent, Absent, Here, Here]);

    // Ada put it in and may let go of it, as Bob keeps it.
    let hers_max = 2 * (PIECE as u64 + 16);
    let used = world
        .run(ada.client().set_blob_bytes_max(hers_max))
        .unwrap();
    assert_eq!(used.bytes, 8 * (PIECE as u64 + 16), "only copies stay");
    world
        .run(his.blob_keep(files[2].id, BlobKeeping::Pin))
        .unwrap();
    world.settle();
    world
        .run(ada.client().set_blob_bytes_max(hers_max))
        .unwrap();
    let used = world.run(ada.client().blob_usage()).unwrap();
    assert_eq!(
        used.bytes,
        8 * (PIECE as u64 + 16),
        "it would not be enough"
    );
    let enough = 6 * (PIECE as u64 + 16);
    let used = world.run(ada.client().set_blob_bytes_max(enough)).unwrap();
    assert_eq!(used.bytes, enough);
    assert_eq!(life(&mut world, &hers, &files[2]), Absent);
    assert_eq!(life(&mut world, &hers, &files[0]), Here);
}

#[test]
fn what_nothing_refers_to_goes_after_thirty_days() {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    // Else signs of life fill a month.
    world.run(ada.client().set_offline(true)).unwrap();
    let (kept, past, loose) = (
        put(&mut world, &space, &content(9, 1)),
        put(&mut world, &space, &content(9, 2)),
        put(&mut world, &space, &content(9, 3)),
    );
    let picture = |file: &BlobRef| Picture {
        title: "Fern".into(),
        file: Some(file.clone()),
    };
    world.run(space.add(picture(&kept))).unwrap();
    let object = world.run(space.add(picture(&past))).unwrap();
    world.settle();
    world
        .run(object.update(|picture| picture.file = None))
        .unwrap();
    world.settle();
    world.advance(29 * DAY_MS);
    assert_eq!(life(&mut world, &space, &loose), BlobLife::Here);
    world.advance(2 * DAY_MS);
    assert_eq!(life(&mut world, &space, &loose), BlobLife::Absent);
    assert_eq!(life(&mut world, &space, &kept), BlobLife::Here);
    // The history can be restored, and with it what it refers to.
    assert_eq!(life(&mut world, &space, &past), BlobLife::Here);
}

#[test]
fn references_that_do_not_fit_are_refused() {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    let file = put(&mut world, &space, &content(PIECE + 1, 1));
    let mut other = put(&mut world, &space, &content(PIECE + 1, 2));
    other.key = file.key;
    let wrong_key = world.run(space.blob_bytes(&other, usize::MAX));
    assert_eq!(wrong_key.unwrap_err().kind(), ErrorKind::Invalid);
    let longer = BlobRef::new(file.id, file.key, file.bytes + 5 * PIECE as u64, "", "");
    let misfit = world.run(space.blob_bytes(&longer, usize::MAX));
    assert_eq!(misfit.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        world.run(space.blob_bytes(&file, 9)).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    // The reserved name is for references only.
    let fake = Value::Map([("@blob".to_owned(), Value::Bytes(vec![9; 40]))].into());
    let object = world
        .run(space.add(Picture {
            title: "Fern".into(),
            file: None,
        }))
        .unwrap();
    let write = dxos_client::ObjectWrite::Set {
        object: object.id(),
        path: dxos_base::key_path(&["file"]),
        value: fake,
    };
    let refused = world.run(ada.client().write(space.id(), vec![write]));
    assert!(refused.is_err());
}

#[test]
fn files_go_in_and_come_out_by_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("é.bin"), directory.path().join("out"));
    let bytes = content(3 * PIECE + 1, 5);
    std::fs::write(&from, &bytes).unwrap();
    let mut world = World::new(1);
    let [ada] = world.peers();
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    let file = world
        .run(space.blob_put_file(&from, "application/octet-stream"))
        .unwrap();
    assert_eq!(file.name, "é.bin");
    world.run(space.blob_get_file(&file, &to)).unwrap();
    assert!(std::fs::read(&to).unwrap() == bytes);
    assert!(!directory.path().join("out.part").exists());
    let missing = world.run(space.blob_put_file(&directory.path().join("none"), ""));
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Storage);
}
