//! What differs between platforms: where the file lies and how its log is forced to disk.
//!
//! The only module of this crate with `unsafe`.

use dxos_echo::store::StoreError;
use rusqlite::Connection;
use rusqlite::ffi;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(target_arch = "wasm32")]
pub use web::OpfsPool;

/// Forces the write-ahead log to disk: every commit before this call then survives power loss.
///
/// `synchronous` cannot be raised inside a transaction and the durability is known only at its end, so commits
/// run with `NORMAL` and the log's file is synced here, as `FULL` would have done.
pub(crate) fn sync_log(connection: &Connection) -> Result<(), StoreError> {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    // SAFETY: the handle is open for as long as `connection` is borrowed; `FCNTL_JOURNAL_POINTER` writes one
    // pointer to a file object that SQLite owns and keeps while the connection is open. In exclusive mode the
    // log stays open, and the connection is not used in between.
    unsafe {
        let code = ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_JOURNAL_POINTER,
            (&raw mut file).cast(),
        );
        if code != ffi::SQLITE_OK {
            return Err(failed(code));
        }
        if file.is_null() || (*file).pMethods.is_null() {
            return Ok(());
        }
        let Some(sync) = (*(*file).pMethods).xSync else {
            return Ok(());
        };
        match sync(file, ffi::SQLITE_SYNC_NORMAL) {
            ffi::SQLITE_OK => Ok(()),
            code => Err(failed(code)),
        }
    }
}

fn failed(code: i32) -> StoreError {
    crate::error::store_error(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}
