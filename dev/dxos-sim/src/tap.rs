//! What the network sees: every frame is counted by its kind and searched for what only members may read.
//!
//! Invariants
//! * a needle found in any carried frame is kept as a leak, with the place;
//! * counting never changes what is carried.

use std::collections::BTreeMap;

/// Stands in every name, title, value and text that people write in a run: nobody without a key may read it.
pub const CANARY: &str = "Kanarienvogel";

/// Counts of things by their kind.
pub type Counts = BTreeMap<&'static str, u64>;

/// Adds one to `kind`.
pub fn count(counts: &mut Counts, kind: &'static str) {
    *counts.entry(kind).or_default() += 1;
}

/// A tap on all lines.
#[derive(Default)]
pub struct Tap {
    /// Frames carried, by kind.
    pub frames: Counts,
    /// Bytes carried.
    pub bytes: u64,
    needles: Vec<Vec<u8>>,
    leaks: Vec<String>,
}

impl Tap {
    /// A tap that looks for [`CANARY`].
    pub fn new() -> Self {
        Tap {
            needles: vec![CANARY.as_bytes().to_vec()],
            ..Tap::default()
        }
    }

    /// Looks for `secret` too: an invitation code, an auth code.
    pub fn watch(&mut self, secret: &[u8]) {
        if secret.len() >= 6 && !self.needles.iter().any(|needle| needle == secret) {
            self.needles.push(secret.to_vec());
        }
    }

    /// A frame of this kind passes `place`.
    pub fn carry(&mut self, kind: &'static str, place: &str, bytes: &[u8]) {
        count(&mut self.frames, kind);
        self.bytes += bytes.len() as u64;
        self.search(place, bytes);
    }

    /// Searches bytes that lie somewhere.
    pub fn search(&mut self, place: &str, bytes: &[u8]) {
        for needle in &self.needles {
            if contains(bytes, needle) {
                self.leaks
                    .push(format!("{:?} in {place}", String::from_utf8_lossy(needle)));
            }
        }
    }

    /// What was readable and where.
    pub fn leaks(&self) -> &[String] {
        &self.leaks
    }
}

/// Whether `needle` stands in `bytes`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return true;
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_seen_wherever_it_stands() {
        for frame in ["Kanarienvogel", "xxKanarienvogel", "KKanarienvogelxx"] {
            let mut tap = Tap::new();
            tap.carry("relay", "server", frame.as_bytes());
            assert_eq!(tap.leaks().len(), 1, "{frame}");
        }
        let mut tap = Tap::new();
        tap.watch(b"482913");
        tap.watch(b"1");
        tap.carry("relay", "server", b"Kanarienvoge 48291 1 Kanarien");
        assert!(tap.leaks().is_empty());
        tap.carry("relay", "server", b"code 482913");
        assert_eq!((tap.leaks().len(), tap.frames["relay"]), (1, 2));
    }
}
