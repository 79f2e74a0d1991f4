//! The floor of creating objects: plain SQLite, made to write the very rows that a run has left behind. Benchmarks
//! measure it beside the run, natively and in a browser's worker; nothing else calls it.
//!
//! * Tables, indexes, pragmas and the syncing of the log are the store's own; rows are read before the clock starts.
//! * One transaction a batch of objects, as the run had, with a statement prepared once for each table. The rows of a
//!   batch go in table by table, in the order of their keys, which is the fastest there is.
//! * Full text gets the words that the run's index holds, in their order.
//! * Entries go in with the last object they hold. Rows that the run wrote and removed again (`pending`) are left out,
//!   and so is whatever it read.

use std::collections::BTreeMap;

use dxos_echo::store::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params, params_from_iter};

use crate::error::{corrupt, store_error};
use crate::sqlite::SqliteStore;

type Row = Vec<Value>;

/// Rows of one transaction.
#[derive(Default)]
struct Batch {
    objects: Vec<Row>,
    keys: Vec<Row>,
    documents: Vec<Row>,
    /// What full text knows, by row number.
    words: Vec<(i64, String)>,
    entries: Vec<Row>,
    /// Which objects the entries change.
    touches: Vec<Row>,
}

/// What a run has left behind.
pub struct Rows {
    /// Spaces, names and shapes: written with the first batch.
    few: Vec<(&'static str, Vec<Row>)>,
    /// Written anew with each entry: the feed's end and the summary.
    ends: Vec<(&'static str, Vec<Row>)>,
    batches: Vec<Batch>,
}

/// When a transaction's log must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// With each transaction: it seals.
    Each,
    /// With those that hold entries.
    WithEntries,
}

impl Rows {
    /// Reads the rows of a run that made objects one after the other, `objects` in a transaction, and sealed after
    /// every `sealed` of them.
    ///
    /// # Errors
    /// When SQLite fails, or the rows do not belong together.
    pub fn read(store: &SqliteStore, objects: usize, sealed: usize) -> Result<Rows, StoreError> {
        let connection = &store.connection;
        let mut rows = Rows {
            few: tables(connection, &["space", "name", "shape"])?,
            ends: tables(connection, &["feed", "kv"])?,
            batches: Vec::new(),
        };
        // Ids rise with time. Those of one millisecond stand in no order: one by one the floor writes them sorted.
        let made = all(connection, "SELECT * FROM obj ORDER BY sid, id")?;
        for part in made.chunks(objects) {
            rows.batches.push(Batch {
                objects: part.to_vec(),
                ..Batch::default()
            });
        }
        let batches: BTreeMap<&[u8], usize> = made
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((blob(&row[1])?, at / objects)))
            .collect();
        let batch_of = |id: &Value| {
            let found = blob(id).and_then(|id| batches.get(id));
            found
                .copied()
                .ok_or_else(|| corrupt("a row without its object"))
        };
        for key in all(connection, "SELECT * FROM ix ORDER BY sid, prop, value, id")? {
            rows.batches[batch_of(&key[3])?].keys.push(key);
        }
        let mut words = words(connection)?;
        for document in all(connection, "SELECT * FROM doc ORDER BY rid")? {
            let batch = &mut rows.batches[batch_of(&document[2])?];
            if let Value::Integer(rid) = document[0] {
                let words = words.remove(&rid).unwrap_or_default();
                batch.words.push((rid, words));
            }
            batch.documents.push(document);
        }
        let entries = all(connection, "SELECT * FROM entry ORDER BY n")?;
        let seals = made.len().div_ceil(sealed);
        let mut touched: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for touch in all(connection, "SELECT * FROM touch ORDER BY short, entry")? {
            if let Value::Integer(n) = touch[1] {
                touched.entry(n).or_default().push(touch);
            }
        }
        for (n, entry) in entries.iter().enumerate() {
            let last_object = (n * seals / entries.len() + 1) * sealed - 1;
            let at = last_object.min(made.len() - 1) / objects;
            rows.batches[at].entries.push(entry.clone());
            if let Value::Integer(n) = entry[0] {
                let touched = touched.remove(&n).unwrap_or_default();
                rows.batches[at].touches.extend(touched);
            }
        }
        Ok(rows)
    }

    /// How many objects there are.
    pub fn objects_count(&self) -> usize {
        self.batches.iter().map(|batch| batch.objects.len()).sum()
    }

    /// Writes them into an empty store.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn write(&self, store: &mut SqliteStore, sync: Sync) -> Result<(), StoreError> {
        let connection = &store.connection;
        let prepare = |sql: &str| connection.prepare(sql).map_err(store_error);
        let mut begin = prepare("BEGIN IMMEDIATE")?;
        let mut commit = prepare("COMMIT")?;
        let mut object = prepare("INSERT INTO obj VALUES(?,?,?,?,?,?,?)")?;
        let mut key = prepare("INSERT INTO ix VALUES(?,?,?,?)")?;
        let mut document = prepare("INSERT INTO doc VALUES(?,?,?)")?;
        let mut words = prepare("INSERT INTO fts(rowid, body) VALUES(?,?)")?;
        let mut entry = prepare("INSERT INTO entry VALUES(?,?,?,?)")?;
        let mut touch = prepare("INSERT INTO touch VALUES(?,?)")?;
        let mut ends = Vec::new();
        for (table, rows) in &self.ends {
            ends.push((prepare(&insertion("INSERT OR REPLACE", table, rows))?, rows));
        }
        for (n, batch) in self.batches.iter().enumerate() {
            begin.execute([]).map_err(store_error)?;
            if n == 0 {
                for (table, rows) in &self.few {
                    all_into(&mut prepare(&insertion("INSERT", table, rows))?, rows)?;
                }
            }
            all_into(&mut object, &batch.objects)?;
            all_into(&mut key, &batch.keys)?;
            all_into(&mut document, &batch.documents)?;
            for (rid, body) in &batch.words {
                words.execute(params![rid, body]).map_err(store_error)?;
            }
            if !batch.entries.is_empty() {
                all_into(&mut entry, &batch.entries)?;
                all_into(&mut touch, &batch.touches)?;
                for (statement, rows) in &mut ends {
                    all_into(statement, rows)?;
                }
            }
            commit.execute([]).map_err(store_error)?;
            if sync == Sync::Each || !batch.entries.is_empty() {
                store.log_sync()?;
            }
        }
        Ok(())
    }
}

fn blob(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

fn insertion(verb: &str, table: &str, rows: &[Row]) -> String {
    let marks = vec!["?"; rows.first().map_or(1, Vec::len)].join(",");
    format!("{verb} INTO {table} VALUES({marks})")
}

fn all(connection: &Connection, sql: &str) -> Result<Vec<Row>, StoreError> {
    let read = || -> rusqlite::Result<Vec<Row>> {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        statement.query_map([], row)?.collect()
    };
    read().map_err(store_error)
}

/// Tables with their rows; those without any are left out.
fn tables(
    connection: &Connection,
    names: &[&'static str],
) -> Result<Vec<(&'static str, Vec<Row>)>, StoreError> {
    let mut found = Vec::new();
    for name in names {
        let rows = all(connection, &format!("SELECT * FROM {name}"))?;
        if !rows.is_empty() {
            found.push((*name, rows));
        }
    }
    Ok(found)
}

/// The words of each document of full text, which keeps no text: those its index holds, in their order.
fn words(connection: &Connection) -> Result<BTreeMap<i64, String>, StoreError> {
    let read = || -> rusqlite::Result<Vec<(i64, String)>> {
        connection.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, fts, instance)",
        )?;
        let mut statement =
            connection.prepare("SELECT doc, term FROM words ORDER BY doc, \"offset\"")?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        statement.query_map([], row)?.collect()
    };
    let mut found: BTreeMap<i64, String> = BTreeMap::new();
    for (document, word) in read().map_err(store_error)? {
        let text = found.entry(document).or_default();
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word);
    }
    Ok(found)
}

fn all_into(statement: &mut Statement<'_>, rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        statement
            .execute(params_from_iter(row))
            .map_err(store_error)?;
    }
    Ok(())
}
