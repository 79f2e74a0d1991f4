//! Benchmarks of the data layer: real entries, real rows, a real file; what each id means stands in DESIGN 12.
//!
//! * Every benchmark is run several times (five if not told otherwise); the median and the worst are kept.
//! * Figures are processor time of the one thread that works, unless the unit says `wall`: the machine may be
//!   shared, and the load stands beside each figure. Waiting for the disk is left out.
//! * Where there is a floor (plain SQLite doing only what cannot be avoided) it is measured in the same run. That of
//!   creating objects writes the very rows that the run has left behind (`floor`).
//!
//! * Peers (other engines at the same work) are measured in the same run, with the feature `peers`.
//! * Figures of the web build come from a real Chromium (`web`): where a unit says CPU, it is the worker's thread.
//!
//! Not here: anything that is not measured by this program or the recorder it starts.

mod cache;
mod create;
mod exchange;
mod floor;
mod live;
mod measure;
mod memory;
mod million;
mod net;
#[cfg(feature = "peers")]
mod peers;
mod queue;
mod read;
mod report;
mod space;
mod sync;
mod text;
mod web;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use measure::Outcome;
pub use memory::print_rss;
pub use million::print_million;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ids of benchmarks; all if empty.
    pub names: Vec<String>,
    /// Rounds of each.
    pub rounds: usize,
    /// A keystroke trace for the text benchmarks, instead of the repository's own.
    pub trace: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            names: Vec::new(),
            rounds: 5,
            trace: None,
        }
    }
}

type Bench = fn(&Options) -> Result<Vec<Outcome>>;

/// A function and the ids it measures in one go.
const BENCHES: &[(&[&str], Bench)] = &[
    (
        &["create_batch_per_s", "disk_per_object_bytes"],
        create::batch,
    ),
    (&["create_one_per_s"], create::one),
    (&["write_ack_us"], create::write_ack),
    (&["write_cache_us"], cache::write),
    (&["open_1k_ms"], read::open_1k),
    (&["open_10k_ms"], read::open_10k),
    (&["open_100k_ms"], read::open_100k),
    (&["fts_30k_ms", "fts_30k_any_ms"], read::full_text),
    (&["queue_window_50_of_100k_ms"], queue::window),
    (&["live_query_us"], live::query),
    (&["newcomer_10k_ms"], sync::newcomer),
    (
        &["sync_noop_bytes", "sync_noop_rtt", "sync_proof_bytes"],
        sync::no_difference,
    ),
    (&["sync_diff_ratio", "sync_diff_rtt"], sync::differences),
    (
        &["import_10k_notes_s", "export_10k_notes_s"],
        exchange::notes,
    ),
    (&["rss_100k_mib"], memory::rss),
    (
        &["text_trace_ms", "keystroke_us", "text_open_ms"],
        text::trace,
    ),
    (web::IDS, web::measure),
    (million::IDS, million::million),
];

/// Runs the benchmarks named, writes `dev/dxos-bench/results.json` and renders `RESULTS.md` from it.
pub fn run(options: &Options) -> Result<()> {
    let asked = |ids: &[&str]| {
        let is_asked = |name: &String| {
            ids.contains(&name.as_str()) || (ids == million::IDS && name == million::NAME)
        };
        options.names.iter().any(is_asked)
    };
    for name in &options.names {
        let known = BENCHES.iter().any(|(ids, _)| ids.contains(&name.as_str()));
        ensure!(
            known || name == million::NAME,
            "there is no benchmark {name}"
        );
    }
    // The largest is only run when it is asked for by name.
    let wanted = |ids: &[&str]| asked(ids) || (options.names.is_empty() && ids != million::IDS);
    for (ids, bench) in BENCHES.iter().filter(|(ids, _)| wanted(ids)) {
        if *ids == web::IDS
            && let Some(missing) = web::missing()
        {
            // Who asks for all gets all that can be had here.
            ensure!(options.names.is_empty(), "{missing}");
            eprintln!("left out: {} ({missing})", ids.join(", "));
            continue;
        }
        eprintln!("{} …", ids.join(", "));
        #[cfg_attr(not(feature = "peers"), allow(unused_mut))]
        let mut outcomes = bench(options)?;
        #[cfg(feature = "peers")]
        peers::add(options, &mut outcomes)?;
        for outcome in &outcomes {
            println!("{outcome}");
        }
        // A figure of fewer rounds is for looking at, not for keeping.
        if options.rounds >= Options::default().rounds {
            report::keep(&outcomes)?;
        }
    }
    Ok(())
}
