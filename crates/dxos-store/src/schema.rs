//! The tables, their version, and the pragmas a database is opened with.
//!
//! * Spaces, property names and type names are small integers inside (`name`), ids outside.
//! * Truth: `cred`, `entry`, `pending`, `text` and `tail`, `kv`. Materialised: `obj`, `shape`, `ix`, `link`, `doc`, `fts`.
//! * One row per object holds the whole record: a row per property costs 2.7 times as much. Records of a type are
//!   stored as what they differ by from its *shape*.
//! * `branch` holds entries of forked feeds that do not stand. It is truth too, and came after the first tables: a
//!   database without it gets it when it is opened.
//! * `touch` tells which entries change an object, by a short form of its id (its time and its last 16 bits: ids made in
//!   one millisecond differ there): half the size of a row with the id. It came after the first tables too.
//! * `blob`, `manifest`, `chunk` and `blob_use` (which entry refers to which blob) came after the first tables as well.
//! * What was indexed of an object is not stored a second time: the writer knows it and says so, and a write touches
//!   only the index rows that change.
//! * An entry's number is its feed's number and its place in one integer: a row fills a page up to its end, which a
//!   table without row numbers does not allow for rows of this length.

use dxos_echo::store::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{corrupt, store_error};

/// Version of the tables; kept in `PRAGMA user_version`.
pub const SCHEMA_VERSION: u32 = 2;

/// "DXOS" in `PRAGMA application_id`: tells our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x4458_4f53;

const TABLES: &str = "
CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE space(sid INTEGER PRIMARY KEY, space BLOB NOT NULL UNIQUE);
CREATE TABLE name(nid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE cred(n INTEGER PRIMARY KEY, sid INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL,
  UNIQUE(sid, hash));
CREATE TABLE feed(fid INTEGER PRIMARY KEY, sid INTEGER NOT NULL, feed BLOB NOT NULL,
  stored_seq INTEGER NOT NULL, head BLOB NOT NULL, applied_seq INTEGER NOT NULL, state BLOB NOT NULL,
  UNIQUE(sid, feed));
CREATE TABLE entry(n INTEGER PRIMARY KEY, state INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX entry_waiting ON entry(state) WHERE state = 1;
CREATE TABLE pending(n INTEGER PRIMARY KEY, sid INTEGER NOT NULL, bytes BLOB NOT NULL);

CREATE TABLE obj(sid INTEGER NOT NULL, id BLOB NOT NULL, type INTEGER NOT NULL, shown INTEGER NOT NULL,
  doc INTEGER, shape INTEGER, body BLOB NOT NULL, PRIMARY KEY(sid, id)) WITHOUT ROWID;
CREATE TABLE shape(n INTEGER PRIMARY KEY, sid INTEGER NOT NULL, type INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX shape_type ON shape(sid, type);
CREATE INDEX obj_type ON obj(sid, type, id);
CREATE TABLE ix(sid INTEGER NOT NULL, prop INTEGER NOT NULL, value BLOB NOT NULL, id BLOB NOT NULL,
  PRIMARY KEY(sid, prop, value, id)) WITHOUT ROWID;
CREATE TABLE link(sid INTEGER NOT NULL, target BLOB NOT NULL, source BLOB NOT NULL,
  PRIMARY KEY(sid, target, source)) WITHOUT ROWID;
CREATE TABLE doc(rid INTEGER PRIMARY KEY, sid INTEGER NOT NULL, id BLOB NOT NULL);
CREATE VIRTUAL TABLE fts USING fts5(body, content='', contentless_delete=1,
  tokenize=\"unicode61 remove_diacritics 2\");

CREATE TABLE text(tid INTEGER PRIMARY KEY, sid INTEGER NOT NULL, text BLOB NOT NULL, snapshot BLOB NOT NULL,
  UNIQUE(sid, text));
CREATE TABLE tail(tid INTEGER NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(tid, n)) WITHOUT ROWID;
";

/// Tables that came after version 2 and change nothing in the others: made in databases that lack them.
const TABLES_LATER: &str = "
CREATE TABLE IF NOT EXISTS branch(sid INTEGER NOT NULL, feed BLOB NOT NULL, hash BLOB NOT NULL, seq INTEGER NOT NULL,
  previous BLOB NOT NULL, reissued INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(sid, feed, hash));
CREATE TABLE IF NOT EXISTS blob(bid INTEGER PRIMARY KEY, sid INTEGER NOT NULL, name BLOB NOT NULL, source BLOB,
  used INTEGER NOT NULL, chunks INTEGER NOT NULL, bytes INTEGER NOT NULL, state BLOB NOT NULL, UNIQUE(sid, name));
CREATE INDEX IF NOT EXISTS blob_source ON blob(sid, source) WHERE source IS NOT NULL;
CREATE TABLE IF NOT EXISTS manifest(bid INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunk(n INTEGER PRIMARY KEY, hash BLOB NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blob_use(sid INTEGER NOT NULL, blob BLOB NOT NULL, entry INTEGER NOT NULL,
  PRIMARY KEY(sid, blob, entry)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS touch(short INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY(short, entry)) WITHOUT ROWID;
";

/// Whether the pages live in a file or only in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A file that survives the process.
    File,
    /// Gone with the connection.
    Memory,
}

/// Sets the connection up and makes the tables if there are none; a newer or foreign database is left untouched.
pub(crate) fn prepare(connection: &Connection, medium: Medium) -> Result<(), StoreError> {
    // There is one writer: a lock held elsewhere does not go away by waiting.
    connection
        .busy_timeout(std::time::Duration::ZERO)
        .map_err(store_error)?;
    // Before any access: a write-ahead log without shared memory works only if the mode is set first.
    let locking = pragma_text(connection, "PRAGMA locking_mode = EXCLUSIVE")?;
    if !locking.eq_ignore_ascii_case("exclusive") {
        return Err(StoreError::Failed {
            detail: format!("locking mode is {locking}"),
        });
    }
    let found = refuse_foreign(connection)?;
    if medium == Medium::File {
        // A platform that cannot do it answers with another mode instead of an error.
        let journal = pragma_text(connection, "PRAGMA journal_mode = WAL")?;
        if !journal.eq_ignore_ascii_case("wal") {
            return Err(StoreError::Failed {
                detail: format!("journal mode is {journal}"),
            });
        }
    }
    // Else the planner looks at bound values, and plans a statement again whenever they change: a third of the time
    // of a batch of writes went there.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(store_error)?;
    connection
        .execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
             PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;",
        )
        .map_err(store_error)?;
    if found == 0 {
        connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            ))
            .map_err(store_error)?;
    }
    connection.execute_batch(TABLES_LATER).map_err(store_error)
}

/// Reads the format version without changing anything: 0 for an empty database.
fn refuse_foreign(connection: &Connection) -> Result<u32, StoreError> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(store_error)
    };
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(corrupt("the file is the database of another program"));
    }
    let version = u32::try_from(version).map_err(|_| corrupt("negative format version"))?;
    match version {
        0 => Err(corrupt("tables without a format version")),
        SCHEMA_VERSION => Ok(version),
        // No build with older tables was ever released: nothing is there to be carried over.
        older if older < SCHEMA_VERSION => Err(corrupt(
            "the profile was made by a development build older than the first release; start a new one",
        )),
        newer => Err(StoreError::Newer {
            found: newer,
            known: SCHEMA_VERSION,
        }),
    }
}

fn pragma_text(connection: &Connection, sql: &str) -> Result<String, StoreError> {
    connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(store_error)
}
