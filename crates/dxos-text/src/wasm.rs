//! The module's exports for the worker: bytes in, bytes out.
//!
//! Every `Uint8Array` given back is the canonical encoding of `Result<T, TextError>`. Nothing here throws: an
//! exception out of a call means the instance trapped. Then [`text_doing`] says in what, and [`text_reset`] makes
//! the next call run in a fresh instance (all texts are closed in it).

use std::cell::RefCell;

use dxos_base::{TextDelta, TextId, decode, encode};
use dxos_echo::text::{TextEngine, TextError};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::LoroEngine;
use crate::platform::doing;

thread_local! {
    static ENGINE: RefCell<LoroEngine> = RefCell::new(LoroEngine::new());
}

fn run<T: Serialize>(
    text: &[u8],
    work: impl FnOnce(&mut LoroEngine, TextId) -> Result<T, TextError>,
) -> Vec<u8> {
    let result = TextId::from_slice(text)
        .map_err(|_| TextError::NotOpen)
        .and_then(|text| ENGINE.with_borrow_mut(|engine| work(engine, text)));
    encode(&result)
}

/// Opens a text; `updates` is an encoded list of byte strings. Gives nothing.
#[wasm_bindgen]
pub fn text_open(text: &[u8], peer: u64, snapshot: &[u8], updates: &[u8]) -> Vec<u8> {
    run(text, |engine, text| {
        let updates: Vec<Vec<u8>> =
            decode(updates, usize::MAX).map_err(|error| TextError::BadUpdate {
                detail: error.to_string(),
            })?;
        let updates: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
        engine.open(text, peer, snapshot, &updates)
    })
}

/// Closes a text.
#[wasm_bindgen]
pub fn text_close(text: &[u8]) {
    run(text, |engine, text| {
        engine.close(text);
        Ok(())
    });
}

/// Whether a text is open in this instance.
#[wasm_bindgen]
pub fn text_is_open(text: &[u8]) -> bool {
    TextId::from_slice(text).is_ok_and(|text| ENGINE.with_borrow(|engine| engine.is_open(text)))
}

/// Applies a local change, an encoded delta. Gives nothing.
#[wasm_bindgen]
pub fn text_apply(text: &[u8], delta: &[u8]) -> Vec<u8> {
    run(text, |engine, text| {
        let delta: TextDelta = decode(delta, usize::MAX).map_err(|error| TextError::BadChange {
            detail: error.to_string(),
        })?;
        engine.apply(text, &delta)
    })
}

/// Gives one update of the local changes not given yet.
#[wasm_bindgen]
pub fn text_export(text: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.export(text))
}

/// Imports an update or full snapshot; gives what it did.
#[wasm_bindgen]
pub fn text_import(text: &[u8], update: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.import(text, update))
}

/// Gives the visible text.
#[wasm_bindgen]
pub fn text_content(text: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.content(text))
}

/// Gives the token of the current version.
#[wasm_bindgen]
pub fn text_version(text: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.version(text))
}

/// Gives the delta between two versions.
#[wasm_bindgen]
pub fn text_diff(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.diff(text, from, to))
}

/// Gives a full snapshot.
#[wasm_bindgen]
pub fn text_snapshot(text: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.snapshot(text))
}

/// Gives an anchor at a position.
#[wasm_bindgen]
pub fn text_anchor(text: &[u8], position: u32) -> Vec<u8> {
    run(text, |engine, text| engine.anchor(text, position))
}

/// Gives where an anchor is now.
#[wasm_bindgen]
pub fn text_position(text: &[u8], anchor: &[u8]) -> Vec<u8> {
    run(text, |engine, text| engine.position(text, anchor))
}

/// Gives what an update holds.
#[wasm_bindgen]
pub fn text_inspect(update: &[u8]) -> Vec<u8> {
    encode(&ENGINE.with_borrow_mut(|engine| engine.inspect(update)))
}

/// Gives the print of a peer's operations in an update or full snapshot.
#[wasm_bindgen]
pub fn text_print(bytes: &[u8], peer: u64, from: u32, to: u32) -> Vec<u8> {
    encode(&ENGINE.with_borrow_mut(|engine| engine.print(bytes, peer, from, to)))
}

/// What the instance is, or was when it trapped, doing: 0 nothing, 1 open, 2 edit, 3 import, 4 anything else.
#[wasm_bindgen]
pub fn text_doing() -> u32 {
    doing()
}

/// Throws the instance away: the next call runs in a fresh one.
#[wasm_bindgen]
pub fn text_reset() {
    wasm_bindgen::handler::schedule_reinit();
}
