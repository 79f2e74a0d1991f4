//! Fuzz bodies and fuzz targets belong together: each body of a crate has its target, and each target its body.

use std::collections::BTreeSet;
use std::{fs, path::Path};

use anyhow::{Context, Result};

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut bodies = BTreeSet::new();
    for name in names(&root.join("crates"))? {
        let source = root.join("crates").join(&name).join("src/fuzz.rs");
        if source.exists() {
            let text = fs::read_to_string(&source)
                .with_context(|| format!("read {}", source.display()))?;
            bodies.extend(bodies_of(&name, &text));
        }
    }
    let folder = root.join("fuzz");
    let targets = names(&folder.join("fuzz_targets"))?
        .iter()
        .filter_map(|file| file.strip_suffix(".rs").map(str::to_owned))
        .collect();
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).context("read fuzz/Cargo.toml")?;
    Ok(compare(&bodies, &targets, &manifest))
}

/// File names in a folder.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Names that the targets of a crate's bodies must have.
fn bodies_of(name: &str, text: &str) -> Vec<String> {
    let short = name.strip_prefix("dxos-").unwrap_or(name);
    text.lines()
        .filter_map(|line| {
            let body = line
                .strip_prefix("pub fn ")?
                .strip_suffix("(bytes: &[u8]) {")?;
            Some(format!("{short}_{body}"))
        })
        .collect()
}

fn compare(bodies: &BTreeSet<String>, targets: &BTreeSet<String>, manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for body in bodies.difference(targets) {
        faults.push(format!("fuzz: no target {body} for the body of this name"));
    }
    for target in targets.difference(bodies) {
        faults.push(format!("fuzz: target {target} has no body in its crate"));
    }
    for target in targets {
        if !manifest.contains(&format!("name = \"{target}\"")) {
            faults.push(format!("fuzz: Cargo.toml does not name target {target}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_target_and_a_target_without_body_are_faults() {
        let source =
            "pub fn frame(bytes: &[u8]) {\nfn helper(bytes: &[u8]) {\npub fn seeded(n: usize) {\n";
        let bodies: BTreeSet<String> = bodies_of("dxos-mesh", source).into_iter().collect();
        assert_eq!(bodies, BTreeSet::from(["mesh_frame".to_owned()]));
        let targets = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (names, manifest, faults) in [
            (&["mesh_frame"][..], "name = \"mesh_frame\"", 0),
            (&["mesh_frame"], "", 1),
            (&[], "", 1),
            (
                &["mesh_frame", "mesh_old"],
                "name = \"mesh_frame\" name = \"mesh_old\"",
                1,
            ),
        ] {
            let found = compare(&bodies, &targets(names), manifest);
            assert_eq!(found.len(), faults, "{found:?}");
        }
    }
}
