//! The engine: one Loro document per open text, with one text container.
//!
//! Invariants
//! * an update made by [`export`](TextEngine::export) holds operations of the session's own peer only;
//! * documents are never detached and every change is committed at once, so the version is the document's heads;
//! * an instance in which the engine panicked is let go: its text is no longer open, nothing else is touched.
//!
//! Only updates and full snapshots are read or written, never shallow ones (Loro issues 1040 and 1068).

use std::cell::Cell;
use std::collections::HashMap;

use dxos_base::limits::{TEXT_IMPORT_BYTES_MAX, TEXT_UNITS_MAX, TEXT_UPDATE_OPERATIONS_MAX};
use dxos_base::{Hash, TextChange, TextDelta, TextId};
use dxos_echo::text::{Imported, TextEngine, TextError, UpdateRange};
use loro::cursor::{Cursor, PosType, Side};
use loro::event::Diff;
use loro::{EncodedBlobMode, ExportMode, Frontiers, ID, LoroDoc, LoroError, LoroText};

use crate::delta::{applied, delta_of};
use crate::platform::{Doing, guard};
use crate::prints::print;
use crate::token::{frontiers_of, token_of};

/// Name of the one container of a document; part of the format.
pub(crate) const CONTAINER: &str = "t";

/// Text engine on Loro; holds the texts that are open.
#[derive(Default)]
pub struct LoroEngine {
    open: HashMap<TextId, Instance>,
}

impl LoroEngine {
    /// An engine with no text open.
    pub fn new() -> LoroEngine {
        LoroEngine::default()
    }

    /// Runs `work` on an open instance, which is dropped if the engine panics.
    fn with<T>(
        &mut self,
        text: TextId,
        doing: Doing,
        work: impl FnOnce(&Instance) -> Result<T, TextError>,
    ) -> Result<T, TextError> {
        let instance = self.open.get(&text).ok_or(TextError::NotOpen)?;
        guard(doing, || work(instance)).unwrap_or_else(|detail| {
            if let Some(instance) = self.open.remove(&text) {
                forget(instance);
            }
            Err(match doing {
                Doing::Import => TextError::BadUpdate { detail },
                _ => TextError::Unavailable { detail },
            })
        })
    }
}

impl TextEngine for LoroEngine {
    fn open(
        &mut self,
        text: TextId,
        peer: u64,
        snapshot: &[u8],
        updates: &[&[u8]],
    ) -> Result<(), TextError> {
        self.open.remove(&text);
        // Made outside the boundary: a document that panicked must not be dropped while unwinding.
        let instance = Instance::empty(peer)?;
        match guard(Doing::Open, || instance.load(snapshot, updates)) {
            Ok(result) => result.map(|()| drop(self.open.insert(text, instance))),
            Err(detail) => {
                forget(instance);
                Err(TextError::BadUpdate { detail })
            }
        }
    }

    fn close(&mut self, text: TextId) {
        self.open.remove(&text);
    }

    fn is_open(&self, text: TextId) -> bool {
        self.open.contains_key(&text)
    }

    fn apply(&mut self, text: TextId, delta: &TextDelta) -> Result<(), TextError> {
        self.with(text, Doing::Edit, |instance| instance.apply(delta))
    }

    fn export(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.with(text, Doing::Edit, Instance::export)
    }

    fn import(&mut self, text: TextId, update: &[u8]) -> Result<Imported, TextError> {
        self.with(text, Doing::Import, |instance| instance.import(update))
    }

    fn content(&mut self, text: TextId) -> Result<String, TextError> {
        self.with(text, Doing::Other, |instance| Ok(instance.text.to_string()))
    }

    fn version(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.with(text, Doing::Other, |instance| {
            Ok(token_of(text, &instance.doc.state_frontiers()))
        })
    }

    fn diff(&mut self, text: TextId, from: &[u8], to: &[u8]) -> Result<TextDelta, TextError> {
        let (from, to) = (frontiers_of(text, from)?, frontiers_of(text, to)?);
        self.with(text, Doing::Other, |instance| instance.diff(&from, &to))
    }

    fn snapshot(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
        self.with(text, Doing::Other, |instance| {
            instance
                .doc
                .export(ExportMode::Snapshot)
                .map_err(unavailable)
        })
    }

    fn anchor(&mut self, text: TextId, position: u32) -> Result<Vec<u8>, TextError> {
        self.with(text, Doing::Other, |instance| instance.anchor(position))
    }

    fn position(&mut self, text: TextId, anchor: &[u8]) -> Result<u32, TextError> {
        self.with(text, Doing::Other, |instance| instance.position(anchor))
    }

    fn inspect(&mut self, update: &[u8]) -> Result<UpdateRange, TextError> {
        guard(Doing::Import, || inspect(update))
            .map_err(|detail| TextError::BadUpdate { detail })?
    }

    fn print(&mut self, bytes: &[u8], peer: u64, from: u32, to: u32) -> Result<Hash, TextError> {
        guard(Doing::Import, || print(bytes, peer, from, to))
            .map_err(|detail| TextError::BadUpdate { detail })?
    }
}

/// Leaks an instance in which the engine panicked: its locks are poisoned and dropping it would panic again. Only
/// hostile bytes get here, and the entry that held them is set aside after the first time.
fn forget(instance: Instance) {
    std::mem::forget(instance);
}

/// An open text.
struct Instance {
    doc: LoroDoc,
    text: LoroText,
    peer: u64,
    /// Where the own operations given out in updates, or loaded, end.
    exported: Cell<i32>,
}

impl Instance {
    fn empty(peer: u64) -> Result<Instance, TextError> {
        let doc = LoroDoc::new();
        doc.set_peer_id(peer).map_err(unavailable)?;
        let text = doc.get_text(CONTAINER);
        Ok(Instance {
            doc,
            text,
            peer,
            exported: Cell::new(0),
        })
    }

    fn load(&self, snapshot: &[u8], updates: &[&[u8]]) -> Result<(), TextError> {
        if !snapshot.is_empty() {
            check_bytes(snapshot)?;
            self.doc.import(snapshot).map_err(bad_update)?;
            if self.doc.is_shallow() {
                let detail = "a snapshot without its history is not taken".into();
                return Err(TextError::BadUpdate { detail });
            }
        }
        for update in updates {
            check_shape(update)?;
        }
        match updates {
            [] => {}
            [update] => drop(self.doc.import(update).map_err(bad_update)?),
            // One pass over all of them: a tail of many small updates opens in a fraction of the time.
            _ => {
                let updates: Vec<Vec<u8>> = updates.iter().map(|update| update.to_vec()).collect();
                self.doc.import_batch(&updates).map_err(bad_update)?;
            }
        }
        let own = self.doc.oplog_vv().get(&self.peer).copied();
        self.exported.set(own.unwrap_or(0));
        Ok(())
    }

    fn apply(&self, delta: &TextDelta) -> Result<(), TextError> {
        self.check(delta)?;
        // From the end, so that earlier positions stay what they were.
        for change in delta
            .iter()
            .rev()
            .filter(|change| change.delete > 0 || !change.insert.is_empty())
        {
            self.text
                .splice_utf16(change.from as usize, change.delete as usize, &change.insert)
                .map_err(unavailable)?;
        }
        self.doc.commit();
        Ok(())
    }

    fn export(&self) -> Result<Vec<u8>, TextError> {
        // All there is, less the own operations not given out yet: what came from others stays out.
        let mut known = self.doc.oplog_vv();
        let end = known.get(&self.peer).copied().unwrap_or(0);
        if end == self.exported.get() {
            return Ok(Vec::new());
        }
        known.set_end(ID::new(self.peer, self.exported.get()));
        let update = self
            .doc
            .export(ExportMode::updates(&known))
            .map_err(unavailable)?;
        self.exported.set(end);
        Ok(update)
    }

    /// Refuses a delta that does not fit the text, before anything is changed.
    fn check(&self, delta: &TextDelta) -> Result<(), TextError> {
        let bad = |detail: String| Err(TextError::BadChange { detail });
        let len = self.text.len_utf16();
        let mut past = 0usize;
        let mut len_after = len;
        for (
            n,
            TextChange {
                from,
                delete,
                insert,
            },
        ) in delta.iter().enumerate()
        {
            let (from, delete) = (*from as usize, *delete as usize);
            // On wasm32 the sum of two positions may not fit; what saturates is past the end of any text.
            let end = from.saturating_add(delete);
            if n > 0 && from < past {
                return bad(format!("position {from} comes after {past}"));
            }
            if end > len {
                return bad(format!("position {end} in a text of {len} units"));
            }
            if !self.is_boundary(from) || !self.is_boundary(end) {
                return bad(format!("{from}..{end} cuts a surrogate pair"));
            }
            past = end;
            len_after = len_after - delete + insert.encode_utf16().count();
        }
        if len_after > TEXT_UNITS_MAX && len_after > len {
            return bad(format!(
                "the text would have {len_after} units, {TEXT_UNITS_MAX} are allowed"
            ));
        }
        Ok(())
    }

    /// Whether the unit `position` (within the text) is not the second half of a surrogate pair.
    fn is_boundary(&self, position: usize) -> bool {
        if self.is_plain() {
            return true;
        }
        self.text
            .convert_pos(position, PosType::Utf16, PosType::Unicode)
            .and_then(|chars| {
                self.text
                    .convert_pos(chars, PosType::Unicode, PosType::Utf16)
            })
            == Some(position)
    }

    /// No character outside the basic plane: scalars and units are the same.
    fn is_plain(&self) -> bool {
        self.text.len_utf16() == self.text.len_unicode()
    }

    fn import(&self, update: &[u8]) -> Result<Imported, TextError> {
        check_shape(update)?;
        let before = self.doc.state_frontiers();
        let content = (!self.is_plain()).then(|| self.text.to_string());
        let status = self.doc.import(update).map_err(bad_update)?;
        let after = self.doc.state_frontiers();
        let delta = if before == after {
            TextDelta::new()
        } else {
            delta_of(&self.steps(&before, &after)?, content.as_deref())
        };
        Ok(Imported {
            applied: status.pending.is_none_or(|pending| pending.is_empty()),
            delta,
        })
    }

    fn diff(&self, from: &Frontiers, to: &Frontiers) -> Result<TextDelta, TextError> {
        let now = self.doc.state_frontiers();
        let before = applied(&self.steps(&now, from)?, &self.text.to_string());
        Ok(delta_of(&self.steps(from, to)?, Some(&before)))
    }

    /// The engine's own delta between two versions.
    fn steps(&self, from: &Frontiers, to: &Frontiers) -> Result<Vec<loro::TextDelta>, TextError> {
        if from == to {
            return Ok(Vec::new());
        }
        let batch = self.doc.diff(from, to).map_err(|error| match error {
            LoroError::FrontiersNotFound(_) => TextError::BadVersion,
            other => unavailable(other),
        })?;
        let steps = batch.iter().find_map(|(container, diff)| match diff {
            Diff::Text(steps) if *container == loro::ContainerTrait::id(&self.text) => {
                Some(steps.clone())
            }
            _ => None,
        });
        Ok(steps.unwrap_or_default())
    }

    fn anchor(&self, position: u32) -> Result<Vec<u8>, TextError> {
        let units = position as usize;
        let len = self.text.len_utf16();
        if units > len || !self.is_boundary(units) {
            let detail = format!("no place before unit {units} in a text of {len}");
            return Err(TextError::BadChange { detail });
        }
        let chars = self
            .text
            .convert_pos(units, PosType::Utf16, PosType::Unicode);
        let cursor = chars.and_then(|chars| self.text.get_cursor(chars, Side::Middle));
        cursor
            .map(|cursor| cursor.encode())
            .ok_or_else(|| TextError::Unavailable {
                detail: "the engine gives no cursor".into(),
            })
    }

    fn position(&self, anchor: &[u8]) -> Result<u32, TextError> {
        let bad = || TextError::BadChange {
            detail: "the anchor is not of this text".into(),
        };
        let cursor = Cursor::decode(anchor).map_err(|_| bad())?;
        if cursor.container != loro::ContainerTrait::id(&self.text) {
            return Err(bad());
        }
        let chars = self
            .doc
            .get_cursor_pos(&cursor)
            .map_err(|_| bad())?
            .current
            .pos;
        let units = self
            .text
            .convert_pos(chars, PosType::Unicode, PosType::Utf16);
        units
            .and_then(|units| u32::try_from(units).ok())
            .ok_or_else(bad)
    }
}

fn check_bytes(update: &[u8]) -> Result<(), TextError> {
    if update.len() > TEXT_IMPORT_BYTES_MAX {
        let detail = format!(
            "{} bytes, {TEXT_IMPORT_BYTES_MAX} are allowed",
            update.len()
        );
        return Err(TextError::BadUpdate { detail });
    }
    Ok(())
}

/// What an update of one peer holds; decodes it fully, applies nothing.
fn inspect(update: &[u8]) -> Result<UpdateRange, TextError> {
    check_bytes(update)?;
    let refuse = |detail: &str| TextError::BadUpdate {
        detail: detail.into(),
    };
    let meta = LoroDoc::decode_import_blob_meta(update, true).map_err(bad_update)?;
    if meta.mode != EncodedBlobMode::Updates {
        return Err(refuse("a snapshot where an update belongs"));
    }
    let mut peers = meta.partial_end_vv.iter();
    let (Some((&peer, &end)), None) = (peers.next(), peers.next()) else {
        return Err(refuse("operations of no peer or of several"));
    };
    let start = meta.partial_start_vv.get(&peer).copied().unwrap_or(0);
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) if end - start.min(end) > TEXT_UPDATE_OPERATIONS_MAX => {
            Err(refuse("too many operations"))
        }
        (Ok(start), Ok(end)) if start < end => {
            let after = meta.start_frontiers.iter().filter(|id| id.peer != peer);
            let after = after.map(|id| (id.peer, id.counter.unsigned_abs()));
            Ok(UpdateRange {
                peer,
                start,
                end,
                after: after.collect(),
            })
        }
        _ => Err(refuse("an impossible range")),
    }
}

/// Refuses what is too long and snapshots without full history, which break documents with concurrent changes.
pub(crate) fn check_shape(update: &[u8]) -> Result<(), TextError> {
    check_bytes(update)?;
    // Magic (4), checksum (16), mode (2): an update needs no second look, and updates are what comes often.
    if update.get(20..22) == Some(&[0, 4]) {
        return Ok(());
    }
    match LoroDoc::decode_import_blob_meta(update, true)
        .map_err(bad_update)?
        .mode
    {
        EncodedBlobMode::Snapshot | EncodedBlobMode::Updates => Ok(()),
        mode => Err(TextError::BadUpdate {
            detail: format!("a {mode} is not taken"),
        }),
    }
}

pub(crate) fn bad_update(error: LoroError) -> TextError {
    TextError::BadUpdate {
        detail: error.to_string(),
    }
}

fn unavailable(error: impl std::fmt::Display) -> TextError {
    TextError::Unavailable {
        detail: error.to_string(),
    }
}
