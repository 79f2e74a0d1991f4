//! Runs the simulator: many seeds, or one again.
//!
//! `dxos-sim --seeds N [--from SEED] [--threads T]` runs N seeds; `dxos-sim --seed S [--trace]` runs one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dxos_sim::{Report, run};

struct Options {
    seeds: u64,
    from: u64,
    single: Option<u64>,
    threads: usize,
    trace: bool,
}

fn options() -> anyhow::Result<Options> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut options = Options {
        seeds: 1000,
        from: 1,
        single: None,
        threads,
        trace: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> anyhow::Result<u64> {
            let value = words
                .next()
                .ok_or_else(|| anyhow::anyhow!("{word} needs a number"))?;
            Ok(value.parse()?)
        };
        match word.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--seed" => options.single = Some(number()?),
            "--threads" => options.threads = usize::try_from(number()?)?.max(1),
            "--trace" => options.trace = true,
            _ => anyhow::bail!(
                "unknown option {word}; known: --seeds --from --seed --threads --trace"
            ),
        }
    }
    Ok(options)
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    if let Some(seed) = options.single {
        let report = run(seed, options.trace);
        report.print();
        for (_, words) in &report.violations {
            println!("seed {seed}: {words}");
        }
        anyhow::ensure!(report.violations.is_empty(), "a promise is broken");
        return Ok(());
    }
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let next = AtomicU64::new(options.from);
    let end = options.from + options.seeds;
    let total = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let report = run(seed, false);
                    for (seed, words) in &report.violations {
                        println!("FAILED: {words}\n  replay: cargo sim --seed {seed}");
                    }
                    total.lock().expect("no thread dies with it").add(report);
                }
            });
        }
    });
    let total = total.into_inner().expect("no thread died with it");
    total.print();
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    for (seed, words) in &total.violations {
        println!("FAILED: {words}\n  replay: cargo sim --seed {seed}");
    }
    anyhow::ensure!(
        total.violations.is_empty(),
        "{} runs failed",
        total.violations.len()
    );
    let missing = total.missing();
    anyhow::ensure!(
        missing.is_empty() || options.seeds < 200,
        "never happened: {missing:?}"
    );
    Ok(())
}
