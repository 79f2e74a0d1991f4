//! Texts of a space: opening, editing, receiving updates, folding the tail.
//!
//! A text is stored as a snapshot and a tail of updates. Updates of texts that are not open go to the tail without
//! touching the engine. Which of them are taken is told when they are handed to the engine ([`sessions`](crate::sessions)).
//!
//! Invariants
//! * an update leaves the tail only once a snapshot holds it;
//! * the same updates in the store make the same text, in whatever order they came.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use dxos_base::path::show_path;
use dxos_base::plain::{Place, PlainObject};
use dxos_base::{
    Clock, DeviceKey, Hash, ObjectId, Path, Step, TextChange, TextDelta, TextId, Tick, hash, limits,
};

use crate::aside::Standing;
use crate::batch::{Batch, first_16};
use crate::change::{Change, Operation, SessionNonce};
use crate::diff::difference;
use crate::error::EchoError;
use crate::plan::{Planner, text_id_at};
use crate::record::{Record, RegisterValue};
use crate::reserved::bad_value;
use crate::sessions::{Look, Session, Sessions, session_peer};
use crate::space::{Space, Touched, WriteContext, decode_row};
use crate::store::Store;
use crate::text::{TextEngine, TextError, UpdateRange};
use crate::typing::{RUN_BYTES_MAX, Run, inserted_bytes};

/// Updates in the tail at which it is folded.
const TAIL_UPDATES: usize = 64;
/// Updates in the tail at which it is folded when the text is closed.
const TAIL_UPDATES_CLOSED: usize = 8;
/// Bytes in the tail at which it is folded.
const TAIL_BYTES: usize = 32 * 1024;
/// A long text is folded when its tail is this part of it, so that folding costs a constant share of typing.
const TAIL_PART: usize = 4;
/// Longest insertion handed to the engine at once, in bytes: keeps an update below the limit of an entry.
const INSERT_BYTES: usize = 128 * 1024;

/// A text in the engine.
#[derive(Debug)]
pub(crate) struct OpenText {
    pub object: ObjectId,
    pub path: Path,
    /// The object's register is known to hold this text.
    pub registered: bool,
    pub nonce: SessionNonce,
    /// The own session has typed.
    pub begun: bool,
    /// What was typed and has no update yet.
    pub run: Option<Run>,
    /// The version editors know: what deltas given out lead to.
    version: Vec<u8>,
    pub sessions: Sessions,
    pub tail: Vec<TailUpdate>,
    tail_bytes: usize,
    snapshot_bytes: usize,
    /// An update was set aside because it says other things than one that is held.
    pub split: bool,
    /// Updates are to be taken again, in their order.
    pub again: bool,
    /// The same, and a snapshot holds some of them.
    pub unsettled: bool,
    /// The own session has an update since the text was read from the store.
    pub own_since: bool,
}

/// An update in the tail of an open text.
#[derive(Debug)]
pub(crate) struct TailUpdate {
    row: u64,
    stored: StoredUpdate,
    pub state: TailState,
    range: Option<UpdateRange>,
    /// Of the session the text is open in.
    pub own: bool,
}

impl TailUpdate {
    /// What it holds; `None`, and it is set aside for good, if it is malformed.
    pub(crate) fn range(
        &mut self,
        engine: &mut dyn TextEngine,
    ) -> Result<Option<UpdateRange>, EchoError> {
        if self.range.is_none() {
            match engine.inspect(&self.stored.update) {
                Ok(range) => self.range = Some(range),
                Err(TextError::BadUpdate { .. }) => self.state = TailState::SetAside,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.range.clone())
    }

    pub(crate) fn device(&self) -> DeviceKey {
        self.stored.device
    }

    pub(crate) fn nonce(&self) -> Option<SessionNonce> {
        self.stored.place.nonce()
    }

    /// When it was written; `None` in rows of builds that did not keep it.
    pub(crate) fn clock(&self) -> Option<Clock> {
        match self.stored.place {
            SessionPlace::At { clock, .. } => Some(clock),
            _ => None,
        }
    }

    pub(crate) fn is_void(&self) -> bool {
        self.stored.place.is_void()
    }

    pub(crate) fn update(&self) -> &[u8] {
        &self.stored.update
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TailState {
    /// In the engine, but perhaps still waiting there for what it depends on.
    Handed,
    /// In the engine's state.
    Applied,
    /// Waits for an earlier one of its session.
    Held,
    /// Of a void entry, and nothing that counts depends on it.
    Aside,
    /// Malformed, of a session that is not its writer's, or of a range of which another content is taken.
    SetAside,
}

/// An update as stored in the tail.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredUpdate {
    device: DeviceKey,
    place: SessionPlace,
    update: Vec<u8>,
}

/// Whether an update is its session's first, with the session's nonce then, whether it is of a void entry, and when it
/// was written. The first four: by builds that did not keep when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SessionPlace {
    Later,
    First(SessionNonce),
    VoidLater,
    VoidFirst(SessionNonce),
    At {
        clock: Clock,
        nonce: Option<SessionNonce>,
        void: bool,
    },
}

impl SessionPlace {
    fn new(clock: Clock, nonce: Option<SessionNonce>, standing: Standing) -> SessionPlace {
        let void = standing == Standing::Void;
        SessionPlace::At { clock, nonce, void }
    }

    fn nonce(self) -> Option<SessionNonce> {
        match self {
            SessionPlace::Later | SessionPlace::VoidLater => None,
            SessionPlace::First(nonce) | SessionPlace::VoidFirst(nonce) => Some(nonce),
            SessionPlace::At { nonce, .. } => nonce,
        }
    }

    fn is_void(self) -> bool {
        match self {
            SessionPlace::Later | SessionPlace::First(_) => false,
            SessionPlace::VoidLater | SessionPlace::VoidFirst(_) => true,
            SessionPlace::At { void, .. } => void,
        }
    }
}

/// A snapshot as stored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredSnapshot {
    version: u8,
    /// By engine peer: whose it is and where it ends.
    sessions: BTreeMap<u64, (DeviceKey, u32)>,
    engine: Vec<u8>,
}

impl Space {
    /// Opens a text property: the engine holds it until [`Space::close_text`]. Writes nothing; a property that is
    /// no text yet becomes one with the first edit.
    pub fn open_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        object: ObjectId,
        property: &str,
    ) -> Result<TextId, EchoError> {
        let path = vec![Step::Key(property.to_owned())];
        let record = self.load_record(cx.store, object)?;
        let (text, registered) = match text_at(&record, &path) {
            Some(text) => (text, true),
            None => (text_id_at(&record, object, &path), false),
        };
        if !self.open_texts.contains_key(&text) || !cx.text.is_open(text) {
            self.load_text(cx, text, object, path)?;
        }
        if let Some(open) = self.open_texts.get_mut(&text) {
            open.registered = registered;
        }
        Ok(text)
    }

    /// Drops a text from the engine, after folding its tail if it has one worth it: a snapshot alone opens in a
    /// tenth of the time.
    pub fn close_text(&mut self, cx: &mut WriteContext<'_>, text: TextId) -> Result<(), EchoError> {
        self.end_run(cx, text)?;
        let tail = self.open_texts.get(&text).map_or(0, |open| open.tail.len());
        if tail >= TAIL_UPDATES_CLOSED && cx.text.is_open(text) {
            self.fold(cx, text)?;
        }
        self.open_texts.remove(&text);
        cx.text.close(text);
        Ok(())
    }

    /// Whether a text is held by the engine.
    pub fn is_text_open(&self, text: TextId) -> bool {
        self.open_texts.contains_key(&text)
    }

    /// The text a property holds; `None` until its first edit.
    pub fn text_of(
        &self,
        store: &mut dyn Store,
        object: ObjectId,
        property: &str,
    ) -> Result<Option<TextId>, EchoError> {
        let record = self.load_record(store, object)?;
        Ok(text_at(&record, &[Step::Key(property.to_owned())]))
    }

    /// Applies a local change on the text's current version and acknowledges it.
    pub fn edit_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        object: ObjectId,
        property: &str,
        delta: &TextDelta,
    ) -> Result<(TextId, Touched), EchoError> {
        let open = self.open_texts.iter().find(|(id, open)| {
            open.registered
                && open.object == object
                && matches!(&open.path[..], [Step::Key(name)] if name == property)
                && cx.text.is_open(**id)
        });
        let text = match open {
            Some((id, _)) => *id,
            None => self.open_text(cx, object, property)?,
        };
        let mut touched = Touched::default();
        if delta
            .iter()
            .all(|change| change.delete == 0 && change.insert.is_empty())
        {
            return Ok((text, touched));
        }
        touched.texts.insert(text);
        self.end_runs_at_mark(cx, control_heads)?;
        let mut changes = Vec::new();
        if !self.open_texts[&text].registered {
            let path = self.open_texts[&text].path.clone();
            touched.merge(self.begin_text(cx, text, object, &path, &mut changes)?);
        }
        if inserted_bytes(delta) > RUN_BYTES_MAX {
            self.put_long(cx, control_heads, text, delta, changes)?;
        } else {
            self.put_typed(cx, control_heads, text, delta, changes)?;
        }
        self.note_version(cx, text)?;
        Ok((text, touched))
    }

    /// Notes how far an open text is, after a local change.
    pub(crate) fn note_version(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
    ) -> Result<(), EchoError> {
        let version = cx.text.version(text)?;
        if let Some(open) = self.open_texts.get_mut(&text) {
            open.version = version;
        }
        Ok(())
    }

    /// A long change: its updates are made at once, each short enough for an entry.
    pub(crate) fn put_long(
        &mut self,
        cx: &mut WriteContext<'_>,
        control_heads: &[Hash],
        text: TextId,
        delta: &TextDelta,
        mut changes: Vec<Change>,
    ) -> Result<(), EchoError> {
        self.end_run(cx, text)?;
        self.edit_open(cx, text, delta, &mut changes)?;
        self.acknowledge(cx, control_heads, changes, None)?;
        self.fold_if_long(cx, text)
    }

    /// Applies a change to an open text and notes its updates among `changes`.
    fn edit_open(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        delta: &TextDelta,
        changes: &mut Vec<Change>,
    ) -> Result<(), EchoError> {
        for part in parts_of(delta) {
            let update = cx.text.edit(text, &part)?;
            if update.is_empty() {
                continue;
            }
            let open = self.open_texts.get_mut(&text).expect("opened above");
            let (object, path) = (open.object, open.path.clone());
            if update.len() > limits::ENTRY_BYTES_MAX / 2 {
                return Err(EchoError::BadValue {
                    path: show_path(&path),
                    detail: "the change is too long",
                });
            }
            let nonce = (!std::mem::replace(&mut open.begun, true)).then_some(open.nonce);
            let clock = self.text_clock(cx.now, text)?;
            self.append_own(cx.store, clock, (text, nonce, &update))?;
            let operation = Operation::Text {
                id: text,
                nonce,
                update,
            };
            changes.push(Change {
                clock,
                object,
                path,
                operation,
            });
        }
        Ok(())
    }

    /// Puts content into a text that has none; gives whether it did.
    pub(crate) fn fill_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        object: ObjectId,
        path: &Path,
        text: TextId,
        content: &str,
        changes: &mut Vec<Change>,
    ) -> Result<bool, EchoError> {
        if content.encode_utf16().count() > limits::TEXT_UNITS_MAX {
            return bad_value(path, "the text is too long");
        }
        if content.is_empty() {
            return Ok(false);
        }
        if self.open_texts.contains_key(&text) {
            return bad_value(path, "the text is open: write into it there");
        }
        self.load_text(cx, text, object, path.clone())?;
        let empty = cx.text.content(text)?.is_empty();
        if empty {
            let delta = vec![TextChange {
                from: 0,
                delete: 0,
                insert: content.to_owned(),
            }];
            self.edit_open(cx, text, &delta, changes)?;
        }
        self.close_text(cx, text)?;
        Ok(empty)
    }

    /// Contents of an object's texts, by place: those that show.
    pub fn texts_of(
        &mut self,
        cx: &mut WriteContext<'_>,
        object: ObjectId,
    ) -> Result<BTreeMap<Place, String>, EchoError> {
        let record = self.load_record(cx.store, object)?;
        let view = record.view(object);
        let mut out = BTreeMap::new();
        for (path, place) in PlainObject::text_paths(&view) {
            let Some(text) = text_at(&record, &path) else {
                continue;
            };
            let open = self.open_texts.contains_key(&text) && cx.text.is_open(text);
            if !open {
                self.load_text(cx, text, object, path)?;
            }
            out.insert(place, cx.text.content(text)?);
            if !open {
                self.close_text(cx, text)?;
            }
        }
        Ok(out)
    }

    /// A clock for a change of a text.
    pub(crate) fn text_clock(&mut self, now: Tick, text: TextId) -> Result<Clock, EchoError> {
        let clock = self.clock.tick(now, Clock::ZERO);
        clock.ok_or_else(|| EchoError::ClockExhausted {
            path: show_path(&self.open_texts[&text].path),
        })
    }

    /// Writes the register that makes the property this text.
    fn begin_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        object: ObjectId,
        path: &Path,
        changes: &mut Vec<Change>,
    ) -> Result<Touched, EchoError> {
        let mut batch = Batch::default();
        let record = batch.load(self.space, &self.policy, object, cx.store)?;
        let mut planner = Planner {
            space: self.space,
            feed: self.own,
            now: cx.now,
            clock: &mut self.clock,
            entropy: cx.entropy,
            changes,
        };
        planner.prepare(record, object, path)?;
        planner.put(record, object, path.clone(), Operation::SetText(text))?;
        batch.touch(changes);
        let touched = self.flush(batch, cx.store)?;
        if let Some(open) = self.open_texts.get_mut(&text) {
            open.registered = true;
        }
        Ok(touched)
    }

    /// Takes an update from an entry (or from pending, when rebuilding); gives how an open text changed.
    pub(crate) fn receive_text(
        &mut self,
        cx: &mut WriteContext<'_>,
        device: DeviceKey,
        clock: Clock,
        (text, nonce, update): (TextId, Option<SessionNonce>, &[u8]),
        standing: Standing,
    ) -> Result<Option<TextDelta>, EchoError> {
        self.end_run(cx, text)?;
        if standing == Standing::Counts {
            self.count_update(text, update);
        }
        let stored = StoredUpdate {
            device,
            place: SessionPlace::new(clock, nonce, standing),
            update: update.to_vec(),
        };
        let state = stored.state();
        self.store_update(cx.store, text, stored, state)?;
        if !self.open_texts.contains_key(&text) {
            return Ok(None);
        }
        let delta = self.hand_over(cx, text)?;
        self.fold_if_long(cx, text)?;
        Ok(Some(delta).filter(|delta| !delta.is_empty()))
    }

    /// Adds an own update, which the engine has, to the tail.
    pub(crate) fn append_own(
        &mut self,
        store: &mut dyn Store,
        clock: Clock,
        (text, nonce, update): (TextId, Option<SessionNonce>, &[u8]),
    ) -> Result<(), EchoError> {
        self.count_update(text, update);
        let stored = StoredUpdate {
            device: self.device,
            place: SessionPlace::new(clock, nonce, Standing::Counts),
            update: update.to_vec(),
        };
        self.store_update(store, text, stored, TailState::Applied)
    }

    /// Adds an update to the stored tail, and to the tail in memory if the text is open.
    fn store_update(
        &mut self,
        store: &mut dyn Store,
        text: TextId,
        stored: StoredUpdate,
        state: TailState,
    ) -> Result<(), EchoError> {
        let bytes = dxos_base::encode(&stored);
        let row = store.text_append(self.space, text, &bytes)?;
        if let Some(open) = self.open_texts.get_mut(&text) {
            open.own_since |= state == TailState::Applied;
            open.tail_bytes += bytes.len();
            open.tail.push(TailUpdate {
                row,
                stored,
                state,
                range: None,
                // What others wrote is not applied when it comes.
                own: state == TailState::Applied,
            });
        }
        Ok(())
    }

    /// Adds an update that counts to the state digest.
    fn count_update(&mut self, text: TextId, update: &[u8]) {
        let hash = hash(
            "text update",
            &[self.space.as_bytes(), text.as_bytes(), update],
        );
        self.summary.texts = self.summary.texts.wrapping_add(first_16(&hash));
    }

    /// Reads a text from the store into the engine, with the tail up to a row, for a session.
    pub(crate) fn load_session(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        object: ObjectId,
        path: Path,
        nonce: SessionNonce,
        through: u64,
    ) -> Result<(), EchoError> {
        let (mut open, engine) = self.stored_text(cx.store, text, through)?;
        (open.object, open.path, open.nonce) = (object, path, nonce);
        let peer = session_peer(&self.device, &text, &open.nonce);
        let whole = Look::Whole { snapshot: &engine };
        let passed = open.check_sessions(cx.text, &text, whole)?;
        self.texts_unsettled |= open.unsettled;
        let updates = open.updates(&passed);
        match cx.text.open(text, peer, &engine, &updates) {
            Ok(()) => {}
            Err(TextError::BadUpdate { .. }) => {
                open.hand_over_singly(cx.text, text, peer, &engine, &passed)?;
            }
            Err(error) => return Err(error.into()),
        }
        open.version = cx.text.version(text)?;
        self.open_texts.insert(text, open);
        Ok(())
    }

    /// Hands held updates of an open text to the engine; gives how the text changed for its editors.
    fn hand_over(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
    ) -> Result<TextDelta, EchoError> {
        let open = self.open_texts.get_mut(&text).expect("the caller checked");
        let mut deltas = Vec::new();
        if cx.text.is_open(text) {
            let held = |held: &&TailUpdate| held.state == TailState::Held;
            let mut came = open.tail.iter().filter(held);
            if came.any(|held| held.stored.device == self.device) {
                open.note_own(cx.text, self.device)?;
            }
            let taken = open.check_sessions(cx.text, &text, Look::New)?;
            if open.again || open.split {
                return self.take_again(cx, text);
            }
            for at in taken {
                let held = &mut open.tail[at];
                match cx.text.import(text, &held.stored.update) {
                    Ok(imported) => {
                        if imported.applied {
                            held.state = TailState::Applied;
                        }
                        deltas.push(imported.delta);
                    }
                    Err(TextError::BadUpdate { .. }) => held.state = TailState::SetAside,
                    Err(error) => return Err(error.into()),
                }
                if !cx.text.is_open(text) {
                    break;
                }
            }
        }
        let before = std::mem::take(&mut open.version);
        if !cx.text.is_open(text) {
            // The engine lost the text, perhaps on these bytes: read it again from the store.
            let (object, path) = (open.object, open.path.clone());
            self.load_text(cx, text, object, path)?;
            return Ok(cx
                .text
                .diff(text, &before, &self.open_texts[&text].version)?);
        }
        open.version = cx.text.version(text)?;
        deltas.retain(|delta| !delta.is_empty());
        if deltas.len() > 1 {
            return Ok(cx.text.diff(text, &before, &open.version)?);
        }
        Ok(deltas.pop().unwrap_or_default())
    }

    /// Texts for [`Space::settle_texts`].
    pub fn texts_to_settle(&self) -> impl Iterator<Item = TextId> + '_ {
        let open = self.open_texts.iter();
        let stale = open.filter(|(_, open)| open.split && (open.own_since || open.run.is_some()));
        stale.map(|(text, _)| *text)
    }

    /// Makes open texts anew that have own updates since, and in which an update was set aside for its content: as all
    /// others will read them. Gives how they changed. To be called after a seal; there is nothing to do but where a
    /// device signed two contents for one range.
    pub fn settle_texts(
        &mut self,
        cx: &mut WriteContext<'_>,
    ) -> Result<Vec<(TextId, TextDelta)>, EchoError> {
        let stale: Vec<TextId> = self.texts_to_settle().collect();
        let mut deltas = Vec::new();
        for text in stale {
            if !cx.text.is_open(text) {
                continue;
            }
            self.end_run(cx, text)?;
            let delta = self.take_again(cx, text)?;
            if !delta.is_empty() {
                deltas.push((text, delta));
            }
        }
        Ok(deltas)
    }

    /// Reads an open text from the store again, its updates taken in their order; gives how it changed.
    fn take_again(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
    ) -> Result<TextDelta, EchoError> {
        let before = cx.text.content(text)?;
        let open = &self.open_texts[&text];
        let (object, path) = (open.object, open.path.clone());
        self.load_text(cx, text, object, path)?;
        Ok(difference(&before, &cx.text.content(text)?))
    }

    /// Folds the tail of an open text into a snapshot when it is long; not while something typed has no update.
    pub(crate) fn fold_if_long(
        &mut self,
        cx: &mut WriteContext<'_>,
        text: TextId,
    ) -> Result<(), EchoError> {
        let Some(open) = self.open_texts.get(&text) else {
            return Ok(());
        };
        let long = open.tail.len() >= TAIL_UPDATES || open.tail_bytes >= TAIL_BYTES;
        if long && open.tail_bytes >= open.snapshot_bytes / TAIL_PART {
            self.fold(cx, text)?;
        }
        Ok(())
    }

    /// Folds the tail of an open text into a snapshot, unless something typed has no update, or an update was set aside
    /// for its content: all of them are needed then when another one comes.
    fn fold(&mut self, cx: &mut WriteContext<'_>, text: TextId) -> Result<(), EchoError> {
        let Some(open) = self.open_texts.get_mut(&text) else {
            return Ok(());
        };
        let Some(last) = open
            .tail
            .last()
            .filter(|_| open.run.is_none() && !open.split)
        else {
            return Ok(());
        };
        let through = last.row;
        // What the engine was handed may still wait for what it depends on; a snapshot leaves that out.
        for held in open
            .tail
            .iter_mut()
            .filter(|held| held.state == TailState::Handed)
        {
            if cx.text.import(text, &held.stored.update)?.applied {
                held.state = TailState::Applied;
            }
        }
        open.note_own(cx.text, self.device)?;
        let sessions = open.fold_sessions(cx.text)?;
        let engine = cx.text.snapshot(text)?;
        let snapshot_bytes = engine.len();
        let snapshot = dxos_base::encode(&StoredSnapshot {
            version: 1,
            sessions,
            engine,
        });
        cx.store
            .text_snapshot(self.space, text, &snapshot, through)?;
        let mut kept = std::mem::take(&mut open.tail);
        // Those of void entries tell that what they hold need not stay in the text.
        kept.retain(|held| held.state != TailState::Applied || held.is_void());
        open.tail_bytes = 0;
        for held in &mut kept {
            let bytes = dxos_base::encode(&held.stored);
            open.tail_bytes += bytes.len();
            held.row = cx.store.text_append(self.space, text, &bytes)?;
        }
        open.tail = kept;
        open.snapshot_bytes = snapshot_bytes;
        Ok(())
    }

    /// A text as stored, up to a row of its tail, in no session yet; and its snapshot in the engine's bytes.
    fn stored_text(
        &self,
        store: &mut dyn Store,
        text: TextId,
        through: u64,
    ) -> Result<(OpenText, Vec<u8>), EchoError> {
        let row = store.text(self.space, text)?;
        let snapshot: StoredSnapshot = match &row.snapshot[..] {
            [] => StoredSnapshot::default(),
            bytes => decode_row(bytes, "text snapshot")?,
        };
        let session = |(peer, (device, end))| {
            let folded = end;
            (
                peer,
                Session {
                    device,
                    end,
                    folded,
                },
            )
        };
        let mut open = OpenText {
            object: ObjectId([0; 16]),
            path: Vec::new(),
            registered: false,
            nonce: SessionNonce::default(),
            begun: false,
            run: None,
            version: Vec::new(),
            sessions: snapshot.sessions.into_iter().map(session).collect(),
            tail_bytes: row.tail.iter().map(|(_, bytes)| bytes.len()).sum(),
            tail: Vec::with_capacity(row.tail.len()),
            snapshot_bytes: snapshot.engine.len(),
            split: false,
            again: false,
            unsettled: false,
            own_since: false,
        };
        for (row, bytes) in row.tail.into_iter().filter(|(row, _)| *row <= through) {
            let stored: StoredUpdate = decode_row(&bytes, "text update")?;
            let state = stored.state();
            open.tail.push(TailUpdate {
                row,
                stored,
                state,
                range: None,
                own: false,
            });
        }
        Ok((open, snapshot.engine))
    }

    /// What a text as stored says, read in the engine's instance `scratch`; `None` if it cannot be read.
    pub(crate) fn stored_content(
        &self,
        cx: &mut WriteContext<'_>,
        text: TextId,
        scratch: TextId,
    ) -> Option<String> {
        let (mut read, engine) = self.stored_text(cx.store, text, u64::MAX).ok()?;
        let whole = Look::Whole { snapshot: &engine };
        let passed = read.check_sessions(cx.text, &text, whole).ok()?;
        let updates = read.updates(&passed);
        if cx.text.open(scratch, 0, &engine, &updates).is_err() {
            read.hand_over_singly(cx.text, scratch, 0, &engine, &passed)
                .ok()?;
        }
        let content = cx.text.content(scratch).ok();
        cx.text.close(scratch);
        content
    }

    /// Contents of open texts, before a rebuild.
    pub(crate) fn contents_of_open(
        &mut self,
        cx: &mut WriteContext<'_>,
    ) -> Vec<(TextId, ObjectId, Path, String)> {
        let open = self.open_texts.iter();
        open.filter_map(|(text, open)| {
            let content = cx.text.content(*text).ok()?;
            Some((*text, open.object, open.path.clone(), content))
        })
        .collect()
    }

    /// Opens texts again after a rebuild; gives how they changed.
    pub(crate) fn reopen_after(
        &mut self,
        cx: &mut WriteContext<'_>,
        before: Vec<(TextId, ObjectId, Path, String)>,
    ) -> Result<Vec<(TextId, TextDelta)>, EchoError> {
        let mut deltas = Vec::new();
        for (text, object, path, old) in before {
            self.load_text(cx, text, object, path)?;
            let delta = difference(&old, &cx.text.content(text)?);
            if !delta.is_empty() {
                deltas.push((text, delta));
            }
        }
        Ok(deltas)
    }

    fn load_record(&self, store: &mut dyn Store, object: ObjectId) -> Result<Record, EchoError> {
        match store.object(self.space, object)? {
            Some(row) => Record::decode(&row.body),
            None => Err(EchoError::NotFound {
                space: self.space,
                object,
            }),
        }
    }
}

impl OpenText {
    /// Sessions as the snapshot has them that is made now: up to what waits in the engine.
    fn fold_sessions(
        &mut self,
        engine: &mut dyn TextEngine,
    ) -> Result<BTreeMap<u64, (DeviceKey, u32)>, EchoError> {
        for session in self.sessions.values_mut() {
            session.folded = session.end;
        }
        let waits = |held: &&mut TailUpdate| held.state == TailState::Handed;
        for held in self.tail.iter_mut().filter(waits) {
            if let Some(range) = held.range(engine)?
                && let Some(session) = self.sessions.get_mut(&range.peer)
            {
                session.folded = range.start.min(session.folded);
            }
        }
        let sessions = self.sessions.iter();
        Ok(sessions
            .map(|(peer, of)| (*peer, (of.device, of.folded)))
            .collect())
    }

    /// Number of the last row of the tail; 0 if there is none.
    pub(crate) fn last_row(&self) -> u64 {
        self.tail.last().map_or(0, |last| last.row)
    }

    fn updates(&self, places: &[usize]) -> Vec<&[u8]> {
        places
            .iter()
            .map(|at| &self.tail[*at].stored.update[..])
            .collect()
    }

    /// Opens the engine's instance with updates of which one is bad: that one is found and set aside.
    fn hand_over_singly(
        &mut self,
        engine: &mut dyn TextEngine,
        text: TextId,
        peer: u64,
        snapshot: &[u8],
        passed: &[usize],
    ) -> Result<(), EchoError> {
        let mut good: Vec<usize> = Vec::new();
        for at in passed {
            if !engine.is_open(text) {
                engine.open(text, peer, snapshot, &self.updates(&good))?;
            }
            match engine.import(text, &self.tail[*at].stored.update) {
                Ok(_) => good.push(*at),
                Err(TextError::BadUpdate { .. }) => self.tail[*at].state = TailState::SetAside,
                Err(error) => return Err(error.into()),
            }
        }
        if !engine.is_open(text) {
            engine.open(text, peer, snapshot, &self.updates(&good))?;
        }
        Ok(())
    }
}

impl StoredUpdate {
    /// Its state before it is looked at.
    fn state(&self) -> TailState {
        match self.place.is_void() {
            true => TailState::Aside,
            false => TailState::Held,
        }
    }
}

/// The text a path visibly holds.
pub(crate) fn text_at(record: &Record, path: &[Step]) -> Option<TextId> {
    record.shown_at(path)?;
    match record.value(path)?.value {
        RegisterValue::Text(text) => Some(text),
        _ => None,
    }
}

/// A delta as steps none of which inserts more than [`INSERT_BYTES`]; each stands on the one before.
fn parts_of(delta: &TextDelta) -> Vec<TextDelta> {
    if delta
        .iter()
        .map(|change| change.insert.len())
        .sum::<usize>()
        <= INSERT_BYTES
    {
        return vec![delta.clone()];
    }
    let mut parts = Vec::new();
    // Last change first: positions of those before it stay as they are.
    for change in delta.iter().rev() {
        let mut from = change.from;
        let mut delete = change.delete;
        let mut rest = &change.insert[..];
        loop {
            let mut cut = rest.len().min(INSERT_BYTES);
            while !rest.is_char_boundary(cut) {
                cut -= 1;
            }
            let (insert, after) = rest.split_at(cut);
            parts.push(vec![TextChange {
                from,
                delete,
                insert: insert.to_owned(),
            }]);
            from += insert.encode_utf16().count() as u32;
            delete = 0;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    parts
}
