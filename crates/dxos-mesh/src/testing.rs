//! Randomness for tests: the same for the same seed.

use dxos_base::{Entropy, hash};

pub(crate) struct Seeded {
    seed: u64,
    drawn: u64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Seeded { seed, drawn: 0 }
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            self.drawn += 1;
            let block = hash(
                "test",
                &[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()],
            )
            .0;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
