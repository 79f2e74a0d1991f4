//! Other engines at the same work, measured in the same run: yrs, Loro and Automerge with one document for each object,
//! as they are used for objects, their documents as rows of a SQLite file; and SQLite alone with encoded rows.
//!
//! * The objects, batches, files and the way of counting are those of our own benchmarks. The engines index, sign, seal
//!   and authenticate nothing; ours does.
//! * Sync is each engine's own protocol for a document, with a 16-byte name for each, in both directions.
//!
//! Not here: engines that need a server or a JavaScript runtime.

mod automerge;
mod loro;
mod objects;
mod sqlite;
mod sync;
mod text;
mod yrs;

use std::collections::BTreeMap;

use anyhow::Result;
use dxos_base::{ObjectWrite, Value};

use crate::Options;
use crate::measure::Outcome;
use crate::space::objects as writes;

/// The benchmark's object, as plain data.
#[derive(Debug, Clone, PartialEq)]
struct Task {
    title: String,
    done: bool,
    assignee: String,
    created: i64,
    tags: String,
}

/// The same objects that our own benchmarks write.
fn tasks(count: usize) -> Vec<Task> {
    let task = |write: ObjectWrite| {
        let ObjectWrite::Create { values, .. } = write else {
            unreachable!("the benchmark's objects are created")
        };
        let text = |name: &str| match values.get(name) {
            Some(Value::String(text)) => text.clone(),
            _ => unreachable!("a task has a {name}"),
        };
        Task {
            title: text("title"),
            done: values.get("done") == Some(&Value::Bool(true)),
            assignee: text("assignee"),
            created: match values.get("created") {
                Some(Value::Timestamp(created)) => *created,
                _ => unreachable!("a task has a creation time"),
            },
            tags: text("tags"),
        }
    };
    writes(count).into_iter().map(task).collect()
}

/// An engine as a store of one small object a document.
trait Engine {
    const NAME: &'static str;
    type Document;
    /// A document of one object; `actor` is of this document alone.
    fn create(task: &Task, actor: u64) -> Result<Self::Document>;
    /// What is kept on disk.
    fn save(document: &mut Self::Document) -> Result<Vec<u8>>;
    /// What was kept, with the changes kept since; `actor` writes on.
    fn load(saved: &[u8], changes: &[Vec<u8>], actor: u64) -> Result<Self::Document>;
    /// The object as it shows.
    fn read(document: &Self::Document) -> Result<Task>;
    /// Sets a property; gives the change alone, to keep or to send.
    fn set_title(document: &mut Self::Document, title: &str) -> Result<Vec<u8>>;
}

/// An engine whose documents are replicated.
trait Replicated: Engine {
    /// Brings two replicas of a document together by the engine's own protocol; gives the bytes sent both ways.
    fn sync(a: &mut Self::Document, b: &mut Self::Document) -> Result<u64>;
}

/// An engine with texts.
trait Typed {
    const NAME: &'static str;
    /// An empty text.
    fn new() -> Result<Self>
    where
        Self: Sized;
    /// One change, in UTF-16 units; gives it encoded, to keep.
    fn edit(&mut self, from: usize, delete: usize, insert: &str) -> Result<Vec<u8>>;
    /// The whole text.
    fn content(&self) -> String;
}

type Figures = BTreeMap<String, f64>;

/// What the others need for the work of a benchmark, by name.
fn measure(id: &str, options: &Options) -> Result<Figures> {
    match id {
        "create_batch_per_s" => objects::create(options),
        "disk_per_object_bytes" => objects::disk(),
        "write_ack_us" => objects::write(options),
        "open_1k_ms" => objects::open(options, 1_000),
        "open_10k_ms" => objects::open(options, 10_000),
        "sync_noop_bytes" => sync::no_difference(),
        "sync_diff_ratio" => sync::differences(),
        "text_trace_ms" => text::trace(options),
        _ => Ok(Figures::new()),
    }
}

/// Adds the figures of the others to ours.
pub(crate) fn add(options: &Options, outcomes: &mut [Outcome]) -> Result<()> {
    for outcome in outcomes {
        outcome.peers = measure(outcome.id, options)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps_and_changes<E: Engine>() {
        let task = &tasks(8)[7];
        let mut document = E::create(task, 5).unwrap();
        assert_eq!(E::read(&document).unwrap(), *task);
        let saved = E::save(&mut document).unwrap();
        let change = E::set_title(&mut document, "another").unwrap();
        let changed = Task {
            title: "another".into(),
            ..task.clone()
        };
        for changes in [&[][..], &[change][..]] {
            let loaded = E::load(&saved, changes, 6).unwrap();
            let expected = if changes.is_empty() { task } else { &changed };
            assert_eq!(E::read(&loaded).unwrap(), *expected, "{}", E::NAME);
        }
    }

    fn comes_together<E: Replicated>() {
        let saved = E::save(&mut E::create(&tasks(1)[0], 5).unwrap()).unwrap();
        let mut a = E::load(&saved, &[], 6).unwrap();
        let mut b = E::load(&saved, &[], 7).unwrap();
        let equal = E::sync(&mut a, &mut b).unwrap();
        E::set_title(&mut a, "another").unwrap();
        let different = E::sync(&mut a, &mut b).unwrap();
        assert!(0 < equal && equal < different, "{}", E::NAME);
        assert_eq!(E::read(&b).unwrap().title, "another");
        assert_eq!(E::read(&a).unwrap(), E::read(&b).unwrap());
    }

    fn types<T: Typed>() {
        let mut text = T::new().unwrap();
        text.edit(0, 0, "a😀c").unwrap();
        text.edit(3, 1, "d").unwrap();
        assert_eq!(text.content(), "a😀d", "{}", T::NAME);
    }

    #[test]
    fn every_engine_does_the_work() {
        keeps_and_changes::<automerge::Automerge>();
        keeps_and_changes::<loro::Loro>();
        keeps_and_changes::<yrs::Yrs>();
        keeps_and_changes::<sqlite::Rows>();
        comes_together::<automerge::Automerge>();
        comes_together::<loro::Loro>();
        comes_together::<yrs::Yrs>();
        types::<automerge::AutomergeText>();
        types::<loro::LoroText>();
        types::<yrs::YrsText>();
    }
}
