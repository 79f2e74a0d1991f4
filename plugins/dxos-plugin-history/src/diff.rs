//! What differs between two texts, as people read it: whole words, in runs, what is far from any difference left out.
//!
//! Invariants
//! * the kept and removed pieces in order are the first text, the kept and added ones the second;
//! * work is bounded: parts that differ too much are one removal and one addition.

use std::collections::HashMap;

/// Steps of the search in lines, and in words within lines that differ.
const LINE_STEPS_MAX: usize = 600;
const WORD_STEPS_MAX: usize = 400;
/// Lines that stay around what differs.
const CONTEXT_LINES: usize = 2;
/// Pieces shown at most.
const PIECES_MAX: usize = 2_000;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In both.
    Kept,
    /// In the second only.
    Added,
    /// In the first only.
    Removed,
}

/// A run of text of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// It.
    pub text: String,
}

/// What is shown of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A run of text.
    Piece(Piece),
    /// So many lines that are the same, left out.
    Gap(usize),
    /// Differences that are not shown: there are too many.
    More(usize),
}

/// How one text became the other.
pub fn pieces(before: &str, after: &str) -> Vec<Piece> {
    let mut out = Pieces::default();
    let (old, new): (Vec<&str>, Vec<&str>) = (
        before.split_inclusive('\n').collect(),
        after.split_inclusive('\n').collect(),
    );
    for run in runs(&old, &new, LINE_STEPS_MAX) {
        match run {
            Run::Kept(lines) => out.push(Kind::Kept, &lines.concat()),
            Run::Changed(removed, added) => words(&removed.concat(), &added.concat(), &mut out),
        }
    }
    out.0
}

fn words(before: &str, after: &str, out: &mut Pieces) {
    let (old, new) = (tokens(before), tokens(after));
    let mut runs = runs(&old, &new, WORD_STEPS_MAX).into_iter().peekable();
    // A blank between two changes belongs to both: “one two” for “three four” is one change.
    let (mut removed, mut added) = (String::new(), String::new());
    while let Some(run) = runs.next() {
        match run {
            Run::Changed(gone, come) => {
                removed.push_str(&gone.concat());
                added.push_str(&come.concat());
            }
            Run::Kept(kept) => {
                let kept = kept.concat();
                let between = !removed.is_empty() && !added.is_empty() && runs.peek().is_some();
                if between && kept.chars().all(|c| c == ' ') {
                    removed.push_str(&kept);
                    added.push_str(&kept);
                    continue;
                }
                out.push(Kind::Removed, &std::mem::take(&mut removed));
                out.push(Kind::Added, &std::mem::take(&mut added));
                out.push(Kind::Kept, &kept);
            }
        }
    }
    out.push(Kind::Removed, &removed);
    out.push(Kind::Added, &added);
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.text.push_str(text),
            None => {
                let text = text.to_owned();
                self.0.push(Piece { kind, text });
            }
        }
    }
}

/// Words, blanks, and whatever else one by one.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '\'' => 1,
        ' ' | '\t' => 2,
        _ => 0,
    };
    let mut out = Vec::new();
    let mut from = 0;
    let mut last = 0;
    for (at, c) in text.char_indices() {
        if at > from && (class(c) == 0 || class(c) != last) {
            out.push(&text[from..at]);
            from = at;
        }
        last = class(c);
    }
    if from < text.len() {
        out.push(&text[from..]);
    }
    out
}

enum Run<'a> {
    Kept(Vec<&'a str>),
    Changed(Vec<&'a str>, Vec<&'a str>),
}

/// Runs that are the same and that are not, in turn; all of the middle as one change if it takes more than `steps_max`
/// insertions and deletions.
fn runs<'a>(old: &[&'a str], new: &[&'a str], steps_max: usize) -> Vec<Run<'a>> {
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = old.iter().zip(new).take_while(same).count();
    let (rest_old, rest_new) = (&old[start..], &new[start..]);
    let end = rest_old
        .iter()
        .rev()
        .zip(rest_new.iter().rev())
        .take_while(same)
        .count();
    let (a, b) = (
        &rest_old[..rest_old.len() - end],
        &rest_new[..rest_new.len() - end],
    );
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut number = |all: &[&'a str]| -> Vec<u32> {
        all.iter()
            .map(|one| {
                let next = numbers.len() as u32;
                *numbers.entry(one).or_insert(next)
            })
            .collect()
    };
    let (a_numbers, b_numbers) = (number(a), number(b));
    let matches = common(&a_numbers, &b_numbers, steps_max).unwrap_or_default();
    let mut out = Vec::new();
    if start > 0 {
        out.push(Run::Kept(old[..start].to_vec()));
    }
    let (mut x, mut y) = (0, 0);
    let ends = std::iter::once((a.len(), b.len(), 0));
    for (next_x, next_y, length) in matches.into_iter().chain(ends) {
        if next_x > x || next_y > y {
            out.push(Run::Changed(a[x..next_x].to_vec(), b[y..next_y].to_vec()));
        }
        if length > 0 {
            out.push(Run::Kept(a[next_x..next_x + length].to_vec()));
        }
        (x, y) = (next_x + length, next_y + length);
    }
    if end > 0 {
        out.push(Run::Kept(rest_old[rest_old.len() - end..].to_vec()));
    }
    out
}

/// Runs two sequences have in common, as (place in `a`, place in `b`, length), by Myers' greedy search (An O(ND)
/// Difference Algorithm, 1986); `None` if they differ by more than `steps_max`.
fn common(a: &[u32], b: &[u32], steps_max: usize) -> Option<Vec<(usize, usize, usize)>> {
    let (n, m) = (a.len() as isize, b.len() as isize);
    let limit = steps_max.min(a.len() + b.len());
    let offset = limit as isize + 1;
    // Furthest place in `a` on each diagonal; kept for each number of steps, to go back.
    let mut furthest = vec![0_isize; 2 * limit + 3];
    let mut trace: Vec<Vec<isize>> = Vec::new();
    let mut found = None;
    'search: for d in 0..=limit as isize {
        trace.push(furthest[(offset - d - 1) as usize..=(offset + d + 1) as usize].to_vec());
        for k in (-d..=d).step_by(2) {
            let down = furthest[(offset + k + 1) as usize];
            let right = furthest[(offset + k - 1) as usize];
            let mut x = if k == -d || (k != d && right < down) {
                down
            } else {
                right + 1
            };
            let mut y = x - k;
            while x < n && y < m && a[x as usize] == b[y as usize] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[(offset + k) as usize] = x;
            if x >= n && y >= m {
                found = Some(d);
                break 'search;
            }
        }
    }
    let steps = found?;
    let (mut x, mut y) = (n, m);
    let mut out: Vec<(usize, usize, usize)> = Vec::new();
    for d in (0..=steps).rev() {
        let at = |k: isize| trace[d as usize][(k + d + 1) as usize];
        let k = x - y;
        let came_down = k == -d || (k != d && at(k - 1) < at(k + 1));
        let from_k = if came_down { k + 1 } else { k - 1 };
        let (from_x, begin_x) = match (d, came_down) {
            (0, _) => (0, 0),
            (_, true) => (at(from_k), at(from_k)),
            (_, false) => (at(from_k), at(from_k) + 1),
        };
        if x > begin_x {
            let length = (x - begin_x) as usize;
            out.push((begin_x as usize, (y as usize) - length, length));
        }
        (x, y) = (from_x, from_x - from_k);
    }
    out.reverse();
    Some(out)
}

/// What is shown of pieces: long runs that are the same are left out but for the lines beside a difference.
pub fn folded(pieces: Vec<Piece>) -> Vec<Shown> {
    let count = pieces.len();
    let mut out = Vec::new();
    let mut within_line = false;
    for (at, piece) in pieces.into_iter().enumerate() {
        if at >= PIECES_MAX {
            out.push(Shown::More(count - at));
            break;
        }
        if piece.kind != Kind::Kept {
            within_line = !piece.text.ends_with('\n');
            out.push(Shown::Piece(piece));
            continue;
        }
        let lines: Vec<&str> = piece.text.split_inclusive('\n').collect();
        // The rest of the line that differs is no line of its own.
        let begins_within = std::mem::replace(&mut within_line, !piece.text.ends_with('\n'));
        let ends_within = usize::from(within_line);
        let head = if at == 0 {
            0
        } else {
            CONTEXT_LINES + usize::from(begins_within)
        };
        let tail = if at + 1 == count {
            0
        } else {
            CONTEXT_LINES + ends_within
        };
        // One line left out would take as much room as it saves.
        if count == 1 || lines.len() <= head + tail + 1 {
            out.push(Shown::Piece(piece));
            continue;
        }
        let kept = |lines: &[&str]| Piece {
            kind: Kind::Kept,
            text: lines.concat(),
        };
        let (start, rest) = lines.split_at(head);
        let (gap, end) = rest.split_at(rest.len() - tail);
        if !start.is_empty() {
            out.push(Shown::Piece(kept(start)));
        }
        out.push(Shown::Gap(gap.len()));
        if !end.is_empty() {
            out.push(Shown::Piece(kept(end)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(pieces: &[Piece], without: Kind) -> String {
        let shown = pieces.iter().filter(|piece| piece.kind != without);
        shown.map(|piece| piece.text.as_str()).collect()
    }

    /// Removed in [-…-], added in {+…+}.
    fn drawn(before: &str, after: &str) -> String {
        let pieces = pieces(before, after);
        assert_eq!(side(&pieces, Kind::Added), before);
        assert_eq!(side(&pieces, Kind::Removed), after);
        let one = |piece: Piece| match piece.kind {
            Kind::Kept => piece.text,
            Kind::Removed => format!("[-{}-]", piece.text),
            Kind::Added => format!("{{+{}+}}", piece.text),
        };
        pieces.into_iter().map(one).collect()
    }

    #[test]
    fn differences_are_whole_words() {
        for (before, after, want) in [
            ("", "", ""),
            ("", "one", "{+one+}"),
            ("one", "", "[-one-]"),
            ("one two three", "one three", "one [-two -]three"),
            (
                "the weir key",
                "the new weir keys",
                "the {+new +}weir [-key-]{+keys+}",
            ),
            ("red green", "blue black", "[-red green-]{+blue black+}"),
            ("a\nb\nc\n", "a\nx\nc\n", "a\n[-b-]{+x+}\nc\n"),
            ("a\nc\n", "a\nb\nc\n", "a\n{+b\n+}c\n"),
            ("ä𝄞 same", "ö𝄞 same", "[-ä-]{+ö+}𝄞 same"),
        ] {
            assert_eq!(drawn(before, after), want, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn any_two_texts_are_told_apart_rightly() {
        // A small generator: no seed of the machine, every failure again.
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let words = ["one", "two", " ", "\n", "é", "𝄞", ".", "three", "  "];
        for _ in 0..2_000 {
            let mut text = |length: u64| -> String {
                (0..next(length))
                    .map(|_| words[next(words.len() as u64) as usize])
                    .collect()
            };
            drawn(&text(30), &text(30));
        }
    }

    #[test]
    fn texts_with_nothing_in_common_are_one_change_and_do_not_take_long() {
        let old: String = (0..20_000).map(|n| format!("old{n} ")).collect();
        let new: String = (0..20_000).map(|n| format!("new{n}\n")).collect();
        let pieces = pieces(&old, &new);
        assert_eq!(pieces.len(), 2);
        assert_eq!(side(&pieces, Kind::Added), old);
    }

    #[test]
    fn what_is_far_from_a_difference_is_left_out() {
        let line = |n: usize| format!("line {n}\n");
        let before: String = (0..20).map(line).collect();
        let after = before.replace("line 10\n", "line ten\n");
        let mut words = String::new();
        for shown in folded(pieces(&before, &after)) {
            match shown {
                Shown::Piece(piece) if piece.kind == Kind::Kept => words += &piece.text,
                Shown::Piece(piece) => words += &format!("<{}>", piece.text),
                Shown::Gap(lines) => words += &format!("({lines})\n"),
                Shown::More(_) => unreachable!("few pieces"),
            }
        }
        assert_eq!(
            words,
            "(8)\nline 8\nline 9\nline <10><ten>\nline 11\nline 12\n(7)\n"
        );
        // Two texts that are the same are shown whole.
        assert_eq!(folded(pieces(&before, &before)).len(), 1);
    }
}
