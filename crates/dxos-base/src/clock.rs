//! Hybrid logical clock: 48-bit milliseconds and a 16-bit counter that carries into them.
//!
//! Invariants
//! * a clock handed out by [`HybridClock::tick`] is greater than every clock handed out before and than
//!   the clock of the value it replaces;
//! * clocks more than [`DRIFT_MS_MAX`] ahead of wall time never move the local clock.

use serde::{Deserialize, Serialize};

/// Milliseconds of the host's clock since the Unix epoch: the `now` handed to every machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Tick(pub u64);

impl Tick {
    /// Later by `ms`.
    pub fn plus_ms(self, ms: u64) -> Tick {
        Tick(self.0.saturating_add(ms))
    }
}

/// How far ahead of wall time a received clock may move the local one (DESIGN 4.3).
pub const DRIFT_MS_MAX: u64 = 5 * 60 * 1000;

/// A point of the hybrid clock: milliseconds ‖ counter in one integer, so order is integer order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Clock(pub u64);

impl Clock {
    /// Below every clock a write can have.
    pub const ZERO: Clock = Clock(0);
    /// The top of the range: nothing can be written after it.
    pub const MAX: Clock = Clock(u64::MAX);

    /// The start of millisecond `ms`; `ms` is cut to 48 bits.
    pub fn from_ms(ms: u64) -> Clock {
        Clock((ms & 0xffff_ffff_ffff) << 16)
    }

    /// The millisecond part.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// The next clock, or `None` at the top of the range.
    pub fn next(self) -> Option<Clock> {
        self.0.checked_add(1).map(Clock)
    }
}

/// The local source of clocks of one feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HybridClock {
    last: Clock,
}

impl HybridClock {
    /// Continues after `last`.
    pub fn after(last: Clock) -> Self {
        HybridClock { last }
    }

    /// The last clock handed out or observed.
    pub fn last(&self) -> Clock {
        self.last
    }

    /// A clock for a write that replaces a value written at `replaced` ([`Clock::ZERO`] if none).
    ///
    /// Greater than `replaced`, however far ahead that is; `None` only at the top of the range. A
    /// replaced clock far ahead of wall time does not pull the local clock along.
    pub fn tick(&mut self, now: Tick, replaced: Clock) -> Option<Clock> {
        let local = Clock::from_ms(now.0).max(self.last.next()?);
        let horizon = Clock::from_ms(now.0.saturating_add(DRIFT_MS_MAX));
        if replaced < local {
            self.last = local;
            return Some(local);
        }
        let above = replaced.next()?;
        self.last = if above <= horizon { above } else { local };
        Some(above)
    }

    /// `count` clocks in a row for writes that replace nothing; gives the first. `None`, and none is used, only at the
    /// top of the range.
    pub fn run(&mut self, now: Tick, count: usize) -> Option<Clock> {
        let first = Clock::from_ms(now.0).max(self.last.next()?);
        let rest = u64::try_from(count).ok()?.checked_sub(1)?;
        self.last = Clock(first.0.checked_add(rest)?);
        Some(first)
    }

    /// Learns of a clock written elsewhere.
    pub fn observe(&mut self, now: Tick, seen: Clock) {
        if seen <= Clock::from_ms(now.0.saturating_add(DRIFT_MS_MAX)) {
            self.last = self.last.max(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_beats_what_it_replaces_however_far_ahead() {
        let mut clock = HybridClock::default();
        let now = Tick(1_000_000);
        let ahead = Clock::from_ms(now.0 + 10 * DRIFT_MS_MAX);
        let written = clock.tick(now, ahead).unwrap();
        assert!(written > ahead);
        assert!(
            clock.last().ms() <= now.0 + DRIFT_MS_MAX,
            "a far clock never moves the local one"
        );
        assert_eq!(clock.tick(now, Clock::MAX), None);
    }

    #[test]
    fn a_run_is_as_many_ticks() {
        for last in [
            0,
            Clock::from_ms(5000).0 + 7,
            Clock::from_ms(9000).0,
            u64::MAX - 9,
        ] {
            let mut one_by_one = HybridClock::after(Clock(last));
            let mut at_once = one_by_one;
            let ticks: Vec<Clock> = (0..5)
                .map(|_| one_by_one.tick(Tick(5000), Clock::ZERO).unwrap())
                .collect();
            assert_eq!(at_once.run(Tick(5000), 5), Some(ticks[0]));
            assert_eq!((at_once, at_once.last()), (one_by_one, ticks[4]));
        }
        let mut end = HybridClock::after(Clock(u64::MAX - 3));
        assert_eq!(end.run(Tick(0), 4), None);
        assert_eq!(end.run(Tick(0), 3), Some(Clock(u64::MAX - 2)));
        assert_eq!(end.run(Tick(0), 1), None);
    }

    #[test]
    fn ticks_grow_even_when_wall_time_goes_back() {
        let mut clock = HybridClock::default();
        let a = clock.tick(Tick(5000), Clock::ZERO).unwrap();
        let b = clock.tick(Tick(10), Clock::ZERO).unwrap();
        clock.observe(Tick(10), Clock::from_ms(4_000_000));
        let c = clock.tick(Tick(10), Clock::ZERO).unwrap();
        assert!(a < b && b < c && c.ms() == 5000);
    }
}
