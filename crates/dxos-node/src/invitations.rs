//! Interactive invitations, host and guest side: the pairing machines of HALO on streams of MESH.
//!
//! Invariants
//! * a try of the auth code is counted on disk before it is answered;
//! * nothing is granted before the pairing confirmed the code on both sides;
//! * every end has a reason, shown on both sides.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{InvitationId, PeerId, SpaceId, Tick, limits};
use dxos_echo::store::{Durability, StoreError};
use dxos_halo::{
    AuthMethod, GuestPairing, HostInvitation, HostPairing, HostParty, InvitationCode,
    PairingFailure, PairingOutput, PairingSide, PairingState, message_kind,
};
use dxos_mesh::swarm::TopicSecrets;
use dxos_mesh::{StreamId, Topic};
use dxos_services::{Event, Failure, FailureKind, InvitationState, InvitationView, Response, Role};

use crate::event::Context;
use crate::failure::{failure, from_store, malformed, no_identity, no_space, not_allowed};
use crate::node::{Node, NodeError, Turn};
use crate::peers::Purpose;
use crate::space::transaction;
use crate::status::{link_kind, role_view};
use crate::wire::INVITE;

const INVITE_PREFIX: &str = "invite/";
/// A guest waits this long for a host to be there.
const GUEST_WAIT_MS: u64 = 120_000;
/// Invitations and joins alive at once.
const INVITATIONS_MAX: usize = 64;

struct Hosted {
    invitation: HostInvitation,
    view: InvitationView,
    pairings: BTreeMap<(PeerId, StreamId), HostPairing>,
}

struct Joining {
    code: InvitationCode,
    view: InvitationView,
    pairing: Option<(PeerId, StreamId, GuestPairing)>,
    deadline: Option<Tick>,
}

/// All invitations this node hosts or answers.
#[derive(Default)]
pub(crate) struct Invitations {
    hosted: BTreeMap<InvitationId, Hosted>,
    joining: BTreeMap<InvitationId, Joining>,
}

impl Invitations {
    pub(crate) fn views(&self) -> Vec<InvitationView> {
        let hosted = self.hosted.values().map(|hosted| hosted.view.clone());
        hosted
            .chain(self.joining.values().map(|joining| joining.view.clone()))
            .collect()
    }

    pub(crate) fn wake_at(&self) -> Option<Tick> {
        let hosted = self
            .hosted
            .values()
            .filter(|hosted| !ended(hosted.view.state));
        let hosted = hosted.map(|hosted| hosted.invitation.expires);
        hosted
            .chain(self.joining.values().filter_map(|joining| joining.deadline))
            .min()
    }
}

fn ended(state: InvitationState) -> bool {
    matches!(
        state,
        InvitationState::Success
            | InvitationState::Cancelled
            | InvitationState::Timeout
            | InvitationState::Error
            | InvitationState::Expired
    )
}

fn state_of(state: PairingState) -> InvitationState {
    match state {
        PairingState::Connected => InvitationState::Connected,
        PairingState::ReadyForAuthentication => InvitationState::ReadyForAuthentication,
        PairingState::Authenticating => InvitationState::Authenticating,
        PairingState::Success => InvitationState::Success,
    }
}

fn end_of(reason: &PairingFailure) -> InvitationState {
    match reason {
        PairingFailure::Expired => InvitationState::Expired,
        PairingFailure::Cancelled => InvitationState::Cancelled,
        _ => InvitationState::Error,
    }
}

fn secrets(code: &InvitationCode) -> (Topic, TopicSecrets) {
    (
        Topic(code.topic()),
        TopicSecrets {
            psk: code.psk(),
            signal: code.signal_key(),
        },
    )
}

fn halo_role(role: Role) -> dxos_halo::Role {
    match role {
        Role::Reader => dxos_halo::Role::Reader,
        Role::Editor => dxos_halo::Role::Editor,
        Role::Admin => dxos_halo::Role::Admin,
        Role::Owner => dxos_halo::Role::Owner,
    }
}

impl Node {
    /// Reads hosted invitations from the store, within a transaction.
    /// Gives the spaces that people are invited to.
    pub(crate) fn load_invitations(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<BTreeSet<SpaceId>, NodeError> {
        for (key, sealed) in cx.store.list(INVITE_PREFIX)? {
            let secret = self.unseal(&key, &sealed)?;
            let Ok(invitation) = HostInvitation::from_secret_bytes(&secret) else {
                continue;
            };
            if invitation.dead(cx.now).is_some() {
                cx.store.set(&key, None)?;
                continue;
            }
            let view = self.host_view(&invitation);
            let hosted = Hosted {
                invitation,
                view,
                pairings: BTreeMap::new(),
            };
            self.invitations
                .hosted
                .insert(hosted.invitation.id(), hosted);
        }
        let hosted = self.invitations.hosted.values();
        Ok(hosted.map(|hosted| hosted.invitation.space).collect())
    }

    /// Names of spaces are known once these are open.
    pub(crate) fn name_invitations(&mut self) {
        for hosted in self.invitations.hosted.values_mut() {
            if let Some(space) = self.spaces.get(&hosted.invitation.space) {
                hosted.view.space_name = space.name();
            }
        }
    }

    pub(crate) fn join_invitation_topics(&mut self, turn: &mut Turn<'_, '_>) {
        for hosted in self.invitations.hosted.values() {
            let (topic, secrets) = secrets(&hosted.invitation.code);
            self.swarm.join(topic, secrets, &mut turn.swarm);
        }
    }

    fn host_view(&self, invitation: &HostInvitation) -> InvitationView {
        let space = self.spaces.get(&invitation.space);
        InvitationView {
            invitation: invitation.id(),
            host: true,
            space: Some(invitation.space),
            space_name: space
                .map(crate::space::SpaceState::name)
                .unwrap_or_default(),
            peer_name: String::new(),
            code: invitation.code.to_string(),
            auth_code: invitation.auth_code().to_owned(),
            role: role_view(invitation.role),
            link: None,
            tries_left: invitation.tries_left(),
            expires_ms: invitation.expires.0,
            state: InvitationState::Init,
            reason: String::new(),
        }
    }

    // ---- calls ------------------------------------------------------------------------------------------

    pub(crate) fn invite(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        role: Role,
        ttl_ms: u64,
    ) -> Result<Response, Failure> {
        let identity = self.identity.as_ref().ok_or_else(no_identity)?;
        let space = self.spaces.get(&id).ok_or_else(no_space)?;
        let own = space.graph.state().role(&identity.identity());
        if !own.is_some_and(|own| own.may_invite() && own >= halo_role(role)) {
            return Err(not_allowed(
                "You cannot invite people to this space with that role.",
            ));
        }
        if self.invitations.hosted.len() >= INVITATIONS_MAX {
            self.forget_ended(turn);
        }
        if self.invitations.hosted.len() >= INVITATIONS_MAX {
            return Err(malformed("Too many invitations are open."));
        }
        let entropy = &mut *turn.cx.entropy;
        let ttl_ms = ttl_ms.clamp(1, limits::INVITE_TTL_MS_MAX);
        let now = turn.cx.now;
        let invitation =
            HostInvitation::new(id, halo_role(role), AuthMethod::Code, now, ttl_ms, entropy);
        self.store_invitation(turn, &invitation)
            .map_err(|error| from_store(&error))?;
        let view = self.host_view(&invitation);
        let (topic, secrets) = secrets(&invitation.code);
        let hosted = Hosted {
            invitation,
            view: view.clone(),
            pairings: BTreeMap::new(),
        };
        self.invitations.hosted.insert(view.invitation, hosted);
        self.swarm.join(topic, secrets, &mut turn.swarm);
        Ok(Response::Invitation(view))
    }

    fn store_invitation(
        &self,
        turn: &mut Turn<'_, '_>,
        invitation: &HostInvitation,
    ) -> Result<(), StoreError> {
        let key = format!("{INVITE_PREFIX}{}", invitation.id());
        let sealed = self.seal_secret(&key, &invitation.to_secret_bytes(), turn.cx);
        transaction(turn.cx, Durability::Synced, |cx| {
            cx.store.set(&key, Some(&sealed))
        })
    }

    pub(crate) fn cancel_invitation(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
    ) -> Result<Response, Failure> {
        if let Some(hosted) = self.invitations.hosted.get_mut(&id) {
            hosted.invitation.cancelled = true;
            let invitation = hosted.invitation.clone();
            self.store_invitation(turn, &invitation)
                .map_err(|error| from_store(&error))?;
            self.refuse_all(turn, id, PairingFailure::Cancelled);
            self.end_hosted(
                id,
                InvitationState::Cancelled,
                "You cancelled the invitation.",
            );
        }
        if let Some(joining) = self.invitations.joining.get_mut(&id) {
            // The host hears of it, and is free for another guest at once.
            if let Some((peer, stream, pairing)) = &mut joining.pairing {
                for output in pairing.cancel() {
                    if let PairingOutput::Send(bytes) = output {
                        let _ = self.swarm.send(peer, *stream, bytes, &mut turn.swarm);
                    }
                }
            }
            self.end_joining(turn, id, InvitationState::Cancelled, "You cancelled.");
        }
        Ok(Response::Done)
    }

    pub(crate) fn join(
        &mut self,
        turn: &mut Turn<'_, '_>,
        code: &str,
    ) -> Result<Response, Failure> {
        if self.identity.is_none() {
            return Err(no_identity());
        }
        let code: InvitationCode = code.trim().parse().map_err(|error: dxos_halo::CodeError| {
            let hint = "Copy the whole link or code again.";
            failure(FailureKind::Invitation, capital(&error.to_string()), hint)
        })?;
        let id = code.id();
        if self.invitations.hosted.contains_key(&id) {
            let message = "This is your own invitation.";
            return Err(failure(
                FailureKind::Invitation,
                message,
                "Send it to the person you invite.",
            ));
        }
        if let Some(joining) = self.invitations.joining.get(&id)
            && !ended(joining.view.state)
        {
            return Ok(Response::Invitation(joining.view.clone()));
        }
        self.invitations
            .joining
            .retain(|_, joining| !ended(joining.view.state));
        if self.invitations.joining.len() >= INVITATIONS_MAX {
            return Err(malformed("Too many joins are under way."));
        }
        let view = InvitationView {
            invitation: id,
            host: false,
            space: None,
            space_name: String::new(),
            peer_name: String::new(),
            code: String::new(),
            auth_code: String::new(),
            role: Role::Editor,
            link: None,
            tries_left: limits::AUTH_TRIES_MAX,
            expires_ms: 0,
            state: InvitationState::Connecting,
            reason: String::new(),
        };
        let (topic, secrets) = secrets(&code);
        let deadline = Some(turn.cx.now.plus_ms(GUEST_WAIT_MS));
        let joining = Joining {
            code,
            view: view.clone(),
            pairing: None,
            deadline,
        };
        self.invitations.joining.insert(id, joining);
        self.swarm.join(topic, secrets, &mut turn.swarm);
        for peer in self.swarm.peers_in(&topic) {
            self.guest_meets(turn, peer, topic);
        }
        Ok(Response::Invitation(view))
    }

    pub(crate) fn authenticate(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
        code: &str,
    ) -> Result<Response, Failure> {
        let wrong = || {
            failure(
                FailureKind::Invitation,
                "This join has ended.",
                "Open the link again.",
            )
        };
        let joining = self.invitations.joining.get_mut(&id).ok_or_else(wrong)?;
        let digits = code
            .chars()
            .filter(char::is_ascii_digit)
            .collect::<String>();
        if digits.len() != limits::AUTH_CODE_DIGITS {
            let hint = "Type the six digits the other person sees.";
            return Err(failure(
                FailureKind::AuthCode,
                "The code has six digits.",
                hint,
            ));
        }
        let (_, _, pairing) = joining.pairing.as_mut().ok_or_else(wrong)?;
        let outputs = pairing.authenticate(&digits, &mut *turn.cx.entropy);
        self.guest_outputs(turn, id, outputs);
        Ok(Response::Done)
    }

    // ---- streams ----------------------------------------------------------------------------------------

    /// A peer may be the host a join waits for: speak to it.
    pub(crate) fn guest_meets(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, topic: Topic) {
        let waiting = |joining: &&mut Joining| {
            joining.pairing.is_none()
                && !ended(joining.view.state)
                && joining.code.topic() == topic.0
        };
        let Some(joining) = self.invitations.joining.values_mut().find(waiting) else {
            return self.guests_meet_established(turn, peer);
        };
        let (Some(identity), Some(conversation)) =
            (&self.identity, self.conversations.get_mut(&peer))
        else {
            return;
        };
        let Some(stream) = self.swarm.open(&peer, INVITE, &mut turn.swarm) else {
            return;
        };
        conversation.streams.insert(stream, Purpose::Invite);
        let id = joining.code.id();
        let mut pairing = GuestPairing::new(
            identity,
            identity.name(),
            joining.code.clone(),
            conversation.remote,
            conversation.handshake_hash,
        );
        let outputs = pairing.start();
        joining.pairing = Some((peer, stream, pairing));
        joining.view.link = Some(link_kind(conversation.path));
        self.swarm.pin(
            turn.cx.now,
            &peer,
            true,
            &mut *turn.cx.entropy,
            &mut turn.swarm,
        );
        self.guest_outputs(turn, id, outputs);
    }

    /// A session made in another topic serves a join too, when the peer is in its topic.
    fn guests_meet_established(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) {
        let waiting = self.invitations.joining.values().find(|joining| {
            let topic = Topic(joining.code.topic());
            let free = joining.pairing.is_none() && !ended(joining.view.state);
            free && self.swarm.peers_in(&topic).contains(&peer)
        });
        if let Some(topic) = waiting.map(|joining| Topic(joining.code.topic())) {
            self.guest_meets(turn, peer, topic);
        }
    }

    pub(crate) fn invite_message(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
        bytes: &[u8],
    ) {
        let of_stream = |joining: &&mut Joining| {
            joining
                .pairing
                .as_ref()
                .is_some_and(|(p, s, _)| (*p, *s) == (peer, stream))
        };
        if let Some(joining) = self.invitations.joining.values_mut().find(of_stream) {
            let id = joining.code.id();
            let Some((_, _, pairing)) = &mut joining.pairing else {
                return;
            };
            let outputs = pairing.handle(bytes, &mut *turn.cx.entropy);
            self.count_message(message_kind(PairingSide::Host, bytes), bytes);
            return self.guest_outputs(turn, id, outputs);
        }
        let Some(id) = self.hosted_for(peer, stream, bytes) else {
            return self.swarm.close(&peer, stream, &mut turn.swarm);
        };
        self.count_message(message_kind(PairingSide::Guest, bytes), bytes);
        let Some(conversation) = self.conversations.get(&peer) else {
            return;
        };
        let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
            return;
        };
        let space = self.spaces.get(&hosted.invitation.space);
        let Some(identity) = &self.identity else {
            return;
        };
        let pairing = hosted.pairings.entry((peer, stream)).or_insert_with(|| {
            HostPairing::new(HostParty {
                device: identity.device(),
                agreement: identity.device_agreement().public(),
                remote: conversation.remote,
                handshake_hash: conversation.handshake_hash,
                host_name: identity.name().to_owned(),
                space_name: space
                    .map(crate::space::SpaceState::name)
                    .unwrap_or_default(),
            })
        });
        hosted.view.link = Some(link_kind(conversation.path));
        let now = turn.cx.now;
        let outputs = pairing.handle(&mut hosted.invitation, now, bytes, &mut *turn.cx.entropy);
        self.swarm
            .pin(now, &peer, true, &mut *turn.cx.entropy, &mut turn.swarm);
        self.host_outputs(turn, id, peer, stream, outputs);
    }

    /// The invitation a stream is about: the one it began with, else the one its first message names (who names it
    /// has the link, also where the signal server has not told yet that the peer came), else one in whose topic the
    /// peer is: it is then told that its own is not known here.
    fn hosted_for(&self, peer: PeerId, stream: StreamId, bytes: &[u8]) -> Option<InvitationId> {
        let hosted = &self.invitations.hosted;
        let begun = hosted
            .iter()
            .find(|(_, hosted)| hosted.pairings.contains_key(&(peer, stream)));
        if let Some((id, _)) = begun {
            return Some(*id);
        }
        let named = dxos_halo::invitation_asked_for(bytes).filter(|id| hosted.contains_key(id));
        let conversation = self.conversations.get(&peer)?;
        let met = || {
            hosted.iter().find(|(_, hosted)| {
                let topic = Topic(hosted.invitation.code.topic());
                conversation.topic == topic || self.swarm.peers_in(&topic).contains(&peer)
            })
        };
        named.or_else(|| met().map(|(id, _)| *id))
    }

    pub(crate) fn invite_stream_closed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        stream: StreamId,
    ) {
        let now = turn.cx.now;
        self.swarm
            .pin(now, &peer, false, &mut *turn.cx.entropy, &mut turn.swarm);
        for hosted in self.invitations.hosted.values_mut() {
            if let Some(mut pairing) = hosted.pairings.remove(&(peer, stream)) {
                pairing.closed(&mut hosted.invitation);
                if !ended(hosted.view.state) {
                    hosted.view.state = InvitationState::Init;
                    hosted.view.link = None;
                }
            }
        }
        let of_stream = |joining: &&mut Joining| {
            joining
                .pairing
                .as_ref()
                .is_some_and(|(p, s, _)| (*p, *s) == (peer, stream))
        };
        if let Some(joining) = self.invitations.joining.values_mut().find(of_stream) {
            joining.pairing = None;
            if !ended(joining.view.state) {
                joining.view.state = InvitationState::Connecting;
                joining.deadline = Some(now.plus_ms(GUEST_WAIT_MS));
            }
        }
        self.tell_invitations();
    }

    // ---- the guest --------------------------------------------------------------------------------------

    fn guest_outputs(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
        outputs: Vec<PairingOutput>,
    ) {
        for output in outputs {
            let Some(joining) = self.invitations.joining.get_mut(&id) else {
                return;
            };
            match output {
                PairingOutput::Send(bytes) => {
                    if let Some((peer, stream, _)) = joining.pairing {
                        let _ = self.swarm.send(&peer, stream, bytes, &mut turn.swarm);
                    }
                }
                PairingOutput::State(state) => {
                    joining.deadline = None;
                    // Success is told when the space stands.
                    if state != PairingState::Success {
                        joining.view.state = state_of(state);
                    }
                }
                PairingOutput::WrongCode { tries_left } => {
                    joining.view.tries_left = tries_left;
                    joining.view.state = InvitationState::ReadyForAuthentication;
                    joining.view.reason = "That code is not right.".to_owned();
                }
                PairingOutput::Introduced {
                    peer_name,
                    space_name,
                } => {
                    joining.view.peer_name = peer_name;
                    joining.view.space_name = space_name;
                }
                PairingOutput::Granted(granted) => self.granted(turn, id, &granted),
                PairingOutput::Failed(reason) => {
                    self.end_joining(turn, id, end_of(&reason), &capital(&reason.to_string()));
                }
                PairingOutput::CountTry { .. } | PairingOutput::Admit(_) => {}
            }
        }
        self.tell_invitations();
    }

    /// The host let us in: the space is here from now on.
    fn granted(&mut self, turn: &mut Turn<'_, '_>, id: InvitationId, granted: &dxos_halo::Granted) {
        let peer = self
            .invitations
            .joining
            .get(&id)
            .and_then(|joining| joining.pairing.as_ref());
        let peer = peer.map(|(peer, _, _)| *peer);
        if !self.spaces.contains_key(&granted.space)
            && let Err(error) = self.add_space(turn, granted.space, &granted.credentials, false)
        {
            return self.end_joining(turn, id, InvitationState::Error, &error.message);
        }
        if let Some(joining) = self.invitations.joining.get_mut(&id) {
            joining.view.space = Some(granted.space);
            joining.view.role = role_view(granted.role);
        }
        // Clients know the space before they are told that it was joined.
        self.tell_status(turn);
        self.end_joining(turn, id, InvitationState::Success, "");
        if let Some(peer) = peer {
            self.open_space(turn, peer, granted.space);
        }
    }

    fn end_joining(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
        state: InvitationState,
        reason: &str,
    ) {
        let Some(joining) = self.invitations.joining.get_mut(&id) else {
            return;
        };
        if ended(joining.view.state) {
            return;
        }
        joining.view.state = state;
        reason.clone_into(&mut joining.view.reason);
        joining.deadline = None;
        let topic = Topic(joining.code.topic());
        if let Some((peer, stream, _)) = joining.pairing.take() {
            self.close_invite(turn, peer, stream);
        }
        self.swarm
            .leave(turn.cx.now, &topic, &mut *turn.cx.entropy, &mut turn.swarm);
        self.tell_invitations();
    }

    fn close_invite(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId, stream: StreamId) {
        if let Some(conversation) = self.conversations.get_mut(&peer) {
            conversation.streams.remove(&stream);
        }
        self.swarm.close(&peer, stream, &mut turn.swarm);
        self.swarm.pin(
            turn.cx.now,
            &peer,
            false,
            &mut *turn.cx.entropy,
            &mut turn.swarm,
        );
    }

    // ---- the host ---------------------------------------------------------------------------------------

    fn host_outputs(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
        peer: PeerId,
        stream: StreamId,
        outputs: Vec<PairingOutput>,
    ) {
        let mut queue = std::collections::VecDeque::from(outputs);
        while let Some(output) = queue.pop_front() {
            let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
                return;
            };
            match output {
                PairingOutput::Send(bytes) => {
                    let _ = self.swarm.send(&peer, stream, bytes, &mut turn.swarm);
                }
                PairingOutput::State(state) => {
                    if state != PairingState::Success {
                        hosted.view.state = state_of(state);
                    }
                }
                PairingOutput::Introduced { peer_name, .. } => hosted.view.peer_name = peer_name,
                PairingOutput::WrongCode { tries_left } => {
                    hosted.view.tries_left = tries_left;
                    hosted.view.reason = "A wrong code was typed.".to_owned();
                }
                PairingOutput::CountTry { .. } => {
                    hosted.view.tries_left = hosted.invitation.tries_left();
                    let invitation = hosted.invitation.clone();
                    if let Err(error) = self.store_invitation(turn, &invitation) {
                        let reason = from_store(&error).message;
                        self.refuse_all(turn, id, PairingFailure::Storage);
                        return self.end_hosted(id, InvitationState::Error, &reason);
                    }
                    let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
                        return;
                    };
                    let Some(pairing) = hosted.pairings.get_mut(&(peer, stream)) else {
                        return;
                    };
                    let entropy = &mut *turn.cx.entropy;
                    queue.extend(pairing.try_counted(&mut hosted.invitation, entropy));
                }
                PairingOutput::Admit(offer) => match self.admit(turn, id, &offer) {
                    Ok(credentials) => {
                        let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
                            return;
                        };
                        let Some(pairing) = hosted.pairings.get_mut(&(peer, stream)) else {
                            return;
                        };
                        queue.extend(pairing.grant(&mut hosted.invitation, &credentials));
                        hosted.view.state = InvitationState::Success;
                    }
                    Err((failed, reason)) => {
                        self.refuse_all(turn, id, failed);
                        return self.end_hosted(id, InvitationState::Error, &reason);
                    }
                },
                PairingOutput::Failed(reason) => {
                    let dead = hosted.invitation.dead(turn.cx.now);
                    hosted.view.tries_left = hosted.invitation.tries_left();
                    hosted.view.reason = capital(&reason.to_string());
                    hosted.pairings.remove(&(peer, stream));
                    if let Some(dead) = dead {
                        self.end_hosted(id, end_of(&dead), &capital(&dead.to_string()));
                    }
                }
                PairingOutput::Granted(_) => {}
            }
        }
        let Some(hosted) = self.invitations.hosted.get(&id) else {
            return;
        };
        if hosted.view.state == InvitationState::Success {
            let space = hosted.invitation.space;
            self.open_space(turn, peer, space);
        }
        self.tell_invitations();
    }

    /// Writes the guest's membership, and that the invitation is used, in one transaction; tells the credentials
    /// the guest needs.
    fn admit(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: InvitationId,
        offer: &dxos_halo::GuestOffer,
    ) -> Result<Vec<dxos_halo::Credential>, (PairingFailure, String)> {
        let gone = || {
            (
                PairingFailure::NotAllowed,
                "The space is not here any more.".to_owned(),
            )
        };
        let hosted = self.invitations.hosted.get(&id).ok_or_else(gone)?;
        let mut used = hosted.invitation.clone();
        used.used = true;
        let key = format!("{INVITE_PREFIX}{id}");
        let sealed = self.seal_secret(&key, &used.to_secret_bytes(), turn.cx);
        let identity = self.identity.as_ref().ok_or_else(gone)?;
        let space = self.spaces.get_mut(&used.space).ok_or_else(gone)?;
        let entropy = &mut *turn.cx.entropy;
        let made = dxos_halo::admit(
            &space.graph,
            &space.keyring,
            identity,
            offer,
            used.role,
            entropy,
        );
        let made =
            made.map_err(|error| (PairingFailure::NotAllowed, capital(&error.to_string())))?;
        let agreement = identity.agreement().clone();
        let added = transaction(turn.cx, Durability::Synced, |cx| {
            cx.store.set(&key, Some(&sealed))?;
            space.add_credentials(made, &agreement, cx)
        });
        if let Err(error) = added {
            self.reload(turn, used.space);
            return Err((PairingFailure::Storage, from_store(&error).message));
        }
        self.credentials_changed(turn, used.space);
        let space = self.spaces.get(&used.space).ok_or_else(gone)?;
        Ok(space.graph.after(&[]).into_iter().cloned().collect())
    }

    fn refuse_all(&mut self, turn: &mut Turn<'_, '_>, id: InvitationId, reason: PairingFailure) {
        let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
            return;
        };
        let mut outputs = Vec::new();
        for ((peer, stream), pairing) in &mut hosted.pairings {
            for output in pairing.refuse(&mut hosted.invitation, reason) {
                if let PairingOutput::Send(bytes) = output {
                    outputs.push((*peer, *stream, bytes));
                }
            }
        }
        for (peer, stream, bytes) in outputs {
            let _ = self.swarm.send(&peer, stream, bytes, &mut turn.swarm);
        }
    }

    fn end_hosted(&mut self, id: InvitationId, state: InvitationState, reason: &str) {
        let Some(hosted) = self.invitations.hosted.get_mut(&id) else {
            return;
        };
        if !ended(hosted.view.state) {
            hosted.view.state = state;
            reason.clone_into(&mut hosted.view.reason);
        }
        // The topic is not left: whoever opens the link later is told why it does not let them in.
        self.tell_invitations();
    }

    /// Makes room for new invitations; guests of those forgotten hear nothing from now on.
    fn forget_ended(&mut self, turn: &mut Turn<'_, '_>) {
        let over = |hosted: &Hosted| ended(hosted.view.state) && hosted.pairings.is_empty();
        let hosted = std::mem::take(&mut self.invitations.hosted);
        let (over, rest) = hosted.into_iter().partition(|(_, hosted)| over(hosted));
        self.invitations.hosted = rest;
        let over: BTreeMap<InvitationId, Hosted> = over;
        for hosted in over.into_values() {
            let topic = Topic(hosted.invitation.code.topic());
            self.swarm
                .leave(turn.cx.now, &topic, &mut *turn.cx.entropy, &mut turn.swarm);
        }
    }

    // ---- time and telling -------------------------------------------------------------------------------

    pub(crate) fn wake_invitations(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        let over = |hosted: &&Hosted| !ended(hosted.view.state) && hosted.invitation.expires <= now;
        let expired = self.invitations.hosted.values().filter(over);
        for id in expired
            .map(|hosted| hosted.invitation.id())
            .collect::<Vec<_>>()
        {
            self.refuse_all(turn, id, PairingFailure::Expired);
            self.end_hosted(id, InvitationState::Expired, "The invitation has expired.");
        }
        let late = |joining: &&Joining| joining.deadline.is_some_and(|at| at <= now);
        let late = self.invitations.joining.values().filter(late);
        for id in late.map(|joining| joining.code.id()).collect::<Vec<_>>() {
            let reason = "Nobody who can let you in is online; or the invitation is over, or was made at another address.";
            self.end_joining(turn, id, InvitationState::Timeout, reason);
        }
    }

    /// Tells every client the invitations whose view changed.
    fn tell_invitations(&mut self) {
        for view in self.invitations.views() {
            for channel in self
                .channels
                .values_mut()
                .filter(|channel| channel.client.is_some())
            {
                if channel.invitations_told.get(&view.invitation) != Some(&view) {
                    channel
                        .invitations_told
                        .insert(view.invitation, view.clone());
                    channel.events.push(Event::Invitation(view.clone()));
                }
            }
        }
    }
}

/// A sentence: capital first letter, full stop.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().collect::<String>());
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}
