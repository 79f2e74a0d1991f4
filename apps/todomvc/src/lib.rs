//! TodoMVC on DXOS: the list is objects of a space, so it is kept on this device, works offline, and is shared by
//! invitation. What the app must do: the TodoMVC application specification.
//!
//! Not here: identity, sharing, joining (`dxos-shell`), live queries as signals (`dxos-ui`).

mod todo;
mod view;

pub use todo::{Filter, Todo};
pub use view::app;

#[cfg(target_arch = "wasm32")]
mod page {
    use dxos_shell::{AppInfo, run};

    /// Starts the app in the page.
    #[wasm_bindgen::prelude::wasm_bindgen(start)]
    pub fn start() {
        let info = AppInfo {
            name: "TodoMVC",
            base: "/todomvc",
            line: "A list that is yours. Shared with whom you like.",
        };
        run(info, "Todos", crate::app);
    }
}
