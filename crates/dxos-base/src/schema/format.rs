//! Values written in a known way, and whether a string is written so.
//!
//! The checks are syntactic and small (no pattern engine): they refuse what is surely wrong and cost no download.

use serde::{Deserialize, Serialize};

use super::FieldType;

/// A known way to write a value. Each has exactly one kind of value, so an e-mail address that is a number cannot be
/// described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// `ada@example.org`.
    Email,
    /// `www.example.org`.
    Hostname,
    /// An absolute URL with a scheme.
    Url,
    /// A regular expression.
    Regex,
    /// `123e4567-e89b-12d3-a456-426614174000`.
    Uuid,
    /// An expression over other fields, kept as text.
    Formula,
    /// An ISO 8601 date, `2026-11-25`.
    Date,
    /// A time of day, `09:30:00`, with or without seconds, fraction and offset.
    Time,
    /// Date and time with offset, `2026-11-25T09:30:00Z`.
    DateTime,
    /// An ISO 8601 duration, `P1DT2H`.
    Duration,
    /// A number of money, in an ISO 4217 currency if given.
    Currency(Option<String>),
    /// A number; 1 is 100 %.
    Percent,
    /// Longitude and latitude in degrees: a list of two numbers.
    GeoPoint,
}

impl Format {
    /// What values are stored as.
    pub fn base(&self) -> FieldType {
        match self {
            Format::Currency(_) | Format::Percent => FieldType::Float,
            Format::GeoPoint => FieldType::list(FieldType::Float),
            _ => FieldType::String,
        }
    }

    /// What a value is, in words, as in "expected …".
    pub fn words(&self) -> &'static str {
        match self {
            Format::Email => "an e-mail address",
            Format::Hostname => "a host name",
            Format::Url => "a URL",
            Format::Regex => "a regular expression",
            Format::Uuid => "a UUID",
            Format::Formula => "a formula",
            Format::Date => "a date such as 2026-11-25",
            Format::Time => "a time such as 09:30:00",
            Format::DateTime => "a date and time such as 2026-11-25T09:30:00Z",
            Format::Duration => "a duration such as P1DT2H",
            Format::Currency(_) => "an amount of money",
            Format::Percent => "a share (1 is 100 %)",
            Format::GeoPoint => "a longitude and a latitude",
        }
    }

    /// The keyword's value in JSON Schema; standard names where there are some.
    pub fn keyword(&self) -> &'static str {
        match self {
            Format::Email => "email",
            Format::Hostname => "hostname",
            Format::Url => "uri",
            Format::Regex => "regex",
            Format::Uuid => "uuid",
            Format::Formula => "formula",
            Format::Date => "date",
            Format::Time => "time",
            Format::DateTime => "date-time",
            Format::Duration => "duration",
            Format::Currency(_) => "currency",
            Format::Percent => "percent",
            Format::GeoPoint => "lnglat",
        }
    }

    /// The format of a keyword; a currency without its code.
    pub fn of_keyword(keyword: &str) -> Option<Format> {
        let all = [
            Format::Email,
            Format::Hostname,
            Format::Url,
            Format::Regex,
            Format::Uuid,
            Format::Formula,
            Format::Date,
            Format::Time,
            Format::DateTime,
            Format::Duration,
            Format::Currency(None),
            Format::Percent,
            Format::GeoPoint,
        ];
        all.into_iter().find(|format| format.keyword() == keyword)
    }

    /// Whether a string is written so; true for formats that are no strings.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Format::Email => text.rsplit_once('@').is_some_and(|(local, host)| {
                let odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
                !local.is_empty() && local.len() <= 64 && !local.contains(odd) && is_hostname(host)
            }),
            Format::Hostname => is_hostname(text),
            Format::Url => is_url(text),
            Format::Regex => is_regex(text),
            Format::Uuid => is_uuid(text),
            Format::Date => is_date(text),
            Format::Time => is_time(text, true),
            Format::DateTime => text
                .split_once(['T', 't', ' '])
                .is_some_and(|(date, time)| {
                    is_date(date) && is_time(time, true) && !is_time(time, false)
                }),
            Format::Duration => is_duration(text),
            Format::Formula | Format::Currency(_) | Format::Percent | Format::GeoPoint => true,
        }
    }
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_url(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.contains(odd)
            && !rest.trim_start_matches('/').is_empty()
    })
}

/// Brackets and groups close, and no escape or repetition hangs in the air.
fn is_regex(text: &str) -> bool {
    let (mut groups, mut in_class, mut repeatable) = (0usize, false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                if chars.next().is_none() {
                    return false;
                }
                repeatable = true;
            }
            ']' if in_class => (in_class, repeatable) = (false, true),
            _ if in_class => {}
            '[' => in_class = true,
            '(' => {
                groups += 1;
                repeatable = false;
                if chars.as_str().starts_with('?') {
                    chars.next();
                }
            }
            ')' => {
                let Some(fewer) = groups.checked_sub(1) else {
                    return false;
                };
                (groups, repeatable) = (fewer, true);
            }
            '|' | '^' => repeatable = false,
            '*' | '+' | '?' if !repeatable => return false,
            _ => repeatable = true,
        }
    }
    groups == 0 && !in_class
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if [8, 13, 18, 23].contains(&at) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

/// A number of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part = |digits| parts.next().and_then(|text| number(text, digits));
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `HH:MM[:SS[.fraction]]`, followed by `Z` or an offset where `offset` allows it.
fn is_time(text: &str, offset: bool) -> bool {
    let mut clock = text;
    if offset {
        if let Some(utc) = text.strip_suffix(['Z', 'z']) {
            clock = utc;
        } else if let Some(at) = text.rfind(['+', '-']) {
            if !is_time(&text[at + 1..], false) || text[at + 1..].len() != 5 {
                return false;
            }
            clock = &text[..at];
        }
    }
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let parts: Option<Vec<u32>> = clock.split(':').map(|part| number(part, 2)).collect();
    match parts.as_deref() {
        Some([hour, minute]) => *hour < 24 && *minute < 60 && fraction == "0",
        // 60: a leap second.
        Some([hour, minute, second]) => *hour < 24 && *minute < 60 && *second <= 60,
        _ => false,
    }
}

fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    // Units in their order, each at most once, each after a number.
    let in_order = |text: &str, units: &str| {
        let (mut units, mut digits) = (units.chars(), 0);
        for c in text.chars() {
            if c.is_ascii_digit() || (c == '.' && digits > 0) {
                digits += 1;
            } else if digits == 0 || !units.any(|unit| unit == c) {
                return false;
            } else {
                digits = 0;
            }
        }
        digits == 0
    };
    in_order(days, "YMWD")
        && time.is_none_or(|time| !time.is_empty() && in_order(time, "HMS"))
        && !(days.is_empty() && time.is_none())
}
