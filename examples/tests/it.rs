//! The examples, run as a person would run them.

#![allow(clippy::unwrap_used)]

use std::process::Command;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn notes_are_kept_and_listed_newest_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let notes = |arguments: &[&str]| run(env!("CARGO_BIN_EXE_notes"), arguments);
    assert_eq!(notes(&[path]), "");
    assert_eq!(notes(&[path, "Water", "the plants"]), "Water the plants\n");
    let both = "Look at the moss\nWater the plants\n";
    assert_eq!(notes(&[path, "Look at the moss"]), both);
    assert_eq!(notes(&[path]), both, "another run reads them from disk");
}

#[test]
fn a_chat_shows_its_last_messages_and_counts_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let chat = |arguments: &[&str]| run(env!("CARGO_BIN_EXE_chat"), arguments);
    for text in ["one", "two", "three"] {
        chat(&[path, text]);
    }
    assert_eq!(chat(&[path, "four"]), "two\nthree\nfour\nand 1 before\n");
}

#[test]
fn what_one_person_writes_shows_at_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let shown = run(
        env!("CARGO_BIN_EXE_together"),
        &[directory.path().to_str().unwrap()],
    );
    assert_eq!(shown, "Ben is in Herbarium\nBen sees Silver birch\n");
}

#[test]
fn a_list_of_tasks_draws_what_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let shown = run(env!("CARGO_BIN_EXE_tasks"), &[path]);
    let last: Vec<&str> = shown.lines().rev().take(1).collect();
    assert_eq!(last, ["open: Plant the birch"]);
    assert!(
        shown.contains("open: Plant the birch, Rake the leaves\n"),
        "{shown}"
    );
}

#[test]
fn a_type_made_at_run_time_is_used_and_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let shown = run(env!("CARGO_BIN_EXE_types"), &[path]);
    assert!(shown.contains("\"$schema\""), "{shown}");
    assert!(
        shown.contains("refused: ") && shown.contains("Change pages."),
        "{shown}"
    );
    assert!(shown.ends_with("long: \"The Sea\"\n"), "{shown}");
}
