//! Presence: who is here, on which object, where the caret is. Ephemeral; each device speaks of itself only, on its
//! own session, so nobody fakes another.
//!
//! Invariants
//! * a place is told only to peers that proved a place in that space;
//! * carets travel as engine anchors and are shown in the version each editor was last told.

use std::collections::BTreeMap;

use dxos_base::text::{Side, map_position};
use dxos_base::{DeviceKey, IdentityKey, ObjectId, PeerId, SpaceId, Tick, limits};
use dxos_mesh::PresenceMessage;
use dxos_services::{CaretView, Event, Place, TextAddress, TextSelection};

use crate::event::ChannelId;
use crate::node::{Node, Turn};
use crate::replicate::News;
use crate::status::hue;
use crate::wire::{GossipCaret, GossipMessage, GossipPlace};

/// Time between signs of life to each peer; a session silent for three of them is dead.
pub(crate) const BEAT_MS: u64 = 3_500;
/// Shortest time between two messages about a moving caret.
const MOVE_MS: u64 = 40;

/// What this device says of itself.
#[derive(Debug)]
pub(crate) struct OwnPresence {
    run: u64,
    number: u64,
    told: BTreeMap<SpaceId, GossipPlace>,
    changed_at: Option<Tick>,
    sent: Tick,
}

impl OwnPresence {
    pub(crate) fn new(run: u64) -> Self {
        OwnPresence {
            run,
            number: 0,
            told: BTreeMap::new(),
            changed_at: None,
            sent: Tick(0),
        }
    }

    /// A place changed: tell it soon, at once after a pause.
    pub(crate) fn changed(&mut self, now: Tick) {
        let at = self.sent.plus_ms(MOVE_MS).max(now);
        self.changed_at.get_or_insert(at);
    }

    pub(crate) fn wake_at(&self) -> Option<Tick> {
        self.changed_at
    }
}

impl Node {
    /// A sign of life to every peer, with this device's places.
    pub(crate) fn beat(&mut self, turn: &mut Turn<'_, '_>) {
        self.beat_at = turn.cx.now.plus_ms(BEAT_MS);
        for peer in self.conversations.keys().copied().collect::<Vec<_>>() {
            self.send_presence_to(turn, peer);
            let spaces = self
                .conversations
                .get(&peer)
                .map(|c| c.spaces.keys().copied().collect::<Vec<_>>());
            for space in spaces.unwrap_or_default() {
                self.tell_have(turn, peer, space, News::All);
                self.ask_missing(turn, peer, space);
                self.suspect_fork(turn, peer, space);
            }
        }
        for space in self.spaces.keys().copied().collect::<Vec<_>>() {
            self.compare_states(turn.cx.now, space);
        }
        self.find_stalls(turn.cx.now);
    }

    /// Tells peers when a place of this device changed.
    pub(crate) fn tell_presence(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        if self.own_presence.changed_at.is_none_or(|at| at > now) {
            return;
        }
        (self.own_presence.changed_at, self.own_presence.sent) = (None, now);
        let places = self.own_places(turn);
        if places == self.own_presence.told {
            return;
        }
        self.own_presence.told = places;
        for peer in self.conversations.keys().copied().collect::<Vec<_>>() {
            self.send_presence_to(turn, peer);
        }
    }

    /// Where this device's person is, by space: the client that spoke last in each.
    fn own_places(&self, turn: &mut Turn<'_, '_>) -> BTreeMap<SpaceId, GossipPlace> {
        let places = self
            .channels
            .values()
            .filter_map(|channel| channel.place.as_ref());
        let mut own = BTreeMap::new();
        for place in places.cloned().collect::<Vec<Place>>() {
            let selection = place.selection.as_ref();
            let caret = selection.and_then(|selection| self.anchored(turn, &place, selection));
            own.insert(
                place.space,
                GossipPlace {
                    object: Some(place.object),
                    caret,
                },
            );
        }
        own
    }

    fn anchored(
        &self,
        turn: &mut Turn<'_, '_>,
        place: &Place,
        selection: &TextSelection,
    ) -> Option<GossipCaret> {
        let property = selection.property.clone();
        let address = TextAddress {
            space: place.space,
            object: place.object,
            property,
        };
        let open = self.texts.get(&address)?;
        let steps = open.since(&selection.version)?;
        let current = |position: u32| {
            steps.iter().fold(position, |at, step| {
                map_position(at, &step.delta, Side::Before)
            })
        };
        let anchor = turn
            .cx
            .text
            .anchor(open.text, current(selection.anchor))
            .ok()?;
        let head = turn
            .cx
            .text
            .anchor(open.text, current(selection.head))
            .ok()?;
        Some(GossipCaret {
            property: address.property,
            anchor,
            head,
        })
    }

    /// Tells one peer that this device lives, and where its person is in the spaces they share.
    pub(crate) fn send_presence_to(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) {
        let Some(conversation) = self.conversations.get(&peer) else {
            return;
        };
        let Some(stream) = conversation.gossip else {
            return;
        };
        let spaces = conversation.spaces.keys();
        let spaces = spaces.filter(|space| conversation.is_served(space));
        let mut messages = Vec::new();
        for space in spaces.copied() {
            self.own_presence.number += 1;
            let place = self
                .own_presence
                .told
                .get(&space)
                .cloned()
                .unwrap_or_default();
            let message = PresenceMessage {
                run: self.own_presence.run,
                number: self.own_presence.number,
                body: Some(dxos_base::encode(&place)),
            };
            messages.push(GossipMessage::Presence {
                space,
                message: message.encode(),
            });
        }
        if messages.is_empty() {
            messages.push(GossipMessage::Alive);
        }
        for message in messages {
            let bytes = dxos_base::encode(&message);
            if self
                .swarm
                .send(&peer, stream, bytes, &mut turn.swarm)
                .is_err()
            {
                return;
            }
        }
    }

    pub(crate) fn gossip_message(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, bytes: &[u8]) {
        let now = turn.cx.now;
        let Ok(message) = dxos_base::decode::<GossipMessage>(bytes, 2 * limits::PRESENCE_BYTES_MAX)
        else {
            tracing::warn!(peer = %peer, "peer.malformed");
            return self
                .swarm
                .drop_peer(now, peer, &mut *turn.cx.entropy, &mut turn.swarm);
        };
        self.count_message(message.kind(), bytes);
        let GossipMessage::Presence { space, message } = message else {
            return;
        };
        let Some(conversation) = self.conversations.get(&peer) else {
            return;
        };
        let open = conversation.spaces.get(&space);
        let open = open.filter(|_| conversation.is_served(&space));
        let Some(device) = open.and_then(|open| open.device) else {
            return;
        };
        let Ok(message) = PresenceMessage::decode(&message) else {
            return;
        };
        let table = self.presence.entry(space).or_default();
        let changed = table.receive(now, device, message);
        if !matches!(changed, Ok(dxos_mesh::PresenceChange::Same) | Err(_)) {
            self.status_dirty(now);
            self.tell_carets(turn, space);
        }
    }

    pub(crate) fn expire_presence(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        let mut changed = Vec::new();
        for (space, table) in &mut self.presence {
            if !table.expire(now).is_empty() {
                changed.push(*space);
            }
        }
        for space in changed {
            self.status_dirty(now);
            self.tell_carets(turn, space);
        }
    }

    /// A session with a device ended: it is gone unless another session of it lives.
    pub(crate) fn presence_lost(
        &mut self,
        turn: &mut Turn<'_, '_>,
        space: SpaceId,
        device: DeviceKey,
    ) {
        let of_device = |c: &crate::peers::Conversation| {
            c.spaces
                .get(&space)
                .is_some_and(|known| known.device == Some(device))
        };
        if self.conversations.values().any(of_device) {
            return;
        }
        if self
            .presence
            .get_mut(&space)
            .is_some_and(|table| table.remove(&device))
        {
            self.status_dirty(turn.cx.now);
            self.tell_carets(turn, space);
        }
    }

    /// Where the others are in a space.
    pub(crate) fn places(&self, space: &SpaceId) -> Vec<(DeviceKey, IdentityKey, GossipPlace)> {
        let (Some(table), Some(state)) = (self.presence.get(space), self.spaces.get(space)) else {
            return Vec::new();
        };
        let devices = &state.graph.state().devices;
        let place = |(device, body): (&DeviceKey, &[u8])| {
            let identity = devices.get(device)?.identity;
            let place = dxos_base::decode(body, limits::PRESENCE_BYTES_MAX).ok()?;
            Some((*device, identity, place))
        };
        table.iter().filter_map(place).collect()
    }

    fn tell_carets(&mut self, turn: &mut Turn<'_, '_>, space: SpaceId) {
        let open = self
            .texts
            .iter()
            .filter(|(address, _)| address.space == space);
        let editors = open.flat_map(|(address, open)| {
            open.editors
                .keys()
                .map(move |channel| (*channel, address.clone()))
        });
        for (channel, address) in editors.collect::<Vec<_>>() {
            self.tell_carets_to(turn, channel, &address);
        }
    }

    /// Tells an editor where the others' carets are in the current version.
    pub(crate) fn tell_carets_to(
        &mut self,
        turn: &mut Turn<'_, '_>,
        channel: ChannelId,
        address: &TextAddress,
    ) {
        let Some(open) = self.texts.get(address) else {
            return;
        };
        let Some(space) = self.spaces.get(&address.space) else {
            return;
        };
        let mut carets = Vec::new();
        for (device, identity, place) in self.places(&address.space) {
            let on_object = place.object == Some(address.object);
            let caret = place
                .caret
                .filter(|caret| on_object && caret.property == address.property);
            let Some(caret) = caret else { continue };
            let anchor = turn.cx.text.position(open.text, &caret.anchor);
            let head = turn.cx.text.position(open.text, &caret.head);
            let (Ok(anchor), Ok(head)) = (anchor, head) else {
                continue;
            };
            let name = space.member_name(&identity);
            carets.push(CaretView {
                device,
                identity,
                name,
                hue: hue(&identity),
                anchor,
                head,
            });
        }
        self.tell(
            channel,
            Event::Carets {
                text: address.clone(),
                carets,
            },
        );
    }

    /// Objects on the screens of others, by identity.
    pub(crate) fn objects_on_screen(
        &self,
        space: &SpaceId,
    ) -> BTreeMap<IdentityKey, Option<ObjectId>> {
        let places = self.places(space).into_iter();
        places
            .map(|(_, identity, place)| (identity, place.object))
            .collect()
    }
}
