//! Full text of an object and its words.
//!
//! A word is a run of letters and digits, without case, and without the marks of Latin letters. Stores find words
//! by an index of their own; where that splits exotic scripts otherwise, the store's answer counts for the condition
//! that drives the search, this one for all others.

use std::collections::BTreeMap;

use crate::object::ObjectView;
use crate::query::TextMode;
use crate::value::Value;

/// Strings of an object beyond this are not found by full text.
pub const FULL_TEXT_BYTES_MAX: usize = 64 * 1024;

/// All strings of a shown object, in order of property names, one a line.
pub fn full_text(view: &ObjectView) -> String {
    match view.shown {
        true => full_text_of(&view.values),
        false => String::new(),
    }
}

/// All strings of an object's values, as [`full_text`] gives them.
pub fn full_text_of(values: &BTreeMap<String, Value>) -> String {
    fn collect(value: &Value, out: &mut String) {
        match value {
            Value::String(text) if out.len() + text.len() <= FULL_TEXT_BYTES_MAX => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(text);
            }
            Value::List(values) => values.iter().for_each(|value| collect(value, out)),
            Value::Map(values) => values.values().for_each(|value| collect(value, out)),
            _ => {}
        }
    }
    let mut out = String::new();
    values.values().for_each(|value| collect(value, &mut out));
    out
}

/// The words of a text.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.chars()
                .flat_map(char::to_lowercase)
                .map(plain)
                .collect()
        })
}

/// Whether a text has the words asked for. A search without any word finds nothing.
pub fn has_words(text: &str, asked: &str, mode: TextMode) -> bool {
    let asked: Vec<String> = words(asked).take(WORDS_MAX).collect();
    let Some((last, first)) = asked.split_last() else {
        return false;
    };
    let held: std::collections::BTreeSet<String> = words(text).collect();
    match mode {
        TextMode::All => asked.iter().all(|word| held.contains(word)),
        TextMode::Any => asked.iter().any(|word| held.contains(word)),
        TextMode::Prefix => {
            first.iter().all(|word| held.contains(word))
                && held
                    .range(last.clone()..)
                    .next()
                    .is_some_and(|word| word.starts_with(last.as_str()))
        }
    }
}

/// Words looked at: more do not make a result better, and they come from a person.
const WORDS_MAX: usize = 16;

/// A lower-case letter without its mark.
fn plain(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_no_case_marks_or_signs() {
        let found: Vec<String> = words("Café—CRÈME, 2 µm (a_b)").collect();
        assert_eq!(found, ["cafe", "creme", "2", "µm", "a", "b"]);
    }

    #[test]
    fn modes_of_search() {
        let check = |asked: &str, mode, found: bool| {
            assert_eq!(
                has_words("Buy milk and bread", asked, mode),
                found,
                "{asked}"
            );
        };
        check("MILK buy", TextMode::All, true);
        check("mil buy", TextMode::All, false);
        check("buy mil", TextMode::Prefix, true);
        check("mil buy", TextMode::Prefix, false);
        check("wine bread", TextMode::Any, true);
        check("wine beer", TextMode::Any, false);
        for mode in [TextMode::All, TextMode::Prefix, TextMode::Any] {
            check(" \"* ", mode, false);
        }
    }
}
