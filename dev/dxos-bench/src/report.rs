//! `results.json` and the page rendered from it.
//!
//! A result is replaced when it is measured again; each carries the commit, machine and load it was measured at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::measure::{Outcome, load, machine};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Figure {
    id: String,
    value: f64,
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<f64>,
    /// Other systems at the same work.
    #[serde(default)]
    peers: BTreeMap<String, f64>,
    commit: String,
    machine: String,
    load: f64,
}

/// What is behind the bar of DESIGN 12, and why; brought up to date with the figures.
const REMARKS: &str = "
## What is behind its bar, and why
* `create_batch_per_s` meets its bars (150,000, and 0.4 of the floor) where the floor makes 355,000. On a machine whose floor makes
  222,000 it makes 133,000: 0.6 of the floor, but less than the absolute bar. The floor writes the very rows that the run left
  behind, from memory, in the order of their keys. Half of the time of an object is that: its three index and table rows,
  its share of the entries, and the log. The rest is the record's bytes and what they have in common with others of the
  type (a tenth each), index values, encoding, compressing, sealing and signing.
* `text_trace_ms` (bar of the design: 550). It stands below the floor, which is the engine and one SQLite commit a keystroke;
  `docs/decisions/0006-keystrokes-and-the-commit.md` tells the parts and the bar that holds: 1.6 times the floor.
* `live_query_us` (bar: 100) likewise: 97 here, 144 there. The floor beside it is the same write with nobody subscribed,
  acknowledged on disk: the difference, and the word of it, are what is above.
* `create_batch_per_s_web` (bar: 0.4 of the floor) has full text on, as in the app, and so has its floor. What is above the floor is
  our code: natively it doubles the work, here it triples it. It is compiled for size in browsers, SQLite less so: the next thing to try is
  speed for `dxos-echo` and `dxos-store` there, against the size of the first load.
* `write_cache_us_web` (bar: 10). With each write a message goes to the worker and a list of 50 rows is told.
* `open_100k_ms_web` (bar: 150) counts the start of the worker, which is all but some 12 ms of it: a thousand objects take 155.
* `rss_100k_mib_web` (bar: 150) counts all processes of pages, an empty one too.

## What is measured
* Peers: one document for each object, as these engines are used for objects, kept as rows of a SQLite file, by the same
  batches; `SQLite rows` keeps encoded values and merges nothing. None of them indexes, signs, seals or authenticates;
  ours does. Their lists are made by reading every document. Their sync is their own protocol, document by document.
* `sync_noop_bytes`, `sync_diff_ratio`: from the greetings on, session included; the proofs that come before are
  `sync_proof_bytes`. The worst of: the one, the other, both were away.
* `newcomer_10k_ms`: two whole nodes with a real session, both sides on one thread, without a network.
* `million_*`: a million objects, full text on (`cargo xtask bench million`).
";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The commit measured; a `+` says that the tree had changes.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(directory())
            .args(arguments)
            .output()
            .ok()?;
        String::from_utf8(output.stdout)
            .ok()
            .map(|text| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "--short", "HEAD"]).filter(|head| !head.is_empty());
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    format!(
        "{}{}",
        head.as_deref().unwrap_or("unknown"),
        if changed { "+" } else { "" }
    )
}

/// DXOS 0.8.3 at the same work, measured by hand before this program existed and on another machine: good for the
/// order of magnitude only, and named so.
fn peers(id: &str) -> BTreeMap<String, f64> {
    let dxos = match id {
        "create_batch_per_s" | "create_batch_per_s_web" => Some(64.0),
        "open_1k_ms" | "open_1k_ms_web" => Some(12_300.0),
        "first_load_kib" => Some(24.3 * 1024.0),
        "boot_ms" => Some(3_300.0),
        _ => None,
    };
    dxos.map(|value| ("DXOS 0.8.3, another machine".to_owned(), value))
        .into_iter()
        .collect()
}

/// Adds the outcomes to `results.json`, replacing older ones of the same ids, and renders `RESULTS.md`.
pub(crate) fn keep(outcomes: &[Outcome]) -> Result<()> {
    let path = directory().join("results.json");
    let mut figures: Vec<Figure> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("results.json")?,
        Err(_) => Vec::new(),
    };
    let (commit, machine, load) = (commit(), machine(), load());
    for outcome in outcomes {
        let before = figures.iter().position(|figure| figure.id == outcome.id);
        let before = before.map(|at| figures.remove(at));
        let mut peers = peers(outcome.id);
        match before {
            // Measured without the others: theirs stay.
            Some(before) if outcome.peers.is_empty() => peers.extend(before.peers),
            _ => peers.extend(outcome.peers.clone()),
        }
        figures.push(Figure {
            id: outcome.id.into(),
            value: outcome.value,
            unit: outcome.unit.into(),
            p95: outcome.p95,
            floor: outcome.floor,
            peers,
            commit: commit.clone(),
            machine: machine.clone(),
            load,
        });
    }
    figures.sort_by(|a, b| a.id.cmp(&b.id));
    std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")?;
    std::fs::write(directory().join("RESULTS.md"), page(&figures))?;
    Ok(())
}

/// Three digits that matter.
fn shown(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn page(figures: &[Figure]) -> String {
    let mut page = String::from(
        "# Results\n\nRendered from `results.json` by `cargo xtask bench`; the ids are explained in `ARCHITECTURE.md` \
         and in this crate. Median of five rounds. Figures in CPU time leave out waiting for the disk; the load says \
         how busy the machine was. Figures in ms of the web build are on the clock; its objects a second are per CPU second of the worker's \
         thread, everything indexed as the app does. A floor is plain SQLite doing the least that the same work needs, in the same \
         run. A `+` after the commit: measured with changes not yet committed.\n\n\
         | id | value | unit | p95 | floor | ratio | peers | commit | load |\n\
         | :-- | --: | :-- | --: | --: | --: | :-- | :-- | --: |\n",
    );
    let optional = |value: Option<f64>| value.map_or_else(String::new, shown);
    for figure in figures {
        let peers: Vec<String> = figure
            .peers
            .iter()
            .map(|(name, value)| format!("{name}: {}", shown(*value)))
            .collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            figure.id,
            shown(figure.value),
            figure.unit,
            optional(figure.p95),
            optional(figure.floor),
            optional(figure.floor.map(|floor| figure.value / floor)),
            peers.join(", "),
            figure.commit,
            figure.load,
        );
    }
    let mut machines: Vec<&str> = figures
        .iter()
        .map(|figure| figure.machine.as_str())
        .collect();
    machines.sort_unstable();
    machines.dedup();
    let _ = writeln!(page, "\nMachine: {}.", machines.join("; "));
    page.push_str(REMARKS);
    page
}
