//! The text engine as a module of its own: calls cross a boundary that may trap.
//!
//! A trap (the engine panicked, memory ran out) kills that instance only. The adapter starts a fresh one and opens
//! again what was open, from what it remembers of each text, so callers see one failed call and nothing lost.
//!
//! Invariants
//! * what is remembered of a text, opened in a fresh instance, gives the state after its last successful call;
//! * the bytes a trap is blamed on are never part of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use dxos_base::{Hash, TextDelta, TextId};
use dxos_echo::text::{Imported, TextEngine, TextError, UpdateRange};

/// Updates remembered before they are folded into a snapshot.
const UPDATES_MAX: usize = 256;
/// Their bytes.
const UPDATE_BYTES_MAX: usize = 512 * 1024;

/// The module's exports. Every call answers `encode(&Result<T, TextError>)`; an `Err` is a trap, in words.
pub trait TextModule {
    /// Loads the module if it is not there yet.
    ///
    /// # Errors
    /// Why it cannot be loaded now.
    fn ready(&mut self) -> Result<(), String>;
    /// Throws the instance away; the next call runs in a fresh one.
    fn reset(&mut self);
    /// Opens a text; `updates` is an encoded list of byte strings.
    fn open(&mut self, text: TextId, peer: u64, snapshot: &[u8], updates: &[u8]) -> Trapping;
    /// Drops a text.
    fn close(&mut self, text: TextId) -> Result<(), String>;
    /// A local change, encoded.
    fn apply(&mut self, text: TextId, delta: &[u8]) -> Trapping;
    /// The update of local changes not given yet.
    fn export(&mut self, text: TextId) -> Trapping;
    /// A remote update.
    fn import(&mut self, text: TextId, update: &[u8]) -> Trapping;
    /// The visible text.
    fn content(&mut self, text: TextId) -> Trapping;
    /// The current version.
    fn version(&mut self, text: TextId) -> Trapping;
    /// The change between two versions.
    fn diff(&mut self, text: TextId, from: &[u8], to: &[u8]) -> Trapping;
    /// A full snapshot.
    fn snapshot(&mut self, text: TextId) -> Trapping;
    /// An anchor before a unit.
    fn anchor(&mut self, text: TextId, position: u32) -> Trapping;
    /// Where an anchor is.
    fn position(&mut self, text: TextId, anchor: &[u8]) -> Trapping;
    /// What an update holds.
    fn inspect(&mut self, update: &[u8]) -> Trapping;
    /// The print of operations of a peer.
    fn print(&mut self, bytes: &[u8], peer: u64, from: u32, to: u32) -> Trapping;
}

/// Encoded answer, or the words of a trap.
pub type Trapping = Result<Vec<u8>, String>;

/// What brings a text back in a fresh instance.
struct Remembered {
    peer: u64,
    snapshot: Vec<u8>,
    updates: Vec<Vec<u8>>,
    update_bytes: usize,
    /// Imported, not applied when imported: snapshots may leave them out.
    waiting: Vec<Vec<u8>>,
    /// Local changes, encoded, since the last update given out.
    changes: Vec<Vec<u8>>,
}

impl Remembered {
    fn all_updates(&self) -> Vec<u8> {
        let all: Vec<&[u8]> = self
            .updates
            .iter()
            .chain(&self.waiting)
            .map(|update| update.as_slice())
            .collect();
        dxos_base::encode(&all)
    }
}

/// [`TextEngine`] over a [`TextModule`].
pub struct RemoteText<M> {
    module: M,
    texts: BTreeMap<TextId, Remembered>,
}

/// Whose fault a trap is.
enum Blame {
    /// The bytes handed in.
    Bytes,
    /// The engine.
    Engine,
}

impl<M: TextModule> RemoteText<M> {
    /// Over a module, loaded or not.
    pub fn new(module: M) -> Self {
        RemoteText {
            module,
            texts: BTreeMap::new(),
        }
    }

    fn call<T: DeserializeOwned + Serialize>(
        &mut self,
        blame: Blame,
        call: impl FnOnce(&mut M) -> Trapping,
    ) -> Result<T, TextError> {
        self.module
            .ready()
            .map_err(|detail| TextError::Unavailable { detail })?;
        match call(&mut self.module) {
            Ok(bytes) => match dxos_base::decode::<Result<T, TextError>>(&bytes, usize::MAX) {
                Ok(result) => result,
                Err(error) => Err(TextError::Unavailable {
                    detail: format!("its answer: {error}"),
                }),
            },
            Err(trap) => {
                tracing::error!(%trap, "text.trap");
                self.recover();
                let detail = format!("the text engine stopped: {trap}");
                Err(match blame {
                    Blame::Bytes => TextError::BadUpdate { detail },
                    Blame::Engine => TextError::Unavailable { detail },
                })
            }
        }
    }

    /// A fresh instance with the texts that were open. One that traps again is forgotten: it answers `NotOpen`.
    fn recover(&mut self) {
        self.module.reset();
        for (text, remembered) in std::mem::take(&mut self.texts) {
            let updates = remembered.all_updates();
            let module = &mut self.module;
            let opened = module.open(text, remembered.peer, &remembered.snapshot, &updates);
            let opened = opened.and_then(|_| {
                let mut changes = remembered.changes.iter();
                changes.try_for_each(|delta| module.apply(text, delta).map(drop))
            });
            match opened {
                Ok(()) => {
                    self.texts.insert(text, remembered);
                }
                Err(trap) => {
                    tracing::error!(%trap, "text.reopen_trap");
                    self.module.reset();
                }
            }
        }
    }

    fn remember(&mut self, text: TextId, update: &[u8]) {
        let Some(remembered) = self.texts.get_mut(&text) else {
            return;
        };
        remembered.updates.push(update.to_vec());
        remembered.update_bytes += update.len();
        let short =
            remembered.updates.len() < UPDATES_MAX && remembered.update_bytes < UPDATE_BYTES_MAX;
        // A snapshot would hold the local changes too, and they would be applied twice.
        if short || !remembered.changes.is_empty() {
            return;
        }
        if let Ok(snapshot) = self.snapshot(text)
            && let Some(remembered) = self.texts.get_mut(&text)
        {
            remembered.snapshot = snapshot;
            remembered.updates.clear();
            remembered.update_bytes = 0;
        }
    }

    fn check_open(&self, text: TextId) -> Result<(), TextError> {
        if self.texts.contains_key(&text) {
            Ok(())
        } else {
            Err(TextError::NotOpen)
        }
    }
}

impl<M: TextModule> TextEngine for RemoteText<M> {
    fn open(
        &mut self,
        text: TextId,
        peer: u64,
        snapshot: &[u8],
        updates: &[&[u8]],
    ) -> Result<(), TextError> {
        let updates: Vec<Vec<u8>> = updates.iter().map(|update| update.to_vec()).collect();
        let encoded = dxos_base::encode(&updates);
        // Opening replaces; what was remembered must not come back if this traps.
        self.texts.remove(&text);
        self.call::<()>(Blame::Bytes, |module| {
            module.open(text, peer, snapshot, &encoded)
        })?;
        let update_bytes = updates.iter().map(Vec::len).sum();
        let waiting = Vec::new();
        let remembered = Remembered {
            peer,
            snapshot: snapshot.to_vec(),
            updates,
            update_bytes,
            waiting,
            changes: Vec::new(),
        };
        self.texts.insert(text, remembered);
        Ok(())
    }

    fn close(&mut self, text: TextId) {
        if self.texts.remove(&text).is_some()
            && let Err(trap) = self.module.close(text)
        {
            tracing::error!(%trap, "text.trap");
            self.recover();
        }
    }

    fn is_open(&self, text: TextId) -> bool {
        self.texts.contains_key(&text)
    }

    fn apply(&mut self, text: TextId, delta: &TextDelta) -> Result<(), TextError> {
        self.check_open(text)?;
        let delta = dxos_base::encode(delta);
        self.call::<()>(Blame::Engine, |module| module.apply(text, &delta))?;
        if let Some(remembered) = self.texts.get_mut(&text) {
            remembered.changes.push(delta);
        }
        Ok(())
    }

    fn export(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.check_open(text)?;
        let update: Vec<u8> = self.call(Blame::Engine, |module| module.export(text))?;
        if let Some(remembered) = self.texts.get_mut(&text) {
            remembered.changes.clear();
        }
        if !update.is_empty() {
            self.remember(text, &update);
        }
        Ok(update)
    }

    fn import(&mut self, text: TextId, update: &[u8]) -> Result<Imported, TextError> {
        self.check_open(text)?;
        let imported: Imported = self.call(Blame::Bytes, |module| module.import(text, update))?;
        match self.texts.get_mut(&text) {
            Some(remembered) if !imported.applied => remembered.waiting.push(update.to_vec()),
            _ => self.remember(text, update),
        }
        Ok(imported)
    }

    fn content(&mut self, text: TextId) -> Result<String, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.content(text))
    }

    fn version(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.version(text))
    }

    fn diff(&mut self, text: TextId, from: &[u8], to: &[u8]) -> Result<TextDelta, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.diff(text, from, to))
    }

    fn snapshot(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.snapshot(text))
    }

    fn anchor(&mut self, text: TextId, position: u32) -> Result<Vec<u8>, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.anchor(text, position))
    }

    fn position(&mut self, text: TextId, anchor: &[u8]) -> Result<u32, TextError> {
        self.check_open(text)?;
        self.call(Blame::Engine, |module| module.position(text, anchor))
    }

    fn inspect(&mut self, update: &[u8]) -> Result<UpdateRange, TextError> {
        self.call(Blame::Bytes, |module| module.inspect(update))
    }

    fn print(&mut self, bytes: &[u8], peer: u64, from: u32, to: u32) -> Result<Hash, TextError> {
        self.call(Blame::Bytes, |module| module.print(bytes, peer, from, to))
    }
}

#[cfg(test)]
mod tests;
