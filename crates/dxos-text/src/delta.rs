//! Between the engine's deltas (retain, insert, delete in Unicode scalars) and ours (changes in UTF-16 units).
//!
//! Positions of a change stand in the text before it, so only that text is needed to convert, and only if it
//! holds characters outside the basic plane.

use dxos_base::{TextChange, TextDelta};
use loro::TextDelta as Step;

/// Counts UTF-16 units of a stretch of the old text, walking forward once.
enum Walk<'a> {
    /// One unit a character.
    Plain,
    Chars(std::str::Chars<'a>),
}

impl Walk<'_> {
    fn units(&mut self, chars: usize) -> u32 {
        match self {
            Walk::Plain => chars as u32,
            Walk::Chars(rest) => rest
                .by_ref()
                .take(chars)
                .map(|c| c.len_utf16() as u32)
                .sum(),
        }
    }
}

/// Our delta for the engine's `steps`. `before` is the text they apply to; `None` if it has no character outside
/// the basic plane.
pub(crate) fn delta_of(steps: &[Step], before: Option<&str>) -> TextDelta {
    let mut walk = before.map_or(Walk::Plain, |text| Walk::Chars(text.chars()));
    let mut delta = TextDelta::new();
    let mut position = 0u32;
    // A change is open until the next retained stretch.
    let mut open: Option<TextChange> = None;
    for step in steps {
        match step {
            Step::Retain { retain, .. } => {
                if *retain > 0 {
                    delta.extend(open.take());
                    position += walk.units(*retain);
                }
            }
            Step::Insert { insert, .. } => change(&mut open, position).insert.push_str(insert),
            Step::Delete { delete } => {
                let units = walk.units(*delete);
                change(&mut open, position).delete += units;
                position += units;
            }
        }
    }
    delta.extend(open);
    delta.retain(|change| change.delete > 0 || !change.insert.is_empty());
    delta
}

fn change(open: &mut Option<TextChange>, from: u32) -> &mut TextChange {
    open.get_or_insert_with(|| TextChange {
        from,
        delete: 0,
        insert: String::new(),
    })
}

/// The text after the engine's `steps` on `before`.
pub(crate) fn applied(steps: &[Step], before: &str) -> String {
    let mut after = String::with_capacity(before.len());
    let mut rest = before.chars();
    for step in steps {
        match step {
            Step::Retain { retain, .. } => after.extend(rest.by_ref().take(*retain)),
            Step::Insert { insert, .. } => after.push_str(insert),
            Step::Delete { delete } => rest.by_ref().take(*delete).for_each(drop),
        }
    }
    after.push_str(rest.as_str());
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> Step {
        Step::Insert {
            insert: text.into(),
            attributes: None,
        }
    }
    fn retain(retain: usize) -> Step {
        Step::Retain {
            retain,
            attributes: None,
        }
    }

    #[test]
    fn units_are_counted_in_the_text_before() {
        let steps = [
            retain(2),
            Step::Delete { delete: 1 },
            insert("é"),
            retain(1),
            insert("😀"),
        ];
        let delta = delta_of(&steps, Some("a😀b😀c"));
        let expected = [
            TextChange {
                from: 3,
                delete: 1,
                insert: "é".into(),
            },
            TextChange {
                from: 6,
                delete: 0,
                insert: "😀".into(),
            },
        ];
        assert_eq!(delta, expected);
        assert_eq!(applied(&steps, "a😀b😀c"), "a😀é😀😀c");
    }

    #[test]
    fn insert_and_delete_at_one_place_are_one_change() {
        let steps = [insert("x"), Step::Delete { delete: 2 }, insert("y")];
        assert_eq!(
            delta_of(&steps, None),
            [TextChange {
                from: 0,
                delete: 2,
                insert: "xy".into()
            }]
        );
        assert_eq!(delta_of(&[retain(4)], None), []);
    }
}
