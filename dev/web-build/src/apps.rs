//! The apps that are served together, and what each loads. One origin, one node, one service worker: so files that all
//! need are built and kept once, and an app that nobody opened is not kept on the device.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{Module, WebBuild, bundle, inner};

/// Files that come and are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// What every app loads: the node, the way to it, the common looks.
    Core,
    /// What documents need: the text engine, their fonts.
    Text,
    /// What one app alone loads, by its folder.
    App(&'static str),
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Core => "core",
            Group::Text => "text",
            Group::App("") => "composer",
            Group::App(folder) => folder,
        }
    }
}

/// An app.
pub(crate) struct App {
    /// Where it is served below the root; empty: at the root.
    pub folder: &'static str,
    /// Its module; becomes `<folder>/app.js`.
    pub module: Module,
    /// Whether people write long texts in it.
    pub texts: bool,
    /// Files taken from its npm packages, and their names in its folder.
    pub npm: &'static [(&'static str, &'static str)],
}

/// All apps; the one at the root first.
pub(crate) const APPS: [App; 3] = [
    App {
        folder: "",
        module: Module::library("composer", "app"),
        texts: true,
        npm: &[],
    },
    App {
        folder: "todomvc",
        module: Module::library("todomvc", "app"),
        texts: false,
        npm: &[("todomvc-app-css/index.css", "todomvc-app.css")],
    },
    App {
        folder: "tasks",
        module: Module::library("tasks", "app"),
        texts: false,
        npm: &[],
    },
];

/// The modules all apps share, with their groups.
pub(crate) const SHARED: [(Module, Group); 2] = [
    (Module::library("dxos-worker", "worker"), Group::Core),
    (Module::library("dxos-text", "text"), Group::Text),
];

impl App {
    /// Groups it loads.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let text = self.texts.then_some(Group::Text);
        let own = Group::App(self.folder);
        [Group::Core].into_iter().chain(text).chain([own]).collect()
    }

    /// Where its sources stand in the workspace.
    pub(crate) fn home(&self, build: &WebBuild) -> PathBuf {
        build.root.join("apps").join(self.module.package)
    }

    /// A name in its folder.
    pub(crate) fn path(&self, name: &str) -> String {
        match self.folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }
    }

    /// Takes its files out of its npm packages; gives their folder, if there are any.
    pub(crate) fn take_npm_files(&self, build: &WebBuild) -> Result<Option<PathBuf>> {
        if self.npm.is_empty() {
            return Ok(None);
        }
        let package = self.home(build);
        bundle::install(&package)?;
        let out = build.web_dir().join("npm").join(self.module.package);
        fs::create_dir_all(&out)?;
        for (from, to) in self.npm {
            let from = package.join("node_modules").join(from);
            fs::copy(&from, out.join(to)).with_context(|| format!("copy {}", from.display()))?;
        }
        Ok(Some(out))
    }
}

/// Fonts that only documents show; an app without long texts does not load them.
const DOCUMENT_FONTS: [&str; 2] = [
    "fonts/inter-latin-wght-italic.woff2",
    "fonts/jetbrains-mono-latin-wght-normal.woff2",
];

/// What a file belongs to.
pub(crate) fn group_of(name: &str, part: Group) -> Group {
    match DOCUMENT_FONTS.contains(&name) {
        true => Group::Text,
        false => part,
    }
}

/// Some files of the page: a folder, where they go, and what they belong to.
pub(crate) struct Part {
    pub dir: PathBuf,
    /// Folder in `dist`; empty: the root.
    pub at: &'static str,
    pub group: Group,
}

/// Binds the compiled modules and gathers all parts of all apps.
pub(crate) fn parts(build: &WebBuild, wasm: &[PathBuf]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let (shared, apps) = wasm.split_at(SHARED.len());
    for ((module, group), wasm) in SHARED.iter().zip(shared) {
        let dir = inner::bind(build, module, wasm)?;
        parts.push(Part {
            dir,
            at: "",
            group: *group,
        });
    }
    for (app, wasm) in APPS.iter().zip(apps) {
        let own = [
            Some(inner::bind(build, &app.module, wasm)?),
            Some(app.home(build).join("assets")),
            app.take_npm_files(build)?,
        ];
        parts.extend(own.into_iter().flatten().map(|dir| Part {
            dir,
            at: app.folder,
            group: Group::App(app.folder),
        }));
    }
    Ok(parts)
}
