//! The client against a scripted node: takeovers, lost answers, refusals, concurrent texts.

mod fake;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use dxos_base::text::apply;
use dxos_base::{ObjectId, ObjectView, ObjectWrite, SpaceId, TextChange, TextDelta, Value};
use dxos_services::*;
use proptest::prelude::*;

use crate::{Client, Query, TextSession, TextSink};
use fake::{Disk, FakeNode};

const SPACE: SpaceId = SpaceId([1; 20]);

fn address() -> TextAddress {
    TextAddress {
        space: SPACE,
        object: ObjectId([2; 16]),
        property: "content".into(),
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// An editor: its document changes by own edits and by what the sink is told.
struct Editor {
    document: Rc<RefCell<String>>,
    refused: Rc<RefCell<Vec<Failure>>>,
    session: TextSession,
}

impl Editor {
    fn open(client: &Client, node: &mut FakeNode) -> Editor {
        let document = Rc::new(RefCell::new(String::new()));
        let refused = Rc::new(RefCell::new(Vec::new()));
        let (shown, failures) = (document.clone(), refused.clone());
        let sink = TextSink::new(
            move |delta| {
                let after = apply(&shown.borrow(), delta).unwrap();
                *shown.borrow_mut() = after;
            },
            |_| {},
            move |failure| failures.borrow_mut().push(failure.clone()),
        );
        let mut opening = pin!(client.open_text(address(), sink));
        let session = loop {
            if let Some(session) = poll(opening.as_mut()) {
                break session.unwrap();
            }
            node.settle();
        };
        *document.borrow_mut() = session.content();
        Editor {
            document,
            refused,
            session,
        }
    }

    fn type_at(&self, from: u32, delete: u32, insert: &str) {
        let delta = vec![TextChange {
            from,
            delete,
            insert: insert.into(),
        }];
        let after = apply(&self.document.borrow(), &delta).unwrap();
        *self.document.borrow_mut() = after;
        self.session.edit(delta).unwrap();
        assert_eq!(*self.document.borrow(), self.session.content());
    }

    fn text(&self) -> String {
        self.document.borrow().clone()
    }
}

fn client(n: u8) -> Client {
    Client::new(ClientId([n; 16]))
}

fn one(from: u32, insert: &str) -> TextDelta {
    vec![TextChange {
        from,
        delete: 0,
        insert: insert.into(),
    }]
}

#[test]
fn typed_text_reaches_the_node_one_change_in_flight() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    for (at, letter) in "hello".chars().enumerate() {
        editor.type_at(at as u32, 0, &letter.to_string());
    }
    assert!(editor.session.saving());
    assert_eq!(client.unacknowledged(), 1);
    node.settle();
    assert_eq!(node.disk.text, "hello");
    assert!(!editor.session.saving());
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn two_tabs_and_a_remote_peer_converge() {
    let mut node = FakeNode::new(Disk::default());
    let (a, b) = (client(1), client(2));
    node.connect(&a);
    node.connect(&b);
    let (left, right) = (Editor::open(&a, &mut node), Editor::open(&b, &mut node));
    left.type_at(0, 0, "left");
    right.type_at(0, 0, "right");
    node.remote(one(0, "far"));
    left.type_at(2, 0, "-");
    node.settle();
    assert_eq!(left.text(), node.disk.text);
    assert_eq!(right.text(), node.disk.text);
    assert!(node.disk.text.contains("le-ft") && node.disk.text.contains("right"));
}

#[test]
fn an_edit_never_stored_is_sent_again_after_a_takeover() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    editor.type_at(0, 0, "lost");
    let mut node = FakeNode::new(node.die());
    editor.type_at(4, 0, " and found");
    node.remote(one(0, "new: "));
    node.connect(&client);
    node.settle();
    // What arrives stands before what came to the same place meanwhile.
    assert_eq!(node.disk.text, "lost and foundnew: ");
    assert_eq!(editor.text(), node.disk.text);
}

#[test]
fn an_edit_stored_with_a_lost_answer_is_not_doubled() {
    for forgetful in [false, true] {
        let mut node = FakeNode::new(Disk::default());
        let client = client(1);
        node.connect(&client);
        let editor = Editor::open(&client, &mut node);
        editor.type_at(0, 0, "once");
        assert!(node.take(0), "the node stores it, the answer is lost");
        let mut node = FakeNode::new(node.die());
        node.forgetful = forgetful;
        editor.type_at(4, 0, " more");
        node.remote(one(0, "x"));
        node.connect(&client);
        node.settle();
        assert_eq!(editor.text(), "xonce more", "forgetful: {forgetful}");
        assert_eq!(node.disk.text, "xonce more", "forgetful: {forgetful}");
    }
}

#[test]
fn a_text_edit_before_an_object_write_survives_a_takeover_in_between() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    editor.type_at(0, 0, "text");
    let mut written = pin!(client.write(SPACE, vec![create(7, "a")]));
    let mut node = FakeNode::new(node.die());
    node.connect(&client);
    node.settle();
    assert_eq!(poll(written.as_mut()), Some(Ok(())));
    assert_eq!(
        node.disk.text, "text",
        "a number at or below the stored one would have been taken for a repeat"
    );
}

#[test]
fn a_refused_edit_is_taken_back_with_its_reason() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    editor.type_at(0, 0, "kept");
    node.settle();
    node.refuse = Some(FailureKind::NotAllowed);
    editor.type_at(4, 0, " refused");
    editor.type_at(4, 0, " and what came after");
    node.settle();
    assert_eq!(editor.text(), "kept");
    assert_eq!(editor.refused.borrow()[0].kind, FailureKind::NotAllowed);
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn with_no_room_an_edit_is_kept_and_tried_again() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    node.refuse = Some(FailureKind::StorageFull);
    editor.type_at(0, 0, "a");
    node.settle();
    assert_eq!(editor.text(), "a");
    assert_eq!(editor.refused.borrow()[0].kind, FailureKind::StorageFull);
    assert_eq!(client.unacknowledged(), 1);
    editor.type_at(1, 0, "b");
    node.settle();
    assert_eq!(node.disk.text, "ab");
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn with_room_again_an_edit_goes_out_without_another_key() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    node.refuse = Some(FailureKind::StorageFull);
    editor.type_at(0, 0, "a");
    node.settle();
    node.tell_status(SPACE, SaveState::Failed);
    node.settle();
    assert_eq!(node.disk.text, "", "nothing goes out while storage fails");
    node.tell_status(SPACE, SaveState::Saved);
    node.settle();
    assert_eq!(node.disk.text, "a");
    assert_eq!(editor.text(), "a");
    assert_eq!(client.unacknowledged(), 0);
}

#[test]
fn an_edit_refused_for_want_of_room_is_no_repeat_after_a_takeover() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    node.refuse = Some(FailureKind::StorageFull);
    editor.type_at(0, 0, "a");
    drop(client.write(SPACE, vec![create(1, "one")]));
    node.settle();
    let mut node = FakeNode::new(node.die());
    node.connect(&client);
    node.settle();
    assert_eq!(node.disk.text, "a");
    assert_eq!(editor.text(), "a");
}

#[test]
fn a_value_no_node_could_read_is_refused_before_it_is_sent() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    node.settle();
    let set = |depth| {
        let value = (0..depth).fold(Value::Null, |value, _| Value::List(vec![value]));
        ObjectWrite::set(ObjectId([1; 16]), "tree", value)
    };
    let limit = dxos_base::limits::VALUE_DEPTH_MAX;
    let mut fits = pin!(client.write(SPACE, vec![create(1, "one"), set(limit)]));
    let mut too_deep = pin!(client.write(SPACE, vec![set(limit + 1)]));
    let refused = poll(too_deep.as_mut()).unwrap().unwrap_err();
    assert_eq!(refused.kind, FailureKind::Malformed);
    assert_eq!(client.unacknowledged(), 1, "the other one is under way");
    node.settle();
    assert_eq!(poll(fits.as_mut()), Some(Ok(())));
}

#[test]
fn a_confused_text_is_repaired_by_asking_for_all_of_it() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    node.refuse = Some(FailureKind::Text);
    editor.type_at(0, 0, "abc");
    node.settle();
    assert_eq!(node.disk.text, "abc");
    assert_eq!(editor.text(), "abc");
}

#[test]
fn closing_an_editor_still_sends_its_last_keys() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let editor = Editor::open(&client, &mut node);
    editor.type_at(0, 0, "a");
    editor.type_at(1, 0, "b");
    drop(editor);
    node.settle();
    assert_eq!(node.disk.text, "ab");
    assert!(
        node.calls
            .iter()
            .any(|call| matches!(call, Request::CloseText { .. }))
    );
}

#[test]
fn two_editors_of_one_client_see_each_other() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let (one, two) = (
        Editor::open(&client, &mut node),
        Editor::open(&client, &mut node),
    );
    one.type_at(0, 0, "one");
    assert_eq!(two.text(), "one");
    two.type_at(3, 0, " two");
    assert_eq!(one.text(), "one two");
    node.settle();
    assert_eq!(node.disk.text, "one two");
}

fn create(n: u8, title: &str) -> ObjectWrite {
    ObjectWrite::Create {
        object: ObjectId([n; 16]),
        type_name: "t@1".into(),
        values: BTreeMap::from([("title".into(), Value::from(title))]),
    }
}

fn titles(rows: &[ObjectView]) -> Vec<String> {
    rows.iter()
        .filter_map(|row| row.values.get("title")?.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn writes_show_at_once_and_are_resent_in_order_after_a_takeover() {
    let mut node = FakeNode::new(Disk::default());
    let client = client(1);
    node.connect(&client);
    let shown = Rc::new(RefCell::new(Vec::new()));
    let sink = shown.clone();
    let query = Query::of_type("t");
    let subscription =
        client.subscribe(SPACE, query, move |rows| *sink.borrow_mut() = titles(rows));
    node.settle();
    let mut first = pin!(client.write(SPACE, vec![create(1, "one")]));
    drop(client.write(SPACE, vec![create(2, "two")]));
    assert_eq!(*shown.borrow(), ["one", "two"], "optimistic");
    assert!(node.take(0), "the first is stored, its answer lost");
    let mut node = FakeNode::new(node.die());
    let set = ObjectWrite::set(ObjectId([1; 16]), "title", "uno");
    drop(client.write(SPACE, vec![set]));
    assert_eq!(*shown.borrow(), ["uno", "two"]);
    node.connect(&client);
    node.settle();
    assert_eq!(node.disk.objects_applied, [1, 2, 3], "each once, in order");
    assert_eq!(poll(first.as_mut()), Some(Ok(())));
    assert_eq!(*shown.borrow(), ["uno", "two"]);
    assert_eq!(client.unacknowledged(), 0);
    node.refuse = Some(FailureKind::NotAllowed);
    let mut refused = pin!(client.write(SPACE, vec![create(3, "three")]));
    assert_eq!(*shown.borrow(), ["uno", "two", "three"]);
    node.settle();
    assert_eq!(*shown.borrow(), ["uno", "two"], "taken back");
    assert!(
        matches!(poll(refused.as_mut()), Some(Err(failure)) if failure.kind == FailureKind::NotAllowed)
    );
    drop(subscription);
    node.settle();
    assert!(
        node.calls
            .iter()
            .any(|call| matches!(call, Request::Unsubscribe { .. }))
    );
}

#[test]
fn calls_wait_for_a_node_and_only_harmless_ones_are_repeated() {
    let client = client(1);
    let mut made = pin!(client.call(Request::CreateSpace {
        name: "Home".into()
    }));
    let mut node = FakeNode::new(Disk::default());
    node.connect(&client);
    node.settle();
    assert_eq!(poll(made.as_mut()), Some(Ok(Response::Space(SPACE))));
    let mut cut = pin!(client.call(Request::CreateSpace {
        name: "Second".into()
    }));
    let mut flush = pin!(client.call(Request::Flush));
    let mut node = FakeNode::new(node.die());
    assert!(matches!(poll(cut.as_mut()), Some(Err(failure)) if failure.kind == FailureKind::Gone));
    node.connect(&client);
    node.settle();
    assert_eq!(poll(flush.as_mut()), Some(Ok(Response::Done)));
    assert_eq!(node.calls, [Request::Flush]);
}

#[test]
fn malformed_frames_change_nothing() {
    let client = client(1);
    for bytes in [&[][..], &[255; 40][..], &[3, 200, 1][..]] {
        assert!(client.receive(bytes).is_err());
    }
}

#[derive(Debug, Clone)]
enum Move {
    Type {
        editor: usize,
        at: u32,
        delete: u32,
        insert: &'static str,
    },
    Remote {
        at: u32,
        insert: &'static str,
    },
    Take(usize),
    Tell(usize),
    TakeOver {
        forgetful: bool,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let typing = (
        0..2usize,
        0..40u32,
        0..3u32,
        prop::sample::select(&["a", "bc", "", "d\n"][..]),
    )
        .prop_map(|(editor, at, delete, insert)| Move::Type {
            editor,
            at,
            delete,
            insert,
        });
    let remote = (0..40u32, prop::sample::select(&["R", "SS"][..]))
        .prop_map(|(at, insert)| Move::Remote { at, insert });
    let step = prop_oneof![
        5 => typing,
        2 => remote,
        4 => (0..2usize).prop_map(Move::Take),
        4 => (0..2usize).prop_map(Move::Tell),
        1 => any::<bool>().prop_map(|forgetful| Move::TakeOver { forgetful }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever is lost on the way at whichever takeover, both editors end with the node's text.
    #[test]
    fn editors_converge_over_takeovers(moves in moves()) {
        let mut node = FakeNode::new(Disk::default());
        let clients = [client(1), client(2)];
        clients.iter().for_each(|client| node.connect(client));
        let editors = [Editor::open(&clients[0], &mut node), Editor::open(&clients[1], &mut node)];
        let (mut typed, mut deleted) = (0, false);
        for step in moves {
            match step {
                Move::Type { editor, at, delete, insert } => {
                    let length = editors[editor].text().len() as u32;
                    let at = at.min(length);
                    let delete = delete.min(length - at);
                    deleted |= delete > 0;
                    typed += insert.len();
                    editors[editor].type_at(at, delete, insert);
                }
                Move::Remote { at, insert } => {
                    let at = at.min(node.disk.text.len() as u32);
                    typed += insert.len();
                    node.remote(one(at, insert));
                }
                Move::Take(index) => { node.take(index); }
                Move::Tell(index) => { node.tell(index); }
                Move::TakeOver { forgetful } => {
                    node = FakeNode::new(node.die());
                    node.forgetful = forgetful;
                    clients.iter().for_each(|client| node.connect(client));
                }
            }
        }
        node.settle();
        prop_assert_eq!(&editors[0].text(), &node.disk.text);
        prop_assert_eq!(&editors[1].text(), &node.disk.text);
        prop_assert_eq!(clients[0].unacknowledged() + clients[1].unacknowledged(), 0);
        if !deleted {
            prop_assert_eq!(node.disk.text.len(), typed, "every typed unit is there once");
        }
    }
}
