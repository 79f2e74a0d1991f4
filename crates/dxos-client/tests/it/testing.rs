//! The test kit: what a world of peers does, and what tests can rely on.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_client::testing::World;
use dxos_client::{Error, Object, ObjectHandle, Role, Space, SpaceLife, Text};

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Note", version = "0.1.0")]
struct Note {
    #[object(label)]
    title: String,
    done: bool,
    labels: Vec<String>,
    content: Text,
}

fn note(title: &str) -> Note {
    Note {
        title: title.into(),
        done: false,
        labels: Vec::new(),
        content: Text::new(""),
    }
}

fn titles(world: &mut World, space: &Space) -> Vec<String> {
    let rows = world.same_rows(space, Note::all().order_by(Note::TITLE));
    let title = |row: dxos_client::Found<Note>| row.ok().unwrap().title;
    rows.into_iter().map(title).collect()
}

#[test]
fn peers_see_each_others_writes() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    assert_eq!((ada.name(), world.peer(1).name()), ("Ada", "Bob"));
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    assert_eq!((hers.id(), his.name()), (his.id(), "Home".into()));

    world.run(hers.add(note("from Ada"))).unwrap();
    world.run(his.add(note("from Bob"))).unwrap();
    world.settle();
    assert_eq!(titles(&mut world, &hers), ["from Ada", "from Bob"]);
    let names: Vec<String> = his.members().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["Ada", "Bob"]);
}

#[test]
fn what_is_changed_out_of_reach_converges() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let one = world.run(hers.add(note("one"))).unwrap();
    world.settle();

    world.disconnect(&bob);
    assert!(!world.is_connected(&bob));
    let other: ObjectHandle<Note> = his.object(one.id());
    world
        .run(async {
            one.update(|note| note.labels.push("hers".into())).await?;
            other.update(|note| note.labels.push("his".into())).await?;
            other.update(|note| note.done = true).await
        })
        .unwrap();
    world.settle();
    let before = world.run(one.value()).unwrap();
    assert_eq!((before.done, before.labels), (false, vec!["hers".into()]));

    world.connect(&bob);
    world.settle();
    let rows = world.same_rows(&hers, Note::all());
    let now = rows[0].value().unwrap();
    let mut labels = now.labels.clone();
    labels.sort();
    assert_eq!(
        (now.done, labels),
        (true, vec!["hers".into(), "his".into()])
    );
}

#[test]
fn a_restart_keeps_what_was_acknowledged_and_nothing_else() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    world.disconnect(&bob);
    let kept = world.run(his.add(note("kept"))).unwrap();
    let mut waiting = his.watch();
    // The frame lies in the client when the process dies.
    let adding = Box::pin(his.add(note("lost")));
    drop(futures_poll(adding));

    let client = world.restart(&bob);
    assert!(his.client().is_ended() && !client.is_ended());
    world.run(async { while waiting.next().await.is_some() {} });
    let his = bob.space(&hers);
    world.run(his.wait_until_ready()).unwrap();
    assert_eq!(his.life(), Some(SpaceLife::Ready));
    assert!(world.run(his.get::<Note>(kept.id())).unwrap().is_some());

    world.connect(&bob);
    world.settle();
    assert_eq!(titles(&mut world, &hers), ["kept"]);
}

/// Polls a future once: what it sends at first is on its way then.
fn futures_poll<F: Future + Unpin>(mut future: F) -> F {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut future).poll(&mut cx).is_pending());
    future
}

#[test]
fn clients_outlive_their_node_and_send_again() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let adding = Box::pin(his.add(note("sent twice")));
    let adding = futures_poll(adding);
    world.restart_node(&bob);
    world.run(adding).unwrap();
    world.settle();
    assert_eq!(titles(&mut world, &hers), ["sent twice"]);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let play = |seed| {
        let mut world = World::seeded(seed, 3);
        let [ada, bob, cleo] = world.peers();
        let [hers, his, _] = world.shared_space("Home", [&ada, &bob, &cleo]);
        let first = world.run(hers.add(note("first"))).unwrap();
        world.settle();
        let second: ObjectHandle<Note> = his.object(first.id());
        world.disconnect(&cleo);
        world
            .run(second.update(|note| note.labels.push("seen".into())))
            .unwrap();
        let (ours, theirs) = (
            world.open_text(&first, Note::CONTENT),
            world.open_text(&second, Note::CONTENT),
        );
        ours.append("ours");
        theirs.append("theirs");
        world.settle();
        let shown = theirs.shown();
        world.restart(&ada);
        world.connect(&cleo);
        world.settle();
        let rows = world.same_rows(&bob.space(&hers), Note::all());
        let rows: Vec<_> = rows.iter().map(|row| row.view().clone()).collect();
        let (events, ms) = (world.events_count(), world.clock().elapsed_ms());
        (rows, shown, events, ms)
    };
    let run = play(7);
    assert_eq!(play(7), run);
    let other = play(8);
    assert_ne!(other.0[0].object, run.0[0].object);
    assert_ne!((other.2, other.3), (run.2, run.3));
}

#[test]
fn other_seeds_give_other_orders_and_all_converge() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 1..=20 {
        let mut world = World::seeded(seed, 3);
        let [ada, bob, cleo] = world.peers();
        let [hers, his, third] = world.shared_space("Home", [&ada, &bob, &cleo]);
        let one = world.run(hers.add(note("one"))).unwrap();
        world.settle();
        world.disconnect(&cleo);
        for space in [&hers, &his, &third] {
            let object: ObjectHandle<Note> = space.object(one.id());
            let name = space.client().halo().identity().unwrap().name;
            world
                .run(object.update(|note| note.labels.push(name)))
                .unwrap();
        }
        // In the middle of it.
        world.advance(seed % 5 * 7);
        world.restart(&bob);
        world.connect(&cleo);
        world.settle();
        let rows = world.same_rows(&hers, Note::all());
        let labels = rows[0].value().unwrap().labels.clone();
        assert_eq!(labels.len(), 3, "{labels:?} with seed {seed}");
        orders.insert(labels);
    }
    assert!(orders.len() > 1, "{orders:?}");
}

#[test]
fn eight_people_meet() {
    let mut world = World::new(8);
    let [ada, bob, cleo, dan, eve, finn, grace, hugo] = world.peers();
    let members = [&ada, &bob, &cleo, &dan, &eve, &finn, &grace, &hugo];
    let spaces = world.shared_space("Home", members);
    for (space, peer) in spaces.iter().zip(members) {
        world.run(space.add(note(peer.name()))).unwrap();
    }
    world.settle();
    let all = titles(&mut world, &spaces[7]);
    assert_eq!(all, members.map(|peer| peer.name().to_owned()));
}

#[test]
fn a_third_peer_gets_from_the_second_what_the_first_wrote() {
    let mut world = World::new(3);
    let [ada, bob, cleo] = world.peers();
    let [hers, his, third] = world.shared_space("Home", [&ada, &bob, &cleo]);
    world.settle();
    world.disconnect(&cleo);
    world.run(hers.add(note("by Ada"))).unwrap();
    world.run(his.add(note("by Bob"))).unwrap();
    world.settle();
    world.disconnect(&ada);
    world.connect(&cleo);
    world.settle();
    assert_eq!(titles(&mut world, &third), ["by Ada", "by Bob"]);
}

#[test]
fn a_reader_reads() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers] = world.shared_space("Home", [&ada]);
    let one = world.run(hers.add(note("one"))).unwrap();
    let his = world.join(&hers, &bob, Role::Reader);
    world.settle();
    assert_eq!(
        (his.role(), titles(&mut world, &his)),
        (Some(Role::Reader), vec!["one".into()])
    );
    let refused = world.run(his.object::<Note>(one.id()).update(|note| note.done = true));
    assert!(matches!(refused, Err(Error::Node(_))), "{refused:?}");
}

#[test]
fn two_people_type_in_one_text() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let one = world.run(hers.add(note("one"))).unwrap();
    world.settle();
    let other: ObjectHandle<Note> = his.object(one.id());
    let ada = world.open_text(&one, Note::CONTENT);
    let bob = world.open_text(&other, Note::CONTENT);
    for (n, word) in ["with ", "one ", "another"].into_iter().enumerate() {
        bob.append(word);
        assert!(bob.saving());
        world.advance(30 * n as u64);
    }
    world.settle();
    assert_eq!(
        (ada.shown().as_str(), bob.saving()),
        ("with one another", false)
    );
    // At once, at both ends.
    ada.replace(0, 0, "Written ");
    bob.append(" 😀.");
    bob.replace(5, 3, "each");
    assert_eq!(bob.shown(), "with each another 😀.");
    world.settle();
    assert_eq!(ada.shown(), "Written with each another 😀.");
    assert_eq!(bob.shown(), ada.shown());
    assert_eq!((ada.take_refusals(), bob.take_refusals()), (vec![], vec![]));
}

#[test]
fn typing_goes_on_while_the_node_begins_again() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let one = world.run(hers.add(note("one"))).unwrap();
    world.settle();
    let typed = world.open_text(&his.object::<Note>(one.id()), Note::CONTENT);
    let read = world.open_text(&one, Note::CONTENT);
    for word in ["kept ", "whatever ", "ends"] {
        typed.append(word);
        world.advance(5);
        world.restart_node(&bob);
        assert!(typed.shown().ends_with(word));
    }
    world.settle();
    assert_eq!(read.shown(), "kept whatever ends");
}

#[test]
fn a_live_query_tells_what_others_write() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let query = Note::filter().done.eq(false).order_by(Note::TITLE);
    let mut open = his.query(query).subscribe();
    let seen: Rc<RefCell<Vec<(Vec<usize>, usize)>>> = Rc::default();
    let told = seen.clone();
    world.spawn(async move {
        while let Some(diff) = open.next().await {
            told.borrow_mut().push((diff.added, diff.removed.len()));
        }
    });
    world.settle();
    let two = world.run(hers.add(note("two"))).unwrap();
    world.settle();
    world.run(hers.add(note("one"))).unwrap();
    world.settle();
    world.run(two.update(|note| note.done = true)).unwrap();
    world.settle();
    assert_eq!(
        seen.take(),
        [(vec![], 0), (vec![0], 0), (vec![0], 0), (vec![], 1)]
    );
}

#[test]
fn what_an_app_starts_runs_beside_the_test() {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let [space] = world.shared_space("Home", [&ada]);
    let (spawner, clock, own) = (world.spawner(), world.clock(), space.clone());
    world.spawn(async move {
        for n in 0..3 {
            clock.sleep_ms(1_000).await;
            let space = own.clone();
            spawner.spawn(async move { drop(space.add(note(&n.to_string())).await) });
        }
    });
    // It wakes itself without end and is in nobody's way.
    world.spawn(std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }));
    world.advance(2_500);
    assert_eq!(titles(&mut world, &space), ["0", "1"]);
    world.advance(1_000);
    assert_eq!(titles(&mut world, &space), ["0", "1", "2"]);
    let spawner = world.spawner();
    drop(world);
    spawner.spawn(async { panic!("there is no world to run in") });
}

#[test]
fn a_second_client_sees_the_same_at_once() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let [space] = world.shared_space("Home", [&ada]);
    let tab = world.open_client(&ada);
    let same = tab.spaces().get(space.id()).unwrap();
    let one = world.run(space.add(note("one"))).unwrap();
    assert!(world.run(same.get::<Note>(one.id())).unwrap().is_some());
    tab.end();
    world.settle();
}

#[test]
fn a_newcomer_begins_without_an_identity_and_joins() {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let [hers] = world.shared_space("Home", [&ada]);
    let newcomer = world.newcomer();
    let client = world.restart(&newcomer);
    assert_eq!(client.halo().identity(), None);
    world.run(client.halo().create_identity("Ben")).unwrap();
    let theirs = world.join(&hers, &newcomer, Role::Admin);
    world.settle();
    let names: Vec<String> = hers.members().into_iter().map(|one| one.name).collect();
    assert_eq!(
        (names, theirs.role()),
        (vec!["Ada".into(), "Ben".into()], Some(Role::Admin))
    );
}

#[test]
fn time_passes_only_in_the_world() {
    let mut world = World::new(1);
    let clock = world.clock();
    let before = clock.now_ms();
    world.run(clock.sleep_ms(60_000));
    assert_eq!(clock.now_ms(), before + 60_000);
    world.advance(250);
    assert_eq!(clock.now_ms(), before + 60_250);
}

#[test]
#[should_panic(
    expected = "* Bob, not connected, 0 writes unacknowledged\n  * \"Bob’s space\": Ready"
)]
fn what_never_comes_ends_with_what_everybody_is_at() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    world.disconnect(&bob);
    let one = world.run(hers.add(note("one"))).unwrap();
    let mut whole = his.object::<Note>(one.id()).watch();
    world.run(async { while whole.next().await.flatten().is_none() {} });
}

#[test]
#[should_panic(expected = "Ada and Bob find different rows")]
fn rows_that_differ_end_the_test() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, _] = world.shared_space("Home", [&ada, &bob]);
    world.disconnect(&bob);
    world.run(hers.add(note("one"))).unwrap();
    world.same_rows(&hers, Note::all());
}
