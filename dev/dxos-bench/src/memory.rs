//! Memory of a process that has a large space open: a process of its own, so that nothing else is counted.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dxos_base::{ObjectWrite, TextChange};
use dxos_echo::store::Durability;

use crate::Options;
use crate::measure::{Outcome, quantile};
use crate::read::view;
use crate::space::{Bench, Indexing, object};

const OBJECTS: usize = 100_000;
const TEXT_BYTES: usize = 100 * 1024;

/// A 100,000-object space open, a list of 50 and a text of 100 KiB on screen.
pub(crate) fn rss(options: &Options) -> Result<Vec<Outcome>> {
    let mut bench = Bench::new(Indexing::FullText)?;
    bench.fill(OBJECTS)?;
    let document = object(OBJECTS + 1);
    bench.write(&[ObjectWrite::Create {
        object: document,
        type_name: "org.example.Document@0.1.0".into(),
        values: Default::default(),
    }])?;
    let insert = "All that is typed is kept. ".repeat(TEXT_BYTES / 27);
    let delta = vec![TextChange {
        from: 0,
        delete: 0,
        insert,
    }];
    bench.transaction(Durability::Acknowledged, |space, cx, heads| {
        let (text, _) = space.edit_text(cx, heads, document, "content", &delta)?;
        space.close_text(cx, text)
    })?;
    bench.seal()?;
    let (path, _dir) = bench.close()?;
    let mut sizes = Vec::new();
    for _ in 0..options.rounds {
        let output = Command::new(std::env::current_exe()?)
            .arg("--rss")
            .arg(&path)
            .output()?;
        ensure!(output.status.success(), "the measured process failed");
        let size = String::from_utf8(output.stdout)?;
        sizes.push(size.trim().parse::<f64>()?);
    }
    Ok(vec![Outcome::new(
        "rss_100k_mib",
        quantile(&mut sizes, 0.5),
        "MiB",
    )])
}

/// What the measured process does: opens, shows, and prints its resident memory in MiB.
pub fn print_rss(path: &Path) -> Result<()> {
    let mut bench = Bench::open(path, None, Indexing::FullText)?;
    let rows = bench.space.query(&mut bench.store, &view())?;
    let text = bench.transaction(Durability::Acknowledged, |space, cx, _| {
        let text = space.open_text(cx, object(OBJECTS + 1), "content")?;
        Ok(cx.text.content(text)?)
    })?;
    ensure!(
        rows.len() == 50 && text.len() > TEXT_BYTES / 2,
        "not all is on screen"
    );
    println!("{:.2}", resident_mib()?);
    Ok(())
}

/// Resident memory of this process.
pub(crate) fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .context("the system tells no resident memory")?;
    Ok(resident.trim().parse::<f64>()? / 1024.0)
}
