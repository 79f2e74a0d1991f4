//! Developer tasks: `cargo xtask tidy|web|bundle|conformance|dev|bench|bench-page`.

use std::{
    env,
    path::PathBuf,
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
    /// Run benchmarks; all of them, or those named.
    Bench {
        /// Ids as in dev/dxos-bench/RESULTS.md.
        names: Vec<String>,
    },
    /// Run many random cases of every kind of write on three replicas against the naive models.
    Model {
        /// How many.
        #[arg(default_value_t = 100_000)]
        cases: u64,
        /// The first case's seed.
        #[arg(long, default_value_t = 1_000_000)]
        seed: u64,
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
        Task::Model { cases, seed } => {
            let status = Command::new(cargo())
                .current_dir(&root)
                .args(["test", "--release", "-p", "dxos-echo", "--test", "it", "--"])
                .args(["replicas_end_alike", "--nocapture"])
                .env("DXOS_MODEL_CASES", cases.to_string())
                .env("DXOS_MODEL_SEED", seed.to_string())
                .status()
                .context("start cargo")?;
            ensure!(status.success(), "a case failed; its seed is named above");
            Ok(())
        }
        Task::Bench { names } => {
            let status = Command::new(cargo())
                .current_dir(&root)
                .args(["run", "--release", "-p", "dxos-bench", "--"])
                .args(names)
                .status()
                .context("start cargo")?;
            ensure!(status.success(), "the benchmarks failed");
            Ok(())
        }
    }
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
