//! History and undo as clients ask for them.

use dxos_base::history::{HistoryPage, HistoryWindow, Point, Version};
use dxos_base::{IdentityKey, ObjectId, ObjectWrite, SpaceId, Value, key_path, limits};
use dxos_services::{
    FailureKind, Request, Response, Role, TextAddress, UndoMark, UndoneView, Write,
};

use crate::net::Net;

const OBJECT: ObjectId = ObjectId([1; 16]);

fn mark(label: &str) -> UndoMark {
    UndoMark {
        scope: "tasks".into(),
        label: label.into(),
    }
}

fn marked(net: &mut Net, i: usize, space: SpaceId, label: &str, writes: Vec<ObjectWrite>) {
    let mark = mark(label);
    let write = Write::Marked {
        space,
        writes,
        mark,
    };
    net.write(i, write).unwrap();
}

fn turn(net: &mut Net, i: usize, space: SpaceId, redo: bool) -> Option<UndoneView> {
    let scope = "tasks".to_owned();
    match net.call(i, Request::Undo { space, scope, redo }).unwrap() {
        Response::Undone(undone) => undone,
        other => panic!("{other:?}"),
    }
}

fn labels(net: &mut Net, i: usize, space: SpaceId) -> (Option<String>, Option<String>) {
    let scope = "tasks".to_owned();
    match net.call(i, Request::UndoLabels { space, scope }).unwrap() {
        Response::UndoLabels { undo, redo } => (undo, redo),
        other => panic!("{other:?}"),
    }
}

fn title(net: &mut Net, i: usize, space: SpaceId) -> Option<Value> {
    let object = OBJECT;
    match net.call(i, Request::Get { space, object }).unwrap() {
        Response::Object(Some(view)) => view.values.get("title").cloned(),
        other => panic!("{other:?}"),
    }
}

fn history(net: &mut Net, i: usize, space: SpaceId) -> HistoryPage {
    let window = HistoryWindow {
        before: None,
        limit: 10,
        pause_ms: 1_000,
    };
    let request = Request::History {
        space,
        object: OBJECT,
        window,
    };
    match net.call(i, request).unwrap() {
        Response::History(page) => page,
        other => panic!("{other:?}"),
    }
}

fn version(net: &mut Net, i: usize, space: SpaceId, point: Point) -> Option<Version> {
    let request = Request::Version {
        space,
        object: OBJECT,
        point,
    };
    match net.call(i, request).unwrap() {
        Response::Version(version) => version.map(|version| *version),
        other => panic!("{other:?}"),
    }
}

fn create() -> ObjectWrite {
    ObjectWrite::create(OBJECT, "t@0.1.0", [("title".to_owned(), Value::from("a"))])
}

fn rename(title: &str) -> Vec<ObjectWrite> {
    vec![ObjectWrite::set(OBJECT, "title", title)]
}

#[test]
fn steps_are_undone_and_done_again_also_after_a_restart() {
    let mut net = Net::new(&[true]);
    net.identity(0, "Ada");
    let space = net.space(0, "River study");
    let writes = vec![create()];
    net.write(0, Write::Objects { space, writes }).unwrap();
    assert_eq!(turn(&mut net, 0, space, false), None, "it has no mark");
    marked(&mut net, 0, space, "Rename", rename("b"));
    marked(&mut net, 0, space, "Rename again", rename("c"));
    assert_eq!(
        labels(&mut net, 0, space),
        (Some("Rename again".into()), None)
    );
    let undone = turn(&mut net, 0, space, false).unwrap();
    assert_eq!((&undone.label[..], undone.skipped), ("Rename again", 0));
    assert_eq!(title(&mut net, 0, space), Some("b".into()));
    net.restart(0);
    assert_eq!(
        labels(&mut net, 0, space),
        (Some("Rename".into()), Some("Rename again".into()))
    );
    assert!(turn(&mut net, 0, space, false).is_some());
    assert_eq!(title(&mut net, 0, space), Some("a".into()));
    assert_eq!(turn(&mut net, 0, space, false), None);
    for expected in ["b", "c"] {
        assert!(turn(&mut net, 0, space, true).is_some());
        assert_eq!(title(&mut net, 0, space), Some(expected.into()));
    }
    assert_eq!(turn(&mut net, 0, space, true), None);
    // A new step ends what could be done again.
    assert!(turn(&mut net, 0, space, false).is_some());
    marked(&mut net, 0, space, "Rename a third time", rename("d"));
    assert_eq!(
        labels(&mut net, 0, space),
        (Some("Rename a third time".into()), None)
    );
    let long = Write::Marked {
        space,
        writes: rename("e"),
        mark: mark(&"x".repeat(limits::UNDO_NAME_BYTES_MAX + 1)),
    };
    let refused = net.write(0, long).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Malformed);
}

#[test]
fn only_so_many_steps_are_kept() {
    let mut net = Net::new(&[true]);
    net.identity(0, "Ada");
    let space = net.space(0, "River study");
    marked(&mut net, 0, space, "Create", vec![create()]);
    for n in 0..limits::UNDO_STEPS_MAX {
        marked(&mut net, 0, space, "Rename", rename(&n.to_string()));
    }
    let mut count = 0;
    while turn(&mut net, 0, space, false).is_some() {
        count += 1;
    }
    assert_eq!(count, limits::UNDO_STEPS_MAX);
    assert_eq!(title(&mut net, 0, space), Some("a".into()));
}

#[test]
fn a_step_of_a_write_that_failed_is_not_kept() {
    let mut net = Net::new(&[true]);
    net.identity(0, "Ada");
    let space = net.space(0, "River study");
    marked(&mut net, 0, space, "Create", vec![create()]);
    net.set_full(0, true);
    let write = Write::Marked {
        space,
        writes: rename("b"),
        mark: mark("Rename"),
    };
    net.write(0, write).unwrap_err();
    net.set_full(0, false);
    assert_eq!(labels(&mut net, 0, space), (Some("Create".into()), None));
    assert!(turn(&mut net, 0, space, false).is_some());
    assert_eq!(turn(&mut net, 0, space, false), None);
}

#[test]
fn two_people_see_one_history_and_restore_texts_while_one_types() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    let members = net.view(0, space).members.clone();
    let of = |name: &str| -> Option<IdentityKey> {
        let member = members.iter().find(|member| member.name == name);
        member.map(|member| member.identity)
    };
    let writes = vec![create()];
    net.write(0, Write::Objects { space, writes }).unwrap();
    let text = TextAddress {
        space,
        object: OBJECT,
        property: "body".into(),
    };
    net.run(500);
    net.open_text(0, &text);
    net.type_text(0, &text, 0, "Once");
    net.run(5_000);
    let point = Point::Through(history(&mut net, 0, space).edits[0].last);
    net.open_text(1, &text);
    net.type_text(1, &text, 4, " upon");
    marked(&mut net, 1, space, "Rename", rename("b"));
    net.run(5_000);
    let pages = [0, 1].map(|i| history(&mut net, i, space));
    assert_eq!(pages[0], pages[1]);
    let by: Vec<_> = pages[0].edits.iter().map(|edit| edit.by).collect();
    assert_eq!(by, [of("Bo"), of("Ada")]);
    let body = key_path(&["body"]);
    let then = version(&mut net, 1, space, point.clone()).unwrap();
    assert_eq!(then.texts[&body], "Once");
    let request = Request::Restore {
        space,
        objects: vec![OBJECT],
        point: point.clone(),
        mark: Some(mark("Restore")),
    };
    assert_eq!(net.call(0, request.clone()).unwrap(), Response::Done);
    net.run(5_000);
    let now = |net: &mut Net, i: usize| {
        let all = Point::Through(history(net, i, space).edits[0].last);
        let version = version(net, i, space, all).unwrap();
        (
            version.object.values["title"].clone(),
            version.texts[&body].clone(),
        )
    };
    for i in [0, 1] {
        assert_eq!(now(&mut net, i), ("a".into(), "Once".into()));
    }
    // Whoever has it open hears of it, and types on; undoing keeps what was typed since.
    net.type_text(1, &text, 4, "!");
    net.run(5_000);
    assert_eq!(turn(&mut net, 0, space, false).unwrap().skipped, 0);
    net.run(5_000);
    for i in [0, 1] {
        let (title, text) = now(&mut net, i);
        assert_eq!(title, "b".into());
        assert!(["Once upon!", "Once! upon"].contains(&&text[..]), "{text}");
    }
    // Of two, each undoes what is theirs.
    assert_eq!(turn(&mut net, 1, space, false).unwrap().skipped, 1);
    let changed = Request::ChangedSince {
        space,
        point,
        after: None,
    };
    let changed = net.call(1, changed).unwrap();
    assert!(matches!(changed, Response::Ids(ids) if ids.contains(&OBJECT)));
    let missing = Request::Restore {
        space,
        objects: vec![ObjectId([9; 16])],
        point: Point::Timeframe(Default::default()),
        mark: None,
    };
    assert_eq!(
        net.call(1, missing).unwrap_err().kind,
        FailureKind::NotFound
    );
}

#[test]
fn who_may_only_read_restores_nothing() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Reader);
    let writes = vec![create()];
    net.write(0, Write::Objects { space, writes }).unwrap();
    net.run(500);
    let point = Point::Through(history(&mut net, 1, space).edits[0].last);
    assert!(version(&mut net, 1, space, point.clone()).is_some());
    let objects = vec![OBJECT];
    let mark = None;
    let restore = Request::Restore {
        space,
        objects,
        point,
        mark,
    };
    assert_eq!(
        net.call(1, restore).unwrap_err().kind,
        FailureKind::NotAllowed
    );
}
