//! The floor of creating objects: plain SQLite, made to write the very rows that a run has left behind.
//!
//! * Tables, indexes and pragmas are the store's own; rows are read from the run's file, before the clock starts.
//! * One transaction a batch of objects, as the run had, with a statement prepared once for each table. The rows of a
//!   batch go in table by table, in the order of their keys, which is the fastest there is.
//! * Entries go in with the last object they hold. Rows that the run wrote and removed again (`pending`) are left out,
//!   and so is whatever it read.

use std::path::Path;

use anyhow::{Result, ensure};
use dxos_store::SqliteStore;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};

use crate::measure::{Spent, spent};

type Row = Vec<Value>;

/// Rows of one transaction.
#[derive(Default)]
struct Batch {
    objects: Vec<Row>,
    keys: Vec<Row>,
    entries: Vec<Row>,
}

/// What a run has left behind.
pub(crate) struct Rows {
    /// Spaces, names and shapes: written with the first batch.
    few: Vec<(&'static str, Vec<Row>)>,
    /// Written anew with each entry: the feed's end and the summary.
    ends: Vec<(&'static str, Vec<Row>)>,
    batches: Vec<Batch>,
}

/// When a transaction's log must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// With each transaction: it seals.
    Each,
    /// With those that hold entries.
    WithEntries,
}

impl Rows {
    /// Reads the rows of a run that made objects one after the other, `objects` in a transaction, and sealed after
    /// every `sealed` of them.
    pub(crate) fn read(path: &Path, objects: usize, sealed: usize) -> Result<Rows> {
        let connection = Connection::open(path)?;
        let all = |sql: &str| -> rusqlite::Result<Vec<Row>> {
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
            statement.query_map([], row)?.collect()
        };
        let rows_of = |tables: &[&'static str]| -> Result<Vec<(&'static str, Vec<Row>)>> {
            let rows = |table: &&'static str| Ok((*table, all(&format!("SELECT * FROM {table}"))?));
            tables.iter().map(rows).collect()
        };
        let mut rows = Rows {
            few: rows_of(&["space", "name", "shape"])?,
            ends: rows_of(&["feed", "kv"])?,
            batches: Vec::new(),
        };
        // Ids rise with time. Those of one millisecond stand in no order: one by one the floor writes them sorted.
        let made = all("SELECT * FROM obj ORDER BY sid, id")?;
        for part in made.chunks(objects) {
            rows.batches.push(Batch {
                objects: part.to_vec(),
                ..Batch::default()
            });
        }
        let batch_of = |id: &Value| {
            let blob = |row: &Row| match (&row[1], id) {
                (Value::Blob(held), Value::Blob(wanted)) => held.cmp(wanted),
                _ => std::cmp::Ordering::Less,
            };
            made.binary_search_by(blob).map(|at| at / objects)
        };
        for key in all("SELECT * FROM ix ORDER BY sid, prop, value, id")? {
            let batch = batch_of(&key[3]);
            ensure!(batch.is_ok(), "an index row without its object");
            rows.batches[batch.unwrap_or_default()].keys.push(key);
        }
        let entries = all("SELECT * FROM entry ORDER BY n")?;
        let seals = made.len().div_ceil(sealed);
        for (n, entry) in entries.iter().enumerate() {
            let last_object = (n * seals / entries.len() + 1) * sealed - 1;
            let at = last_object.min(made.len() - 1) / objects;
            rows.batches[at].entries.push(entry.clone());
        }
        Ok(rows)
    }

    /// Writes them into an empty database.
    pub(crate) fn write(&self, sync: Sync) -> Result<Spent> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("floor.db");
        // Makes the tables and the indexes.
        SqliteStore::open_file(&path)?.close()?;
        let connection = open(&path)?;
        let (result, took) = spent(|| self.insert(&connection, sync));
        result?;
        let written: i64 =
            connection.query_row("SELECT count(*) FROM obj", [], |row| row.get(0))?;
        let wanted: usize = self.batches.iter().map(|batch| batch.objects.len()).sum();
        ensure!(written == wanted as i64, "the floor wrote all objects");
        Ok(took)
    }

    fn insert(&self, connection: &Connection, sync: Sync) -> rusqlite::Result<()> {
        let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
        let mut commit = connection.prepare("COMMIT")?;
        let mut object = connection.prepare("INSERT INTO obj VALUES(?,?,?,?,?,?,?)")?;
        let mut key = connection.prepare("INSERT INTO ix VALUES(?,?,?,?)")?;
        let mut entry = connection.prepare("INSERT INTO entry VALUES(?,?,?,?)")?;
        let mut ends = Vec::new();
        for (table, rows) in &self.ends {
            let marks = vec!["?"; rows.first().map_or(1, Vec::len)].join(",");
            let sql = format!("INSERT OR REPLACE INTO {table} VALUES({marks})");
            ends.push((connection.prepare(&sql)?, rows));
        }
        let mut synced = false;
        for (n, batch) in self.batches.iter().enumerate() {
            let wanted = sync == Sync::Each || !batch.entries.is_empty();
            if wanted != synced {
                let mode = if wanted { "FULL" } else { "NORMAL" };
                connection.execute_batch(&format!("PRAGMA synchronous = {mode}"))?;
                synced = wanted;
            }
            begin.execute([])?;
            if n == 0 {
                for (table, rows) in &self.few {
                    let marks = vec!["?"; rows.first().map_or(1, Vec::len)].join(",");
                    let sql = format!("INSERT INTO {table} VALUES({marks})");
                    all_into(&mut connection.prepare(&sql)?, rows)?;
                }
            }
            all_into(&mut object, &batch.objects)?;
            all_into(&mut key, &batch.keys)?;
            if !batch.entries.is_empty() {
                all_into(&mut entry, &batch.entries)?;
                for (statement, rows) in &mut ends {
                    all_into(statement, rows)?;
                }
            }
            commit.execute([])?;
        }
        Ok(())
    }
}

fn all_into(statement: &mut Statement<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    rows.iter().try_for_each(|row| {
        statement.execute(params_from_iter(row))?;
        Ok(())
    })
}

/// A connection as the store has it.
pub(crate) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;",
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}
