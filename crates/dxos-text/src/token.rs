//! Version tokens: format version, text id, and the engine's frontiers sorted by peer.
//!
//! Canonical: one version has one token, so tokens may be compared as bytes.

use dxos_base::{TextId, decode, encode};
use dxos_echo::text::TextError;
use loro::{Frontiers, ID};

const FORMAT: u8 = 1;
/// Heads of a version: one for each writer who has not seen the others.
const HEADS_MAX: usize = 4096;
/// Longest encoding of one head: ten bytes of peer, five of counter.
const HEAD_BYTES_MAX: usize = 15;

type Token = (u8, TextId, Vec<(u64, u32)>);

/// The token of `frontiers` of `text`.
pub(crate) fn token_of(text: TextId, frontiers: &Frontiers) -> Vec<u8> {
    let mut heads: Vec<(u64, u32)> = frontiers
        .iter()
        .map(|id| (id.peer, id.counter.unsigned_abs()))
        .collect();
    heads.sort_unstable();
    let token: Token = (FORMAT, text, heads);
    encode(&token)
}

/// The frontiers a token of `text` names; whether the text has them is not looked at.
pub(crate) fn frontiers_of(text: TextId, token: &[u8]) -> Result<Frontiers, TextError> {
    let bytes_max = 1 + TextId::LEN + 5 + HEADS_MAX * HEAD_BYTES_MAX;
    let (format, of, heads) =
        decode::<Token>(token, bytes_max).map_err(|_| TextError::BadVersion)?;
    if format != FORMAT || of != text || !heads.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TextError::BadVersion);
    }
    heads
        .into_iter()
        .map(|(peer, counter)| {
            Ok(ID::new(
                peer,
                i32::try_from(counter).map_err(|_| TextError::BadVersion)?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_every_other_form_is_refused() {
        let (text, other) = (TextId([1; 16]), TextId([2; 16]));
        let frontiers = Frontiers::from(vec![ID::new(9, 300), ID::new(u64::MAX - 1, 0)]);
        let token = token_of(text, &frontiers);
        assert_eq!(frontiers_of(text, &token), Ok(frontiers));
        assert_eq!(frontiers_of(other, &token), Err(TextError::BadVersion));
        for cut in 0..token.len() {
            assert_eq!(
                frontiers_of(text, &token[..cut]),
                Err(TextError::BadVersion)
            );
        }
        let unsorted = encode(&(FORMAT, text, vec![(9u64, 1u32), (9, 2)]));
        assert_eq!(frontiers_of(text, &unsorted), Err(TextError::BadVersion));
        let far = encode(&(FORMAT, text, vec![(9u64, u32::MAX)]));
        assert_eq!(frontiers_of(text, &far), Err(TextError::BadVersion));
    }
}
