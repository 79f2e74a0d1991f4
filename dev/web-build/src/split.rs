//! Takes code out of a module that only a later press needs: what stands behind `#[wasm_split]` functions becomes files of
//! its own, fetched when such a function is first called. All of them run as one program, on one memory.
//!
//! What a split function reaches and the rest of the module does not is moved; the linker's relocations tell who
//! reaches whom, so a crate with split points is linked with `--emit-relocs` (see the apps' `build.rs`).

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};

/// The script that loads the parts, beside the module's own.
const LOADER: &str = "parts.js";

/// Whether a module has split points.
pub(crate) fn has_parts(wasm: &[u8]) -> bool {
    const MARK: &[u8] = b"__wasm_split_load_";
    wasm.windows(MARK.len()).any(|window| window == MARK)
}

/// Writes the parts of a module and the script that loads them into `out_dir`, and what is left of the module to
/// `rest`; `output` names the module's script.
pub(crate) fn split(wasm: &[u8], output: &str, out_dir: &Path, rest: &Path) -> Result<()> {
    let main_module = format!("./{output}.js");
    let link_name = format!("./{LOADER}");
    let mut options = wasm_split_cli_support::Options::new(wasm);
    options.output_dir = out_dir;
    options.main_out_path = rest;
    options.link_name = &link_name;
    options.main_module = &main_module;
    let parts = wasm_split_cli_support::transform(options)
        .map_err(|error| anyhow!("split {output}: {error:?}"))?;
    let version = &blake3::hash(wasm).to_hex()[..8];
    let loader = out_dir.join(LOADER);
    let mut script = fs::read_to_string(&loader)?;
    for part in &parts.split_modules {
        let stem = part.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.context("a part has a name")?;
        // A part fits the module it was taken from and no other: of another version it must not be found.
        let name = format!("{stem}-{version}.wasm");
        script = script.replace(&format!("\"./{stem}.wasm\""), &format!("\"./{name}\""));
        ensure!(script.contains(&name), "{LOADER} does not load {stem}");
        fs::write(out_dir.join(&name), tidy(part)?)?;
        fs::remove_file(part)?;
    }
    Ok(fs::write(&loader, script)?)
}

/// A part as wasm-bindgen writes the rest of the module: short indices, no names, no types it does not use.
fn tidy(part: &Path) -> Result<Vec<u8>> {
    let mut config = walrus::ModuleConfig::new();
    config
        .generate_name_section(false)
        .generate_producers_section(false);
    let mut module = config
        .parse_file(part)
        .with_context(|| format!("read {}", part.display()))?;
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_split_points_has_no_parts() {
        assert!(has_parts(b"\0asm..__wasm_split_load_panels.."));
        assert!(!has_parts(b"\0asm..__wasm_split_00panels00_export_1.."));
    }
}
