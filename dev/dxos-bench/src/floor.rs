//! Plain SQLite doing the least that the same work needs: the rows of a run, and connections as the store has them.

use std::path::Path;

use anyhow::{Result, ensure};
use dxos_store::SqliteStore;
use dxos_store::floor::{Rows, Sync};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::measure::{Spent, spent};

/// What it takes to write the rows that a run has left at `path` (see [`dxos_store::floor`]).
pub(crate) fn rows(path: &Path, objects: usize, sealed: usize, sync: Sync) -> Result<Spent> {
    let run = SqliteStore::open_file(path)?;
    let rows = Rows::read(&run, objects, sealed)?;
    run.close()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("floor.db");
    let mut store = SqliteStore::open_file(&path)?;
    let (result, took) = spent(|| rows.write(&mut store, sync));
    result?;
    store.close()?;
    let written: i64 = open(&path)?.query_row("SELECT count(*) FROM obj", [], |row| row.get(0))?;
    ensure!(
        usize::try_from(written) == Ok(rows.objects_count()),
        "the floor wrote {written} objects"
    );
    Ok(took)
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
