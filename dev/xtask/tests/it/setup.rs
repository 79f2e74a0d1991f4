//! `dev/setup.sh` with a faked system: what it would install, print, export and refuse.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Real tools the script itself uses.
const REAL: [&str; 8] = [
    "sh", "dirname", "sed", "grep", "head", "readlink", "env", "cat",
];

/// A machine: commands in one folder, files under one root.
struct Machine {
    dir: TempDir,
}

struct Outcome {
    code: i32,
    stderr: String,
    /// What was called to install, one line a call.
    calls: Vec<String>,
    exports: String,
}

impl Machine {
    fn new(system: &str) -> Machine {
        let machine = Machine {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.bin()).unwrap();
        for tool in REAL {
            let real = ["/bin", "/usr/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(tool))
                .find(|path| path.exists())
                .unwrap();
            symlink(real, machine.bin().join(tool)).unwrap();
        }
        machine.command("uname", &format!("echo {system}"));
        machine.command("cargo", "");
        machine.command("rustc", r#"echo "$SETUP_ROOT/wasm-library""#);
        fs::create_dir(machine.dir.path().join("wasm-library")).unwrap();
        machine.command("id", "echo 1000");
        machine
    }

    /// Debian with everything for `./test`, for an ordinary user.
    fn debian() -> Machine {
        let machine = Machine::new("Linux");
        for tool in [
            "cc", "make", "clang", "llvm-ar", "curl", "npm", "ip", "chromium",
        ] {
            machine.command(tool, "");
        }
        machine.command("node", "echo v20.20.2");
        for file in [
            "etc/debian_version",
            "etc/ssl/certs/ca-certificates.crt",
            "usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
            "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
            "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
        ] {
            machine.file(file, "");
        }
        machine.command("apt-get", r#"echo "apt-get $*" >>"$CALLS""#);
        machine
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    fn command(&self, name: &str, body: &str) -> &Machine {
        self.script(&self.bin().join(name), body);
        self
    }

    fn script(&self, path: &Path, body: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn file(&self, path: &str, text: &str) -> &Machine {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn without(&self, names: &[&str]) -> &Machine {
        for name in names {
            fs::remove_file(self.bin().join(name)).unwrap();
        }
        self
    }

    fn setup(&self, purpose: &str) -> Outcome {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup.sh");
        let calls = self.dir.path().join("calls");
        let exports = self.dir.path().join("env");
        let output = Command::new("/bin/sh")
            .arg(script)
            .arg(purpose)
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.dir.path())
            .env("SETUP_ROOT", self.dir.path())
            .env("SETUP_ENV_FILE", &exports)
            .env("CALLS", &calls)
            .output()
            .unwrap();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Outcome {
            code: output.status.code().unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap()
                + &String::from_utf8(output.stdout).unwrap(),
            calls: read(calls).lines().map(str::to_owned).collect(),
            exports: read(exports),
        }
    }
}

#[test]
fn complete_debian_is_silent_and_exports_the_tools() {
    let outcome = Machine::debian().setup("test");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.calls.is_empty());
    assert!(
        outcome
            .exports
            .contains("CC_wasm32_unknown_unknown='clang'")
    );
    assert!(
        outcome
            .exports
            .contains("AR_wasm32_unknown_unknown='llvm-ar'")
    );
    assert!(outcome.exports.contains("/bin/chromium'"));
}

#[test]
fn root_gets_only_what_is_missing() {
    let machine = Machine::debian();
    machine
        .without(&["clang", "ip", "chromium"])
        .command("id", "echo 0");
    let outcome = machine.setup("run");
    let installs: Vec<&String> = outcome
        .calls
        .iter()
        .filter(|call| call.contains("install"))
        .collect();
    assert_eq!(installs.len(), 1, "{}", outcome.stderr);
    let install = installs[0];
    assert!(
        install.ends_with("--no-install-recommends clang"),
        "{install}"
    );
    assert!(install.contains("DPkg::Lock::Timeout="), "{install}");
}

#[test]
fn tests_need_browser_and_network_tools_too() {
    let machine = Machine::debian();
    machine.without(&["ip", "chromium"]).command("id", "echo 0");
    // The fake apt brings the browser, as the real one would.
    let bring = format!(
        r#"echo "apt-get $*" >>"$CALLS"; case "$*" in *chromium*) printf '#!/bin/sh\n' >{0}; {1} +x {0} ;; esac"#,
        machine.bin().join("chromium").display(),
        if Path::new("/bin/chmod").exists() {
            "/bin/chmod"
        } else {
            "/usr/bin/chmod"
        },
    );
    machine.command("apt-get", &bring);
    let outcome = machine.setup("test");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .calls
            .iter()
            .any(|call| call.ends_with("iproute2 chromium")),
        "{:?}",
        outcome.calls
    );
}

#[test]
fn without_rights_the_line_to_type_is_printed() {
    let machine = Machine::debian();
    machine.without(&["llvm-ar", "node", "npm"]);
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 3);
    assert!(outcome.calls.is_empty());
    let line = outcome
        .stderr
        .lines()
        .find(|line| line.contains("sudo sh -c"))
        .unwrap();
    assert!(
        line.contains("--no-install-recommends llvm nodejs npm"),
        "{line}"
    );
}

#[test]
fn passwordless_sudo_is_used() {
    let machine = Machine::debian();
    machine.without(&["curl"]).command(
        "sudo",
        r#"[ "$1" = -n ] && shift; [ "$1" = true ] || exec "$@""#,
    );
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.calls.iter().any(|call| call.ends_with(" curl")),
        "{:?}",
        outcome.calls
    );
}

#[test]
fn snap_stub_is_no_browser() {
    let machine = Machine::debian();
    machine.file("etc/os-release", "NAME=Ubuntu\nID=ubuntu\n");
    machine.command("chromium", "exec /snap/bin/chromium \"$@\"");
    let outcome = machine.setup("test");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("export CHROMIUM="),
        "{}",
        outcome.stderr
    );
    assert!(outcome.calls.is_empty(), "no package helps on Ubuntu");
    machine.command("google-chrome", "");
    let outcome = machine.setup("test");
    assert_eq!(outcome.code, 0);
    assert!(
        outcome.exports.contains("/google-chrome'"),
        "{}",
        outcome.exports
    );
}

#[test]
fn old_node_is_named_with_the_line_to_type() {
    let machine = Machine::debian();
    machine.command("node", "echo v18.20.4");
    assert_eq!(machine.setup("run").code, 0, "enough for the editor bundle");
    let outcome = machine.setup("test");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("Node 20 or later"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn macos_takes_homebrews_llvm_for_wasm() {
    let machine = Machine::new("Darwin");
    let prefix = machine.dir.path().join("brew");
    let brew = format!(
        r#"case $1 in --prefix) echo {0} ;; *) echo "brew $*" >>"$CALLS" ;; esac"#,
        prefix.display()
    );
    machine
        .command("brew", &brew)
        .command("node", "echo v22.0.0");
    let outcome = machine.setup("run");
    assert_eq!(
        outcome.calls,
        ["brew install --quiet llvm"],
        "{}",
        outcome.stderr
    );
    machine.script(&prefix.join("opt/llvm/bin/clang"), "");
    fs::remove_file(machine.dir.path().join("calls")).unwrap();
    let chrome = "Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
    machine.script(&machine.dir.path().join(chrome), "");
    let outcome = machine.setup("test");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.calls.is_empty());
    assert!(
        outcome.exports.contains("opt/llvm/bin/llvm-ar'"),
        "{}",
        outcome.exports
    );
    assert!(outcome.exports.contains(chrome), "{}", outcome.exports);
}

#[test]
fn macos_without_homebrew_prints_the_line() {
    let machine = Machine::new("Darwin");
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("brew install llvm node"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn other_systems_get_the_list() {
    let outcome = Machine::new("FreeBSD").setup("run");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("clang and llvm-ar"),
        "{}",
        outcome.stderr
    );
    let outcome = Machine::new("Linux").setup("run");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("llvm-ar curl node npm"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn missing_rust_comes_with_the_way_to_get_it() {
    let machine = Machine::debian();
    machine.without(&["cargo"]);
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("https://sh.rustup.rs"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_library_for_wasm_is_installed_where_it_is_missing() {
    let machine = Machine::debian();
    fs::remove_dir(machine.dir.path().join("wasm-library")).unwrap();
    machine.command("rustup", r#"echo "rustup $*" >>"$CALLS""#);
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.calls, ["rustup target add wasm32-unknown-unknown"]);
}

#[test]
fn a_rust_without_wasm_and_rustup_says_what_to_do() {
    let machine = Machine::debian();
    fs::remove_dir(machine.dir.path().join("wasm-library")).unwrap();
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("rustup.rs"), "{}", outcome.stderr);
    assert!(outcome.calls.is_empty());
}

#[test]
fn a_failed_install_of_the_library_gives_the_line_to_type() {
    let machine = Machine::debian();
    fs::remove_dir(machine.dir.path().join("wasm-library")).unwrap();
    machine.command("rustup", "exit 1");
    let outcome = machine.setup("run");
    assert_eq!(outcome.code, 3);
    assert!(
        outcome
            .stderr
            .contains("rustup target add wasm32-unknown-unknown"),
        "{}",
        outcome.stderr
    );
}
