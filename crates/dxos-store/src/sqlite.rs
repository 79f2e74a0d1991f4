//! The store: one connection, its transaction, and the small numbers that stand for long names.
//!
//! Invariants
//! * a number handed out inside a transaction is forgotten when the transaction is rolled back;
//! * row numbers of `pending` and `tail` grow over the life of the store, also when rows were removed.

use std::collections::HashMap;

use dxos_base::SpaceId;
use dxos_echo::store::{Durability, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _};

use crate::error::{corrupt, store_error};
use crate::platform::sync_log;
use crate::schema::{Medium, prepare};
use crate::shapes::Shapes;

/// Statements kept prepared: more than the store has.
const STATEMENTS_CACHED: usize = 96;

/// Names held in memory; the rest is looked up. Property names come from peers, so there is a bound.
const NAMES_HELD_MAX: usize = 10_000;

/// Storage of one profile in SQLite.
pub struct SqliteStore {
    pub(crate) connection: Connection,
    medium: Medium,
    spaces: HashMap<SpaceId, i64>,
    names: HashMap<String, i64>,
    types: HashMap<i64, String>,
    pub(crate) shapes: Shapes,
    next_pending: u64,
    next_tail: u64,
    /// Statements used, for the test that they are planned once.
    #[cfg(test)]
    used: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl SqliteStore {
    /// A store in memory, gone when dropped.
    pub fn memory() -> Result<SqliteStore, StoreError> {
        let connection = Connection::open_in_memory().map_err(store_error)?;
        SqliteStore::with_connection(connection, Medium::Memory)
    }

    /// Writes the log back into the database file and closes it. Dropping does the same, without telling of errors.
    pub fn close(self) -> Result<(), StoreError> {
        self.connection.flush_prepared_statement_cache();
        self.connection
            .close()
            .map_err(|(_, error)| store_error(error))
    }

    /// Writes all that was committed into a new file, without the log and without gaps.
    ///
    /// # Errors
    /// When SQLite fails, and when there is such a file.
    pub fn copy_into(&self, path: &std::path::Path) -> Result<(), StoreError> {
        let path = path.to_string_lossy();
        self.connection
            .execute("VACUUM INTO ?", [path])
            .map_err(store_error)?;
        Ok(())
    }

    /// The same data through a new handle, as a process finds it that opens it after another one was killed: what was
    /// not committed is gone, and so is all that was held in memory.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn reopened(self) -> Result<SqliteStore, StoreError> {
        if !self.connection.is_autocommit() {
            self.connection
                .execute_batch("ROLLBACK")
                .map_err(store_error)?;
        }
        self.connection.flush_prepared_statement_cache();
        SqliteStore::with_connection(self.connection, self.medium)
    }

    /// Lets the database grow to at most `pages` of 4 KiB; past that writing gives [`StoreError::Full`].
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), StoreError> {
        self.connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(store_error)
    }

    pub(crate) fn with_connection(
        connection: Connection,
        medium: Medium,
    ) -> Result<Self, StoreError> {
        prepare(&connection, medium)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let next = |sql| {
            let last: i64 = connection
                .query_row(sql, [], |row| row.get(0))
                .map_err(store_error)?;
            Ok::<u64, StoreError>(last as u64 + 1)
        };
        let next_pending = next("SELECT ifnull(max(n), 0) FROM pending")?;
        let next_tail = next("SELECT ifnull(max(n), 0) FROM tail")?;
        Ok(SqliteStore {
            connection,
            medium,
            spaces: HashMap::new(),
            names: HashMap::new(),
            types: HashMap::new(),
            shapes: Shapes::default(),
            next_pending,
            next_tail,
            #[cfg(test)]
            used: Default::default(),
        })
    }

    pub(crate) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        #[cfg(test)]
        self.used.borrow_mut().insert(sql.to_owned());
        self.connection.prepare_cached(sql).map_err(store_error)
    }

    /// Statements of this store that SQLite planned again, and how often.
    #[cfg(test)]
    pub(crate) fn planned_again(&self) -> Vec<(String, i32)> {
        let used = self.used.borrow().clone();
        let again = used.into_iter().map(|sql| {
            let statement = self
                .connection
                .prepare_cached(&sql)
                .expect("the statement was used before");
            let count = statement.get_status(rusqlite::StatementStatus::RePrepare);
            (sql, count)
        });
        again.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn transaction_begin(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            return Err(StoreError::Failed {
                detail: "a transaction is open already".into(),
            });
        }
        self.statement("BEGIN IMMEDIATE")?
            .execute([])
            .map_err(store_error)?;
        Ok(())
    }

    pub(crate) fn transaction_commit(&mut self, durability: Durability) -> Result<(), StoreError> {
        if self.connection.is_autocommit() {
            return Err(StoreError::Failed {
                detail: "no transaction is open".into(),
            });
        }
        self.statement("COMMIT")?.execute([]).map_err(store_error)?;
        match durability {
            Durability::Synced => self.log_sync(),
            _ => Ok(()),
        }
    }

    /// Forces what was committed to disk.
    pub(crate) fn log_sync(&self) -> Result<(), StoreError> {
        match self.medium {
            Medium::File => sync_log(&self.connection),
            Medium::Memory => Ok(()),
        }
    }

    pub(crate) fn transaction_rollback(&mut self) {
        // SQLite may have rolled back by itself (a full disk); either way nothing of it is kept.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.spaces.clear();
        self.names.clear();
        self.types.clear();
        self.shapes.clear();
    }

    /// The number of a space, if it has one.
    pub(crate) fn space_known(&mut self, space: SpaceId) -> Result<Option<i64>, StoreError> {
        if let Some(sid) = self.spaces.get(&space) {
            return Ok(Some(*sid));
        }
        let found = self
            .statement("SELECT sid FROM space WHERE space = ?")?
            .query_row([space.as_bytes()], |row| row.get(0))
            .optional()
            .map_err(store_error)?;
        if let Some(sid) = found {
            self.spaces.insert(space, sid);
        }
        Ok(found)
    }

    /// The number of a space, given now if it has none.
    pub(crate) fn space_number(&mut self, space: SpaceId) -> Result<i64, StoreError> {
        if let Some(sid) = self.space_known(space)? {
            return Ok(sid);
        }
        let sid = self
            .statement("INSERT INTO space(space) VALUES(?)")?
            .insert([space.as_bytes()])
            .map_err(store_error)?;
        self.spaces.insert(space, sid);
        Ok(sid)
    }

    pub(crate) fn space_forget(&mut self, space: SpaceId) {
        self.spaces.remove(&space);
    }

    /// The number of a type or property name, if it has one.
    pub(crate) fn name_known(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        if let Some(nid) = self.names.get(name) {
            return Ok(Some(*nid));
        }
        let found = self
            .statement("SELECT nid FROM name WHERE name = ?")?
            .query_row([name], |row| row.get(0))
            .optional()
            .map_err(store_error)?;
        if let Some(nid) = found {
            self.name_remember(name, nid);
        }
        Ok(found)
    }

    /// The number of a type or property name, given now if it has none.
    pub(crate) fn name_number(&mut self, name: &str) -> Result<i64, StoreError> {
        if let Some(nid) = self.name_known(name)? {
            return Ok(nid);
        }
        let nid = self
            .statement("INSERT INTO name(name) VALUES(?)")?
            .insert([name])
            .map_err(store_error)?;
        self.name_remember(name, nid);
        Ok(nid)
    }

    /// The type name behind a number read from a row.
    pub(crate) fn type_name(&mut self, nid: i64) -> Result<String, StoreError> {
        if let Some(name) = self.types.get(&nid) {
            return Ok(name.clone());
        }
        let name: String = self
            .statement("SELECT name FROM name WHERE nid = ?")?
            .query_row([nid], |row| row.get(0))
            .optional()
            .map_err(store_error)?
            .ok_or_else(|| corrupt("an object of an unknown type number"))?;
        if self.types.len() >= NAMES_HELD_MAX {
            self.types.clear();
        }
        self.types.insert(nid, name.clone());
        Ok(name)
    }

    fn name_remember(&mut self, name: &str, nid: i64) {
        if self.names.len() >= NAMES_HELD_MAX {
            self.names.clear();
        }
        self.names.insert(name.to_owned(), nid);
    }

    pub(crate) fn pending_next(&mut self) -> u64 {
        self.next_pending += 1;
        self.next_pending - 1
    }

    pub(crate) fn tail_next(&mut self) -> u64 {
        self.next_tail += 1;
        self.next_tail - 1
    }
}
