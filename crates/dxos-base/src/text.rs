//! Changes to text as editors, nodes and engines speak them, and how concurrent ones are put in order.
//!
//! Positions are UTF-16 units. Three operations, pure and total on structurally odd input:
//! [`apply`], [`compose`] (one step instead of two) and [`transform`] (a step as it is after a concurrent one).
//!
//! Invariants
//! * for steps `a`, `b` on one text, `apply(apply(t, a), transform(b, a, After))` equals
//!   `apply(apply(t, b), transform(a, b, Before))` (TP1);
//! * results are normal: sorted, no empty change, touching changes joined, an insertion stands before the deletion;
//! * no position of a result falls inside a surrogate pair if none of the input's did.
//!
//! [`apply`] is where a step meets a text and refuses what does not fit; nothing here panics on bytes from outside.

use serde::{Deserialize, Serialize};

/// One replaced range of a text; positions in UTF-16 units of the text before the whole change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// Start.
    pub from: u32,
    /// Units removed.
    pub delete: u32,
    /// What stands there afterwards.
    pub insert: String,
}

/// Changes of one step: sorted by `from`, not overlapping, all positions in the text before the step.
pub type TextDelta = Vec<TextChange>;

/// Which of two concurrent steps stands first where both insert at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The transformed step's text stands before the other's.
    Before,
    /// The transformed step's text stands after the other's.
    After,
}

/// The side of a change that arrives at a node, against what stands there. Node and editors both follow it, or their
/// texts part. Before: who goes on typing at a caret where another's text came in meanwhile keeps the run whole.
pub const ARRIVING: Side = Side::Before;
/// The side of what stands at the node, against a change that arrives.
pub const STANDING: Side = Side::After;

/// Why a step does not fit a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextChangeError {
    /// Changes are not sorted by position, or overlap.
    #[error("changes overlap or are not in order at unit {at}")]
    NotSorted {
        /// Where.
        at: u32,
    },
    /// A position past the end of the text.
    #[error("unit {at} is past the end of the text")]
    PastEnd {
        /// Where.
        at: u32,
    },
    /// The text after the step would be longer than writers accept
    /// ([`TEXT_UNITS_MAX`](crate::limits::TEXT_UNITS_MAX)); for editors, [`apply`] does not ask.
    #[error("the text would be {units} units long, the limit is {max}", max = crate::limits::TEXT_UNITS_MAX)]
    TooLong {
        /// Length it would have.
        units: u32,
    },
    /// A position between the two halves of a surrogate pair.
    #[error("unit {at} is inside a character")]
    InsideCharacter {
        /// Where.
        at: u32,
    },
}

/// Length of `text` in UTF-16 units, at most `u32::MAX`.
pub fn units(text: &str) -> u32 {
    let count = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The text after `delta`.
///
/// # Errors
/// When the changes are not sorted, or a position is past the end or inside a character.
pub fn apply(text: &str, delta: &[TextChange]) -> Result<String, TextChangeError> {
    let grow: usize = delta.iter().map(|change| change.insert.len()).sum();
    let mut out = String::with_capacity(text.len() + grow);
    let mut rest = Cursor { text, unit: 0 };
    for change in delta {
        if change.from < rest.unit {
            return Err(TextChangeError::NotSorted { at: change.from });
        }
        out.push_str(rest.take(change.from - rest.unit)?);
        out.push_str(&change.insert);
        rest.take(change.delete)?;
    }
    out.push_str(rest.text);
    Ok(out)
}

/// The step that takes back `delta`, which stands on `text`.
///
/// # Errors
/// As [`apply`].
pub fn invert(text: &str, delta: &[TextChange]) -> Result<TextDelta, TextChangeError> {
    let mut out = Steps::default();
    let mut rest = Cursor { text, unit: 0 };
    for change in delta {
        if change.from < rest.unit {
            return Err(TextChangeError::NotSorted { at: change.from });
        }
        let keep = change.from - rest.unit;
        rest.take(keep)?;
        out.keep(keep);
        out.insert(rest.take(change.delete)?);
        out.delete(units(&change.insert));
    }
    Ok(out.finish())
}

/// One step that makes `after` from `before`: the differing middle replaced.
pub fn difference(before: &str, after: &str) -> TextDelta {
    let prefix: usize = before
        .chars()
        .zip(after.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (before_rest, after_rest) = (&before[prefix..], &after[prefix..]);
    let suffix: usize = before_rest
        .chars()
        .rev()
        .zip(after_rest.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let mut out = Steps::default();
    out.keep(units(&before[..prefix]));
    out.insert(&after_rest[..after_rest.len() - suffix]);
    out.delete(units(&before_rest[..before_rest.len() - suffix]));
    out.finish()
}

/// One step that does `first`, then `second` (whose positions are in the text after `first`).
///
/// # Errors
/// When `second` cuts a character that `first` inserts.
pub fn compose(first: &[TextChange], second: &[TextChange]) -> Result<TextDelta, TextChangeError> {
    let mut a = Steps::of(first);
    let mut b = Steps::of(second);
    let mut out = Steps::default();
    loop {
        match (a.head(), b.head()) {
            (Step::Delete(n), _) => {
                out.delete(n);
                a.skip(n)?;
            }
            (_, Step::Insert(text)) => {
                out.insert(text);
                b.skip(units(text))?;
            }
            (Step::Keep(n), Step::Keep(m)) => {
                let both = n.min(m);
                if both == u32::MAX {
                    return Ok(out.finish());
                }
                out.keep(both);
                a.skip(both)?;
                b.skip(both)?;
            }
            (Step::Keep(n), Step::Delete(m)) => {
                let both = n.min(m);
                out.delete(both);
                a.skip(both)?;
                b.skip(both)?;
            }
            (Step::Insert(text), Step::Keep(m)) => {
                let both = units(text).min(m);
                out.insert(Cursor { text, unit: 0 }.take(both)?);
                a.skip(both)?;
                b.skip(both)?;
            }
            (Step::Insert(text), Step::Delete(m)) => {
                let both = units(text).min(m);
                a.skip(both)?;
                b.skip(both)?;
            }
        }
    }
}

/// `step` as it is after the concurrent step `over`; `side` says whose text stands first at the same place.
pub fn transform(step: &[TextChange], over: &[TextChange], side: Side) -> TextDelta {
    let mut a = Steps::of(step);
    let mut b = Steps::of(over);
    let mut out = Steps::default();
    loop {
        let (head_a, head_b) = (a.head(), b.head());
        let a_inserts = matches!(head_a, Step::Insert(_));
        let b_inserts = matches!(head_b, Step::Insert(_));
        if b_inserts && (side == Side::After || !a_inserts) {
            out.keep(head_b.units());
            b.skip_whole();
            continue;
        }
        if let Step::Insert(text) = head_a {
            out.insert(text);
            a.skip_whole();
            continue;
        }
        let both = head_a.units().min(head_b.units());
        match (head_a, head_b) {
            (Step::Keep(_), Step::Keep(_)) if both == u32::MAX => return out.finish(),
            (Step::Keep(_), Step::Keep(_)) => out.keep(both),
            (Step::Delete(_), Step::Keep(_)) => out.delete(both),
            _ => {}
        }
        a.skip_plain(both);
        b.skip_plain(both);
    }
}

/// Where the place before unit `position` is after `delta`; `side` says on which side of text inserted exactly
/// there it stays (`Before`: before it).
pub fn map_position(position: u32, delta: &[TextChange], side: Side) -> u32 {
    let mut shift: i64 = 0;
    for change in delta {
        if change.from > position || (change.from == position && side == Side::Before) {
            break;
        }
        let inserted = i64::from(units(&change.insert));
        if change.from.saturating_add(change.delete) > position {
            // Inside what was deleted: goes to the start of it, after the replacement when it stays behind text.
            let stays = if side == Side::After { inserted } else { 0 };
            return clamp(i64::from(change.from) + shift + stays);
        }
        shift += inserted - i64::from(change.delete);
    }
    clamp(i64::from(position) + shift)
}

/// Where unit `position` of the text after `delta` was before it; inside an insertion: the place of the insertion.
pub fn unmap_position(position: u32, delta: &[TextChange]) -> u32 {
    let position = i64::from(position);
    let mut shift: i64 = 0;
    for change in delta {
        let start = i64::from(change.from) + shift;
        if position < start {
            break;
        }
        let inserted = i64::from(units(&change.insert));
        if position < start + inserted {
            return change.from;
        }
        shift += inserted - i64::from(change.delete);
    }
    clamp(position - shift)
}

fn clamp(position: i64) -> u32 {
    u32::try_from(position.max(0)).unwrap_or(u32::MAX)
}

/// A text being walked in UTF-16 units.
struct Cursor<'a> {
    text: &'a str,
    unit: u32,
}

impl<'a> Cursor<'a> {
    /// The next `count` units.
    fn take(&mut self, count: u32) -> Result<&'a str, TextChangeError> {
        let bytes = byte_offset(self.text, count).map_err(|past_end| {
            let at = self.unit.saturating_add(count);
            if past_end {
                TextChangeError::PastEnd { at }
            } else {
                TextChangeError::InsideCharacter { at }
            }
        })?;
        let (taken, rest) = self.text.split_at(bytes);
        self.text = rest;
        self.unit = self.unit.saturating_add(count);
        Ok(taken)
    }
}

/// Bytes of the first `count` units of `text`; `Err(true)`: past its end, `Err(false)`: inside a character.
fn byte_offset(text: &str, count: u32) -> Result<usize, bool> {
    let count = count as usize;
    if let Some(head) = text.as_bytes().get(..count)
        && head.is_ascii()
    {
        return Ok(count);
    }
    let mut left = count;
    for (offset, character) in text.char_indices() {
        if left == 0 {
            return Ok(offset);
        }
        left = left.checked_sub(character.len_utf16()).ok_or(false)?;
    }
    if left == 0 { Ok(text.len()) } else { Err(true) }
}

/// A piece of a step; `Keep(u32::MAX)` is the endless rest.
#[derive(Clone, Copy)]
enum Step<'a> {
    Keep(u32),
    Insert(&'a str),
    Delete(u32),
}

impl Step<'_> {
    fn units(self) -> u32 {
        match self {
            Step::Keep(n) | Step::Delete(n) => n,
            Step::Insert(text) => units(text),
        }
    }
}

/// Reads a delta piece by piece, or builds a normal one.
#[derive(Default)]
struct Steps<'a> {
    /// Reading: what is left, last piece first.
    left: Vec<Step<'a>>,
    /// Building: finished changes, units walked, the change at this place.
    done: TextDelta,
    at: u32,
    open: Option<TextChange>,
}

impl<'a> Steps<'a> {
    fn of(delta: &'a [TextChange]) -> Self {
        let mut left = Vec::with_capacity(delta.len() * 3);
        let mut at = 0;
        for change in delta {
            if change.from > at {
                left.push(Step::Keep(change.from - at));
            }
            if !change.insert.is_empty() {
                left.push(Step::Insert(&change.insert));
            }
            if change.delete > 0 {
                left.push(Step::Delete(change.delete));
            }
            at = change.from.max(at).saturating_add(change.delete);
        }
        left.reverse();
        Steps {
            left,
            ..Steps::default()
        }
    }

    fn head(&self) -> Step<'a> {
        self.left.last().copied().unwrap_or(Step::Keep(u32::MAX))
    }

    fn skip_whole(&mut self) {
        self.left.pop();
    }

    /// Skips part of a piece that carries no text.
    fn skip_plain(&mut self, count: u32) {
        match self.left.last_mut() {
            Some(Step::Keep(n) | Step::Delete(n)) if *n > count => *n -= count,
            _ => self.skip_whole(),
        }
    }

    fn skip(&mut self, count: u32) -> Result<(), TextChangeError> {
        if let Some(Step::Insert(text)) = self.left.last_mut()
            && units(text) > count
        {
            let mut cursor = Cursor { text, unit: 0 };
            cursor.take(count)?;
            *text = cursor.text;
        } else {
            self.skip_plain(count);
        }
        Ok(())
    }

    fn keep(&mut self, count: u32) {
        if count > 0 {
            self.flush();
            self.at = self.at.saturating_add(count);
        }
    }

    fn insert(&mut self, text: &str) {
        if !text.is_empty() {
            self.change().insert.push_str(text);
        }
    }

    fn delete(&mut self, count: u32) {
        if count > 0 {
            let change = self.change();
            change.delete = change.delete.saturating_add(count);
        }
    }

    fn change(&mut self) -> &mut TextChange {
        let from = self.at;
        self.open.get_or_insert_with(|| TextChange {
            from,
            delete: 0,
            insert: String::new(),
        })
    }

    fn flush(&mut self) {
        if let Some(change) = self.open.take() {
            self.at = self.at.saturating_add(change.delete);
            self.done.push(change);
        }
    }

    fn finish(mut self) -> TextDelta {
        self.flush();
        self.done
    }
}

#[cfg(test)]
mod tests;
