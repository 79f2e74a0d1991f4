//! Light, dark, or as the system says; kept in this browser.
//!
//! The look itself is CSS (`apps/composer/assets/css/tokens.css`); this plugin only names the choice on the page's root.

use std::cell::Cell;
use std::rc::Rc;

use dxos_app::{
    Action, ActionSource, App, Intent, Module, Node, Plugin, PluginMeta, ROOT, Resolution,
    Resolver, STARTUP,
};

/// Id of this plugin.
pub const ID: &str = "dxos.org/plugin/theme";
const KEY: &str = "dxos.theme";

/// The choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    System,
    /// Dark ink on light.
    Light,
    /// Light ink on dark.
    Dark,
}

impl Theme {
    const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    fn name(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn read() -> Theme {
        let kept = dxos_ui::load(KEY).unwrap_or_default();
        Theme::ALL
            .into_iter()
            .find(|theme| theme.name() == kept)
            .unwrap_or(Theme::System)
    }

    fn show(self) {
        let value = (self != Theme::System).then(|| self.name());
        dxos_ui::set_root_attribute("data-theme", value);
    }
}

/// Chooses a theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetTheme {
    /// Which.
    pub theme: Theme,
}

impl Intent for SetTheme {
    const ID: &'static str = "dxos.org/intent/theme/set";
    type Output = ();
}

/// The plugin.
pub fn plugin() -> Plugin {
    let meta = PluginMeta {
        id: ID,
        name: "Theme",
        description: "Light, dark, or as your system says.",
        icon: "circle-half",
        tags: &["look"],
        depends_on: &[],
        core: true,
        source: "plugins/dxos-plugin-theme",
    };
    let module = Module::new("theme", STARTUP, |_| {
        let now = Rc::new(Cell::new(Theme::read()));
        now.get().show();
        let shown = now.clone();
        let set = Resolver::new(move |app: &App, intent: SetTheme| {
            now.set(intent.theme);
            intent.theme.show();
            dxos_ui::save(KEY, intent.theme.name());
            app.graph().invalidate(ROOT);
            Resolution::done(())
        });
        let actions = move |_: &App, node: &Node| {
            if node.id != ROOT {
                return Vec::new();
            }
            let others = Theme::ALL.into_iter().filter(|theme| *theme != shown.get());
            others.map(action).collect()
        };
        let source = ActionSource {
            id: "theme/actions",
            actions: Rc::new(actions),
        };
        Ok(vec![
            Resolver::CAPABILITY.of(set),
            ActionSource::CAPABILITY.of(source),
        ])
    });
    Plugin {
        meta,
        modules: vec![module],
    }
}

fn action(theme: Theme) -> Action {
    let (id, label, icon) = match theme {
        Theme::System => ("theme/system", "Theme: as the system", "circle-half"),
        Theme::Light => ("theme/light", "Theme: light", "sun"),
        Theme::Dark => ("theme/dark", "Theme: dark", "moon"),
    };
    Action::new(id, label, icon, move |app| app.send(SetTheme { theme }))
}
