//! Lines between nodes and the signal server, and direct links between nodes: delays, order, loss, cuts, duplicates.
//!
//! Invariants
//! * frames of one line arrive in order; lines are independent, so what travels on two overtakes;
//! * loss on a line is its end: what was under way is lost, and each end hears of it in its own time;
//! * every frame carried passes the tap.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::limits;
use dxos_mesh::link::{LinkCommand, LinkEvent};
use dxos_mesh::signal::ServerSignal;
use dxos_net::memory::{Answer, Connection, DirectLinks, End, SignalServer, Signalled, Stage};
use dxos_node::{Effect, Event};

use crate::kinds;
use crate::queue::Time;
use crate::random::Random;
use crate::tap::{CANARY, Tap};

/// What the lines are like now.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Shortest and longest delay of a frame, in milliseconds.
    pub delay_ms: (u64, u64),
    /// Of 100 frames of the server, how many come twice.
    pub duplicates: u64,
    /// The server runs.
    pub server_up: bool,
    /// Peers that do not reach the server.
    pub unreached: BTreeSet<usize>,
    /// Pairs of peers without a direct way, the lower first.
    pub apart: BTreeSet<(usize, usize)>,
}

impl Default for Weather {
    fn default() -> Self {
        Weather {
            delay_ms: (1, 20),
            duplicates: 0,
            server_up: true,
            unreached: BTreeSet::new(),
            apart: BTreeSet::new(),
        }
    }
}

/// Something under way.
#[derive(Debug)]
pub enum Parcel {
    /// A connection reaches the server.
    Arrives(Connection),
    /// A frame of a client reaches the server.
    Up(Connection, Vec<u8>),
    /// The server hears that a connection ended.
    Hangs(Connection),
    /// A node hears something on its line to the server.
    Down(Connection, Event),
    /// A node hears something of a direct link.
    Link(End, LinkEvent),
}

impl Parcel {
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Parcel::Up(_, bytes) | Parcel::Down(_, Event::SignalFrame(bytes)) => bytes.len(),
            Parcel::Link(_, LinkEvent::Message { message, .. }) => message.len(),
            _ => 0,
        };
        bytes as u64
    }
}

/// What is sent, and when it arrives.
pub type Mail = Vec<(Time, Parcel)>;

#[derive(Debug)]
struct Line {
    peer: usize,
    run: u64,
    /// False: nothing passes any more.
    whole: bool,
    up_busy_until: Time,
    down_busy_until: Time,
}

/// See the module.
pub struct Network {
    /// What the lines are like now.
    pub weather: Weather,
    /// What all lines carried.
    pub tap: Tap,
    /// Contract breaks by nodes: messages over the limit.
    pub breaches: Vec<String>,
    /// How many frames came twice.
    pub duplicated: u64,
    random: Random,
    server: SignalServer,
    lines: BTreeMap<Connection, Line>,
    lines_made: u64,
    links: DirectLinks,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Network {
    /// A network without anyone.
    pub fn new(random: Random) -> Self {
        Network {
            weather: Weather::default(),
            tap: Tap::new(),
            breaches: Vec::new(),
            duplicated: 0,
            random,
            server: SignalServer::default(),
            lines: BTreeMap::new(),
            lines_made: 0,
            // A real offer holds addresses: the needle stands for them.
            links: DirectLinks::new(CANARY),
        }
    }

    /// The server, to look at.
    pub fn server(&self) -> &SignalServer {
        &self.server
    }

    /// How many direct links carry messages.
    pub fn direct_links(&self) -> usize {
        self.links.open_count()
    }

    fn delay(&mut self) -> u64 {
        let (from, through) = self.weather.delay_ms;
        self.random.between(from, through)
    }

    fn line_of(&self, peer: usize) -> Option<Connection> {
        self.lines
            .iter()
            .find(|(_, line)| line.peer == peer && line.whole)
            .map(|(connection, _)| *connection)
    }

    /// A node's wish that concerns the network.
    pub fn effect(&mut self, now: Time, peer: usize, run: u64, effect: Effect, out: &mut Mail) {
        match effect {
            Effect::SignalConnect => self.connect(now, peer, run, out),
            Effect::SignalClose => {
                if let Some(connection) = self.line_of(peer) {
                    self.cut_line(now, connection, (0, 5), (0, 50), out);
                }
            }
            Effect::SignalSend(bytes) => {
                if bytes.len() > limits::SIGNAL_FRAME_BYTES_MAX {
                    self.breaches.push(format!(
                        "peer {peer} sent a signal frame of {} bytes",
                        bytes.len()
                    ));
                }
                if let Some(connection) = self.line_of(peer) {
                    self.tap.carry(
                        kinds::client_signal(&bytes),
                        "a frame to the server",
                        &bytes,
                    );
                    let at = now + self.delay();
                    let line = self.lines.get_mut(&connection).expect("found above");
                    line.up_busy_until = line.up_busy_until.max(at);
                    out.push((line.up_busy_until, Parcel::Up(connection, bytes)));
                }
            }
            Effect::Link(command) => self.command(now, peer, run, command, out),
            Effect::ToChannel(..) | Effect::CloseChannel(..) => {}
        }
    }

    fn connect(&mut self, now: Time, peer: usize, run: u64, out: &mut Mail) {
        self.lines_made += 1;
        let connection = Connection(self.lines_made);
        let whole = self.weather.server_up && !self.weather.unreached.contains(&peer);
        let at = now + self.delay();
        let line = Line {
            peer,
            run,
            whole,
            up_busy_until: at,
            down_busy_until: at,
        };
        self.lines.insert(connection, line);
        if whole {
            out.push((at, Parcel::Arrives(connection)));
            self.down(at + 1, connection, Event::SignalOpened, out);
        } else {
            let at = now + self.random.between(10, 3000);
            out.push((at, Parcel::Down(connection, Event::SignalClosed)));
        }
    }

    fn down(&mut self, now: Time, connection: Connection, event: Event, out: &mut Mail) {
        let at = now + self.delay();
        if let Some(line) = self.lines.get_mut(&connection) {
            line.down_busy_until = line.down_busy_until.max(at);
            out.push((line.down_busy_until, Parcel::Down(connection, event)));
        }
    }

    /// Breaks a line; its node and the server hear of it after so many milliseconds.
    fn cut_line(
        &mut self,
        now: Time,
        connection: Connection,
        node: (u64, u64),
        server: (u64, u64),
        out: &mut Mail,
    ) {
        let Some(line) = self.lines.get_mut(&connection) else {
            return;
        };
        if !line.whole {
            return;
        }
        line.whole = false;
        let node_at = now + self.random.between(node.0, node.1);
        let server_at = now + self.random.between(server.0, server.1);
        out.push((node_at, Parcel::Down(connection, Event::SignalClosed)));
        out.push((server_at, Parcel::Hangs(connection)));
    }

    fn command(&mut self, now: Time, peer: usize, run: u64, command: LinkCommand, out: &mut Mail) {
        match command {
            LinkCommand::Open { link, initiator } => {
                let end = End { peer, run, link };
                for data in self.links.open(end, initiator) {
                    let at = now + self.random.between(0, 5);
                    out.push((at, Parcel::Link(end, LinkEvent::Signal { link, data })));
                }
            }
            LinkCommand::Signal { link, data } => {
                self.link_signal(now, End { peer, run, link }, &data, out)
            }
            LinkCommand::Send { link, message } => {
                if message.len() > limits::LINK_MESSAGE_BYTES_MAX {
                    self.breaches.push(format!(
                        "peer {peer} sent a link message of {} bytes",
                        message.len()
                    ));
                }
                let from = End { peer, run, link };
                let Some(to) = self.links.other(from) else {
                    return;
                };
                if self.weather.apart.contains(&pair(from.peer, to.peer)) {
                    self.break_link(now, from, (1000, 12_000), out);
                    return;
                }
                self.tap.carry("direct message", "a direct link", &message);
                let at = now + self.delay();
                let at = self.links.arrival(from, at);
                out.push((
                    at,
                    Parcel::Link(
                        to,
                        LinkEvent::Message {
                            link: to.link,
                            message,
                        },
                    ),
                ));
            }
            LinkCommand::Close { link } => {
                self.break_link(now, End { peer, run, link }, (0, 50), out)
            }
        }
    }

    fn link_signal(&mut self, now: Time, end: End, data: &[u8], out: &mut Mail) {
        match self.links.signal(end, data) {
            Signalled::Nothing => {}
            Signalled::Nonsense => self.break_link(now, end, (0, 10), out),
            Signalled::Reply(data) => {
                let at = now + self.random.between(0, 5);
                out.push((
                    at,
                    Parcel::Link(
                        end,
                        LinkEvent::Signal {
                            link: end.link,
                            data,
                        },
                    ),
                ));
            }
            Signalled::Paired(a, b) => {
                if self.weather.apart.contains(&pair(a.peer, b.peer)) {
                    self.break_link(now, a, (5000, 15_000), out);
                    return;
                }
                for end in [a, b] {
                    // The message after it must not overtake the news that the link is open.
                    let at = now + self.delay();
                    let other = if end == a { b } else { a };
                    let at = self.links.arrival(other, at);
                    out.push((at, Parcel::Link(end, LinkEvent::Opened { link: end.link })));
                }
            }
        }
    }

    fn break_link(&mut self, now: Time, end: End, after: (u64, u64), out: &mut Mail) {
        for end in self.links.break_link(end) {
            let at = now + self.random.between(after.0, after.1);
            let reason = "the line is dead".to_owned();
            out.push((
                at,
                Parcel::Link(
                    end,
                    LinkEvent::Closed {
                        link: end.link,
                        reason,
                    },
                ),
            ));
        }
    }

    /// Something arrives. Gives what a node hears, with the run it is meant for.
    pub fn arrive(
        &mut self,
        now: Time,
        parcel: Parcel,
        out: &mut Mail,
    ) -> Option<(usize, u64, Event)> {
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
                    self.answer(now, answers, out);
                }
                None
            }
            Parcel::Hangs(connection) => {
                let answers = self.server.close(connection);
                self.answer(now, answers, out);
                None
            }
            Parcel::Down(connection, event) => {
                let line = self.lines.get(&connection)?;
                let (peer, run, whole) = (line.peer, line.run, line.whole);
                if event == Event::SignalClosed {
                    self.lines.remove(&connection);
                } else if !whole {
                    return None;
                }
                Some((peer, run, event))
            }
            Parcel::Link(end, event) => {
                let stage = self.links.stage(end)?;
                match &event {
                    LinkEvent::Closed { .. } => self.links.forget(end),
                    _ if stage == Stage::Broken => return None,
                    _ => {}
                }
                crate::tap::count(
                    &mut self.tap.frames,
                    match kinds::link_event(&event) {
                        "direct message" => "direct message arrived",
                        kind => kind,
                    },
                );
                Some((end.peer, end.run, Event::Link(event)))
            }
        }
    }

    fn answer(&mut self, now: Time, answers: Vec<Answer>, out: &mut Mail) {
        for answer in answers {
            match answer {
                Answer::Send(connection, frame) => {
                    let bytes = frame.encode();
                    self.tap.carry(
                        kinds::server_signal(&frame),
                        "a frame of the server",
                        &bytes,
                    );
                    let twice = !matches!(
                        frame,
                        ServerSignal::Welcome { .. } | ServerSignal::Refused { .. }
                    ) && self.random.chance(self.weather.duplicates);
                    if twice {
                        self.duplicated += 1;
                        self.down(now, connection, Event::SignalFrame(bytes.clone()), out);
                    }
                    self.down(now, connection, Event::SignalFrame(bytes), out);
                }
                Answer::Close(connection) => self.cut_line(now, connection, (1, 50), (0, 0), out),
            }
        }
    }

    /// The line of a peer to the server breaks; the ends hear of it after up to `late_ms`.
    pub fn cut_signal(&mut self, now: Time, peer: usize, late_ms: u64, out: &mut Mail) -> bool {
        let Some(connection) = self.line_of(peer) else {
            return false;
        };
        self.cut_line(now, connection, (0, late_ms), (0, late_ms), out);
        true
    }

    /// The server stops, with all it knew.
    pub fn stop_server(&mut self, now: Time, out: &mut Mail) {
        self.weather.server_up = false;
        self.server = SignalServer::default();
        let connections: Vec<Connection> = self.lines.keys().copied().collect();
        for connection in connections {
            self.cut_line(now, connection, (0, 500), (0, 0), out);
        }
    }

    /// All direct links between two peers break. Gives how many did.
    pub fn cut_links(&mut self, now: Time, a: usize, b: usize, out: &mut Mail) -> usize {
        let ends = self.links.between(a, b);
        for end in &ends {
            self.break_link(now, *end, (0, 12_000), out);
        }
        ends.len()
    }

    /// Two peers no longer reach each other directly; what is open breaks when something is sent.
    pub fn part(&mut self, a: usize, b: usize) {
        self.weather.apart.insert(pair(a, b));
    }

    /// A forged or garbled frame reaches a node as if the server had sent it.
    pub fn forge(&mut self, now: Time, peer: usize, bytes: Vec<u8>, out: &mut Mail) -> bool {
        let Some(connection) = self.line_of(peer) else {
            return false;
        };
        self.down(now, connection, Event::SignalFrame(bytes), out);
        true
    }

    /// A node is gone: its lines and links break; others hear of it after up to `late_ms`.
    pub fn peer_gone(&mut self, now: Time, peer: usize, late_ms: u64, out: &mut Mail) {
        if let Some(connection) = self.line_of(peer) {
            self.cut_line(now, connection, (0, 0), (0, late_ms), out);
        }
        for end in self.links.of_peer(peer) {
            self.break_link(now, end, (0, late_ms), out);
            self.links.forget(end);
        }
    }

    /// The window that owns a peer's direct links is gone.
    pub fn window_gone(&mut self, now: Time, peer: usize, out: &mut Mail) {
        for end in self.links.of_peer(peer) {
            self.break_link(now, end, (0, 3000), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use dxos_base::PeerId;
    use dxos_mesh::link::LinkId;
    use dxos_mesh::signal::{ClientSignal, SIGNAL_VERSION, Topic};

    struct Bench {
        network: Network,
        queue: Queue<Parcel>,
        heard: Vec<(usize, Event)>,
    }

    impl Bench {
        fn new() -> Self {
            let network = Network::new(Random::new(1, 1));
            Bench {
                network,
                queue: Queue::default(),
                heard: Vec::new(),
            }
        }

        fn act(&mut self, act: impl FnOnce(&mut Network, Time, &mut Mail)) {
            let mut mail = Mail::new();
            act(&mut self.network, self.queue.now(), &mut mail);
            mail.into_iter()
                .for_each(|(at, parcel)| self.queue.push(at, parcel));
        }

        fn effect(&mut self, peer: usize, effect: Effect) {
            self.act(|network, now, out| network.effect(now, peer, 1, effect, out));
        }

        fn run(&mut self) -> Vec<(usize, Event)> {
            let until = self.queue.now() + 600_000;
            while let Some(parcel) = self.queue.pop(until) {
                let mut mail = Mail::new();
                let heard = self.network.arrive(self.queue.now(), parcel, &mut mail);
                self.heard
                    .extend(heard.map(|(peer, _, event)| (peer, event)));
                mail.into_iter()
                    .for_each(|(at, parcel)| self.queue.push(at, parcel));
            }
            std::mem::take(&mut self.heard)
        }

        fn join(&mut self, peer: usize) {
            self.effect(peer, Effect::SignalConnect);
            let id = PeerId([peer as u8; 16]);
            let hello = ClientSignal::Hello {
                version: SIGNAL_VERSION,
                peer: id,
            };
            self.effect(peer, Effect::SignalSend(hello.encode()));
            let join = ClientSignal::Join {
                topic: Topic([0; 32]),
                direct_capable: true,
            };
            self.effect(peer, Effect::SignalSend(join.encode()));
        }

        fn relay(&mut self, from: usize, to: usize, byte: u8) {
            let to = PeerId([to as u8; 16]);
            let frame = ClientSignal::Relay {
                topic: Topic([0; 32]),
                to,
                data: vec![byte],
            };
            self.effect(from, Effect::SignalSend(frame.encode()));
        }
    }

    fn relayed(heard: &[(usize, Event)], peer: usize) -> Vec<u8> {
        heard
            .iter()
            .filter(|(to, _)| *to == peer)
            .filter_map(|(_, event)| match event {
                Event::SignalFrame(bytes) => ServerSignal::decode(bytes).ok(),
                _ => None,
            })
            .filter_map(|frame| {
                if let ServerSignal::Relay { data, .. } = frame {
                    Some(data[0])
                } else {
                    None
                }
            })
            .collect()
    }

    #[test]
    fn frames_through_the_server_keep_their_order_and_may_come_twice() {
        let mut bench = Bench::new();
        bench.join(1);
        bench.join(2);
        bench.run();
        (0..20).for_each(|byte| bench.relay(1, 2, byte));
        assert_eq!(relayed(&bench.run(), 2), (0..20).collect::<Vec<u8>>());
        bench.network.weather.duplicates = 100;
        bench.relay(1, 2, 7);
        assert_eq!(relayed(&bench.run(), 2), [7, 7]);
        assert_eq!(bench.network.duplicated, 1);
    }

    #[test]
    fn a_cut_line_loses_what_is_under_way_and_tells_both_ends() {
        let mut bench = Bench::new();
        bench.join(1);
        bench.join(2);
        bench.run();
        bench.relay(1, 2, 7);
        bench.act(|network, now, out| assert!(network.cut_signal(now, 2, 100, out)));
        let heard = bench.run();
        assert!(relayed(&heard, 2).is_empty());
        assert!(heard.contains(&(2, Event::SignalClosed)));
        let frames: Vec<ServerSignal> = heard
            .iter()
            .filter_map(|(_, event)| {
                if let Event::SignalFrame(bytes) = event {
                    Some(bytes)
                } else {
                    None
                }
            })
            .filter_map(|bytes| ServerSignal::decode(bytes).ok())
            .collect();
        assert!(
            frames
                .iter()
                .any(|frame| matches!(frame, ServerSignal::Left { .. }))
        );
        bench.network.weather.unreached.insert(2);
        bench.effect(2, Effect::SignalConnect);
        assert_eq!(bench.run(), [(2, Event::SignalClosed)]);
    }

    #[test]
    fn direct_links_open_carry_and_die_when_peers_part() {
        let mut bench = Bench::new();
        let (a, b) = (LinkId(1), LinkId(2));
        bench.effect(
            1,
            Effect::Link(LinkCommand::Open {
                link: a,
                initiator: true,
            }),
        );
        let carried = |heard: &[(usize, Event)]| -> Vec<Vec<u8>> {
            let data = |event: &Event| match event {
                Event::Link(LinkEvent::Signal { data, .. }) => Some(data.clone()),
                _ => None,
            };
            heard.iter().filter_map(|(_, event)| data(event)).collect()
        };
        let offer = carried(&bench.run());
        bench.effect(
            2,
            Effect::Link(LinkCommand::Open {
                link: b,
                initiator: false,
            }),
        );
        for data in offer {
            bench.effect(2, Effect::Link(LinkCommand::Signal { link: b, data }));
        }
        let answer = carried(&bench.run()).remove(0);
        bench.effect(
            1,
            Effect::Link(LinkCommand::Signal {
                link: a,
                data: answer,
            }),
        );
        let opened = bench.run();
        assert_eq!(opened.len(), 2);
        assert_eq!(bench.network.direct_links(), 1);
        let message = b"sealed".to_vec();
        bench.effect(
            2,
            Effect::Link(LinkCommand::Send {
                link: b,
                message: message.clone(),
            }),
        );
        assert_eq!(
            bench.run(),
            [(1, Event::Link(LinkEvent::Message { link: a, message }))]
        );
        bench.network.part(2, 1);
        bench.effect(
            2,
            Effect::Link(LinkCommand::Send {
                link: b,
                message: vec![1],
            }),
        );
        let ended = bench.run();
        assert_eq!(
            ended.len(),
            2,
            "both hear of the end and nothing else: {ended:?}"
        );
        assert!(bench.network.tap.leaks().is_empty());
        let leak = CANARY.as_bytes().to_vec();
        bench.join(1);
        bench.effect(1, Effect::SignalSend(leak));
        assert_eq!(bench.network.tap.leaks().len(), 1);
    }
}
