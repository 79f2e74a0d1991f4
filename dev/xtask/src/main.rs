//! Developer tasks: `cargo xtask tidy|web|bundle|conformance|dev|sim|bench|bench-page`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use web_build::{Built, Profile, WebBuild};
use xtask::tidy;

mod dev;

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Developer tasks of this workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check the rules of the repository: headers, lengths, layers, licences, ARCHITECTURE.md.
    Tidy,
    /// Build the page once, into target/web/dist.
    Web {
        /// As it is shipped, instead of quickly.
        #[arg(long)]
        release: bool,
    },
    /// Build the editor bundle alone: native checks of the crates that name it need no more.
    Bundle,
    /// Build the pages that run the conformance suites in a browser, into target/web/conformance.
    Conformance {
        /// Quickly, instead of as it is shipped.
        #[arg(long)]
        dev: bool,
    },
    /// Put the page that benchmarks call beside the built page, into target/web/bench.
    BenchPage,
    /// Build the page, serve it, and rebuild and reload on every change.
    Dev {
        /// Port to serve on.
        #[arg(long, default_value_t = 4400)]
        port: u16,
    },
    /// Run benchmarks, other engines beside: all of them but the largest, or those named.
    Bench {
        /// Ids as in dev/dxos-bench/RESULTS.md, or `million`.
        names: Vec<String>,
    },
    /// Run the simulator and the two models (merging, live queries) for long, optimised: more seeds than the tests do.
    Sim {
        /// Seeds of the simulator.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// Cases of each model.
        #[arg(long, default_value_t = 100_000)]
        cases: u64,
        /// The first seed of each; the tests begin below.
        #[arg(long, default_value_t = 1_000_000)]
        from: u64,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = root()?;
    match task {
        Task::Tidy => {
            let faults = tidy::check(&root)?;
            for fault in &faults {
                eprintln!("{fault}");
            }
            ensure!(faults.is_empty(), "{} faults", faults.len());
            Ok(())
        }
        Task::Web { release } => {
            let profile = if release {
                Profile::Release
            } else {
                Profile::Dev
            };
            report(&web(root, profile).run()?);
            Ok(())
        }
        Task::Bundle => web(root, Profile::Dev).bundle(),
        Task::Conformance { dev } => {
            let profile = if dev { Profile::Dev } else { Profile::Release };
            println!("{}", web(root, profile).conformance()?.display());
            Ok(())
        }
        Task::BenchPage => {
            println!("{}", web(root, Profile::Release).bench()?.display());
            Ok(())
        }
        Task::Dev { port } => dev::run(&web(root, Profile::Dev), port),
        Task::Sim { seeds, cases, from } => {
            let (seeds, from_words) = (seeds.to_string(), from.to_string());
            let simulator = ["run", "--release", "-p", "dxos-sim", "--"];
            let range = ["--seeds", &seeds, "--from", &from_words];
            long_run(&root, &[&simulator[..], &range].concat(), 0, 0)?;
            for (package, target, test) in [
                ("dxos-echo", ["--test", "it"], "replicas_end_alike"),
                ("dxos-node", ["--lib", "--quiet"], "what_is_told_adds_up"),
            ] {
                let words = ["test", "--release", "-p", package, target[0], target[1]];
                let words = [&words[..], &["--", test, "--nocapture"]].concat();
                long_run(&root, &words, cases, from)?;
            }
            Ok(())
        }
        Task::Bench { names } => {
            let status = Command::new(cargo())
                .current_dir(&root)
                .args([
                    "run",
                    "--release",
                    "-p",
                    "dxos-bench",
                    "--features",
                    "peers",
                    "--",
                ])
                .args(names)
                .status()
                .context("start cargo")?;
            ensure!(status.success(), "the benchmarks failed");
            Ok(())
        }
    }
}

/// Runs cargo; the models read how many cases they run, and from which seed, from the environment.
fn long_run(root: &Path, words: &[&str], cases: u64, from: u64) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(root)
        .args(words)
        .envs(["DXOS_MODEL_CASES", "DXOS_LIVE_CASES"].map(|name| (name, cases.to_string())))
        .envs(["DXOS_MODEL_SEED", "DXOS_LIVE_SEED"].map(|name| (name, from.to_string())))
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "a case failed; its seed is named above");
    Ok(())
}

/// The workspace this program was built in.
fn root() -> Result<PathBuf> {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .context("the workspace root")
}

fn cargo() -> PathBuf {
    env::var_os("CARGO")
        .unwrap_or_else(|| "cargo".into())
        .into()
}

fn web(root: PathBuf, profile: Profile) -> WebBuild {
    WebBuild {
        root,
        cargo: cargo(),
        profile,
    }
}

/// One line about a build of the page.
fn report(built: &Built) {
    let stages: Vec<String> = built
        .stages
        .iter()
        .map(|(name, time)| format!("{name} {:.1} s", time.as_secs_f32()))
        .collect();
    println!("page {}: {}", built.version, stages.join(", "));
}
