//! Browser: a panic traps; a cell outlives the trap and says what was being done.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Doing;

static DOING: AtomicU32 = AtomicU32::new(Doing::Nothing as u32);

/// Runs `work` with the cell set; a panic does not come back.
pub(crate) fn guard<T>(doing: Doing, work: impl FnOnce() -> T) -> Result<T, String> {
    DOING.store(doing as u32, Ordering::Relaxed);
    let result = work();
    DOING.store(Doing::Nothing as u32, Ordering::Relaxed);
    Ok(result)
}

/// The cell.
pub(crate) fn doing() -> u32 {
    DOING.load(Ordering::Relaxed)
}
