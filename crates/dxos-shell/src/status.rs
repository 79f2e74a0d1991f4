//! The status bar: words for facts of the node. Values stand in data attributes too, for tests.

use dxos_base::SpaceId;
use dxos_client::NetworkView;
use dxos_ui::{
    LinkFact, Phase, SaveFact, SyncFact, status_words, use_phase, use_saving, use_space, use_status,
};
use leptos::prelude::*;

fn link_name(fact: LinkFact) -> &'static str {
    match fact {
        LinkFact::Offline => "offline",
        LinkFact::Connecting => "connecting",
        LinkFact::Online => "online",
        LinkFact::Direct => "direct",
        LinkFact::Relayed => "relayed",
    }
}

fn sync_name(fact: SyncFact) -> &'static str {
    match fact {
        SyncFact::Alone => "alone",
        SyncFact::Behind => "behind",
        SyncFact::Stalled => "stalled",
        SyncFact::Synced => "synced",
        SyncFact::Diverged => "diverged",
        SyncFact::Forked => "forked",
    }
}

fn save_name(fact: SaveFact) -> &'static str {
    match fact {
        SaveFact::Saved => "saved",
        SaveFact::Saving => "saving",
        SaveFact::Failed => "failed",
    }
}

/// How a space stands: connection, replication, what is saved. The connection is a switch for going offline.
#[component]
pub fn StatusLine(
    /// The space.
    #[prop(into)]
    space: Signal<Option<SpaceId>>,
    /// The person wants to be offline, or online again.
    #[prop(into)]
    on_offline: UnsyncCallback<bool>,
) -> impl IntoView {
    let status = use_status();
    let saving = use_saving();
    let space = use_space(space);
    let words = Memo::new(move |_| {
        let space = space.get()?;
        let open = saving.get();
        status.with(|status| Some(status_words(status.as_ref()?, &space, open)))
    });
    let link = move || words.with(|w| w.as_ref().map_or("connecting", |w| link_name(w.link)));
    let sync = move || words.with(|w| w.as_ref().map_or("alone", |w| sync_name(w.sync)));
    let phase = use_phase();
    // Nothing saves what was typed since.
    let stopped = move || matches!(phase.get(), Phase::Failed { .. }) && saving.get() > 0;
    let save = move || match stopped() {
        true => "failed",
        false => words.with(|w| w.as_ref().map_or("saved", |w| save_name(w.save))),
    };
    let link_word = move || words.with(|w| w.as_ref().map_or("", |w| w.link_word));
    let off = Memo::new(move |_| {
        status.with(|s| s.as_ref().is_some_and(|s| s.network == NetworkView::Off))
    });
    let switch = move || if off.get() { "Go online" } else { "Go offline" };
    let sync_words = move || match phase.get() {
        Phase::TakingOver => Some("Taking over; your edits are kept".to_owned()),
        _ => words.with(|w| w.as_ref().map(|w| w.sync_words.clone())),
    };
    let save_word = move || match stopped() {
        true => "Not saved",
        false => words.with(|w| w.as_ref().map_or("", |w| w.save_word)),
    };
    view! {
        <button
            class="status-link"
            type="button"
            data-link=link
            title=switch
            aria-label=move || format!("{}. {}", link_word(), switch())
            on:click=move |_| on_offline.run(!off.get_untracked())
        >
            <i class="dot"/>
            {link_word}
        </button>
        <span class="status-sync" data-sync=sync role="status">{sync_words}</span>
        <i class="sp"/>
        <span class="status-save" data-save=save role="status">{save_word}</span>
    }
}
