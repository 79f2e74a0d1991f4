//! Invitations between two nodes.

use dxos_services::{FailureKind, InvitationState, LinkKind, Request, Response, Role, SyncState};

use crate::net::Net;

#[test]
fn a_guest_with_the_code_is_in_and_sees_the_members() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    for i in 0..2 {
        let view = net.view(i, space);
        assert_eq!(view.name, "River study");
        let names = view
            .members
            .iter()
            .map(|member| member.name.as_str())
            .collect::<Vec<_>>();
        assert_eq!(names, ["Ada", "Bo"]);
        assert!(view.members.iter().all(|member| member.online));
        assert_eq!(view.peers.len(), 1);
        assert_eq!(view.peers[0].kind, LinkKind::Direct);
        assert_eq!(view.sync, SyncState::Synced);
    }
    assert_eq!(
        net.relayed_messages, 0,
        "the server relays no content between direct peers"
    );
}

#[test]
fn without_direct_links_the_relay_carries_everything() {
    let mut net = Net::new(&[true, false]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Reader);
    assert_eq!(net.view(1, space).peers[0].kind, LinkKind::Relayed);
    assert_eq!(net.view(1, space).role, Role::Reader);
    assert!(net.relayed_messages > 0);
}

#[test]
fn three_wrong_codes_end_an_invitation() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    let invite = Request::Invite {
        space,
        role: Role::Editor,
        ttl_ms: 3_600_000,
    };
    let Response::Invitation(view) = net.call(0, invite).unwrap() else {
        panic!()
    };
    net.call(
        1,
        Request::Join {
            code: view.code.clone(),
        },
    )
    .unwrap();
    net.run(1_000);
    let wrong = if view.auth_code == "000000" {
        "000001"
    } else {
        "000000"
    };
    for left in [2, 1, 0] {
        let (invitation, code) = (view.invitation, wrong.to_owned());
        net.call(1, Request::Authenticate { invitation, code })
            .unwrap();
        net.run(100);
        assert_eq!(net.peers[0].invitations[&invitation].tries_left, left);
    }
    for i in 0..2 {
        let end = &net.peers[i].invitations[&view.invitation];
        assert_eq!(end.state, InvitationState::Error, "{end:?}");
        assert!(!end.reason.is_empty());
    }
    let spaces = net.peers[1].status.as_ref().unwrap().spaces.len();
    assert_eq!(spaces, 1, "only the personal space");
}

#[test]
fn cancelled_expired_and_mistyped_invitations_say_so() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    let mistyped = net
        .call(
            1,
            Request::Join {
                code: "not-a-code".to_owned(),
            },
        )
        .unwrap_err();
    assert_eq!(mistyped.kind, FailureKind::Invitation);

    let invite = Request::Invite {
        space,
        role: Role::Editor,
        ttl_ms: 1_000,
    };
    let Response::Invitation(expiring) = net.call(0, invite).unwrap() else {
        panic!()
    };
    net.run(2_000);
    assert_eq!(
        net.peers[0].invitations[&expiring.invitation].state,
        InvitationState::Expired
    );

    let invite = Request::Invite {
        space,
        role: Role::Editor,
        ttl_ms: 100_000,
    };
    let Response::Invitation(view) = net.call(0, invite).unwrap() else {
        panic!()
    };
    net.call(
        1,
        Request::Join {
            code: view.code.clone(),
        },
    )
    .unwrap();
    net.run(1_000);
    net.call(
        0,
        Request::CancelInvitation {
            invitation: view.invitation,
        },
    )
    .unwrap();
    net.run(1_000);
    for i in 0..2 {
        let end = &net.peers[i].invitations[&view.invitation];
        assert_eq!(end.state, InvitationState::Cancelled, "{end:?}");
    }
    for (over, state) in [
        (&expiring, InvitationState::Expired),
        (&view, InvitationState::Cancelled),
    ] {
        let code = over.code.clone();
        net.call(1, Request::Join { code }).unwrap();
        net.run(1_000);
        let end = &net.peers[1].invitations[&over.invitation];
        assert_eq!(end.state, state, "who comes later is told: {end:?}");
    }
    net.call(0, Request::SetOffline { offline: true }).unwrap();
    let code = expiring.code.clone();
    net.call(1, Request::Join { code }).unwrap();
    net.run(200_000);
    let end = &net.peers[1].invitations[&expiring.invitation];
    assert_eq!(end.state, InvitationState::Timeout, "{end:?}");
}

#[test]
fn a_guest_who_gives_up_tells_the_host_and_may_come_again() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    let invite = Request::Invite {
        space,
        role: Role::Editor,
        ttl_ms: 3_600_000,
    };
    let Response::Invitation(view) = net.call(0, invite).unwrap() else {
        panic!()
    };
    let (code, invitation) = (view.code.clone(), view.invitation);
    net.call(1, Request::Join { code: code.clone() }).unwrap();
    net.run(1_000);
    net.call(1, Request::CancelInvitation { invitation })
        .unwrap();
    net.run(1_000);
    assert_eq!(
        net.peers[1].invitations[&invitation].state,
        InvitationState::Cancelled
    );
    let Response::Stats(figures) = net.call(0, Request::Stats).unwrap() else {
        panic!()
    };
    assert_eq!(figures.get("messages invite cancel"), Some(&1));
    net.call(1, Request::Join { code }).unwrap();
    net.run(1_000);
    let code = view.auth_code.clone();
    net.call(1, Request::Authenticate { invitation, code })
        .unwrap();
    net.run(1_000);
    assert_eq!(
        net.peers[1].invitations[&invitation].state,
        InvitationState::Success
    );
}

#[test]
fn a_used_invitation_says_so_and_the_next_one_works() {
    let mut net = Net::new(&[true, true, true]);
    for (i, name) in ["Ada", "Bo", "Cy"].into_iter().enumerate() {
        net.identity(i, name);
    }
    let (first, second) = (net.space(0, "River study"), net.space(0, "Hills"));
    net.invite(0, 1, first, Role::Editor);
    let used = net.peers[0].invitations.values().next().cloned();
    let used = used.expect("Ada made one");
    let code = used.code.clone();
    net.call(2, Request::Join { code }).unwrap();
    net.run(1_000);
    let end = &net.peers[2].invitations[&used.invitation];
    assert_eq!(end.state, InvitationState::Error, "{end:?}");
    assert_eq!(end.reason, "This invitation was already used.");
    // Ada and Bo speak over the session of the used one, Ada and Cy over that of the refused one.
    net.invite(0, 1, second, Role::Editor);
    net.invite(0, 2, first, Role::Editor);
    let code = used.code.clone();
    net.call(2, Request::Join { code }).unwrap();
    net.run(1_000);
    let end = &net.peers[2].invitations[&used.invitation];
    assert_eq!(end.reason, "This invitation was already used.");
}
