//! The network of a [`World`](super::World): lines to a signal server, and direct links, with delays from the seed.
//!
//! Invariants
//! * what is sent on one line or link arrives in order; different ones overtake each other;
//! * a cut line or link carries nothing more, and both ends hear that it is gone.
//!
//! Not here: loss, repetition, dead servers, pairs without a direct way. They are the simulator's matter
//! (`dev/dxos-sim`).

use std::collections::{BTreeMap, BTreeSet};

use dxos_mesh::{LinkCommand, LinkEvent};
use dxos_net::memory::{Answer, Connection, DirectLinks, End, SignalServer, Signalled, Stage};
use dxos_node::{Effect, Event};

use super::clock::Seeded;

/// How long something is under way, at least and at most.
const DELAY_MS: (u64, u64) = (1, 20);
/// How long a connection takes to fail where there is no network.
const REFUSED_MS: u64 = 50;

/// A run of a peer's node; what is meant for one does not reach the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runner {
    /// Number of the peer.
    pub(super) peer: usize,
    /// Which run of its node.
    pub(super) run: u64,
}

enum Parcel {
    /// A connection reaches the server.
    Arrives(Connection),
    /// A node's frame reaches the server.
    Up(Connection, Vec<u8>),
    /// A node hears something on its line to the server.
    Down(Connection, Event),
    /// A node hears something of a direct link.
    Link(End, LinkEvent),
}

struct Line {
    runner: Runner,
    /// False: nothing passes any more.
    whole: bool,
    up_busy_until_ms: u64,
    down_busy_until_ms: u64,
}

/// See the module.
pub(super) struct Network {
    random: Seeded,
    server: SignalServer,
    lines: BTreeMap<Connection, Line>,
    lines_made: u64,
    links: DirectLinks,
    offline: BTreeSet<usize>,
    mail: BTreeMap<(u64, u64), Parcel>,
    posted: u64,
}

impl Network {
    pub(super) fn new(random: Seeded) -> Network {
        Network {
            random,
            server: SignalServer::default(),
            lines: BTreeMap::new(),
            lines_made: 0,
            links: DirectLinks::new("192.0.2.7"),
            offline: BTreeSet::new(),
            mail: BTreeMap::new(),
            posted: 0,
        }
    }

    pub(super) fn is_online(&self, peer: usize) -> bool {
        !self.offline.contains(&peer)
    }

    /// When the next thing arrives.
    pub(super) fn arrival_at_ms(&self) -> Option<u64> {
        self.mail.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// How many things are under way.
    pub(super) fn under_way(&self) -> usize {
        self.mail.len()
    }

    // ---- what a node asks for ---------------------------------------------------------------------------

    /// An effect of a node that concerns the network.
    pub(super) fn effect(&mut self, now_ms: u64, runner: Runner, effect: Effect) {
        match effect {
            Effect::SignalConnect => self.connect(now_ms, runner),
            Effect::SignalClose => self.cut_lines(now_ms, runner.peer),
            Effect::SignalSend(bytes) => {
                let at_ms = now_ms + self.delay_ms();
                let line = self.lines.iter_mut().find(|(_, line)| line.serves(runner));
                if let Some((connection, line)) = line {
                    let connection = *connection;
                    line.up_busy_until_ms = line.up_busy_until_ms.max(at_ms);
                    let at_ms = line.up_busy_until_ms;
                    self.post(at_ms, Parcel::Up(connection, bytes));
                }
            }
            Effect::Link(command) => self.command(now_ms, runner, command),
            Effect::ToChannel(..) | Effect::CloseChannel(..) => {}
        }
    }

    fn connect(&mut self, now_ms: u64, runner: Runner) {
        self.lines_made += 1;
        let connection = Connection(self.lines_made);
        let whole = self.is_online(runner.peer);
        let at_ms = now_ms + self.delay_ms();
        let line = Line {
            runner,
            whole,
            up_busy_until_ms: at_ms,
            down_busy_until_ms: at_ms,
        };
        self.lines.insert(connection, line);
        if whole {
            self.post(at_ms, Parcel::Arrives(connection));
            self.down(at_ms, connection, Event::SignalOpened);
        } else {
            let closed = Parcel::Down(connection, Event::SignalClosed);
            self.post(now_ms + REFUSED_MS, closed);
        }
    }

    fn command(&mut self, now_ms: u64, runner: Runner, command: LinkCommand) {
        let Runner { peer, run } = runner;
        match command {
            LinkCommand::Open { link, initiator } => {
                let end = End { peer, run, link };
                for data in self.links.open(end, initiator) {
                    self.post(now_ms, Parcel::Link(end, LinkEvent::Signal { link, data }));
                }
            }
            LinkCommand::Signal { link, data } => {
                self.link_signal(now_ms, End { peer, run, link }, &data);
            }
            LinkCommand::Send { link, message } => {
                let from = End { peer, run, link };
                if let Some(to) = self.links.other(from) {
                    let link = to.link;
                    self.carry(now_ms, from, to, LinkEvent::Message { link, message });
                }
            }
            LinkCommand::Close { link } => self.break_link(now_ms, End { peer, run, link }),
        }
    }

    fn link_signal(&mut self, now_ms: u64, end: End, data: &[u8]) {
        match self.links.signal(end, data) {
            Signalled::Nothing => {}
            Signalled::Nonsense => self.break_link(now_ms, end),
            Signalled::Reply(data) => {
                let link = end.link;
                self.post(now_ms, Parcel::Link(end, LinkEvent::Signal { link, data }));
            }
            Signalled::Paired(a, b) => {
                for (from, to) in [(a, b), (b, a)] {
                    let link = to.link;
                    self.carry(now_ms, from, to, LinkEvent::Opened { link });
                }
            }
        }
    }

    /// Something goes over a link, after all that went before it.
    fn carry(&mut self, now_ms: u64, from: End, to: End, event: LinkEvent) {
        let at_ms = now_ms + self.delay_ms();
        let at_ms = self.links.arrival(from, at_ms);
        self.post(at_ms, Parcel::Link(to, event));
    }

    fn break_link(&mut self, now_ms: u64, end: End) {
        for end in self.links.break_link(end) {
            let (link, reason) = (end.link, "the network is gone".to_owned());
            let closed = LinkEvent::Closed { link, reason };
            self.post(now_ms, Parcel::Link(end, closed));
        }
    }

    // ---- what a test does to it -------------------------------------------------------------------------

    /// A peer has no network from now on: its lines and links break, and both ends hear of it.
    pub(super) fn disconnect(&mut self, now_ms: u64, peer: usize) {
        self.offline.insert(peer);
        self.cut_lines(now_ms, peer);
        for end in self.links.of_peer(peer) {
            self.break_link(now_ms, end);
        }
    }

    /// A peer has a network again; its node notices at its next try.
    pub(super) fn connect_again(&mut self, peer: usize) {
        self.offline.remove(&peer);
    }

    /// A peer's process is gone: the others hear of it, itself hears nothing more.
    pub(super) fn killed(&mut self, now_ms: u64, peer: usize) {
        self.cut_lines(now_ms, peer);
        self.lines.retain(|_, line| line.runner.peer != peer);
        for end in self.links.of_peer(peer) {
            self.break_link(now_ms, end);
            self.links.forget(end);
        }
    }

    fn cut_lines(&mut self, now_ms: u64, peer: usize) {
        let cut = self
            .lines
            .iter_mut()
            .filter(|(_, line)| line.runner.peer == peer && line.whole);
        let cut: Vec<Connection> = cut
            .map(|(connection, line)| {
                line.whole = false;
                *connection
            })
            .collect();
        for connection in cut {
            self.post(now_ms, Parcel::Down(connection, Event::SignalClosed));
            let answers = self.server.close(connection);
            self.answer(now_ms, answers);
        }
    }

    // ---- what arrives -----------------------------------------------------------------------------------

    /// The next thing arrives. Gives what a node hears by it, if one does.
    pub(super) fn arrive(&mut self) -> Option<(Runner, Event)> {
        let ((now_ms, _), parcel) = self.mail.pop_first()?;
        match parcel {
            Parcel::Arrives(connection) => {
                if self.lines.get(&connection)?.whole {
                    self.server.open(connection);
                }
                None
            }
            Parcel::Up(connection, bytes) => {
                if self.lines.get(&connection)?.whole {
                    let answers = self.server.receive(connection, &bytes);
                    self.answer(now_ms, answers);
                }
                None
            }
            Parcel::Down(connection, event) => {
                let line = self.lines.get(&connection)?;
                let (runner, whole) = (line.runner, line.whole);
                if event == Event::SignalClosed {
                    self.lines.remove(&connection);
                } else if !whole {
                    return None;
                }
                Some((runner, event))
            }
            Parcel::Link(end, event) => {
                let stage = self.links.stage(end)?;
                match &event {
                    LinkEvent::Closed { .. } => self.links.forget(end),
                    _ if stage == Stage::Broken => return None,
                    _ => {}
                }
                let End { peer, run, .. } = end;
                Some((Runner { peer, run }, Event::Link(event)))
            }
        }
    }

    fn answer(&mut self, now_ms: u64, answers: Vec<Answer>) {
        for answer in answers {
            match answer {
                Answer::Send(connection, frame) => {
                    self.down(now_ms, connection, Event::SignalFrame(frame.encode()));
                }
                Answer::Close(connection) => self.down(now_ms, connection, Event::SignalClosed),
            }
        }
    }

    fn down(&mut self, now_ms: u64, connection: Connection, event: Event) {
        let at_ms = now_ms + self.delay_ms();
        if let Some(line) = self.lines.get_mut(&connection) {
            line.down_busy_until_ms = line.down_busy_until_ms.max(at_ms);
            let at_ms = line.down_busy_until_ms;
            self.post(at_ms, Parcel::Down(connection, event));
        }
    }

    fn post(&mut self, at_ms: u64, parcel: Parcel) {
        self.posted += 1;
        self.mail.insert((at_ms, self.posted), parcel);
    }

    fn delay_ms(&mut self) -> u64 {
        self.random.between(DELAY_MS.0, DELAY_MS.1)
    }
}

impl Line {
    fn serves(&self, runner: Runner) -> bool {
        self.runner == runner && self.whole
    }
}
