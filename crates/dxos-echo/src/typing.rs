//! Typing: local changes of a text, acknowledged as they are and made one update later.
//!
//! Making an update costs the engine five times what the change costs, and the updates of many keystrokes are many
//! times as long as the one update of them all. So the pending row of a keystroke holds the change itself. What was
//! typed on a text since its last update is the text's *run*.
//!
//! Invariants
//! * an update of a text in a pending row holds all that was typed on the text in the rows before it;
//! * a run stands on the snapshot, the tail up to the row it names, and one session: applied there again it makes
//!   the same operations, so versions given to editors stay known over a crash;
//! * a run ends, its update is made, before anything else reaches the text: an update of others, a fold, another
//!   mark (control heads, feeds seen), a seal, closing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use dxos_base::{Clock, Hash, ObjectId, Path, TextDelta, TextId};

use crate::change::{Change, Operation, SessionNonce};
use crate::error::EchoError;
use crate::space::{Space, WriteContext};
use crate::text::TextError;

/// Bytes typed in one run: keeps its update far below the limit of an entry.
pub(crate) const RUN_BYTES_MAX: usize = 64 * 1024;

/// A local change of a text as stored in `pending`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Typed {
    pub text: TextId,
    pub object: ObjectId,
    pub path: Path,
    pub clock: Clock,
    /// The session it was typed in.
    pub nonce: SessionNonce,
    /// Its run is the session's first.
    pub begins: bool,
    /// Last row of the tail its run stands on; 0: the snapshot alone.
    pub through: u64,
    pub delta: TextDelta,
}

/// The run of an open text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub clock: Clock,
    pub begins: bool,
    pub through: u64,
    pub bytes: usize,
}

impl Space {
    /// Ends the runs of all texts if what is acknowledged next stands under another mark.
    pub(crate) fn end_runs_at_mark(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
    ) -> Result<(), EchoError> {
        let typing = |space: &Space| space.open_texts.values().any(|open| open.run.is_some());
        if !typing(self) || (control_heads == self.mark.0 && self.seen_anew().next().is_none()) {
            return Ok(());
        }
        let texts: Vec<TextId> = self.open_texts.keys().copied().collect();
        texts
            .into_iter()
            .try_for_each(|text| self.end_run(cx, text))
    }

    /// Makes the update of what was typed on an open text; a pending row holds it then.
    pub(crate) fn end_run(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
    ) -> Result<(), EchoError> {
        let Some(open) = self.open_texts.get_mut(&text) else {
            return Ok(());
        };
        if open.run.is_none() {
            return Ok(());
        }
        let (object, path) = (open.object, open.path.clone());
        if !cx.text.is_open(text) {
            // The engine lost the text: opening it applies the run again and ends it.
            return self.load_text(cx, text, object, path);
        }
        let Some(run) = open.run else {
            return Ok(());
        };
        let nonce = run.begins.then_some(open.nonce);
        // Where the engine gives up here the run goes on: it is applied again, and ended, by whoever comes next.
        let update = cx.text.export(text)?;
        open.run = None;
        self.append_own(cx.store, run.clock, (text, nonce, &update))?;
        let operation = Operation::Text {
            id: text,
            nonce,
            update,
        };
        let change = Change {
            clock: run.clock,
            object,
            path,
            operation,
        };
        self.put_pending(cx.store, Vec::new(), Vec::new(), vec![change], None)
    }

    /// Ends all runs, those of texts that are closed since a restart too. What stays (the engine is not there, or
    /// gives up) is in [`Space::runs`] afterwards.
    pub(crate) fn end_runs(&mut self, cx: &mut WriteContext<'_>) -> Result<(), EchoError> {
        for (text, (object, path)) in self.runs() {
            let known = self.open_texts.contains_key(&text);
            let ended = match known {
                true => self.end_run(cx, text),
                false => self.load_text(cx, text, object, path),
            };
            if !known {
                self.open_texts.remove(&text);
                cx.text.close(text);
            }
            match ended {
                Ok(()) | Err(EchoError::Text(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// As [`Space::end_runs`], where no run may stay.
    pub(crate) fn end_every_run(&mut self, cx: &mut WriteContext<'_>) -> Result<(), EchoError> {
        self.end_runs(cx)?;
        match self.runs().is_empty() {
            true => Ok(()),
            false => Err(EchoError::Text(TextError::Unavailable {
                detail: "what was typed before the restart cannot be read yet".to_owned(),
            })),
        }
    }

    /// Texts with a run, and where they are.
    pub(crate) fn runs(&self) -> BTreeMap<TextId, (ObjectId, Path)> {
        let mut runs = BTreeMap::new();
        for (_, set) in &self.pending {
            for change in &set.changes {
                if let Operation::Text { id, .. } = &change.operation {
                    runs.remove(id);
                }
            }
            if let Some(typed) = &set.typed {
                runs.entry(typed.text)
                    .or_insert_with(|| (typed.object, typed.path.clone()));
            }
        }
        runs
    }

    /// What was typed on a text since its last update.
    pub(crate) fn run_of(&self, text: TextId) -> Vec<Typed> {
        let mut run = Vec::new();
        for (_, set) in self.pending.iter().rev() {
            let updated = set.changes.iter().any(
                |change| matches!(&change.operation, Operation::Text { id, .. } if *id == text),
            );
            run.extend(set.typed.iter().filter(|typed| typed.text == text).cloned());
            if updated {
                break;
            }
        }
        run.reverse();
        run
    }

    /// Reads a text from the store into the engine; what was typed on it and has no update yet is applied again, in
    /// its session, and gets one.
    pub(crate) fn load_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        object: ObjectId,
        path: Path,
    ) -> Result<(), EchoError> {
        let loaded = self.load_with_run(cx, text, object, path);
        if loaded.is_err() {
            // Half loaded: an update that was made and could not be stored would not be made again.
            self.open_texts.remove(&text);
            cx.text.close(text);
        }
        loaded
    }

    fn load_with_run(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        object: ObjectId,
        path: Path,
    ) -> Result<(), EchoError> {
        let typed = self.run_of(text);
        if let (Some(first), Some(last)) = (typed.first(), typed.last()) {
            self.load_session(cx, text, object, path.clone(), first.nonce, first.through)?;
            let split = self.open_texts[&text].split;
            for typed in &typed {
                match cx.text.apply(text, &typed.delta) {
                    // The text is another one than it was typed on: what has no place in it is left out.
                    Err(TextError::BadChange { .. }) if split => {}
                    applied => applied?,
                }
            }
            let open = self.open_texts.get_mut(&text).expect("loaded above");
            open.run = Some(Run {
                clock: last.clock,
                begins: first.begins,
                through: first.through,
                bytes: 0,
            });
            self.end_run(cx, text)?;
        }
        let nonce = cx.entropy.array();
        self.load_session(cx, text, object, path, nonce, u64::MAX)
    }

    /// Adds a keystroke to the run of an open text and acknowledges it; `changes` are what must come before it.
    pub(crate) fn put_typed(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        text: TextId,
        delta: &TextDelta,
        changes: Vec<Change>,
    ) -> Result<(), EchoError> {
        let bytes = inserted_bytes(delta);
        let full = |run: &Run| run.bytes + bytes > RUN_BYTES_MAX;
        if self.open_texts[&text].run.as_ref().is_some_and(full) {
            self.end_run(cx, text)?;
        }
        cx.text.apply(text, delta)?;
        let clock = self.text_clock(cx.now, text)?;
        let open = self
            .open_texts
            .get_mut(&text)
            .expect("the caller opened it");
        let run = Run {
            clock,
            begins: open.run.map_or(!open.begun, |run| run.begins),
            through: open.run.map_or(open.last_row(), |run| run.through),
            bytes: open.run.map_or(0, |run| run.bytes) + bytes,
        };
        open.begun = true;
        let typed = Typed {
            text,
            object: open.object,
            path: open.path.clone(),
            clock,
            nonce: open.nonce,
            begins: run.begins,
            through: run.through,
            delta: delta.clone(),
        };
        self.acknowledge(cx, control_heads, changes, Some(typed))?;
        let open = self
            .open_texts
            .get_mut(&text)
            .expect("the caller opened it");
        open.run = Some(run);
        Ok(())
    }
}

/// Bytes a change inserts.
pub(crate) fn inserted_bytes(delta: &TextDelta) -> usize {
    delta.iter().map(|change| change.insert.len()).sum()
}
