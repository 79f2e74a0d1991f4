//! What every store must do, as library functions: run in memory, on a file, and in a browser's worker.
//!
//! A failed check is an error in words, never a panic, so a browser page can show it. [`run`] needs fresh stores;
//! [`reopen`] needs one that survives being dropped.

mod blobs;
mod feeds;
mod objects;
mod profile;

use dxos_base::{FeedId, ObjectId, SpaceId, TextId};
use dxos_echo::store::{Store, StoreError};

/// Result of one case; the error says what did not hold.
type Case = Result<(), String>;

/// A case and its name.
type Named = (&'static str, fn(&mut dyn Store) -> Case);

/// Fails the case with the condition's words.
macro_rules! check {
    ($cond:expr, $($words:tt)+) => {
        if !$cond {
            return Err(format!($($words)+));
        }
    };
}

/// Fails the case if the two differ, showing both.
macro_rules! same {
    ($left:expr, $right:expr, $($words:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                return Err(format!("{}: {left:?} instead of {right:?}", format!($($words)+)));
            }
        }
    };
}

use {check, same};

/// Runs all cases, each on a fresh store; gives their number, or the first that failed.
pub fn run(fresh: &mut dyn FnMut() -> Result<Box<dyn Store>, StoreError>) -> Result<usize, String> {
    let cases: Vec<Named> = [profile::CASES, feeds::CASES, objects::CASES, blobs::CASES].concat();
    for (name, case) in &cases {
        let mut store = fresh().map_err(|error| format!("{name}: no store: {error}"))?;
        case(&mut *store).map_err(|words| format!("{name}: {words}"))?;
    }
    Ok(cases.len())
}

/// Checks what survives closing and opening again; `open` must give the same profile each time, empty at first.
pub fn reopen(open: &mut dyn FnMut() -> Result<Box<dyn Store>, StoreError>) -> Result<(), String> {
    let mut store = open().map_err(text)?;
    profile::before_reopening(&mut *store)?;
    drop(store);
    let mut store = open().map_err(text)?;
    profile::after_reopening(&mut *store)
}

/// A store's error as the words of a failed case.
fn text(error: StoreError) -> String {
    error.to_string()
}

fn space(n: u8) -> SpaceId {
    SpaceId([n; SpaceId::LEN])
}

fn feed(n: u8) -> FeedId {
    FeedId([n; FeedId::LEN])
}

fn object(n: u8) -> ObjectId {
    ObjectId([n; ObjectId::LEN])
}

fn text_id(n: u8) -> TextId {
    TextId([n; TextId::LEN])
}
