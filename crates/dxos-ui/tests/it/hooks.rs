//! What tells whom, and that nothing is told after a component is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use any_spawner::Executor;
use dxos_client::testing::World;
use dxos_client::{Client, Object, ObjectId, Space, TypedQuery};
use dxos_ui::{
    ClientRef, Phase, Row, Rows, SpaceRef, provide_client, use_count, use_identity, use_members,
    use_object, use_presence, use_query, use_spaces, use_troubles,
};
use leptos::prelude::*;

#[derive(Object, Clone, Debug, PartialEq)]
#[object(type = "org.example.Task", version = "0.1.0")]
struct Task {
    #[object(label)]
    title: String,
    done: bool,
}

fn task(title: &str) -> Task {
    Task {
        title: title.into(),
        done: false,
    }
}

/// A page of one person: everything below `owner` is a component of it.
struct Page {
    owner: Owner,
    client: ClientRef,
}

impl Page {
    fn open(client: Client) -> Page {
        // Once per thread; later calls find it there.
        let _ = Executor::init_futures_executor();
        let owner = Owner::new();
        let client = owner.with(|| provide_client(client, RwSignal::new(Phase::Live)));
        Page { owner, client }
    }

    /// A component: what `draw` makes lives until the owner is dropped or cleaned up.
    fn component<T>(&self, draw: impl FnOnce() -> T) -> (Owner, T) {
        let owner = self.owner.with(Owner::new);
        let made = owner.with(draw);
        (owner, made)
    }

    fn space(&self, space: &Space) -> SpaceRef {
        SpaceRef::new(self.client, space.id())
    }
}

/// Lets effects, calls and replication go on until something is so.
fn until(world: &mut World, what: &str, is: impl Fn() -> bool) {
    for _ in 0..500 {
        Executor::poll_local();
        if is() {
            return;
        }
        world.advance(10);
    }
    panic!("never: {what}");
}

/// Counts how often what it reads tells.
fn counted<T>(read: impl Fn() -> T + 'static) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    Effect::new(move |_| {
        let _ = read();
        counter.fetch_add(1, Ordering::Relaxed);
    });
    count
}

fn times(count: &Arc<AtomicUsize>) -> usize {
    count.load(Ordering::Relaxed)
}

fn titles(rows: Rows<Task>) -> Vec<String> {
    let rows = untrack(|| rows.get());
    // Ids made in one millisecond stand in any order.
    let mut titles: Vec<String> = rows.iter().map(|row| row.get_untracked().title).collect();
    titles.sort();
    titles
}

fn row(rows: Rows<Task>, title: &str) -> Row<Task> {
    let rows = untrack(|| rows.get());
    let found = rows
        .into_iter()
        .find(|row| row.get_untracked().title == title);
    found.expect("the row is there")
}

#[test]
fn a_changed_property_tells_one_cell_and_not_the_list() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    for title in ["milk", "bread", "salt"] {
        world.run(space.add(task(title))).unwrap();
    }
    let page = Page::open(ada.client());
    let (_owner, rows) = page.component(|| use_query(page.space(&space), TypedQuery::<Task>::all));
    until(&mut world, "three rows", || titles(rows).len() == 3);
    let (milk, salt) = (row(rows, "milk"), row(rows, "salt"));
    let (_cells, [list, milk_done, milk_title, salt_done]) = page.component(|| {
        let [done, title] = [milk.part(|t| t.done), milk.part(|t| !t.title.is_empty())];
        let other = salt.part(|t| t.done);
        [
            counted(move || rows.get()),
            counted(move || done.get()),
            counted(move || title.get()),
            counted(move || other.get()),
        ]
    });
    Executor::poll_local();
    let before = [&list, &milk_done, &milk_title, &salt_done].map(times);
    assert_eq!(before, [1; 4]);

    milk.set(Task::DONE, true);
    until(&mut world, "milk is done", || milk.get_untracked().done);
    world.settle();
    Executor::poll_local();
    assert_eq!(
        [&list, &milk_done, &milk_title, &salt_done].map(times),
        [1, 2, 1, 1]
    );

    milk.delete();
    until(&mut world, "milk is gone", || {
        titles(rows) == ["bread", "salt"]
    });
    Executor::poll_local();
    assert_eq!(times(&list), 2);
    assert_eq!(times(&salt_done), 1);
}

#[test]
fn a_query_is_asked_again_when_what_it_reads_changes() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    for (title, done) in [("milk", false), ("bread", true)] {
        let title = title.into();
        world.run(space.add(Task { title, done })).unwrap();
    }
    let page = Page::open(ada.client());
    let done = page.owner.with(|| RwSignal::new(false));
    let (_owner, (rows, count)) = page.component(|| {
        let query = move || Task::DONE.eq(done.get());
        (
            use_query(page.space(&space), query),
            use_count(page.space(&space), query),
        )
    });
    until(&mut world, "what is open", || titles(rows) == ["milk"]);
    done.set(true);
    until(&mut world, "what is done", || titles(rows) == ["bread"]);
    page.space(&space).add(Task {
        title: "salt".into(),
        done: true,
    });
    until(&mut world, "both", || titles(rows) == ["bread", "salt"]);
    until(&mut world, "counted", || count.get_untracked() == Some(2));
}

#[test]
fn nothing_is_told_after_the_component_is_gone() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    let made = world.run(space.add(task("milk"))).unwrap().id();
    let page = Page::open(ada.client());
    let subscriptions = |world: &mut World| {
        let stats = world.run(ada.client().stats()).unwrap();
        stats.get("subscriptions").copied().unwrap_or(0)
    };
    let before = subscriptions(&mut world);
    let (owner, (rows, one)) = page.component(|| {
        let space = page.space(&space);
        let count = use_count(space, TypedQuery::<Task>::all);
        let one = use_object::<Task>(space, made);
        let rows = use_query(space, TypedQuery::<Task>::all);
        counted(move || (rows.get(), one.get(), count.get()));
        (rows, one)
    });
    until(&mut world, "the row", || titles(rows) == ["milk"]);
    until(&mut world, "the object", || {
        one.get_untracked() == Some(task("milk"))
    });
    assert_eq!(subscriptions(&mut world), before + 3);

    owner.cleanup();
    drop(owner);
    world.run(space.add(task("bread"))).unwrap();
    world.settle();
    Executor::poll_local();
    assert_eq!(subscriptions(&mut world), before);

    // One that is gone before its effect has begun asks nothing.
    let (owner, _) = page.component(|| use_query(page.space(&space), TypedQuery::<Task>::all));
    owner.cleanup();
    drop(owner);
    Executor::poll_local();
    world.settle();
    assert_eq!(subscriptions(&mut world), before);
}

#[test]
fn people_and_places_are_signals_too() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let made = world.run(hers.add(task("milk"))).unwrap().id();
    world.settle();
    let (at_ada, at_bob) = (Page::open(ada.client()), Page::open(bob.client()));
    let (_ada, (members, spaces, me)) =
        at_ada.component(|| (use_members(hers.id()), use_spaces(), use_identity()));
    let names = move || -> Vec<String> {
        let members = members.get_untracked();
        members.into_iter().map(|member| member.name).collect()
    };
    until(&mut world, "both members", || names().len() == 2);
    assert!(
        spaces
            .get_untracked()
            .iter()
            .any(|space| space.name == "Home")
    );
    assert_eq!(
        me.get_untracked().map(|me| me.name),
        Some(ada.name().to_owned())
    );

    let place = |object: ObjectId| Signal::derive(move || Some(object));
    let (_here, seen_by_ada) = at_ada.component(|| use_presence(hers.id(), place(made)));
    let (there, seen_by_bob) = at_bob.component(|| use_presence(his.id(), place(made)));
    until(&mut world, "each sees the other", || {
        seen_by_ada.get_untracked().len() == 1 && seen_by_bob.get_untracked().len() == 1
    });
    there.cleanup();
    drop(there);
    until(&mut world, "Bob has left", || {
        seen_by_ada.get_untracked().is_empty()
    });
}

#[test]
fn what_is_refused_is_told_once_and_the_row_is_as_before() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    world.run(space.add(task("milk"))).unwrap();
    let page = Page::open(ada.client());
    let (_owner, (rows, troubles)) = page.component(|| {
        let rows = use_query(page.space(&space), TypedQuery::<Task>::all);
        (rows, use_troubles())
    });
    until(&mut world, "the row", || titles(rows) == ["milk"]);
    row(rows, "milk").set(Task::TITLE, "x".repeat(1 << 20));
    until(&mut world, "the refusal", || {
        troubles.with_untracked(Vec::len) == 1
    });
    world.settle();
    Executor::poll_local();
    assert_eq!(titles(rows), ["milk"]);
    assert_eq!(troubles.with_untracked(Vec::len), 1);
    page.client.dismiss(troubles.get_untracked()[0].id);
    assert!(troubles.with_untracked(Vec::is_empty));
}
