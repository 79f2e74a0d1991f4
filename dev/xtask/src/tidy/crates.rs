//! Rules about crates, from `cargo metadata`: layers, forbidden dependencies, what an app's WASM links.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Height of each crate; a crate imports only what stands strictly lower. The layers are those of DESIGN 3;
/// the steps between them keep siblings apart. `dxos-services` is types and codec only and stands below the
/// node, which answers in its words.
const HEIGHTS: [(&str, u32); 22] = [
    ("dxos-base", 0),
    // Writes code for others and imports nothing of ours.
    ("dxos-macros", 5),
    ("dxos-halo", 10),
    ("dxos-echo", 10),
    ("dxos-mesh", 10),
    ("dxos-services", 15),
    ("dxos-node", 20),
    ("dxos-store", 30),
    ("dxos-text", 30),
    ("dxos-net", 30),
    ("dxos-worker", 40),
    ("dxos-client", 50),
    ("dxos-edge", 50),
    ("dxos-exchange", 55),
    ("dxos-app", 60),
    ("dxos-ui", 60),
    ("dxos-shell", 62),
    ("dxos-surface", 64),
    ("web-build", 70),
    ("dxos-sim", 90),
    ("dxos-bench", 95),
    ("xtask", 95),
];
const PLUGIN: u32 = 70;
const APP: u32 = 80;
/// Crates below this height take time, randomness and bytes as arguments.
const CORE: u32 = 30;
/// The first height that may draw.
const DRAWING: u32 = 60;

/// What a core must not be able to name: clocks, sockets, threads of an executor, global randomness, the DOM.
const NOT_IN_CORES: [&str; 9] = [
    "tokio",
    "getrandom",
    "rand",
    "web-sys",
    "js-sys",
    "wasm-bindgen",
    "rusqlite",
    "loro",
    "futures-util",
];
/// Each of these belongs to one crate.
const ONE_HOME: [(&str, &str); 4] = [
    ("rusqlite", "dxos-store"),
    ("sqlite-wasm-rs", "dxos-store"),
    ("sqlite-wasm-vfs", "dxos-store"),
    ("loro", "dxos-text"),
];
/// The WASM modules of windows, and what must not be in them.
const APP_WASM: [&str; 3] = ["composer", "tasks", "todomvc"];
const NOT_IN_APP_WASM: [&str; 9] = [
    "dxos-node",
    "dxos-store",
    "dxos-text",
    "dxos-worker",
    "dxos-edge",
    "automerge",
    "loro",
    "rusqlite",
    "sqlite-wasm-rs",
];

/// The workspace as cargo sees it.
pub struct Workspace {
    /// `cargo metadata`, all platforms.
    pub metadata: Value,
    /// The same, resolved for wasm32.
    pub metadata_wasm: Value,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// `cargo metadata` fails, for example because the lock file is stale.
    pub fn read(root: &Path) -> Result<Workspace> {
        Ok(Workspace {
            metadata: metadata(root, &[])?,
            metadata_wasm: metadata(root, &["--filter-platform", "wasm32-unknown-unknown"])?,
        })
    }
}

fn metadata(root: &Path, arguments: &[&str]) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .output()
        .context("start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("read cargo metadata")
}

/// One dependency as written in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dependency {
    name: String,
    /// Neither for tests nor for build scripts.
    is_normal: bool,
}

/// Workspace crates with their dependencies.
fn members(metadata: &Value) -> BTreeMap<String, Vec<Dependency>> {
    let ids: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut members = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) else {
            continue;
        };
        if !ids.contains(id) {
            continue;
        }
        let dependencies = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|dependency| Dependency {
                name: dependency["name"].as_str().unwrap_or_default().to_owned(),
                is_normal: dependency["kind"].is_null(),
            })
            .collect();
        members.insert(name.to_owned(), dependencies);
    }
    members
}

/// Height of a crate; `None` if nobody gave it one.
fn height(name: &str) -> Option<u32> {
    if let Some((_, height)) = HEIGHTS.iter().find(|(known, _)| *known == name) {
        return Some(*height);
    }
    if name.starts_with("dxos-plugin-") {
        return Some(PLUGIN);
    }
    [
        "composer",
        "todomvc",
        "tasks",
        "dx",
        "dxos-js",
        "dxos-examples",
    ]
    .contains(&name)
    .then_some(APP)
}

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let members = members(&workspace.metadata);
    let mut faults = check_layers(&members);
    for app in APP_WASM {
        for linked in linked(&workspace.metadata_wasm, app) {
            if NOT_IN_APP_WASM.contains(&linked.as_str()) {
                faults.push(format!("{app}: its WASM links {linked}"));
            }
        }
    }
    faults
}

fn check_layers(members: &BTreeMap<String, Vec<Dependency>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, dependencies) in members {
        let Some(own) = height(name) else {
            faults.push(format!(
                "{name}: has no layer in dev/xtask/src/tidy/crates.rs"
            ));
            continue;
        };
        for dependency in dependencies
            .iter()
            .filter(|dependency| dependency.is_normal)
        {
            let other = dependency.name.as_str();
            if members.contains_key(other) && height(other).is_some_and(|height| height >= own) {
                faults.push(format!(
                    "{name}: imports {other}, which does not stand below it"
                ));
            }
            if own < CORE && NOT_IN_CORES.contains(&other) {
                faults.push(format!("{name}: a core must not import {other}"));
            }
            if other.starts_with("leptos") && (own < DRAWING || name == "dxos-app") {
                faults.push(format!("{name}: must not import {other}"));
            }
            let home = ONE_HOME.iter().find(|(engine, _)| *engine == other);
            // Benchmarks measure the bare engines as floors.
            if home.is_some_and(|(_, home)| *home != name && name != "dxos-bench") {
                faults.push(format!(
                    "{name}: {other} stands behind its trait in one crate only"
                ));
            }
            let is_plugin = other.starts_with("dxos-plugin-");
            if is_plugin && name != "composer" {
                faults.push(format!("{name}: only apps/composer names plugins"));
            }
            let on_dxos_alone = ["todomvc", "tasks"].contains(&name.as_str());
            if on_dxos_alone && ["dxos-app", "dxos-surface"].contains(&other) {
                faults.push(format!("{name}: stands on DXOS alone, without {other}"));
            }
        }
    }
    faults
}

/// Names of all packages that a crate links on the platform the metadata is resolved for.
fn linked(metadata: &Value, name: &str) -> BTreeSet<String> {
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut open: Vec<&str> = names
        .iter()
        .filter(|(_, known)| **known == name)
        .map(|(id, _)| *id)
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        for dependency in node["deps"].as_array().unwrap_or(&empty) {
            let kinds = dependency["dep_kinds"].as_array().unwrap_or(&empty);
            let normal = kinds.iter().any(|kind| kind["kind"].is_null());
            if let (true, Some(id)) = (normal, dependency["pkg"].as_str()) {
                open.push(id);
            }
        }
    }
    seen.iter()
        .filter_map(|id| names.get(id).map(|name| (*name).to_owned()))
        .collect()
}

pub(super) fn check_architecture(workspace: &Workspace, text: &str) -> Vec<String> {
    members(&workspace.metadata)
        .keys()
        .filter(|name| !text.contains(&format!("`{name}`")))
        .map(|name| format!("ARCHITECTURE.md: does not name `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, dependency: &str) -> Vec<String> {
        let dependencies = vec![Dependency {
            name: dependency.to_owned(),
            is_normal: true,
        }];
        let mut members = BTreeMap::from([(name.to_owned(), dependencies)]);
        if height(dependency).is_some() {
            members.entry(dependency.to_owned()).or_default();
        }
        check_layers(&members)
    }

    #[test]
    fn each_rule_finds_its_fault() {
        for (name, dependency) in [
            ("dxos-base", "dxos-node"),
            ("dxos-halo", "dxos-echo"),
            ("dxos-node", "dxos-store"),
            ("dxos-node", "tokio"),
            ("dxos-ui", "dxos-app"),
            ("dxos-app", "leptos"),
            ("dxos-client", "leptos"),
            ("dxos-client", "loro"),
            ("dxos-plugin-markdown", "dxos-plugin-space"),
            ("dxos-surface", "dxos-plugin-space"),
            ("tasks", "dxos-app"),
            ("nobody-knows", "serde"),
        ] {
            assert_eq!(
                faults(name, dependency).len().min(1),
                1,
                "{name} -> {dependency}"
            );
        }
    }

    #[test]
    fn what_the_design_allows_is_no_fault() {
        for (name, dependency) in [
            ("dxos-echo", "dxos-base"),
            ("dxos-node", "dxos-services"),
            ("dxos-store", "rusqlite"),
            ("dxos-surface", "dxos-ui"),
            ("dxos-plugin-markdown", "leptos"),
            ("composer", "dxos-plugin-markdown"),
            ("dx", "dxos-edge"),
            ("dxos-bench", "rusqlite"),
        ] {
            assert_eq!(faults(name, dependency), [""; 0], "{name} -> {dependency}");
        }
    }
}
