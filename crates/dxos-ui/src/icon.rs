//! Icons: symbols of the sprite that `js/build.mjs` makes from the names in `js/icons.mjs`.

use leptos::prelude::*;

/// Names of the icons in the sprite.
pub const ICONS: &str = include_str!("../js/icons.mjs");

/// An icon beside words that say the same; hidden from screen readers.
#[component]
pub fn Icon(
    /// Name in the sprite.
    #[prop(into)]
    name: Signal<&'static str>,
    /// Further classes.
    #[prop(optional)]
    class: &'static str,
) -> impl IntoView {
    let href = move || format!("#i-{}", name.get());
    view! { <svg class=format!("i {class}") aria-hidden="true"><use href=href/></svg> }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                rust_files(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_icon_named_in_the_interface_is_in_the_sprite() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for folder in [
            "plugins",
            "apps/composer",
            "apps/tasks",
            "apps/todomvc",
            "crates/dxos-ui/src",
            "crates/dxos-shell/src",
            "crates/dxos-surface",
        ] {
            rust_files(&root.join(folder), &mut files);
        }
        let mut checked = 0;
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for marker in ["icon: \"", "icon=\"", "Icon name=\""] {
                for part in text.split(marker).skip(1) {
                    let name = part.split('"').next().unwrap_or_default();
                    checked += 1;
                    let quoted = format!("\"{name}\"");
                    assert!(
                        name.contains('`') || super::ICONS.contains(&quoted),
                        "{name} in {}",
                        file.display()
                    );
                }
            }
        }
        assert!(checked > 10, "the search found only {checked} icons");
    }
}
