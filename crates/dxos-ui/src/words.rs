//! Words for facts: what the node reports, said to a person. Pure functions.
//!
//! Invariant: every word follows from a fact given; nothing is guessed from time passed.

use dxos_base::IdentityKey;
use dxos_client::{
    ForkView, LinkKind, NetworkView, PeerView, Role, SaveState, SpaceLife, SpaceView, StatusView,
    SyncState, WaitingView,
};

/// How the space is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFact {
    /// Switched off, or no server and no peer.
    Offline,
    /// Reaching for the server.
    Connecting,
    /// Server reached, no peer connected.
    Online,
    /// At least one peer over a data channel, none relayed.
    Direct,
    /// At least one peer through the server.
    Relayed,
}

/// How far one's own writes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFact {
    /// On disk.
    Saved,
    /// On the way there.
    Saving,
    /// The last commit failed.
    Failed,
}

/// How far the space is with its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFact {
    /// No peer connected.
    Alone,
    /// Entries are under way.
    Behind,
    /// Entries are missing somewhere and nothing moves.
    Stalled,
    /// Same entries and state.
    Synced,
    /// Same entries, other state.
    Diverged,
    /// Copies of a device wrote, and what they wrote does not show yet.
    Forked,
}

/// What the status bar says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusWords {
    /// How the space is reached.
    pub link: LinkFact,
    /// In a word.
    pub link_word: &'static str,
    /// How far it is with others.
    pub sync: SyncFact,
    /// In a sentence.
    pub sync_words: String,
    /// How far one's own writes are.
    pub save: SaveFact,
    /// In a word.
    pub save_word: &'static str,
}

/// Whose device a peer is.
fn member_name<'a>(status: &StatusView, space: &'a SpaceView, peer: &PeerView) -> &'a str {
    let me = status.identity.as_ref();
    if me.is_some_and(|me| me.identity == peer.identity) {
        return "your other device";
    }
    name_of(space, peer.identity).unwrap_or("a peer")
}

fn name_of(space: &SpaceView, identity: IdentityKey) -> Option<&str> {
    let mut members = space.members.iter();
    let member = members.find(|member| member.identity == identity)?;
    Some(&member.name)
}

/// The device of a fork that nobody has settled yet, as in "A device of Bo".
fn forked_device(
    status: &StatusView,
    space: &SpaceView,
    wanted: impl Fn(&ForkView) -> bool,
) -> Option<String> {
    let mut forks = space.forks.iter();
    let fork = forks.find(|fork| fork.open && wanted(fork))?;
    let me = status.identity.as_ref();
    Some(match name_of(space, fork.identity) {
        _ if me.is_some_and(|me| me.device == fork.device) => "This device".into(),
        _ if me.is_some_and(|me| me.identity == fork.identity) => "A device of yours".into(),
        Some(name) => format!("A device of {name}"),
        None => "A device of a former member".into(),
    })
}

/// The device whose copies wrote, if this person may settle what shows of it: it is another one of theirs, or they are
/// an admin. The device itself does so when it comes back.
pub fn device_to_settle(status: &StatusView, space: &SpaceView) -> Option<String> {
    let me = status.identity.as_ref()?;
    forked_device(status, space, |fork| {
        let may = me.identity == fork.identity || space.may_invite();
        fork.device != me.device && may
    })
}

/// What is here and cannot be shown yet, and why.
fn waiting_words(waiting: &[WaitingView]) -> Option<String> {
    let longest = waiting.iter().max_by_key(|waiting| waiting.entries)?;
    let (count, verb) = match longest.entries {
        1 => ("1 change".to_owned(), "waits"),
        n => (format!("{n} changes"), "wait"),
    };
    Some(format!("{count} {verb} {}", longest.reason))
}

/// What the status bar says about a space; `unacknowledged` writes are still with the client.
pub fn status_words(status: &StatusView, space: &SpaceView, unacknowledged: usize) -> StatusWords {
    let relayed = space
        .peers
        .iter()
        .any(|peer| peer.kind == LinkKind::Relayed);
    let (link, link_word) = match (space.peers.is_empty(), relayed, status.network) {
        (_, _, NetworkView::Off) => (LinkFact::Offline, "Offline"),
        (false, true, _) => (LinkFact::Relayed, "Relayed"),
        (false, false, _) => (LinkFact::Direct, "Direct"),
        (true, _, NetworkView::Connecting) => (LinkFact::Connecting, "Connecting"),
        (true, _, NetworkView::NoSignal) => (LinkFact::Offline, "Offline"),
        (true, _, NetworkView::Online) => (LinkFact::Online, "Online"),
    };
    let mut others: Vec<&str> = Vec::new();
    for peer in &space.peers {
        let name = member_name(status, space, peer);
        if !others.contains(&name) {
            others.push(name);
        }
    }
    let (sync, sync_words) = match space.sync {
        _ if space.life == SpaceLife::NotMember => (
            SyncFact::Alone,
            "You are no member of this space any more: you can read what is here".to_owned(),
        ),
        _ if space.life == SpaceLife::Deleted => (
            SyncFact::Alone,
            "An owner deleted this space: you can read what is here".to_owned(),
        ),
        _ if link == LinkFact::Offline => (
            SyncFact::Alone,
            "Your edits stay here and are sent when you are back".to_owned(),
        ),
        SyncState::Alone if space.members.len() > 1 => {
            (SyncFact::Alone, "No other member is connected".to_owned())
        }
        SyncState::Alone => (SyncFact::Alone, "Only you are in this space".to_owned()),
        SyncState::Behind
            if let Some((peer, reason)) = space
                .peers
                .iter()
                .find_map(|peer| Some((peer, peer.stalled?))) =>
        {
            let name = member_name(status, space, peer);
            (SyncFact::Stalled, format!("Stalled with {name}: {reason}"))
        }
        SyncState::Behind => {
            let get: u64 = space
                .peers
                .iter()
                .map(|peer| peer.behind)
                .max()
                .unwrap_or(0);
            let give: u64 = space.peers.iter().map(|peer| peer.ahead).max().unwrap_or(0);
            let words = match (get, give) {
                (0, 0) => format!("Behind: comparing with {}", names(&others)),
                (0, give) => format!("Behind: sending {give} to {}", names(&others)),
                (get, _) => format!("Behind: getting {get} from {}", names(&others)),
            };
            (SyncFact::Behind, words)
        }
        SyncState::Synced => (SyncFact::Synced, format!("Synced with {}", names(&others))),
        SyncState::Diverged => (
            SyncFact::Diverged,
            "Copies differ: they are being checked".to_owned(),
        ),
    };
    let (sync, sync_words) = match forked_device(status, space, |_| true) {
        Some(device) => (
            SyncFact::Forked,
            format!("{device} was copied and both copies wrote: that does not show yet"),
        ),
        None => (sync, sync_words),
    };
    let sync_words = match waiting_words(&space.waiting) {
        Some(waiting) => format!("{sync_words}. {waiting}"),
        None => sync_words,
    };
    let (save, save_word) = match (space.saved, unacknowledged) {
        (SaveState::Failed, _) => (SaveFact::Failed, "Not saved"),
        (SaveState::Saved, 0) => (SaveFact::Saved, "Saved"),
        _ => (SaveFact::Saving, "Saving"),
    };
    StatusWords {
        link,
        link_word,
        sync,
        sync_words,
        save,
        save_word,
    }
}

/// `Bo`, `Bo and Mira`, `Bo, Mira and 2 others`.
pub fn names(all: &[&str]) -> String {
    match all {
        [] => "others".into(),
        [one] => (*one).into(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} others", rest.len()),
    }
}

/// Two letters for a person: of the first and last word, or the first two of a single one; one for wide scripts.
pub fn initials(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let first = |word: &str| word.chars().next();
    let letters: String = match words.as_slice() {
        [] => "?".into(),
        [word] if word.chars().next().is_some_and(|c| c as u32 >= 0x2E80) => {
            word.chars().take(1).collect()
        }
        [word] => word.chars().take(2).collect(),
        [one, .., last] => first(one).into_iter().chain(first(last)).collect(),
    };
    letters.to_uppercase()
}

/// A role as a noun.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Reader => "Reader",
        Role::Editor => "Editor",
        Role::Admin => "Admin",
        Role::Owner => "Owner",
    }
}

/// What a role may do, after "They can".
pub fn role_verb(role: Role) -> &'static str {
    match role {
        Role::Reader => "read",
        Role::Editor => "edit",
        Role::Admin => "edit and invite",
        Role::Owner => "do everything",
    }
}

/// How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`.
pub fn ago(then_ms: u64, now_ms: u64) -> String {
    let minutes = now_ms.saturating_sub(then_ms) / 60_000;
    match minutes {
        0 => "just now".into(),
        1..60 => format!("{minutes} min ago"),
        60..1440 => format!("{} h ago", minutes / 60),
        1440..2880 => "yesterday".into(),
        _ => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::{DeviceKey, SpaceId};
    use dxos_client::{MemberView, StallReason, SyncProgress, WaitReason};

    use super::*;

    fn member(n: u8, name: &str) -> MemberView {
        MemberView {
            identity: IdentityKey([n; 32]),
            name: name.into(),
            role: Role::Editor,
            hue: 0,
            online: true,
            object: None,
        }
    }

    fn peer(n: u8, kind: LinkKind) -> PeerView {
        PeerView {
            device: DeviceKey([n; 32]),
            identity: IdentityKey([n; 32]),
            kind,
            synced: true,
            behind: 0,
            ahead: 0,
            stalled: None,
        }
    }

    fn say(network: NetworkView, peers: Vec<PeerView>, sync: SyncState, open: usize) -> String {
        say_of(network, peers, sync, open, |_| {})
    }

    fn say_of(
        network: NetworkView,
        peers: Vec<PeerView>,
        sync: SyncState,
        open: usize,
        change: impl Fn(&mut SpaceView),
    ) -> String {
        let mut space = SpaceView {
            life: dxos_client::SpaceLife::Ready,
            space: SpaceId([0; 20]),
            name: "River".into(),
            personal: false,
            role: Role::Owner,
            members: vec![member(1, "Ada"), member(2, "Bo"), member(3, "Mira")],
            peers,
            saved: SaveState::Saved,
            sync,
            progress: SyncProgress::default(),
            waiting: Vec::new(),
            forks: Vec::new(),
        };
        change(&mut space);
        let status = StatusView {
            identity: None,
            spaces: vec![],
            network,
            warnings: vec![],
        };
        let words = status_words(&status, &space, open);
        format!(
            "{} | {} | {}",
            words.link_word, words.sync_words, words.save_word
        )
    }

    #[test]
    fn the_status_bar_says_what_the_node_reports() {
        use LinkKind::*;
        use NetworkView::*;
        let check = |got: String, want: &str| assert_eq!(got, want);
        check(
            say(
                Online,
                vec![peer(2, Direct), peer(3, Direct)],
                SyncState::Synced,
                0,
            ),
            "Direct | Synced with Bo and Mira | Saved",
        );
        check(
            say(Online, vec![peer(2, Relayed)], SyncState::Behind, 2),
            "Relayed | Behind: comparing with Bo | Saving",
        );
        check(
            say(NoSignal, vec![peer(2, Direct)], SyncState::Synced, 0),
            "Direct | Synced with Bo | Saved",
        );
        check(
            say(NoSignal, vec![], SyncState::Alone, 0),
            "Offline | Your edits stay here and are sent when you are back | Saved",
        );
        check(
            say(Connecting, vec![], SyncState::Alone, 0),
            "Connecting | No other member is connected | Saved",
        );
        let mut stalled = peer(2, Relayed);
        stalled.stalled = Some(StallReason::NoAnswer);
        check(
            say(
                Online,
                vec![peer(3, Relayed), stalled],
                SyncState::Behind,
                0,
            ),
            "Relayed | Stalled with Bo: no answer | Saved",
        );
        let waiting = WaitingView {
            reason: WaitReason::Version,
            entries: 2,
        };
        check(
            say_of(Online, vec![peer(2, Direct)], SyncState::Synced, 0, |of| {
                of.waiting = vec![waiting];
            }),
            "Direct | Synced with Bo. 2 changes wait for a newer version of this app | Saved",
        );
        let fork = |n, open| ForkView {
            device: DeviceKey([n; 32]),
            identity: IdentityKey([n; 32]),
            branches: 2,
            open,
            reissued: 0,
        };
        check(
            say_of(Online, vec![peer(3, Direct)], SyncState::Synced, 0, |of| {
                of.forks = vec![fork(3, false), fork(2, true)];
            }),
            "Direct | A device of Bo was copied and both copies wrote: that does not show yet | Saved",
        );
        check(
            say_of(Online, vec![peer(3, Direct)], SyncState::Synced, 0, |of| {
                of.forks = vec![fork(3, false)];
            }),
            "Direct | Synced with Mira | Saved",
        );
    }

    #[test]
    fn a_person_has_initials_in_every_script() {
        for (name, want) in [
            ("Ada", "AD"),
            ("Ada King Lovelace", "AL"),
            ("é", "É"),
            ("李小龙", "李"),
            (" ", "?"),
        ] {
            assert_eq!(initials(name), want, "{name}");
        }
    }
}
