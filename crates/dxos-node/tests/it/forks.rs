//! A profile that was copied whole and used twice: its feed forks, the device mends it, nothing is lost.

use std::collections::BTreeMap;

use dxos_base::{ObjectId, ObjectWrite, SpaceId, Step, Value};
use dxos_services::{FailureKind, Request, Response, Role, SyncState, Write};

use crate::net::Net;

fn trio() -> (Net, SpaceId, ObjectId) {
    let mut net = Net::new(&[true, true, true]);
    for (i, name) in ["Ada", "Bo", "Cy"].iter().enumerate() {
        net.identity(i, name);
    }
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Admin);
    net.invite(0, 2, space, Role::Editor);
    let object = ObjectId([1; 16]);
    let values = BTreeMap::from([
        ("a".to_owned(), Value::Int(0)),
        ("b".to_owned(), Value::Int(0)),
        ("n".to_owned(), Value::Counter(0)),
    ]);
    let create = ObjectWrite::Create {
        object,
        type_name: "org.example.Task@0.1.0".to_owned(),
        values,
    };
    write(&mut net, 0, space, create);
    net.run(2_000);
    (net, space, object)
}

fn write(net: &mut Net, i: usize, space: SpaceId, write: ObjectWrite) {
    let writes = vec![write];
    net.write(i, Write::Objects { space, writes }).unwrap();
}

fn count(object: ObjectId, by: i64) -> ObjectWrite {
    let path = vec![Step::Key("n".to_owned())];
    ObjectWrite::Count { object, path, by }
}

fn values(net: &mut Net, i: usize, space: SpaceId, object: ObjectId) -> BTreeMap<String, Value> {
    match net.call(i, Request::Get { space, object }).unwrap() {
        Response::Object(Some(view)) => view.values,
        other => panic!("{other:?}"),
    }
}

fn offline(net: &mut Net, i: usize, offline: bool) {
    net.call(i, Request::SetOffline { offline }).unwrap();
}

#[test]
fn a_copied_profile_that_wrote_apart_is_mended_and_nothing_is_lost() {
    for longer in [0, 3] {
        let (mut net, space, object) = trio();
        let copy = net.copy(0);
        for n in 1..=2 + longer {
            write(&mut net, 0, space, ObjectWrite::set(object, ["a"], n));
            write(&mut net, 0, space, count(object, 10));
            net.run(100);
        }
        net.run(2_000);
        assert_eq!(
            values(&mut net, 2, space, object)["n"],
            Value::Counter(20 + 10 * longer)
        );
        // Put back, it writes before it hears of what it had written: once as much, once less.
        offline(&mut net, 1, true);
        offline(&mut net, 2, true);
        net.run(30_000);
        net.put_back(0, copy);
        for n in 1..=2 {
            write(&mut net, 0, space, ObjectWrite::set(object, ["b"], n));
            write(&mut net, 0, space, count(object, 1));
            net.run(1_000);
        }
        offline(&mut net, 1, false);
        offline(&mut net, 2, false);
        net.run(60_000);
        for i in 0..3 {
            let values = values(&mut net, i, space, object);
            assert_eq!(values["a"], Value::Int(2 + longer), "peer {i}");
            assert_eq!(values["b"], Value::Int(2), "peer {i}");
            assert_eq!(values["n"], Value::Counter(22 + 10 * longer), "peer {i}");
            let view = net.view(i, space);
            assert_eq!(view.sync, SyncState::Synced, "peer {i}: {:?}", view.peers);
            let [fork] = &view.forks[..] else {
                panic!("peer {i}: {:?}", view.forks)
            };
            assert!(!fork.open);
            assert_eq!((fork.branches, fork.reissued > 0), (2, i == 0));
        }
        let status = net.peers[0].status.as_ref().unwrap();
        assert!(
            status
                .warnings
                .iter()
                .any(|text| text.contains("River study"))
        );
        // It goes on, in a feed of its own, also after a restart.
        write(&mut net, 0, space, ObjectWrite::set(object, ["b"], 9));
        net.run(2_000);
        net.restart(0);
        net.run(20_000);
        write(&mut net, 0, space, count(object, 1));
        net.run(2_000);
        assert_eq!(values(&mut net, 2, space, object)["b"], Value::Int(9));
        assert_eq!(
            values(&mut net, 1, space, object)["n"],
            Value::Counter(23 + 10 * longer)
        );
    }
}

#[test]
fn an_admin_settles_the_fork_of_a_device_that_is_gone_and_it_brings_the_rest_when_it_is_back() {
    let (mut net, space, object) = trio();
    let copy = net.copy(0);
    offline(&mut net, 2, true);
    for n in 1..=3 {
        write(&mut net, 0, space, ObjectWrite::set(object, ["a"], n));
        net.run(1_000);
    }
    offline(&mut net, 1, true);
    net.run(30_000);
    net.put_back(0, copy);
    write(&mut net, 0, space, ObjectWrite::set(object, ["b"], 7));
    net.run(1_000);
    offline(&mut net, 2, false);
    net.run(60_000);
    assert_eq!(values(&mut net, 2, space, object)["b"], Value::Int(7));
    // It never hears of the other branch.
    offline(&mut net, 0, true);
    offline(&mut net, 1, false);
    net.run(60_000);
    let device = {
        let [fork] = &net.view(1, space).forks[..] else {
            panic!("{:?}", net.view(1, space).forks)
        };
        assert!(fork.open);
        fork.device
    };
    assert_eq!(values(&mut net, 1, space, object)["a"], Value::Int(0));
    let settle = Request::SettleForks { space, device };
    let refused = net.call(2, settle.clone()).unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotAllowed, "an editor may not");
    assert_eq!(net.call(1, settle.clone()).unwrap(), Response::Done);
    let again = net.call(1, settle).unwrap_err();
    assert_eq!(
        again.kind,
        FailureKind::NotFound,
        "nothing is open any more"
    );
    net.run(60_000);
    for i in [1, 2] {
        let values = values(&mut net, i, space, object);
        assert_eq!(
            (&values["a"], &values["b"]),
            (&Value::Int(3), &Value::Int(0))
        );
        assert!(net.view(i, space).forks.iter().all(|fork| !fork.open));
    }
    offline(&mut net, 0, false);
    net.run(60_000);
    for i in 0..3 {
        let values = values(&mut net, i, space, object);
        assert_eq!(
            (&values["a"], &values["b"]),
            (&Value::Int(3), &Value::Int(7))
        );
        assert_eq!(net.view(i, space).sync, SyncState::Synced, "peer {i}");
    }
}
