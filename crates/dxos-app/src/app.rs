//! The application: installed plugins and what they contributed, the graph, the layout, and the door for intents.
//!
//! Single-threaded. Listeners and contributed functions are called without any borrow held, so they may call back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::capability::{Capability, Origin, Registry};
use crate::graph::{ActionView, Graph};
use crate::intent::{Intent, IntentError, Outcome, RESOLVERS, Resolution, Undo};
use crate::layout::{Layout, NewToast, Tone};
use crate::observe::{Listeners, Observation};
use crate::plugin::{ActivationEvent, ModuleContext, Plugin, PluginError, PluginStatus, STARTUP};
use crate::surface::{SURFACES, Surface, SurfaceData, matching};

/// Undos kept at once; the oldest go first.
const UNDOS_MAX: usize = 32;

/// A future of this thread.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;
/// Runs futures: the host's executor.
pub type Spawn = Rc<dyn Fn(LocalFuture)>;

struct Slot {
    plugin: Rc<Plugin>,
    enabled: bool,
    active: Vec<&'static str>,
    failed: Vec<(&'static str, PluginError)>,
}

struct Inner {
    spawn: Spawn,
    slots: RefCell<Vec<Slot>>,
    fired: RefCell<BTreeSet<ActivationEvent>>,
    registry: Registry,
    graph: Graph,
    layout: RefCell<Layout>,
    layout_listeners: Listeners<Layout>,
    undos: RefCell<BTreeMap<u64, Undo>>,
    undo_next: Cell<u64>,
}

/// A running application; clones are the same one.
#[derive(Clone)]
pub struct App {
    inner: Rc<Inner>,
}

impl App {
    /// An app of these plugins, all enabled, not yet started.
    pub fn new(plugins: Vec<Plugin>, spawn: Spawn) -> App {
        let slots = plugins
            .into_iter()
            .map(|plugin| Slot {
                plugin: Rc::new(plugin),
                enabled: true,
                active: Vec::new(),
                failed: Vec::new(),
            })
            .collect();
        let inner = Inner {
            spawn,
            slots: RefCell::new(slots),
            fired: RefCell::default(),
            registry: Registry::default(),
            graph: Graph::default(),
            layout: RefCell::default(),
            layout_listeners: Listeners::default(),
            undos: RefCell::default(),
            undo_next: Cell::new(0),
        };
        App {
            inner: Rc::new(inner),
        }
    }

    /// Fires [`STARTUP`].
    pub fn start(&self) {
        self.fire(STARTUP);
    }

    /// Fires an event: modules that waited for it are activated, in the order of the plugins.
    pub fn fire(&self, event: ActivationEvent) {
        self.inner.fired.borrow_mut().insert(event);
        self.activate_waiting();
    }

    fn activate_waiting(&self) {
        loop {
            let next = {
                let slots = self.inner.slots.borrow();
                let fired = self.inner.fired.borrow();
                slots
                    .iter()
                    .enumerate()
                    .filter(|(_, slot)| slot.enabled)
                    .find_map(|(at, slot)| {
                        let waiting = |id| {
                            !slot.active.contains(&id) && !slot.failed.iter().any(|f| f.0 == id)
                        };
                        let modules = &slot.plugin.modules;
                        let module = modules
                            .iter()
                            .position(|m| fired.contains(&m.activates_on) && waiting(m.id))?;
                        Some((at, slot.plugin.clone(), module))
                    })
            };
            let Some((at, plugin, module)) = next else {
                break;
            };
            let module = &plugin.modules[module];
            // Marked before it runs: a module that fires its own event is not activated twice.
            self.inner.slots.borrow_mut()[at].active.push(module.id);
            let context = ModuleContext { app: self.clone() };
            match (module.activate)(&context) {
                Ok(contributions) => {
                    let origin = Origin {
                        plugin: plugin.meta.id,
                        module: module.id,
                    };
                    self.inner.registry.add(at, origin, contributions);
                }
                Err(error) => {
                    let slot = &mut self.inner.slots.borrow_mut()[at];
                    slot.active.retain(|id| *id != module.id);
                    slot.failed.push((module.id, error));
                }
            }
        }
        self.inner.graph.invalidate_all();
    }

    /// Turns a plugin on; its modules catch up with the events fired so far.
    pub fn enable(&self, plugin: &str) -> Result<(), PluginError> {
        {
            let mut slots = self.inner.slots.borrow_mut();
            let on = |id: &str| slots.iter().any(|s| s.enabled && s.plugin.meta.id == id);
            let at = slots
                .iter()
                .position(|s| s.plugin.meta.id == plugin)
                .ok_or_else(|| PluginError::Unknown {
                    plugin: plugin.into(),
                })?;
            let meta = &slots[at].plugin.meta;
            if let Some(needs) = meta.depends_on.iter().find(|id| !on(id)) {
                return Err(PluginError::Needs {
                    plugin: meta.id,
                    needs,
                });
            }
            slots[at].enabled = true;
            slots[at].failed.clear();
        }
        self.activate_waiting();
        Ok(())
    }

    /// Turns a plugin off, and all that depend on it: their contributions go at once.
    pub fn disable(&self, plugin: &str) -> Result<(), PluginError> {
        let mut off: Vec<&'static str> = Vec::new();
        {
            let mut slots = self.inner.slots.borrow_mut();
            let meta = slots
                .iter()
                .map(|s| s.plugin.meta.clone())
                .find(|meta| meta.id == plugin)
                .ok_or_else(|| PluginError::Unknown {
                    plugin: plugin.into(),
                })?;
            off.push(meta.id);
            while let Some(more) = slots.iter().map(|s| &s.plugin.meta).find(|m| {
                !off.contains(&m.id) && m.depends_on.iter().any(|needs| off.contains(needs))
            }) {
                off.push(more.id);
            }
            for slot in slots.iter() {
                if slot.plugin.meta.core && off.contains(&slot.plugin.meta.id) {
                    return Err(PluginError::Core {
                        plugin: slot.plugin.meta.id,
                    });
                }
            }
            for slot in slots.iter_mut().filter(|s| off.contains(&s.plugin.meta.id)) {
                slot.enabled = false;
                slot.active.clear();
            }
        }
        for id in off {
            self.inner.registry.remove_plugin(id);
        }
        self.inner.graph.invalidate_all();
        Ok(())
    }

    /// How the plugins stand, in order.
    pub fn plugins(&self) -> Vec<PluginStatus> {
        let slots = self.inner.slots.borrow();
        slots
            .iter()
            .map(|slot| PluginStatus {
                meta: slot.plugin.meta.clone(),
                enabled: slot.enabled,
                active: slot.active.clone(),
                failed: slot.failed.clone(),
            })
            .collect()
    }

    /// All contributions to a capability, in the order of the plugins.
    pub fn capabilities<T: 'static>(&self, capability: &Capability<T>) -> Vec<(Origin, Rc<T>)> {
        self.inner.registry.all(capability)
    }

    /// The first contribution to a capability.
    pub fn capability<T: 'static>(&self, of: &Capability<T>) -> Result<Rc<T>, PluginError> {
        let first = self.capabilities(of).into_iter().next();
        first.map(|(_, value)| value).ok_or(PluginError::Missing {
            capability: of.id(),
        })
    }

    /// A number that grows with every change of contributions.
    pub fn contributions_version(&self) -> u64 {
        self.inner.registry.version()
    }

    /// Hears of every change of contributions.
    pub fn observe_contributions(&self, listener: impl Fn(&u64) + 'static) -> Observation {
        self.inner.registry.observe(listener)
    }

    /// The best surface for a slot.
    pub fn surface(&self, role: &str, data: &SurfaceData) -> Option<Rc<Surface>> {
        self.surfaces(role, data).into_iter().next()
    }

    /// All surfaces that fit a slot, best first.
    pub fn surfaces(&self, role: &str, data: &SurfaceData) -> Vec<Rc<Surface>> {
        matching(
            self.capabilities(&SURFACES)
                .into_iter()
                .map(|c| c.1)
                .collect(),
            role,
            data,
        )
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// What can be done with a node, as shown.
    pub fn action_views(&self, node: &str) -> Vec<ActionView> {
        self.graph()
            .actions(self, node)
            .into_iter()
            .map(|action| action.view)
            .collect()
    }

    /// Runs an action of a node by its id; does nothing if it is gone.
    pub fn run_action(&self, node: &str, action: &str) {
        let found = self
            .graph()
            .actions(self, node)
            .into_iter()
            .find(|a| a.view.id == action);
        if let Some(action) = found {
            (action.run)(self);
        }
    }

    /// The layout now.
    pub fn layout(&self) -> Layout {
        self.inner.layout.borrow().clone()
    }

    /// Hears of every change of the layout.
    pub fn observe_layout(&self, listener: impl Fn(&Layout) + 'static) -> Observation {
        self.inner.layout_listeners.observe(listener)
    }

    pub(crate) fn change_layout<R>(&self, change: impl FnOnce(&mut Layout) -> R) -> R {
        let (result, now) = {
            let mut layout = self.inner.layout.borrow_mut();
            let before = layout.clone();
            let result = change(&mut layout);
            (result, (*layout != before).then(|| layout.clone()))
        };
        if let Some(now) = now {
            self.inner.layout_listeners.tell(&now);
        }
        result
    }

    /// Carries out an intent; for chaining and for its output.
    pub async fn dispatch<I: Intent>(&self, intent: I) -> Result<Outcome<I::Output>, IntentError> {
        match self.resolve(&intent)? {
            Resolution::Now(result) => result,
            Resolution::Later(future) => future.await,
        }
    }

    fn resolve<I: Intent>(&self, intent: &I) -> Result<Resolution<I::Output>, IntentError> {
        let mut resolvers: Vec<_> = self
            .capabilities(&RESOLVERS)
            .into_iter()
            .map(|(_, resolver)| resolver)
            .filter(|resolver| resolver.intent == I::ID)
            .collect();
        resolvers.sort_by_key(|resolver| std::cmp::Reverse(resolver.priority));
        resolvers
            .iter()
            .find_map(|resolver| resolver.call(self, intent))
            .ok_or(IntentError::NoResolver { intent: I::ID })
    }

    /// Carries out an intent for its effect: a failure, or an undo, is shown as a message.
    pub fn send<I: Intent>(&self, intent: I) {
        match self.resolve(&intent) {
            Ok(Resolution::Now(result)) => self.finish(result),
            Ok(Resolution::Later(future)) => {
                let app = self.clone();
                self.spawn(async move {
                    let result = future.await;
                    app.finish(result);
                });
            }
            Err(error) => self.finish::<()>(Err(error)),
        }
    }

    fn finish<O>(&self, result: Result<Outcome<O>, IntentError>) {
        match result {
            Ok(Outcome {
                undo: Some(undo), ..
            }) => {
                let title = undo.label.clone();
                let id = self.keep_undo(undo);
                let toast = NewToast {
                    tone: Tone::Info,
                    title,
                    hint: String::new(),
                };
                self.change_layout(|layout| layout.toast(toast, Some(id)));
            }
            Ok(_) => {}
            Err(error) => self.show_error(&error),
        }
    }

    /// Shows a failure with its next step as a message.
    pub fn show_error(&self, error: &IntentError) {
        let hint = match error {
            IntentError::NoResolver { .. } => {
                "The plugin that does this may be switched off.".to_owned()
            }
            IntentError::Failed { hint, .. } => hint.clone(),
        };
        let toast = NewToast {
            tone: Tone::Bad,
            title: error.to_string(),
            hint,
        };
        self.change_layout(|layout| layout.toast(toast, None));
    }

    fn keep_undo(&self, undo: Undo) -> u64 {
        let id = self.inner.undo_next.replace(self.inner.undo_next.get() + 1);
        let mut undos = self.inner.undos.borrow_mut();
        undos.insert(id, undo);
        let oldest = (undos.len() > UNDOS_MAX).then(|| undos.pop_first());
        drop(undos);
        drop(oldest);
        id
    }

    /// Takes an outcome back; does nothing the second time.
    pub fn undo(&self, id: u64) {
        let undo = self.inner.undos.borrow_mut().remove(&id);
        if let Some(undo) = undo {
            (undo.run)(self);
        }
    }

    /// Runs a future on the host's executor.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        (self.inner.spawn)(Box::pin(future));
    }
}
