//! Versions of types and ranges of them, as in semver; pre-releases and build names are not kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeVersion(pub u32, pub u32, pub u32);

impl TypeVersion {
    /// The version of a `@type` such as `org.example.Task@0.2.0`; missing parts are 0. `None` if it names none.
    pub fn of_type(type_name: &str) -> Option<TypeVersion> {
        let (_, version) = type_name.split_once('@')?;
        Some(parts(version)?.0)
    }
}

impl fmt::Display for TypeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Versions from one on, and below another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct VersionRange {
    /// The least one.
    pub from: Option<TypeVersion>,
    /// The least one above.
    pub below: Option<TypeVersion>,
}

/// A text that is no version range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a range of versions, such as ^1.2, ~1.2.3, 1.2.3, >=1.0.0 <2.0.0 or *")]
pub struct VersionRangeError(String);

impl VersionRange {
    /// Exactly one version.
    pub fn exact(version: TypeVersion) -> VersionRange {
        VersionRange {
            from: Some(version),
            below: Some(after(version)),
        }
    }

    /// Whether a version is in the range.
    pub fn contains(&self, version: TypeVersion) -> bool {
        self.from.is_none_or(|from| version >= from)
            && self.below.is_none_or(|below| version < below)
    }

    fn and(self, other: VersionRange) -> VersionRange {
        VersionRange {
            from: self.from.max(other.from),
            below: match (self.below, other.below) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

fn after(TypeVersion(major, minor, patch): TypeVersion) -> TypeVersion {
    TypeVersion(major, minor, patch.saturating_add(1))
}

/// A version of up to three parts, and how many were given.
fn parts(text: &str) -> Option<(TypeVersion, usize)> {
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    let mut found = [0u32; 3];
    let mut count = 0;
    for part in plain.split('.') {
        *found.get_mut(count)? = part.parse().ok()?;
        count += 1;
    }
    Some((TypeVersion(found[0], found[1], found[2]), count))
}

/// The first version that differs in the part at `place`, counted from the major one.
fn next_at(TypeVersion(major, minor, _): TypeVersion, place: usize) -> TypeVersion {
    match place {
        0 => TypeVersion(major.saturating_add(1), 0, 0),
        _ => TypeVersion(major, minor.saturating_add(1), 0),
    }
}

fn one(text: &str) -> Option<VersionRange> {
    let range = |from, below| Some(VersionRange { from, below });
    if text == "*" {
        return range(None, None);
    }
    let at = text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len());
    let (operator, version) = text.split_at(at);
    let (version, count) = parts(version)?;
    let TypeVersion(major, minor, _) = version;
    match operator {
        // What may change without breaking, as semver has it: the first part that is not 0 stands.
        "^" => {
            let below = match (major, minor, count) {
                (1.., _, _) | (_, _, 1) => next_at(version, 0),
                (0, 1.., _) | (_, _, 2) => next_at(version, 1),
                _ => after(version),
            };
            range(Some(version), Some(below))
        }
        "~" => range(
            Some(version),
            Some(next_at(version, usize::from(count > 1))),
        ),
        "" | "=" => match count {
            3 => Some(VersionRange::exact(version)),
            _ => range(Some(version), Some(next_at(version, count - 1))),
        },
        ">=" => range(Some(version), None),
        ">" => range(Some(after(version)), None),
        "<" => range(None, Some(version)),
        "<=" => range(None, Some(after(version))),
        _ => None,
    }
}

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    /// Comparators parted by spaces or commas; all must hold.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || VersionRangeError(text.chars().take(64).collect());
        let mut words = text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .peekable();
        words.peek().ok_or_else(wrong)?;
        words.try_fold(VersionRange::default(), |range, word| {
            Ok(range.and(one(word).ok_or_else(wrong)?))
        })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.below) {
            (None, None) => f.write_str("*"),
            (Some(from), Some(below)) if below == after(from) => write!(f, "={from}"),
            (Some(from), Some(below)) => write!(f, ">={from} <{below}"),
            (Some(from), None) => write!(f, ">={from}"),
            (None, Some(below)) => write!(f, "<{below}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_semver() {
        let check = |range: &str, inside: &[&str], outside: &[&str]| {
            let parsed: VersionRange = range.parse().unwrap();
            let again: VersionRange = parsed.to_string().parse().unwrap();
            assert_eq!(parsed, again, "{range}");
            let of = |v: &&str| TypeVersion::of_type(&format!("t@{v}")).unwrap();
            for version in inside {
                assert!(parsed.contains(of(version)), "{version} in {range}");
            }
            for version in outside {
                assert!(!parsed.contains(of(version)), "{version} not in {range}");
            }
        };
        check("^1.2", &["1.2.0", "1.9.9"], &["1.1.9", "2.0.0"]);
        check("^0.2.1", &["0.2.1", "0.2.9"], &["0.2.0", "0.3.0"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.2"]);
        check("^0.0", &["0.0.9"], &["0.1.0"]);
        check("^0", &["0.9.0"], &["1"]);
        check("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]);
        check("~1", &["1.9.0"], &["2"]);
        check("1.2.3", &["1.2.3"], &["1.2.4"]);
        check("1.2", &["1.2.4"], &["1.3.0"]);
        check("1", &["1.9.4"], &["2.0.0", "0.9"]);
        check(">=1 <2", &["1", "1.99.0"], &["2", "0.1"]);
        check(">1.0.0, <=1.2.0", &["1.0.1", "1.2.0"], &["1.0.0", "1.2.1"]);
        check("*", &["0", "4294967295"], &[]);
        for wrong in ["", "  ", "a", "^", "1.2.3.4", "1..2", "=>1", "99999999999"] {
            assert!(wrong.parse::<VersionRange>().is_err(), "{wrong}");
        }
        assert_eq!(TypeVersion::of_type("t"), None);
        assert_eq!(TypeVersion::of_type("t@x"), None);
        assert_eq!(
            TypeVersion::of_type("t@1.2-rc.1"),
            Some(TypeVersion(1, 2, 0))
        );
    }
}
