//! The difference of two texts, for editors whose text was made again: they learn what changed, and what their person
//! did meanwhile to all the rest still fits.
//!
//! Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), on characters, after what both begin and end with.
//! Past [`EDITS_MAX`] differing characters the whole middle is replaced: time and memory grow with their square.

use dxos_base::{TextChange, TextDelta};

/// Differing characters looked for one by one.
const EDITS_MAX: usize = 1_000;

/// Changes that make `new` of `old`.
pub(crate) fn difference(old: &str, new: &str) -> TextDelta {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let prefix = common(old.iter().zip(&new));
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix = common(old_rest.iter().rev().zip(new_rest.iter().rev()));
    let old_rest = &old_rest[..old_rest.len() - suffix];
    let new_rest = &new_rest[..new_rest.len() - suffix];
    let kept = kept_pairs(old_rest, new_rest).unwrap_or_default();
    let mut delta = Vec::new();
    let mut from = units(&old[..prefix]);
    let (mut a, mut b) = (0, 0);
    for (keep_a, keep_b) in kept.into_iter().chain([(old_rest.len(), new_rest.len())]) {
        let delete = units(&old_rest[a..keep_a]);
        if delete > 0 || b < keep_b {
            delta.push(TextChange {
                from,
                delete,
                insert: new_rest[b..keep_b].iter().collect(),
            });
        }
        from += delete + old_rest.get(keep_a).map_or(0, |c| c.len_utf16() as u32);
        (a, b) = (keep_a + 1, keep_b + 1);
    }
    delta
}

fn common<'a>(pairs: impl Iterator<Item = (&'a char, &'a char)>) -> usize {
    pairs.take_while(|(a, b)| a == b).count()
}

fn units(text: &[char]) -> u32 {
    text.iter().map(|c| c.len_utf16() as u32).sum()
}

/// Places (in `a`, in `b`) of the characters both have in a longest common subsequence; `None` if the two differ in
/// too many.
fn kept_pairs(a: &[char], b: &[char]) -> Option<Vec<(usize, usize)>> {
    let max = (a.len() + b.len()).min(EDITS_MAX);
    // Of each diagonal (place in a - place in b) the farthest place in a, after so many edits; `max` in the middle.
    let mut farthest = vec![0usize; 2 * max + 2];
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=max {
        rounds.push(farthest[max - edits..=max + edits].to_vec());
        for diagonal in (0..=edits).map(|n| max + 2 * n - edits) {
            let down = diagonal == max - edits
                || (diagonal != max + edits && farthest[diagonal - 1] < farthest[diagonal + 1]);
            let mut x = match down {
                true => farthest[diagonal + 1],
                false => farthest[diagonal - 1] + 1,
            };
            let mut y = x + max - diagonal;
            while x < a.len() && y < b.len() && a[x] == b[y] {
                (x, y) = (x + 1, y + 1);
            }
            farthest[diagonal] = x;
            if x >= a.len() && y >= b.len() {
                return Some(walk_back(a.len(), b.len(), &rounds));
            }
        }
    }
    None
}

/// The pairs on the way back through the rounds. `rounds[n]` holds diagonals -n..=n as they were before round n.
fn walk_back(mut x: usize, mut y: usize, rounds: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (edits, before) in rounds.iter().enumerate().rev() {
        let diagonal = x as isize - y as isize;
        let reach = edits as isize;
        let held = |diagonal: isize| before[(diagonal + reach) as usize];
        let (from_x, from_y) = if edits == 0 {
            (0, 0)
        } else if diagonal == -reach
            || (diagonal != reach && held(diagonal - 1) < held(diagonal + 1))
        {
            let from = held(diagonal + 1);
            (from, (from as isize - diagonal - 1) as usize)
        } else {
            let from = held(diagonal - 1);
            (from, (from as isize - diagonal + 1) as usize)
        };
        while x > from_x && y > from_y {
            (x, y) = (x - 1, y - 1);
            pairs.push((x, y));
        }
        (x, y) = (from_x, from_y);
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use dxos_base::text::apply;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_differs_is_replaced() {
        let changes = |old: &str, new: &str| difference(old, new).len();
        assert_eq!(changes("", ""), 0);
        assert_eq!(changes("abc", "abc"), 0);
        assert_eq!(changes("", "abc"), 1);
        assert_eq!(changes("a-b-c-d", "abcd"), 3);
        let delta = difference("one two three", "one 2 three four");
        let kept: u32 = delta.iter().map(|change| change.delete).sum();
        assert_eq!(kept, 3);
        // Too different to be told apart: one replacement.
        let (old, new) = ("x".repeat(900), "y".repeat(900));
        assert_eq!(changes(&old, &new), 1);
        assert_eq!(apply(&old, &difference(&old, &new)).unwrap(), new);
    }

    proptest! {
        #[test]
        fn the_changes_make_the_one_of_the_other(old in "[ab😀]{0,30}", new in "[ab😀é]{0,30}") {
            let delta = difference(&old, &new);
            prop_assert_eq!(apply(&old, &delta).unwrap(), new.clone());
            let deleted: u32 = delta.iter().map(|change| change.delete).sum();
            let common = longest_common(&old, &new);
            let kept = old.chars().map(|c| c.len_utf16() as u32).sum::<u32>() - deleted;
            prop_assert!(kept >= common as u32, "{} of {}", kept, common);
        }
    }

    /// The length of a longest common subsequence, by its definition.
    fn longest_common(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut row = vec![0; b.len() + 1];
        for c in a.chars() {
            let before = row.clone();
            for (n, d) in b.iter().enumerate() {
                row[n + 1] = if c == *d {
                    before[n] + 1
                } else {
                    row[n].max(before[n + 1])
                };
            }
        }
        row[b.len()]
    }
}
