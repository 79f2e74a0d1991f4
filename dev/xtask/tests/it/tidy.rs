//! `cargo xtask tidy`, as a test.

use std::path::Path;

#[test]
fn workspace_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let faults = xtask::tidy::check(&root.canonicalize().unwrap()).unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
