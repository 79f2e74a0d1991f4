//! Slots: the place of a surface in the page.

use std::rc::Rc;

use dxos_app::{Contribution, SURFACES, Surface, SurfaceData};
use leptos::prelude::*;

use crate::app_ref::{AppRef, use_app};

/// What draws a surface.
pub type Draw = Rc<dyn Fn(SurfaceData) -> AnyView>;

/// A surface for the data `matches` accepts.
pub fn draws(
    id: &'static str,
    role: &'static str,
    priority: i32,
    matches: impl Fn(&SurfaceData) -> bool + 'static,
    draw: impl Fn(SurfaceData) -> AnyView + 'static,
) -> Contribution {
    let draw: Draw = Rc::new(draw);
    SURFACES.of(Surface {
        id,
        role,
        priority,
        matches: Rc::new(matches),
        component: Rc::new(draw),
    })
}

/// A surface for any data.
pub fn draws_any(
    id: &'static str,
    role: &'static str,
    draw: impl Fn(SurfaceData) -> AnyView + 'static,
) -> Contribution {
    draws(id, role, 0, |_| true, draw)
}

fn draw(app: AppRef, id: &str, data: SurfaceData) -> Option<AnyView> {
    let surface = app.surface_by_id(id)?;
    let draw = surface.component.clone().downcast::<Draw>().ok()?;
    Some((**draw)(data))
}

/// Draws the best surface for a slot; the fallback if there is none. Drawn anew when surface or data change.
#[component]
pub fn Slot(
    /// The slot's role.
    role: &'static str,
    /// What it is about.
    #[prop(into)]
    data: Signal<SurfaceData>,
    /// Drawn when nothing fits.
    #[prop(optional, into)]
    fallback: ViewFn,
) -> impl IntoView {
    let app = use_app();
    let ids = app.surface_ids(role, data);
    let best = Memo::new(move |_| (ids.get().first().copied(), data.get()));
    move || {
        let (id, data) = best.get();
        id.and_then(|id| draw(app, id, data))
            .unwrap_or_else(|| fallback.run())
    }
}

/// Draws all surfaces that fit a slot, in order.
#[component]
pub fn SlotList(
    /// The slot's role.
    role: &'static str,
    /// What they are about.
    #[prop(into)]
    data: Signal<SurfaceData>,
) -> impl IntoView {
    let app = use_app();
    let ids = app.surface_ids(role, data);
    view! {
        <For each=move || ids.get().to_vec() key=|id| *id let:id>
            {draw(app, id, data.get_untracked())}
        </For>
    }
}
