//! The page: CodeMirror through `js/editor.bundle.js`, icons through `js/icons.bundle.js` (built, not committed), clipboard, storage, clock.

use dxos_base::{TextChange, TextDelta};
use dxos_client::CaretView;
use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::{EditorEvents, Focus};

#[wasm_bindgen(module = "/js/editor.bundle.js")]
extern "C" {
    #[wasm_bindgen(js_name = Editor)]
    type JsEditor;
    #[wasm_bindgen(constructor, js_class = "Editor")]
    fn new(
        parent: &web_sys::HtmlElement,
        doc: &str,
        label: &str,
        change: &Closure<dyn Fn(Array)>,
        select: &Closure<dyn Fn(u32, u32, bool)>,
        words: &Closure<dyn Fn(u32)>,
    ) -> JsEditor;
    #[wasm_bindgen(method, js_class = "Editor", js_name = applyRemote)]
    fn apply_remote(this: &JsEditor, changes: &Array);
    #[wasm_bindgen(method, js_class = "Editor", js_name = setText)]
    fn set_text(this: &JsEditor, text: &str);
    #[wasm_bindgen(method, js_class = "Editor", js_name = setPeers)]
    fn set_peers(this: &JsEditor, peers: &Array);
    #[wasm_bindgen(method, js_class = "Editor", js_name = setReadOnly)]
    fn set_read_only(this: &JsEditor, on: bool);
    #[wasm_bindgen(method, js_class = "Editor")]
    fn focus(this: &JsEditor);
    #[wasm_bindgen(method, js_class = "Editor")]
    fn destroy(this: &JsEditor);
}

#[wasm_bindgen(module = "/js/icons.bundle.js")]
extern "C" {
    /// Puts the icons into the page; once.
    #[wasm_bindgen(js_name = provideIcons)]
    pub fn provide_icons();
}

/// An editor in the page; dropping it takes it out.
pub(crate) struct Editor {
    js: JsEditor,
    _change: Closure<dyn Fn(Array)>,
    _select: Closure<dyn Fn(u32, u32, bool)>,
    _words: Closure<dyn Fn(u32)>,
}

impl Editor {
    pub fn mount(
        parent: &web_sys::HtmlElement,
        doc: &str,
        label: &str,
        events: EditorEvents,
    ) -> Self {
        let EditorEvents {
            change,
            select,
            words,
        } = events;
        let change = Closure::<dyn Fn(Array)>::new(move |flat: Array| change(delta(&flat)));
        let select = Closure::<dyn Fn(u32, u32, bool)>::new(move |anchor, head, focused| {
            select(
                anchor,
                head,
                if focused {
                    Focus::Here
                } else {
                    Focus::Elsewhere
                },
            );
        });
        let words = Closure::<dyn Fn(u32)>::new(move |count| words(count));
        let js = JsEditor::new(parent, doc, label, &change, &select, &words);
        Editor {
            js,
            _change: change,
            _select: select,
            _words: words,
        }
    }

    pub fn apply_remote(&self, delta: &TextDelta) {
        let flat = Array::new();
        for change in delta {
            flat.push(&change.from.into());
            flat.push(&change.delete.into());
            flat.push(&change.insert.as_str().into());
        }
        self.js.apply_remote(&flat);
    }

    pub fn set_text(&self, text: &str) {
        self.js.set_text(text);
    }

    pub fn set_peers(&self, carets: &[CaretView]) {
        let flat = Array::new();
        for caret in carets {
            flat.push(&caret.device.to_string().into());
            flat.push(&caret.name.as_str().into());
            flat.push(&caret.hue.into());
            flat.push(&caret.anchor.into());
            flat.push(&caret.head.into());
        }
        self.js.set_peers(&flat);
    }

    pub fn set_read_only(&self, on: bool) {
        self.js.set_read_only(on);
    }

    pub fn focus(&self) {
        self.js.focus();
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        self.js.destroy();
    }
}

fn delta(flat: &Array) -> TextDelta {
    let number = |at| flat.get(at).as_f64().unwrap_or(0.0) as u32;
    (0..flat.length())
        .step_by(3)
        .map(|at| TextChange {
            from: number(at),
            delete: number(at + 1),
            insert: flat.get(at + 2).as_string().unwrap_or_default(),
        })
        .collect()
}

fn window() -> web_sys::Window {
    web_sys::window().expect("components run in a page")
}

/// Puts a text on the clipboard.
pub async fn copy_text(text: String) -> Result<(), String> {
    let promise = window().navigator().clipboard().write_text(&text);
    let done = wasm_bindgen_futures::JsFuture::from(promise).await;
    done.map(drop)
        .map_err(|_| "the browser did not allow it".into())
}

/// Waits.
pub async fn delay(milliseconds: u32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        // Fails only for a window that is gone; then nothing waits any more.
        let _ = window()
            .set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds as i32);
    });
    // A timer's promise is never rejected.
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

fn agent() -> String {
    window().navigator().user_agent().unwrap_or_default()
}

/// A name for this device: `Chrome on Linux`.
pub fn device_label() -> String {
    platform_label()
}

/// Browser and system in words.
pub fn platform_label() -> String {
    let agent = agent();
    let has = |mark: &str| agent.contains(mark);
    let browser = match () {
        () if has("Firefox/") => "Firefox",
        () if has("Edg/") => "Edge",
        () if has("Chrome/") || has("Chromium/") => "Chrome",
        () if has("Safari/") => "Safari",
        () => "Browser",
    };
    let system = match () {
        () if has("Android") => "Android",
        () if has("iPhone") || has("iPad") => "iOS",
        () if has("Mac OS") => "macOS",
        () if has("Windows") => "Windows",
        () if has("Linux") => "Linux",
        () => "this device",
    };
    format!("{browser} on {system}")
}

/// Whether Apple's keyboard conventions hold.
pub fn is_apple() -> bool {
    let agent = agent();
    agent.contains("Mac OS") || agent.contains("iPhone") || agent.contains("iPad")
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// The day it is here, `2026-11-30`.
pub fn today() -> String {
    let now = js_sys::Date::new_0();
    let (year, month, day) = (now.get_full_year(), now.get_month() + 1, now.get_date());
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment as people write it here, to the minute; with the day unless it is today's, with the year unless it is this one's.
pub fn when(at_ms: u64) -> String {
    let (at, now) = (
        js_sys::Date::new(&(at_ms as f64).into()),
        js_sys::Date::new_0(),
    );
    let options = js_sys::Object::new();
    let set = |name: &str, value: &str| {
        // A plain object takes every property.
        let _ = js_sys::Reflect::set(&options, &name.into(), &value.into());
    };
    set("hour", "2-digit");
    set("minute", "2-digit");
    if at.to_date_string() != now.to_date_string() {
        set("day", "numeric");
        set("month", "short");
    }
    if at.get_full_year() != now.get_full_year() {
        set("year", "numeric");
    }
    let language = window().navigator().language().unwrap_or_default();
    at.to_locale_string(&language, &options).into()
}

/// Shows another fragment of the address; listeners of the address hear of it.
pub fn set_fragment(fragment: &str) {
    // Only a page that is going away refuses.
    let _ = window().location().set_hash(fragment);
}

/// Where the app is served from.
pub fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// A setting of this browser.
pub fn load(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Keeps a setting of this browser; a browser that refuses storage forgets it on reload.
pub fn save(key: &str, value: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(key, value);
    }
}

/// Path and fragment of the page's address, the fragment without `#`.
pub fn location() -> (String, String) {
    let location = window().location();
    let hash = location.hash().unwrap_or_default();
    (
        location.pathname().unwrap_or_default(),
        hash.trim_start_matches('#').to_owned(),
    )
}

/// Shows another address without loading; `Visit::New` can be gone back from.
pub fn set_location(address: &str, visit: super::Visit) {
    let Ok(history) = window().history() else {
        return;
    };
    // Browsers refuse only a flood of calls; the address is then shown with the next change.
    let _ = match visit {
        super::Visit::New => history.push_state_with_url(&JsValue::NULL, "", Some(address)),
        super::Visit::Same => history.replace_state_with_url(&JsValue::NULL, "", Some(address)),
    };
}

/// Calls `listener` when the person goes back or forward, as long as the page lives.
pub fn on_location(listener: impl Fn() + 'static) {
    let listener = Closure::<dyn Fn()>::new(listener);
    for event in ["popstate", "hashchange"] {
        let added =
            window().add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
        debug_assert!(added.is_ok(), "a window takes listeners");
    }
    listener.forget();
}

/// Calls `listener` when the person has scrolled within a screen of the page's end. What is returned ends that.
pub fn on_page_end(listener: impl Fn() + 'static) -> impl FnOnce() + 'static {
    let near = move || {
        let root = window().document()?.document_element()?;
        let left = root.scroll_height() - root.scroll_top() - root.client_height();
        (left < root.client_height()).then_some(())
    };
    let scrolled = move |_| {
        if near().is_some() {
            listener();
        }
    };
    let handle = leptos::prelude::window_event_listener(leptos::ev::scroll, scrolled);
    move || handle.remove()
}

/// Sets an attribute of the page's root element; `None` removes it.
pub fn set_root_attribute(name: &str, value: Option<&str>) {
    let root = window()
        .document()
        .and_then(|document| document.document_element());
    let Some(root) = root else { return };
    // Names are constants of ours, so they are valid.
    let _ = match value {
        Some(value) => root.set_attribute(name, value),
        None => root.remove_attribute(name),
    };
}
