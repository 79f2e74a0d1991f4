//! Open texts of a client: opening, sending, answers, and coming back after a takeover.
//!
//! After a takeover the text is opened again on the version last told. The answer carries what others did since;
//! the change in flight is carried over it and sent again: with its old number if the old node stored it (then the
//! node answers from what it kept), with a new one if not.

use std::rc::Rc;

use dxos_base::{SpaceId, TextChangeError, TextDelta};
use dxos_services::{
    CaretView, ClientFrame, Failure, FailureKind, Place, Request, SaveState, TextAddress,
    TextOpened, TextSelection, Write,
};
use litemap::LiteMap;

use super::{Notice, State};
use crate::calls::Then;
use crate::promise::Sender;
use crate::session::TextSink;
use crate::texts::{Opened, OpenedText};

/// Repairs of one text in a row before its unacknowledged changes are taken back.
const REPAIRS_MAX: u32 = 3;

/// A text with its editors.
#[derive(Default)]
pub(crate) struct TextEntry {
    pub(crate) text: OpenedText,
    editors: LiteMap<u64, Rc<TextSink>>,
    waiting: Vec<Sender<Result<(), Failure>>>,
    /// Open futures not yet turned into sessions or dropped.
    waiters: usize,
    /// The node answered once, in this connection or an earlier one.
    known: bool,
    /// Open on this connection.
    live: bool,
    /// An open is under way, with this base.
    asked: Option<Option<Vec<u8>>>,
    /// Number of our last write of it that the node has stored, when it was opened.
    written: u64,
    repairs: u32,
    selection: Option<(u32, u32)>,
}

impl TextEntry {
    pub(super) fn disconnected(&mut self) {
        self.live = false;
        self.asked = None;
        self.text.disconnected();
    }

    fn unused(&self) -> bool {
        self.editors.is_empty() && self.waiters == 0
    }
}

impl State {
    /// Begins to open a text. `Some`: answered later by `waiting`; its caller must end with [`State::text_joined`]
    /// or [`State::text_left`].
    pub(crate) fn text_wanted(
        &mut self,
        address: &TextAddress,
        waiting: Sender<Result<(), Failure>>,
    ) {
        let entry = self.texts.entry(address.clone()).or_default();
        entry.waiters += 1;
        if entry.known {
            self.out.push(Notice::Done(waiting, Ok(())));
            return;
        }
        if self.ended {
            self.out
                .push(Notice::Done(waiting, Err(crate::calls::gone())));
            return;
        }
        entry.waiting.push(waiting);
        self.ask_text(address);
    }

    /// An open future became a session: from now on the editor is told.
    pub(crate) fn text_joined(&mut self, address: &TextAddress, sink: Rc<TextSink>) -> u64 {
        let id = self.number();
        let entry = self.texts.entry(address.clone()).or_default();
        entry.waiters = entry.waiters.saturating_sub(1);
        entry.editors.insert(id, sink);
        id
    }

    /// An open future was dropped.
    pub(crate) fn text_left(&mut self, address: &TextAddress) {
        if let Some(entry) = self.texts.get_mut(address) {
            entry.waiters = entry.waiters.saturating_sub(1);
        }
        self.close_if_unused(address);
    }

    /// A session ended. Its unacknowledged changes are still sent.
    pub(crate) fn text_closed(&mut self, address: &TextAddress, editor: u64) {
        if let Some(entry) = self.texts.get_mut(address) {
            entry.selection = None;
            if let Some(sink) = entry.editors.remove(&editor) {
                self.out.push(Notice::DropSink(sink));
            }
        }
        self.close_if_unused(address);
    }

    fn close_if_unused(&mut self, address: &TextAddress) {
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        if !entry.unused() || !entry.text.settled() {
            return;
        }
        // An open under way is answered first, or the node would keep the text open for nobody.
        if entry.asked.is_some() {
            return;
        }
        let was_live = entry.live;
        self.texts.remove(address);
        if was_live && self.live() {
            self.call(
                Request::CloseText {
                    text: address.clone(),
                },
                Then::Nothing,
            );
        }
    }

    pub(super) fn ask_text(&mut self, address: &TextAddress) {
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        let base = entry.known.then(|| entry.text.version().to_vec());
        self.ask_text_on(address, base);
    }

    fn ask_text_on(&mut self, address: &TextAddress, base: Option<Vec<u8>>) {
        if !self.live() {
            return;
        }
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if entry.asked.is_some() {
            return;
        }
        entry.asked = Some(base.clone());
        entry.live = false;
        self.call(
            Request::OpenText {
                text: address.clone(),
                base,
            },
            Then::Opened(address.clone()),
        );
    }

    pub(super) fn text_opened(
        &mut self,
        address: &TextAddress,
        result: Result<TextOpened, Failure>,
    ) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        let asked = entry.asked.take().flatten();
        let opened = match result {
            Ok(opened) => opened,
            Err(failure) => return self.text_open_refused(address, failure),
        };
        let flight = entry.text.flight().map(|flight| (flight.n, flight.sent));
        let stored = matches!(flight, Some((n, false)) if n == opened.written);
        let shows = match entry.text.opened(asked.as_deref(), &opened, stored) {
            Opened::Shows(shows) => shows,
            Opened::Mismatch => return self.repair(address, FailureKind::Text),
        };
        entry.known = true;
        entry.live = true;
        entry.written = opened.written;
        let waiting = std::mem::take(&mut entry.waiting);
        for waiting in waiting {
            self.out.push(Notice::Done(waiting, Ok(())));
        }
        self.show_delta(address, shows, None);
        self.resend_flight(address);
        self.depart(address);
        self.close_if_unused(address);
    }

    fn text_open_refused(&mut self, address: &TextAddress, failure: Failure) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        for waiting in std::mem::take(&mut entry.waiting) {
            self.out.push(Notice::Done(waiting, Err(failure.clone())));
        }
        // Editors keep what they show; the next edit or connection tries again.
        self.refuse(address, &failure);
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        if entry.unused() {
            self.texts.remove(address);
        }
    }

    /// Sends the change in flight again if its answer was lost with a connection or refused for want of room.
    fn resend_flight(&mut self, address: &TextAddress) {
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        let Some(flight) = entry.text.flight().filter(|flight| !flight.sent) else {
            return;
        };
        let n = if flight.n == entry.written {
            flight.n
        } else {
            self.write_last += 1;
            self.write_last
        };
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if let Some((base, delta)) = entry.text.depart_again(n) {
            self.send_text(address, n, base, delta);
        }
    }

    /// Sends again what was refused for want of room, in spaces whose storage works by the last status.
    pub(super) fn retry_refused_texts(&mut self) {
        let Some(status) = self.status.clone() else {
            return;
        };
        let works = |space: &SpaceId| {
            let view = status.spaces.iter().find(|view| view.space == *space);
            view.is_some_and(|view| view.saved != SaveState::Failed)
        };
        let refused = |entry: &TextEntry| {
            entry.live && entry.text.flight().is_some_and(|flight| !flight.sent)
        };
        let due: Vec<TextAddress> = self
            .texts
            .iter()
            .filter(|(address, entry)| refused(entry) && works(&address.space))
            .map(|(address, _)| address.clone())
            .collect();
        for address in due {
            self.resend_flight(&address);
        }
    }

    /// Sends the pending change if nothing is in flight.
    fn depart(&mut self, address: &TextAddress) {
        let next = self.write_last + 1;
        let live = self.live();
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if !entry.live || !live {
            return;
        }
        if let Some((base, delta)) = entry.text.depart(next) {
            self.write_last = next;
            self.send_text(address, next, base, delta);
        }
    }

    fn send_text(&mut self, address: &TextAddress, n: u64, base: Vec<u8>, delta: TextDelta) {
        self.text_writes.insert(n, address.clone());
        let write = Write::Text {
            text: address.clone(),
            base,
            delta,
        };
        self.frame(&ClientFrame::Write { n, write });
    }

    /// An editor changed its text.
    pub(crate) fn text_edited(
        &mut self,
        address: &TextAddress,
        editor: u64,
        delta: &TextDelta,
    ) -> Result<(), TextChangeError> {
        let Some(entry) = self.texts.get_mut(address) else {
            return Ok(());
        };
        entry.text.local(delta)?;
        let waits = entry.text.flight().is_some_and(|flight| !flight.sent);
        let (live, asked) = (entry.live, entry.asked.is_some());
        self.show_delta(address, delta.clone(), Some(editor));
        if live && waits {
            self.resend_flight(address);
        } else if !live && !asked {
            self.ask_text(address);
        }
        self.depart(address);
        Ok(())
    }

    pub(super) fn text_written(
        &mut self,
        address: &TextAddress,
        n: u64,
        result: Result<Option<Vec<u8>>, Failure>,
    ) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if entry.text.flight().is_none_or(|flight| flight.n != n) {
            return;
        }
        match result {
            Ok(version) => {
                if entry.text.acknowledged(version).is_none() {
                    // Stored, but where the node stands is not known: ask for the whole text.
                    self.ask_text_on(address, None);
                    return;
                }
                entry.repairs = 0;
                let selected = entry.selection.is_some();
                self.depart(address);
                if selected {
                    self.tell_selection(address);
                }
                self.close_if_unused(address);
            }
            Err(failure) => match failure.kind {
                FailureKind::Storage | FailureKind::StorageFull => {
                    entry.text.refused();
                    self.refuse(address, &failure);
                }
                FailureKind::Text | FailureKind::Malformed | FailureKind::NotFound => {
                    entry.text.refused();
                    self.repair(address, failure.kind);
                }
                _ => self.take_back(address, &failure),
            },
        }
    }

    pub(super) fn text_changed(
        &mut self,
        address: &TextAddress,
        base: &[u8],
        version: &[u8],
        delta: &TextDelta,
    ) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if !entry.live {
            // Told before the answer to an open that is under way: the answer holds it.
            return;
        }
        match entry.text.remote(base, version, delta) {
            Some(shows) => {
                self.show_delta(address, shows, None);
                self.out.push(Notice::Carets(address.clone()));
            }
            None => self.repair(address, FailureKind::Text),
        }
    }

    /// Client and node disagree about the text: ask for all of it, a few times, then take back what is ours.
    fn repair(&mut self, address: &TextAddress, kind: FailureKind) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        entry.repairs += 1;
        if entry.repairs > REPAIRS_MAX {
            entry.repairs = 0;
            let failure = Failure {
                kind,
                message: "The last changes to this text could not be saved.".into(),
                hint: "Open the document again.".into(),
            };
            self.take_back(address, &failure);
            return;
        }
        self.ask_text_on(address, None);
    }

    fn take_back(&mut self, address: &TextAddress, failure: &Failure) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        let shows = entry.text.take_back();
        self.show_delta(address, shows, None);
        self.refuse(address, failure);
        self.close_if_unused(address);
    }

    fn refuse(&mut self, address: &TextAddress, failure: &Failure) {
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        if entry.editors.is_empty() && entry.waiters == 0 {
            self.out.push(Notice::Refused(failure.clone()));
        }
        for sink in entry.editors.values() {
            self.out
                .push(Notice::TextRefused(sink.clone(), failure.clone()));
        }
    }

    fn show_delta(&mut self, address: &TextAddress, delta: TextDelta, except: Option<u64>) {
        if delta.is_empty() {
            return;
        }
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        if except.is_none()
            && let Some((anchor, head)) = &mut entry.selection
        {
            *anchor = OpenedText::shift(*anchor, &delta);
            *head = OpenedText::shift(*head, &delta);
        }
        for (id, sink) in &entry.editors {
            if Some(*id) != except {
                self.out.push(Notice::Delta(sink.clone(), delta.clone()));
            }
        }
    }

    // ---- what sessions ask ----

    pub(crate) fn text_shown(&self, address: &TextAddress) -> String {
        self.texts
            .get(address)
            .map(|entry| entry.text.shown().to_owned())
            .unwrap_or_default()
    }

    pub(crate) fn text_settled(&self, address: &TextAddress) -> bool {
        self.texts
            .get(address)
            .is_none_or(|entry| entry.text.settled())
    }

    /// Carets of others in the shown text, and whom to tell.
    pub(crate) fn text_carets(&self, address: &TextAddress) -> (Vec<CaretView>, Vec<Rc<TextSink>>) {
        match self.texts.get(address) {
            Some(entry) => (
                entry.text.carets(),
                entry.editors.values().cloned().collect(),
            ),
            None => (Vec::new(), Vec::new()),
        }
    }

    /// The person's selection in the shown text.
    pub(crate) fn text_selected(&mut self, address: &TextAddress, anchor: u32, head: u32) {
        let Some(entry) = self.texts.get_mut(address) else {
            return;
        };
        entry.selection = Some((anchor, head));
        // While a change is in flight the place may be in text the node does not have: its answer sends it.
        if entry.text.flight().is_none() {
            self.tell_selection(address);
        }
    }

    fn tell_selection(&mut self, address: &TextAddress) {
        let Some(entry) = self.texts.get(address) else {
            return;
        };
        let Some((anchor, head)) = entry.selection else {
            return;
        };
        // The version told is the one before the change in flight.
        let selection = TextSelection {
            property: address.property.clone(),
            version: entry.text.version().to_vec(),
            anchor: entry.text.told_position(anchor),
            head: entry.text.told_position(head),
        };
        self.presence(Some(Place {
            space: address.space,
            object: address.object,
            selection: Some(selection),
        }));
    }
}
