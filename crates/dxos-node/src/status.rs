//! The status: everything the shell shows about a node, derived from its state whenever it may have changed.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{DeviceKey, FeedId, IdentityKey, PeerId, SpaceId};
use dxos_echo::Tip;
use dxos_mesh::swarm::Path;
use dxos_services::{
    ForkView, IdentityView, LinkKind, MemberView, NetworkView, PeerView, Role, SaveState,
    SpaceView, StatusView, SyncProgress, SyncState,
};

use crate::life::{Resting, life_of};
use crate::node::Node;
use crate::peers::{Conversation, PeerSpace};
use crate::progress::{Standing, waiting};
use crate::space::{SpaceRecord, SpaceState};

/// The colour of a person, the same everywhere: degrees on the colour circle, spread by the identity's key.
pub(crate) fn hue(identity: &IdentityKey) -> u16 {
    const HUES: [u16; 12] = [255, 150, 320, 25, 200, 70, 290, 110, 350, 230, 45, 175];
    HUES[usize::from(identity.0[0]) % HUES.len()]
}

/// A path as clients call it.
pub(crate) fn link_kind(path: Path) -> LinkKind {
    match path {
        Path::Relayed => LinkKind::Relayed,
        Path::Direct => LinkKind::Direct,
    }
}

/// A role as clients call it.
pub(crate) fn role_view(role: dxos_halo::Role) -> Role {
    match role {
        dxos_halo::Role::Reader => Role::Reader,
        dxos_halo::Role::Editor => Role::Editor,
        dxos_halo::Role::Admin => Role::Admin,
        dxos_halo::Role::Owner => Role::Owner,
    }
}

/// What is known of a space that is not open.
fn resting_view(id: SpaceId, space: &Resting) -> SpaceView {
    SpaceView {
        space: id,
        life: space.life.clone(),
        name: space.summary.name.clone(),
        personal: space.record.personal,
        role: space.summary.role,
        members: Vec::new(),
        peers: Vec::new(),
        saved: SaveState::Saved,
        sync: SyncState::Alone,
        progress: SyncProgress::default(),
        waiting: Vec::new(),
        forks: Vec::new(),
    }
}

/// Devices whose feeds forked in a space.
fn fork_views(space: &SpaceState, own: Option<DeviceKey>) -> Vec<ForkView> {
    let open: Vec<FeedId> = space.data.open_forks().iter().map(|f| f.feed).collect();
    let mut views: BTreeMap<DeviceKey, ForkView> = BTreeMap::new();
    for feed in space.data.forked() {
        let Some(device) = space.device_of_feed(&feed) else {
            continue;
        };
        let Some(known) = space.graph.state().devices.get(&device) else {
            continue;
        };
        let view = views.entry(device).or_insert(ForkView {
            device,
            identity: known.identity,
            branches: 0,
            open: false,
            reissued: if own == Some(device) {
                space.reissued
            } else {
                0
            },
        });
        view.branches += space.data.tips_of(&feed).len() as u64;
        view.open |= open.contains(&feed);
    }
    views.into_values().collect()
}

impl Node {
    pub(crate) fn build_status(&self) -> StatusView {
        let identity = self.identity.as_ref().map(|identity| IdentityView {
            identity: identity.identity(),
            name: identity.name().to_owned(),
            device: identity.device(),
            hue: hue(&identity.identity()),
        });
        let network = match self.swarm.signal_up() {
            _ if self.offline => NetworkView::Off,
            Some(true) => NetworkView::Online,
            Some(false) => NetworkView::Connecting,
            None => NetworkView::NoSignal,
        };
        let place = |record: &SpaceRecord| (!record.personal, record.order);
        let open = self.spaces.values();
        let open = open.map(|space| (place(&space.record), self.space_view(space)));
        let resting = self.resting.iter();
        let resting = resting.map(|(id, space)| (place(&space.record), resting_view(*id, space)));
        let mut spaces: Vec<_> = open.chain(resting).collect();
        spaces.sort_by_key(|(place, _)| *place);
        let spaces = spaces.into_iter().map(|(_, view)| view).collect();
        let warnings = self.warnings.values().cloned().collect();
        StatusView {
            identity,
            spaces,
            network,
            warnings,
        }
    }

    fn space_view(&self, space: &SpaceState) -> SpaceView {
        let state = space.graph.state();
        let me = self.identity.as_ref().map(dxos_halo::Identity::identity);
        let on_screen = self.objects_on_screen(&space.id);
        let members = state
            .present_members()
            .into_iter()
            .filter_map(|(identity, member)| {
                Some(MemberView {
                    identity,
                    name: space.member_name(&identity),
                    role: role_view(member.role?),
                    hue: hue(&identity),
                    online: Some(identity) == me || on_screen.contains_key(&identity),
                    object: on_screen.get(&identity).copied().flatten(),
                })
            });
        let role = me
            .and_then(|me| state.role(&me))
            .map_or(Role::Reader, role_view);
        let peers = self.peer_views(space);
        let saved = match (space.failed, space.data.pending()) {
            (true, _) => SaveState::Failed,
            (false, true) => SaveState::Saving,
            (false, false) => SaveState::Saved,
        };
        let sync = match () {
            () if space.diverged => SyncState::Diverged,
            () if peers.is_empty() => SyncState::Alone,
            () if peers.iter().all(|peer| peer.synced) && !space.data.pending() => {
                SyncState::Synced
            }
            () => SyncState::Behind,
        };
        SpaceView {
            space: space.id,
            life: life_of(space, me),
            name: space.name(),
            personal: space.record.personal,
            role,
            members: members.collect(),
            peers,
            saved,
            sync,
            progress: self.progress(space),
            waiting: waiting(space),
            forks: fork_views(
                space,
                self.identity.as_ref().map(dxos_halo::Identity::device),
            ),
        }
    }

    fn peer_views(&self, space: &SpaceState) -> Vec<PeerView> {
        let state = space.graph.state();
        let tips: BTreeSet<Tip> = space.data.tips().into_iter().collect();
        let view = |(_, conversation): (&PeerId, &Conversation)| {
            let peer: &PeerSpace = conversation.spaces.get(&space.id)?;
            let device = peer.device?;
            let standing = Standing::of(space, peer, &tips);
            let synced = standing.synced();
            Some(PeerView {
                device,
                identity: state.devices.get(&device)?.identity,
                kind: link_kind(conversation.path),
                synced,
                behind: standing.behind,
                ahead: standing.ahead,
                stalled: peer.movement.stalled.filter(|_| !synced),
            })
        };
        self.conversations.iter().filter_map(view).collect()
    }

    /// Figures for tests and people who ask.
    pub(crate) fn stats(&self) -> BTreeMap<String, u64> {
        let direct = self
            .conversations
            .values()
            .filter(|c| c.path == Path::Direct)
            .count();
        let entries = |id: &SpaceId| -> u64 {
            self.spaces
                .get(id)
                .map_or(0, |space| space.stored().iter().map(|(_, seq)| seq).sum())
        };
        let messages = self.messages.iter();
        let messages = messages.map(|(kind, heard)| (format!("messages {kind}"), heard.count));
        let own = [
            ("channels".to_owned(), self.channels.len() as u64),
            ("conversations".to_owned(), self.conversations.len() as u64),
            ("conversations_direct".to_owned(), direct as u64),
            ("entries".to_owned(), self.spaces.keys().map(entries).sum()),
            ("queries_live".to_owned(), self.live.sizes().0 as u64),
            ("subscriptions".to_owned(), self.live.sizes().1 as u64),
            ("live_examined".to_owned(), self.live.counters.examined),
            ("live_decided".to_owned(), self.live.counters.decided),
            ("live_runs".to_owned(), self.live.counters.runs),
            ("texts_open".to_owned(), self.texts.len() as u64),
        ];
        own.into_iter().chain(messages).collect()
    }
}
