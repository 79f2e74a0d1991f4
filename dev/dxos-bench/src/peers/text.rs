//! The keystroke trace through an engine, each keystroke one row in one transaction.

use anyhow::{Result, ensure};

use super::automerge::AutomergeText;
use super::loro::LoroText;
use super::yrs::YrsText;
use super::{Figures, Typed};
use crate::Options;
use crate::measure::{quantile, spent};
use crate::text::{Keystrokes, keystrokes};

fn typed_ms<T: Typed>(options: &Options, (deltas, end): &Keystrokes) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let dir = tempfile::tempdir()?;
        let connection = rusqlite::Connection::open(dir.path().join("text.db"))?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE typed(n INTEGER PRIMARY KEY, bytes BLOB);",
        )?;
        let mut text = T::new()?;
        let (result, took) = spent(|| -> Result<()> {
            for change in deltas.iter().flatten() {
                let (from, delete) = (change.from as usize, change.delete as usize);
                let bytes = text.edit(from, delete, &change.insert)?;
                connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                connection
                    .prepare_cached("INSERT INTO typed(bytes) VALUES(?)")?
                    .execute([bytes])?;
                connection.prepare_cached("COMMIT")?.execute([])?;
            }
            Ok(())
        });
        result?;
        ensure!(
            text.content() == *end,
            "the text differs from the trace's end"
        );
        times.push(took.cpu * 1e3);
    }
    Ok(quantile(&mut times, 0.5))
}

pub(super) fn trace(options: &Options) -> Result<Figures> {
    let Some(trace) = keystrokes(options)? else {
        return Ok(Figures::new());
    };
    Ok(Figures::from([
        (
            AutomergeText::NAME.into(),
            typed_ms::<AutomergeText>(options, &trace)?,
        ),
        (
            LoroText::NAME.into(),
            typed_ms::<LoroText>(options, &trace)?,
        ),
        (YrsText::NAME.into(), typed_ms::<YrsText>(options, &trace)?),
    ]))
}
