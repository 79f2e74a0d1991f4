//! Spaces open and close, and are listed all the while.

use std::collections::BTreeMap;

use dxos_base::{ObjectId, ObjectWrite, Query, SpaceId, Value};
use dxos_echo::store::Store as _;
use dxos_services::{FailureKind, Request, Response, Role, SpaceLife, Write};

use crate::net::Net;

fn add(net: &mut Net, i: usize, space: SpaceId, number: u8) -> Result<ObjectId, FailureKind> {
    let object = ObjectId([number; 16]);
    let create = ObjectWrite::Create {
        object,
        type_name: String::new(),
        values: BTreeMap::from([("n".to_owned(), Value::from(i64::from(number)))]),
    };
    let writes = vec![create];
    let done = net.write(i, Write::Objects { space, writes });
    done.map(|_| object).map_err(|failure| failure.kind)
}

fn get(net: &mut Net, i: usize, space: SpaceId, object: ObjectId) -> Result<bool, FailureKind> {
    match net.call(i, Request::Get { space, object }) {
        Ok(Response::Object(view)) => Ok(view.is_some()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.kind),
    }
}

fn pair() -> (Net, SpaceId) {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    (net, space)
}

#[test]
fn a_closed_space_stays_closed_and_catches_up_when_opened() {
    let (mut net, space) = pair();
    let first = add(&mut net, 0, space, 1).unwrap();
    net.run(500);
    assert_eq!(get(&mut net, 1, space, first), Ok(true));
    assert_eq!(net.view(1, space).life, SpaceLife::Ready);

    net.call(1, Request::CloseSpace { space }).unwrap();
    net.call(1, Request::CloseSpace { space }).unwrap();
    assert_eq!(net.view(1, space).life, SpaceLife::Closed);
    let missed = add(&mut net, 0, space, 2).unwrap();
    net.run(500);
    assert_eq!(
        net.view(0, space).peers,
        [],
        "a closed space does not replicate"
    );
    assert_eq!(get(&mut net, 1, space, first), Err(FailureKind::NotFound));
    assert_eq!(add(&mut net, 1, space, 3), Err(FailureKind::NotFound));

    net.restart(1);
    net.run(1_000);
    let view = net.view(1, space);
    assert_eq!(
        (
            &view.life,
            view.name.as_str(),
            view.role,
            view.members.len()
        ),
        (&SpaceLife::Closed, "River study", Role::Editor, 0)
    );
    let query = Query::default();
    net.call(1, Request::Subscribe { space, query }).unwrap();
    net.run(500);
    assert_eq!(net.peers[1].rows, [], "nothing of it is read");

    net.call(1, Request::OpenSpace { space }).unwrap();
    net.run(10_000);
    assert_eq!(net.view(1, space).life, SpaceLife::Ready);
    assert_eq!(
        net.peers[1].rows.len(),
        2,
        "a subscription made before follows it"
    );
    assert_eq!(get(&mut net, 1, space, missed), Ok(true));
    assert_eq!(net.view(1, space).members.len(), 2);
}

#[test]
fn all_spaces_are_listed_before_any_is_open_and_open_one_by_one() {
    let mut net = Net::new(&[false]);
    net.identity(0, "Ada");
    let spaces: Vec<SpaceId> = (0..4)
        .map(|n| net.space(0, &format!("Space {n}")))
        .collect();
    let object = add(&mut net, 0, spaces[3], 1).unwrap();
    net.run(1_000);
    net.restart(0);
    net.run(1_000);
    let lives = |status: &dxos_services::StatusView| {
        let opening = status
            .spaces
            .iter()
            .filter(|space| space.life == SpaceLife::Opening);
        (status.spaces.len(), opening.count())
    };
    let told: Vec<_> = net.peers[0].statuses.iter().map(lives).collect();
    assert_eq!(told.first(), Some(&(5, 5)), "{told:?}");
    assert_eq!(told.last(), Some(&(5, 0)), "{told:?}");
    let first = &net.peers[0].statuses[0].spaces;
    let names: Vec<_> = first.iter().map(|space| space.name.as_str()).collect();
    assert_eq!(
        names,
        ["Ada’s space", "Space 0", "Space 1", "Space 2", "Space 3"]
    );
    assert_eq!(get(&mut net, 0, spaces[3], object), Ok(true));
}

#[test]
fn who_asks_for_a_space_does_not_wait_for_its_turn() {
    let mut net = Net::new(&[false]);
    net.identity(0, "Ada");
    let space = net.space(0, "Space");
    let object = add(&mut net, 0, space, 1).unwrap();
    net.run(1_000);
    net.restart(0);
    assert_eq!(get(&mut net, 0, space, object), Ok(true));
}

#[test]
fn a_removed_space_is_gone_here_and_stays_elsewhere() {
    let (mut net, space) = pair();
    let object = add(&mut net, 0, space, 1).unwrap();
    net.run(500);
    net.call(1, Request::RemoveSpace { space }).unwrap();
    let here = |net: &Net, i: usize| {
        let status = net.peers[i].status.as_ref().unwrap();
        status.spaces.iter().any(|view| view.space == space)
    };
    assert!(!here(&net, 1));
    net.restart(1);
    net.run(1_000);
    assert!(!here(&net, 1));
    assert_eq!(get(&mut net, 1, space, object), Err(FailureKind::NotFound));
    assert!(here(&net, 0));
    assert_eq!(get(&mut net, 0, space, object), Ok(true));

    let personal = net.peers[0].status.as_ref().unwrap().spaces[0].space;
    let refused = net
        .call(0, Request::RemoveSpace { space: personal })
        .unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotAllowed);
    let unknown = net.call(1, Request::OpenSpace { space }).unwrap_err();
    assert_eq!(unknown.kind, FailureKind::NotFound);
}

fn life(net: &Net, i: usize, space: SpaceId) -> SpaceLife {
    net.view(i, space).life.clone()
}

#[test]
fn who_leaves_a_space_writes_no_more_and_what_was_written_stays() {
    let (mut net, space) = pair();
    let theirs = add(&mut net, 1, space, 1).unwrap();
    // Nobody hears of the last write before its writer has left.
    net.call(1, Request::SetOffline { offline: true }).unwrap();
    let last = add(&mut net, 1, space, 2).unwrap();
    net.call(1, Request::LeaveSpace { space }).unwrap();
    assert_eq!(life(&net, 1, space), SpaceLife::NotMember);
    assert_eq!(add(&mut net, 1, space, 3), Err(FailureKind::NotAllowed));
    assert_eq!(get(&mut net, 1, space, last), Ok(true));

    net.call(1, Request::SetOffline { offline: false }).unwrap();
    net.run(20_000);
    assert_eq!(net.view(0, space).members.len(), 1);
    assert_eq!(net.view(0, space).peers, [], "who left is not spoken to");
    for object in [theirs, last] {
        assert_eq!(get(&mut net, 0, space, object), Ok(true));
    }
    let after = add(&mut net, 0, space, 4).unwrap();
    net.run(20_000);
    assert_eq!(get(&mut net, 1, space, after), Ok(false));

    // Back by an invitation, with all there is.
    net.invite(0, 1, space, Role::Editor);
    net.run(2_000);
    assert_eq!(life(&net, 1, space), SpaceLife::Ready);
    assert_eq!(get(&mut net, 1, space, after), Ok(true));
    let again = add(&mut net, 1, space, 5).unwrap();
    net.run(2_000);
    assert_eq!(get(&mut net, 0, space, again), Ok(true));
}

#[test]
fn the_last_owner_cannot_leave_and_only_an_owner_deletes() {
    let (mut net, space) = pair();
    let kind = |net: &mut Net, i, request| net.call(i, request).unwrap_err().kind;
    let personal = net.peers[0].status.as_ref().unwrap().spaces[0].space;
    for request in [
        Request::LeaveSpace { space },
        Request::LeaveSpace { space: personal },
        Request::DeleteSpace { space: personal },
    ] {
        assert_eq!(kind(&mut net, 0, request), FailureKind::NotAllowed);
    }
    let request = Request::DeleteSpace { space };
    assert_eq!(kind(&mut net, 1, request.clone()), FailureKind::NotAllowed);

    let object = add(&mut net, 1, space, 1).unwrap();
    net.run(500);
    net.call(0, request).unwrap();
    net.run(2_000);
    for i in 0..2 {
        assert_eq!(life(&net, i, space), SpaceLife::Deleted);
        assert_eq!(add(&mut net, i, space, 9), Err(FailureKind::NotAllowed));
        assert_eq!(get(&mut net, i, space, object), Ok(true));
    }
    net.restart(1);
    net.run(1_000);
    assert_eq!(life(&net, 1, space), SpaceLife::Deleted);
    net.call(1, Request::RemoveSpace { space }).unwrap();
    assert_eq!(get(&mut net, 1, space, object), Err(FailureKind::NotFound));
}

#[test]
fn who_left_learns_nothing_while_entries_of_theirs_are_asked_for() {
    let (mut net, space) = pair();
    let object = add(&mut net, 0, space, 1).unwrap();
    net.run(500);
    net.call(1, Request::SetOffline { offline: true }).unwrap();
    add(&mut net, 1, space, 2).unwrap();
    net.call(1, Request::LeaveSpace { space }).unwrap();
    // The entry is not there any more: the others go on asking for it.
    net.damage(1, |store| {
        for row in store.feeds(space).unwrap() {
            store
                .entries_remove(space, row.feed, row.stored_seq)
                .unwrap();
        }
    });
    net.call(1, Request::SetOffline { offline: false }).unwrap();
    net.run(20_000);
    assert_eq!(net.view(0, space).members.len(), 1);
    assert_eq!(net.view(0, space).peers.len(), 1, "still asked");

    net.look_at(0, space, object);
    let after = add(&mut net, 0, space, 3).unwrap();
    net.run(5_000);
    let ada = net.view(1, space).members[0].clone();
    assert_eq!((ada.online, ada.object), (false, None));
    assert_eq!(get(&mut net, 1, space, after), Ok(false));
}
