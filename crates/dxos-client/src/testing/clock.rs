//! Virtual time, and randomness from a seed.
//!
//! Invariants
//! * time goes forward only, and only when the [`World`](super::World) moves it;
//! * two sources of the same seed and stream give the same bytes; what one draws never shifts another.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use dxos_base::{Entropy, Tick, hash};

use crate::platform::Source;

/// What every world begins at: some day in 2026.
const BEGIN_MS: u64 = 1_790_000_000_000;

struct Inner {
    now_ms: Cell<u64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    timers_made: Cell<u64>,
}

/// The virtual clock of a [`World`](super::World). Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Rc<Inner>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({} ms)", self.now_ms())
    }
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock(Rc::new(Inner {
            now_ms: Cell::new(BEGIN_MS),
            timers: RefCell::default(),
            timers_made: Cell::new(0),
        }))
    }

    /// Virtual milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// Virtual milliseconds since the world began.
    pub fn elapsed_ms(&self) -> u64 {
        self.now_ms() - BEGIN_MS
    }

    /// Waits so many virtual milliseconds; no real time passes. For what a program does with a timer of its own.
    pub async fn sleep_ms(&self, ms: u64) {
        let inner = &self.0;
        let made = inner.timers_made.replace(inner.timers_made.get() + 1);
        let timer = (self.now_ms().saturating_add(ms), made);
        poll_fn(|cx| {
            if self.now_ms() >= timer.0 {
                return Poll::Ready(());
            }
            let mut timers = inner.timers.borrow_mut();
            timers.insert(timer, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn tick(&self) -> Tick {
        Tick(self.now_ms())
    }

    /// Moves to `at_ms`, unless that is past.
    pub(super) fn move_to(&self, at_ms: u64) {
        self.0.now_ms.set(self.now_ms().max(at_ms));
    }

    /// When the next timer is due.
    pub(super) fn timer_at_ms(&self) -> Option<u64> {
        let timers = self.0.timers.borrow();
        timers.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Wakes who waits for the first timer.
    pub(super) fn ring(&self) {
        let first = self.0.timers.borrow_mut().pop_first();
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }
}

/// Randomness from a seed.
pub(super) struct Seeded {
    seed: u64,
    stream: u64,
    drawn: u64,
}

impl Seeded {
    pub(super) fn new(seed: u64, stream: u64) -> Seeded {
        Seeded {
            seed,
            stream,
            drawn: 0,
        }
    }

    /// A number from `from` through `through`.
    pub(super) fn between(&mut self, from: u64, through: u64) -> u64 {
        let drawn = u64::from_le_bytes((self as &mut dyn Entropy).array());
        from + drawn % (through - from + 1)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            self.drawn += 1;
            let parts = [self.seed, self.stream, self.drawn].map(u64::to_le_bytes);
            let block = hash("testing", &[&parts[0], &parts[1], &parts[2]]).0;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// Where a client's fresh ids come from.
pub(super) struct Ids {
    pub(super) clock: Clock,
    pub(super) entropy: Seeded,
}

impl Entropy for Ids {
    fn fill(&mut self, out: &mut [u8]) {
        self.entropy.fill(out);
    }
}

impl Source for Ids {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}
