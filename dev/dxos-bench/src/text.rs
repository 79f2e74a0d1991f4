//! A real keystroke trace through ECHO: one transaction a keystroke, sealed, then opened again.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dxos_base::{ObjectWrite, TextChange, TextDelta, TextId};
use dxos_echo::store::Durability;
use dxos_echo::text::TextEngine as _;
use dxos_text::LoroEngine;
use serde::Deserialize;

use crate::Options;
use crate::measure::{Outcome, Spent, quantile, spent};
use crate::space::{Bench, Indexing, object};

/// Keystrokes between two seals: the trace is played without its pauses, so every entry is full.
const SEAL_EVERY: usize = dxos_base::limits::ENTRY_CHANGES_MAX;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    start_content: String,
    end_content: String,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<(usize, usize, String)>,
}

/// Reads a trace (`.json` or `.json.gz`); positions become UTF-16 units, each patch a delta of its own.
fn load(path: &Path) -> Result<Keystrokes> {
    let bytes = std::fs::read(path).with_context(|| format!("no trace at {}", path.display()))?;
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
    } else {
        text = String::from_utf8(bytes)?;
    }
    let trace: Trace = serde_json::from_str(&text)?;
    let mut model: Vec<char> = trace.start_content.chars().collect();
    let units = |chars: &[char]| chars.iter().map(|c| c.len_utf16() as u32).sum::<u32>();
    let mut deltas = Vec::new();
    if !model.is_empty() {
        deltas.push(vec![TextChange {
            from: 0,
            delete: 0,
            insert: trace.start_content.clone(),
        }]);
    }
    // Scalars and units are the same until a character outside the basic plane appears.
    let mut plain = model.iter().all(|c| c.len_utf16() == 1);
    for (position, deleted, insert) in trace.txns.into_iter().flat_map(|txn| txn.patches) {
        ensure!(
            position + deleted <= model.len(),
            "the trace leaves its text"
        );
        let span = &model[position..position + deleted];
        let from = if plain {
            position as u32
        } else {
            units(&model[..position])
        };
        let delta = vec![TextChange {
            from,
            delete: units(span),
            insert: insert.clone(),
        }];
        plain &= insert.chars().all(|c| c.len_utf16() == 1);
        model.splice(position..position + deleted, insert.chars());
        deltas.push(delta);
    }
    ensure!(
        model.iter().collect::<String>() == trace.end_content,
        "the trace does not reach its end"
    );
    Ok((deltas, trace.end_content))
}

/// The changes of a trace, and the text they end in.
pub(crate) type Keystrokes = (Vec<TextDelta>, String);

/// The trace to play, if there is one.
pub(crate) fn keystrokes(options: &Options) -> Result<Option<Keystrokes>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seph-blog1.json.gz");
    let path = options.trace.clone().unwrap_or(own);
    if options.trace.is_none() && !path.exists() {
        eprintln!("no trace at {}; give one with --trace FILE", path.display());
        return Ok(None);
    }
    load(&path).map(Some)
}

/// The whole trace, one keystroke of it, and opening the text afterwards.
pub(crate) fn trace(options: &Options) -> Result<Vec<Outcome>> {
    let Some((deltas, end)) = keystrokes(options)? else {
        return Ok(Vec::new());
    };
    let (mut wholes, mut strokes, mut opens) = (Vec::new(), Vec::new(), Vec::new());
    let mut floors = Vec::new();
    for _ in 0..options.rounds {
        let mut bench = Bench::new(Indexing::TwoProperties)?;
        let create = ObjectWrite::Create {
            object: object(1),
            type_name: "org.example.Document@0.1.0".into(),
            values: Default::default(),
        };
        bench.write(&[create])?;
        let acknowledged = Durability::Acknowledged;
        bench.transaction(acknowledged, |space, cx, _| {
            space.open_text(cx, object(1), "content")
        })?;
        let mut whole = 0.0;
        for (n, delta) in deltas.iter().enumerate() {
            let (result, took) = spent(|| {
                bench.transaction(acknowledged, |space, cx, heads| {
                    space.edit_text(cx, heads, object(1), "content", delta)
                })
            });
            result?;
            whole += took.cpu;
            strokes.push(took.cpu * 1e6);
            if n % SEAL_EVERY == SEAL_EVERY - 1 {
                let (result, took) = spent(|| bench.seal());
                result?;
                whole += took.cpu;
            }
        }
        bench.seal()?;
        wholes.push(whole * 1e3);
        floors.push(floor(&deltas)?.cpu * 1e3);
        // As an editor leaves it; after a crash the tail is read too.
        bench.transaction(acknowledged, |space, cx, _| {
            let text = space.open_text(cx, object(1), "content")?;
            space.close_text(cx, text)
        })?;
        let (path, dir) = bench.close()?;
        let mut bench = Bench::open(&path, dir, Indexing::TwoProperties)?;
        let (text, took) = spent(|| {
            bench.transaction(acknowledged, |space, cx, _| {
                let text = space.open_text(cx, object(1), "content")?;
                Ok(cx.text.content(text)?)
            })
        });
        ensure!(text? == end, "the text differs from the trace's end");
        opens.push(took.cpu * 1e3);
    }
    let p95 = quantile(&mut strokes, 0.95);
    let floor = quantile(&mut floors, 0.5);
    Ok(vec![
        Outcome::new("text_trace_ms", quantile(&mut wholes, 0.5), "ms CPU").with_floor(floor),
        Outcome::new("keystroke_us", quantile(&mut strokes, 0.5), "µs CPU")
            .with_p95(p95)
            .with_floor(floor * 1e3 / deltas.len() as f64),
        Outcome::new("text_open_ms", quantile(&mut opens, 0.5), "ms CPU"),
    ])
}

/// The engine alone, and plain SQLite writing each keystroke as one row in one transaction.
fn floor(deltas: &[TextDelta]) -> Result<Spent> {
    let dir = tempfile::tempdir()?;
    let connection = rusqlite::Connection::open(dir.path().join("floor.db"))?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE typed(n INTEGER PRIMARY KEY, bytes BLOB);",
    )?;
    let mut engine = LoroEngine::new();
    let text = TextId([1; 16]);
    engine.open(text, 1, &[], &[])?;
    let (result, took) = spent(|| -> Result<()> {
        for (n, delta) in deltas.iter().enumerate() {
            engine.apply(text, delta)?;
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            connection
                .prepare_cached("INSERT INTO typed(bytes) VALUES(?)")?
                .execute([&[7u8; 64][..]])?;
            connection.prepare_cached("COMMIT")?.execute([])?;
            if n % SEAL_EVERY == SEAL_EVERY - 1 {
                connection
                    .prepare_cached("DELETE FROM typed")?
                    .execute([])?;
            }
        }
        Ok(())
    });
    result?;
    Ok(took)
}
