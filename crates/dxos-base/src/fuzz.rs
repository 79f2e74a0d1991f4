//! Fuzzing: bodies that take any bytes, and the seeded mutations with which `cargo test` runs them.
//!
//! The crates above have a module of this name too, for their own decoders. `fuzz/` at the root of the repository hands
//! the very same bodies to libFuzzer, for long runs. A body checks what must hold for *any* bytes; it fails by a panic.
//!
//! Part of no published interface: here so that `fuzz/` and the crates above reach it. Nothing that ships calls it.

use crate::codec::{DecodeError, decode, encode};
use crate::value::Value;

/// Longest mutated input.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// What must hold for any bytes handed to [`decode`]: no panic, and what is read is written the same.
pub fn one_form<T>(bytes: &[u8]) -> Option<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    match decode::<T>(bytes, INPUT_BYTES_MAX) {
        Ok(value) => {
            assert_eq!(encode(&value), bytes, "one value, one form");
            Some(value)
        }
        Err(DecodeError::TooLong { len, max }) => {
            assert!(len > max, "only what is over the limit is too long");
            None
        }
        Err(_) => None,
    }
}

/// Any bytes as a [`Value`].
pub fn value(bytes: &[u8]) {
    if let Some(value) = one_form::<Value>(bytes) {
        assert!(value.depth_fits(), "what is read is not too deep");
    }
}

/// Runs `body` on each sample and on `runs` mutations of them: the same ones every time, on every machine.
pub fn seeded(samples: &[Vec<u8>], runs: usize, body: impl Fn(&[u8])) {
    assert!(
        !samples.is_empty(),
        "mutations need something to begin with"
    );
    for sample in samples {
        body(sample);
    }
    let mut random = SplitMix64::new(0x9e37_79b9_7f4a_7c15);
    for _ in 0..runs {
        let mut bytes = samples[random.below(samples.len())].clone();
        for _ in 0..1 + random.below(4) {
            let other = &samples[random.below(samples.len())];
            mutate(&mut random, &mut bytes, other);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        body(&bytes);
    }
}

/// One small damage, of the kinds decoders are known to fall over.
fn mutate(random: &mut SplitMix64, bytes: &mut Vec<u8>, other: &[u8]) {
    /// Ends of ranges, of variable-length integers, and of counts.
    const EDGES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.below(8)).min(bytes.len());
    match random.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = EDGES[random.below(EDGES.len())],
        2 => bytes.truncate(at),
        3 if at < end => drop(bytes.drain(at..end)),
        4 => bytes.insert(at, EDGES[random.below(EDGES.len())]),
        5 => {
            // A piece of another sample: lengths and variants in places they do not belong to.
            let from = random.below(other.len() + 1);
            let to = (from + random.below(32)).min(other.len());
            drop(bytes.splice(at..end.max(at), other[from..to].iter().copied()));
        }
        6 if at < end => {
            // The same piece again and again: nesting, repeated entries.
            let piece = bytes[at..end].repeat(1 + random.below(40));
            drop(bytes.splice(at..at, piece));
        }
        _ => bytes.push(random.number() as u8),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): good enough to choose cases and damages, nothing more.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The same numbers for the same seed, on every machine.
    pub fn new(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.number() % count as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some, which are not none.
    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}
