//! The inner cargo call for wasm32 and wasm-bindgen as a library.
//!
//! Traps kept in mind here (each cost somebody an hour): the outer cargo's variables poison the inner
//! build; `omit_default_module_path` differs between library and command line; `--locked`, or the inner
//! cargo rewrites the lock file under the outer one's feet.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{Module, Profile, WebBuild, dist, split};

/// Result of the inner cargo call.
pub(crate) struct Compiled {
    /// One per module asked for, same order.
    pub wasm: Vec<PathBuf>,
    /// Sources, from cargo's dep-info.
    pub sources: Vec<PathBuf>,
}

/// Variables of an outer cargo (or of a lint wrapper) that must not reach the inner one. The jobserver
/// (`CARGO_MAKEFLAGS`) stays: both share the cores.
fn is_poison(name: &str) -> bool {
    const PREFIXES: [&str; 5] = [
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "DEP_",
    ];
    const NAMES: [&str; 20] = [
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// What SQLite is compiled without in browsers: parts that no statement of `dxos-store` asks for.
const SQLITE_FLAGS: [&str; 26] = [
    "-USQLITE_ENABLE_API_ARMOR",
    "-USQLITE_ENABLE_BYTECODE_VTAB",
    "-USQLITE_ENABLE_COLUMN_METADATA",
    "-USQLITE_ENABLE_DBPAGE_VTAB",
    "-USQLITE_ENABLE_DBSTAT_VTAB",
    "-USQLITE_ENABLE_MATH_FUNCTIONS",
    "-USQLITE_ENABLE_OFFSET_SQL_FUNC",
    "-USQLITE_ENABLE_PREUPDATE_HOOK",
    "-USQLITE_ENABLE_RTREE",
    "-USQLITE_ENABLE_SESSION",
    "-USQLITE_ENABLE_STMTVTAB",
    "-USQLITE_ENABLE_UNKNOWN_SQL_FUNCTION",
    "-USQLITE_ENABLE_UNLOCK_NOTIFY",
    "-DSQLITE_OMIT_AUTHORIZATION",
    "-DSQLITE_OMIT_COMPILEOPTION_DIAGS",
    "-DSQLITE_OMIT_COMPLETE",
    "-DSQLITE_OMIT_DECLTYPE",
    "-DSQLITE_OMIT_DESERIALIZE",
    "-DSQLITE_OMIT_GET_TABLE",
    "-DSQLITE_OMIT_INTEGRITY_CHECK",
    "-DSQLITE_OMIT_INTROSPECTION_PRAGMAS",
    "-DSQLITE_OMIT_JSON",
    "-DSQLITE_OMIT_PROGRESS_CALLBACK",
    "-DSQLITE_OMIT_SCHEMA_PRAGMAS",
    "-DSQLITE_OMIT_TCL_VARIABLE",
    "-DSQLITE_OMIT_UTF16",
];

/// Compiles all modules in one call, so that they share their dependencies.
pub(crate) fn compile(build: &WebBuild, modules: &[Module]) -> Result<Compiled> {
    let target_dir = build.web_dir();
    let mut command = Command::new(&build.cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_poison) {
            command.env_remove(&name);
        }
    }
    // Apple's clang and a plain `ar` cannot make wasm32 objects; dev/setup.sh exports others where needed.
    for (name, default) in [
        ("CC_wasm32_unknown_unknown", "clang"),
        ("AR_wasm32_unknown_unknown", "llvm-ar"),
    ] {
        if env::var_os(name).is_none() {
            command.env(name, default);
        }
    }
    command.env("SQLITE_WASM_RS_FLAGS", SQLITE_FLAGS.join(" "));
    if build.profile == Profile::Dev {
        // Types of views grow without bound; erased, a change in a view compiles in a second.
        command.env("RUSTFLAGS", "--cfg erase_components");
    }
    command
        .current_dir(&build.root)
        .args(["build", "--locked"])
        .args(["--target", "wasm32-unknown-unknown"])
        .args(["--profile", build.profile.cargo_name()])
        .arg("--target-dir")
        .arg(&target_dir);
    if modules.iter().any(|module| module.example.is_none()) {
        command.arg("--lib");
    }
    for module in modules {
        command.args(["-p", module.package]);
        if let Some(example) = module.example {
            command.args(["--example", example]);
        }
    }
    let status = command
        .status()
        .with_context(|| format!("start {}", build.cargo.display()))?;
    ensure!(status.success(), "the WASM crates did not compile");

    let out_dir = target_dir
        .join("wasm32-unknown-unknown")
        .join(build.profile.cargo_name());
    let mut compiled = Compiled {
        wasm: Vec::new(),
        sources: Vec::new(),
    };
    for module in modules {
        let stem = match module.example {
            Some(example) => format!("examples/{example}"),
            None => module.package.replace('-', "_"),
        };
        let wasm = out_dir.join(format!("{stem}.wasm"));
        ensure!(
            wasm.exists(),
            "{} made no {}: its Cargo.toml needs crate-type = [\"cdylib\", …]",
            module.package,
            wasm.display()
        );
        compiled.wasm.push(wasm);
        let dep_info = out_dir.join(format!("{stem}.d"));
        let text = fs::read_to_string(&dep_info)
            .with_context(|| format!("read {}", dep_info.display()))?;
        compiled.sources.extend(parse_dep_info(&text));
    }
    compiled.sources.sort();
    compiled.sources.dedup();
    Ok(compiled)
}

/// Sources named by a Makefile-style dep-info file: what follows the first colon, spaces escaped.
fn parse_dep_info(text: &str) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else {
            continue;
        };
        let mut path = String::new();
        let mut chars = list.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if chars.peek() == Some(&' ') => {
                    chars.next();
                    path.push(' ');
                }
                ' ' => push_path(&mut sources, &mut path),
                other => path.push(other),
            }
        }
        push_path(&mut sources, &mut path);
    }
    sources
}

fn push_path(sources: &mut Vec<PathBuf>, path: &mut String) {
    if !path.is_empty() {
        sources.push(PathBuf::from(std::mem::take(path)));
    }
}

/// Makes `<output>.js` and `<output>_bg.wasm`; returns their folder. Skipped when the WASM is the one bound last.
pub(crate) fn bind(build: &WebBuild, module: &Module, wasm: &Path) -> Result<PathBuf> {
    let bytes = fs::read(wasm).with_context(|| format!("read {}", wasm.display()))?;
    let out_dir = build
        .web_dir()
        .join("bindgen")
        .join(build.profile.folder())
        .join(module.package)
        .join(module.output);
    let stamp_path = out_dir.with_extension("stamp");
    let stamp = blake3::hash(&bytes).to_hex().to_string();
    if fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) && out_dir.exists() {
        return Ok(out_dir);
    }
    if out_dir.exists() {
        fs::remove_dir_all(&out_dir)?;
    }
    fs::create_dir_all(&out_dir)?;
    let release = build.profile == Profile::Release;
    let rest = out_dir.with_extension("rest.wasm");
    let has_parts = split::has_parts(&bytes);
    let wasm = match has_parts {
        true => {
            split::split(&bytes, module.output, &out_dir, &rest)?;
            &rest
        }
        false => wasm,
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    let made = bindgen
        .input_path(wasm)
        .out_name(module.output)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .omit_default_module_path(false)
                .keep_debug(false)
                // The table of functions is one of them: parts call through it.
                .keep_lld_exports(has_parts)
                .remove_name_section(release)
                .remove_producers_section(true)
                .generate(&out_dir)
        });
    if let Err(error) = made {
        bail!("wasm-bindgen on {}: {error:#}", module.package);
    }
    let bindings = fs::read_to_string(out_dir.join(format!("{}.js", module.output)))?;
    // The linker makes an import of what nobody defines; the page would find that out.
    ensure!(
        !bindings.contains("from \"env\""),
        "{} uses a function that nothing defines",
        module.package
    );
    drop_unused_snippets(&out_dir, module.output)?;
    fs::write(&stamp_path, stamp)?;
    Ok(out_dir)
}

/// Removes scripts that the module's crates bring and this module never calls (an app without an editor carries none).
fn drop_unused_snippets(out_dir: &Path, output: &str) -> Result<()> {
    let bindings = fs::read_to_string(out_dir.join(format!("{output}.js")))?;
    for file in dist::files_below(&out_dir.join("snippets"))? {
        let name = file
            .strip_prefix(out_dir)
            .context("a file below its folder")?;
        if !bindings.contains(&*name.to_string_lossy()) {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dep_info_names_every_source() {
        let text = "/t/app.wasm: /r/a.rs /r/with\\ space/b.rs\n\n/r/a.rs:\n";
        assert_eq!(
            parse_dep_info(text),
            [
                PathBuf::from("/r/a.rs"),
                PathBuf::from("/r/with space/b.rs")
            ]
        );
    }

    #[test]
    fn outer_cargo_is_kept_out_but_shares_the_jobserver() {
        for poison in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_CFG_TARGET_OS",
            "RUSTC_WORKSPACE_WRAPPER",
        ] {
            assert!(is_poison(poison), "{poison}");
        }
        for kept in [
            "PATH",
            "CARGO_MAKEFLAGS",
            "CARGO_HOME",
            "RUSTUP_TOOLCHAIN",
            "CC_wasm32_unknown_unknown",
        ] {
            assert!(!is_poison(kept), "{kept}");
        }
    }
}
