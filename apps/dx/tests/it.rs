//! `dx` as a person types it, without any network: what it prints, where, and with which exit code.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

struct Profile(tempfile::TempDir);

impl Profile {
    fn new() -> Self {
        let profile = Profile(tempfile::tempdir().unwrap());
        profile.prints(&["identity", "create", "Ada"]);
        profile
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let profile = self.path().join("profile");
        Command::new(env!("CARGO_BIN_EXE_dx"))
            .args(arguments)
            .arg("--profile")
            .arg(profile)
            .args(["--wait", "0"])
            .output()
            .unwrap()
    }

    /// What a command prints that has to succeed.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "dx {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and words of a command that has to fail.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let code = output.status.code().unwrap();
        assert_ne!(code, 0, "dx {arguments:?}");
        (code, String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn objects_go_in_and_out_as_json() {
    let profile = Profile::new();
    let space = profile.prints(&["space", "create", "Garden"]);
    let file = profile.path().join("objects.json");
    let json = r#"[{"@type": "org.example.Plant@0.1.0", "title": "Silver birch", "metres": 12}]"#;
    std::fs::write(&file, json).unwrap();
    let put = profile.prints(&["object", "put", "Garden", file.to_str().unwrap()]);
    let address = put.split_whitespace().next().unwrap();
    assert!(
        address.starts_with(&format!("dxos://{}/", space.trim())),
        "{put}"
    );
    let shown = profile.prints(&["object", "get", address]);
    assert!(
        shown.contains("Silver birch") && shown.contains("@id"),
        "{shown}"
    );
    let title = profile.prints(&["object", "get", &format!("{address}/title")]);
    assert_eq!(title, "\"Silver birch\"\n");

    profile.prints(&["object", "copy", address, "--to", "Garden"]);
    let found = profile.prints(&[
        "query",
        "type=org.example.Plant",
        "metres>10",
        "--space",
        "Garden",
    ]);
    assert_eq!(found.lines().count(), 2, "{found}");

    let (code, words) = profile.fails(&["object", "get", &format!("{address}/nothing")]);
    assert_eq!(code, 3, "{words}");
    let (code, words) = profile.fails(&["object", "get", "over there"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("dxos://SPACE/OBJECT"), "{words}");
    std::fs::write(&file, "{").unwrap();
    let (code, words) = profile.fails(&["object", "put", "Garden", file.to_str().unwrap()]);
    assert_eq!(code, 2, "{words}");
}

#[test]
fn a_space_is_verified_and_removed_and_its_last_owner_stays() {
    let profile = Profile::new();
    profile.prints(&["space", "create", "Garden"]);
    profile.prints(&["space", "verify", "Garden"]);
    profile.prints(&["space", "verify", "Garden", "--repair"]);
    let settled = profile.prints(&["space", "settle", "Garden"]);
    assert_eq!(settled.trim(), "nothing to settle");
    let (code, words) = profile.fails(&["space", "verify", "Nowhere"]);
    assert_eq!(code, 3, "{words}");

    let (code, words) = profile.fails(&["space", "leave", "Garden"]);
    assert_eq!(code, 4, "{words}");
    assert!(words.contains("last owner"), "{words}");
    let (code, words) = profile.fails(&["space", "delete", "Garden"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("--yes"), "{words}");
    let deleted = profile.prints(&["space", "delete", "Garden", "--yes"]);
    assert!(deleted.starts_with("deleted; "), "{deleted}");
    let (code, words) = profile.fails(&["doc", "create", "Moss", "--space", "Garden"]);
    assert_ne!(code, 0, "{words}");

    profile.prints(&["space", "remove", "Garden", "--yes"]);
    let listed = profile.prints(&["space", "list"]);
    assert!(!listed.contains("Garden"), "{listed}");
}

#[test]
fn archives_notes_and_tables_come_and_go() {
    let profile = Profile::new();
    let at = |name: &str| profile.path().join(name).to_str().unwrap().to_owned();
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/dxos-exchange/tests/fixtures/dxos-0.8.3-sample.tar"
    );
    let space = profile.prints(&["import", sample]);
    let again = profile.run(&["import", sample]);
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        space,
        "the same space"
    );
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(words.contains("13 here already"), "{words}");
    let task = format!("dxos://{}/01M832KFWS8DVC1KZFQQET0SJX/title", space.trim());
    let title = profile.prints(&["object", "get", &task]);
    assert_eq!(title, "\"Task 0 – ünï 🎯 (edited)\"\n");

    let zip = at("space.zip");
    profile.prints(&["export", &zip, "--space", space.trim()]);
    profile.prints(&["space", "create", "Copy"]);
    profile.prints(&["import", &zip, "--space", "Copy"]);
    let copied = profile.prints(&["query", "type=com.example.type.Task", "--space", "Copy"]);
    assert_eq!(copied.lines().count(), 5, "{copied}");
    let (code, words) = profile.fails(&["export", &zip, "--space", "Copy"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("--force"), "{words}");

    let notes = at("notes");
    std::fs::create_dir(&notes).unwrap();
    std::fs::write(at("notes/Birch.md"), "---\ntags: [tree]\n---\nTall.\n").unwrap();
    std::fs::write(at("notes/Birch.png"), "").unwrap();
    let imported = profile.run(&["import", &notes, "--space", "Copy"]);
    let words = String::from_utf8_lossy(&imported.stderr);
    assert!(
        imported.status.success() && words.contains("Birch.png"),
        "{words}"
    );
    assert_eq!(profile.prints(&["doc", "show", "Birch"]), "Tall.\n");
    profile.prints(&["export", &at("out"), "--space", "Copy"]);
    let out = std::fs::read_to_string(at("out/Birch.md")).unwrap();
    assert_eq!(out, "---\ntags: [tree]\n---\nTall.\n");

    std::fs::write(at("plants.csv"), "title,metres\nBirch,12\n").unwrap();
    let kind = ["--type", "org.example.Plant@0.1.0", "--space", "Copy"];
    profile.prints(&[&["import", &at("plants.csv")], &kind[..]].concat());
    profile.prints(&[&["export", &at("plants.json")], &kind[..]].concat());
    let json = std::fs::read_to_string(at("plants.json")).unwrap();
    assert!(json.contains("\"metres\":12"), "{json}");

    std::fs::write(at("odd.bin"), "?").unwrap();
    for file in ["odd.bin", "nowhere.csv"] {
        let (code, words) = profile.fails(&["import", &at(file)]);
        assert_eq!(code, 2, "{words}");
    }
    std::fs::write(at("cut.zip"), &std::fs::read(&zip).unwrap()[..100]).unwrap();
    let (code, words) = profile.fails(&["import", &at("cut.zip"), "--space", "Copy"]);
    assert_eq!(code, 2, "{words}");
}

#[test]
fn a_profile_is_one_file_under_a_passphrase() {
    let profile = Profile::new();
    profile.prints(&["space", "create", "Garden"]);
    profile.prints(&["doc", "create", "Beds", "--text", "tulips"]);
    let file = profile.path().join("ada.dxprofile");
    let file = file.to_str().unwrap();
    let phrase = profile.path().join("phrase");
    std::fs::write(&phrase, "four horses in the rain\nnot this\n").unwrap();
    let phrase = phrase.to_str().unwrap();
    let said = profile.prints(&["profile", "export", file, "--passphrase", phrase]);
    assert!(said.contains("ada.dxprofile"), "{said}");
    let (code, words) = profile.fails(&["profile", "export", file, "--passphrase", phrase]);
    assert!(code == 2 && words.contains("--force"), "{words}");
    let (code, words) = profile.fails(&["profile", "import", file, "--passphrase", phrase]);
    assert!(code == 2 && words.contains("is there already"), "{words}");

    let restored = Profile(tempfile::tempdir().unwrap());
    let wrong = restored.path().join("wrong");
    std::fs::write(&wrong, "another passphrase").unwrap();
    let wrong = wrong.to_str().unwrap();
    let (code, words) = restored.fails(&["profile", "import", file, "--passphrase", wrong]);
    assert!(code == 4 && words.contains("passphrase"), "{words}");
    restored.prints(&["profile", "import", file, "--passphrase", phrase]);
    assert_eq!(restored.prints(&["doc", "show", "Beds"]).trim(), "tulips");
    assert!(restored.prints(&["identity", "show"]).contains("Ada"));
    restored.prints(&["doc", "append", "Beds", "roses"]);
}
