//! What every transport must do, as functions each adapter's tests call: natively, and in a page of a real browser.
//!
//! A suite returns what it checked, or the first thing that is wrong. It never waits by time: a transport that is
//! silent where it must speak makes it wait for ever, so callers set a limit.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;

use dxos_base::{PeerId, hash, limits};
use dxos_mesh::signal::{RELAY_DATA_BYTES_MAX, SIGNAL_VERSION};
use dxos_mesh::{
    ClientSignal, LinkCommand, LinkEvent, LinkId, ServerSignal, SignalRefusal, Topic, TopicPeer,
};
use tokio::sync::mpsc;

use crate::{MemoryTransport, SignalSocket, SocketEvent};

/// A transport of direct links under test.
pub trait LinkEnd {
    /// Whether candidates follow the description in signals of their own.
    const TRICKLES: bool;
    /// Does what a node asks.
    fn handle(&mut self, command: LinkCommand);
    /// The next event; dropping the future loses none.
    fn next(&mut self) -> impl Future<Output = LinkEvent>;
}

impl LinkEnd for MemoryTransport {
    const TRICKLES: bool = false;
    fn handle(&mut self, command: LinkCommand) {
        MemoryTransport::handle(self, command);
    }
    async fn next(&mut self) -> LinkEvent {
        MemoryTransport::next(self)
            .await
            .expect("the hub lives as long as its ends")
    }
}

/// What a suite found.
pub type Verdict = Result<String, String>;

/// How signals travel while a link is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signals {
    InOrder,
    /// A candidate overtakes the description.
    CandidateFirst,
}

/// Two transports, their links by pairs, and what they told.
struct Pair<'a, A, B> {
    a: &'a mut A,
    b: &'a mut B,
    held: [VecDeque<Vec<u8>>; 2],
    signals: BTreeMap<LinkId, Signals>,
}

const A: usize = 0;
const B: usize = 1;

/// Links of the second end have other numbers than those of the first.
fn other_id(link: LinkId, side: usize) -> LinkId {
    if side == A {
        LinkId(link.0 + 1000)
    } else {
        LinkId(link.0 - 1000)
    }
}

fn id_of(event: &LinkEvent) -> LinkId {
    match event {
        LinkEvent::Signal { link, .. }
        | LinkEvent::Opened { link }
        | LinkEvent::Message { link, .. }
        | LinkEvent::Closed { link, .. } => *link,
    }
}

impl<X: LinkEnd, Y: LinkEnd> Pair<'_, X, Y> {
    fn command(&mut self, side: usize, command: LinkCommand) {
        if side == A {
            self.a.handle(command)
        } else {
            self.b.handle(command)
        }
    }

    /// The next event that is no signal; signals are carried over.
    async fn next(&mut self) -> (usize, LinkEvent) {
        loop {
            let (side, event) = tokio::select! {
                event = self.a.next() => (A, event),
                event = self.b.next() => (B, event),
            };
            match event {
                LinkEvent::Signal { link, data } => self.carry(side, link, data),
                event => return (side, event),
            }
        }
    }

    fn carry(&mut self, side: usize, link: LinkId, data: Vec<u8>) {
        let to = other_id(link, side);
        let key = if side == A { link } else { to };
        let held = &mut self.held[side];
        held.push_back(data);
        if self.signals.get(&key) == Some(&Signals::CandidateFirst) {
            if held.len() < 2 {
                return;
            }
            held.swap(0, 1);
            self.signals.insert(key, Signals::InOrder);
        }
        for data in std::mem::take(&mut self.held[side]) {
            self.command(1 - side, LinkCommand::Signal { link: to, data });
        }
    }

    /// Makes a link that `initiator` offers; `link` is its number at the first end.
    async fn connect(
        &mut self,
        link: LinkId,
        initiator: usize,
        signals: Signals,
    ) -> Result<(), String> {
        self.signals.insert(link, signals);
        let ids = [link, other_id(link, A)];
        for side in [1 - initiator, initiator] {
            self.command(
                side,
                LinkCommand::Open {
                    link: ids[side],
                    initiator: side == initiator,
                },
            );
        }
        let mut opened = [false; 2];
        while opened != [true; 2] {
            match self.next().await {
                (side, LinkEvent::Opened { link }) if link == ids[side] && !opened[side] => {
                    opened[side] = true;
                }
                (_, event) => return Err(format!("while connecting: {}", brief(&event))),
            }
        }
        Ok(())
    }

    /// Sends messages of these lengths both ways on each link at once; all must come, whole, in order.
    async fn exchange(&mut self, links: &[LinkId], lengths: &[usize]) -> Result<(), String> {
        let mut awaited: BTreeMap<(usize, LinkId), VecDeque<usize>> = BTreeMap::new();
        for (n, len) in lengths.iter().enumerate() {
            for link in links {
                for (side, id) in [(A, *link), (B, other_id(*link, A))] {
                    let message = content(side, id, n, *len);
                    self.command(side, LinkCommand::Send { link: id, message });
                    awaited
                        .entry((1 - side, other_id(id, side)))
                        .or_default()
                        .push_back(n);
                }
            }
        }
        while awaited.values().any(|numbers| !numbers.is_empty()) {
            let (side, event) = self.next().await;
            let LinkEvent::Message { link, message } = event else {
                return Err(format!("while exchanging: {}", brief(&event)));
            };
            let number = awaited.get_mut(&(side, link)).and_then(VecDeque::pop_front);
            let expected = number.map(|n| content(1 - side, other_id(link, side), n, lengths[n]));
            if expected.as_ref() != Some(&message) {
                return Err(format!(
                    "message {number:?} of {} bytes is not the one sent",
                    message.len()
                ));
            }
        }
        Ok(())
    }

    /// Waits until both ends told that the link closed.
    async fn closed(&mut self, link: LinkId) -> Result<(), String> {
        let mut awaited = vec![(A, link), (B, other_id(link, A))];
        while !awaited.is_empty() {
            let (side, event) = self.next().await;
            let at = awaited
                .iter()
                .position(|expected| *expected == (side, id_of(&event)));
            match (at, &event) {
                (Some(at), LinkEvent::Closed { .. }) => awaited.swap_remove(at),
                _ => return Err(format!("while closing: {}", brief(&event))),
            };
        }
        Ok(())
    }

    /// Waits until one end told that its link closed, as the next thing.
    async fn closed_at(&mut self, side: usize, link: LinkId, why: &str) -> Result<(), String> {
        match self.next().await {
            (at, LinkEvent::Closed { link: id, .. }) if (at, id) == (side, link) => Ok(()),
            (_, event) => Err(format!("{why}: {}", brief(&event))),
        }
    }
}

fn brief(event: &LinkEvent) -> String {
    match event {
        LinkEvent::Message { link, message } => {
            format!("message of {} bytes on {link:?}", message.len())
        }
        event => format!("{event:?}"),
    }
}

/// Recognisable bytes: another link, side or number gives others.
fn content(side: usize, link: LinkId, number: usize, len: usize) -> Vec<u8> {
    let seed = hash(
        "conformance",
        &[&[side as u8], &link.0.to_be_bytes(), &number.to_be_bytes()],
    )
    .0;
    seed.iter().copied().cycle().take(len).collect()
}

/// Links between two ends of a transport.
pub async fn links<X: LinkEnd, Y: LinkEnd>(a: &mut X, b: &mut Y) -> Verdict {
    let mut pair = Pair {
        a,
        b,
        held: Default::default(),
        signals: BTreeMap::new(),
    };
    let max = limits::LINK_MESSAGE_BYTES_MAX;
    let (first, second) = (LinkId(1), LinkId(2));
    let at_b = |link| other_id(link, A);

    // Commands for links that are not there do nothing: the events below would differ.
    for command in [
        LinkCommand::Signal {
            link: LinkId(77),
            data: b"{}".to_vec(),
        },
        LinkCommand::Send {
            link: LinkId(77),
            message: vec![1],
        },
        LinkCommand::Close { link: LinkId(77) },
    ] {
        pair.command(A, command);
    }

    pair.connect(first, A, Signals::InOrder).await?;
    pair.exchange(&[first], &[1, 0, 2, 1000, max - 1, max, 3])
        .await?;

    let overtaken = if X::TRICKLES {
        Signals::CandidateFirst
    } else {
        Signals::InOrder
    };
    pair.connect(second, B, overtaken).await?;
    pair.exchange(&[first, second], &[5, max, 7]).await?;
    pair.exchange(&[first], &vec![max; 256]).await?;

    pair.command(B, LinkCommand::Close { link: at_b(first) });
    pair.command(B, LinkCommand::Close { link: at_b(first) });
    pair.closed(first).await?;
    for (side, link) in [(A, first), (B, at_b(first))] {
        pair.command(
            side,
            LinkCommand::Send {
                link,
                message: vec![1],
            },
        );
        pair.command(
            side,
            LinkCommand::Signal {
                link,
                data: b"{}".to_vec(),
            },
        );
        pair.command(side, LinkCommand::Close { link });
    }
    pair.exchange(&[second], &[9]).await?;

    pair.command(
        A,
        LinkCommand::Send {
            link: second,
            message: vec![0; max + 1],
        },
    );
    pair.closed(second).await?;

    let offer: &[u8] = br#"{"type":"offer","sdp":"nonsense"}"#;
    let answer: &[u8] = br#"{"type":"answer","sdp":"v=0"}"#;
    let long = vec![b' '; 64 * 1024];
    let garbage: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"{}",
        b"null",
        b"[1]",
        br#"{"candidate":1}"#,
        offer,
        answer,
        &long,
    ];
    for (n, data) in garbage.into_iter().enumerate() {
        let link = LinkId(100 + n as u64);
        pair.command(
            A,
            LinkCommand::Open {
                link,
                initiator: false,
            },
        );
        pair.command(
            A,
            LinkCommand::Signal {
                link,
                data: data.to_vec(),
            },
        );
        pair.closed_at(A, link, &format!("after malformed signal {n}"))
            .await?;
    }
    let unused = LinkId(200);
    pair.command(
        B,
        LinkCommand::Open {
            link: at_b(unused),
            initiator: false,
        },
    );
    pair.command(B, LinkCommand::Close { link: at_b(unused) });
    pair.closed_at(B, at_b(unused), "closed before it opened")
        .await?;
    Ok(
        "links: connect, trickle, order, bulk, two at once, close, limits, malformed signals"
            .into(),
    )
}

/// One connection to a signal server.
struct Caller {
    socket: SignalSocket,
    events: mpsc::UnboundedReceiver<SocketEvent>,
}

impl Caller {
    fn open(url: &str) -> Caller {
        let (sender, events) = mpsc::unbounded_channel();
        let socket = SignalSocket::open(url, move |event| {
            // The suite may have ended.
            let _ = sender.send(event);
        });
        Caller { socket, events }
    }

    /// Connected and welcomed as `peer`.
    async fn hello(url: &str, peer: PeerId) -> Result<Caller, String> {
        let mut caller = Caller::open(url);
        caller.say(ClientSignal::Hello {
            version: SIGNAL_VERSION,
            peer,
        });
        match caller.event().await? {
            SocketEvent::Opened => {}
            event => return Err(format!("not opened: {event:?}")),
        }
        caller
            .hears(ServerSignal::Welcome {
                version: SIGNAL_VERSION,
            })
            .await?;
        Ok(caller)
    }

    fn say(&self, signal: ClientSignal) {
        self.socket.send(signal.encode());
    }

    async fn event(&mut self) -> Result<SocketEvent, String> {
        self.events
            .recv()
            .await
            .ok_or_else(|| "no more events, and no Closed".into())
    }

    async fn signal(&mut self) -> Result<ServerSignal, String> {
        match self.event().await? {
            SocketEvent::Frame(frame) => {
                ServerSignal::decode(&frame).map_err(|error| format!("a bad frame: {error}"))
            }
            event => Err(format!("no frame but {event:?}")),
        }
    }

    async fn hears(&mut self, expected: ServerSignal) -> Result<(), String> {
        let heard = self.signal().await?;
        if heard == expected {
            Ok(())
        } else {
            Err(format!("expected {expected:?}, heard {heard:?}"))
        }
    }
}

/// The WebSocket of this platform against a signal server at `url`; `nonce` differs from run to run.
pub async fn signal_server(url: &str, nonce: u64) -> Verdict {
    let secret = |what: &str| hash("conformance", &[&nonce.to_be_bytes(), what.as_bytes()]).0;
    let peer = |what: &str| PeerId::from_slice(&secret(what)[..16]).expect("16 bytes");
    let (ada, ben, topic) = (peer("ada"), peer("ben"), Topic(secret("topic")));

    // Nobody listens on the discard port.
    match Caller::open("ws://127.0.0.1:9/").event().await? {
        SocketEvent::Closed { .. } => {}
        event => return Err(format!("connected to nobody: {event:?}")),
    }

    let mut a = Caller::hello(url, ada).await?;
    for n in 0..32 {
        a.say(ClientSignal::Ping(n));
    }
    for n in 0..32 {
        a.hears(ServerSignal::Pong(n)).await?;
    }

    a.say(ClientSignal::Join {
        topic,
        direct_capable: false,
    });
    a.hears(ServerSignal::Peers {
        topic,
        peers: vec![],
    })
    .await?;
    let mut b = Caller::hello(url, ben).await?;
    b.say(ClientSignal::Join {
        topic,
        direct_capable: true,
    });
    let about = |peer, direct_capable| TopicPeer {
        peer,
        direct_capable,
    };
    b.hears(ServerSignal::Peers {
        topic,
        peers: vec![about(ada, false)],
    })
    .await?;
    a.hears(ServerSignal::Joined {
        topic,
        peer: about(ben, true),
    })
    .await?;

    a.say(ClientSignal::Signal {
        topic,
        to: ben,
        data: b"offer".to_vec(),
    });
    b.hears(ServerSignal::Signal {
        topic,
        from: ada,
        data: b"offer".to_vec(),
    })
    .await?;
    let data = |n: u8| {
        vec![
            n;
            if n.is_multiple_of(2) {
                RELAY_DATA_BYTES_MAX
            } else {
                1
            }
        ]
    };
    for n in 0..32 {
        b.say(ClientSignal::Relay {
            topic,
            to: ada,
            data: data(n),
        });
    }
    for n in 0..32 {
        a.hears(ServerSignal::Relay {
            topic,
            from: ben,
            data: data(n),
        })
        .await?;
    }
    a.say(ClientSignal::Relay {
        topic,
        to: peer("nobody"),
        data: vec![1],
    });
    a.hears(ServerSignal::Undelivered {
        topic,
        to: peer("nobody"),
    })
    .await?;

    drop(b);
    a.hears(ServerSignal::Left { topic, peer: ben }).await?;

    a.socket.send(b"\xff\xff\xff".to_vec());
    a.hears(ServerSignal::Refused {
        reason: SignalRefusal::Malformed,
        topic: None,
    })
    .await?;
    match a.event().await? {
        SocketEvent::Closed { .. } => {}
        event => return Err(format!("not closed after a malformed frame: {event:?}")),
    }

    let mut c = Caller::hello(url, peer("cy")).await?;
    c.socket.send(vec![0; limits::SIGNAL_FRAME_BYTES_MAX + 1]);
    match c.event().await? {
        SocketEvent::Closed { .. } => {}
        event => return Err(format!("an oversized frame left: {event:?}")),
    }
    Ok("signal socket: connect, refuse, order, join, signal, relay, leave, limits, malformed frame".into())
}
