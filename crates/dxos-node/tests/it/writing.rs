//! Writing together.

use std::collections::BTreeMap;

use dxos_base::{ObjectId, ObjectWrite, SpaceId, Value};
use dxos_echo::store::{Findable, ObjectRow, Store as _};
use dxos_services::{
    FailureKind, Request, Response, Role, StallReason, SyncState, TextAddress, VerifyMode, Write,
};

use crate::net::Net;

fn document(net: &mut Net, i: usize, space: SpaceId, title: &str) -> TextAddress {
    let object = ObjectId([i as u8 + 1; 16]);
    let create = ObjectWrite::Create {
        object,
        type_name: "org.dxos.type.Document@0.1.0".to_owned(),
        values: BTreeMap::from([("title".to_owned(), Value::from(title))]),
    };
    net.write(
        i,
        Write::Objects {
            space,
            writes: vec![create],
        },
    )
    .unwrap();
    TextAddress {
        space,
        object,
        property: "content".to_owned(),
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

fn title(net: &mut Net, i: usize, text: &TextAddress) -> Option<Value> {
    let request = Request::Get {
        space: text.space,
        object: text.object,
    };
    let Response::Object(view) = net.call(i, request).unwrap() else {
        panic!()
    };
    view.and_then(|view| view.values.get("title").cloned())
}

#[test]
fn both_type_and_both_see_the_same() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.run(500);
    assert_eq!(title(&mut net, 1, &text), Some(Value::from("Field notes")));
    net.open_text(0, &text);
    net.open_text(1, &text);
    net.type_text(0, &text, 0, "Hello");
    net.run(100);
    assert_eq!(net.peers[1].shown, "Hello");
    net.type_text(1, &text, 5, " world");
    net.type_text(0, &text, 0, "😀");
    net.run(500);
    assert_eq!(net.peers[0].shown, net.peers[1].shown);
    assert_eq!(net.peers[0].shown, "😀Hello world");
    assert_eq!(net.view(0, space).sync, SyncState::Synced);
}

#[test]
fn apart_both_write_on_and_together_both_converge() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.open_text(0, &text);
    net.type_text(0, &text, 0, "middle");
    net.run(500);
    net.open_text(1, &text);
    net.call(1, Request::SetOffline { offline: true }).unwrap();
    net.run(1_000);
    assert_eq!(net.view(0, space).sync, SyncState::Alone);
    net.type_text(0, &text, 0, "start ");
    net.type_text(1, &text, 6, " end");
    net.run(60_000);
    assert_eq!(net.peers[1].shown, "middle end");
    net.call(1, Request::SetOffline { offline: false }).unwrap();
    net.run(10_000);
    for i in 0..2 {
        assert_eq!(net.peers[i].shown, "start middle end");
        assert_eq!(net.view(i, space).sync, SyncState::Synced);
    }
}

#[test]
fn without_the_server_the_direct_link_goes_on() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.run(500);
    net.open_text(0, &text);
    net.open_text(1, &text);
    net.server_down();
    net.run(30_000);
    net.type_text(0, &text, 0, "still here");
    net.run(200);
    assert_eq!(net.peers[1].shown, "still here");
    net.server_up = true;
    net.run(30_000);
    assert_eq!(net.view(1, space).sync, SyncState::Synced);
}

#[test]
fn a_reader_may_not_write() {
    let mut net = Net::new(&[true, true]);
    net.identity(0, "Ada");
    net.identity(1, "Bo");
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Reader);
    let text = document(&mut net, 0, space, "Field notes");
    net.run(500);
    let delete = ObjectWrite::delete(text.object);
    let refused = net
        .write(
            1,
            Write::Objects {
                space,
                writes: vec![delete],
            },
        )
        .unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotAllowed);
    let invite = Request::Invite {
        space,
        role: Role::Reader,
        ttl_ms: 1_000,
    };
    assert_eq!(
        net.call(1, invite).unwrap_err().kind,
        FailureKind::NotAllowed
    );
}

#[test]
fn a_typed_character_costs_at_most_400_bytes_on_the_wire() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.open_text(0, &text);
    net.type_text(0, &text, 0, &"All work and no play. ".repeat(100_000 / 22));
    net.run(2_000);
    net.open_text(1, &text);
    let mut typed = Vec::new();
    for i in 0..40 {
        // Between two signs of life (every 3.5 s), which cost the same with nobody typing.
        let before = net.direct_bytes.clone();
        net.type_text(0, &text, 50_000 + i, "x");
        net.run(80);
        typed.push((
            net.direct_bytes[0] - before[0],
            net.direct_bytes[1] - before[1],
        ));
        assert_eq!(net.peers[0].shown.len(), net.peers[1].shown.len());
    }
    typed.sort_unstable_by_key(|(there, back)| there + back);
    let (there, back) = typed[typed.len() / 2];
    println!("one typed character: {there} bytes there, {back} back");
    assert!(there + back <= 400, "{typed:?}");
}

#[test]
fn a_state_told_before_an_entry_is_not_compared_with_the_one_after_it() {
    let mut net = Net::new(&[true, true, true]);
    for (i, name) in ["Ada", "Bo", "Cy"].into_iter().enumerate() {
        net.identity(i, name);
    }
    let space = net.space(0, "River study");
    net.invite(0, 1, space, Role::Editor);
    net.invite(0, 2, space, Role::Editor);
    let text = document(&mut net, 0, space, "Field notes");
    for second in 0..20 {
        // Beats tell states between writes; each status is checked as it comes.
        let value = Value::from(i64::from(second));
        let set = ObjectWrite::set(text.object, "count", value);
        let writes = vec![set];
        net.write(0, Write::Objects { space, writes }).unwrap();
        net.run(1_000);
    }
    net.run(10_000);
    for i in 0..3 {
        assert_eq!(net.view(i, space).sync, SyncState::Synced);
    }
}

#[test]
fn a_state_that_differs_is_verified_and_repaired_without_being_asked() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    let other = document(&mut net, 1, space, "Other notes");
    net.run(10_000);
    assert_eq!(net.view(1, space).sync, SyncState::Synced);
    net.damage(1, |store| {
        let row = store.object(space, other.object).unwrap().unwrap();
        let row = ObjectRow {
            object: text.object,
            ..row
        };
        store
            .object_put(space, &row, None, &Findable::default())
            .unwrap();
        let key = format!("echo/{space}/summary");
        let bytes = store.get(&key).unwrap().unwrap();
        let (revision, clock, objects, texts): (u64, u64, u128, u128) =
            dxos_base::decode(&bytes, 100).unwrap();
        let wrong = dxos_base::encode(&(revision, clock, objects.wrapping_add(7), texts));
        store.set(&key, Some(&wrong)).unwrap();
    });
    let nobody = ObjectWrite::delete(ObjectId([99; 16]));
    let writes = vec![nobody];
    net.write(1, Write::Objects { space, writes }).unwrap_err();
    assert_eq!(title(&mut net, 1, &text), Some(Value::from("Other notes")));
    let mode = VerifyMode::Check;
    let asked = net.call(1, Request::Verify { space, mode }).unwrap();
    let Response::Verified(found) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(found.objects_wrong, [text.object]);
    assert!(found.digest_wrong && !found.repaired);
    net.run(20_000);
    assert!(net.alarms > 0, "it was seen");
    assert_eq!(title(&mut net, 1, &text), Some(Value::from("Field notes")));
    for i in 0..2 {
        assert_eq!(net.view(i, space).sync, SyncState::Synced);
    }
    let asked = net.call(1, Request::Verify { space, mode }).unwrap();
    assert!(matches!(asked, Response::Verified(found) if found.is_sound()));
}

#[test]
fn a_peer_that_cannot_save_is_called_stalled_on_both_sides_until_it_can() {
    let (mut net, space) = pair();
    net.run(1_000);
    net.set_full(1, true);
    document(&mut net, 0, space, "Field notes");
    net.run(10_000);
    let peer = |net: &Net, i| net.view(i, space).peers[0].clone();
    assert_eq!(
        (peer(&net, 0).ahead, peer(&net, 0).stalled),
        (1, None),
        "too early to say"
    );
    net.run(20_000);
    assert_eq!(peer(&net, 0).stalled, Some(StallReason::NotAsking));
    assert_eq!(peer(&net, 1).stalled, Some(StallReason::Storage));
    let progress = net.view(1, space).progress;
    assert_eq!(progress.known, progress.stored + 1);
    net.set_full(1, false);
    net.run(30_000);
    for i in 0..2 {
        assert_eq!((peer(&net, i).synced, peer(&net, i).stalled), (true, None));
    }
    let progress = net.view(1, space).progress;
    assert_eq!(progress.known, progress.stored);
}

#[test]
fn who_only_reads_a_text_hears_of_it_again_after_the_disk_was_full() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.run(500);
    net.open_text(0, &text);
    net.open_text(1, &text);
    net.type_text(0, &text, 0, "her");
    // Acknowledged as it was typed: no update holds it yet.
    net.type_text(0, &text, 3, "on");
    net.set_full(0, true);
    let writes = vec![ObjectWrite::set(text.object, ["title"], "Birds")];
    let refused = net.write(0, Write::Objects { space, writes });
    assert_eq!(refused.unwrap_err().kind, FailureKind::StorageFull);
    net.run(5_000);
    net.set_full(0, false);
    net.run(10_000);
    // The person at the first node does nothing, and reads on.
    net.type_text(1, &text, 5, "s");
    net.run(1_000);
    for peer in &net.peers {
        assert_eq!(peer.shown, "herons");
    }
}

#[test]
fn an_editor_begins_anew_where_its_text_is_not_what_it_was_told() {
    let (mut net, space) = pair();
    let text = document(&mut net, 0, space, "Field notes");
    net.run(500);
    net.open_text(0, &text);
    net.type_text(0, &text, 0, "heron");
    net.run(500);
    net.damage(0, |store| {
        for text in store.texts(space).unwrap() {
            store
                .text_snapshot(space, text, &[], i64::MAX as u64)
                .unwrap();
        }
    });
    net.set_full(0, true);
    let writes = vec![ObjectWrite::set(text.object, ["title"], "Birds")];
    net.write(0, Write::Objects { space, writes }).unwrap_err();
    net.set_full(0, false);
    net.run(10_000);
    assert!(net.peers[0].begins_anew);
}
