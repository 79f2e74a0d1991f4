//! Puts the parts into one folder: files, the list of files with their hashes (`assets.json`), the
//! service worker that carries this list, and brotli beside every file worth it.
//!
//! Invariants
//! * the list holds every file served but `sw.js` and itself, so an offline app lacks nothing;
//! * `sw.js` differs byte for byte whenever any file differs: that is how browsers notice an update.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::apps::{APPS, App, Group, Part, group_of};
use crate::{Profile, WebBuild};

/// Files of the page by name, with what they belong to.
type Files = BTreeMap<String, (Group, Vec<u8>)>;

/// What stands in `sw.js` where the list of files goes.
const MANIFEST_MARK: &str = "/*MANIFEST*/ null";
/// What stands in `index.html` where dev builds add their switch.
const HTML_MARK: &str = "<html lang=\"en\">";
/// Below this, compression costs more than it saves.
const BROTLI_BYTES_MIN: usize = 860;

/// All files below a folder, sorted; nothing if the folder is missing.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        if !dir.exists() || dir.ends_with("node_modules") {
            continue;
        }
        for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies the parts into one folder, made anew.
pub(crate) fn copy(parts: &[PathBuf], to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for part in parts {
        for path in files_below(part)? {
            let target = to.join(url_path(part, &path)?);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(&path, &target).with_context(|| format!("write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Writes the folder anew and swaps it in; returns the version (hash over all files).
pub(crate) fn assemble(build: &WebBuild, parts: &[Part]) -> Result<String> {
    let dist = build.dist_dir();
    let next = dist.with_extension("next");
    if next.exists() {
        fs::remove_dir_all(&next)?;
    }
    fs::create_dir_all(&next)?;

    let mut files = Files::new();
    for part in parts {
        for path in files_below(&part.dir)? {
            let mut name = url_path(&part.dir, &path)?;
            if !part.at.is_empty() {
                name = format!("{}/{name}", part.at);
            }
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            if files
                .insert(name.clone(), (group_of(&name, part.group), bytes))
                .is_some()
            {
                bail!("two parts of the page make the file {name}");
            }
        }
    }
    if build.profile == Profile::Dev {
        make_dev(&mut files)?;
    } else {
        files.remove("dev-reload.js");
        files.remove("sw-off.js");
    }
    let (manifest, version) = manifest(&files);
    if build.profile == Profile::Release
        && let Some((_, worker)) = files.get_mut("sw.js")
    {
        *worker = stamp_service_worker(worker, &manifest)?;
    }
    files.insert(
        "assets.json".to_owned(),
        (Group::Core, manifest.into_bytes()),
    );

    for (name, (_, bytes)) in &files {
        let path = next.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes)?;
    }
    if build.profile == Profile::Release {
        pack(&build.web_dir().join("brotli"), &next, &files)?;
    }
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::rename(&next, &dist).with_context(|| format!("put {} in place", dist.display()))?;
    Ok(version)
}

fn url_path(part: &Path, path: &Path) -> Result<String> {
    let relative = path.strip_prefix(part).context("file outside its part")?;
    let mut steps = Vec::new();
    for step in relative.components() {
        let step = step.as_os_str().to_str();
        steps.push(step.with_context(|| format!("{} is no UTF-8", path.display()))?);
    }
    Ok(steps.join("/"))
}

/// Marks the page as a dev build: it loads `dev-reload.js` and registers no service worker; one left from a
/// release build is replaced by one that removes itself.
fn make_dev(files: &mut Files) -> Result<()> {
    if let Some(off) = files.remove("sw-off.js") {
        files.insert("sw.js".to_owned(), off);
    }
    for app in &APPS {
        let name = app.path("index.html");
        let Some((_, page)) = files.get_mut(&name) else {
            continue;
        };
        let text = std::str::from_utf8(page).with_context(|| format!("{name} is no UTF-8"))?;
        ensure!(text.contains(HTML_MARK), "{name} lost {HTML_MARK}");
        *page = text
            .replace(HTML_MARK, "<html lang=\"en\" data-dev>")
            .into_bytes();
    }
    Ok(())
}

/// The list of files by app as JSON, and the version.
fn manifest(files: &Files) -> (String, String) {
    let mut hasher = blake3::Hasher::new();
    let mut entries = serde_json::Map::new();
    for (name, (group, bytes)) in files {
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
        let hash = blake3::hash(bytes);
        hasher.update(hash.as_bytes());
        // The worker itself counts for the version but is not cached by itself.
        if name != "sw.js" {
            let short = &hash.to_hex()[..16];
            entries.insert(
                name.clone(),
                json!({ "hash": short, "bytes": bytes.len(), "group": group.name() }),
            );
        }
    }
    let version = hasher.finalize().to_hex()[..16].to_owned();
    let groups = |app: &App| {
        app.groups()
            .iter()
            .map(|group| group.name())
            .collect::<Vec<_>>()
    };
    let apps: serde_json::Map<_, _> = APPS
        .iter()
        .map(|app| (app.folder.to_owned(), json!(groups(app))))
        .collect();
    let manifest = json!({ "version": version, "apps": apps, "files": entries }).to_string();
    (manifest, version)
}

fn stamp_service_worker(worker: &[u8], manifest: &str) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(worker).context("sw.js is no UTF-8")?;
    ensure!(
        text.contains(MANIFEST_MARK),
        "sw.js lost its mark {MANIFEST_MARK}"
    );
    Ok(text.replace(MANIFEST_MARK, manifest).into_bytes())
}

/// Writes `<name>.br` beside every file worth it, on all cores: this is seconds of work.
fn pack(cache: &Path, folder: &Path, files: &Files) -> Result<()> {
    let rest = Mutex::new(files.iter());
    let work = || -> Result<()> {
        loop {
            let next = rest.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((name, (_, bytes))) = next else {
                return Ok(());
            };
            if let Some(packed) = brotli_of(cache, name, bytes)? {
                fs::write(folder.join(format!("{name}.br")), packed)?;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("packing does not panic"))
    })
}

/// Brotli at quality 11, remembered by content; `None` where it does not help.
fn brotli_of(cache: &Path, name: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let packs = [
        ".js",
        ".wasm",
        ".css",
        ".html",
        ".json",
        ".svg",
        ".webmanifest",
        ".txt",
    ];
    if bytes.len() < BROTLI_BYTES_MIN || !packs.iter().any(|ext| name.ends_with(ext)) {
        return Ok(None);
    }
    fs::create_dir_all(cache)?;
    let cached = cache.join(format!("{}.br", blake3::hash(bytes).to_hex()));
    if let Ok(packed) = fs::read(&cached) {
        return Ok(Some(packed));
    }
    let mut packed = Vec::new();
    // 24 bits: the whole of a 16 MiB module is one window.
    let mut writer = brotli::CompressorWriter::new(&mut packed, 64 * 1024, 11, 24);
    writer.write_all(bytes)?;
    drop(writer);
    fs::write(&cached, &packed)?;
    Ok(Some(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter()
            .map(|(name, text)| ((*name).to_owned(), (Group::Core, text.as_bytes().to_vec())))
            .collect()
    }

    #[test]
    fn version_changes_with_any_file_and_only_then() {
        let one = files(&[("a.js", "1"), ("b.css", "2"), ("sw.js", "s")]);
        assert_eq!(manifest(&one).1, manifest(&one.clone()).1);
        for changed in [
            files(&[("a.js", "1!"), ("b.css", "2"), ("sw.js", "s")]),
            files(&[("a.js", "1"), ("c.css", "2"), ("sw.js", "s")]),
            files(&[("a.js", "1"), ("b.css", "2"), ("sw.js", "t")]),
            files(&[("a.js", "1"), ("sw.js", "s")]),
        ] {
            assert_ne!(manifest(&one).1, manifest(&changed).1);
        }
    }

    #[test]
    fn service_worker_lists_all_but_itself() {
        let files = files(&[("a.js", "1"), ("sw.js", "const m = /*MANIFEST*/ null;")]);
        let (manifest, _) = manifest(&files);
        let worker = stamp_service_worker(&files["sw.js"].1, &manifest).unwrap();
        let text = String::from_utf8(worker).unwrap();
        assert!(
            text.contains("\"a.js\"") && !text.contains("\"sw.js\""),
            "{text}"
        );
        assert!(stamp_service_worker(b"no mark", &manifest).is_err());
    }

    /// A folder made of the real assets and a stand-in for the app.
    fn dist(root: &Path, profile: Profile) -> PathBuf {
        let app = root.join("parts");
        fs::create_dir_all(&app).unwrap();
        let start = "export default async () => document.querySelector('#app').append(document.createElement('p'));";
        fs::write(app.join("app.js"), start).unwrap();
        let build = WebBuild {
            root: root.to_owned(),
            cargo: "cargo".into(),
            profile,
        };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let part = |dir: &Path, group| Part {
            dir: dir.to_owned(),
            at: "",
            group,
        };
        let mut parts = vec![
            part(&app, Group::App("")),
            part(&workspace.join("crates/dxos-shell/web"), Group::Core),
        ];
        for one in &APPS {
            let assets = workspace.join("apps").join(one.module.package);
            parts.push(Part {
                at: one.folder,
                ..part(&assets.join("assets"), Group::App(one.folder))
            });
        }
        assemble(&build, &parts).unwrap();
        build.dist_dir()
    }

    #[test]
    fn release_folder_is_packed_and_lists_every_file_for_offline_use() {
        let root = tempfile::tempdir().unwrap();
        let dist = dist(root.path(), Profile::Release);
        let worker = fs::read_to_string(dist.join("sw.js")).unwrap();
        for path in files_below(&dist).unwrap() {
            let name = url_path(&dist, &path).unwrap();
            let left_out =
                name.ends_with(".br") || ["sw.js", "assets.json"].contains(&name.as_str());
            assert_eq!(
                !left_out,
                worker.contains(&format!("\"{name}\":")),
                "{name}"
            );
        }
        assert!(dist.join("boot.js.br").exists());
        assert!(!dist.join("dev-reload.js").exists());
    }

    #[test]
    fn dev_folder_reloads_itself_and_removes_service_workers() {
        let root = tempfile::tempdir().unwrap();
        let dist = dist(root.path(), Profile::Dev);
        let page = fs::read_to_string(dist.join("index.html")).unwrap();
        assert!(page.contains("<html lang=\"en\" data-dev>"));
        assert!(
            fs::read_to_string(dist.join("sw.js"))
                .unwrap()
                .contains("unregister")
        );
        assert!(dist.join("dev-reload.js").exists());
    }

    #[test]
    fn brotli_is_skipped_where_it_does_not_help() {
        let dir = tempfile::tempdir().unwrap();
        let long = "a".repeat(4000);
        assert!(brotli_of(dir.path(), "x.js", b"short").unwrap().is_none());
        assert!(
            brotli_of(dir.path(), "x.woff2", long.as_bytes())
                .unwrap()
                .is_none()
        );
        let packed = brotli_of(dir.path(), "x.js", long.as_bytes())
            .unwrap()
            .unwrap();
        let again = brotli_of(dir.path(), "x.js", long.as_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(packed, again);
        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut packed.as_slice(), &mut plain).unwrap();
        assert_eq!(plain, long.as_bytes());
    }
}
