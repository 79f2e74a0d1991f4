//! Editors of open texts: opening, changes in line, changes of others.

use dxos_base::{SpaceId, TextDelta, TextId, Tick, limits};
use dxos_echo::EchoError;
use dxos_echo::store::{Durability, StoreError};
use dxos_echo::text::TextError;
use dxos_services::{ClientId, Event, Failure, FailureKind, TextAddress, TextOpened};

use crate::clients::{from_echo, set_written};
use crate::event::ChannelId;
use crate::failure::{failure, from_text, malformed, no_space};
use crate::node::{Node, STORAGE_RETRY_MS, Turn};
use crate::space::{SpaceState, transaction, write_context};
use crate::texts::{Editor, OpenText, Step, TextRepeat, carry, repeat_key};

/// Stored form of a [`TextRepeat`].
const REPEAT_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Node {
    pub(crate) fn open_editor(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        address: TextAddress,
        base: Option<Vec<u8>>,
    ) -> Result<TextOpened, Failure> {
        self.load_text(turn, &address)?;
        let client = self
            .channels
            .get(&channel)
            .and_then(|channel| channel.client);
        let client = client.ok_or_else(|| malformed("The first frame must be a greeting."))?;
        let repeat = self
            .repeat(turn, &client, &address)
            .map_err(|error| from_store(&error))?;
        let open = self.texts.get_mut(&address).ok_or_else(no_space)?;
        let (text, version) = (open.text, open.version.clone());
        let written = repeat.as_ref().map_or(0, |repeat| repeat.n);
        let mut later = Vec::new();
        let mut editor = Editor {
            told: version.clone(),
            repeats: None,
        };
        let whole = |turn: &mut Turn<'_, '_>| {
            let content = turn
                .cx
                .text
                .content(text)
                .map_err(|error| from_text(&error))?;
            let insert = (!content.is_empty()).then_some(dxos_base::TextChange {
                from: 0,
                delete: 0,
                insert: content,
            });
            Ok::<TextDelta, Failure>(insert.into_iter().collect())
        };
        let opened = match base {
            None => TextOpened {
                version,
                delta: whole(turn)?,
                on_base: false,
                written,
            },
            Some(base) => match repeat.and_then(|repeat| repeat.rest(&base)) {
                // This client has the write applied and unanswered: it hears what it was carried over.
                Some((repeat, over)) => {
                    editor = Editor {
                        told: repeat.before,
                        repeats: Some(repeat.n),
                    };
                    later = over;
                    TextOpened {
                        version: base,
                        delta: Vec::new(),
                        on_base: true,
                        written,
                    }
                }
                None => match open.since(&base) {
                    Some(steps) => {
                        later = steps;
                        TextOpened {
                            version: base,
                            delta: Vec::new(),
                            on_base: true,
                            written,
                        }
                    }
                    None => match turn.cx.text.diff(text, &base, &version) {
                        Ok(delta) => TextOpened {
                            version,
                            delta,
                            on_base: true,
                            written,
                        },
                        Err(_) => TextOpened {
                            version,
                            delta: whole(turn)?,
                            on_base: false,
                            written,
                        },
                    },
                },
            },
        };
        open.editors.insert(channel, editor);
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.texts.insert(address.clone());
        }
        later
            .into_iter()
            .for_each(|step| self.tell_step(channel, &address, step));
        self.tell_carets_to(turn, channel, &address);
        Ok(opened)
    }

    /// Holds a text open in the engine.
    fn load_text(&mut self, turn: &mut Turn<'_, '_>, address: &TextAddress) -> Result<(), Failure> {
        if self.texts.contains_key(address) {
            return self.recover_text(turn, address);
        }
        if address.property.len() > limits::NAME_BYTES_MAX {
            return Err(malformed("The property's name is too long."));
        }
        let space = self.spaces.get_mut(&address.space).ok_or_else(no_space)?;
        let opened = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space
                .data
                .open_text(&mut write_context(cx), address.object, &address.property)
        });
        let text = match opened {
            Ok(text) => text,
            Err(error) => {
                // Opening may have made an update of what was typed before; the disk has nothing of it.
                if matches!(error, EchoError::Store(_)) {
                    self.reload(turn, address.space);
                }
                return Err(from_echo(&error));
            }
        };
        let version = turn
            .cx
            .text
            .version(text)
            .map_err(|error| from_text(&error))?;
        self.texts
            .insert(address.clone(), OpenText::new(text, version));
        Ok(())
    }

    /// Opens the texts of a space in the engine again: after the space was read anew from disk, or after the engine let
    /// one go. Those that cannot be opened now keep their editors, and are tried again.
    pub(crate) fn reopen_texts(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let of_space = |address: &&TextAddress| address.space == id;
        let addresses: Vec<TextAddress> = self.texts.keys().filter(of_space).cloned().collect();
        for (done, address) in addresses.iter().enumerate() {
            let Some(space) = self.spaces.get_mut(&id) else {
                return;
            };
            let opened = transaction(turn.cx, Durability::Acknowledged, |cx| {
                let (object, property) = (address.object, &address.property);
                let cx = &mut write_context(cx);
                space.data.open_text(cx, object, property)
            });
            match opened {
                Ok(text) => self.reopened(turn, address, text),
                Err(error @ EchoError::Store(_)) => {
                    // What was typed could not be made an update; in memory it may be one.
                    self.read_again(turn, id);
                    self.lose_texts(turn.cx.now, &addresses, &error);
                    return;
                }
                Err(error @ EchoError::Text(_)) => {
                    self.lose_texts(turn.cx.now, &addresses[done..=done], &error);
                }
                // Its object is here no more.
                Err(_) => self.begin_anew(address),
            }
        }
    }

    /// A text is in the engine again: its editors hear what it is now.
    fn reopened(&mut self, turn: &mut Turn<'_, '_>, address: &TextAddress, text: TextId) {
        let Some(open) = self.texts.get_mut(address) else {
            return;
        };
        open.lost = None;
        let version = turn.cx.text.version(text);
        let news = version.and_then(|version| {
            let delta = match version == open.version {
                true => TextDelta::new(),
                false => turn.cx.text.diff(text, &open.version, &version)?,
            };
            Ok((delta, version))
        });
        match news {
            Ok((delta, version)) if text == open.text => self.step(address, None, delta, version),
            // Another text, or the version told is not one of it.
            _ => self.begin_anew(address),
        }
    }

    /// Texts that are not in the engine now; their editors stay.
    fn lose_texts(&mut self, now: Tick, addresses: &[TextAddress], error: &EchoError) {
        for address in addresses {
            tracing::warn!(object = %address.object, %error, "text.lost");
            if let Some(open) = self.texts.get_mut(address) {
                open.lost = Some(from_echo(error));
            }
            if let Some(space) = self.spaces.get_mut(&address.space) {
                space.seal_at.get_or_insert(now.plus_ms(STORAGE_RETRY_MS));
            }
        }
    }

    /// Tries lost texts of a space again.
    pub(crate) fn recover_texts(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let lost = |(of, open): (&TextAddress, &OpenText)| of.space == id && open.lost.is_some();
        if self.texts.iter().any(lost) {
            self.reopen_texts(turn, id);
        }
    }

    /// The text is in the engine when this returns well.
    fn recover_text(
        &mut self,
        turn: &mut Turn<'_, '_>,
        address: &TextAddress,
    ) -> Result<(), Failure> {
        let lost = |node: &Node| node.texts.get(address).and_then(|open| open.lost.clone());
        if lost(self).is_some() {
            self.reopen_texts(turn, address.space);
        }
        lost(self).map_or(Ok(()), Err)
    }

    /// Lets an open text go; its editors open it again: they are told a step that does not stand on what they have.
    fn begin_anew(&mut self, address: &TextAddress) {
        let Some(open) = self.texts.remove(address) else {
            return;
        };
        tracing::warn!(object = %address.object, "text.begun_anew");
        let step = Step {
            base: Vec::new(),
            version: Vec::new(),
            delta: TextDelta::new(),
        };
        for channel in open.editors.into_keys() {
            self.tell_step(channel, address, step.clone());
        }
    }

    pub(crate) fn close_editor(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        address: &TextAddress,
    ) {
        let Some(open) = self.texts.get_mut(address) else {
            return;
        };
        open.editors.remove(&channel);
        if !open.editors.is_empty() {
            return;
        }
        let text = open.text;
        self.texts.remove(address);
        let Some(space) = self.spaces.get_mut(&address.space) else {
            return;
        };
        let closed = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space.data.close_text(&mut write_context(cx), text)
        });
        if let Err(error) = closed {
            self.storage_failed(turn, address.space, &error);
        }
    }

    fn repeat(
        &self,
        turn: &mut Turn<'_, '_>,
        client: &ClientId,
        address: &TextAddress,
    ) -> Result<Option<TextRepeat>, StoreError> {
        let bytes = turn.cx.store.get(&repeat_key(client, address))?;
        Ok(bytes.and_then(|bytes| dxos_base::decode(&bytes, REPEAT_BYTES_MAX).ok()))
    }

    // ---- changes of an editor ---------------------------------------------------------------------------

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn write_text(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        client: &ClientId,
        n: u64,
        address: TextAddress,
        base: Vec<u8>,
        delta: TextDelta,
    ) -> Result<Vec<u8>, Failure> {
        self.check_writer(&address.space)?;
        self.recover_text(turn, &address)?;
        let open = self
            .texts
            .get(&address)
            .filter(|open| open.editors.contains_key(&channel));
        let open = open.ok_or_else(|| {
            failure(
                FailureKind::NotFound,
                "This text is not open.",
                "Open the document again.",
            )
        })?;
        let (text, before) = (open.text, open.version.clone());
        let over = match open.since(&base) {
            Some(over) => over,
            None => {
                let delta = turn
                    .cx
                    .text
                    .diff(text, &base, &before)
                    .map_err(|error| from_text(&error))?;
                vec![Step {
                    base: base.clone(),
                    version: before.clone(),
                    delta,
                }]
            }
        };
        let carried = carry(&delta, &over);
        let space = self.spaces.get_mut(&address.space).ok_or_else(no_space)?;
        let heads = space.control_heads();
        let written = transaction(turn.cx, Durability::Acknowledged, |cx| {
            let mut touched = dxos_echo::Touched::default();
            if !carried.is_empty() {
                let (object, property) = (address.object, address.property.as_str());
                let mut write = write_context(cx);
                touched = space
                    .data
                    .edit_text(&mut write, &heads, object, property, &carried)?
                    .1;
            }
            let after = cx.text.version(text)?;
            let repeat = TextRepeat {
                n,
                base,
                over,
                before,
                after: after.clone(),
            };
            let key = repeat_key(client, &address);
            cx.store.set(&key, Some(&dxos_base::encode(&repeat)))?;
            set_written(cx, client, n)?;
            Ok::<_, EchoError>((touched, after))
        });
        let (touched, after) = match written {
            Ok(written) => written,
            Err(error) => {
                self.storage_failed(turn, address.space, &error);
                return Err(from_echo(&error));
            }
        };
        self.step(&address, Some(channel), carried, after.clone());
        self.touched(turn.cx.now, address.space, &touched);
        self.plan_seal(turn.cx.now, address.space);
        self.status_dirty(turn.cx.now);
        Ok(after)
    }

    /// A write whose answer was lost is answered again.
    pub(crate) fn repeated_text(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        client: &ClientId,
        n: u64,
        address: &TextAddress,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let repeat = self
            .repeat(turn, client, address)
            .map_err(|error| from_store(&error))?;
        let Some(repeat) = repeat.filter(|repeat| repeat.n == n) else {
            return Ok(None);
        };
        let Some(open) = self.texts.get_mut(address) else {
            return Ok(Some(repeat.after));
        };
        let (text, version) = (open.text, open.version.clone());
        let later = match open.since(&repeat.after) {
            Some(later) => later,
            None => {
                let delta = turn.cx.text.diff(text, &repeat.after, &version);
                let delta = delta.map_err(|error| from_text(&error))?;
                vec![Step {
                    base: repeat.after.clone(),
                    version: version.clone(),
                    delta,
                }]
            }
        };
        if let Some(editor) = open.editors.get_mut(&channel)
            && editor.repeats.take() == Some(n)
        {
            editor.told = version;
            later
                .into_iter()
                .for_each(|step| self.tell_step(channel, address, step));
        }
        Ok(Some(repeat.after))
    }

    // ---- changes told to editors ------------------------------------------------------------------------

    /// A text moved on: everybody but its author hears of it.
    fn step(
        &mut self,
        address: &TextAddress,
        author: Option<ChannelId>,
        delta: TextDelta,
        version: Vec<u8>,
    ) {
        let Some(open) = self.texts.get_mut(address) else {
            return;
        };
        if open.version == version {
            return;
        }
        let step = Step {
            base: open.version.clone(),
            version: version.clone(),
            delta: delta.clone(),
        };
        open.step(delta, version.clone());
        let mut tell = Vec::new();
        for (channel, editor) in &mut open.editors {
            if editor.repeats.is_some() {
                continue;
            }
            editor.told.clone_from(&version);
            if Some(*channel) != author {
                tell.push(*channel);
            }
        }
        for channel in tell {
            self.tell_step(channel, address, step.clone());
        }
    }

    fn tell_step(&mut self, channel: ChannelId, address: &TextAddress, step: Step) {
        let Step {
            base,
            version,
            delta,
        } = step;
        self.tell(
            channel,
            Event::Text {
                text: address.clone(),
                base,
                version,
                delta,
            },
        );
    }

    /// Entries of others changed open texts.
    pub(crate) fn texts_changed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        deltas: &[(TextId, TextDelta)],
    ) {
        if let Some(held) = &mut self.held_texts {
            held.extend(deltas.iter().cloned());
            return;
        }
        self.tell_texts(turn, id, deltas);
    }

    /// Makes texts anew in which what was typed may stand elsewhere for others; their editors hear how they changed.
    pub(crate) fn settle_texts(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let stale = |space: &&mut SpaceState| space.data.texts_to_settle().next().is_some();
        let Some(space) = self.spaces.get_mut(&id).filter(stale) else {
            return;
        };
        let settled = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space.data.settle_texts(&mut write_context(cx))
        });
        match settled {
            Ok(deltas) if deltas.is_empty() => {}
            Ok(deltas) => self.texts_changed(turn, id, &deltas),
            Err(error) => self.storage_failed(turn, id, &error),
        }
    }

    /// Does `work` on a space and tells editors afterwards what it came to: where a text comes back to what it was, or
    /// nearly, nothing else is told, and what people did meanwhile stays where they did it.
    pub(crate) fn with_texts_held(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        work: impl FnOnce(&mut Node, &mut Turn<'_, '_>),
    ) {
        if self.held_texts.is_some() {
            return work(self, turn);
        }
        self.held_texts = Some(Vec::new());
        work(self, turn);
        let held = self.held_texts.take().unwrap_or_default();
        let mut rest = Vec::new();
        for (address, open) in &self.texts {
            let changed = held.iter().any(|(text, _)| *text == open.text);
            if address.space != id || !changed {
                continue;
            }
            let now = turn.cx.text.version(open.text);
            let whole = now.and_then(|now| turn.cx.text.diff(open.text, &open.version, &now));
            match whole {
                Ok(delta) => rest.push((open.text, delta)),
                // The version from before is not among what there is now.
                Err(_) => rest.extend(held.iter().filter(|(of, _)| *of == open.text).cloned()),
            }
        }
        self.tell_texts(turn, id, &rest);
    }

    fn tell_texts(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId, deltas: &[(TextId, TextDelta)]) {
        let open = self.texts.iter().filter(|(address, _)| address.space == id);
        let open = open.map(|(address, open)| (address.clone(), open.text, open.version.clone()));
        for (address, text, before) in open.collect::<Vec<_>>() {
            let of_text = deltas.iter().filter(|(changed, _)| *changed == text);
            let of_text = of_text.map(|(_, delta)| delta).collect::<Vec<_>>();
            if of_text.is_empty() {
                continue;
            }
            match self.joined_delta(turn, text, &before, &of_text) {
                Ok((delta, version)) => self.step(&address, None, delta, version),
                Err(error) => self.lose_texts(turn.cx.now, &[address], &error.into()),
            }
        }
    }

    /// The deltas of one text in one turn as one step.
    fn joined_delta(
        &self,
        turn: &mut Turn<'_, '_>,
        text: TextId,
        before: &[u8],
        deltas: &[&TextDelta],
    ) -> Result<(TextDelta, Vec<u8>), TextError> {
        let version = turn.cx.text.version(text)?;
        let joined = deltas.iter().try_fold(TextDelta::new(), |joined, delta| {
            dxos_base::text::compose(&joined, delta)
        });
        match joined {
            Ok(delta) => Ok((delta, version)),
            Err(_) => Ok((turn.cx.text.diff(text, before, &version)?, version)),
        }
    }
}

fn from_store(error: &StoreError) -> Failure {
    crate::failure::from_store(error)
}
