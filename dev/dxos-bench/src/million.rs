//! A million objects in one space: what is shown costs what is shown, not what is stored.
//!
//! The space is filled once; then a process of its own opens it, pages, searches and edits, and tells its times and its
//! memory. Not part of the whole run: `cargo xtask bench million`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dxos_base::query::{TextMode, text_mode};
use dxos_base::{ObjectId, ObjectView, ObjectWrite, Query};
use dxos_echo::query::Answer;
use dxos_echo::store::Durability;
use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::memory::resident_mib;
use crate::read::view;
use crate::space::{Bench, Indexing, object, objects_from};

pub(crate) const IDS: &[&str] = &[
    "million_open_ms",
    "million_page_ms",
    "million_search_ms",
    "million_edit_us",
    "million_rss_mib",
    "million_disk_bytes_per_object",
];
/// What people type for all of [`IDS`].
pub(crate) const NAME: &str = "million";

const OBJECTS: usize = 1_000_000;
/// Objects written in one transaction.
const BATCH: usize = 10_000;
const PAGE: usize = 50;
const EDITS: usize = 200;

/// A large space on a file, and what a person does in it.
struct Large {
    bench: Bench,
    count: usize,
}

impl Large {
    /// Makes a space of `count` objects; gives its file, closed.
    fn fill(count: usize) -> Result<(std::path::PathBuf, Option<tempfile::TempDir>)> {
        let mut bench = Bench::new(Indexing::FullText)?;
        for from in (0..count).step_by(BATCH) {
            let batch = objects_from(from, BATCH.min(count - from));
            bench.write_and_seal(&batch)?;
        }
        bench.close()
    }

    fn open(path: &Path, count: usize) -> Result<Large> {
        let bench = Bench::open(path, None, Indexing::FullText)?;
        Ok(Large { bench, count })
    }

    /// The first page of the sorted, filtered view.
    fn first_page(&mut self) -> Result<Answer> {
        Ok(self.bench.space.answer(&mut self.bench.store, &view())?)
    }

    /// An object in the middle of the list, as somebody has it who scrolled there.
    fn middle(&mut self) -> Result<ObjectView> {
        // Not done: the view's filter lets it through.
        let middle = object(self.count / 2 / 3 * 3 + 1);
        let shown = self.bench.space.object(&mut self.bench.store, middle)?;
        shown.context("the middle object is missing")
    }

    /// The page behind a row.
    fn page_after(&mut self, row: &ObjectView) -> Result<Answer> {
        let store = &mut self.bench.store;
        Ok(self.bench.space.window(store, &view(), Some(row), PAGE)?)
    }

    /// The best twenty of two words.
    fn search(&mut self) -> Result<Answer> {
        let query = Query::from(text_mode("garden lantern", TextMode::Prefix));
        let query = query.by_rank().limit(20);
        Ok(self.bench.space.answer(&mut self.bench.store, &query)?)
    }

    /// A title is changed and acknowledged.
    fn edit(&mut self, object: ObjectId, title: String) -> Result<()> {
        let write = ObjectWrite::set(object, "title", title);
        self.bench
            .transaction(Durability::Acknowledged, |space, cx, heads| {
                space.write(cx, heads, std::slice::from_ref(&write))?;
                Ok(())
            })
    }
}

/// What the measured process tells.
#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    open_ms: f64,
    page_ms: f64,
    search_ms: f64,
    edit_us: f64,
    rss_mib: f64,
}

pub(crate) fn million(options: &Options) -> Result<Vec<Outcome>> {
    let (path, _dir) = Large::fill(OBJECTS)?;
    let disk = std::fs::metadata(&path)?.len() as f64 / OBJECTS as f64;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let output = Command::new(std::env::current_exe()?)
            .arg("--million")
            .arg(&path)
            .output()?;
        ensure!(output.status.success(), "the measured process failed");
        rounds.push(serde_json::from_slice::<Figures>(&output.stdout)?);
    }
    let median = |figure: fn(&Figures) -> f64| {
        quantile(&mut rounds.iter().map(figure).collect::<Vec<_>>(), 0.5)
    };
    Ok(vec![
        Outcome::new("million_open_ms", median(|of| of.open_ms), "ms CPU"),
        Outcome::new("million_page_ms", median(|of| of.page_ms), "ms CPU"),
        Outcome::new("million_search_ms", median(|of| of.search_ms), "ms CPU"),
        Outcome::new("million_edit_us", median(|of| of.edit_us), "µs wall"),
        Outcome::new("million_rss_mib", median(|of| of.rss_mib), "MiB"),
        Outcome::new("million_disk_bytes_per_object", disk, "bytes, full text on"),
    ])
}

/// What the measured process does: opens, pages, searches, edits, and prints what that took.
pub fn print_million(path: &Path) -> Result<()> {
    let (opened, open) = spent(|| -> Result<_> {
        let mut large = Large::open(path, OBJECTS)?;
        let page = large.first_page()?;
        Ok((large, page))
    });
    let (mut large, first) = opened?;
    let middle = large.middle()?;
    let (deep, page) = spent(|| large.page_after(&middle));
    let (found, search) = spent(|| large.search());
    ensure!(
        first.rows.len() == PAGE && deep?.rows.len() == PAGE && found?.rows.len() == 20,
        "a page is not full"
    );
    let mut edits = Vec::new();
    for n in 0..EDITS {
        let object = object(n * (OBJECTS / EDITS));
        let (result, took) = spent(|| large.edit(object, format!("changed {n}")));
        result?;
        edits.push(took.wall * 1e6);
    }
    let figures = Figures {
        open_ms: open.cpu * 1e3,
        page_ms: page.cpu * 1e3,
        search_ms: search.cpu * 1e3,
        edit_us: quantile(&mut edits, 0.5),
        rss_mib: resident_mib()?,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use dxos_base::Value;

    use super::*;

    /// A tenth of it, so that it can be part of every test run.
    const OBJECTS: usize = 100_000;

    /// Bytes this thread has read from files: what was loaded, whatever the machine's speed.
    #[cfg(target_os = "linux")]
    fn read_bytes() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.unwrap().trim().parse().unwrap()
    }

    #[cfg(not(target_os = "linux"))]
    fn read_bytes() -> u64 {
        0
    }

    /// Does something, and tells the KiB it read from the file.
    fn loaded<T>(work: impl FnOnce() -> Result<T>) -> (T, u64) {
        let before = read_bytes();
        let result = work().unwrap();
        (result, (read_bytes() - before) / 1024)
    }

    fn created(row: &ObjectView) -> i64 {
        match row.values["created"] {
            Value::Timestamp(created) => created,
            ref other => panic!("created is {other:?}"),
        }
    }

    /// Objects and index entries that an answer looked at.
    fn looked_at(answer: &Answer) -> u64 {
        answer.explain.examined + answer.explain.index_entries
    }

    #[test]
    fn a_large_space_is_never_loaded() {
        let (path, _dir) = Large::fill(OBJECTS).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len() / 1024;
        assert!(whole > 20_000, "{whole} KiB");

        let (mut large, opening) = loaded(|| Large::open(&path, OBJECTS));
        let (first, paging) = loaded(|| large.first_page());
        assert_eq!(first.rows.len(), PAGE);
        // Every third task is done, and is looked at in vain.
        assert!(looked_at(&first) <= 8 * PAGE as u64, "{:?}", first.explain);
        assert!(opening + paging <= 1_024, "{opening} + {paging} KiB");

        let middle = large.middle().unwrap();
        let (deep, paging) = loaded(|| large.page_after(&middle));
        assert_eq!(deep.rows.len(), PAGE);
        assert!(deep.rows.iter().all(|row| created(row) < created(&middle)));
        assert!(looked_at(&deep) <= 8 * PAGE as u64, "{:?}", deep.explain);
        assert!(paging <= 256, "{paging} KiB");

        let (found, searching) = loaded(|| large.search());
        assert_eq!(found.rows.len(), 20);
        assert!(found.explain.examined <= 40, "{:?}", found.explain);
        assert!(searching <= whole / 8, "{searching} of {whole} KiB");

        let ((), editing) = loaded(|| large.edit(middle.object, "changed".into()));
        let shown = large.middle().unwrap();
        assert_eq!(shown.values.get("title"), Some(&"changed".into()));
        assert!(editing <= 256, "{editing} KiB");
    }
}
