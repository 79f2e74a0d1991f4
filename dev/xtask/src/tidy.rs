//! The rules of the repository, as one check that runs as a test.
//!
//! Files: every Rust file begins with `//!`, is at most 1,000 lines without its tests, and leaves nothing
//! unfinished; each fuzz body has its target. Documents: excerpts stand in their files. Crates: each imports only what stands below it (DESIGN 3), the WASM of an app links no node,
//! store or text engine, every crate is named in ARCHITECTURE.md. Dependencies: known licences, crates.io only.

mod crates;
mod excerpts;
mod files;
mod fuzzing;
mod licences;

use std::{fs, path::Path};

use anyhow::{Context, Result};

pub use crates::Workspace;

/// All faults, one line each; empty when the workspace is tidy.
///
/// # Errors
/// A file cannot be read, or `cargo metadata` fails.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let workspace = Workspace::read(root)?;
    let architecture =
        fs::read_to_string(root.join("ARCHITECTURE.md")).context("read ARCHITECTURE.md")?;
    let mut faults = files::check(root)?;
    faults.extend(fuzzing::check(root)?);
    faults.extend(excerpts::check(root)?);
    faults.extend(crates::check(&workspace));
    faults.extend(crates::check_architecture(&workspace, &architecture));
    faults.extend(licences::check(&workspace.metadata));
    faults.sort();
    Ok(faults)
}
