//! Data in and out of real spaces: what comes back, what a second time does, what hostile input costs.

#![allow(clippy::unwrap_used)]

mod archive;
mod dxos_archive;
mod markdown;
mod table;

use std::collections::BTreeMap;

use dxos_base::json::to_json;
use dxos_base::{ObjectId, PlainObject};
use dxos_client::Space;
use dxos_client::testing::World;
use dxos_exchange::{all, everything};
use serde_json::Value as Json;

/// A world of one person with spaces of these names.
fn world<const N: usize>(names: [&str; N]) -> (World, [Space; N]) {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let spaces = names.map(|name| {
        let [space] = world.shared_space(name, [&ada]);
        space
    });
    (world, spaces)
}

/// All objects of a space, deleted ones too.
fn objects(world: &mut World, space: &Space) -> BTreeMap<ObjectId, PlainObject> {
    let space = space.clone();
    world.run(async move {
        let mut out = BTreeMap::new();
        let read = all(&space, everything(), |object| {
            out.insert(object.object, object);
            Ok(())
        });
        read.await.unwrap();
        out
    })
}

/// An object without what differs between spaces: who wrote it when.
fn told(object: &PlainObject, space: &Space) -> Json {
    let mut json = to_json(object, space.id());
    if let Some(meta) = json.get_mut("@meta").and_then(Json::as_object_mut) {
        meta.remove("created");
        meta.remove("updated");
    }
    json
}

/// Runs an import or export, and gives its report.
macro_rules! run {
    ($world:expr, |$report:ident, $progress:ident| $call:expr) => {{
        $world.run(async move {
            let mut told = Report::default();
            let mut hear = |_: u64, _: u64| {};
            let ($report, $progress) = (&mut told, &mut hear);
            let done = $call.await;
            done.map(|()| told)
        })
    }};
}
pub(crate) use run;
