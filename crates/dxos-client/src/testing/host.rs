//! One peer of a [`World`](super::World): its storage, its node while it runs, and the clients on it.
//!
//! Invariants
//! * node, text engine and channels live and die together; only the storage outlives them;
//! * a channel's name is never used twice, so a late frame of a dead channel reaches nobody.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use dxos_base::Entropy;
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_services::ClientId;
use dxos_store::SqliteStore;
use dxos_text::LoroEngine;

use super::clock::{Clock, Ids, Seeded};
use super::network::Runner;
use crate::client::Client;

/// A frame of a client for its node.
pub(super) struct Sent {
    pub(super) peer: usize,
    pub(super) channel: ChannelId,
    pub(super) frame: Vec<u8>,
}

/// All frames of clients that nodes have not taken yet, in order.
pub(super) type Outbox = Rc<RefCell<VecDeque<Sent>>>;

/// See the module.
pub(super) struct Host {
    pub(super) runner: Runner,
    pub(super) channels: BTreeMap<ChannelId, Client>,
    /// The client that [`Peer::client`](super::Peer::client) gives.
    pub(super) client: Rc<RefCell<Client>>,
    node: Node,
    /// `None` only while it is being reopened.
    store: Option<SqliteStore>,
    text: LoroEngine,
    entropy: Seeded,
    config: NodeConfig,
    channel_last: u64,
    clock: Clock,
    outbox: Outbox,
    seed: u64,
    clients_made: u64,
}

impl Host {
    /// A fresh profile, and its node. Effects of its start land in `out`.
    pub(super) fn new(
        peer: usize,
        seed: u64,
        clock: &Clock,
        outbox: &Outbox,
        out: &mut Vec<Effect>,
    ) -> Host {
        let mut entropy = Seeded::new(seed, stream(peer, 0));
        let mut store = SqliteStore::memory().expect("SQLite opens a database in memory");
        let mut text = LoroEngine::new();
        let config = NodeConfig {
            profile_key: (&mut entropy as &mut dyn Entropy).array(),
            instance_marker: (&mut entropy as &mut dyn Entropy).array(),
        };
        let mut cx = Context {
            now: clock.tick(),
            store: &mut store,
            text: &mut text,
            entropy: &mut entropy,
        };
        let node = start(&config, &mut cx, out);
        let client = new_client(seed, peer, 1, clock);
        Host {
            runner: Runner { peer, run: 1 },
            channels: BTreeMap::new(),
            client: Rc::new(RefCell::new(client)),
            node,
            store: Some(store),
            text,
            entropy,
            config,
            channel_last: 0,
            clock: clock.clone(),
            outbox: outbox.clone(),
            seed,
            clients_made: 1,
        }
    }

    /// The process is gone, with all that was in memory; another one opens what was stored. Clients have to be attached
    /// anew.
    pub(super) fn restart(&mut self, out: &mut Vec<Effect>) {
        let peer = self.runner.peer;
        self.outbox.borrow_mut().retain(|sent| sent.peer != peer);
        self.channels.clear();
        self.runner.run += 1;
        self.text = LoroEngine::new();
        let store = self.store.take().expect("put back below");
        let store = self.store.insert(
            store
                .reopened()
                .expect("SQLite opens what it has written itself"),
        );
        let mut cx = Context {
            now: self.clock.tick(),
            store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        self.node = start(&self.config, &mut cx, out);
    }

    /// A client of this profile that no node knows yet.
    pub(super) fn new_client(&mut self) -> Client {
        self.clients_made += 1;
        new_client(self.seed, self.runner.peer, self.clients_made, &self.clock)
    }

    /// Gives a client a channel to the node.
    pub(super) fn attach(&mut self, client: Client, out: &mut Vec<Effect>) {
        self.channel_last += 1;
        let channel = ChannelId(self.channel_last);
        self.handle(Event::ChannelOpened(channel), out);
        self.channels.insert(channel, client.clone());
        let (peer, outbox) = (self.runner.peer, Rc::downgrade(&self.outbox));
        client.connect(Rc::new(move |frame| {
            if let Some(outbox) = outbox.upgrade() {
                outbox.borrow_mut().push_back(Sent {
                    peer,
                    channel,
                    frame,
                });
            }
        }));
    }

    /// When the node wants to be woken.
    pub(super) fn wake_at_ms(&self) -> Option<u64> {
        self.node.wake_at().map(|at| at.0)
    }

    /// Hands an event to the node.
    pub(super) fn handle(&mut self, event: Event, out: &mut Vec<Effect>) {
        let mut cx = Context {
            now: self.clock.tick(),
            store: self.store.as_mut().expect("taken only while reopened"),
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        self.node.handle(&mut cx, event, out);
    }
}

fn start(config: &NodeConfig, cx: &mut Context<'_>, out: &mut Vec<Effect>) -> Node {
    let mut node = Node::open(config.clone(), cx).expect("a node opens its own profile");
    node.start(cx, out);
    node.handle(cx, Event::DirectAvailable(true), out);
    node
}

fn new_client(seed: u64, peer: usize, number: u64, clock: &Clock) -> Client {
    let mut entropy = Seeded::new(seed, stream(peer, number));
    let id = ClientId((&mut entropy as &mut dyn Entropy).array());
    let clock = clock.clone();
    Client::with_source(id, Box::new(Ids { clock, entropy }))
}

/// A stream of randomness for the node (0) or a client of a peer; 0 as a whole is the network's.
fn stream(peer: usize, part: u64) -> u64 {
    ((peer as u64 + 1) << 32) | part
}
