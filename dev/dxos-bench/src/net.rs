//! Two whole nodes on files of their own, a signal server and a direct link in memory, under a virtual clock: real
//! sessions, real entries, no network to wait for.
//!
//! * Everything runs on the calling thread, so its processor time is that of both sides.
//! * Messages on the link travel in flights: all that one side says before it hears of the other's answer. Two
//!   flights are a round trip.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use anyhow::{Result, anyhow, bail, ensure};
use dxos_base::{InvitationId, ObjectWrite, SpaceId, Tick};
use dxos_client::Client;
use dxos_echo::store::Store as _;
use dxos_mesh::{ClientSignal, LinkCommand, LinkEvent};
use dxos_net::memory::{Answer, Connection, DirectLinks, End, SignalServer, Signalled};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_services::{
    ClientFrame, ClientId, Event as ClientEvent, InvitationView, NodeFrame, Request, Response,
    Role, SpaceView, StatusView, SyncState, Write,
};
use dxos_store::SqliteStore;
use dxos_text::LoroEngine;
use tempfile::TempDir;

use crate::space::Repeatable;

const CHANNEL: ChannelId = ChannelId(1);
/// Of a client outside, on peer 0.
const ATTENDED: ChannelId = ChannelId(2);
/// What a packet holds of one message at most (docs/formats.md, section 8).
const PACKET_BYTES: u64 = 16_368;
/// What a session adds to each packet of a message: tag, kind, stream, length.
const PACKET_OVERHEAD_BYTES: u64 = 16 + 1 + 1 + 3;

/// A node, its client, and its place in the world.
struct Peer {
    node: Node,
    store: SqliteStore,
    text: LoroEngine,
    entropy: Repeatable,
    written: u64,
    calls: u64,
    replies: BTreeMap<u64, Response>,
    refused: Option<String>,
    status: Option<StatusView>,
    invitations: BTreeMap<InvitationId, InvitationView>,
    _dir: TempDir,
}

/// Two peers, 0 and 1.
pub(crate) struct Net {
    now: Tick,
    peers: Vec<Peer>,
    /// What happens on a device and at the signal server: at once.
    local: VecDeque<(usize, Event)>,
    /// On the way over the link.
    flight: Vec<(usize, Event)>,
    links: DirectLinks,
    server: SignalServer,
    server_up: bool,
    /// What peer 0's node told the client outside, once there is one.
    attended: Option<Vec<Vec<u8>>>,
    /// Flights that carried something of the replication protocol but proofs.
    pub flights: u64,
    /// As many of them had passed when entries came last.
    pub flights_to_entries: u64,
}

/// What the replication protocol said on both sides, proofs left out and told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    /// Bytes after the proofs, with what the session adds.
    pub bytes: u64,
    /// Bytes of the proofs: once a session and space.
    pub proof_bytes: u64,
    /// Messages after the proofs.
    pub messages: u64,
    /// Those with entries.
    pub entries: u64,
}

impl Traffic {
    /// What was said after `earlier`.
    pub fn since(self, earlier: Traffic) -> Traffic {
        Traffic {
            bytes: self.bytes - earlier.bytes,
            proof_bytes: self.proof_bytes - earlier.proof_bytes,
            messages: self.messages - earlier.messages,
            entries: self.entries - earlier.entries,
        }
    }
}

impl Net {
    /// Two people, each with an identity.
    pub fn new() -> Result<Net> {
        let mut net = Net {
            now: Tick(1_764_000_000_000),
            peers: Vec::new(),
            local: VecDeque::new(),
            flight: Vec::new(),
            links: DirectLinks::new("192.0.2.7"),
            server: SignalServer::default(),
            server_up: true,
            attended: None,
            flights: 0,
            flights_to_entries: 0,
        };
        for (i, name) in ["Ada", "Ben"].into_iter().enumerate() {
            net.add(i)?;
            net.call(
                i,
                Request::CreateIdentity {
                    name: name.into(),
                    device_label: "bench".into(),
                    platform: "bench".into(),
                },
            )?;
        }
        Ok(net)
    }

    fn add(&mut self, i: usize) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut store = SqliteStore::open_file(&dir.path().join("profile.db"))?;
        let (mut text, mut entropy) = (LoroEngine::new(), Repeatable::new(5 + i as u64));
        let config = NodeConfig {
            profile_key: [7; 32],
            instance_marker: [i as u8 + 1; 16],
        };
        let mut cx = Context {
            now: self.now,
            store: &mut store,
            text: &mut text,
            entropy: &mut entropy,
        };
        let mut node = Node::open(config, &mut cx)?;
        let mut out = Vec::new();
        node.start(&mut cx, &mut out);
        self.peers.push(Peer {
            node,
            store,
            text,
            entropy,
            written: 0,
            calls: 0,
            replies: BTreeMap::new(),
            refused: None,
            status: None,
            invitations: BTreeMap::new(),
            _dir: dir,
        });
        self.effects(i, out)?;
        self.local.push_back((i, Event::ChannelOpened(CHANNEL)));
        let client = ClientId([i as u8 + 1; 16]);
        self.frame(i, &ClientFrame::Hello { version: 1, client });
        self.local.push_back((i, Event::DirectAvailable(true)));
        self.run(0)
    }

    // ---- what a person does -----------------------------------------------------------------------------

    fn frame(&mut self, i: usize, frame: &ClientFrame) {
        let frame = dxos_base::encode(frame);
        self.local
            .push_back((i, Event::ChannelFrame(CHANNEL, frame)));
    }

    /// Calls a node; the answer must come at once.
    pub fn call(&mut self, i: usize, request: Request) -> Result<Response> {
        self.peers[i].calls += 1;
        let call = self.peers[i].calls;
        self.frame(i, &ClientFrame::Call { call, request });
        self.run(0)?;
        let peer = &mut self.peers[i];
        let reply = peer.replies.remove(&call);
        reply.ok_or_else(|| anyhow!("a call was refused: {:?}", peer.refused))
    }

    /// A space of peer 0 that peer 1 has joined.
    pub fn shared_space(&mut self) -> Result<SpaceId> {
        let name = "Shared".to_owned();
        let Response::Space(space) = self.call(0, Request::CreateSpace { name })? else {
            bail!("a space was asked for")
        };
        let invite = Request::Invite {
            space,
            role: Role::Editor,
            ttl_ms: 3_600_000,
        };
        let Response::Invitation(view) = self.call(0, invite)? else {
            bail!("an invitation was asked for")
        };
        self.call(1, Request::Join { code: view.code })?;
        self.run(6_000)?;
        let (invitation, code) = (view.invitation, view.auth_code);
        self.call(1, Request::Authenticate { invitation, code })?;
        self.run(20_000)?;
        ensure!(self.is_synced(&space), "the guest did not join");
        Ok(space)
    }

    /// Objects written by a client in one go, acknowledged.
    pub fn write(&mut self, i: usize, space: SpaceId, writes: Vec<ObjectWrite>) -> Result<()> {
        self.peers[i].written += 1;
        let n = self.peers[i].written;
        let write = Write::Objects { space, writes };
        self.frame(i, &ClientFrame::Write { n, write });
        self.run(0)?;
        match &self.peers[i].refused {
            Some(refusal) => bail!("a write was refused: {refusal}"),
            None => Ok(()),
        }
    }

    /// Carries frames between peer 0's node and a client of it, until both are quiet.
    pub fn attend(&mut self, client: &Client, sent: &RefCell<Vec<Vec<u8>>>) -> Result<()> {
        if self.attended.is_none() {
            self.local.push_back((0, Event::ChannelOpened(ATTENDED)));
            self.attended = Some(Vec::new());
        }
        loop {
            for frame in sent.take() {
                self.local
                    .push_back((0, Event::ChannelFrame(ATTENDED, frame)));
            }
            // Queries are told in batches.
            self.run(50)?;
            let told = self.attended.replace(Vec::new()).unwrap_or_default();
            if told.is_empty() && sent.borrow().is_empty() {
                return Ok(());
            }
            for frame in told {
                client.receive(&frame)?;
            }
        }
    }

    /// The state of a space as a node tells it.
    pub fn view(&self, i: usize, space: &SpaceId) -> Option<&SpaceView> {
        let status = self.peers[i].status.as_ref()?;
        status.spaces.iter().find(|view| view.space == *space)
    }

    /// Both have the same entries and the same state, and know it.
    pub fn is_synced(&self, space: &SpaceId) -> bool {
        let view = |i| self.view(i, space);
        let synced = |view: &SpaceView| view.sync == SyncState::Synced;
        (0..2).all(|i| view(i).is_some_and(synced))
            && view(0).map(|view| view.progress) == view(1).map(|view| view.progress)
    }

    /// How many objects of a type a node finds in a space.
    pub fn count(&mut self, i: usize, space: SpaceId, type_name: &str) -> Result<u64> {
        let query = dxos_base::Query::of_type(type_name).count();
        match self.call(i, Request::Query { space, query })? {
            Response::Answer(answer) => Ok(answer.groups.iter().map(|group| group.count).sum()),
            other => bail!("a count was asked for, not {other:?}"),
        }
    }

    /// Bytes of the entries each node has stored of a space.
    pub fn stored_bytes(&mut self, space: &SpaceId) -> Result<[u64; 2]> {
        let mut sums = [0; 2];
        for (sum, peer) in sums.iter_mut().zip(&mut self.peers) {
            for feed in peer.store.feeds(*space)? {
                let entries = peer.store.entries(*space, feed.feed, 1, usize::MAX)?;
                *sum += entries
                    .iter()
                    .map(|row| row.bytes.len() as u64)
                    .sum::<u64>();
            }
        }
        Ok(sums)
    }

    // ---- the network ------------------------------------------------------------------------------------

    /// The link breaks and the signal server is gone, until [`Net::reconnect`].
    pub fn disconnect(&mut self) -> Result<()> {
        self.server_up = false;
        for end in self.links.between(0, 1) {
            self.break_link(end);
        }
        self.flight.clear();
        self.server = SignalServer::default();
        for i in 0..self.peers.len() {
            self.local.push_back((i, Event::SignalClosed));
        }
        self.run(1_000)
    }

    /// The signal server is back: the nodes find each other at their next tries, within seconds.
    pub fn reconnect(&mut self) {
        self.server_up = true;
    }

    /// Runs until both have the same, a minute of virtual time at most.
    pub fn run_until_synced(&mut self, space: &SpaceId) -> Result<()> {
        for _ in 0..6_000 {
            if self.is_synced(space) {
                return Ok(());
            }
            self.run(10)?;
        }
        bail!("the two did not come to the same")
    }

    /// What the replication protocol has said so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for (kind, received) in self.peers.iter().flat_map(|peer| peer.node.messages()) {
            if !kind.starts_with("replicate") {
                continue;
            }
            let parts = received.count + received.bytes / PACKET_BYTES;
            let bytes = received.bytes + parts * PACKET_OVERHEAD_BYTES;
            if *kind == "replicate open" {
                traffic.proof_bytes += bytes;
            } else {
                traffic.bytes += bytes;
                traffic.messages += received.count;
            }
            if *kind == "replicate entries" {
                traffic.entries += received.count;
            }
        }
        traffic
    }

    /// Handles everything due within the next `ms` of virtual time.
    pub fn run(&mut self, ms: u64) -> Result<()> {
        let end = self.now.plus_ms(ms);
        loop {
            while let Some((i, event)) = self.local.pop_front() {
                self.handle(i, event)?;
            }
            if !self.flight.is_empty() {
                let before = self.traffic();
                for (i, event) in std::mem::take(&mut self.flight) {
                    self.handle(i, event)?;
                }
                let said = self.traffic().since(before);
                self.flights += u64::from(said.messages > 0);
                if said.entries > 0 {
                    self.flights_to_entries = self.flights;
                }
                continue;
            }
            let wakes = self.peers.iter().enumerate();
            let next = wakes
                .filter_map(|(i, peer)| Some((peer.node.wake_at()?, i)))
                .min();
            let Some((at, i)) = next.filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.local.push_back((i, Event::Wake));
        }
        self.now = end;
        Ok(())
    }

    fn handle(&mut self, i: usize, event: Event) -> Result<()> {
        let peer = &mut self.peers[i];
        let mut cx = Context {
            now: self.now,
            store: &mut peer.store,
            text: &mut peer.text,
            entropy: &mut peer.entropy,
        };
        let mut out = Vec::new();
        peer.node.handle(&mut cx, event, &mut out);
        self.effects(i, out)
    }

    fn effects(&mut self, i: usize, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::ToChannel(ATTENDED, bytes) => {
                    self.attended.get_or_insert_default().push(bytes);
                }
                Effect::ToChannel(_, bytes) => self.told(i, &bytes)?,
                Effect::CloseChannel(_) => bail!("a client was closed"),
                Effect::SignalConnect if self.server_up => {
                    self.server.open(Connection(i as u64));
                    self.local.push_back((i, Event::SignalOpened));
                }
                Effect::SignalConnect => self.local.push_back((i, Event::SignalClosed)),
                Effect::SignalClose => {
                    let answers = self.server.close(Connection(i as u64));
                    self.answer(answers)?;
                }
                Effect::SignalSend(bytes) => self.signal(i, &bytes)?,
                Effect::Link(command) => self.link(i, command),
            }
        }
        Ok(())
    }

    fn told(&mut self, i: usize, bytes: &[u8]) -> Result<()> {
        let peer = &mut self.peers[i];
        match dxos_services::decode_node(bytes)? {
            NodeFrame::Reply { call, result } => match result {
                Ok(response) => drop(peer.replies.insert(call, response)),
                Err(failure) => peer.refused = Some(failure.to_string()),
            },
            NodeFrame::Written {
                result: Err(failure),
                ..
            } => peer.refused = Some(failure.to_string()),
            NodeFrame::Batch { events } => {
                for event in events {
                    match event {
                        ClientEvent::Status(status) => peer.status = Some(status),
                        ClientEvent::Invitation(view) => {
                            peer.invitations.insert(view.invitation, view);
                        }
                        _ => {}
                    }
                }
            }
            NodeFrame::Written { .. } | NodeFrame::Welcome { .. } => {}
        }
        Ok(())
    }

    /// What the signal server or the link answers happens at once.
    fn answer(&mut self, answers: Vec<Answer>) -> Result<()> {
        for answer in answers {
            let Answer::Send(Connection(i), frame) = answer else {
                bail!("the signal server refuses a node")
            };
            let event = Event::SignalFrame(frame.encode());
            self.local.push_back((i as usize, event));
        }
        Ok(())
    }

    fn signal(&mut self, i: usize, bytes: &[u8]) -> Result<()> {
        let relays = matches!(ClientSignal::decode(bytes)?, ClientSignal::Relay { .. });
        ensure!(!relays, "a direct link is there, yet bytes are relayed");
        let answers = self.server.receive(Connection(i as u64), bytes);
        self.answer(answers)
    }

    fn link(&mut self, peer: usize, command: LinkCommand) {
        let end = |link| End { peer, run: 0, link };
        match command {
            LinkCommand::Open { link, initiator } => {
                for data in self.links.open(end(link), initiator) {
                    self.hear(end(link), LinkEvent::Signal { link, data });
                }
            }
            LinkCommand::Signal { link, data } => match self.links.signal(end(link), &data) {
                Signalled::Nothing => {}
                Signalled::Nonsense => self.break_link(end(link)),
                Signalled::Reply(data) => self.hear(end(link), LinkEvent::Signal { link, data }),
                Signalled::Paired(a, b) => {
                    for end in [a, b] {
                        self.hear(end, LinkEvent::Opened { link: end.link });
                    }
                }
            },
            LinkCommand::Send { link, message } => {
                if let Some(to) = self.links.other(end(link)) {
                    let link = to.link;
                    let message = LinkEvent::Message { link, message };
                    self.flight.push((to.peer, Event::Link(message)));
                }
            }
            LinkCommand::Close { link } => self.break_link(end(link)),
        }
    }

    /// At once, on the same device.
    fn hear(&mut self, end: End, event: LinkEvent) {
        self.local.push_back((end.peer, Event::Link(event)));
    }

    /// Both ends hear of it.
    fn break_link(&mut self, end: End) {
        for end in self.links.break_link(end) {
            let (link, reason) = (end.link, "cut".to_owned());
            self.links.forget(end);
            self.hear(end, LinkEvent::Closed { link, reason });
        }
    }
}
