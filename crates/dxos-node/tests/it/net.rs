//! A handful of nodes, a signal server and perfect direct links, advanced until nothing is left to do.

use std::collections::{BTreeMap, VecDeque};

use dxos_base::{Entropy, InvitationId, ObjectId, SpaceId, TextChange, TextDelta, Tick};
use dxos_echo::memory::MemoryStore;
use dxos_echo::store::{Durability, Store as _};
use dxos_mesh::{ClientSignal, LinkCommand, LinkEvent};
use dxos_net::memory::{Answer, Connection, DirectLinks, End, SignalServer, Signalled};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_services::{
    ClientFrame, ClientId, Event as ClientEvent, Failure, InvitationState, InvitationView,
    NodeFrame, Place, Request, Response, Role, Row, SpaceView, StatusView, SyncState, TextAddress,
    Write,
};
use dxos_text::LoroEngine;

/// Seeded randomness.
pub struct Seeded(u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

pub struct Peer {
    pub node: Node,
    store: MemoryStore,
    text: LoroEngine,
    entropy: Seeded,
    written: u64,
    calls: u64,
    replies: BTreeMap<u64, Result<Response, Failure>>,
    writes: BTreeMap<u64, Result<Option<Vec<u8>>, Failure>>,
    pub status: Option<StatusView>,
    /// All statuses told since the last start.
    pub statuses: Vec<StatusView>,
    /// Rows of the one subscription.
    pub rows: Vec<Row>,
    pub invitations: BTreeMap<InvitationId, InvitationView>,
    pub shown: String,
    pub version: Vec<u8>,
    /// It was told a step on a version it does not have: it has to open its text again.
    pub begins_anew: bool,
}

const CHANNEL: ChannelId = ChannelId(1);

/// Nodes by number, and what is under way between them.
pub struct Net {
    pub now: Tick,
    pub peers: Vec<Peer>,
    queue: VecDeque<(usize, Event)>,
    links: DirectLinks,
    server: SignalServer,
    pub server_up: bool,
    pub relayed_messages: usize,
    pub direct_bytes: Vec<usize>,
    /// A test damaged a store: states may differ.
    pub damaged: bool,
    /// Times a client was told that states differ.
    pub alarms: usize,
}

impl Net {
    /// `direct[i]`: whether node i can make direct links.
    pub fn new(direct: &[bool]) -> Net {
        let mut net = Net {
            now: Tick(1_700_000_000_000),
            peers: Vec::new(),
            queue: VecDeque::new(),
            links: DirectLinks::new("192.0.2.7"),
            server: SignalServer::default(),
            server_up: true,
            relayed_messages: 0,
            direct_bytes: vec![0; direct.len()],
            damaged: false,
            alarms: 0,
        };
        for (i, direct) in direct.iter().enumerate() {
            let mut store = MemoryStore::default();
            let mut text = LoroEngine::default();
            let mut entropy = Seeded(i as u64 + 77);
            let config = NodeConfig {
                profile_key: [7; 32],
                instance_marker: [i as u8; 16],
            };
            let mut cx = Context {
                now: net.now,
                store: &mut store,
                text: &mut text,
                entropy: &mut entropy,
            };
            let mut node = Node::open(config, &mut cx).unwrap();
            let mut out = Vec::new();
            node.start(&mut cx, &mut out);
            net.peers.push(Peer {
                node,
                store,
                text,
                entropy,
                written: 0,
                calls: 0,
                replies: BTreeMap::new(),
                writes: BTreeMap::new(),
                status: None,
                statuses: Vec::new(),
                rows: Vec::new(),
                invitations: BTreeMap::new(),
                shown: String::new(),
                version: Vec::new(),
                begins_anew: false,
            });
            net.queue.push_back((i, Event::ChannelOpened(CHANNEL)));
            let hello = ClientFrame::Hello {
                version: 1,
                client: ClientId([i as u8; 16]),
            };
            net.queue
                .push_back((i, Event::ChannelFrame(CHANNEL, dxos_base::encode(&hello))));
            net.queue.push_back((i, Event::DirectAvailable(*direct)));
            net.effects(i, out);
        }
        net.run(0);
        net
    }

    /// Ends a node and starts it again on what it had stored.
    pub fn restart(&mut self, i: usize) {
        self.server_lost(i);
        // The others find out by themselves.
        for end in self.links.of_peer(i) {
            self.links.forget(end);
        }
        let peer = &mut self.peers[i];
        let config = NodeConfig {
            profile_key: [7; 32],
            instance_marker: [i as u8; 16],
        };
        let mut cx = Context {
            now: self.now,
            store: &mut peer.store,
            text: &mut peer.text,
            entropy: &mut peer.entropy,
        };
        let mut node = Node::open(config, &mut cx).unwrap();
        let mut out = Vec::new();
        node.start(&mut cx, &mut out);
        peer.node = node;
        peer.statuses.clear();
        let hello = ClientFrame::Hello {
            version: 1,
            client: ClientId([i as u8; 16]),
        };
        self.queue.retain(|(to, _)| *to != i);
        self.queue.push_back((i, Event::ChannelOpened(CHANNEL)));
        self.queue
            .push_back((i, Event::ChannelFrame(CHANNEL, dxos_base::encode(&hello))));
        self.queue.push_back((i, Event::DirectAvailable(true)));
        self.effects(i, out);
    }

    /// What a node has on its disk.
    pub fn copy(&self, i: usize) -> MemoryStore {
        self.peers[i].store.clone()
    }

    /// Ends a node and starts it on a copy of its whole profile, the instance marker included.
    pub fn put_back(&mut self, i: usize, copy: MemoryStore) {
        self.peers[i].store = copy;
        self.peers[i].text = LoroEngine::default();
        self.restart(i);
        self.run(0);
    }

    /// Handles everything due within the next `ms` of virtual time.
    pub fn run(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            while let Some((i, event)) = self.queue.pop_front() {
                self.handle(i, event);
            }
            let wakes = self.peers.iter().enumerate();
            let next = wakes
                .filter_map(|(i, peer)| Some((peer.node.wake_at()?, i)))
                .min();
            match next.filter(|(at, _)| *at <= end) {
                Some((at, i)) => {
                    self.now = self.now.max(at);
                    self.queue.push_back((i, Event::Wake));
                }
                None => break,
            }
        }
        self.now = end;
    }

    fn handle(&mut self, i: usize, event: Event) {
        let peer = &mut self.peers[i];
        let mut cx = Context {
            now: self.now,
            store: &mut peer.store,
            text: &mut peer.text,
            entropy: &mut peer.entropy,
        };
        let mut out = Vec::new();
        peer.node.handle(&mut cx, event, &mut out);
        self.effects(i, out);
    }

    fn effects(&mut self, i: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::ToChannel(_, bytes) => self.frame(i, &bytes),
                Effect::CloseChannel(_) => panic!("a well-behaved client was closed"),
                Effect::SignalConnect if self.server_up => {
                    self.server.open(Connection(i as u64));
                    self.queue.push_back((i, Event::SignalOpened));
                }
                Effect::SignalConnect => self.queue.push_back((i, Event::SignalClosed)),
                Effect::SignalClose => self.server_lost(i),
                Effect::SignalSend(bytes) => self.signal(i, &bytes),
                Effect::Link(command) => self.link(i, command),
            }
        }
    }

    fn frame(&mut self, i: usize, bytes: &[u8]) {
        let peer = &mut self.peers[i];
        match dxos_services::decode_node(bytes).unwrap() {
            NodeFrame::Welcome { .. } => {}
            NodeFrame::Reply { call, result } => {
                peer.replies.insert(call, result);
            }
            NodeFrame::Written { n, result } => {
                if let Ok(Some(version)) = &result {
                    peer.version.clone_from(version);
                }
                peer.writes.insert(n, result);
            }
            NodeFrame::Batch { events } => {
                for event in events {
                    match event {
                        ClientEvent::Status(status) => {
                            let mut spaces = status.spaces.iter();
                            let diverged = spaces.any(|space| space.sync == SyncState::Diverged);
                            assert!(!diverged || self.damaged, "a false alarm");
                            self.alarms += usize::from(diverged);
                            peer.statuses.push(status.clone());
                            peer.status = Some(status);
                        }
                        ClientEvent::Query { diff, .. } => {
                            diff.apply(&mut peer.rows, &mut Vec::new()).unwrap();
                        }
                        ClientEvent::Invitation(view) => {
                            peer.invitations.insert(view.invitation, view);
                        }
                        ClientEvent::Text {
                            base,
                            version,
                            delta,
                            ..
                        } => {
                            if base.is_empty() {
                                peer.begins_anew = true;
                                continue;
                            }
                            assert_eq!(base, peer.version, "texts are told step by step");
                            peer.shown = dxos_base::text::apply(&peer.shown, &delta).unwrap();
                            peer.version = version;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    // ---- the signal server ------------------------------------------------------------------------------

    pub fn server_down(&mut self) {
        self.server_up = false;
        for i in 0..self.peers.len() {
            self.server_lost(i);
            self.queue.push_back((i, Event::SignalClosed));
        }
        self.run(0);
    }

    /// All direct links break.
    pub fn cut(&mut self) {
        for i in 0..self.peers.len() {
            for end in self.links.of_peer(i) {
                self.break_link(end);
            }
        }
        self.run(0);
    }

    /// Nobody is told.
    fn server_lost(&mut self, i: usize) {
        drop(self.server.close(Connection(i as u64)));
    }

    fn signal(&mut self, i: usize, bytes: &[u8]) {
        let frame = ClientSignal::decode(bytes).unwrap();
        self.relayed_messages += usize::from(matches!(frame, ClientSignal::Relay { .. }));
        for answer in self.server.receive(Connection(i as u64), bytes) {
            let Answer::Send(Connection(to), frame) = answer else {
                panic!("the server refuses a node")
            };
            let event = Event::SignalFrame(frame.encode());
            self.queue.push_back((to as usize, event));
        }
    }

    // ---- direct links -----------------------------------------------------------------------------------

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
                Signalled::Nonsense => panic!("a signal came to the wrong link"),
                Signalled::Reply(data) => self.hear(end(link), LinkEvent::Signal { link, data }),
                Signalled::Paired(a, b) => {
                    for end in [a, b] {
                        self.hear(end, LinkEvent::Opened { link: end.link });
                    }
                }
            },
            LinkCommand::Send { link, message } => {
                self.direct_bytes[peer] += message.len();
                if let Some(to) = self.links.other(end(link)) {
                    let link = to.link;
                    self.hear(to, LinkEvent::Message { link, message });
                }
            }
            LinkCommand::Close { link } => self.break_link(end(link)),
        }
    }

    fn hear(&mut self, end: End, event: LinkEvent) {
        self.queue.push_back((end.peer, Event::Link(event)));
    }

    /// Both ends hear of it.
    fn break_link(&mut self, end: End) {
        for end in self.links.break_link(end) {
            let (link, reason) = (end.link, "cut".to_owned());
            self.links.forget(end);
            self.hear(end, LinkEvent::Closed { link, reason });
        }
    }

    /// Takes all room from a profile's disk, or gives it back.
    pub fn set_full(&mut self, i: usize, full: bool) {
        self.peers[i].store.set_full(full);
    }

    /// Changes a profile's store behind the node's back; the node reads it with the next write that fails.
    pub fn damage(&mut self, i: usize, work: impl FnOnce(&mut MemoryStore)) {
        self.damaged = true;
        let store = &mut self.peers[i].store;
        store.begin().unwrap();
        work(store);
        store.commit(Durability::Synced).unwrap();
    }

    // ---- what a person does -----------------------------------------------------------------------------

    pub fn call(&mut self, i: usize, request: Request) -> Result<Response, Failure> {
        self.peers[i].calls += 1;
        let call = self.peers[i].calls;
        let frame = dxos_base::encode(&ClientFrame::Call { call, request });
        self.queue
            .push_back((i, Event::ChannelFrame(CHANNEL, frame)));
        self.run(0);
        self.peers[i]
            .replies
            .remove(&call)
            .expect("every call is answered at once")
    }

    /// A person looks at an object.
    pub fn look_at(&mut self, i: usize, space: SpaceId, object: ObjectId) {
        let place = Some(Place {
            space,
            object,
            selection: None,
        });
        let frame = dxos_base::encode(&ClientFrame::Presence { place });
        self.queue
            .push_back((i, Event::ChannelFrame(CHANNEL, frame)));
        self.run(0);
    }

    pub fn write(&mut self, i: usize, write: Write) -> Result<Option<Vec<u8>>, Failure> {
        self.peers[i].written += 1;
        let n = self.peers[i].written;
        let frame = dxos_base::encode(&ClientFrame::Write { n, write });
        self.queue
            .push_back((i, Event::ChannelFrame(CHANNEL, frame)));
        self.run(0);
        self.peers[i]
            .writes
            .remove(&n)
            .expect("every write is answered at once")
    }

    pub fn identity(&mut self, i: usize, name: &str) {
        let name = name.to_owned();
        let (device_label, platform) = ("laptop".to_owned(), "test".to_owned());
        self.call(
            i,
            Request::CreateIdentity {
                name,
                device_label,
                platform,
            },
        )
        .unwrap();
    }

    pub fn space(&mut self, i: usize, name: &str) -> SpaceId {
        match self
            .call(
                i,
                Request::CreateSpace {
                    name: name.to_owned(),
                },
            )
            .unwrap()
        {
            Response::Space(space) => space,
            other => panic!("{other:?}"),
        }
    }

    /// Invites with the right code; gives the state both sides end in.
    pub fn invite(&mut self, host: usize, guest: usize, space: SpaceId, role: Role) {
        let invited = self
            .call(
                host,
                Request::Invite {
                    space,
                    role,
                    ttl_ms: 3_600_000,
                },
            )
            .unwrap();
        let Response::Invitation(view) = invited else {
            panic!("{invited:?}")
        };
        self.call(
            guest,
            Request::Join {
                code: view.code.clone(),
            },
        )
        .unwrap();
        self.run(6_000);
        let state = self.peers[guest].invitations[&view.invitation].state;
        assert_eq!(state, InvitationState::ReadyForAuthentication);
        let (invitation, code) = (view.invitation, view.auth_code);
        self.call(guest, Request::Authenticate { invitation, code })
            .unwrap();
        self.run(200);
        assert_eq!(
            self.peers[guest].invitations[&invitation].state,
            InvitationState::Success
        );
        assert_eq!(
            self.peers[host].invitations[&invitation].state,
            InvitationState::Success
        );
        self.run(10_000);
    }

    pub fn view(&self, i: usize, space: SpaceId) -> &SpaceView {
        let status = self.peers[i].status.as_ref().unwrap();
        status
            .spaces
            .iter()
            .find(|view| view.space == space)
            .expect("the space is listed")
    }

    pub fn open_text(&mut self, i: usize, text: &TextAddress) {
        let request = Request::OpenText {
            text: text.clone(),
            base: None,
        };
        let Response::Text(opened) = self.call(i, request).unwrap() else {
            panic!()
        };
        self.peers[i].shown = dxos_base::text::apply("", &opened.delta).unwrap();
        self.peers[i].version = opened.version;
    }

    /// Types at `from` and waits for the answer.
    pub fn type_text(&mut self, i: usize, text: &TextAddress, from: u32, insert: &str) {
        let delta: TextDelta = vec![TextChange {
            from,
            delete: 0,
            insert: insert.to_owned(),
        }];
        self.peers[i].shown = dxos_base::text::apply(&self.peers[i].shown, &delta).unwrap();
        let base = self.peers[i].version.clone();
        self.write(
            i,
            Write::Text {
                text: text.clone(),
                base,
                delta,
            },
        )
        .unwrap();
    }
}
