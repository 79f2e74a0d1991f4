//! Stand-ins where there is no page.

use dxos_base::TextDelta;
use dxos_client::CaretView;

use super::{EditorEvents, Focus};

/// Holds a text without showing it.
pub(crate) struct Editor;

impl Editor {
    pub fn mount(_: &web_sys::HtmlElement, _: &str, _: &str, events: EditorEvents) -> Self {
        // Nobody types here: the callbacks hear once that nothing is there.
        (events.change)(Vec::new());
        (events.select)(0, 0, Focus::Elsewhere);
        (events.select)(0, 0, Focus::Here);
        (events.words)(0);
        Editor
    }
    pub fn apply_remote(&self, _: &TextDelta) {}
    pub fn set_text(&self, _: &str) {}
    pub fn set_peers(&self, _: &[CaretView]) {}
    pub fn set_read_only(&self, _: bool) {}
    pub fn focus(&self) {}
}

/// Puts the icons into the page; once.
pub fn provide_icons() {}

/// Puts a text on the clipboard.
pub async fn copy_text(_text: String) -> Result<(), String> {
    Err("there is no clipboard".into())
}

/// Waits.
pub async fn delay(_milliseconds: u32) {}

/// A name for this device.
pub fn device_label() -> String {
    "This device".into()
}

/// Browser and system in words.
pub fn platform_label() -> String {
    "native".into()
}

/// Whether Apple's keyboard conventions hold.
pub fn is_apple() -> bool {
    false
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    0
}

/// The day it is here, `2026-11-30`.
pub fn today() -> String {
    "1970-01-01".into()
}

/// A moment as people write it here, to the minute.
pub fn when(at_ms: u64) -> String {
    let minutes = at_ms / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// Shows another fragment of the address.
pub fn set_fragment(_fragment: &str) {}

/// Where the app is served from.
pub fn origin() -> String {
    "http://localhost:4400".into()
}

/// A setting of this browser.
pub fn load(_key: &str) -> Option<String> {
    None
}

/// Keeps a setting of this browser.
pub fn save(_key: &str, _value: &str) {}

/// Path and fragment of the page's address, the fragment without `#`.
pub fn location() -> (String, String) {
    ("/".into(), String::new())
}

/// Shows another address without loading; `Visit::New` can be gone back from.
pub fn set_location(_address: &str, _visit: super::Visit) {}

/// Calls `listener` when the person goes back or forward, as long as the page lives.
pub fn on_location(_listener: impl Fn() + 'static) {}

/// Calls `listener` when the person has scrolled within a screen of the page's end.
pub fn on_page_end(_listener: impl Fn() + 'static) -> impl FnOnce() + 'static {
    || {}
}

/// Sets an attribute of the page's root element; `None` removes it.
pub fn set_root_attribute(_name: &str, _value: Option<&str>) {}
