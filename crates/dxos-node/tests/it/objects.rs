//! What clients ask about objects beside their values.

use dxos_base::{Conflict, IdentityKey, ObjectId, ObjectView, ObjectWrite, SpaceId, Value};
use dxos_base::{key_path, plain};
use dxos_services::{FailureKind, Request, Response, Role, Write};

use crate::net::Net;

const OBJECT: ObjectId = ObjectId([1; 16]);

fn pair() -> (Net, SpaceId) {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    (net, space)
}

fn write(net: &mut Net, i: usize, space: SpaceId, writes: Vec<ObjectWrite>) {
    net.write(i, Write::Objects { space, writes }).unwrap();
}

fn view(net: &mut Net, i: usize, space: SpaceId) -> ObjectView {
    let object = OBJECT;
    match net.call(i, Request::Get { space, object }).unwrap() {
        Response::Object(Some(view)) => *view,
        other => panic!("{other:?}"),
    }
}

fn conflicts(net: &mut Net, i: usize, space: SpaceId) -> Vec<Conflict> {
    let request = Request::Conflicts {
        space,
        object: OBJECT,
        path: key_path(&["title"]),
    };
    match net.call(i, request).unwrap() {
        Response::Conflicts(conflicts) => conflicts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_wrote_it_is_told_by_identity_and_what_lost_can_be_asked_for() {
    let (mut net, space) = pair();
    let members = net.view(0, space).members.clone();
    let of = |name: &str| -> IdentityKey {
        let member = members.iter().find(|member| member.name == name);
        member.expect("both are members").identity
    };
    let values = [("title".to_owned(), Value::from("a"))];
    let create = ObjectWrite::create(OBJECT, "t@0.1.0", values);
    write(
        &mut net,
        0,
        space,
        vec![create, ObjectWrite::tag(OBJECT, "red")],
    );
    net.run(500);
    write(
        &mut net,
        1,
        space,
        vec![ObjectWrite::set(OBJECT, "title", "b")],
    );
    net.run(500);
    for i in [0, 1] {
        let meta = view(&mut net, i, space).meta;
        assert_eq!(meta.created_by, Some(of("Ada")));
        assert_eq!(meta.updated_by, Some(of("Bo")));
        assert!(meta.tags.contains("red"));
        assert_eq!(conflicts(&mut net, i, space), []);
    }
    // Both write before either has heard of the other.
    let offline = |net: &mut Net, offline| net.call(0, Request::SetOffline { offline }).unwrap();
    offline(&mut net, true);
    let title = |title: &str| vec![ObjectWrite::set(OBJECT, "title", title)];
    write(&mut net, 0, space, title("c"));
    write(&mut net, 1, space, title("d"));
    net.run(500);
    assert_eq!(view(&mut net, 0, space).values["title"], "c".into());
    offline(&mut net, false);
    net.run(10_000);
    let stands = view(&mut net, 0, space).values["title"].clone();
    let (lost, by) = match stands.as_str() {
        Some("c") => ("d", of("Bo")),
        _ => ("c", of("Ada")),
    };
    for i in [0, 1] {
        let told = conflicts(&mut net, i, space);
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].value, told[0].by), (&Some(lost.into()), Some(by)));
    }
}

#[test]
fn objects_are_given_plain_with_their_texts_and_made_again() {
    let (mut net, space) = pair();
    let text = ObjectWrite::Text {
        object: OBJECT,
        path: key_path(&["content"]),
        content: "Hello".into(),
    };
    let create = ObjectWrite::create(OBJECT, "t@0.1.0", []);
    write(&mut net, 0, space, vec![create, text]);
    net.run(500);
    let objects = vec![OBJECT, ObjectId([9; 16])];
    let ask = |net: &mut Net, objects| match net.call(1, Request::Plain { space, objects }) {
        Ok(Response::Plain(found)) => found,
        other => panic!("{other:?}"),
    };
    let found = ask(&mut net, objects);
    assert_eq!(found.len(), 1, "what is not here is left out");
    assert_eq!(found[0].texts.values().collect::<Vec<_>>(), ["Hello"]);
    let mut fresh = || ObjectId([2; 16]);
    let copies = plain::copy(&found, space, space, plain::Ids::New(&mut fresh));
    write(&mut net, 1, space, copies[0].writes());
    let copy = ask(&mut net, vec![ObjectId([2; 16])]);
    assert_eq!(
        (&copy[0].values.len(), &copy[0].texts),
        (&1, &found[0].texts)
    );
    let many = vec![OBJECT; 1_001];
    let refused = net.call(
        1,
        Request::Plain {
            space,
            objects: many,
        },
    );
    assert_eq!(refused.unwrap_err().kind, FailureKind::Malformed);
}
