//! One open text as a client holds it: the node's text, at most one change in flight, one pending.
//!
//! Invariants
//! * shown text = told text, then the change in flight, then the pending one;
//! * a change of others is carried over both before an editor sees it, exactly as the node carries ours over it;
//! * an edit leaves `flight` only by an acknowledgement or a refusal that tells the person.
//!
//! Pure: who sends what stands in `state.rs`.

use dxos_base::text::{
    ARRIVING, STANDING, apply, compose, difference, map_position, transform, units, unmap_position,
};
use dxos_base::{Side, TextChangeError, TextDelta, limits};
use dxos_services::{CaretView, TextOpened};

/// A change sent to the node and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Write number it went out with.
    pub(crate) n: u64,
    /// The change, on the told text as it is now.
    pub(crate) delta: TextDelta,
    /// On the wire of this connection: an answer will come.
    pub(crate) sent: bool,
}

/// What came of the node's answer to an open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The editor has to apply this.
    Shows(TextDelta),
    /// The answer does not fit: ask again for the whole text.
    Mismatch,
}

/// The machine of one open text.
#[derive(Debug, Default)]
pub(crate) struct OpenedText {
    told_version: Vec<u8>,
    told: String,
    flight: Option<Flight>,
    pending: TextDelta,
    shown: String,
    /// Carets as told, in the told text.
    carets: Vec<CaretView>,
}

impl OpenedText {
    /// The node's version this stands on.
    pub(crate) fn version(&self) -> &[u8] {
        &self.told_version
    }

    /// What editors show.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Nothing unacknowledged.
    pub(crate) fn settled(&self) -> bool {
        self.flight.is_none() && self.pending.is_empty()
    }

    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref()
    }

    /// A change the editor has made already.
    pub(crate) fn local(&mut self, delta: &TextDelta) -> Result<(), TextChangeError> {
        let shown = apply(&self.shown, delta)?;
        if shown.len() > limits::TEXT_UNITS_MAX && units(&shown) as usize > limits::TEXT_UNITS_MAX {
            return Err(TextChangeError::TooLong {
                units: units(&shown),
            });
        }
        self.pending = compose(&self.pending, delta)?;
        self.shown = shown;
        Ok(())
    }

    /// Puts the pending change in flight as write `n` if nothing is; gives it with the version it stands on.
    pub(crate) fn depart(&mut self, n: u64) -> Option<(Vec<u8>, TextDelta)> {
        if self.flight.is_some() || self.pending.is_empty() {
            return None;
        }
        let delta = std::mem::take(&mut self.pending);
        self.flight = Some(Flight {
            n,
            delta: delta.clone(),
            sent: true,
        });
        Some((self.told_version.clone(), delta))
    }

    /// Sends the change in flight again, as write `n`.
    pub(crate) fn depart_again(&mut self, n: u64) -> Option<(Vec<u8>, TextDelta)> {
        let flight = self.flight.as_mut()?;
        flight.n = n;
        flight.sent = true;
        Some((self.told_version.clone(), flight.delta.clone()))
    }

    /// The connection is gone: no answer will come on it.
    pub(crate) fn disconnected(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.sent = false;
        }
    }

    /// The change in flight was answered: not stored. It goes out again under a new number.
    pub(crate) fn refused(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.n = u64::MAX;
            flight.sent = false;
        }
    }

    /// Others changed the text. Gives what editors apply; `None`: it does not stand on what was told.
    pub(crate) fn remote(
        &mut self,
        base: &[u8],
        version: &[u8],
        delta: &TextDelta,
    ) -> Option<TextDelta> {
        if base != self.told_version {
            return None;
        }
        let shows = self.carry_in(delta).ok()?;
        self.told_version = version.to_vec();
        Some(shows)
    }

    fn carry_in(&mut self, delta: &TextDelta) -> Result<TextDelta, TextChangeError> {
        let told = apply(&self.told, delta)?;
        let mut flight = self.flight.clone();
        let mut step = delta.clone();
        if let Some(flight) = &mut flight {
            let over = transform(&step, &flight.delta, STANDING);
            flight.delta = transform(&flight.delta, &step, ARRIVING);
            step = over;
        }
        let shows = transform(&step, &self.pending, STANDING);
        let shown = apply(&self.shown, &shows)?;
        self.pending = transform(&self.pending, &step, ARRIVING);
        for caret in &mut self.carets {
            caret.anchor = map_position(caret.anchor, delta, Side::Before);
            caret.head = map_position(caret.head, delta, Side::Before);
        }
        (self.told, self.shown, self.flight) = (told, shown, flight);
        Ok(shows)
    }

    /// The change in flight is acknowledged; the node's text is now the told one with it. `None`: it does not fit.
    pub(crate) fn acknowledged(&mut self, version: Option<Vec<u8>>) -> Option<()> {
        let flight = self.flight.take()?;
        let told = apply(&self.told, &flight.delta).ok()?;
        for caret in &mut self.carets {
            caret.anchor = map_position(caret.anchor, &flight.delta, Side::Before);
            caret.head = map_position(caret.head, &flight.delta, Side::Before);
        }
        self.told = told;
        self.told_version = version?;
        Some(())
    }

    /// Takes back everything unacknowledged: gives what editors apply.
    pub(crate) fn take_back(&mut self) -> TextDelta {
        let shows = difference(&self.shown, &self.told);
        self.flight = None;
        self.pending = TextDelta::new();
        self.shown = self.told.clone();
        shows
    }

    /// The node's answer to opening with `asked` as base (`None`: whole text asked).
    ///
    /// With the whole text given, `stored` says that the change in flight is part of it already.
    pub(crate) fn opened(
        &mut self,
        asked: Option<&[u8]>,
        opened: &TextOpened,
        stored: bool,
    ) -> Opened {
        if opened.on_base {
            if asked != Some(self.told_version.as_slice()) {
                return Opened::Mismatch;
            }
            let Ok(shows) = self.carry_in(&opened.delta) else {
                return Opened::Mismatch;
            };
            self.told_version = opened.version.clone();
            return Opened::Shows(shows);
        }
        let Ok(text) = apply("", &opened.delta) else {
            return Opened::Mismatch;
        };
        if stored && let Some(flight) = self.flight.take() {
            // What is told now holds our change: compare with the text that has it.
            if let Ok(told) = apply(&self.told, &flight.delta) {
                self.told = told;
            }
        }
        let step = difference(&self.told, &text);
        let Ok(shows) = self.carry_in(&step) else {
            return Opened::Mismatch;
        };
        self.told_version = opened.version.clone();
        Opened::Shows(shows)
    }

    /// Carets as the node told them.
    pub(crate) fn set_carets(&mut self, carets: Vec<CaretView>) {
        self.carets = carets;
    }

    /// Carets in the shown text.
    pub(crate) fn carets(&self) -> Vec<CaretView> {
        let place = |position: u32| {
            let flight = self.flight.as_ref().map_or(&[][..], |flight| &flight.delta);
            map_position(
                map_position(position, flight, Side::Before),
                &self.pending,
                Side::Before,
            )
        };
        let mut carets = self.carets.clone();
        for caret in &mut carets {
            (caret.anchor, caret.head) = (place(caret.anchor), place(caret.head));
        }
        carets
    }

    /// A position of the shown text in the told one.
    pub(crate) fn told_position(&self, position: u32) -> u32 {
        let flight = self.flight.as_ref().map_or(&[][..], |flight| &flight.delta);
        unmap_position(unmap_position(position, &self.pending), flight)
    }

    /// Where `position` of the shown text is after editors applied `shows`.
    pub(crate) fn shift(position: u32, shows: &TextDelta) -> u32 {
        map_position(position, shows, Side::Before)
    }
}
