//! Figures of the web build: measured by `e2e/bench/figures.mjs` in a real Chromium, kept beside the native ones.
//!
//! Needs a release build of `dx` with the page, Node and Chromium; says which is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::Options;
use crate::measure::Outcome;

/// All ids measured here.
pub(crate) const IDS: &[&str] = &[
    "create_batch_per_s_web",
    "create_one_per_s_web",
    "newcomer_10k_ms_web",
    "open_1k_ms_web",
    "write_cache_us_web",
    "write_ack_us_web",
    "open_100k_ms_web",
    "live_query_us_web",
    "fts_30k_ms_web",
    "rss_100k_mib_web",
    "boot_ms",
    "first_load_kib",
    "edit_to_peer_ms",
];

/// One figure as the recorder writes it.
#[derive(Debug, Deserialize)]
struct Measured {
    id: String,
    value: f64,
    unit: String,
    p95: Option<f64>,
    floor: Option<f64>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is missing to run these, in words.
pub(crate) fn missing() -> Option<String> {
    let dx = root().join("target/release/dx");
    if !dx.exists() {
        return Some(format!(
            "no release build in {}: `cargo build --release -p dx`",
            dx.display()
        ));
    }
    let node = Command::new("node").arg("--version").output();
    node.is_err().then(|| "no `node`: Node 20 or later".into())
}

/// Runs the recorder for the ids wanted.
pub(crate) fn measure(options: &Options) -> Result<Vec<Outcome>> {
    let (root, dir) = (root(), tempfile::tempdir()?);
    let page = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["xtask", "bench-page"])
        .output()
        .context("build the bench page")?;
    ensure!(
        page.status.success(),
        "the bench page was not built: {}",
        String::from_utf8_lossy(&page.stderr)
    );
    let page = String::from_utf8(page.stdout).context("the bench page's path")?;
    let out = dir.path().join("figures.json");
    let names = options.names.iter().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| IDS.contains(name)).collect();
    let status = Command::new("node")
        .current_dir(root.join("e2e"))
        .args(["run.mjs", "bench/figures.mjs"])
        .env("BENCH_OUT", &out)
        .env("BENCH_PAGE", page.trim())
        .env("BENCH_NAMES", names.join(" "))
        .env("BENCH_ROUNDS", options.rounds.to_string())
        .status()
        .context("start node")?;
    ensure!(status.success(), "the benchmarks in the browser failed");
    let measured: Vec<Measured> = serde_json::from_slice(&std::fs::read(&out)?)?;
    measured.into_iter().map(outcome).collect()
}

fn outcome(measured: Measured) -> Result<Outcome> {
    let id = IDS.iter().find(|id| **id == measured.id);
    let id = id.with_context(|| format!("the recorder knows no {}", measured.id))?;
    let unit = match measured.unit.as_str() {
        "objects / CPU s" => "objects / CPU s",
        "ms wall" => "ms wall",
        "ms wall, worker start included" => "ms wall, worker start included",
        "ms wall, joining included" => "ms wall, joining included",
        "KiB brotli" => "KiB brotli",
        "µs wall" => "µs wall",
        "µs wall, acknowledged" => "µs wall, acknowledged",
        "MiB, private, all tabs and workers" => "MiB, private, all tabs and workers",
        other => anyhow::bail!("{id} has an unknown unit: {other}"),
    };
    let mut outcome = Outcome::new(id, measured.value, unit);
    outcome.p95 = measured.p95;
    outcome.floor = measured.floor;
    Ok(outcome)
}
