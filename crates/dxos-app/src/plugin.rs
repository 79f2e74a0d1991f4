//! Plugins: what an application is made of.
//!
//! A plugin has modules; a module waits for an activation event and then returns its contributions. Disabling a plugin
//! takes all of its contributions back at once. A module that fails is set aside with its reason; the others run on.

use std::rc::Rc;

use crate::app::App;
use crate::capability::Contribution;

/// The event every app fires once, first.
pub const STARTUP: ActivationEvent = ActivationEvent("dxos.org/event/startup");

/// Something modules wait for; a reverse-domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivationEvent(pub &'static str);

/// What is told about a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginMeta {
    /// Reverse-domain id.
    pub id: &'static str,
    /// Name to show.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub description: &'static str,
    /// Name of its icon.
    pub icon: &'static str,
    /// Words to find it by.
    pub tags: &'static [&'static str],
    /// Plugins that must be on for this one.
    pub depends_on: &'static [&'static str],
    /// Part of the shell: cannot be disabled.
    pub core: bool,
    /// Where its source stands.
    pub source: &'static str,
}

/// A plugin: its meta data and modules.
pub struct Plugin {
    /// What is told about it.
    pub meta: PluginMeta,
    /// Its parts, activated independently.
    pub modules: Vec<Module>,
}

type Activate = dyn Fn(&ModuleContext) -> Result<Vec<Contribution>, PluginError>;

/// A part of a plugin.
pub struct Module {
    /// Id within the plugin.
    pub id: &'static str,
    /// What it waits for.
    pub activates_on: ActivationEvent,
    pub(crate) activate: Rc<Activate>,
}

impl Module {
    /// A module that contributes what `activate` returns.
    pub fn new(
        id: &'static str,
        activates_on: ActivationEvent,
        activate: impl Fn(&ModuleContext) -> Result<Vec<Contribution>, PluginError> + 'static,
    ) -> Self {
        Module {
            id,
            activates_on,
            activate: Rc::new(activate),
        }
    }
}

/// What a module gets when it is activated.
pub struct ModuleContext {
    /// The application.
    pub app: App,
}

/// What goes wrong with plugins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// No plugin of this id is installed.
    #[error("no plugin \"{plugin}\" is installed")]
    Unknown {
        /// The id asked for.
        plugin: String,
    },
    /// Part of the shell.
    #[error("plugin \"{plugin}\" is part of the shell and cannot be disabled")]
    Core {
        /// Which.
        plugin: &'static str,
    },
    /// Something it needs is off.
    #[error("plugin \"{plugin}\" needs \"{needs}\", which is not enabled")]
    Needs {
        /// Which.
        plugin: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A capability a module needs was not contributed.
    #[error("nothing contributed \"{capability}\"")]
    Missing {
        /// The capability.
        capability: &'static str,
    },
}

/// How a plugin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginStatus {
    /// What is told about it.
    pub meta: PluginMeta,
    /// On or off.
    pub enabled: bool,
    /// Modules that ran.
    pub active: Vec<&'static str>,
    /// Modules that failed, with the reason.
    pub failed: Vec<(&'static str, PluginError)>,
}
