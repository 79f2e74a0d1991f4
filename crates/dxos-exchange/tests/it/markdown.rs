//! Folders of notes, in and out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dxos_base::{ObjectWrite, TextChange, Value};
use dxos_client::testing::World;
use dxos_client::{Query, Space, TextAddress, TextSink};
use dxos_exchange::markdown::{self, Over, generate, note_id};
use dxos_exchange::{ExchangeError, Report};

use crate::{objects, run, world};

fn write(folder: &Path, notes: &[(String, Vec<u8>)]) {
    for (path, bytes) in notes {
        let at = folder.join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
    }
}

fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path
                        .strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned();
                    out.insert(name, fs::read(path).unwrap());
                }
            }
        }
    }
    out
}

fn import(world: &mut World, space: &Space, folder: &Path) -> Report {
    let (space, folder) = (space.clone(), folder.to_owned());
    run!(world, |report, progress| markdown::import_folder(
        &space, &folder, "notes", report, progress
    ))
    .unwrap()
}

fn export(world: &mut World, space: &Space, folder: &Path) -> Result<Report, ExchangeError> {
    let (space, folder) = (space.clone(), folder.to_owned());
    run!(world, |report, progress| markdown::export_folder(
        &space,
        &folder,
        Over::Keep,
        report,
        progress
    ))
}

#[test]
fn a_folder_comes_out_as_it_went_in_and_after_edits_differs_in_them_alone() {
    let (mut world, [space]) = world(["Notes"]);
    let (from, to, edited) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let notes = generate::notes(3, 300);
    write(from.path(), &notes);
    let report = import(&mut world, &space, from.path());
    assert_eq!(
        (report.taken, report.left, report.changed),
        (300, 0, 0),
        "{:?}",
        report.notes()
    );
    let again = import(&mut world, &space, from.path());
    assert_eq!((again.taken, again.unchanged), (0, 300));

    let report = export(&mut world, &space, to.path()).unwrap();
    assert_eq!(
        (report.taken, report.left),
        (300, 0),
        "{:?}",
        report.notes()
    );
    let mut wanted: BTreeMap<String, Vec<u8>> = notes.iter().cloned().collect();
    assert!(read(to.path()) == wanted);
    let again = export(&mut world, &space, to.path()).unwrap();
    assert_eq!((again.taken, again.unchanged), (0, 300));

    let changes = generate::edited(&notes);
    assert_eq!(changes.len(), 30);
    for (number, text) in changes {
        let path = &notes[number].0;
        let address = TextAddress {
            space: space.id(),
            object: note_id(space.id(), "notes", path),
            property: "content".into(),
        };
        let client = space.client().clone();
        world.run(async move {
            let session = client
                .open_text(address, TextSink::new(|_| {}, |_| {}, |_| {}))
                .await
                .unwrap();
            let content = session.content();
            let at = content.find(generate::WORD).unwrap();
            let change = TextChange {
                from: dxos_base::text::units(&content[..at]),
                delete: generate::WORD.len() as u32,
                insert: "changed".into(),
            };
            session.edit(vec![change]).unwrap();
            client.flush().await.unwrap();
        });
        wanted.insert(path.clone(), text.into_bytes());
    }
    export(&mut world, &space, edited.path()).unwrap();
    let written = read(edited.path());
    for (path, bytes) in &wanted {
        assert!(written[path] == *bytes, "{path}");
    }
    assert_eq!(written.len(), wanted.len());
}

#[test]
fn links_are_references_and_follow_a_renamed_note() {
    let (mut world, [space]) = world(["Notes"]);
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "See [[Oak]], [[trees/Oak|that]], ![[oak#Bark]], [[Nowhere]], `[[Oak]]`.\n";
    write(
        from.path(),
        &[
            ("Garden.md".into(), text.into()),
            ("trees/Oak.md".into(), "An oak.\n".into()),
        ],
    );
    import(&mut world, &space, from.path());
    let (garden, oak) = (
        note_id(space.id(), "notes", "Garden.md"),
        note_id(space.id(), "notes", "trees/Oak.md"),
    );
    let query = Query::all().filter(dxos_base::query::field("links").exists());
    assert_eq!(
        world
            .run(space.client().query_ids(space.id(), query))
            .unwrap(),
        [garden]
    );
    let Value::Map(links) = &objects(&mut world, &space)[&garden].values["links"] else {
        panic!()
    };
    assert!(
        links
            .values()
            .all(|value| value.reference().unwrap().object == oak)
    );
    assert_eq!(
        links.keys().collect::<Vec<_>>(),
        ["Oak", "oak", "trees/Oak"]
    );

    world
        .run(space.write(vec![ObjectWrite::set(oak, "title", "Old oak")]))
        .unwrap();
    export(&mut world, &space, to.path()).unwrap();
    let written = read(to.path());
    assert_eq!(written["trees/Old oak.md"], b"An oak.\n");
    let wanted = "See [[Old oak]], [[Old oak|that]], ![[Old oak#Bark]], [[Nowhere]], `[[Oak]]`.\n";
    assert_eq!(String::from_utf8_lossy(&written["Garden.md"]), wanted);
}

#[cfg(unix)]
#[test]
fn what_is_no_note_is_named_and_nothing_leaves_the_folder() {
    use std::os::unix::fs::symlink;
    let (mut world, [space]) = world(["Notes"]);
    let (from, to, outside) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    write(
        from.path(),
        &[
            ("a.md".into(), b"---\na: [\n---\nx".to_vec()),
            ("image.png".into(), vec![1]),
            ("bytes.md".into(), vec![0xff]),
            (".hidden/b.md".into(), vec![]),
            ("sub/c.md".into(), b"c".to_vec()),
        ],
    );
    symlink(outside.path(), from.path().join("linked")).unwrap();
    let report = import(&mut world, &space, from.path());
    assert_eq!(
        (report.taken, report.changed, report.left),
        (2, 1, 4),
        "{:?}",
        report.notes()
    );
    let named: Vec<&str> = report
        .notes()
        .iter()
        .map(|note| note.what.as_str())
        .collect();
    for name in ["image.png", "bytes.md", ".hidden", "linked", "a.md"] {
        assert!(named.contains(&name), "{named:?}");
    }

    // Somebody else's write makes a path lead out; a link at the target would too.
    let a = note_id(space.id(), "notes", "a.md");
    world
        .run(space.write(vec![ObjectWrite::set(a, ["file", "path"], "../a.md")]))
        .unwrap();
    symlink(outside.path(), to.path().join("sub")).unwrap();
    let report = export(&mut world, &space, to.path()).unwrap();
    assert_eq!(
        (report.taken, report.left, report.changed),
        (1, 1, 1),
        "{:?}",
        report.notes()
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!to.path().parent().unwrap().join("a.md").exists());

    // What is there with other content stays.
    let there = tempfile::tempdir().unwrap();
    fs::create_dir(there.path().join("sub")).unwrap();
    fs::write(there.path().join("sub/c.md"), "mine").unwrap();
    let report = export(&mut world, &space, there.path()).unwrap();
    assert_eq!(report.kept, 1);
    assert_eq!(fs::read(there.path().join("sub/c.md")).unwrap(), b"mine");
}

#[test]
fn an_import_that_ends_in_the_middle_leaves_whole_notes_and_goes_on() {
    use std::cell::Cell;
    use std::future::Future as _;
    use std::rc::Rc;
    use std::task::Poll;

    let (mut world, [space]) = world(["Notes"]);
    let from = tempfile::tempdir().unwrap();
    let notes = generate::notes(4, 1_200);
    write(from.path(), &notes);
    let (into, folder) = (space.clone(), from.path().to_owned());
    let far = Rc::new(Cell::new(false));
    let seen = far.clone();
    let mut running = Box::pin(async move {
        let (mut report, mut hear) = (Report::default(), |done: u64, _: u64| seen.set(done > 700));
        markdown::import_folder(&into, &folder, "notes", &mut report, &mut hear).await
    });
    // Killed while its second write is under way.
    world.run(std::future::poll_fn(|context| {
        match running.as_mut().poll(context) {
            Poll::Pending if !far.get() => Poll::Pending,
            other => {
                assert!(other.is_pending(), "it was not done yet");
                Poll::Ready(())
            }
        }
    }));
    drop(running);
    world.settle();
    let there = objects(&mut world, &space);
    assert!((500..1_200).contains(&there.len()), "{}", there.len());
    let report = import(&mut world, &space, from.path());
    assert_eq!(
        report.taken + report.unchanged,
        1_200,
        "{:?}",
        report.notes()
    );
    assert_eq!(report.left, 0);
}
