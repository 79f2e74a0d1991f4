//! `[[wiki links]]`: found in a text, resolved among the notes of a folder, written anew when a note has another name.

use std::collections::BTreeMap;
use std::ops::Range;

use dxos_base::{ObjectId, PlainObject, Ref, Value};

use super::note::{LINKS, WORD_BYTES_MAX, content, stem};
use super::yaml::{shown_name, stored_name};

/// Targets of wiki links, as places in a text: what stands before `|` and `#`. Those in code are none.
pub(super) fn targets(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut fence: Option<&str> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let marks = ["```", "~~~"]
            .into_iter()
            .find(|marks| trimmed.starts_with(marks));
        match (fence, marks) {
            (Some(open), Some(marks)) if open == marks => fence = None,
            (None, Some(marks)) => fence = Some(marks),
            (None, None) if line.contains("[[") => in_line(line, start, &mut out),
            _ => {}
        }
        start += line.len();
    }
    out
}

fn in_line(line: &str, start: usize, out: &mut Vec<Range<usize>>) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'`' {
            // Code within the line, up to as many ticks again; without an end it is none.
            let ticks = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
            at += ticks;
            let mut end = at;
            while end < bytes.len() {
                let run = bytes[end..]
                    .iter()
                    .take_while(|byte| **byte == b'`')
                    .count();
                if run == ticks {
                    at = end + run;
                    break;
                }
                end += run.max(1);
            }
            continue;
        }
        if !line[at..].starts_with("[[") {
            at += line[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let inner = &line[at + 2..];
        let Some(length) = inner.find("]]") else {
            return;
        };
        let inner = &inner[..length];
        if inner.contains("[[") {
            at += 1;
            continue;
        }
        let target = inner.split(['|', '#', '^']).next().unwrap_or_default();
        // In a table the bar is escaped.
        let target = target.strip_suffix('\\').unwrap_or(target);
        let lead = target.len() - target.trim_start().len();
        let target = target.trim();
        if !target.is_empty() {
            let from = start + at + 2 + lead;
            out.push(from..from + target.len());
        }
        at += 2 + length + 2;
    }
}

/// The notes of a folder, to be found by what links call them.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By path without ending, in small letters.
    paths: BTreeMap<String, Vec<(String, ObjectId)>>,
    /// By name without folder.
    names: BTreeMap<String, Vec<(String, ObjectId)>>,
}

impl Index {
    pub(super) fn add(&mut self, path: &str, object: ObjectId) {
        let whole = without_ending(path).to_lowercase();
        let name = stem(path).to_lowercase();
        let found = (path.to_owned(), object);
        self.paths.entry(whole).or_default().push(found.clone());
        let named = self.names.entry(name).or_default();
        named.push(found);
        // The nearest to the top is meant; of equals the first.
        named.sort_by_key(|(path, _)| (path.matches('/').count(), path.len(), path.clone()));
    }

    /// The note that a link in the note at `from` leads to.
    pub(super) fn resolve(&self, target: &str, from: &str) -> Option<ObjectId> {
        let target = target.trim_start_matches('/');
        let wanted = without_ending(target).to_lowercase();
        let exact = |found: &Vec<(String, ObjectId)>| {
            let same = found
                .iter()
                .find(|(path, _)| without_ending(path) == without_ending(target));
            same.or(found.first()).map(|(_, object)| *object)
        };
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = format!("{}/{wanted}", folder.to_lowercase());
        if !folder.is_empty()
            && let Some(found) = self.paths.get(&beside)
        {
            return exact(found);
        }
        if let Some(found) = self.paths.get(&wanted) {
            return exact(found);
        }
        let named = self.names.get(&wanted)?;
        let same = named.iter().find(|(path, _)| stem(path) == target);
        same.or(named.first()).map(|(_, object)| *object)
    }
}

fn without_ending(path: &str) -> &str {
    let keep = path.len() - path.rsplit('/').next().unwrap_or_default().len() + stem(path).len();
    &path[..keep]
}

/// Notes in a document what its links lead to.
pub(super) fn note_links(object: &mut PlainObject, path: &str, index: &Index) {
    let text = content(object);
    let mut links = BTreeMap::new();
    for at in targets(text) {
        let target = &text[at];
        if target.len() < WORD_BYTES_MAX
            && let Some(found) = index.resolve(target, path)
        {
            links.insert(stored_name(target), Value::Ref(Ref::local(found)));
        }
    }
    if !links.is_empty() {
        object.values.insert(LINKS.to_owned(), Value::Map(links));
    }
}

/// The text of a document whose links lead where they led, also when those notes have other names now.
pub(super) fn written_anew(
    object: &PlainObject,
    path: &str,
    index: &Index,
    paths: &BTreeMap<ObjectId, String>,
) -> String {
    let text = content(object);
    let Some(Value::Map(links)) = object.values.get(LINKS) else {
        return text.to_owned();
    };
    let led: BTreeMap<&str, ObjectId> = links
        .iter()
        .filter_map(|(target, value)| {
            let reference = value
                .reference()
                .filter(|reference| reference.space.is_none())?;
            Some((shown_name(target), reference.object))
        })
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for at in targets(text) {
        let target = &text[at.clone()];
        let Some(object) = led.get(target) else {
            continue;
        };
        if index.resolve(target, path) == Some(*object) {
            continue;
        }
        let Some(other) = paths.get(object) else {
            continue;
        };
        let name = match index.resolve(stem(other), path) == Some(*object) {
            true => stem(other),
            false => without_ending(other),
        };
        out.push_str(&text[copied..at.start]);
        out.push_str(name);
        copied = at.end;
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_what_links_lead_to() {
        let text = "[[a]] [[b|B]] ![[c.png]] [[d#h]] [[ e f ]] `[[no]]` ``x`[[no]]`` [[g\\|G]] [[#own]] [[x\n]]\n\
                    ```\n[[no]]\n```\n[[[h]]] ` [[i]] [[é🎯]] [[";
        let found: Vec<&str> = targets(text).into_iter().map(|at| &text[at]).collect();
        assert_eq!(
            found,
            ["a", "b", "c.png", "d", "e f", "g", "[h", "i", "é🎯"]
        );
    }

    #[test]
    fn links_lead_to_the_nearest_note_of_that_name() {
        let mut index = Index::default();
        let ids = [1, 2, 3, 4].map(|n| ObjectId([n; 16]));
        for (path, id) in ["a/Oak.md", "Oak.md", "b/oak.markdown", "b/Elm.md"]
            .into_iter()
            .zip(ids)
        {
            index.add(path, id);
        }
        for (target, from, wanted) in [
            ("Oak", "x.md", Some(ids[1])),
            ("Oak", "a/x.md", Some(ids[0])),
            ("OAK", "x.md", Some(ids[1])),
            ("oak", "b/x.md", Some(ids[2])),
            ("b/oak", "a/x.md", Some(ids[2])),
            ("Elm", "a/x.md", Some(ids[3])),
            ("Elm.md", "a/x.md", Some(ids[3])),
            ("Birch", "a/x.md", None),
        ] {
            assert_eq!(index.resolve(target, from), wanted, "{target} from {from}");
        }
    }
}
