//! Frames from anybody: refused or read, never followed into the stack.

use std::collections::BTreeMap;

use dxos_base::query::field;
use dxos_base::{
    DecodeError, DeviceKey, ElementId, IdentityKey, InvitationId, ObjectId, ObjectView,
    ObjectWrite, Query, SpaceId, TextChange, Value, encode, fuzz, key_path, limits,
};

use crate::*;

const SPACE: SpaceId = SpaceId([1; 20]);
const OBJECT: ObjectId = ObjectId([2; 16]);

fn address() -> TextAddress {
    TextAddress {
        space: SPACE,
        object: OBJECT,
        property: "content".into(),
    }
}

fn delta() -> Vec<TextChange> {
    vec![TextChange {
        from: 3,
        delete: 1,
        insert: "é".into(),
    }]
}

/// A value with `depth` lists around a leaf.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |value, _| Value::List(vec![value]))
}

fn writes() -> Vec<ObjectWrite> {
    let (element, list) = (ElementId([3; 8]), key_path(&["items"]));
    vec![
        ObjectWrite::tag(OBJECT, "red"),
        ObjectWrite::count(OBJECT, "n", -7),
        ObjectWrite::Insert {
            object: OBJECT,
            list: list.clone(),
            element,
            place: dxos_base::Place::At(2),
            value: nested(2),
        },
        ObjectWrite::Move {
            object: OBJECT,
            list,
            element,
            place: dxos_base::Place::After(ElementId([4; 8])),
        },
        ObjectWrite::Text {
            object: OBJECT,
            path: key_path(&["body"]),
            content: "é".into(),
        },
    ]
}

fn set(value: Value) -> ClientFrame {
    ClientFrame::Write {
        n: 7,
        write: Write::Objects {
            space: SPACE,
            writes: vec![ObjectWrite::set(OBJECT, "a", value)],
        },
    }
}

fn client_frames() -> Vec<ClientFrame> {
    let query = Query::of_type("org.dxos.type.Document")
        .filter(field("title").contains("notes"))
        .order_by_descending("title");
    let call = |request| ClientFrame::Call { call: 3, request };
    vec![
        ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            client: ClientId([9; 16]),
        },
        call(Request::Subscribe {
            space: SPACE,
            query,
        }),
        call(Request::OpenText {
            text: address(),
            base: Some(vec![1, 2, 3]),
        }),
        call(Request::Join { code: "abc".into() }),
        set(nested(5)),
        ClientFrame::Write {
            n: 9,
            write: Write::Objects {
                space: SPACE,
                writes: writes(),
            },
        },
        ClientFrame::Write {
            n: 8,
            write: Write::Text {
                text: address(),
                base: vec![4],
                delta: delta(),
            },
        },
        ClientFrame::Presence {
            place: Some(Place {
                space: SPACE,
                object: OBJECT,
                selection: None,
            }),
        },
    ]
}

fn node_frames() -> Vec<NodeFrame> {
    let values = BTreeMap::from([("a".to_owned(), nested(4))]);
    let row = Row {
        space: SPACE,
        object: ObjectView::created(OBJECT, "org.dxos.type.Document@0.1.0", &values),
    };
    let failure = Failure {
        kind: FailureKind::NotFound,
        message: "This object is not here.".into(),
        hint: String::new(),
    };
    let carets = vec![CaretView {
        device: DeviceKey([5; 32]),
        identity: IdentityKey([6; 32]),
        name: "Ada".into(),
        hue: 200,
        anchor: 1,
        head: 2,
    }];
    vec![
        NodeFrame::Welcome {
            version: PROTOCOL_VERSION,
            written: 12,
        },
        NodeFrame::Reply {
            call: 3,
            result: Ok(Response::Answer(QueryAnswer {
                rows: vec![row.clone()],
                ..QueryAnswer::default()
            })),
        },
        NodeFrame::Written {
            n: 7,
            result: Err(failure),
        },
        NodeFrame::Batch {
            events: vec![
                Event::Query {
                    subscription: 1,
                    diff: QueryDiff::replacing([row.id()], vec![row]),
                },
                Event::Text {
                    text: address(),
                    base: vec![1],
                    version: vec![2],
                    delta: delta(),
                },
                Event::Carets {
                    text: address(),
                    carets,
                },
            ],
        },
        NodeFrame::Reply {
            call: 4,
            result: Ok(Response::Invitation(InvitationView {
                invitation: InvitationId([8; 16]),
                host: true,
                space: Some(SPACE),
                space_name: "River study".into(),
                peer_name: String::new(),
                code: "abc".into(),
                auth_code: "123456".into(),
                role: Role::Editor,
                link: Some(LinkKind::Direct),
                tries_left: 3,
                expires_ms: 9,
                state: InvitationState::Init,
                reason: String::new(),
            })),
        },
    ]
}

#[test]
fn a_frame_whose_value_nests_too_deep_is_refused() {
    let deepest = set(nested(limits::VALUE_DEPTH_MAX));
    assert_eq!(decode_client(&encode(&deepest)), Ok(deepest));
    let too_deep = set(nested(limits::VALUE_DEPTH_MAX + 1));
    assert_eq!(
        decode_client(&encode(&too_deep)),
        Err(DecodeError::Malformed)
    );
}

#[test]
fn a_hostile_frame_does_not_end_the_stack() {
    // A well-formed beginning, then a list in a list in a list, for most of the largest frame.
    let whole = encode(&set(Value::List(vec![Value::Null])));
    let beginning = whole.len() - 3;
    let mut frame = whole[..beginning].to_vec();
    frame.extend([8u8, 1].repeat(limits::SERVICE_FRAME_BYTES_MAX / 2 - beginning));
    assert!(frame.len() <= limits::SERVICE_FRAME_BYTES_MAX);
    let reader = std::thread::Builder::new().stack_size(512 * 1024);
    let read = reader.spawn(move || decode_client(&frame));
    let read = read.expect("a thread starts").join();
    assert_eq!(
        read.expect("nothing overflowed"),
        Err(DecodeError::Malformed)
    );
}

#[test]
fn frames_cut_anywhere_are_refused() {
    for frame in client_frames() {
        let bytes = encode(&frame);
        assert_eq!(decode_client(&bytes), Ok(frame));
        for cut in 0..bytes.len() {
            assert!(decode_client(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
    for frame in node_frames() {
        let bytes = encode(&frame);
        assert_eq!(decode_node(&bytes), Ok(frame));
        for cut in 0..bytes.len() {
            assert!(decode_node(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn mutated_frames_are_read_or_refused() {
    let client: Vec<_> = client_frames().iter().map(encode).collect();
    fuzz::seeded(&client, 20_000, crate::fuzz::client_frame);
    let node: Vec<_> = node_frames().iter().map(encode).collect();
    fuzz::seeded(&node, 20_000, crate::fuzz::node_frame);
}
