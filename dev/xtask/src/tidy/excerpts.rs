//! Code in documents that stands in a file which is compiled and tested: a block after `<!-- excerpt: PATH -->` is a part of
//! that file, line by line; a line `…` leaves lines out.

use std::{fs, path::Path};

use anyhow::{Context, Result};

const MARK: &str = "<!-- excerpt: ";
const LEFT_OUT: &str = "…";

/// Faults of README.md and of all documents in `docs/`.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut documents = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).context("read docs")? {
        documents.push(entry?.path());
    }
    let mut faults = Vec::new();
    for document in documents
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(document)?;
        let name = document.strip_prefix(root).unwrap_or(document).display();
        for (path, block) in excerpts(&text) {
            let fault = match fs::read_to_string(root.join(&path)) {
                Err(_) => Some("which does not exist".to_owned()),
                Ok(source) => {
                    missing(&block, &source).map(|line| format!("which has no `{line}` there"))
                }
            };
            faults.extend(fault.map(|fault| format!("{name}: an excerpt of {path}, {fault}")));
        }
    }
    Ok(faults)
}

/// Blocks that follow a mark, with the file they are of.
fn excerpts(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(MARK) {
        let Some((path, after)) = after.split_once(" -->") else {
            break;
        };
        let block = after
            .split_once("```")
            .and_then(|(_, code)| code.split_once('\n'));
        let block = block.and_then(|(_, code)| code.split_once("```"));
        let Some((block, after)) = block else {
            found.push((path.to_owned(), String::new()));
            break;
        };
        found.push((path.to_owned(), block.to_owned()));
        rest = after;
    }
    found
}

/// The first line of a block that does not follow in the source.
fn missing(block: &str, source: &str) -> Option<String> {
    let wanted: Vec<&str> = block.lines().map(str::trim).collect();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut at = 0;
    let is_empty = wanted.iter().all(|line| line.is_empty());
    for part in wanted.split(|line| *line == LEFT_OUT) {
        let part: Vec<&str> = part
            .iter()
            .copied()
            .skip_while(|line| line.is_empty())
            .collect();
        let end = part
            .iter()
            .rposition(|line| !line.is_empty())
            .map_or(0, |last| last + 1);
        let part = &part[..end];
        let place = lines[at..]
            .windows(part.len().max(1))
            .position(|window| part.is_empty() || window == part);
        match place {
            Some(place) => at += place + part.len(),
            None => {
                let known = part.iter().find(|line| !lines[at..].contains(line));
                return Some((*known.unwrap_or(&part[0])).to_owned());
            }
        }
    }
    is_empty.then(|| "(an empty block)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn a() {\n    one();\n    two();\n}\n\nfn b() {}\n";

    #[test]
    fn excerpts_are_parts_of_their_files() {
        for good in [
            "fn a() {\n    one();\n",
            "one();\ntwo();",
            "fn a() {\n…\n}\n\nfn b() {}",
            "fn b() {}",
        ] {
            assert_eq!(missing(good, SOURCE), None, "{good}");
        }
        assert_eq!(missing("one();\nthree();", SOURCE), Some("three();".into()));
        assert_eq!(missing("two();\none();", SOURCE), Some("two();".into()));
        assert_eq!(
            missing("fn b() {}\n…\none();", SOURCE),
            Some("one();".into())
        );
        assert!(missing("\n", SOURCE).is_some());
    }

    #[test]
    fn marks_and_blocks_are_found() {
        let text = "a\n<!-- excerpt: x/y.rs -->\n```rust\nfn a() {\n```\nb\n<!-- excerpt: z.rs -->\n```\nq\n```";
        let found = excerpts(text);
        assert_eq!(
            found,
            [
                ("x/y.rs".into(), "fn a() {\n".into()),
                ("z.rs".into(), "q\n".into())
            ]
        );
    }
}
