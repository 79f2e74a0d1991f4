//! What the macro says about what it cannot do.

use syn::parse_str;

use super::expand;

/// The message for a type that is refused.
fn refused(code: &str) -> String {
    let input = parse_str(code).unwrap();
    expand(&input).unwrap_err().to_string()
}

fn task(field: &str) -> String {
    format!("#[object(type = \"org.example.Task\", version = \"0.1.0\")] struct Task {{ {field} }}")
}

#[test]
fn refusals_say_what_to_write_instead() {
    let check = |code: &str, message: &str| {
        let told = refused(code);
        assert!(told.contains(message), "{code}: {told}");
    };
    check(
        "struct Task { title: String }",
        "write `#[object(type = \"org.example.Name\", version = \"0.1.0\")]`",
    );
    check(
        "#[object(type = \"org.example.Task\")] struct Task {}",
        "version = \"0.1.0\"",
    );
    check(
        "#[object(type = \"Task\", version = \"0.1.0\")] struct Task {}",
        "reverse domain",
    );
    check(
        "#[object(type = \"a.b\", version = \"1.0\")] struct Task {}",
        "three numbers",
    );
    check(
        "#[object(type = \"a.b\", version = \"01.0.0\")] struct Task {}",
        "three numbers",
    );
    check(
        "#[object(kind = \"a.b\")] struct Task {}",
        "unknown attribute; a type has type, version",
    );
    check(
        "#[object(nested, type = \"a.b\")] struct Task {}",
        "no type name",
    );
    check(
        "#[object(nested)] struct Task { #[object(label)] a: String }",
        "the label belongs to the object",
    );
    check("#[object(nested)] struct Task(String);", "named fields");
    check("struct Task<T> { a: T }", "no type parameters");
    check("union Task { a: u8 }", "union");
    check("enum State {}", "at least one option");
    check("enum State { Open(u8) }", "no data");
    check(
        "enum State { A, #[object(rename = \"a\")] B }",
        "two options are stored as \"a\"",
    );
    check(
        "#[object(type = \"a.b\", version = \"1.0.0\")] enum State { A }",
        "no type name",
    );
    check("#[object(hue = 360)] enum State { A }", "0 to 359");
    check(
        &task("#[object(format = \"mail\")] a: String"),
        "unknown format; there are email",
    );
    check(
        &task("#[object(titel = \"A\")] a: String"),
        "unknown attribute; a field has label",
    );
    check(
        &task("#[object(rename = \"b\")] a: String, b: String"),
        "two fields are stored as \"b\"",
    );
    check(
        &task("#[object(alias = \"b\")] a: String, b: String"),
        "two fields are stored as \"b\"",
    );
    check(
        &task("#[object(rename = \"@id\")] a: String"),
        "does not begin with `@`",
    );
    check(
        &task("#[object(label)] a: String, #[object(label)] b: String"),
        "one field is the label",
    );
    check(&task("#[object(options())] a: String"), "at least one");
    check(
        &task("#[object(format = \"email\", options(\"x\"))] a: String"),
        "exclude each other",
    );
    check(
        "#[object(rename_all = \"UPPER\")] struct Task {}",
        "\"camelCase\" or \"kebab-case\"",
    );
}

#[test]
fn names_are_stored_as_asked() {
    use crate::attributes::{RenameAll, kebab};
    assert_eq!(RenameAll::Camel.apply("due_date"), "dueDate");
    assert_eq!(RenameAll::AsInRust.apply("due_date"), "due_date");
    assert_eq!(kebab("InProgress"), "in-progress");
    assert_eq!(kebab("in_progress"), "in-progress");
}
