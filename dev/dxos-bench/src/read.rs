//! Reading: from a closed file to the first rows of a view, and full-text search.

use std::path::Path;

use anyhow::{Result, ensure};
use dxos_base::Query;
use dxos_base::query::{TextMode, field, text_mode};

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::space::{Bench, Indexing};

const PAGE: u32 = 50;

/// Newest open tasks first: sorted by an indexed property, filtered by one without an index.
pub(crate) fn view() -> Query {
    Query::of_type("org.example.Task")
        .filter(field("done").eq(false))
        .order_by_descending("created")
        .limit(PAGE)
}

pub(crate) fn open_1k(options: &Options) -> Result<Vec<Outcome>> {
    open(options, "open_1k_ms", 1000)
}

pub(crate) fn open_10k(options: &Options) -> Result<Vec<Outcome>> {
    open(options, "open_10k_ms", 10_000)
}

pub(crate) fn open_100k(options: &Options) -> Result<Vec<Outcome>> {
    open(options, "open_100k_ms", 100_000)
}

/// Opens the file and the space, and reads the first page. The page cache of the system is warm.
fn open(options: &Options, id: &'static str, count: usize) -> Result<Vec<Outcome>> {
    let mut bench = Bench::new(Indexing::TwoProperties)?;
    bench.fill(count)?;
    let (path, dir) = bench.close()?;
    let mut times = Vec::new();
    let mut floors = Vec::new();
    for _ in 0..options.rounds {
        let (rows, took) = spent(|| -> Result<usize> {
            let mut bench = Bench::open(&path, None, Indexing::TwoProperties)?;
            Ok(bench.space.query(&mut bench.store, &view())?.len())
        });
        ensure!(rows? == PAGE as usize, "the page is not full");
        times.push(took.cpu * 1e3);
        let (result, took) = spent(|| floor(&path));
        result?;
        floors.push(took.cpu * 1e3);
    }
    drop(dir);
    let outcome = Outcome::new(id, quantile(&mut times, 0.5), "ms CPU");
    Ok(vec![outcome.with_floor(quantile(&mut floors, 0.5))])
}

/// Plain SQLite: opens the same file and reads 50 rows by id.
fn floor(path: &Path) -> Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    let mut statement =
        connection.prepare("SELECT id, body FROM obj ORDER BY sid DESC, id DESC LIMIT 50")?;
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(1)?.as_blob().map_or(0, <[u8]>::len);
    }
    ensure!(bytes > 0, "no rows");
    Ok(())
}

/// Two words, best 20 of 30,000 short documents: all of them, and any.
pub(crate) fn full_text(options: &Options) -> Result<Vec<Outcome>> {
    let mut bench = Bench::new(Indexing::FullText)?;
    bench.fill(30_000)?;
    let mut outcomes = Vec::new();
    for (id, mode) in [
        ("fts_30k_ms", TextMode::Prefix),
        ("fts_30k_any_ms", TextMode::Any),
    ] {
        let query = Query::from(text_mode("garden lantern", mode))
            .by_rank()
            .limit(20);
        let mut times = Vec::new();
        for _ in 0..options.rounds * 20 {
            let (found, took) = spent(|| bench.space.query(&mut bench.store, &query));
            ensure!(found?.len() == 20, "too little was found");
            times.push(took.cpu * 1e3);
        }
        let p95 = quantile(&mut times, 0.95);
        let outcome = Outcome::new(id, quantile(&mut times, 0.5), "ms CPU");
        outcomes.push(outcome.with_p95(p95));
    }
    Ok(outcomes)
}
