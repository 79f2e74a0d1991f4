//! The world of a test: peers, their network, and the loop that lets one thing happen after another.
//!
//! Invariants
//! * one thing happens at a time, in an order that follows from the seed and from what the test does;
//! * what a client sends reaches its node before time goes on.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use dxos_node::{Effect, Event};

use super::clock::{Clock, Seeded};
use super::host::{Host, Outbox};
use super::network::Network;
use super::peer::{NAMES, Peer};
use super::tasks::{Spawner, Tasks, Woken};
use crate::client::Client;

/// A future that is not done within this virtual time waits for something that never comes.
const RUN_MS_MAX: u64 = 600_000;
/// Wake-ups of nodes in one virtual millisecond: one that asks for more never comes to an end.
const WAKES_PER_MS_MAX: u64 = 10_000;

/// Peers on one network, in one thread, on virtual time; see [the module](super).
///
/// Dropped while its test panics, it prints its seed.
pub struct World {
    pub(super) seed: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) peers: Vec<Peer>,
    pub(super) network: Network,
    pub(super) clock: Clock,
    pub(super) outbox: Outbox,
    tasks: Rc<Tasks>,
    events: u64,
    /// How many wake-ups there were in which millisecond.
    wakes: (u64, u64),
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("peers", &self.peers)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl World {
    /// So many people, Ada, Bob, Cleo and so on, each with an identity on a device of their own, all online.
    pub fn new(peers: usize) -> World {
        World::seeded(0, peers)
    }

    /// The same; another seed gives other keys and ids, other delays and so another order of what happens.
    pub fn seeded(seed: u64, peers: usize) -> World {
        let mut world = World {
            seed,
            hosts: Vec::new(),
            peers: Vec::new(),
            network: Network::new(Seeded::new(seed, 0)),
            clock: Clock::new(),
            outbox: Outbox::default(),
            tasks: Rc::default(),
            events: 0,
            wakes: (0, 0),
        };
        for index in 0..peers {
            let name = NAMES.get(index).map_or_else(
                || format!("Person {}", index + 1),
                |name| (*name).to_owned(),
            );
            let client = world.add(&name).client();
            let made = world.run(client.halo().create_identity_on(&name, "Device", "Test"));
            made.unwrap_or_else(|error| panic!("{name} gets an identity: {error}"));
        }
        world
    }

    /// One more peer, whose person has no identity yet: for tests of how an app begins.
    pub fn newcomer(&mut self) -> Peer {
        let peer = self.add(&format!("Newcomer {}", self.peers.len() + 1));
        let client = peer.client();
        self.run(client.status_with(|_| Some(())));
        peer
    }

    fn add(&mut self, name: &str) -> Peer {
        let (index, mut out) = (self.hosts.len(), Vec::new());
        let host = Host::new(index, self.seed, &self.clock, &self.outbox, &mut out);
        let peer = Peer::new(index, name, &host.client);
        self.peers.push(peer.clone());
        self.hosts.push(host);
        self.begin(index, vec![peer.client()], out);
        peer
    }

    /// A peer by its number, from 0.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn peer(&self, index: usize) -> Peer {
        match self.peers.get(index) {
            Some(peer) => peer.clone(),
            None => panic!("there are {} peers, so none {index}", self.peers.len()),
        }
    }

    /// All peers: `let [ada, bob] = world.peers();`.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn peers<const N: usize>(&self) -> [Peer; N] {
        match <[Peer; N]>::try_from(self.peers.clone()) {
            Ok(peers) => peers,
            Err(peers) => panic!("there are {} peers, not {N}", peers.len()),
        }
    }

    /// The virtual clock, to read, or to wait on inside of a future.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// How many things have happened: frames, messages, wake-ups. The same seed and the same test give the same.
    pub fn events_count(&self) -> u64 {
        self.events
    }

    // ---- running ----------------------------------------------------------------------------------------

    /// Runs a future to its end; the world goes on as far as it needs. To let much time pass first, see
    /// [`advance`](Self::advance).
    ///
    /// # Panics
    /// When it is not done within ten virtual minutes; the message tells what each peer was at.
    pub fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Woken::new();
        let waker = Waker::from(woken.clone());
        let end_ms = self.clock.now_ms() + RUN_MS_MAX;
        loop {
            if woken.take()
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            if !self.step(end_ms) {
                self.stuck(&format!(
                    "a future waits for something that has not come within {RUN_MS_MAX} ms"
                ));
            }
        }
    }

    /// Lets a future run beside the test, whenever the world runs: an app that follows a query, a person who types.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.tasks.spawn(future);
    }

    /// For an app that starts futures itself.
    pub fn spawner(&self) -> Spawner {
        Spawner::new(&self.tasks)
    }

    /// Lets so many virtual milliseconds pass, and all that happens in them.
    pub fn advance(&mut self, ms: u64) {
        let end_ms = self.clock.now_ms() + ms;
        while self.step(end_ms) {}
    }

    /// Lets the next thing happen, if it does up to and with `until_ms`; otherwise it is then, and false.
    fn step(&mut self, until_ms: u64) -> bool {
        self.tasks.poll();
        let sent = self.outbox.borrow_mut().pop_front();
        if let Some(sent) = sent {
            if self.hosts[sent.peer].channels.contains_key(&sent.channel) {
                self.handle(sent.peer, Event::ChannelFrame(sent.channel, sent.frame));
            }
            return true;
        }
        let timer = self.clock.timer_at_ms().map(|at_ms| (at_ms, Next::Timer));
        let arrival = self.network.arrival_at_ms();
        let arrival = arrival.map(|at_ms| (at_ms, Next::Arrival));
        let wakes = self.hosts.iter().enumerate();
        let wake = wakes
            .filter_map(|(peer, host)| Some((host.wake_at_ms()?, Next::Wake(peer))))
            .min();
        let next = timer.into_iter().chain(arrival).chain(wake).min();
        let Some((at_ms, next)) = next.filter(|(at_ms, _)| *at_ms <= until_ms) else {
            self.clock.move_to(until_ms);
            return false;
        };
        self.clock.move_to(at_ms);
        match next {
            Next::Timer => self.clock.ring(),
            Next::Arrival => {
                if let Some((runner, event)) = self.network.arrive()
                    && self.hosts[runner.peer].runner == runner
                {
                    self.handle(runner.peer, event);
                }
            }
            Next::Wake(peer) => {
                let before = match self.wakes {
                    (ms, count) if ms == at_ms => count,
                    _ => 0,
                };
                self.wakes = (at_ms, before + 1);
                if before == WAKES_PER_MS_MAX {
                    let name = self.peers[peer].name();
                    self.stuck(&format!("the node of {name} wants to be woken without end"));
                }
                self.handle(peer, Event::Wake);
            }
        }
        true
    }

    fn handle(&mut self, peer: usize, event: Event) {
        self.events += 1;
        let mut out = Vec::new();
        self.hosts[peer].handle(event, &mut out);
        self.carry_out(peer, out);
    }

    pub(super) fn carry_out(&mut self, peer: usize, effects: Vec<Effect>) {
        let runner = self.hosts[peer].runner;
        for effect in effects {
            match effect {
                Effect::ToChannel(channel, frame) => {
                    if let Some(client) = self.hosts[peer].channels.get(&channel).cloned()
                        && let Err(error) = client.receive(&frame)
                    {
                        self.stuck(&format!("a client does not understand its node: {error}"));
                    }
                }
                Effect::CloseChannel(channel) => {
                    if let Some(client) = self.hosts[peer].channels.remove(&channel) {
                        client.disconnected();
                    }
                }
                effect => self.network.effect(self.clock.now_ms(), runner, effect),
            }
        }
    }

    // ---- what happens to peers --------------------------------------------------------------------------

    /// Takes a peer's network away. It goes on working on its own device.
    pub fn disconnect(&mut self, peer: &Peer) {
        self.network.disconnect(self.clock.now_ms(), peer.index());
    }

    /// Gives a peer its network back. It notices within seconds: [`settle`](Self::settle) waits for that.
    pub fn connect(&mut self, peer: &Peer) {
        self.network.connect_again(peer.index());
    }

    /// Whether a peer has a network.
    pub fn is_connected(&self, peer: &Peer) -> bool {
        self.network.is_online(peer.index())
    }

    /// Kills a peer's program between two steps and starts it again on what it had stored. What it had not acknowledged
    /// is gone. Its clients end; [`Peer::client`] gives a new one from now on, and so does this, once its node answers.
    pub fn restart(&mut self, peer: &Peer) -> Client {
        let out = self.kill(peer.index());
        let host = &mut self.hosts[peer.index()];
        let client = host.new_client();
        host.client.replace(client.clone()).end();
        self.begin(peer.index(), vec![client.clone()], out);
        self.run(client.status_with(|_| Some(())));
        client
    }

    /// Kills a peer's node alone and starts it again, as when a browser's worker ends: clients live on, and send again
    /// what was not acknowledged.
    pub fn restart_node(&mut self, peer: &Peer) {
        let clients = self.hosts[peer.index()]
            .channels
            .values()
            .cloned()
            .collect();
        let out = self.kill(peer.index());
        self.begin(peer.index(), clients, out);
    }

    /// Opens another client on a peer's node, such as a second tab or a command beside an app.
    pub fn open_client(&mut self, peer: &Peer) -> Client {
        let host = &mut self.hosts[peer.index()];
        let client = host.new_client();
        self.begin(peer.index(), vec![client.clone()], Vec::new());
        self.run(client.status_with(|_| Some(())));
        client
    }

    fn kill(&mut self, peer: usize) -> Vec<Effect> {
        self.network.killed(self.clock.now_ms(), peer);
        let host = &mut self.hosts[peer];
        for client in host.channels.values() {
            client.disconnected();
        }
        let mut out = Vec::new();
        host.restart(&mut out);
        out
    }

    fn begin(&mut self, peer: usize, clients: Vec<Client>, mut out: Vec<Effect>) {
        for client in clients.into_iter().filter(|client| !client.is_ended()) {
            self.hosts[peer].attach(client, &mut out);
        }
        self.carry_out(peer, out);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, peers, ms) = (self.seed, self.peers.len(), self.clock.elapsed_ms());
            eprintln!("the test's world: World::seeded({seed}, {peers}), after {ms} virtual ms");
        }
    }
}

/// What may happen next, at one time in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Timer,
    Arrival,
    Wake(usize),
}
