//! Two states of an object beside each other: what each property and text was, and what differs.

use std::collections::BTreeSet;

use dxos_base::history::Version;
use dxos_base::{ObjectView, Path, Value};

use crate::diff::{Kind, Piece, Shown, folded, pieces};
use crate::words::{heading, place, tags, value};

/// A property or a text of an object, as it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// A text that people write together: it is what the object is about.
    pub is_text: bool,
    /// What differs.
    pub shown: Vec<Shown>,
    /// Something does.
    pub changed: bool,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there in both.
    Stayed,
    /// It is there in the second only.
    Came,
    /// It is there in the first only.
    Went,
    /// It is in neither.
    Nowhere,
}

/// How an object became another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whether it is there.
    pub fate: Fate,
    /// Properties, tags, and texts; those that differ first, texts last.
    pub parts: Vec<Part>,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        matches!(self.fate, Fate::Stayed | Fate::Nowhere) && !self.parts.iter().any(|p| p.changed)
    }
}

/// From the first state to the second; `None`: it was not there.
pub fn compare(before: Option<&Version>, after: Option<&Version>) -> Comparison {
    let there = |version: Option<&Version>| version.is_some_and(|v| v.object.shown);
    let fate = match (there(before), there(after)) {
        (true, true) => Fate::Stayed,
        (false, true) => Fate::Came,
        (true, false) => Fate::Went,
        (false, false) => Fate::Nowhere,
    };
    let mut parts = fields(before, after);
    parts.sort_by_key(|part| !part.changed);
    parts.extend(texts(before, after));
    Comparison { fate, parts }
}

/// One state, with nothing to compare it with.
pub fn alone(version: &Version) -> Comparison {
    let mut out = compare(Some(version), Some(version));
    out.fate = Fate::Stayed;
    out
}

fn fields(before: Option<&Version>, after: Option<&Version>) -> Vec<Part> {
    let object = |version: Option<&Version>| version.map(|version| version.object.clone());
    let (before, after) = (object(before), object(after));
    let both = || before.iter().chain(&after);
    let names: BTreeSet<&String> = both().flat_map(|object| object.values.keys()).collect();
    let is_text = |name: &String| {
        both().any(|object| matches!(object.values.get(name), Some(Value::Text(_))))
    };
    let words_of = |object: &Option<ObjectView>, name: &String| {
        value(object.as_ref().and_then(|object| object.values.get(name)))
    };
    let tags_of = |object: &Option<ObjectView>| {
        object
            .as_ref()
            .map(|o| tags(&o.meta.tags))
            .unwrap_or_default()
    };
    let fields = names.into_iter().filter(|name| !is_text(name));
    let mut parts: Vec<Part> = fields
        .map(|name| {
            part(
                heading(name),
                &words_of(&before, name),
                &words_of(&after, name),
            )
        })
        .collect();
    parts.push(part("Tags".into(), &tags_of(&before), &tags_of(&after)));
    parts.retain(|part| !part.shown.is_empty());
    parts
}

fn texts(before: Option<&Version>, after: Option<&Version>) -> Vec<Part> {
    let both = || before.iter().chain(&after);
    let places: BTreeSet<&Path> = both().flat_map(|version| version.texts.keys()).collect();
    let text = |version: Option<&Version>, place: &Path| {
        let text = version.and_then(|version| version.texts.get(place));
        text.cloned().unwrap_or_default()
    };
    let parts = places.into_iter().map(|at| Part {
        is_text: true,
        ..part(place(at), &text(before, at), &text(after, at))
    });
    parts.filter(|part| !part.shown.is_empty()).collect()
}

fn part(name: String, before: &str, after: &str) -> Part {
    let pieces: Vec<Piece> = pieces(before, after);
    let changed = pieces.iter().any(|piece| piece.kind != Kind::Kept);
    Part {
        name,
        is_text: false,
        shown: folded(pieces),
        changed,
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::{ObjectId, key_path};

    use super::*;

    fn version(title: &str, done: bool, text: &str, tags: &[&str]) -> Version {
        let mut object = ObjectView::new(ObjectId([1; 16]), "org.example.Note@0.1.0");
        object.values.insert("title".into(), title.into());
        object.values.insert("done".into(), Value::Bool(done));
        object.meta.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let texts = [(key_path(&["content"]), text.to_owned())].into();
        Version { object, texts }
    }

    fn drawn(comparison: &Comparison) -> Vec<String> {
        let one = |part: &Part| {
            let pieces = part.shown.iter().map(|shown| match shown {
                Shown::Piece(Piece { kind, text }) => match kind {
                    Kind::Kept => text.clone(),
                    Kind::Added => format!("+{text}+"),
                    Kind::Removed => format!("-{text}-"),
                },
                Shown::Gap(lines) => format!("({lines})"),
                Shown::More(_) => "more".into(),
            });
            format!("{}: {}", part.name, pieces.collect::<String>())
        };
        comparison.parts.iter().map(one).collect()
    }

    #[test]
    fn fields_tags_and_texts_are_compared() {
        let before = version("Field notes", false, "The weir", &["river"]);
        let after = version("Field notes", true, "The old weir", &[]);
        let comparison = compare(Some(&before), Some(&after));
        assert_eq!(comparison.fate, Fate::Stayed);
        assert_eq!(
            drawn(&comparison),
            [
                "Done: -no-+yes+",
                "Tags: -#river-",
                "Title: Field notes",
                "Content: The +old +weir"
            ]
        );
        assert!(!comparison.is_same());
        assert!(alone(&after).is_same());
    }

    #[test]
    fn what_was_not_there_is_said() {
        let mut after = version("Field notes", false, "", &[]);
        assert_eq!(compare(None, Some(&after)).fate, Fate::Came);
        after.object.shown = false;
        assert_eq!(compare(None, Some(&after)).fate, Fate::Nowhere);
    }
}
