//! What two people make of one list, on the test kit.

use dxos_client::testing::World;
use todomvc::{Filter, Todo};

#[test]
fn toggles_and_edits_of_two_who_are_offline_come_to_one_list() {
    for seed in 0..10 {
        let mut world = World::seeded(seed, 2);
        let [ada, bob] = world.peers();
        let [hers, his] = world.shared_space("Todos", [&ada, &bob]);
        let milk = world
            .run(hers.add(Todo::typed("milk").unwrap()))
            .unwrap()
            .id();
        world.run(hers.add(Todo::typed("bread").unwrap())).unwrap();
        world.settle();
        world.disconnect(&bob);
        let all = hers.query(Filter::Active.query()).set(Todo::DONE, true);
        assert_eq!(world.run(all).unwrap(), 2);
        world
            .run(his.object::<Todo>(milk).set(Todo::TITLE, "oat milk"))
            .unwrap();
        world.run(his.add(Todo::typed("salt").unwrap())).unwrap();
        world.connect(&bob);
        world.settle();
        let rows = world.same_rows(&hers, Filter::All.query());
        let mut shown: Vec<_> = rows.iter().map(|row| row.value().unwrap()).collect();
        shown.sort_by(|a, b| a.title.cmp(&b.title));
        let shown: Vec<_> = shown
            .iter()
            .map(|todo| (&todo.title[..], todo.done))
            .collect();
        assert_eq!(
            shown,
            [("bread", true), ("oat milk", true), ("salt", false)],
            "seed {seed}"
        );
        let done = hers.query(Filter::Completed.query()).delete();
        assert_eq!(world.run(done).unwrap(), 2);
        world.settle();
        assert_eq!(world.same_rows(&hers, Filter::All.query()).len(), 1);
    }
}

#[test]
fn the_app_is_short_and_has_no_plumbing() {
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = std::fs::read_dir(src).unwrap().flatten();
    let code: Vec<String> = files
        .map(|file| std::fs::read_to_string(file.path()).unwrap())
        .collect();
    let lines: usize = code.iter().map(|file| file.lines().count()).sum();
    assert!((100..=300).contains(&lines), "{lines} lines");
    for plumbing in ["RefCell", "Rc<", "Rc::"] {
        assert!(
            code.iter().all(|file| !file.contains(plumbing)),
            "{plumbing}"
        );
    }
}
