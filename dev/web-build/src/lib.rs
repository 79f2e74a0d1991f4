//! Builds the web apps: one inner cargo call for all WASM crates, wasm-bindgen as a library, the
//! editor bundle by esbuild, and one folder (`dist`) a server can serve as it stands.
//!
//! Used by `apps/dx/build.rs` (release builds) and by `cargo xtask web|dev`.
//!
//! Invariants
//! * the inner cargo has its own target directory (`target/web`) and a clean environment: the outer
//!   cargo holds the lock on its own directory and exports variables that would change every fingerprint;
//! * `dist` is replaced as a whole, so a server never serves half of a build;
//! * what did not change is not made again: bindings by the hash of the WASM, brotli by the hash of the file.
//!
//! Not here: watching files (`xtask`), serving (`apps/dx`).

mod apps;
mod bundle;
mod dist;
mod inner;
mod split;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use apps::{APPS, Group, Part, SHARED};

/// How the page is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Fast to build, names kept, no service worker, reloads itself under `cargo xtask dev`.
    Dev,
    /// What people get: small, precompressed, offline.
    Release,
}

impl Profile {
    /// Name of the cargo profile and of its folder below `wasm32-unknown-unknown`.
    pub fn cargo_name(self) -> &'static str {
        match self {
            Profile::Dev => "wasm-dev",
            Profile::Release => "wasm-release",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }
}

/// One WASM module of the page.
#[derive(Debug, Clone, Copy)]
struct Module {
    package: &'static str,
    /// The example of the package, instead of its library.
    example: Option<&'static str>,
    /// Name under which the page knows it: `<output>.js` and `<output>_bg.wasm`.
    output: &'static str,
}

impl Module {
    const fn library(package: &'static str, output: &'static str) -> Module {
        Module {
            package,
            example: None,
            output,
        }
    }

    const fn example(package: &'static str, name: &'static str, output: &'static str) -> Module {
        Module {
            package,
            example: Some(name),
            output,
        }
    }
}

/// All modules of the page, the shared ones first.
fn modules() -> Vec<Module> {
    let shared = SHARED.iter().map(|(module, _)| *module);
    shared.chain(APPS.iter().map(|app| app.module)).collect()
}

/// Pages that run the conformance suites in a real browser (tests only).
const CONFORMANCE: [Module; 4] = [
    Module::example("dxos-net", "conformance_page", "net"),
    Module::example("dxos-store", "opfs_conformance", "store"),
    Module::example("dxos-worker", "text_conformance", "text_suite"),
    // The module under test.
    Module::library("dxos-text", "text"),
];

/// What a page and a worker call to measure the web build, and bare SQLite beside it (benchmarks only). Compiled with
/// the page's modules: alone they would select other features of what they share, and build all of that again.
const BENCH: [Module; 2] = [
    Module::example("dxos-client", "bench_page", "bench"),
    Module::example("dxos-store", "opfs_floor", "floor"),
];

/// A build of the page.
#[derive(Debug, Clone)]
pub struct WebBuild {
    /// Root of the workspace.
    pub root: PathBuf,
    /// The cargo to call; the one that called us, so that both use the same toolchain.
    pub cargo: PathBuf,
    /// How to compile.
    pub profile: Profile,
}

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// Folder to serve.
    pub dist: PathBuf,
    /// Hash over all files: changes exactly when something served changed.
    pub version: String,
    /// Every file the result depends on.
    pub sources: Vec<PathBuf>,
    /// Stages with their wall time.
    pub stages: Vec<(&'static str, Duration)>,
}

impl WebBuild {
    /// Folder that [`run`](Self::run) fills.
    pub fn dist_dir(&self) -> PathBuf {
        self.web_dir().join("dist").join(self.profile.folder())
    }

    fn web_dir(&self) -> PathBuf {
        self.root.join("target").join("web")
    }

    /// Builds the editor bundle alone: enough for native checks of the crates that name it.
    ///
    /// # Errors
    /// Node is missing, or bundling failed.
    pub fn bundle(&self) -> Result<()> {
        bundle::build(self).map(|_| ())
    }

    /// Builds the pages that run the conformance suites in a browser; returns the folder to serve.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn conformance(&self) -> Result<PathBuf> {
        let _lock = self.lock()?;
        let compiled = inner::compile(self, &CONFORMANCE)?;
        let mut parts = vec![
            self.root.join("e2e/conformance"),
            self.root.join("crates/dxos-worker/js"),
        ];
        for (module, wasm) in CONFORMANCE.iter().zip(&compiled.wasm) {
            parts.push(inner::bind(self, module, wasm)?);
        }
        let folder = self.web_dir().join("conformance");
        dist::copy(&parts, &folder)?;
        Ok(folder)
    }

    /// Puts the bench page beside a built page, for benchmarks in a browser; returns the folder to serve.
    ///
    /// # Errors
    /// As [`run`](Self::run); also when the page was not built.
    pub fn bench(&self) -> Result<PathBuf> {
        let page = self.dist_dir();
        ensure!(
            page.join("index.html").exists(),
            "there is no page in {}: build it first (cargo build --release -p dx)",
            page.display()
        );
        let _lock = self.lock()?;
        let shipped = modules();
        let compiled = inner::compile(self, &[&shipped[..], &BENCH].concat())?;
        let mut parts = vec![page, self.root.join("e2e/bench/page")];
        for (module, wasm) in BENCH.iter().zip(&compiled.wasm[shipped.len()..]) {
            parts.push(inner::bind(self, module, wasm)?);
        }
        let folder = self.web_dir().join("bench");
        dist::copy(&parts, &folder)?;
        Ok(folder)
    }

    /// A second builder (a server's build beside `xtask dev`) waits for the first.
    fn lock(&self) -> Result<fs::File> {
        let web_dir = self.web_dir();
        fs::create_dir_all(&web_dir).with_context(|| format!("create {}", web_dir.display()))?;
        let path = web_dir.join(".build-lock");
        let lock = fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
        lock.lock().context("lock the web build")?;
        Ok(lock)
    }

    /// Builds everything that changed since the last run.
    ///
    /// # Errors
    /// Compilation or bundling failed (their own output stands on stderr), or a file could not be written.
    pub fn run(&self) -> Result<Built> {
        let _lock = self.lock()?;
        let mut stages = Vec::new();
        let mut timed = |name, started: Instant| stages.push((name, started.elapsed()));

        // First: dxos-ui's Rust names the bundled module at compile time.
        let started = Instant::now();
        let bundle = bundle::build(self)?;
        timed("editor", started);

        let started = Instant::now();
        let compiled = inner::compile(self, &modules())?;
        timed("cargo", started);

        let started = Instant::now();
        let mut parts = apps::parts(self, &compiled.wasm)?;
        timed("wasm-bindgen", started);

        let started = Instant::now();
        let worker_js = self.root.join("crates/dxos-worker/js");
        let shell = self.root.join("crates/dxos-shell/web");
        let core = [bundle.dir, worker_js.clone(), shell.clone()];
        parts.extend(core.map(|dir| Part {
            dir,
            at: "",
            group: Group::Core,
        }));
        let version = dist::assemble(self, &parts)?;
        timed("dist", started);

        let mut watched = vec![worker_js, shell];
        watched.extend(APPS.iter().map(|app| app.home(self).join("assets")));
        let mut sources = compiled.sources;
        sources.extend(bundle.sources);
        for folder in watched {
            sources.extend(dist::files_below(&folder)?);
            // Folders too: a new file in them changes their mtime.
            sources.push(folder);
        }
        for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
            sources.push(self.root.join(name));
        }
        // Cargo would build again what depends on a file that is newer than the build that made it.
        sources.retain(|path| path.exists() && !bundle::is_made(path));
        Ok(Built {
            dist: self.dist_dir(),
            version,
            sources,
            stages,
        })
    }
}

/// Writes a page that says the web build was left out, for builds that do not need it (lints, tests).
///
/// # Errors
/// The folder cannot be written.
pub fn placeholder(dist: &Path) -> Result<()> {
    fs::create_dir_all(dist)?;
    let page = "<!doctype html><meta charset=\"utf-8\"><title>Composer</title>\
        <p>This <code>dx</code> was built without the page. Run <code>cargo xtask web</code>, or build with <code>./run</code>.";
    let path = dist.join("index.html");
    if !path.exists() {
        fs::write(&path, page)?;
    }
    Ok(())
}
