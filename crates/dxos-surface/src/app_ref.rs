//! The app as signals.

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_app::{ActionView, App, Intent, Layout, Node, Surface, SurfaceData};
use leptos::prelude::*;

/// Handle of the page's app; may be used in any view of the page.
#[derive(Clone, Copy)]
pub struct AppRef {
    app: StoredValue<App, LocalStorage>,
    layout: RwSignal<Layout>,
    contributions: RwSignal<u64>,
    everything: Trigger,
    /// One trigger for each node whose children some view shows.
    nodes: StoredValue<BTreeMap<String, ArcTrigger>>,
}

/// Makes an app known to all components below the present one, and follows it as long as the page lives.
pub fn provide_app(app: App) -> AppRef {
    let handle = AppRef {
        app: StoredValue::new_local(app.clone()),
        layout: RwSignal::new(app.layout()),
        contributions: RwSignal::new(app.contributions_version()),
        everything: Trigger::new(),
        nodes: StoredValue::new(BTreeMap::new()),
    };
    let observations = [
        app.observe_layout(move |layout| handle.layout.set(layout.clone())),
        app.observe_contributions(move |version| handle.contributions.set(*version)),
        app.graph().observe(move |changed| match changed {
            None => handle.everything.notify(),
            Some(id) => {
                let trigger = handle.nodes.with_value(|nodes| nodes.get(id).cloned());
                if let Some(trigger) = trigger {
                    trigger.notify();
                }
            }
        }),
    ];
    // Kept by the owner of the page's views.
    StoredValue::new_local(observations);
    provide_context(handle);
    handle
}

/// The page's app.
pub fn use_app() -> AppRef {
    use_context().expect("provide_app ran above every component that uses the app")
}

impl AppRef {
    /// The app.
    pub fn get(&self) -> App {
        self.app.get_value()
    }

    /// Carries out an intent for its effect.
    pub fn send<I: Intent>(&self, intent: I) {
        self.get().send(intent);
    }

    /// What is open where.
    pub fn layout(&self) -> Signal<Layout> {
        self.layout.into()
    }

    /// Changes whenever a plugin comes or goes.
    pub fn track_contributions(&self) {
        self.contributions.track();
    }

    fn track(&self, id: &str) {
        self.everything.track();
        let trigger = self
            .nodes
            .try_update_value(|nodes| nodes.entry(id.into()).or_default().clone());
        if let Some(trigger) = trigger {
            trigger.track();
        }
    }

    fn track_with_parent(&self, id: &str) {
        self.track(id);
        if let Some((parent, _)) = id.rsplit_once('/') {
            self.track(parent);
        }
    }

    /// A node, as long as it exists.
    pub fn node(&self, id: Signal<String>) -> Memo<Option<Node>> {
        let this = *self;
        Memo::new(move |_| {
            let id = id.get();
            this.track_with_parent(&id);
            let app = this.get();
            app.graph().node(&app, &id)
        })
    }

    /// Children of a node.
    pub fn children(&self, id: Signal<String>) -> Memo<Vec<Node>> {
        let this = *self;
        Memo::new(move |_| {
            let id = id.get();
            this.track_with_parent(&id);
            let app = this.get();
            app.graph().children(&app, &id)
        })
    }

    /// Children of a node now; the caller's computation runs again when they change.
    pub fn children_now(&self, id: &str) -> Vec<Node> {
        self.track_with_parent(id);
        let app = self.get();
        app.graph().children(&app, id)
    }

    /// What can be done with a node.
    pub fn actions(&self, id: Signal<String>) -> Memo<Vec<ActionView>> {
        let this = *self;
        Memo::new(move |_| {
            let id = id.get();
            this.track_with_parent(&id);
            this.get().action_views(&id)
        })
    }

    /// Runs an action.
    pub fn run(&self, node: &str, action: &str) {
        self.get().run_action(node, action);
    }

    /// Ids of the surfaces that fit a slot, best first.
    pub(crate) fn surface_ids(
        &self,
        role: &'static str,
        data: Signal<SurfaceData>,
    ) -> Memo<Arc<Vec<&'static str>>> {
        let this = *self;
        Memo::new(move |_| {
            this.track_contributions();
            let found = this.get().surfaces(role, &data.get());
            Arc::new(found.iter().map(|surface| surface.id).collect())
        })
    }

    pub(crate) fn surface_by_id(&self, id: &str) -> Option<std::rc::Rc<Surface>> {
        let all = self.get().capabilities(&dxos_app::SURFACES);
        all.into_iter()
            .map(|(_, surface)| surface)
            .find(|surface| surface.id == id)
    }
}
