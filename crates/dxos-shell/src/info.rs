//! What the panels say of the app they stand in.

use leptos::prelude::*;

/// The app, in the words of its panels and links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppInfo {
    /// Its name.
    pub name: &'static str,
    /// Path it is served at, without the slash at the end; empty at the root.
    pub base: &'static str,
    /// What it is for: the first thing a newcomer reads.
    pub line: &'static str,
}

impl AppInfo {
    /// The address invitations lead to; the code follows as the fragment.
    pub fn join_address(&self) -> String {
        format!("{}{}/join", dxos_ui::origin(), self.base)
    }
}

/// The code of an invitation that the page of the app at `base` was opened with. The address then forgets it.
pub fn take_invitation(base: &str) -> Option<String> {
    let (path, fragment) = dxos_ui::location();
    let rest = path.strip_prefix(base)?;
    if rest.trim_end_matches('/') != "/join" {
        return None;
    }
    dxos_ui::set_location(&format!("{base}/"), dxos_ui::Visit::Same);
    Some(fragment)
}

/// Makes the app known to all panels below the present component.
pub fn provide_app_info(info: AppInfo) {
    provide_context(info);
}

/// The app.
pub fn use_app_info() -> AppInfo {
    use_context().expect("provide_app_info ran above every panel")
}
