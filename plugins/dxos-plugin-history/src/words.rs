//! Edits and values in words.

use std::collections::BTreeSet;

use dxos_base::history::{Edit, EditKind};
use dxos_base::{Path, Step, Value};
use dxos_ui::{ago, when};

/// Letters of a value that is shown whole; the rest of a longer one is left out.
const VALUE_CHARACTERS_MAX: usize = 2_000;
/// Properties named of one edit.
const NAMES_MAX: usize = 3;
/// From when on a moment is told by its day rather than by how long ago it was.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// When something was, as seen now.
pub fn moment(at_ms: u64, now_ms: u64) -> String {
    match now_ms.saturating_sub(at_ms) {
        0..DAY_MS => ago(at_ms, now_ms),
        _ => when(at_ms),
    }
}

/// A property's name as people read it: `dueDate` is “due date”.
pub fn property(name: &str) -> String {
    let mut out = String::new();
    for c in name.trim_start_matches('@').chars() {
        match c {
            '_' | '-' | '.' => out.push(' '),
            c if c.is_uppercase() && !out.is_empty() => {
                out.push(' ');
                out.extend(c.to_lowercase());
            }
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// A property as a heading.
pub fn heading(name: &str) -> String {
    capital(&property(name))
}

/// A place in an object: its names, without elements of lists.
pub fn place(path: &Path) -> String {
    let names = path.iter().filter_map(|step| match step {
        Step::Key(name) => Some(name.as_str()),
        Step::Element(_) => None,
    });
    capital(&property(&names.collect::<Vec<_>>().join(" ")))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What an edit did: `Made it`, `Wrote in content, changed title`.
pub fn what(edit: &Edit) -> String {
    let of = |kind: EditKind| {
        let found = edit.properties.iter();
        let found = found.filter(|(name, done)| **done == kind && !name.is_empty());
        let names: Vec<String> = found.map(|(name, _)| property(name)).collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        let mut shown: Vec<String> = names.into_iter().take(NAMES_MAX).collect();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown
    };
    let mut parts = Vec::new();
    if edit.begins {
        parts.push("made it".to_owned());
    } else if edit.properties.contains_key("") {
        parts.push("deleted it or brought it back".to_owned());
    }
    for (kind, did) in [
        (EditKind::Typed, "wrote in"),
        (EditKind::Set, "changed"),
        (EditKind::Removed, "removed"),
        (EditKind::Moved, "reordered"),
        (EditKind::Counted, "counted"),
    ] {
        // What was there from the start is no change.
        if edit.begins && kind != EditKind::Typed {
            continue;
        }
        let names = of(kind);
        if !names.is_empty() {
            parts.push(format!("{did} {}", listed(&names)));
        }
    }
    match parts.is_empty() {
        true => "Changed it".into(),
        false => capital(&parts.join(", ")),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A value as people read it; empty for one that is absent or a text, which is compared as text.
pub fn value(value: Option<&Value>) -> String {
    let words = match value {
        None | Some(Value::Null | Value::Text(_)) => String::new(),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.into(),
        Some(Value::Int(number) | Value::Counter(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Some(Value::Timestamp(at)) => when(u64::try_from(*at).unwrap_or_default()),
        Some(Value::Ref(to)) => format!("→ {}", to.object),
        Some(Value::List(all)) => lines(all.iter().map(|one| self::value(Some(one)))),
        Some(Value::Map(all)) => lines(all.iter().map(|(name, one)| {
            let words = self::value(Some(one));
            format!("{name}: {words}")
        })),
    };
    match words.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Tags in a line each, so a difference is whole tags.
pub fn tags(tags: &BTreeSet<String>) -> String {
    lines(tags.iter().map(|tag| format!("#{tag}")))
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use dxos_base::Stamp;

    use super::*;

    fn edit(begins: bool, properties: &[(&str, EditKind)]) -> Edit {
        let properties = properties.iter();
        Edit {
            first: Stamp::ZERO,
            last: Stamp::ZERO,
            by: None,
            writes: 1,
            properties: properties.map(|(n, k)| ((*n).to_owned(), *k)).collect(),
            begins,
        }
    }

    #[test]
    fn edits_read_as_sentences() {
        use EditKind::*;
        for (begins, properties, want) in [
            (true, &[("", Set), ("title", Set)][..], "Made it"),
            (true, &[("content", Typed)], "Made it, wrote in content"),
            (
                false,
                &[("content", Typed), ("title", Set), ("dueDate", Set)],
                "Wrote in content, changed due date and title",
            ),
            (false, &[("", Set)], "Deleted it or brought it back"),
            (
                false,
                &[
                    ("a", Removed),
                    ("b", Removed),
                    ("c", Removed),
                    ("d", Removed),
                ],
                "Removed a, b, c and 1 more",
            ),
            (false, &[("tasks", Moved)], "Reordered tasks"),
            (false, &[("@tags", Set)], "Changed tags"),
            (false, &[], "Changed it"),
        ] {
            assert_eq!(what(&edit(begins, properties)), want);
        }
    }

    #[test]
    fn names_and_values_read_as_words() {
        assert_eq!(heading("dueDate"), "Due date");
        assert_eq!(heading("@tags"), "Tags");
        let list = Value::List(vec![Value::Int(1), Value::Bool(true)]);
        assert_eq!(value(Some(&list)), "1\nyes");
        assert_eq!(value(None), "");
        let long = Value::String("é".repeat(5_000));
        assert_eq!(value(Some(&long)).chars().count(), VALUE_CHARACTERS_MAX + 1);
    }
}
