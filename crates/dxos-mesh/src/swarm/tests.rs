//! Two swarms, a signal server of a few lines, and links in memory.

use std::collections::VecDeque;

use super::*;
use crate::testing::Seeded;

const TOPIC: Topic = Topic([9; 32]);

#[derive(Clone, Copy, PartialEq)]
enum Hold {
    Nothing,
    Relay,
    RelayOnceLinked,
}

/// Two swarms and what is under way between them; `0` has the lower id and begins.
struct World {
    now: Tick,
    swarms: [Swarm; 2],
    entropy: Seeded,
    events: [Vec<SwarmEvent>; 2],
    signals: VecDeque<(usize, ClientSignal)>,
    links: VecDeque<(usize, LinkCommand)>,
    /// Who is in the topic, and can make direct links.
    joined: [Option<bool>; 2],
    /// The links of both, once both are open.
    opened: [Option<LinkId>; 2],
    linked: bool,
}

impl World {
    fn new(direct: bool) -> World {
        let swarm = |n: u8| {
            let mut swarm = Swarm::new(PeerId([n; 16]));
            swarm.set_secret(AgreementSecret([n; 32]));
            swarm
        };
        let mut world = World {
            now: Tick(1_000),
            swarms: [swarm(1), swarm(2)],
            entropy: Seeded::new(3),
            events: Default::default(),
            signals: VecDeque::new(),
            links: VecDeque::new(),
            joined: [None; 2],
            opened: [None; 2],
            linked: false,
        };
        for side in [0, 1] {
            world.call(side, |swarm, now, entropy, out| {
                let secrets = TopicSecrets {
                    psk: [4; 32],
                    signal: [5; 32],
                };
                swarm.set_direct(now, direct, entropy, out);
                swarm.join(TOPIC, secrets, out);
                swarm.set_enabled(now, true, out);
                swarm.signal_opened(now, out);
                let welcome = ServerSignal::Welcome {
                    version: SIGNAL_VERSION,
                };
                swarm.signal_frame(now, &welcome.encode(), entropy, out);
            });
        }
        world
    }

    fn call(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut Swarm, Tick, &mut dyn Entropy, &mut SwarmOutput),
    ) {
        let mut out = SwarmOutput::default();
        act(
            &mut self.swarms[side],
            self.now,
            &mut self.entropy,
            &mut out,
        );
        self.events[side].extend(out.events);
        for effect in out.effects {
            match effect {
                SwarmEffect::SignalSend(frame) => {
                    self.signals
                        .push_back((side, ClientSignal::decode(&frame).unwrap()));
                }
                SwarmEffect::Link(command) => self.links.push_back((side, command)),
                SwarmEffect::SignalConnect | SwarmEffect::SignalClose => {}
            }
        }
    }

    fn tell(&mut self, to: usize, signal: ServerSignal) {
        self.call(to, |swarm, now, entropy, out| {
            swarm.signal_frame(now, &signal.encode(), entropy, out);
        });
    }

    /// Carries everything but what is held.
    fn settle(&mut self, hold: Hold) {
        let mut held = VecDeque::new();
        while !self.signals.is_empty() || !self.links.is_empty() {
            if let Some((side, signal)) = self.signals.pop_front() {
                let (from, other) = (PeerId([side as u8 + 1; 16]), 1 - side);
                match signal {
                    ClientSignal::Relay { .. }
                        if hold == Hold::Relay
                            || (hold == Hold::RelayOnceLinked && self.linked) =>
                    {
                        held.push_back((side, signal));
                    }
                    ClientSignal::Join {
                        topic,
                        direct_capable,
                    } => {
                        let peer = TopicPeer {
                            peer: from,
                            direct_capable,
                        };
                        if self.joined[side].replace(direct_capable) != Some(direct_capable) {
                            self.tell(other, ServerSignal::Joined { topic, peer });
                        }
                        let there = self.joined[other].map(|direct_capable| TopicPeer {
                            peer: PeerId([other as u8 + 1; 16]),
                            direct_capable,
                        });
                        let peers = there.into_iter().collect();
                        self.tell(side, ServerSignal::Peers { topic, peers });
                    }
                    ClientSignal::Signal { topic, data, .. } => {
                        self.tell(other, ServerSignal::Signal { topic, from, data });
                    }
                    ClientSignal::Relay { topic, data, .. } => {
                        self.tell(other, ServerSignal::Relay { topic, from, data });
                    }
                    _ => {}
                }
            }
            if let Some((side, command)) = self.links.pop_front() {
                self.link(side, command);
            }
        }
        self.signals = held;
    }

    fn link(&mut self, side: usize, command: LinkCommand) {
        let other = 1 - side;
        match command {
            LinkCommand::Open { link, initiator } => {
                self.opened[side] = Some(link);
                if initiator {
                    self.link_event(
                        side,
                        LinkEvent::Signal {
                            link,
                            data: b"offer".to_vec(),
                        },
                    );
                }
            }
            LinkCommand::Signal { .. } => {
                if let [Some(a), Some(b)] = self.opened
                    && !std::mem::replace(&mut self.linked, true)
                {
                    self.link_event(1, LinkEvent::Opened { link: b });
                    self.link_event(0, LinkEvent::Opened { link: a });
                }
            }
            LinkCommand::Send { message, .. } => {
                if let Some(link) = self.opened[other] {
                    self.link_event(other, LinkEvent::Message { link, message });
                }
            }
            LinkCommand::Close { .. } => {
                self.linked = false;
                for side in [side, other] {
                    if let Some(link) = self.opened[side].take() {
                        self.link_event(
                            side,
                            LinkEvent::Closed {
                                link,
                                reason: String::new(),
                            },
                        );
                    }
                }
            }
        }
    }

    fn link_event(&mut self, side: usize, event: LinkEvent) {
        self.call(side, |swarm, now, entropy, out| {
            swarm.link_event(now, event, entropy, out)
        });
    }

    fn path(&self, side: usize) -> Option<Path> {
        self.swarms[side].path(&PeerId([2 - side as u8; 16]))
    }

    fn paths(&self) -> [Option<Path>; 2] {
        [self.path(0), self.path(1)]
    }

    /// Lets time pass to the next thing either swarm waits for.
    fn sleep(&mut self) {
        let next = self.swarms.iter().filter_map(Swarm::wake_at).min().unwrap();
        self.now = next.max(self.now);
        for side in [0, 1] {
            self.call(side, |swarm, now, entropy, out| {
                swarm.wake(now, entropy, out)
            });
        }
    }

    fn open_and_send(&mut self, side: usize, bytes: &[u8]) {
        let peer = PeerId([2 - side as u8; 16]);
        self.call(side, |swarm, _, _, out| {
            let stream = swarm.open(&peer, "replicate", out).unwrap();
            swarm.send(&peer, stream, bytes.to_vec(), out).unwrap();
        });
    }

    fn messages(&self, side: usize) -> Vec<&[u8]> {
        let mut messages = Vec::new();
        for event in &self.events[side] {
            if let SwarmEvent::Message { bytes, .. } = event {
                messages.push(&bytes[..]);
            }
        }
        messages
    }
}

#[test]
fn peers_without_direct_links_speak_over_the_relay() {
    let mut world = World::new(false);
    world.settle(Hold::Nothing);
    assert_eq!(world.paths(), [Some(Path::Relayed); 2]);
    world.open_and_send(1, b"hello");
    world.settle(Hold::Nothing);
    assert_eq!(world.messages(0), [b"hello"]);
}

#[test]
fn peers_with_direct_links_use_them_at_once() {
    let mut world = World::new(true);
    world.settle(Hold::Relay);
    assert_eq!(world.paths(), [Some(Path::Direct); 2]);
    assert!(world.signals.is_empty(), "nothing was relayed");
}

#[test]
fn a_direct_link_that_does_not_open_gives_way_to_the_relay_and_returns() {
    let mut world = World::new(true);
    world.linked = true;
    world.settle(Hold::Nothing);
    assert_eq!(world.paths(), [None; 2]);
    let start = world.now;
    while world.paths() != [Some(Path::Relayed); 2] {
        world.sleep();
        world.settle(Hold::Nothing);
        assert!(
            world.now <= start.plus_ms(DIRECT_WAIT_MS),
            "relayed in time"
        );
    }
    world.linked = false;
    while world.paths() != [Some(Path::Direct); 2] {
        world.sleep();
        world.settle(Hold::Nothing);
        assert!(world.now <= start.plus_ms(60_000), "direct after a while");
    }
}

#[test]
fn a_relayed_pair_goes_direct_as_soon_as_both_can() {
    for order in [[0, 1], [1, 0]] {
        let mut world = World::new(false);
        world.settle(Hold::Nothing);
        let start = world.now;
        for side in order {
            assert_eq!(world.paths(), [Some(Path::Relayed); 2]);
            world.call(side, |swarm, now, entropy, out| {
                swarm.set_direct(now, true, entropy, out)
            });
            world.settle(Hold::Nothing);
        }
        world.sleep();
        world.settle(Hold::Nothing);
        assert_eq!((world.paths(), world.now), ([Some(Path::Direct); 2], start));
    }
}

#[test]
fn what_the_other_side_sends_after_its_switch_is_kept_for_a_pinned_peer() {
    let mut world = World::new(false);
    world.settle(Hold::Nothing);
    assert_eq!(world.paths(), [Some(Path::Relayed); 2]);
    let lower = PeerId([1; 16]);
    world.call(1, |swarm, now, entropy, out| {
        swarm.pin(now, &lower, true, entropy, out)
    });
    for side in [0, 1] {
        world.call(side, |swarm, now, entropy, out| {
            swarm.set_direct(now, true, entropy, out)
        });
    }
    world.settle(Hold::Nothing);
    // Both speak now and then, so the relayed session lives until the direct link is tried again.
    while world.path(0) == Some(Path::Relayed) {
        for side in [0, 1] {
            world.open_and_send(side, b"beat");
        }
        world.settle(Hold::Nothing);
        world.sleep();
        world.settle(Hold::RelayOnceLinked);
    }
    assert_eq!(world.paths(), [Some(Path::Direct), Some(Path::Relayed)]);
    world.events = Default::default();
    world.open_and_send(0, b"early");
    world.settle(Hold::Relay);
    assert_eq!(world.messages(1), Vec::<&[u8]>::new());
    world.call(1, |swarm, now, entropy, out| {
        swarm.pin(now, &lower, false, entropy, out)
    });
    assert_eq!(world.paths(), [Some(Path::Direct); 2]);
    assert_eq!(world.messages(1), [b"early"]);
    let opened = |event: &SwarmEvent| matches!(event, SwarmEvent::Opened { .. });
    let established = |event: &SwarmEvent| matches!(event, SwarmEvent::Established { .. });
    let at = |test: &dyn Fn(&SwarmEvent) -> bool| world.events[1].iter().position(test);
    assert!(at(&established) < at(&opened), "{:?}", world.events[1]);
}

#[test]
fn who_is_said_to_have_left_and_has_not_is_found_again() {
    for direct in [true, false] {
        let mut world = World::new(direct);
        world.settle(Hold::Nothing);
        let paths = world.paths();
        let peer = PeerId([2; 16]);
        world.tell(0, ServerSignal::Left { topic: TOPIC, peer });
        if direct {
            // The link lives on without the server, for a while.
            assert_eq!(world.paths(), paths);
            let link = world.opened[0].unwrap();
            world.link(0, LinkCommand::Close { link });
        } else {
            world.open_and_send(1, b"are you there?");
        }
        world.settle(Hold::Nothing);
        assert_eq!(world.paths(), paths);
    }
}

#[test]
fn who_has_left_is_asked_for_once() {
    let mut world = World::new(true);
    world.settle(Hold::Nothing);
    world.joined[1] = None;
    let peer = PeerId([2; 16]);
    world.tell(0, ServerSignal::Left { topic: TOPIC, peer });
    let link = world.opened[0].unwrap();
    world.link(0, LinkCommand::Close { link });
    world.settle(Hold::Nothing);
    assert_eq!(world.path(0), None);
    assert_eq!(world.swarms[0].peers_in(&TOPIC), []);
    assert!(world.signals.is_empty() && world.swarms[0].peers.is_empty());
}
