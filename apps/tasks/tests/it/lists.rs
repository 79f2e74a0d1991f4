//! Lists and tasks of two people, online and offline.

use dxos_client::testing::World;
use dxos_client::{Object, ObjectId, Ref, Space, TypedQuery};
use tasks::{Task, TaskList, in_order, moved};

fn list(name: &str) -> TaskList {
    TaskList {
        name: name.into(),
        tasks: Vec::new(),
    }
}

fn task(title: &str) -> Task {
    Task::typed(title).expect("a title")
}

/// Titles of a list in its order, as the app shows them.
fn shown(world: &mut World, space: &Space, list: ObjectId) -> Vec<String> {
    let rows = world
        .run(space.query(Task::of_list(list)).run())
        .expect("the world answers");
    let order = world
        .run(space.object::<TaskList>(list).value())
        .expect("the world answers")
        .tasks;
    let rows = in_order(&order, rows, |row| row.id());
    let titles = rows.into_iter().filter_map(|row| row.ok());
    titles.map(|task| task.title).collect()
}

#[test]
fn a_list_deleted_here_and_edited_there_comes_back_whole() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let groceries = world.run(hers.add(list("Groceries"))).unwrap().id();
    let milk = world
        .run(hers.add_child(groceries, task("milk")))
        .unwrap()
        .id();
    world.settle();

    world.disconnect(&bob);
    world.run(hers.delete(groceries)).unwrap();
    world
        .run(his.object::<Task>(milk).set(Task::TITLE, "oat milk"))
        .unwrap();
    world.run(his.add_child(groceries, task("bread"))).unwrap();
    world.connect(&bob);
    world.settle();

    // Gone for both, with all that is on it.
    for space in [&hers, &his] {
        assert!(
            world
                .run(space.get::<TaskList>(groceries))
                .unwrap()
                .is_none()
        );
        assert_eq!(
            world
                .run(space.query(TypedQuery::<Task>::all()).run())
                .unwrap(),
            []
        );
    }
    world.run(his.restore(groceries)).unwrap();
    world.settle();
    for space in [&hers, &his] {
        assert_eq!(shown(&mut world, space, groceries), ["oat milk", "bread"]);
    }
}

#[test]
fn two_who_move_tasks_at_the_same_time_lose_and_double_none() {
    for seed in 0..10 {
        let mut world = World::seeded(seed, 2);
        let [ada, bob] = world.peers();
        let [hers, his] = world.shared_space("Home", [&ada, &bob]);
        let home = world.run(hers.add(list("Home"))).unwrap().id();
        let mut ids = Vec::new();
        for title in ["a", "b", "c", "d"] {
            ids.push(world.run(hers.add_child(home, task(title))).unwrap().id());
        }
        let order: Vec<Ref<Task>> = ids.iter().copied().map(Ref::to).collect();
        world
            .run(
                hers.object::<TaskList>(home)
                    .update(|list| list.tasks = order),
            )
            .unwrap();
        world.settle();

        world.disconnect(&bob);
        for (space, task, to) in [(&hers, ids[0], 3), (&his, ids[0], 1), (&his, ids[3], 0)] {
            let now = world
                .run(space.object::<TaskList>(home).value())
                .unwrap()
                .tasks;
            let now: Vec<ObjectId> = now.iter().map(Ref::object).collect();
            let next = moved(&now, task, to);
            world
                .run(
                    space
                        .object::<TaskList>(home)
                        .update(|list| list.tasks = next),
                )
                .unwrap();
        }
        world.connect(&bob);
        world.settle();

        let one = shown(&mut world, &hers, home);
        assert_eq!(one, shown(&mut world, &his, home), "seed {seed}");
        let mut sorted = one.clone();
        sorted.sort();
        assert_eq!(sorted, ["a", "b", "c", "d"], "seed {seed}");
        let kept = world
            .run(hers.object::<TaskList>(home).value())
            .unwrap()
            .tasks;
        assert_eq!(kept.len(), 4, "no task stands twice in the order");
    }
}

#[test]
fn a_task_of_another_app_is_on_no_list_and_can_be_checked() {
    let mut world = World::new(1);
    let ada = world.peer(0);
    let space = world.run(ada.client().spaces().create("Home")).unwrap();
    // As TodoMVC makes them: the same type, fewer fields.
    let values = [("title", "water the plants".into()), ("done", false.into())];
    let values = values.map(|(name, value)| (name.to_owned(), value)).into();
    let type_name = Task::type_ref().to_string();
    let made = world.run(space.add_values(&type_name, values)).unwrap();
    let rows = world.run(space.query(Task::loose()).run()).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].value().unwrap().title, "water the plants");
    world
        .run(space.object::<Task>(made).set(Task::DONE, true))
        .unwrap();
    let open = world
        .run(space.query(Task::loose().and(Task::DONE.eq(false))).run())
        .unwrap();
    assert_eq!(open, []);
}
