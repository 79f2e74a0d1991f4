//! What two peers that meet again say to each other: as little as their differences need.

use std::collections::BTreeMap;

use dxos_base::{ObjectId, ObjectWrite, SpaceId};
use dxos_services::{Role, SyncState, Write};

use crate::net::Net;

/// Two members who have each other's entries, `objects` of them.
fn pair(objects: u64) -> (Net, SpaceId) {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    for n in 0..objects {
        create(&mut net, 0, space, n);
    }
    net.run(20_000);
    assert_eq!(net.view(1, space).sync, SyncState::Synced);
    (net, space)
}

fn create(net: &mut Net, i: usize, space: SpaceId, n: u64) {
    let mut object = [7; 16];
    object[..8].copy_from_slice(&n.to_be_bytes());
    let create = ObjectWrite::create(ObjectId(object), "t@0.1.0", []);
    let writes = vec![create];
    net.write(i, Write::Objects { space, writes }).unwrap();
}

/// Messages and bytes of replication both have heard so far, by kind.
fn heard(net: &Net) -> BTreeMap<&'static str, (u64, u64)> {
    let mut heard: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    let each = net.peers.iter().flat_map(|peer| peer.node.messages());
    for (kind, messages) in each.filter(|(kind, _)| kind.starts_with("replicate")) {
        let sum = heard.entry(*kind).or_default();
        *sum = (sum.0 + messages.count, sum.1 + messages.bytes);
    }
    heard
}

/// Both restart; what they say then, for half a minute.
fn said_when_met_again(net: &mut Net) -> BTreeMap<&'static str, (u64, u64)> {
    net.restart(0);
    net.restart(1);
    net.run(30_000);
    heard(net)
}

#[test]
fn equal_peers_greet_and_are_done_whatever_the_size() {
    let mut sizes = Vec::new();
    for objects in [1, 300] {
        let (mut net, space) = pair(objects);
        let said = said_when_met_again(&mut net);
        // Each has a personal space too, which the other knows nothing of.
        assert_eq!(
            said.keys().collect::<Vec<_>>(),
            [&"replicate answer", &"replicate hello", &"replicate open"]
        );
        assert_eq!(said["replicate answer"].0, 1);
        assert_eq!(said["replicate hello"].0, 1);
        assert_eq!(said["replicate open"].0, 2);
        assert_eq!(net.view(0, space).sync, SyncState::Synced);
        assert_eq!(net.view(1, space).sync, SyncState::Synced);
        // A message travels in a frame of at most 5 bytes more, in a packet of 16 more.
        let bytes = said["replicate answer"].1 + said["replicate hello"].1 + 2 * (5 + 16);
        assert!(bytes <= 200, "{bytes} bytes");
        sizes.push(said);
    }
    assert_eq!(sizes[0], sizes[1]);
}

#[test]
fn what_one_lacks_comes_with_the_second_message_to_it() {
    for (writer, reader) in [(0, 1), (1, 0)] {
        let (mut net, space) = pair(5);
        net.server_down();
        net.cut();
        for n in 100..110 {
            create(&mut net, writer, space, n);
            net.run(1_000);
        }
        let before = heard(&net);
        net.server_up = true;
        net.run(30_000);
        assert_eq!(net.view(reader, space).sync, SyncState::Synced);
        let count = |kind| {
            let at = |heard: &BTreeMap<&str, (u64, u64)>| heard.get(kind).map_or(0, |sum| sum.0);
            at(&heard(&net)) - at(&before)
        };
        assert_eq!(count("replicate entries"), 1, "all in one message");
        assert!(count("replicate want") <= 1);
        assert_eq!(count("replicate credentials"), 0);
    }
}

#[test]
fn devices_of_other_versions_tell_each_other_and_the_person() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    net.peers[1].node.set_replicate_version(9);
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    create(&mut net, 0, space, 1);
    net.run(20_000);
    let warnings = |net: &Net, i: usize| net.peers[i].status.as_ref().unwrap().warnings.join(" ");
    assert!(warnings(&net, 0).contains("This device has an older version"));
    assert!(warnings(&net, 1).contains("Another device has an older version"));
    let said = heard(&net);
    assert_eq!(said.keys().collect::<Vec<_>>(), [&"replicate open"]);
    // With the update all is well, and nothing was lost.
    net.restart(1);
    net.run(20_000);
    for i in 0..2 {
        assert_eq!(warnings(&net, i), "");
        assert_eq!(net.view(i, space).sync, SyncState::Synced);
    }
}
