//! The panel: the timeline, and beside it the object at a chosen point with what differs.

use dxos_app::CloseCompanion;
use dxos_base::history::{Point, Version};
use dxos_base::{Clock, FeedId, ObjectId, Query, SpaceId, Stamp};
use dxos_client::MemberView;
use dxos_surface::{parse_path, use_app};
use dxos_ui::{
    Button, ButtonKind, IconButton, Loading, Person, SpaceRef, delay, use_client, use_members,
    use_space, when,
};
use leptos::prelude::*;

use crate::compare::{Comparison, alone, compare};
use crate::restore::RestoreObject;
use crate::shown::comparison_view;
use crate::timeline::Timeline;

/// Rest after a change of the object, before its timeline is read again.
const QUIET_MS: u32 = 400;
/// After every write.
const NOW: Stamp = Stamp {
    clock: Clock::MAX,
    feed: FeedId([0xff; 16]),
};

/// What a point is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// The object as it is.
    Now,
    /// What it was before the edit.
    Before,
    /// Another point.
    Other(Stamp),
    /// Nothing: it is shown as it was.
    Nothing,
}

/// What the panel is at.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    space: SpaceRef,
    object: ObjectId,
    members: Memo<Vec<MemberView>>,
    /// Edits read so far.
    pub timeline: RwSignal<Timeline>,
    /// The point looked at.
    pub chosen: RwSignal<Option<Stamp>>,
    pub against: RwSignal<Against>,
    /// The next press in the timeline chooses what to compare with.
    pub picking: RwSignal<bool>,
    /// Grows when the object changes.
    changes: RwSignal<u32>,
    /// What was read for the chosen point; what it was read for.
    shown: RwSignal<Option<(Wanted, Comparison)>>,
    reading: StoredValue<bool>,
    reading_more: StoredValue<bool>,
}

/// A point and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    chosen: Stamp,
    against: Against,
    /// Counted when it is compared with now.
    changes: u32,
}

/// The history of the object at a path.
pub(crate) fn draw(path: String) -> AnyView {
    let Some((space, Some(object))) = parse_path(&path) else {
        return view! { <p class="hint">"Only what is in a space has a history."</p> }.into_any();
    };
    panel(path, space, object).into_any()
}

fn panel(path: String, space: SpaceId, object: ObjectId) -> impl IntoView {
    let app = use_app();
    let panel = Panel {
        space: SpaceRef::new(use_client(), space),
        object,
        members: use_members(space),
        timeline: RwSignal::new(Timeline::default()),
        chosen: RwSignal::new(None),
        against: RwSignal::new(Against::Now),
        picking: RwSignal::new(false),
        changes: RwSignal::new(0),
        shown: RwSignal::new(None),
        reading: StoredValue::new(false),
        reading_more: StoredValue::new(false),
    };
    panel.follow();
    let node = app.node(Signal::stored(path));
    let name = Memo::new(move |_| {
        node.with(|node| node.as_ref().map(|node| node.label.clone()))
            .unwrap_or_default()
    });
    let view = use_space(Signal::derive(move || Some(space)));
    let may_write = Memo::new(move |_| view.with(|v| v.as_ref().is_some_and(|v| v.may_write())));
    let is_open = move || panel.chosen.with(Option::is_some);
    // Escape goes one step back before it closes the panel.
    let back = move |event: leptos::ev::KeyboardEvent| {
        if event.key() != "Escape" {
            return;
        }
        if panel.picking.get_untracked() {
            panel.picking.set(false);
        } else if panel.chosen.get_untracked().is_some() {
            panel.leave_point();
        } else {
            return;
        }
        event.prevent_default();
    };
    view! {
        <section class="history" class:open=is_open aria-label=move || format!("History of {}", name.get()) on:keydown=back>
            <div class="edits">
                <header>
                    <h2>"History"</h2>
                    <IconButton label="Close history" icon="x" on_press=move |()| app.send(CloseCompanion {})/>
                </header>
                <Show when=move || panel.picking.get()>
                    <div class="pick" role="status">
                        <span>"Choose the point to compare with."</span>
                        <Button kind=ButtonKind::Quiet on_press=move |()| panel.picking.set(false)>"Cancel"</Button>
                    </div>
                </Show>
                {crate::list::list(panel)}
            </div>
            <Show when=is_open>{detail(panel, name, may_write)}</Show>
        </section>
    }
}

impl Panel {
    /// Who made an edit.
    pub fn person(self, by: Option<dxos_base::IdentityKey>) -> Person {
        let known = self.members.with(|members| {
            let found = members.iter().find(|member| Some(member.identity) == by);
            found.map(Person::of)
        });
        let person = known.unwrap_or_else(|| Person {
            name: "Somebody who left".into(),
            hue: 0,
            online: false,
        });
        Person {
            online: false,
            ..person
        }
    }

    /// Reads the latest edits, now and whenever the object changes.
    fn follow(self) {
        let client = self.space.client();
        let heard = move |_: &[_]| {
            let _ = self.changes.try_update(|count| *count += 1);
        };
        let subscription =
            client
                .get()
                .subscribe(self.space.id(), Query::of_ids([self.object]), heard);
        on_cleanup({
            let subscription = StoredValue::new_local(Some(subscription));
            move || drop(subscription.try_update_value(Option::take))
        });
        let waits = StoredValue::new(false);
        Effect::new(move |before: Option<()>| {
            self.changes.track();
            if waits.get_value() {
                return;
            }
            waits.set_value(true);
            let first = before.is_none();
            leptos::task::spawn_local(async move {
                if !first {
                    delay(QUIET_MS).await;
                }
                // What changes from here on is read by the next turn.
                if waits.try_update_value(|waits| *waits = false).is_some() {
                    self.read_newest().await;
                }
            });
        });
        Effect::new(move |_| {
            let wanted = self.wanted();
            if wanted.is_none() {
                self.shown.set(None);
            }
            if wanted.is_some() && !self.reading.get_value() {
                self.reading.set_value(true);
                leptos::task::spawn_local(async move { self.read_points().await });
            }
        });
    }

    async fn read_newest(self) {
        let Ok(space) = self.space.get() else { return };
        match space.history(self.object, Timeline::newest()).await {
            Ok(page) => drop(
                self.timeline
                    .try_update(|timeline| timeline.take_newest(page)),
            ),
            Err(error) => self.refused(error),
        }
    }

    /// Reads edits before those that are here, if there are any.
    pub fn read_older(self) {
        let Some(window) = self.timeline.with_untracked(Timeline::older) else {
            return;
        };
        if self
            .reading_more
            .try_update_value(|on| std::mem::replace(on, true))
            != Some(false)
        {
            return;
        }
        leptos::task::spawn_local(async move {
            let Ok(space) = self.space.get() else { return };
            match space.history(self.object, window).await {
                Ok(page) => drop(
                    self.timeline
                        .try_update(|timeline| timeline.take_older(page)),
                ),
                Err(error) => self.refused(error),
            }
            let _ = self.reading_more.try_set_value(false);
        });
    }

    fn refused(self, error: dxos_client::Error) {
        self.space.client().trouble(error.to_string(), error.hint());
    }

    fn wanted(self) -> Option<Wanted> {
        let chosen = self.chosen.try_get().flatten()?;
        let against = self.against.get();
        let changes = match against {
            Against::Now => self.changes.get(),
            _ => 0,
        };
        Some(Wanted {
            chosen,
            against,
            changes,
        })
    }

    /// Reads what is wanted until it is what is shown. One at a time: who runs through the timeline waits for the last one
    /// only.
    async fn read_points(self) {
        loop {
            let wanted = untrack(move || self.wanted());
            let done = self.shown.try_with_untracked(|shown| {
                shown.as_ref().map(|(read, _)| read) == wanted.as_ref()
            });
            let (Some(false), Some(wanted)) = (done, wanted) else {
                break;
            };
            match self.read(&wanted).await {
                Ok(comparison) => drop(self.shown.try_set(Some((wanted, comparison)))),
                Err(error) => {
                    self.refused(error);
                    let _ = self.chosen.try_set(None);
                    break;
                }
            }
        }
        let _ = self.reading.try_set_value(false);
    }

    async fn read(self, wanted: &Wanted) -> Result<Comparison, dxos_client::Error> {
        let chosen = self.version(Some(wanted.chosen)).await?;
        let other = match wanted.against {
            Against::Nothing => {
                return Ok(chosen.as_ref().map_or_else(|| compare(None, None), alone));
            }
            Against::Now => Some(NOW),
            Against::Other(stamp) => Some(stamp),
            Against::Before => self.start_of(wanted.chosen),
        };
        let other_version = self.version(other).await?;
        let (before, after) = match other > Some(wanted.chosen) {
            true => (chosen, other_version),
            false => (other_version, chosen),
        };
        Ok(compare(before.as_ref(), after.as_ref()))
    }

    /// The last write before the edit that a write is part of.
    fn start_of(self, stamp: Stamp) -> Option<Stamp> {
        let first = self.timeline.try_with_untracked(|timeline| {
            let edit = timeline.edits.get(timeline.place_of(stamp)?)?;
            (!edit.begins).then_some(edit.first)
        })??;
        Some(before(first))
    }

    async fn version(self, stamp: Option<Stamp>) -> Result<Option<Version>, dxos_client::Error> {
        match stamp {
            None => Ok(None),
            Some(stamp) => {
                let space = self.space.get()?;
                space.version(self.object, Point::Through(stamp)).await
            }
        }
    }

    /// Back to the timeline alone; what had the focus goes, so the list takes it.
    fn leave_point(self) {
        self.chosen.set(None);
        request_animation_frame(crate::list::focus);
    }

    /// A line of the timeline was pressed.
    pub fn choose(self, stamp: Stamp) {
        if self.picking.get_untracked() {
            self.picking.set(false);
            self.against.set(Against::Other(stamp));
            return;
        }
        if let Against::Other(_) = self.against.get_untracked() {
            self.against.set(Against::Now);
        }
        self.chosen.set(Some(stamp));
    }
}

/// The greatest stamp below one.
fn before(stamp: Stamp) -> Stamp {
    let below = u128::from_be_bytes(stamp.feed.0).checked_sub(1);
    match below {
        Some(below) => Stamp {
            feed: FeedId(below.to_be_bytes()),
            ..stamp
        },
        None => Stamp {
            clock: Clock(stamp.clock.0.saturating_sub(1)),
            feed: FeedId([0xff; 16]),
        },
    }
}

/// The chosen point.
fn detail(panel: Panel, name: Memo<String>, may_write: Memo<bool>) -> impl IntoView {
    let app = use_app();
    let moment = Memo::new(move |_| panel.chosen.get().map(|stamp| when(stamp.clock.ms())));
    let heading = move || format!("As it was {}", moment.get().unwrap_or_default());
    let restore = move |()| {
        let Some(stamp) = panel.chosen.get_untracked() else {
            return;
        };
        app.send(RestoreObject {
            space: panel.space.id(),
            object: panel.object,
            point: Point::Through(stamp),
            label: name.get_untracked(),
            moment: moment.get_untracked().unwrap_or_default(),
        });
        panel.leave_point();
    };
    let is_latest = Memo::new(move |_| {
        let latest = panel
            .timeline
            .with(|t| t.edits.first().map(|edit| edit.last));
        panel.chosen.get() >= latest
    });
    let swap = move |event: leptos::ev::Event| match event_target_value(&event).as_str() {
        "now" => panel.against.set(Against::Now),
        "before" => panel.against.set(Against::Before),
        "nothing" => panel.against.set(Against::Nothing),
        "pick" => {
            panel.picking.set(true);
            crate::list::focus();
        }
        _ => {}
    };
    let choice = move |value: &'static str| match (panel.against.get(), panel.picking.get()) {
        (_, true) => value == "pick",
        (Against::Now, _) => value == "now",
        (Against::Before, _) => value == "before",
        (Against::Nothing, _) => value == "nothing",
        (Against::Other(_), _) => value == "other",
    };
    let other = move || match panel.against.get() {
        Against::Other(stamp) => Some(view! {
            <option value="other" selected=true>{when(stamp.clock.ms())}</option>
        }),
        _ => None,
    };
    let body = move || match panel.shown.with(Option::is_some) {
        false => view! { <Loading text="Reading what it was"/> }.into_any(),
        true => {
            let comparison = panel.shown.get().map(|(_, comparison)| comparison);
            comparison.map(comparison_view).into_any()
        }
    };
    view! {
        <div class="point">
            <header>
                <IconButton label="Back to the timeline" icon="arrow-left" class="back" on_press=move |()| panel.leave_point()/>
                <h3>{heading}</h3>
                <Show when=move || may_write.get() && !is_latest.get()>
                    <Button kind=ButtonKind::Primary icon="arrow-counter-clockwise" on_press=restore>"Restore"</Button>
                </Show>
            </header>
            <label class="with">
                <span>"Compared with"</span>
                <select class="sel2" on:change=swap>
                    <option value="now" selected=move || choice("now")>"now"</option>
                    <option value="before" selected=move || choice("before")>"before this edit"</option>
                    {other}
                    <option value="pick" selected=move || choice("pick")>"another point…"</option>
                    <option value="nothing" selected=move || choice("nothing")>"nothing"</option>
                </select>
            </label>
            <div class="was" tabindex="0" role="region" aria-label="What differs">{body}</div>
        </div>
    }
}
