//! Native: a file of the file system.

use std::path::Path;

use dxos_echo::store::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::error::store_error;
use crate::schema::Medium;
use crate::sqlite::SqliteStore;

impl SqliteStore {
    /// Opens the database at `path`, making the file (not its directory) if it is missing.
    ///
    /// # Errors
    /// `Busy` if another connection has it open, `Newer` if a newer program wrote it, `Corrupt` if it is no
    /// database of ours, `Denied` if the file cannot be opened for writing.
    pub fn open_file(path: &Path) -> Result<SqliteStore, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(store_error)?;
        SqliteStore::with_connection(connection, Medium::File)
    }
}
