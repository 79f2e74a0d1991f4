//! `cargo xtask dev`: a change in a crate, a plugin or a style is on screen some seconds later.
//!
//! The page is rebuilt and served from disk; the server itself is not restarted, so a change of `apps/dx` or
//! `dxos-edge` needs a new start of this command.

use std::{
    path::Path,
    process::{Child, Command},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use notify::{RecursiveMode, Watcher};
use web_build::WebBuild;

use crate::{cargo, report};

/// Editors write a file in several steps; what follows within this time belongs to the same change.
const QUIET_MS: u64 = 80;
/// How often the server is looked at while nothing changes.
const LOOK_MS: u64 = 500;

/// Stops the server when this ends, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds, serves and rebuilds until interrupted.
pub fn run(web: &WebBuild, port: u16) -> Result<()> {
    let (sender, changes) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if !event.kind.is_access() && event.paths.iter().any(|path| is_source(path)) {
            let _ = sender.send(());
        }
    })
    .context("watch files")?;
    for folder in ["crates", "plugins", "apps/composer"] {
        watcher
            .watch(&web.root.join(folder), RecursiveMode::Recursive)
            .with_context(|| format!("watch {folder}"))?;
    }
    println!("building the page (the first time takes some minutes)");
    match web.run() {
        Ok(built) => report(&built),
        Err(error) => eprintln!("{error:#}\nwaiting for a change"),
    }
    let server = Command::new(cargo())
        .current_dir(&web.root)
        .args(["run", "-q", "-p", "dx", "--", "serve", "--reload"])
        .args(["--port", &port.to_string(), "--dist"])
        .arg(web.dist_dir())
        .spawn()
        .context("start the server")?;
    let mut server = Server(server);
    loop {
        if let Some(status) = server.0.try_wait().context("look at the server")? {
            bail!("the server ended: {status}");
        }
        if !wait(&changes)? {
            continue;
        }
        let started = Instant::now();
        match web.run() {
            Ok(built) => {
                report(&built);
                println!("on screen after {:.1} s", started.elapsed().as_secs_f32());
            }
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

/// Whether something changed; returns after the change has settled, or when it is time to look at the server.
fn wait(changes: &Receiver<()>) -> Result<bool> {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    match changes.recv_timeout(Duration::from_millis(LOOK_MS)) {
        Ok(()) => {}
        Err(Timeout) => return Ok(false),
        Err(Disconnected) => bail!("the watcher ended"),
    }
    while changes
        .recv_timeout(Duration::from_millis(QUIET_MS))
        .is_ok()
    {}
    Ok(true)
}

/// Sources and assets; not what builds and editors leave beside them.
fn is_source(path: &Path) -> bool {
    let made = ["node_modules", "target"];
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let kinds = [
        "rs",
        "toml",
        "js",
        "mjs",
        "css",
        "html",
        "svg",
        "json",
        "webmanifest",
    ];
    !path
        .components()
        .any(|step| made.iter().any(|made| step.as_os_str() == *made))
        && name != "editor.bundle.js"
        && !name.starts_with('.')
        && path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| kinds.contains(&extension))
}
