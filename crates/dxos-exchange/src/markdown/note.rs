//! One note: a file's bytes and the document it is here.
//!
//! | In the file | In the document |
//! | :-- | :-- |
//! | the text behind the front matter | `content`, a text, with LF only |
//! | `title`, if it is a string; else the file's name | `title` |
//! | `tags`, if it is a list of different words | tags |
//! | other fields | properties of their names; `~` stands before a name that is taken (`content`, `file`, `links`, `title`) |
//! | where it stood | `file`: {`path`, `source`} |
//! | looks that the above does not tell | `file/form`, as JSON ([`Form`]) |
//! | `[[links]]` to other notes | `links`: {target as written: reference} |

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::plain::PlaceStep;
use dxos_base::{ObjectId, ObjectMeta, PlainObject, SpaceId, TextId, Value, limits};

use super::form::{self, Form, Front};
use super::yaml;

/// `@type` of documents, with version, as Composer's Markdown plugin has it.
pub const TYPE: &str = "org.dxos.type.Document@0.1.0";
/// The same without version.
pub const TYPE_NAME: &str = "org.dxos.type.Document";
pub(super) const TITLE: &str = "title";
pub(super) const CONTENT: &str = "content";
pub(super) const FILE: &str = "file";
pub(super) const LINKS: &str = "links";
const TAGS: &str = "tags";
const PATH: &str = "path";
const SOURCE: &str = "source";
const FORM: &str = "form";
/// Longest name of a tag or link, in bytes.
pub(super) const WORD_BYTES_MAX: usize = limits::NAME_BYTES_MAX - 1;
const BOM: &str = "\u{feff}";

/// A note as it was read.
#[derive(Debug)]
pub struct Note {
    /// The document; without links yet.
    pub object: PlainObject,
    /// What about it was taken in another form, and why.
    pub changed: Option<String>,
}

/// The id of a note: the same in a space for the same source and path.
pub fn note_id(space: SpaceId, source: &str, path: &str) -> ObjectId {
    let name = format!("org.dxos.markdown/{source}");
    ObjectId::well_known(&space, &name, path)
}

/// Reads a note; `path` is where it stands in its folder, with `/` between names.
///
/// # Errors
/// Words for people: it is no text, or too long for one.
pub fn read_note(space: SpaceId, source: &str, path: &str, bytes: &[u8]) -> Result<Note, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text in UTF-8")?;
    let (bom, text) = match text.strip_prefix(BOM) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (text, eol) = form::unify(text);
    let form = Form {
        bom,
        eol,
        front: None,
    };
    let object = PlainObject {
        object: note_id(space, source, path),
        type_name: TYPE.into(),
        meta: ObjectMeta::default(),
        created_ms: 0,
        updated_ms: 0,
        deleted: false,
        values: BTreeMap::from([
            (TITLE.to_owned(), Value::from(stem(path))),
            (CONTENT.to_owned(), Value::Text(TextId([0; 16]))),
        ]),
        texts: BTreeMap::new(),
    };
    let place = |form: &Form| {
        let mut file = BTreeMap::from([
            (PATH.to_owned(), Value::from(path)),
            (SOURCE.to_owned(), Value::from(source)),
        ]);
        if *form != Form::default() {
            let json = serde_json::to_string(form).unwrap_or_default();
            file.insert(FORM.to_owned(), Value::from(json));
        }
        Value::Map(file)
    };
    let mut changed = None;
    match with_front(space, &object, &form, &text) {
        Ok(Some((mut read, form, body))) => {
            read.values.insert(FILE.to_owned(), place(&form));
            set_content(&mut read, body);
            if checked(space, &read, bytes)? {
                return Ok(Note {
                    object: read,
                    changed,
                });
            }
            changed =
                Some("its front matter is kept as text: it would not come out as it is".into());
        }
        Ok(None) => {}
        Err(reason) => changed = Some(format!("its front matter is kept as text: {reason}")),
    }
    let mut object = object;
    object.values.insert(FILE.to_owned(), place(&form));
    set_content(&mut object, &text);
    match checked(space, &object, bytes)? {
        true => Ok(Note { object, changed }),
        false => Err("would not come out as it is".into()),
    }
}

/// Whether a document is kept whole and comes out as the bytes it was made of.
fn checked(space: SpaceId, object: &PlainObject, bytes: &[u8]) -> Result<bool, String> {
    let content = content(object);
    if content.len() > limits::TEXT_UNITS_MAX
        && content.encode_utf16().count() > limits::TEXT_UNITS_MAX
    {
        return Err("is longer than a text may be".into());
    }
    let form = file_text(object, FORM).map_or(0, str::len);
    if form >= limits::VALUE_BYTES_MAX {
        return Err("changes its kind of line ends too often".into());
    }
    let title = front_of(object).is_some_and(|front| front.title);
    Ok(write_note(space, object, content, title).as_bytes() == bytes)
}

type Read<'t> = (PlainObject, Form, &'t str);

/// The document with the fields of the front matter; `None`: there is none.
fn with_front<'t>(
    space: SpaceId,
    object: &PlainObject,
    form: &Form,
    text: &'t str,
) -> Result<Option<Read<'t>>, String> {
    let Some(split) = form::split(text)? else {
        return Ok(None);
    };
    if split.yaml.len() > limits::FRONT_MATTER_BYTES_MAX {
        return Err("it is longer than 64 KiB".into());
    }
    let entries = yaml::parse(split.yaml, space)?;
    if entries.len() > limits::SCHEMA_FIELDS_MAX {
        return Err("it has too many fields".into());
    }
    let mut front = form::looks(&split, &entries, space)?;
    let mut object = object.clone();
    for entry in entries {
        match (entry.key.as_str(), &entry.value) {
            (TITLE, Value::String(title)) => {
                front.title = true;
                object
                    .values
                    .insert(TITLE.to_owned(), Value::from(title.as_str()));
            }
            (TAGS, Value::List(values)) if words(values).is_some() => {
                let tags = words(values).unwrap_or_default();
                object.meta.tags = tags.iter().cloned().collect();
                if !tags.is_sorted() {
                    front.tags = tags;
                }
            }
            _ => {
                if !entry.value.depth_fits() {
                    return Err("it nests too deep".into());
                }
                object.values.insert(property(&entry.key), entry.value);
            }
        }
    }
    let form = Form {
        front: Some(front),
        ..form.clone()
    };
    Ok(Some((object, form, split.body)))
}

/// The words of a list of different words; `None`: it is none.
fn words(values: &[Value]) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let words: Option<Vec<String>> = values
        .iter()
        .map(|value| {
            let word = value.as_str()?;
            let fits = !word.is_empty() && word.len() <= WORD_BYTES_MAX && seen.insert(word);
            fits.then(|| word.to_owned())
        })
        .collect();
    words.filter(|words| !words.is_empty())
}

/// The property a field of front matter is.
fn property(key: &str) -> String {
    match key {
        TITLE | CONTENT | FILE | LINKS => format!("~{key}"),
        other => yaml::stored_name(other),
    }
}

fn set_content(object: &mut PlainObject, text: &str) {
    let place = vec![PlaceStep::Name(CONTENT.into())];
    object.texts.insert(place, text.to_owned());
}

/// The text of a document.
pub(super) fn content(object: &PlainObject) -> &str {
    let place = [PlaceStep::Name(CONTENT.to_owned())];
    match object.values.get(CONTENT) {
        // Written by another program as a plain string.
        Some(Value::String(text)) => text,
        _ => object.texts.get(&place[..]).map_or("", String::as_str),
    }
}

/// The title of a document.
pub(super) fn title(object: &PlainObject) -> &str {
    object
        .values
        .get(TITLE)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn file_text<'o>(object: &'o PlainObject, name: &str) -> Option<&'o str> {
    match object.values.get(FILE) {
        Some(Value::Map(file)) => file.get(name)?.as_str(),
        _ => None,
    }
}

fn form_of(object: &PlainObject) -> Form {
    let json = file_text(object, FORM).unwrap_or_default();
    serde_json::from_str(json).unwrap_or_default()
}

fn front_of(object: &PlainObject) -> Option<Front> {
    form_of(object).front
}

/// Where a document stands in a folder, and whether its title has to stand in it, as the name of the file does not tell it.
pub(super) fn place(object: &PlainObject) -> (String, bool) {
    let title = title(object);
    let in_front = front_of(object).is_some_and(|front| front.title);
    let path = file_text(object, PATH);
    match path {
        Some(path) if in_front || title == stem(path) => (path.to_owned(), in_front),
        _ => {
            let folder = path
                .and_then(|path| path.rsplit_once('/'))
                .map(|(folder, _)| folder);
            let name = file_name(title);
            let is_title = name == title;
            let path = match folder {
                Some(folder) => format!("{folder}/{name}.md"),
                None => format!("{name}.md"),
            };
            (path, !is_title || in_front)
        }
    }
}

/// The name of a file without its folder and ending.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    for ending in [".md", ".markdown"] {
        if lower.ends_with(ending) {
            return &name[..name.len() - ending.len()];
        }
    }
    name
}

/// A title as the name of a file on every system.
fn file_name(title: &str) -> String {
    let mut name: String = title
        .trim()
        .chars()
        .map(|letter| match letter {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => '-',
            other if other.is_control() => '-',
            other => other,
        })
        .collect();
    while name.len() > 200 {
        name.pop();
    }
    let name = name.trim_end_matches([' ', '.']).trim_start_matches('.');
    let first = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let is_device = matches!(first.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (first.len() == 4
            && (first.starts_with("COM") || first.starts_with("LPT"))
            && first.ends_with(|digit: char| digit.is_ascii_digit()));
    match name {
        "" => "Untitled".to_owned(),
        name if is_device => format!("{name}-"),
        name => name.to_owned(),
    }
}

/// The file of a document whose text is `content`.
pub(super) fn write_note(
    space: SpaceId,
    object: &PlainObject,
    content: &str,
    with_title: bool,
) -> String {
    let form = form_of(object);
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &object.values {
        if !matches!(name.as_str(), TITLE | CONTENT | FILE | LINKS) {
            fields.insert(yaml::shown_name(name).to_owned(), value.clone());
        }
    }
    if with_title {
        fields.insert(TITLE.to_owned(), Value::from(title(object)));
    }
    if !object.meta.tags.is_empty() {
        let told = form.front.as_ref().map_or(&[][..], |front| &front.tags);
        let mut tags: Vec<&String> = told
            .iter()
            .filter(|tag| object.meta.tags.contains(*tag))
            .collect();
        tags.extend(object.meta.tags.iter().filter(|tag| !told.contains(tag)));
        let tags = tags
            .into_iter()
            .map(|tag| Value::from(tag.as_str()))
            .collect();
        fields.insert(TAGS.to_owned(), Value::List(tags));
    }
    let mut out = String::new();
    if form.bom {
        out.push_str(BOM);
    }
    let text = form::write(form.front.as_ref(), &fields, space) + content;
    out.push_str(&form::vary(&text, &form.eol));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 20]);

    fn read(text: &str) -> Note {
        read_note(SPACE, "notes", "a/Birch.md", text.as_bytes()).unwrap()
    }

    fn out(object: &PlainObject) -> String {
        let (_, with_title) = place(object);
        write_note(SPACE, object, content(object), with_title)
    }

    fn form_bytes(object: &PlainObject) -> usize {
        file_text(object, FORM).map_or(0, str::len)
    }

    #[test]
    fn notes_come_out_as_they_were_and_fields_are_fields() {
        let text = "\u{feff}---\r\n# about\r\ntags: [ b, 'a' ]   # mine\r\ntitle:   \"The birch\"\r\n\r\nmetres: 12\r\n\
                    when: 2024-01-01\r\nlist:\r\n- x\r\n- y: 1\r\n  z: ~\r\n---\r\n\r\nHello\r\n";
        let note = read(text);
        assert_eq!(note.changed, None);
        let object = note.object;
        assert_eq!(title(&object), "The birch");
        assert_eq!(object.values["metres"], Value::Int(12));
        assert_eq!(object.values["when"], Value::from("2024-01-01"));
        assert_eq!(
            object.meta.tags,
            BTreeSet::from(["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(content(&object), "\nHello\n");
        assert_eq!(out(&object), text);
        assert!(form_bytes(&object) < 500, "{}", form_bytes(&object));
    }

    #[test]
    fn usual_looks_are_not_kept_at_all() {
        for text in [
            "Just words.\n",
            "",
            "no newline",
            "---\n",
            "\n---\na: 1\n---\n",
        ] {
            let note = read(text);
            assert_eq!(out(&note.object), text);
            assert_eq!(form_bytes(&note.object), 0, "{text:?}");
        }
        let usual =
            "---\ntitle: Oak\ntags:\n  - a\n  - b\nmetres: 12\nwords: two words\n---\nHello\n";
        let note = read(usual);
        assert_eq!(out(&note.object), usual);
        let form = file_text(&note.object, FORM).unwrap();
        assert_eq!(form, r#"{"front":{"title":true}}"#);
    }

    #[test]
    fn a_changed_field_changes_alone() {
        let text = "---\n# first\nb: 'one'  # why\na: [ 1,2 ]\n\n# last\n---\nHello\n";
        let mut object = read(text).object;
        object.values.insert("b".into(), Value::from("two"));
        assert_eq!(out(&object), text.replace("one", "two"));
        object
            .values
            .insert("a".into(), Value::List(vec![Value::Int(3)]));
        object.values.remove("b");
        assert_eq!(out(&object), "---\n# first\na: [3]\n\n# last\n---\nHello\n");
        object.values.insert("new".into(), Value::Bool(true));
        object.meta.tags.insert("red".into());
        let written = out(&object);
        assert!(
            written.contains("new: true\n") && written.contains("tags:\n  - red\n"),
            "{written}"
        );
        assert_eq!(read(&written).object.values["new"], Value::Bool(true));
    }

    #[test]
    fn names_that_are_taken_give_way_and_come_back() {
        let text = "---\ncontent: x\nfile: y\nlinks: z\ntitle: 5\n'@id': 1\n~a: 2\n'': 3\nmap: {'@x': 1}\n---\nHello";
        let note = read(text);
        assert_eq!(note.changed, None);
        assert_eq!(note.object.values["~content"], Value::from("x"));
        assert_eq!(note.object.values["~title"], Value::Int(5));
        assert_eq!(title(&note.object), "Birch");
        assert_eq!(out(&note.object), text);
    }

    #[test]
    fn broken_front_matter_stays_in_the_text() {
        let bomb = format!("---\na: &a [x]\nb: [{}]\n---\n", "*a,".repeat(1_000));
        let huge = format!(
            "---\na: {}\n---\n",
            "x".repeat(limits::FRONT_MATTER_BYTES_MAX)
        );
        for text in [
            "---\na: [\n---\nx",
            "---\n- a\n---\nx",
            "---\nnever closed\n",
            "---\na: 1\na: 2\n---\n",
            "---\n{a: 1}\n---\n",
            "---\njust a line\n---\n\nText",
            "---\n? a\n: 1\n---\n",
            &bomb,
            &huge,
        ] {
            let note = read(text);
            assert!(note.changed.is_some(), "{}", &text[..text.len().min(40)]);
            assert_eq!(content(&note.object), text);
            assert_eq!(out(&note.object), text);
        }
        assert!(read_note(SPACE, "s", "a.md", b"\xff\xfe").is_err());
    }

    #[test]
    fn a_new_title_is_a_new_name_that_every_system_takes() {
        let mut object = read("x").object;
        assert_eq!(place(&object), ("a/Birch.md".into(), false));
        for (title, path, in_front) in [
            ("Oak", "a/Oak.md", false),
            ("a/b: c?", "a/a-b- c-.md", true),
            ("../../etc", "a/-..-etc.md", true),
            ("con", "a/con-.md", true),
            ("", "a/Untitled.md", true),
            ("...", "a/Untitled.md", true),
        ] {
            object.values.insert(TITLE.into(), Value::from(title));
            assert_eq!(place(&object), (path.into(), in_front), "{title}");
        }
    }
}
