//! The editor bundle: `npm ci` where the lock file changed, then the package's own `build.mjs` (esbuild).
//!
//! Third-party scripts are never committed; they come from the lock file. Needs Node 18 or later.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{Profile, WebBuild, dist::files_below};

/// What `build.mjs` makes beside the files in `--out`: the modules that `dxos-ui` imports at compile time. Not
/// committed.
const MADE_IN_TREE: [&str; 2] = [
    "crates/dxos-ui/js/editor.bundle.js",
    "crates/dxos-ui/js/icons.bundle.js",
];

/// The bundle and what it was made of.
pub(crate) struct Bundle {
    pub dir: PathBuf,
    pub sources: Vec<PathBuf>,
}

/// Whether a build makes this file in the tree: newer than the build's start, so never one of its sources.
pub(crate) fn is_made(path: &Path) -> bool {
    MADE_IN_TREE.iter().any(|made| path.ends_with(made))
}

/// Builds `crates/dxos-ui/js`. Skipped when none of its files changed.
pub(crate) fn build(build: &WebBuild) -> Result<Bundle> {
    let package = build.root.join("crates/dxos-ui/js");
    let dir = build.web_dir().join("editor").join(build.profile.folder());
    fs::create_dir_all(&dir)?;
    if !package.join("package.json").exists() {
        return Ok(Bundle {
            dir,
            sources: Vec::new(),
        });
    }
    install(&package)?;
    let sources: Vec<PathBuf> = files_below(&package)?
        .into_iter()
        .filter(|path| !is_made(path))
        .collect();
    let stamp_path = dir.with_extension("stamp");
    let mut hasher = blake3::Hasher::new();
    for source in &sources {
        hasher.update(source.to_string_lossy().as_bytes());
        hasher.update(&fs::read(source)?);
    }
    let stamp = hasher.finalize().to_hex().to_string();
    let whole = MADE_IN_TREE
        .iter()
        .all(|made| build.root.join(made).exists())
        && dir.join("fonts").exists();
    if whole && fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) {
        return Ok(Bundle { dir, sources });
    }
    fs::remove_dir_all(&dir)?;
    fs::create_dir_all(&dir)?;
    let mut command = Command::new("node");
    command
        .current_dir(&package)
        .args(["build.mjs", "--out"])
        .arg(&dir);
    if build.profile == Profile::Release {
        command.arg("--release");
    }
    let status = command
        .status()
        .context("start node (the editor bundle needs Node 18 or later)")?;
    ensure!(
        status.success(),
        "node build.mjs failed in {}",
        package.display()
    );
    fs::write(&stamp_path, stamp)?;
    Ok(Bundle { dir, sources })
}

/// `npm ci`, unless `node_modules` was made from this very lock file.
pub(crate) fn install(package: &Path) -> Result<()> {
    let lock_path = package.join("package-lock.json");
    let lock = fs::read(&lock_path)
        .with_context(|| format!("read {} (npm install makes it)", lock_path.display()))?;
    let stamp_path = package.join("node_modules/.installed");
    let stamp = blake3::hash(&lock).to_hex().to_string();
    if fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) {
        return Ok(());
    }
    let status = Command::new("npm")
        .current_dir(package)
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .status()
        .context("start npm")?;
    ensure!(status.success(), "npm ci failed in {}", package.display());
    fs::create_dir_all(package.join("node_modules"))?;
    fs::write(stamp_path, stamp)?;
    Ok(())
}
