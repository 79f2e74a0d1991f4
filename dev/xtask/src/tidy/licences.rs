//! Licences and sources of everything that is linked: permissive ones only, from crates.io only.

use serde_json::Value;

/// Licences that ask for no more than to be named. MPL-2.0 covers single files and stays in them.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Zlib",
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        match package["source"].as_str() {
            None | Some(CRATES_IO) => {}
            Some(source) => faults.push(format!("{name}: comes from {source}")),
        }
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => faults.push(format!("{name}: licence {licence}")),
            None => faults.push(format!("{name}: names no licence")),
        }
    }
    faults
}

/// Whether one alternative of an SPDX expression needs allowed licences only. Parentheses are taken as
/// grouping of alternatives, the only way they are used in practice.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    let every_part = |alternative: &str| {
        alternative
            .split(" AND ")
            .all(|licence| ALLOWED.contains(&licence.trim()) || licence.trim() == "Unlicense")
    };
    // "A AND (B OR C)" loses its grouping above: then each licence in it must be allowed by itself.
    if expression.contains(" AND ") && expression.contains('(') {
        return plain
            .split(" AND ")
            .all(|part| part.split(" OR ").any(&every_part));
    }
    plain.split(" OR ").any(every_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_and_conjunctions_are_read() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
