//! Fuzz bodies for what clients and peers hand to the text engine; how they run: [`dxos_base::fuzz`].
//!
//! Not here: engine updates. The engine may panic on them; natively that is caught, which a fuzzer takes for a crash.

use dxos_base::TextId;

use crate::token::{frontiers_of, token_of};

/// Any bytes as a version token: what is read is written the same.
pub fn token(bytes: &[u8]) {
    let text = TextId([1; 16]);
    if let Ok(frontiers) = frontiers_of(text, bytes) {
        assert_eq!(token_of(text, &frontiers), bytes);
    }
}

#[cfg(test)]
mod tests {
    use loro::{Frontiers, ID};

    use super::*;

    #[test]
    fn mutated_tokens_are_read_or_refused() {
        let text = TextId([1; 16]);
        let two = Frontiers::from(vec![ID::new(9, 300), ID::new(u64::MAX - 1, 0)]);
        let samples = [token_of(text, &Frontiers::default()), token_of(text, &two)];
        dxos_base::fuzz::seeded(&samples, 10_000, token);
    }
}
