//! Waiting for others, and staying with them.

use std::time::Duration;

use dxos_base::SpaceId;
use dxos_client::{LinkKind, NetworkView, SpaceView, StatusView, SyncState};

use super::failed::{Failed, Kind};
use super::{At, say};

/// With the server reached and nobody there, longer than it takes to be found.
const ALONE: Duration = Duration::from_millis(2_500);

/// A node batches its status; one told before the last write may still be on its way.
const STATUS_LAG: Duration = Duration::from_millis(100);

/// How far a space is with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    /// Somebody has all we have, and we all they have.
    Synced,
    /// Nobody of the space is online.
    Alone,
    /// The server was not reached.
    Offline,
    /// Not done in the time given.
    Late,
}

/// Waits until a space is the same here and with a peer.
pub(super) async fn together(at: &At, space: SpaceId) -> Together {
    if at.wait.is_zero() {
        return Together::Offline;
    }
    tokio::time::sleep(STATUS_LAG).await;
    let synced = at.client.status_with(move |status| {
        of(status, space)
            .filter(|view| view.sync == SyncState::Synced)
            .map(|_| ())
    });
    let nobody = async {
        let online = |status: &StatusView| (status.network == NetworkView::Online).then_some(());
        at.client.status_with(online).await;
        tokio::time::sleep(ALONE).await;
        at.client
            .status_with(move |status| {
                of(status, space)
                    .filter(|view| view.peers.is_empty())
                    .map(|_| ())
            })
            .await;
    };
    tokio::select! {
        biased;
        () = synced => Together::Synced,
        () = nobody => Together::Alone,
        () = tokio::time::sleep(at.wait) => match at.client.status().map(|status| status.network) {
            Some(NetworkView::Online) => Together::Late,
            _ => Together::Offline,
        },
    }
}

/// Whether others heard that this profile left a space or deleted it, in words; `met` is how it stood before.
pub(super) async fn heard(at: &At, space: SpaceId, met: Together) -> &'static str {
    const LATER: &str = "others hear of it when this profile and they are online (dx peer)";
    if met != Together::Synced {
        return LATER;
    }
    // Who has heard of a leaving ends the conversation; who has heard of a deletion is as far as this device again.
    let told = at.client.status_with(move |status| {
        let view = of(status, space)?;
        (view.peers.is_empty() || view.sync == SyncState::Synced).then_some(())
    });
    tokio::select! {
        () = told => "the others know",
        () = tokio::time::sleep(ALONE) => LATER,
    }
}

fn of(status: &StatusView, space: SpaceId) -> Option<&SpaceView> {
    status.spaces.iter().find(|view| view.space == space)
}

/// Says on stderr what reading from this device alone means.
pub(super) fn note_reading(together: Together) {
    match together {
        Together::Synced => {}
        Together::Alone => eprintln!("dx: nobody else is online; this is what this device has"),
        Together::Offline => eprintln!("dx: not connected; this is what this device has"),
        Together::Late => eprintln!("dx: still receiving; this is what has arrived"),
    }
}

/// Says on stderr where a write is.
pub(super) fn note_writing(together: Together) {
    match together {
        Together::Synced => {}
        Together::Alone | Together::Offline => {
            eprintln!(
                "dx: saved on this device; others get it when this profile and they are online (dx peer)"
            );
        }
        Together::Late => eprintln!("dx: saved on this device; still on its way to others"),
    }
}

/// One line about a space.
pub(super) fn line(view: &SpaceView) -> String {
    let direct = view
        .peers
        .iter()
        .filter(|peer| peer.kind == LinkKind::Direct)
        .count();
    let relayed = view.peers.len() - direct;
    let stalled = view.peers.iter().find_map(|peer| peer.stalled);
    let sync = match (view.sync, stalled) {
        (SyncState::Alone, _) => "alone".to_owned(),
        (SyncState::Behind, Some(reason)) => format!("stalled ({reason})"),
        (SyncState::Behind, None) => {
            let progress = view.progress;
            format!(
                "syncing ({} of {} entries)",
                progress.stored, progress.known
            )
        }
        (SyncState::Synced, _) => "synced".to_owned(),
        (SyncState::Diverged, _) => "diverged".to_owned(),
    };
    let waiting = view.waiting.iter();
    let waiting = waiting.map(|waiting| format!(", {} wait {}", waiting.entries, waiting.reason));
    let waiting: String = waiting.collect();
    let name = if view.personal {
        "Personal"
    } else {
        &view.name
    };
    let forked = match (view.forks.iter().any(|fork| fork.open), view.forks.len()) {
        (_, 0) => "",
        (true, _) => ", a copied device wrote twice: not settled yet",
        (false, _) => ", a copied device wrote twice: settled",
    };
    format!(
        "{name}: {sync}, {relayed} relayed, {direct} direct, {} members{forked}{waiting}",
        view.members.len()
    )
}

/// Stays online until asked to end, and tells what changes.
pub(super) async fn stay(at: &At) -> Result<(), Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let identity = status.identity.ok_or_else(Failed::no_identity)?;
    say(format_args!("online as {}; Ctrl-C ends", identity.name));
    let told = std::cell::RefCell::new(Vec::new());
    let listener = at.client.on_status(move |status| {
        let mut lines = vec![network(status.network).to_owned()];
        lines.extend(status.spaces.iter().map(line));
        lines.extend(
            status
                .warnings
                .iter()
                .map(|warning| format!("warning: {warning}")),
        );
        let old = told.replace(lines.clone());
        for line in lines.into_iter().filter(|line| !old.contains(line)) {
            say(line);
        }
    });
    let ended = asked_to_end().await;
    drop(listener);
    ended.map_err(|error| {
        Failed::new(
            Kind::Other,
            format!("cannot listen for signals: {error}"),
            "",
        )
    })?;
    at.client.flush().await?;
    Ok(())
}

pub(super) fn network(network: NetworkView) -> &'static str {
    match network {
        NetworkView::Off => "network: switched off",
        NetworkView::NoSignal => "network: server not reached",
        NetworkView::Connecting => "network: connecting",
        NetworkView::Online => "network: online",
    }
}

#[cfg(unix)]
async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
