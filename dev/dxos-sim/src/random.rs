//! All randomness of a run, from its seed: choices of the world and the entropy handed to the nodes.
//!
//! Invariants
//! * two sources made from the same (seed, stream) give the same numbers on every platform;
//! * streams are independent: what one peer draws never shifts what another one sees.

use dxos_base::Entropy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A seeded source of randomness.
pub struct Random(ChaCha8Rng);

impl Random {
    /// Stream number `stream` of the run with this seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        Random(ChaCha8Rng::from_seed(key))
    }

    /// A number below `end` (0 if `end` is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 {
            0
        } else {
            ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
        }
    }

    /// An index into something of `len` elements.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `from` through `through`.
    pub fn between(&mut self, from: u64, through: u64) -> u64 {
        from + self.below(through - from + 1)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// One of the names in `weighted`, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, weighted: &[(u64, T)]) -> T {
        let total: u64 = weighted.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, choice) in weighted {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        weighted[weighted.len() - 1].1
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, stream| {
            let mut random = Random::new(seed, stream);
            (0..8).map(|_| random.below(1 << 40)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn choices_stay_in_their_range() {
        let mut random = Random::new(1, 1);
        for _ in 0..1000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!(random.below(5) < 5);
            assert_ne!(random.weighted(&[(1, 'a'), (0, 'b'), (3, 'c')]), 'b');
        }
        assert_eq!(random.below(0), 0);
    }
}
