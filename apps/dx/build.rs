//! Builds the page that `dx serve` embeds; only in release builds.
//!
//! Checks, lints and tests use the dev profile and never need the page: a debug `dx` serves what
//! `cargo xtask web` or `cargo xtask dev` made, from disk. `SKIP_WEB_BUILD=1` leaves the page out of release
//! builds too; `WEB_DIST=DIR` takes a page made elsewhere.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use web_build::{Profile, WebBuild, placeholder};

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed=SKIP_WEB_BUILD");
    println!("cargo:rerun-if-env-changed=WEB_DIST");
    println!("cargo:rerun-if-changed=build.rs");
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let manifest_dir = env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?;
    let root = PathBuf::from(manifest_dir)
        .join("../..")
        .canonicalize()
        .context("the workspace root")?;
    let cargo = env::var_os("CARGO").context("cargo sets CARGO")?;
    let build = WebBuild {
        root,
        cargo: cargo.into(),
        profile: if release {
            Profile::Release
        } else {
            Profile::Dev
        },
    };
    let dist = if let Some(dist) = env::var_os("WEB_DIST") {
        PathBuf::from(dist)
    } else if !release || env::var_os("SKIP_WEB_BUILD").is_some() {
        let out = env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?;
        let dist = if release {
            PathBuf::from(out).join("no-page")
        } else {
            build.dist_dir()
        };
        placeholder(&dist)?;
        dist
    } else {
        let built = build.run()?;
        for source in &built.sources {
            println!("cargo:rerun-if-changed={}", source.display());
        }
        let stages: Vec<String> = built
            .stages
            .iter()
            .map(|(name, time)| format!("{name} {:.1} s", time.as_secs_f32()))
            .collect();
        println!(
            "cargo:warning=page {}: {}",
            built.version,
            stages.join(", ")
        );
        built.dist
    };
    println!("cargo:rustc-env=WEB_DIST_DIR={}", dist.display());
    Ok(())
}
