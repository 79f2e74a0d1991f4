//! Browser: a file in the origin private file system, through SQLite's pool of sync access handles.
//!
//! Works in a dedicated worker only. The pool's files are locked while it is installed: a second tab gets `Busy`
//! (hold the Web Lock first, then this does not happen).

use dxos_echo::store::{Store, StoreError};
use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_rs::vfs::VfsFilesManager as _;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};

use crate::conformance;
use crate::error::store_error;
use crate::schema::Medium;
use crate::sqlite::SqliteStore;

/// Files the pool keeps ready: a database and its log, twice, and two spare ones.
const POOL_FILES: usize = 6;

/// A directory of the origin private file system, made ready for databases.
pub struct OpfsPool {
    vfs: String,
    files: OpfsSAHPoolUtil,
}

impl OpfsPool {
    /// Acquires the directory `name` for this worker; again with the same name is harmless.
    ///
    /// # Errors
    /// `Busy` while another worker holds it, `Denied` where the browser has no such file system (private windows
    /// of some, insecure origins), `Full` when the quota does not allow the first files.
    pub async fn acquire(name: &str) -> Result<OpfsPool, StoreError> {
        let vfs = format!("dxos-{name}");
        let config = OpfsSAHPoolCfgBuilder::new()
            .vfs_name(&vfs)
            .directory(&format!(".dxos/{name}"))
            .initial_capacity(POOL_FILES)
            .build();
        let files = install::<WasmOsCallback>(&config, false)
            .await
            .map_err(pool_error)?;
        Ok(OpfsPool { vfs, files })
    }

    /// Removes a closed database of the pool with its log; harmless if there is none.
    pub fn remove(&self, file: &str) -> Result<(), StoreError> {
        for name in self.files.names().map_err(pool_error)? {
            let bare = name.trim_start_matches('/');
            if bare
                .strip_prefix(file)
                .is_some_and(|rest| matches!(rest, "" | "-wal" | "-journal"))
            {
                self.files.remove(&name).map_err(pool_error)?;
            }
        }
        Ok(())
    }

    /// Runs the conformance suite on databases of this pool; gives the number of checks or what failed.
    pub fn conformance(&self) -> Result<usize, String> {
        const FILE: &str = "conformance.db";
        let boxed = |store: Result<SqliteStore, StoreError>| Ok(Box::new(store?) as Box<dyn Store>);
        let count = conformance::run(&mut || {
            self.remove(FILE)?;
            boxed(self.open(FILE))
        })?;
        self.remove(FILE).map_err(|error| error.to_string())?;
        conformance::reopen(&mut || boxed(self.open(FILE)))?;
        self.remove(FILE).map_err(|error| error.to_string())?;
        Ok(count + 1)
    }

    /// Opens a database of the pool, making it if it is missing.
    pub fn open(&self, file: &str) -> Result<SqliteStore, StoreError> {
        let connection =
            Connection::open_with_flags_and_vfs(file, OpenFlags::default(), self.vfs.as_str())
                .map_err(store_error)?;
        SqliteStore::with_connection(connection, Medium::File)
    }
}

impl SqliteStore {
    /// Opens the profile `name` in the origin private file system.
    ///
    /// # Errors
    /// As [`OpfsPool::acquire`]; `Newer` if a newer program wrote it, `Corrupt` if it is no database of ours.
    pub async fn open_opfs(name: &str) -> Result<SqliteStore, StoreError> {
        OpfsPool::acquire(name).await?.open("profile.db")
    }
}

fn pool_error(error: OpfsSAHError) -> StoreError {
    let detail = error.to_string();
    match error {
        OpfsSAHError::Busy | OpfsSAHError::FileInUse(_) | OpfsSAHError::FilesInUse => {
            StoreError::Busy
        }
        OpfsSAHError::NotSupported => StoreError::Denied { detail },
        // Browser errors carry the exception's name in front of its message.
        OpfsSAHError::Opfs { .. } if detail.contains("NoModificationAllowed") => StoreError::Busy,
        OpfsSAHError::Opfs { .. } if detail.contains("QuotaExceeded") => StoreError::Full,
        OpfsSAHError::Opfs { .. }
            if detail.contains("SecurityError") || detail.contains("NotAllowedError") =>
        {
            StoreError::Denied { detail }
        }
        _ => StoreError::Failed { detail },
    }
}
