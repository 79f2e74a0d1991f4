//! Rules about single Rust files, and the one place where an app names its plugins.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The wall of STYLE 7; tests are not counted.
const LINES_MAX: usize = 1_000;
/// Folders with code of ours.
const FOLDERS: [&str; 7] = [
    "crates", "plugins", "apps", "bindings", "dev", "examples", "fuzz",
];

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut naming_plugins = Vec::new();
    for folder in FOLDERS {
        for path in rust_files(&root.join(folder))? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let shown = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            faults.extend(check_file(&shown, &text));
            if shown.starts_with("apps/composer/src") && text.contains("dxos_plugin_") {
                naming_plugins.push(shown);
            }
        }
    }
    if naming_plugins.len() > 1 {
        let named = naming_plugins.join(", ");
        faults.push(format!(
            "apps/composer: plugin crates are named in more than one file: {named}"
        ));
    }
    Ok(faults)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let skipped = ["node_modules", "target"]
            .iter()
            .any(|name| folder.ends_with(name));
        if skipped || !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "rs")
            {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Faults of one file, by its path from the root.
fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!("{path}: does not begin with //!"));
    }
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    let lines = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .count();
    if !is_test && lines > LINES_MAX {
        faults.push(format!("{path}: {lines} lines, over {LINES_MAX}"));
    }
    // Split, so that this file does not accuse itself.
    let unfinished = [
        concat!("#[", "ignore"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
    ];
    for (number, line) in text.lines().enumerate() {
        for mark in unfinished {
            if line.contains(mark) {
                faults.push(format!("{path}:{}: {mark}", number + 1));
            }
        }
        if is_test && line.contains(concat!("thread::", "sleep")) {
            faults.push(format!(
                "{path}:{}: a sleep is no synchronisation",
                number + 1
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_fault() {
        let long = format!("//! Long.\n{}", "x\n".repeat(LINES_MAX));
        let tested = format!("//! Fine.\n#[cfg(test)]\n{}", "x\n".repeat(LINES_MAX));
        let todo = format!("//! Stub.\n{}", concat!("todo", "!()"));
        for (path, text, faults) in [
            ("a/src/x.rs", "//! Fine.\n", 0),
            ("a/src/x.rs", "fn x() {}\n", 1),
            ("a/src/x.rs", long.as_str(), 1),
            ("a/src/x.rs", tested.as_str(), 0),
            ("a/src/x/tests.rs", long.as_str(), 0),
            ("a/src/x.rs", todo.as_str(), 1),
        ] {
            assert_eq!(check_file(path, text).len(), faults, "{path}");
        }
    }
}
