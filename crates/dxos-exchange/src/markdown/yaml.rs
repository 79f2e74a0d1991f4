//! The YAML of front matter: read with places, written in one form.
//!
//! Read is what notes have: a map at the top, scalars, lists, maps. Anchors, aliases, tags and several documents are refused
//! (the note then keeps its front matter as text), so nothing unfolds into more than was written.

use std::collections::BTreeMap;
use std::ops::Range;

use dxos_base::json::{value_from_json, value_to_json};
use dxos_base::{SpaceId, Value, limits};
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::Value as Json;

/// Containers in one another.
const DEPTH_MAX: usize = limits::VALUE_DEPTH_MAX - 2;

/// A field of front matter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) key: String,
    /// Its value.
    pub(super) value: Value,
    /// Where the name stands, in bytes.
    pub(super) key_at: Range<usize>,
    /// Where a value on one line stands; `None`: it is of another kind.
    pub(super) scalar_at: Option<Range<usize>>,
    /// The value's lines are its own: what looks like a comment in them is none.
    pub(super) is_block: bool,
}

/// Reads a map.
///
/// # Errors
/// Words for people.
pub(super) fn parse(source: &str, space: SpaceId) -> Result<Vec<Entry>, String> {
    let mut places: Vec<usize> = source.char_indices().map(|(at, _)| at).collect();
    places.push(source.len());
    let at =
        |mark: saphyr_parser::Marker| places.get(mark.index()).copied().unwrap_or(source.len());
    let mut reading = Reading {
        space,
        entries: Vec::new(),
        stack: Vec::new(),
        begun: false,
    };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        reading.event(event, at(span.start)..at(span.end))?;
    }
    let mut names = std::collections::BTreeSet::new();
    for entry in &reading.entries {
        if !names.insert(entry.key.as_str()) {
            return Err(format!("the field {} is there twice", short(&entry.key)));
        }
    }
    Ok(reading.entries)
}

enum Open {
    List(Vec<Value>),
    /// With the name whose value comes next.
    Map(BTreeMap<String, Value>, Option<String>),
}

struct Reading {
    space: SpaceId,
    entries: Vec<Entry>,
    /// Containers within the value of the last entry.
    stack: Vec<Open>,
    begun: bool,
}

impl Reading {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), String> {
        let plain = |anchor: usize, tagged: bool| match (anchor, tagged) {
            (0, false) => Ok(()),
            (0, true) => Err("it has tags (!)".to_owned()),
            _ => Err("it has anchors (&)".to_owned()),
        };
        match event {
            Event::DocumentStart(_) if self.begun => {
                Err("it is more than one YAML document".into())
            }
            Event::Alias(_) => Err("it has aliases (*)".into()),
            Event::Scalar(text, style, anchor, tag) => {
                plain(anchor, tag.is_some())?;
                self.scalar(&text, style, span)
            }
            Event::SequenceStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                self.open(Open::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                if !self.begun {
                    self.begun = true;
                    return Ok(());
                }
                self.open(Open::Map(BTreeMap::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List(values)) => self.value(Value::List(values)),
                Some(Open::Map(values, _)) => {
                    let value = self.map(values);
                    self.value(value)
                }
                // The map at the top.
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open) -> Result<(), String> {
        if !self.begun {
            return Err("it is no map".into());
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err("it nests too deep".into());
        }
        let name_comes = match self.stack.last() {
            Some(Open::Map(_, name)) => name.is_none(),
            Some(Open::List(_)) => false,
            None => self
                .entries
                .last()
                .is_none_or(|entry| entry.value != Value::Text(PENDING)),
        };
        if name_comes {
            return Err("a name in it is a list or a map".into());
        }
        self.stack.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Range<usize>) -> Result<(), String> {
        if !self.begun {
            return Err("it is no map".into());
        }
        match self.stack.last_mut() {
            Some(Open::Map(values, name @ None)) => {
                if values.contains_key(&stored_name(text)) {
                    return Err(format!("the field {} is there twice", short(text)));
                }
                *name = Some(checked_name(text)?);
                return Ok(());
            }
            None if self
                .entries
                .last()
                .is_none_or(|entry| entry.value != Value::Text(PENDING)) =>
            {
                checked_name(text)?;
                self.entries.push(Entry {
                    key: text.to_owned(),
                    value: Value::Text(PENDING),
                    key_at: span,
                    scalar_at: None,
                    is_block: false,
                });
                return Ok(());
            }
            _ => {}
        }
        let value = match style {
            ScalarStyle::Plain => resolve(text),
            _ => Value::from(text),
        };
        if self.stack.is_empty()
            && let Some(entry) = self.entries.last_mut()
        {
            match style {
                ScalarStyle::Literal | ScalarStyle::Folded => entry.is_block = true,
                _ => entry.scalar_at = Some(span),
            }
        }
        self.value(value)
    }

    fn value(&mut self, value: Value) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Open::List(values)) => values.push(value),
            Some(Open::Map(values, name)) => {
                let name = name.take().ok_or("a name in it is a list or a map")?;
                values.insert(name, value);
            }
            None => {
                let entry = self.entries.last_mut().ok_or("it is no map")?;
                entry.value = value;
            }
        }
        Ok(())
    }

    /// A map, or what a map with one reserved name stands for ([`dxos_base::json`]).
    fn map(&self, values: BTreeMap<String, Value>) -> Value {
        if let Some((name, value)) = values.first_key_value()
            && values.len() == 1
            && name.starts_with("~@")
        {
            let inner = value_to_json(value, self.space);
            let json = Json::Object(serde_json::Map::from_iter([(name[1..].to_owned(), inner)]));
            match value_from_json(&json, self.space) {
                Ok(Value::Map(_) | Value::Text(_)) | Err(_) => {}
                Ok(value) => return value,
            }
        }
        Value::Map(values)
    }
}

/// Stands in an entry whose value has not come yet.
const PENDING: dxos_base::TextId = dxos_base::TextId([0xff; 16]);

fn checked_name(text: &str) -> Result<String, String> {
    let name = stored_name(text);
    match name.len() < limits::NAME_BYTES_MAX {
        true => Ok(name),
        false => Err(format!("the name {} is too long", short(text))),
    }
}

/// A name of front matter as a name of a map here: `~` stands before what cannot be one.
pub(super) fn stored_name(name: &str) -> String {
    match name.is_empty() || name.starts_with(['@', '~']) {
        true => format!("~{name}"),
        false => name.to_owned(),
    }
}

/// The other way round.
pub(super) fn shown_name(name: &str) -> &str {
    name.strip_prefix('~').unwrap_or(name)
}

fn short(text: &str) -> String {
    text.chars().take(32).collect()
}

/// What a plain scalar stands for (core schema of YAML 1.2). Numbers that would not be written the same again by any
/// program (`007`, `+1`, what 64 bits do not hold) stay strings.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::float(f64::NAN),
        ".inf" | ".Inf" | ".INF" => return Value::float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::float(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let leading_zero =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !is_number || leading_zero {
        return Value::from(text);
    }
    if digits.bytes().all(|c| c.is_ascii_digit()) {
        return text.parse().map_or_else(|_| Value::from(text), Value::Int);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::float(number),
        _ => Value::from(text),
    }
}

/// How a value is written, where there is a choice. The numbers stand in stored data: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Strings plain where that is safe, lists and maps in lines of their own, indented.
    Usual = 0,
    /// Strings in single quotes.
    Single = 1,
    /// Strings in double quotes.
    Double = 2,
    /// Lists in lines of their own, not indented.
    Flush = 3,
    /// Lists and maps in brackets.
    Flow = 4,
}

impl Style {
    pub(super) const ALL: [Style; 5] = [
        Style::Usual,
        Style::Single,
        Style::Double,
        Style::Flush,
        Style::Flow,
    ];

    pub(super) fn of(number: u8) -> Style {
        *Style::ALL.get(usize::from(number)).unwrap_or(&Style::Usual)
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Style::Usual => true,
            Style::Single | Style::Double => {
                matches!(value, Value::String(_) | Value::List(_) | Value::Map(_))
            }
            Style::Flush => matches!(value, Value::List(_)),
            Style::Flow => matches!(value, Value::List(_) | Value::Map(_)),
        }
    }

    pub(super) fn fitting(value: &Value) -> impl Iterator<Item = Style> + '_ {
        Style::ALL.into_iter().filter(|style| style.fits(value))
    }
}

/// What stands behind `name:` for a value, without the end of the line.
pub(super) fn write(value: &Value, style: Style, space: SpaceId) -> String {
    let mut out = String::new();
    Writer { style, space }.behind_name(value, 0, &mut out);
    out
}

/// A name as it is written before `:`.
pub(super) fn write_name(name: &str) -> String {
    let mut out = String::new();
    let style = Style::Usual;
    Writer {
        style,
        space: SpaceId([0; 20]),
    }
    .string(name, true, &mut out);
    out
}

struct Writer {
    style: Style,
    space: SpaceId,
}

impl Writer {
    fn behind_name(&self, value: &Value, indent: usize, out: &mut String) {
        match value {
            Value::Null => {}
            Value::List(values) if self.style != Style::Flow && !values.is_empty() => {
                let indent = match self.style {
                    Style::Flush => indent,
                    _ => indent + 2,
                };
                self.list(values, indent, out);
            }
            Value::Map(values) if self.style != Style::Flow && !values.is_empty() => {
                self.map(values, indent + 2, out);
            }
            Value::String(text)
                if text.contains('\n') && self.style == Style::Usual && is_literal(text) =>
            {
                let body = text.strip_suffix('\n');
                out.push_str(if body.is_some() { " |" } else { " |-" });
                for line in body.unwrap_or(text).split('\n') {
                    out.push('\n');
                    if !line.is_empty() {
                        pad(indent + 2, out);
                        out.push_str(line);
                    }
                }
            }
            other => {
                out.push(' ');
                self.inline(other, out);
            }
        }
    }

    fn list(&self, values: &[Value], indent: usize, out: &mut String) {
        for value in values {
            out.push('\n');
            pad(indent, out);
            out.push('-');
            match value {
                Value::List(values) if !values.is_empty() => self.list(values, indent + 2, out),
                Value::Map(values) if !values.is_empty() => {
                    let mut inner = String::new();
                    self.map(values, indent + 2, &mut inner);
                    // The first field stands behind the dash.
                    out.push(' ');
                    out.push_str(inner.trim_start());
                }
                other => {
                    out.push(' ');
                    self.inline(other, out);
                }
            }
        }
    }

    fn map(&self, values: &BTreeMap<String, Value>, indent: usize, out: &mut String) {
        for (name, value) in values {
            out.push('\n');
            pad(indent, out);
            self.string(shown_name(name), true, out);
            out.push(':');
            self.behind_name(value, indent, out);
        }
    }

    /// On one line, also within brackets.
    fn inline(&self, value: &Value, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::Float(number) => out.push_str(&float(*number)),
            Value::String(text) => self.string(text, false, out),
            Value::List(values) => {
                out.push('[');
                for (number, value) in values.iter().enumerate() {
                    if number > 0 {
                        out.push_str(", ");
                    }
                    self.inline(value, out);
                }
                out.push(']');
            }
            Value::Map(values) => {
                out.push('{');
                for (number, (name, value)) in values.iter().enumerate() {
                    if number > 0 {
                        out.push_str(", ");
                    }
                    self.string(shown_name(name), true, out);
                    out.push_str(": ");
                    self.inline(value, out);
                }
                out.push('}');
            }
            other => self.json(&value_to_json(other, self.space), out),
        }
    }

    /// Kinds that YAML has no word for: as their JSON form, which is YAML too.
    fn json(&self, json: &Json, out: &mut String) {
        out.push_str(&json.to_string());
    }

    fn string(&self, text: &str, is_name: bool, out: &mut String) {
        let printable = text.chars().all(is_printable);
        match self.style {
            Style::Single if printable && !is_name => {
                out.push('\'');
                out.push_str(&text.replace('\'', "''"));
                out.push('\'');
            }
            Style::Double if !is_name => quoted(text, out),
            _ if is_plain(text) => out.push_str(text),
            _ => quoted(text, out),
        }
    }
}

fn pad(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// A float so that it is read as one again.
fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let text = format!("{number:?}");
    // Rust writes 1e20; YAML wants a digit behind a point or a whole number before the e, and takes it.
    text
}

fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Whether a string can stand without quotes, anywhere, and is read as that string by all readers.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let looks_numeric = text
        .trim_start_matches(['+', '-', '.'])
        .starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_' | 'x' | 'o' | ':' | 'a'..='d' | 'f' | 'A'..='D' | 'F'))
        // A date is read as a string, or as that date, by everybody.
        && !is_date(text);
    let is_word_of_old = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "=" | "<<"
    );
    text.chars().all(is_printable)
        && matches!(resolve(text), Value::String(_))
        && !looks_numeric
        && !is_word_of_old
        && !first.is_whitespace()
        && !text.ends_with(char::is_whitespace)
        && !"-?:,[]{}#&*!|>'\"%@`".contains(first)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.contains([',', '[', ']', '{', '}'])
        && text != "..."
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a string of several lines can be a literal block.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    !body.is_empty()
        && !body.ends_with('\n')
        && !body.starts_with(['\n', ' ', '\t'])
        && body
            .chars()
            .all(|letter| letter == '\n' || is_printable(letter))
        && body
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty())
        && !body.split('\n').any(|line| line.starts_with('\t'))
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if is_printable(other) => out.push(other),
            other if (other as u32) < 0x100 => out.push_str(&format!("\\x{:02X}", other as u32)),
            other if (other as u32) < 0x10000 => out.push_str(&format!("\\u{:04X}", other as u32)),
            other => out.push_str(&format!("\\U{:08X}", other as u32)),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use dxos_base::fuzz::SplitMix64;

    use super::*;

    const SPACE: SpaceId = SpaceId([1; 20]);

    fn value(random: &mut SplitMix64, depth: usize) -> Value {
        let words = [
            "",
            "a",
            "yes",
            "null",
            "007",
            "1.5",
            "2024-01-01",
            "a: b",
            "# x",
            "x #y",
            "- a",
            "é🎯",
            "it's",
            "\"q\"",
            "two\nlines",
            "two\nlines\n",
            " lead",
            "trail ",
            "tab\there",
            "\u{7f}",
            "[x]",
            "{x}",
            "a, b",
            "@me",
            "~",
            "%a",
            "line\n\n  indented\nend",
            "|",
            "---",
            "...",
            "a:",
            ":a",
            "?",
            "1e5",
            "0x1F",
            "12:30",
            "\n",
            "\u{2028}",
            "<<",
        ];
        match random.below(if depth > 3 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(random.chance(50)),
            2 => Value::Int(random.number() as i64 >> random.below(60)),
            3 => Value::float(f64::from(random.number() as i32) / 8.0),
            4 | 5 => Value::from(random.one(&words)),
            6 => Value::List(
                (0..random.below(4))
                    .map(|_| value(random, depth + 1))
                    .collect(),
            ),
            _ => Value::Map(
                (0..random.below(4))
                    .map(|_| (stored_name(random.one(&words)), value(random, depth + 1)))
                    .collect(),
            ),
        }
    }

    #[test]
    fn what_is_written_is_read_back_in_every_style() {
        let mut random = SplitMix64::new(7);
        for _ in 0..3_000 {
            let value = value(&mut random, 0);
            for style in Style::fitting(&value) {
                let text = format!(
                    "{}:{}\nafter: 1\n",
                    write_name("na: me"),
                    write(&value, style, SPACE)
                );
                let entries = parse(&text, SPACE).unwrap_or_else(|error| panic!("{error}\n{text}"));
                assert_eq!(entries.len(), 2, "{text}");
                assert_eq!(entries[0].value, value, "{style:?}\n{text}");
                assert_eq!(entries[0].key, "na: me");
            }
        }
    }

    #[test]
    fn kinds_yaml_does_not_know_are_written_as_their_json() {
        for value in [
            Value::Timestamp(5),
            Value::Bytes(vec![1, 2]),
            Value::Counter(-3),
            Value::Int(i64::MAX),
        ] {
            let text = format!("a:{}\n", write(&value, Style::Usual, SPACE));
            assert_eq!(parse(&text, SPACE).unwrap()[0].value, value, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_map_is_refused() {
        for (text, words) in [
            ("a: 1\na: 2\n", "twice"),
            ("a: {b: 1, b: 2}\n", "twice"),
            ("a: &x 1\nb: *x\n", "anchor"),
            ("a: !!str 1\n", "tags"),
            ("- a\n- b\n", "no map"),
            ("just words\n", "no map"),
            ("a: [\n", ""),
            ("a: \"x\n", ""),
            ("a: 1\n---\nb: 2\n", "more than one"),
            ("? [a]\n: 1\n", "a name in it"),
            (&format!("a: {}\n", "[".repeat(5_000)), ""),
            (&format!("{}: 1\n", "n".repeat(300)), "too long"),
        ] {
            let error = parse(text, SPACE).unwrap_err();
            assert!(
                error.contains(words),
                "{error} of {}",
                &text[..text.len().min(40)]
            );
        }
        assert_eq!(parse("# only a comment\n", SPACE).unwrap(), vec![]);
    }
}
