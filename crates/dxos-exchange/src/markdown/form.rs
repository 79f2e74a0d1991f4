//! What a note looks like as a file beyond what its fields and text say: the residue that makes an export byte for byte
//! what was imported, without a copy of it.
//!
//! **The rule.** A field is written in one way ([`yaml::write`] in one of five styles). Of each field is kept only what the
//! nearest of these ways would not give: the style, the edits from there to what stood in the file, how the name was
//! spelled, and what stood between its value and the next name (comments, blank lines). The edits count only while the
//! value is the one they were made for, which a short hash tells; the rest stays with the field whatever its value. Of the
//! file is kept: byte order mark, kinds of line ends as runs, order of fields, blanks around the fences.

use std::collections::BTreeMap;

use dxos_base::{SpaceId, Value, hash};
use serde::{Deserialize, Serialize};

use super::yaml::{self, Entry, Style};

/// Texts up to this are compared letter by letter; longer ones by what they begin and end with.
const COMPARED_BYTES_MAX: usize = 4 * 1024;

/// Looks of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    /// It begins with a byte order mark.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) bom: bool,
    /// Runs of line ends that are not all LF: the kind, and how many; the last one goes on.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) eol: Vec<(Eol, u32)>,
    /// It has front matter.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) front: Option<Front>,
}

/// A kind of line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Eol {
    #[serde(rename = "n")]
    Lf,
    #[serde(rename = "rn")]
    CrLf,
    #[serde(rename = "r")]
    Cr,
}

/// Looks of front matter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Front {
    /// Behind the dashes that open and close it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) open: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) close: String,
    /// The file ends with the dashes that close it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) unended: bool,
    /// Before the first field.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) lead: String,
    /// Names, where they are not in the usual order.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) order: Vec<String>,
    /// The title stands in it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) title: bool,
    /// Tags, where they are not in the order of letters.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) tags: Vec<String>,
    /// Of fields that are not written in the usual way.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) fields: BTreeMap<String, Field>,
}

/// Looks of a field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Field {
    /// Its name and colon, as spelled.
    #[serde(skip_serializing_if = "is_default")]
    head: Option<String>,
    /// A [`Style`].
    #[serde(skip_serializing_if = "is_default")]
    style: u8,
    /// From the value as written here to the one in the file: letters kept, letters left out, letters put in.
    #[serde(skip_serializing_if = "is_default")]
    edits: Vec<(u32, u32, String)>,
    /// Of the value that the edits belong to.
    #[serde(skip_serializing_if = "is_default")]
    of: String,
    /// From the value to the next field, with the end of the line.
    #[serde(skip_serializing_if = "is_default")]
    tail: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A file's letters with LF only, and its runs of line ends.
pub(super) fn unify(text: &str) -> (String, Vec<(Eol, u32)>) {
    if !text.contains('\r') {
        return (text.to_owned(), Vec::new());
    }
    let mut out = String::with_capacity(text.len());
    let mut runs: Vec<(Eol, u32)> = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let eol = match letter {
            '\n' => Eol::Lf,
            '\r' if letters.peek() == Some(&'\n') => {
                letters.next();
                Eol::CrLf
            }
            '\r' => Eol::Cr,
            other => {
                out.push(other);
                continue;
            }
        };
        out.push('\n');
        match runs.last_mut() {
            Some((last, count)) if *last == eol => *count += 1,
            _ => runs.push((eol, 1)),
        }
    }
    (out, runs)
}

/// The other way round.
pub(super) fn vary(text: &str, runs: &[(Eol, u32)]) -> String {
    if runs.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut runs = runs.iter().copied();
    let (mut eol, mut left) = runs.next().unwrap_or((Eol::Lf, 0));
    for letter in text.chars() {
        if letter != '\n' {
            out.push(letter);
            continue;
        }
        if left == 0
            && let Some(next) = runs.next()
        {
            (eol, left) = next;
        }
        left = left.saturating_sub(1);
        out.push_str(match eol {
            Eol::Lf => "\n",
            Eol::CrLf => "\r\n",
            Eol::Cr => "\r",
        });
    }
    out
}

/// Front matter and what comes behind it.
#[derive(Debug, PartialEq)]
pub(super) struct Split<'t> {
    pub(super) open: &'t str,
    pub(super) yaml: &'t str,
    pub(super) close: &'t str,
    pub(super) unended: bool,
    pub(super) body: &'t str,
}

/// Finds the front matter of a text with LF only; `None`: it has none.
///
/// # Errors
/// It begins and never ends.
pub(super) fn split(text: &str) -> Result<Option<Split<'_>>, String> {
    let fence = |line: &str| {
        line.strip_prefix("---")
            .is_some_and(|rest| rest.trim_matches([' ', '\t']).is_empty())
    };
    let Some((first, rest)) = text.split_once('\n') else {
        return Ok(None);
    };
    if !fence(first) {
        return Ok(None);
    }
    let mut at = 0;
    while at < rest.len() {
        let end = rest[at..]
            .find('\n')
            .map_or(rest.len(), |length| at + length);
        let line = &rest[at..end];
        if fence(line) {
            return Ok(Some(Split {
                open: &first[3..],
                yaml: &rest[..at],
                close: &line[3..],
                unended: end == rest.len(),
                body: rest.get(end + 1..).unwrap_or_default(),
            }));
        }
        at = end + 1;
    }
    Err("it never ends".into())
}

/// Names in the order in which they are written unless told otherwise.
pub(super) fn usual_order<'k>(keys: impl Iterator<Item = &'k String>) -> Vec<String> {
    let mut keys: Vec<String> = keys.cloned().collect();
    let rank = |key: &str| match key {
        "title" => 0,
        "tags" => 1,
        _ => 2,
    };
    keys.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    keys
}

/// Looks of front matter as it was read.
///
/// # Errors
/// It is written in a way of which the looks cannot be told from the values.
pub(super) fn looks(split: &Split<'_>, entries: &[Entry], space: SpaceId) -> Result<Front, String> {
    let yaml = split.yaml;
    if yaml.trim_start().starts_with('{') {
        return Err("it is written in braces".into());
    }
    let first = entries
        .first()
        .map_or(yaml.len(), |entry| entry.key_at.start);
    let mut front = Front {
        open: split.open.to_owned(),
        close: split.close.to_owned(),
        unended: split.unended,
        lead: yaml[..first].to_owned(),
        ..Front::default()
    };
    for (number, entry) in entries.iter().enumerate() {
        let end = entries
            .get(number + 1)
            .map_or(yaml.len(), |next| next.key_at.start);
        let field = field(&yaml[entry.key_at.start..end], entry, space)?;
        if field != Field::default() {
            front.fields.insert(entry.key.clone(), field);
        }
    }
    let order: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    if order != usual_order(order.iter()) {
        front.order = order;
    }
    Ok(front)
}

fn field(source: &str, entry: &Entry, space: SpaceId) -> Result<Field, String> {
    let start = entry.key_at.start;
    let odd = || "a name in it stands apart from its colon".to_owned();
    let key_end = entry.key_at.end.checked_sub(start).ok_or_else(odd)?;
    let colon = source
        .get(key_end..)
        .and_then(|rest| rest.find(':'))
        .ok_or_else(odd)?
        + key_end;
    if source[key_end..colon].contains('\n') {
        return Err(odd());
    }
    let behind = &source[colon + 1..];
    let length = match &entry.scalar_at {
        Some(at) if at.is_empty() || at.end <= start + colon + 1 => 0,
        Some(at) => {
            let most = behind.get(..at.end - start - colon - 1).ok_or_else(odd)?;
            scalar_length(most)
        }
        None if entry.is_block => behind.strip_suffix('\n').unwrap_or(behind).len(),
        None => without_trivia(behind),
    };
    let (value, tail) = behind.split_at(length);
    let head = &source[..=colon];
    let nearest = Style::fitting(&entry.value)
        .map(|style| {
            let usual = yaml::write(&entry.value, style, space);
            let edits = edits(&usual, value);
            let cost: usize = edits
                .iter()
                .map(|(_, left_out, put_in)| 8 + *left_out as usize + 2 * put_in.len())
                .sum();
            (cost, style, usual, edits)
        })
        .min_by_key(|(cost, style, ..)| (*cost, *style as u8));
    let (_, style, usual, edits) = nearest.ok_or_else(odd)?;
    Ok(Field {
        head: (head != format!("{}:", yaml::write_name(&entry.key))).then(|| head.to_owned()),
        style: style as u8,
        of: if edits.is_empty() {
            String::new()
        } else {
            print(&usual)
        },
        edits,
        tail: (tail != "\n").then(|| tail.to_owned()),
    })
}

/// How long a scalar is, with the blanks before it and without what follows it: the reader's places may end at the next
/// thing it saw.
fn scalar_length(text: &str) -> usize {
    let begin = text.len() - text.trim_start().len();
    let inner = &text[begin..];
    let mut letters = inner.char_indices();
    let end = match letters.next() {
        Some((_, '"')) => {
            let mut escaped = false;
            letters.find(|(_, letter)| {
                let ends = !escaped && *letter == '"';
                escaped = !escaped && *letter == '\\';
                ends
            })
        }
        Some((_, '\'')) => {
            let mut end = None;
            while let Some((at, letter)) = letters.next() {
                if letter == '\'' {
                    match inner[at + 1..].starts_with('\'') {
                        true => drop(letters.next()),
                        false => {
                            end = Some((at, letter));
                            break;
                        }
                    }
                }
            }
            end
        }
        _ => {
            // A comment has a blank before it, and a plain scalar never has one.
            let comment = [" #", "\t#", "\n#"]
                .iter()
                .filter_map(|mark| inner.find(mark))
                .min();
            return begin + inner[..comment.unwrap_or(inner.len())].trim_end().len();
        }
    };
    begin + end.map_or(inner.trim_end().len(), |(at, _)| at + 1)
}

/// How long a value of several lines is without the comments and blank lines behind it.
fn without_trivia(text: &str) -> usize {
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    while let Some((before, line)) = rest.rsplit_once('\n') {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            break;
        }
        rest = before;
    }
    rest.trim_end().len()
}

/// The text of front matter with its fences; empty if there is neither any nor a field for it.
pub(super) fn write(
    front: Option<&Front>,
    fields: &BTreeMap<String, Value>,
    space: SpaceId,
) -> String {
    let usual = Front::default();
    let front = match front {
        Some(front) => front,
        None if fields.is_empty() => return String::new(),
        None => &usual,
    };
    let mut out = format!("---{}\n{}", front.open, front.lead);
    let mut order: Vec<&String> = front
        .order
        .iter()
        .filter(|key| fields.contains_key(*key))
        .collect();
    let others = usual_order(fields.keys());
    order.extend(others.iter().filter(|key| !front.order.contains(key)));
    for key in order {
        let plain = Field::default();
        let field = front.fields.get(key).unwrap_or(&plain);
        match &field.head {
            Some(head) => out.push_str(head),
            None => {
                out.push_str(&yaml::write_name(key));
                out.push(':');
            }
        }
        let value = yaml::write(&fields[key], Style::of(field.style), space);
        let varied = (!field.edits.is_empty() && field.of == print(&value))
            .then(|| apply(&value, &field.edits));
        out.push_str(&varied.flatten().unwrap_or(value));
        out.push_str(field.tail.as_deref().unwrap_or("\n"));
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    out.push_str("---");
    out.push_str(&front.close);
    if !front.unended {
        out.push('\n');
    }
    out
}

/// A short hash of a value as written.
fn print(text: &str) -> String {
    let hash = hash("front matter value", &[text.as_bytes()]);
    hash.0[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Edits that make `after` of `before`.
fn edits(before: &str, after: &str) -> Vec<(u32, u32, String)> {
    if before == after {
        return Vec::new();
    }
    let mut out: Vec<(u32, u32, String)> = Vec::new();
    let count = |text: &str| text.chars().count() as u32;
    if before.len() > COMPARED_BYTES_MAX || after.len() > COMPARED_BYTES_MAX {
        let same = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
            a.zip(b)
                .take_while(|(a, b)| a == b)
                .map(|(a, _)| a.len_utf8())
                .sum::<usize>()
        };
        let begin = same(&mut before.chars(), &mut after.chars());
        let (rest_before, rest_after) = (&before[begin..], &after[begin..]);
        let end = same(
            &mut rest_before.chars().rev(),
            &mut rest_after.chars().rev(),
        );
        let left_out = count(&rest_before[..rest_before.len() - end]);
        let put_in = rest_after[..rest_after.len() - end].to_owned();
        return vec![(count(&before[..begin]), left_out, put_in)];
    }
    let mut keep = 0;
    let mut open = false;
    for chunk in dissimilar::diff(before, after) {
        match chunk {
            dissimilar::Chunk::Equal(text) => {
                keep = count(text);
                open = false;
            }
            dissimilar::Chunk::Delete(text) | dissimilar::Chunk::Insert(text) => {
                if !open {
                    out.push((std::mem::take(&mut keep), 0, String::new()));
                    open = true;
                }
                let Some(last) = out.last_mut() else { continue };
                match chunk {
                    dissimilar::Chunk::Delete(_) => last.1 += count(text),
                    _ => last.2.push_str(text),
                }
            }
        }
    }
    out
}

/// `None`: the edits do not fit.
fn apply(text: &str, edits: &[(u32, u32, String)]) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    for (keep, left_out, put_in) in edits {
        for _ in 0..*keep {
            out.push(letters.next()?);
        }
        for _ in 0..*left_out {
            letters.next()?;
        }
        out.push_str(put_in);
    }
    out.extend(letters);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_come_back() {
        for text in ["", "a\nb", "a\r\nb\r\n", "a\rb\nc\r\n\r\n\rd", "\r", "\n\r"] {
            let (unified, runs) = unify(text);
            assert!(!unified.contains('\r'));
            assert_eq!(vary(&unified, &runs), text);
        }
        let (text, runs) = unify("a\r\nb\r\n");
        assert_eq!(runs, [(Eol::CrLf, 2)]);
        assert_eq!(vary(&format!("{text}more\n"), &runs), "a\r\nb\r\nmore\r\n");
    }

    #[test]
    fn edits_make_one_text_of_another() {
        let long = "x".repeat(COMPARED_BYTES_MAX);
        for (a, b) in [
            ("", ""),
            ("a", "b"),
            ("[a, b]", "[ 'a', \"b\" ]"),
            ("é🎯", "🎯é"),
            (&long[..], "xyx"),
        ] {
            assert_eq!(apply(a, &edits(a, b)).as_deref(), Some(b));
        }
        assert_eq!(apply("a", &[(2, 0, String::new())]), None);
        assert_eq!(apply("a", &[(0, 9, String::new())]), None);
    }

    #[test]
    fn front_matter_is_found_where_it_begins_a_note() {
        assert_eq!(split("a\n---\n"), Ok(None));
        assert_eq!(split("---"), Ok(None));
        assert_eq!(split("----\n---\n"), Ok(None));
        assert!(split("---\na: 1\n").is_err());
        let found = split("--- \na: 1\n---\t\nbody").unwrap().unwrap();
        assert_eq!(
            (found.open, found.yaml, found.close, found.body),
            (" ", "a: 1\n", "\t", "body")
        );
        let found = split("---\n---").unwrap().unwrap();
        assert!(found.unended && found.yaml.is_empty() && found.body.is_empty());
    }
}
