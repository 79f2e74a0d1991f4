//! Waits between tries: doubled each time up to a limit, half of it random, so peers cut off together do not return
//! together.

use dxos_base::Entropy;

/// The waits of one thing that is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first_ms: u64,
    longest_ms: u64,
    tries: u32,
}

impl Backoff {
    /// To the signal server: it comes back within seconds of a deploy.
    pub fn signal() -> Self {
        Backoff::new(500, 30_000)
    }

    /// To a peer over any path.
    pub fn peer() -> Self {
        Backoff::new(1_000, 60_000)
    }

    /// A direct link to a peer that is already reached by relay.
    pub fn direct() -> Self {
        Backoff::new(15_000, 300_000)
    }

    /// Waits about `first_ms`, then longer each time, at most `longest_ms`.
    pub fn new(first_ms: u64, longest_ms: u64) -> Self {
        Backoff {
            first_ms: first_ms.max(1),
            longest_ms: longest_ms.max(first_ms.max(1)),
            tries: 0,
        }
    }

    /// Milliseconds to wait before the next try: between half of the step and all of it.
    pub fn next_ms(&mut self, entropy: &mut dyn Entropy) -> u64 {
        let factor = 1u64.checked_shl(self.tries).unwrap_or(u64::MAX);
        let step = self.first_ms.saturating_mul(factor).min(self.longest_ms);
        self.tries = self.tries.saturating_add(1);
        let half = step / 2;
        half + u64::from_le_bytes(entropy.array()) % (step - half + 1)
    }

    /// Tries since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// It worked, or the network changed: the next wait is the first again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Seeded;

    #[test]
    fn waits_grow_to_the_limit_and_start_over() {
        let mut entropy = Seeded::new(5);
        let mut backoff = Backoff::new(100, 1_000);
        for step in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.next_ms(&mut entropy);
            assert!((step / 2..=step).contains(&wait), "{wait} of {step}");
        }
        for _ in 0..200 {
            assert!(backoff.next_ms(&mut entropy) <= 1_000);
        }
        backoff.reset();
        assert!(backoff.next_ms(&mut entropy) <= 100);
        assert!(Backoff::new(0, 0).next_ms(&mut entropy) <= 1);
    }
}
