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
        let mut bench = begin()?;
        // The clock is asked twice: asking at each keystroke would be a tenth of what it shows.
        let (result, took) = spent(|| play(&mut bench, &deltas, &mut |type_one| type_one()));
        result?;
        wholes.push(took.cpu * 1e3);
        floors.push(floor(&deltas)?.cpu * 1e3);
        let mut again = begin()?;
        play(&mut again, &deltas, &mut |type_one| {
            let (result, took) = spent(type_one);
            strokes.push(took.cpu * 1e6);
            result
        })?;
        // As an editor leaves it; after a crash the tail is read too.
        bench.transaction(Durability::Acknowledged, |space, cx, _| {
            let text = space.open_text(cx, object(1), "content")?;
            space.close_text(cx, text)
        })?;
        let (path, dir) = bench.close()?;
        let mut bench = Bench::open(&path, dir, Indexing::TwoProperties)?;
        let (text, took) = spent(|| {
            bench.transaction(Durability::Acknowledged, |space, cx, _| {
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

/// A space with an open text.
fn begin() -> Result<Bench> {
    let mut bench = Bench::new(Indexing::TwoProperties)?;
    let create = ObjectWrite::Create {
        object: object(1),
        type_name: "org.example.Document@0.1.0".into(),
        values: Default::default(),
    };
    bench.write(&[create])?;
    bench.transaction(Durability::Acknowledged, |space, cx, _| {
        space.open_text(cx, object(1), "content")
    })?;
    Ok(bench)
}

/// Types all keystrokes, a transaction each, and seals; `each` runs them one by one.
fn play(
    bench: &mut Bench,
    deltas: &[TextDelta],
    each: &mut dyn FnMut(&mut dyn FnMut() -> Result<()>) -> Result<()>,
) -> Result<()> {
    for keystrokes in deltas.chunks(SEAL_EVERY) {
        for delta in keystrokes {
            each(&mut || {
                bench.transaction(Durability::Acknowledged, |space, cx, heads| {
                    space.edit_text(cx, heads, object(1), "content", delta)
                })?;
                Ok(())
            })?;
        }
        bench.seal()?;
    }
    Ok(())
}

/// The engine alone, and plain SQLite: each keystroke is one row in one transaction; where an entry is full, they are
/// removed and the engine's update of them all is one row, forced to disk.
fn floor(deltas: &[TextDelta]) -> Result<Spent> {
    let dir = tempfile::tempdir()?;
    let connection = crate::floor::open(&dir.path().join("floor.db"))?;
    connection.execute_batch(
        "CREATE TABLE typed(n INTEGER PRIMARY KEY, bytes BLOB);
         CREATE TABLE sealed(n INTEGER PRIMARY KEY, bytes BLOB);",
    )?;
    let mut engine = LoroEngine::new();
    let text = TextId([1; 16]);
    engine.open(text, 1, &[], &[])?;
    let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
    let mut commit = connection.prepare("COMMIT")?;
    let mut typed = connection.prepare("INSERT INTO typed(bytes) VALUES(?)")?;
    let mut clear = connection.prepare("DELETE FROM typed")?;
    let mut sealed = connection.prepare("INSERT INTO sealed(bytes) VALUES(?)")?;
    let (result, took) = spent(|| -> Result<()> {
        for keystrokes in deltas.chunks(SEAL_EVERY) {
            for delta in keystrokes {
                engine.apply(text, delta)?;
                begin.execute([])?;
                typed.execute([&[7u8; 64][..]])?;
                commit.execute([])?;
            }
            let update = engine.export(text)?;
            connection.execute_batch("PRAGMA synchronous = FULL")?;
            begin.execute([])?;
            clear.execute([])?;
            sealed.execute([&update])?;
            commit.execute([])?;
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        }
        Ok(())
    });
    result?;
    Ok(took)
}
