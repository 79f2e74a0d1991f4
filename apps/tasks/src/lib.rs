//! Tasks: lists of things to do, for one person or several. The getting-started app; `docs/tutorial.md` builds it.
//!
//! Not here: identity, sharing, joining (`dxos-shell`), live queries as signals (`dxos-ui`).

mod dates;
mod list;
mod lists;
mod task;
mod types;

pub use lists::app;
pub use types::{Task, TaskList, in_order, moved};

#[cfg(target_arch = "wasm32")]
mod page {
    use dxos_shell::{AppInfo, run};

    /// Starts the app in the page.
    #[wasm_bindgen::prelude::wasm_bindgen(start)]
    pub fn start() {
        let info = AppInfo {
            name: "Tasks",
            base: "/tasks",
            line: "Things to do, for you and the people you do them with.",
        };
        run(info, "Tasks", crate::app);
    }
}
