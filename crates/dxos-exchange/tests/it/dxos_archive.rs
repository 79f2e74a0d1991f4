//! The archive of the original, into a space.

use dxos_base::query::Deleted;
use dxos_client::Query;
use dxos_exchange::{Report, dxos_archive};

use crate::{objects, run, world};

const SAMPLE: &[u8] = include_bytes!("../fixtures/dxos-0.8.3-sample.tar");

#[test]
fn the_sample_comes_into_a_space_once() {
    let (mut world, [space]) = world(["Home"]);
    for (taken, unchanged) in [(13, 0), (0, 13)] {
        let archive = dxos_archive::read(SAMPLE).unwrap();
        let into = space.clone();
        let report = run!(world, |report, progress| dxos_archive::import(
            &into, archive, report, progress
        ))
        .unwrap();
        assert_eq!((report.taken, report.unchanged), (taken, unchanged));
        assert!(report.notes().is_empty(), "{:?}", report.notes());
    }
    let all = objects(&mut world, &space);
    let document = all
        .values()
        .find(|object| object.type_name.starts_with("com.example.type.Document"))
        .unwrap();
    assert!(
        document
            .texts
            .values()
            .next()
            .unwrap()
            .starts_with("# Note")
    );
    let tasks = Query::of_type("com.example.type.Task");
    let count = |world: &mut dxos_client::testing::World, deleted| {
        let query = tasks.clone().deleted(deleted);
        world
            .run(space.client().query(space.id(), query))
            .unwrap()
            .len()
    };
    assert_eq!(count(&mut world, Deleted::Exclude), 5);
    assert_eq!(count(&mut world, Deleted::Only), 1);
}
