//! The world of one run: peers, the network between them, and one queue of what happens.
//!
//! Invariants
//! * all that happens comes out of the queue; a run is a function of its seed;
//! * what breaks a promise is kept as a violation and ends the run.

use std::collections::BTreeMap;

use dxos_base::{Entropy, InvitationId, ObjectId, ObjectView, SpaceId};
use dxos_node::{ChannelId, Effect, Event};
use dxos_services::ClientId;

use crate::joining::Joining;
use crate::kinds;
use crate::leaving::Departure;
use crate::ledger::Ledger;
use crate::network::{Mail, Network, Parcel};
use crate::peer::{Line, Peer};
use crate::person::Person;
use crate::queue::{Queue, Time};
use crate::random::Random;
use crate::tap::{Counts, count};

/// Effects of one event, at most; more would be a queue without bound.
const EFFECTS_MAX: usize = 4096;
/// Things under way at once, at most.
const UNDER_WAY_MAX: usize = 50_000;
/// Wake-ups in one millisecond, at most; more would be a node that spins.
const WAKES_PER_MS_MAX: u64 = 64;

/// Something that happens.
pub enum Item {
    /// On the network.
    Parcel(Parcel),
    /// A person's channel reaches its node.
    Channel { peer: usize, run: u64, event: Event },
    /// A frame reaches a person. `commits`: of the node's store when it was sent.
    ToPerson {
        peer: usize,
        channel: ChannelId,
        bytes: Vec<u8>,
        commits: u64,
    },
    /// The node closed a channel.
    PersonCut { peer: usize, channel: ChannelId },
    /// The node asked to be woken.
    Wake { peer: usize, run: u64 },
    /// The peer's process starts again.
    Restart { peer: usize },
    /// A person connects to the node, if it runs.
    Connect { peer: usize, person: usize },
    /// A person does something.
    Work { peer: usize, person: usize },
    /// Something goes wrong.
    Fault,
    /// The channel between a person and its node breaks.
    ChannelBreaks { peer: usize, person: usize },
    /// A copy of a profile is put back in its place.
    PutBack { peer: usize },
    /// Something is put right.
    Mend(Mend),
    /// The people who join look how far they are.
    Joining,
}

/// What is put right after a fault.
#[derive(Debug, Clone, Copy)]
pub enum Mend {
    /// The server runs again.
    Server,
    /// The peer reaches the server.
    Reach(usize),
    /// Two peers reach each other directly.
    Meet(usize, usize),
    /// Frames come once.
    Duplicates,
    /// Lines are fast.
    Delay,
    /// The peer's disk works.
    Disk(usize),
    /// The peer's window is there.
    Window(usize),
    /// The person switches networking on.
    Online(usize),
}

/// See the module.
pub struct World {
    /// The seed.
    pub seed: u64,
    /// Choices of people and faults.
    pub random: Random,
    /// What will happen.
    pub queue: Queue<Item>,
    /// The profiles.
    pub peers: Vec<Peer>,
    /// Between them.
    pub network: Network,
    /// What people did.
    pub ledger: Ledger,
    /// The space all share, once made.
    pub space: Option<SpaceId>,
    /// Objects people made.
    pub objects: Vec<ObjectId>,
    /// Peers on their way in.
    pub joining: Joining,
    /// People who left the space, or are about to.
    pub departures: BTreeMap<usize, Departure>,
    /// Commits of the copies of whole profiles that were put back: what is written since may be on a branch.
    pub put_back_at: BTreeMap<usize, u64>,
    /// How often each fault happened.
    pub faults: Counts,
    /// How often each kind of write was acknowledged.
    pub writes: Counts,
    /// Bytes on all lines now, and the most there ever were.
    pub under_way_bytes: u64,
    /// See [`World::under_way_bytes`].
    pub under_way_bytes_max: u64,
    /// Peers whose clocks stand at 1970, and as many years ahead.
    pub clocks_apart: u64,
    /// How often each kind of frame and event happened beside the network's.
    pub frames: Counts,
    /// Events the nodes were handed.
    pub events: u64,
    /// Faults and work go on.
    pub chaos: bool,
    /// The first broken promise.
    pub violation: Option<String>,
    /// Lines about what happens, when asked for.
    pub trace: bool,
    /// Copies of profiles, made to be put back.
    pub copies: BTreeMap<usize, crate::faults::Backup>,
    /// Peers put back of which others have all that they had written since, and how much of it they kept themselves.
    pub relying: BTreeMap<usize, u64>,
    /// All objects as peers' persons were answered, for comparing.
    pub answers: BTreeMap<(usize, usize), Vec<ObjectView>>,
    /// Figures of the nodes as last told.
    pub figures: BTreeMap<usize, BTreeMap<String, u64>>,
    /// Other things worth knowing, by name.
    pub notes: Counts,
    channels_made: u64,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, trace: bool) -> Self {
        World {
            seed,
            random: Random::new(seed, 0),
            queue: Queue::default(),
            peers: Vec::new(),
            network: Network::new(Random::new(seed, 1)),
            ledger: Ledger::default(),
            space: None,
            objects: Vec::new(),
            joining: Joining::default(),
            departures: BTreeMap::new(),
            put_back_at: BTreeMap::new(),
            faults: Counts::new(),
            writes: Counts::new(),
            under_way_bytes: 0,
            under_way_bytes_max: 0,
            clocks_apart: 0,
            frames: Counts::new(),
            events: 0,
            chaos: true,
            violation: None,
            trace,
            copies: BTreeMap::new(),
            relying: BTreeMap::new(),
            answers: BTreeMap::new(),
            figures: BTreeMap::new(),
            notes: Counts::new(),
            channels_made: 0,
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.queue.now()
    }

    /// A line about what happens.
    pub fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>8} {}", self.now(), words());
        }
    }

    /// A promise is broken.
    pub fn violate(&mut self, words: String) {
        self.say(|| format!("VIOLATION {words}"));
        if self.violation.is_none() {
            self.violation = Some(format!("at {} ms: {words}", self.now()));
        }
    }

    /// A fault happened.
    pub fn fault(&mut self, kind: &'static str) {
        self.say(|| format!("FAULT {kind}"));
        count(&mut self.faults, kind);
    }

    /// Lets something happen in `after` milliseconds.
    pub fn later(&mut self, after: u64, item: Item) {
        self.queue.push(self.now() + after, item);
    }

    /// Puts what the network sends on its way.
    pub fn post(&mut self, mail: Mail) {
        for (at, parcel) in mail {
            self.under_way_bytes += parcel.bytes();
            self.under_way_bytes_max = self.under_way_bytes_max.max(self.under_way_bytes);
            self.queue.push(at, Item::Parcel(parcel));
        }
    }

    /// Runs until `until`, a broken promise, or until `enough` says so.
    pub fn run(&mut self, until: Time, mut enough: impl FnMut(&World) -> bool) {
        while self.violation.is_none() && !enough(self) {
            let Some(item) = self.queue.pop(until) else {
                return;
            };
            self.happen(item);
            if self.queue.len() > UNDER_WAY_MAX {
                self.violate(format!("{} things are under way", self.queue.len()));
            }
        }
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Parcel(parcel) => {
                self.under_way_bytes -= parcel.bytes();
                let mut mail = Mail::new();
                let heard = self.network.arrive(self.now(), parcel, &mut mail);
                self.post(mail);
                if let Some((peer, run, event)) = heard
                    && self.peers[peer].run == run
                {
                    self.hand(peer, event);
                }
            }
            Item::Channel { peer, run, event } => {
                if self.peers[peer].run == run {
                    self.hand(peer, event);
                }
            }
            Item::ToPerson {
                peer,
                channel,
                bytes,
                commits,
            } => {
                self.person_hears(peer, channel, &bytes, commits);
            }
            Item::PersonCut { peer, channel } => self.person_cut(peer, channel),
            Item::Wake { peer, run } => self.wake(peer, run),
            Item::Restart { peer } => self.restart(peer),
            Item::Connect { peer, person } => self.connect(peer, person),
            Item::Work { peer, person } => self.work(peer, person),
            Item::Fault => self.inject(),
            Item::ChannelBreaks { peer, person } => self.break_channel(peer, person),
            Item::PutBack { peer } => self.put_back(peer),
            Item::Mend(mend) => self.mend(mend),
            Item::Joining => self.advance_joining(),
        }
    }

    // ---- nodes ------------------------------------------------------------------------------------------

    fn wake(&mut self, index: usize, run: u64) {
        let now = self.now();
        let peer = &mut self.peers[index];
        if peer.run != run || peer.wake_at.is_none_or(|at| at > now) {
            return;
        }
        peer.wake_at = None;
        if peer.wakes_now.0 != now {
            peer.wakes_now = (now, 0);
        }
        peer.wakes_now.1 += 1;
        if peer.wakes_now.1 > WAKES_PER_MS_MAX {
            self.violate(format!(
                "the node of peer {index} spins: it always wants to be woken at once"
            ));
            return;
        }
        self.hand(index, Event::Wake);
    }

    /// Hands an event to a node and does what it asks for.
    pub fn hand(&mut self, index: usize, event: Event) {
        let now = self.now();
        let kind = kinds::event(&event);
        if self.trace {
            self.say(|| format!("peer {index} <- {}", kinds::tell(&event)));
        }
        let mut out = Vec::new();
        if !self.peers[index].handle(now, event, &mut out) {
            return;
        }
        self.events += 1;
        count(&mut self.frames, kind);
        self.after(index, out);
    }

    /// Does what a node asked for, unless it died in the middle.
    fn after(&mut self, index: usize, mut out: Vec<Effect>) {
        if out.len() > EFFECTS_MAX {
            self.violate(format!(
                "one event made {} effects at peer {index}",
                out.len()
            ));
        }
        if let Some(misuse) = self.peers[index].store.misuses().first() {
            let misuse = *misuse;
            self.violate(format!(
                "the node of peer {index} breaks the store's contract: {misuse}"
            ));
        }
        if self.peers[index].store.dead() {
            let kind = match self.peers[index].store.died_at() {
                Some(crate::store::CrashPoint::Before) => "killed before a commit",
                _ => "killed after a commit",
            };
            self.fault(kind);
            self.died(index, 3000);
            return;
        }
        let killed = self.peers[index].kill_after.take();
        if let Some(keep) = killed {
            out.truncate(keep);
        }
        let mut mail = Mail::new();
        for effect in out {
            self.effect(index, effect, &mut mail);
        }
        self.post(mail);
        if let Some(breach) = self.network.breaches.pop() {
            self.violate(breach);
        }
        if let Some(leak) = self.network.tap.leaks().first() {
            let leak = leak.clone();
            self.violate(format!("readable without a key: {leak}"));
        }
        if killed.is_some() {
            self.fault("killed between events");
            self.died(index, 500);
            return;
        }
        self.plan_wake(index);
    }

    fn effect(&mut self, index: usize, effect: Effect, mail: &mut Mail) {
        let now = self.now();
        if self.trace {
            self.say(|| format!("peer {index} -> {}", kinds::tell_effect(&effect)));
        }
        match effect {
            Effect::ToChannel(channel, bytes) => {
                let commits = self.peers[index].store.commits();
                let delay = self.random.below(3);
                if let Some(line) = self.peers[index].lines.get_mut(&channel) {
                    line.down_busy_until = line.down_busy_until.max(now + delay);
                    let at = line.down_busy_until;
                    self.queue.push(
                        at,
                        Item::ToPerson {
                            peer: index,
                            channel,
                            bytes,
                            commits,
                        },
                    );
                }
            }
            Effect::CloseChannel(channel) => {
                let at = self.peers[index]
                    .lines
                    .get(&channel)
                    .map_or(now, |line| line.down_busy_until);
                self.queue.push(
                    at,
                    Item::PersonCut {
                        peer: index,
                        channel,
                    },
                );
            }
            effect => {
                let run = self.peers[index].run;
                self.network.effect(now, index, run, effect, mail);
            }
        }
    }

    fn plan_wake(&mut self, index: usize) {
        let now = self.now();
        let peer = &mut self.peers[index];
        let Some(at) = peer.node.as_ref().and_then(|node| node.wake_at()) else {
            peer.wake_at = None;
            return;
        };
        let at = peer.when(now, at);
        if peer.wake_at != Some(at) {
            peer.wake_at = Some(at);
            let run = peer.run;
            self.queue.push(at, Item::Wake { peer: index, run });
        }
    }

    /// A process is gone: others hear of it within `late_ms`; it starts again soon.
    pub fn died(&mut self, index: usize, late_ms: u64) {
        let mut mail = Mail::new();
        self.network
            .peer_gone(self.now(), index, late_ms, &mut mail);
        self.post(mail);
        self.peers[index].kill();
        self.peers[index].store.kill();
        for person in 0..self.peers[index].persons.len() {
            self.peers[index].persons[person].disconnected();
            self.pump(index, person, 0);
        }
        let after = self.random.between(5, 2500);
        self.later(after, Item::Restart { peer: index });
    }

    /// Starts a peer's process, if it does not run.
    pub fn restart(&mut self, index: usize) {
        if self.peers[index].node.is_some() {
            return;
        }
        let mut out = Vec::new();
        let now = self.now();
        let hits = self.peers[index].store.faults_hit();
        let started = self.peers[index].start(now, &mut out);
        self.say(|| format!("peer {index} starts, run {}", self.peers[index].run));
        match started {
            Ok(()) => {
                self.events += 1;
                self.after(index, out);
                for person in 0..self.peers[index].persons.len() {
                    let after = self.random.between(1, 300);
                    self.later(
                        after,
                        Item::Connect {
                            peer: index,
                            person,
                        },
                    );
                }
            }
            Err(_) if self.peers[index].store.dead() => {
                self.fault("killed while starting");
                self.died(index, 100);
            }
            Err(error) if self.peers[index].store.faults_hit() > hits => {
                self.say(|| format!("peer {index} does not start: {error}"));
                self.later(1000, Item::Restart { peer: index });
            }
            Err(error) => self.violate(format!("peer {index} does not start: {error}")),
        }
    }

    // ---- persons ----------------------------------------------------------------------------------------

    /// A new person at a peer.
    pub fn add_person(&mut self, index: usize) {
        let client = ClientId((&mut self.random as &mut dyn Entropy).array());
        self.peers[index].persons.push(Person::new(client));
        let person = self.peers[index].persons.len() - 1;
        self.later(
            1,
            Item::Connect {
                peer: index,
                person,
            },
        );
    }

    /// A person goes and another comes in its place.
    pub fn replace_person(&mut self, index: usize, person: usize) {
        self.cut_channel(index, person);
        let client = ClientId((&mut self.random as &mut dyn Entropy).array());
        self.peers[index].persons[person] = Person::new(client);
        self.later(
            5,
            Item::Connect {
                peer: index,
                person,
            },
        );
    }

    /// The channel between a person and its node breaks: answers under way are lost.
    pub fn cut_channel(&mut self, index: usize, person: usize) {
        let Some(channel) = self.peers[index].persons[person].channel else {
            return;
        };
        self.peers[index].persons[person].disconnected();
        let run = self.peers[index].run;
        let line = self.peers[index].lines.remove(&channel);
        let at = line.map_or(self.now(), |line| line.up_busy_until) + self.random.below(30);
        self.queue.push(
            at,
            Item::Channel {
                peer: index,
                run,
                event: Event::ChannelClosed(channel),
            },
        );
    }

    fn connect(&mut self, index: usize, person: usize) {
        if self.peers[index].node.is_none() || self.peers[index].persons[person].channel.is_some() {
            return;
        }
        self.channels_made += 1;
        let channel = ChannelId(self.channels_made);
        let now = self.now();
        let peer = &mut self.peers[index];
        peer.lines.insert(
            channel,
            Line {
                person,
                up_busy_until: now,
                down_busy_until: now,
            },
        );
        let run = peer.run;
        self.queue.push(
            now,
            Item::Channel {
                peer: index,
                run,
                event: Event::ChannelOpened(channel),
            },
        );
        self.peers[index].persons[person].connect(channel);
        self.pump(index, person, 0);
    }

    fn person_cut(&mut self, index: usize, channel: ChannelId) {
        let Some(line) = self.peers[index].lines.remove(&channel) else {
            return;
        };
        if self.peers[index].persons[line.person].channel == Some(channel) {
            self.peers[index].persons[line.person].disconnected();
            self.pump(index, line.person, 0);
            self.later(
                20,
                Item::Connect {
                    peer: index,
                    person: line.person,
                },
            );
        }
    }

    fn person_hears(&mut self, index: usize, channel: ChannelId, bytes: &[u8], commits: u64) {
        let Some(line) = self.peers[index].lines.get(&channel) else {
            return;
        };
        let person = line.person;
        if self.peers[index].persons[person].channel != Some(channel) {
            return;
        }
        for kind in kinds::node_frame(bytes) {
            count(&mut self.frames, kind);
        }
        if self.peers[index].persons[person]
            .client
            .receive(bytes)
            .is_err()
        {
            self.violate(format!(
                "the node of peer {index} sends a frame that is none"
            ));
        }
        let status = self.peers[index].persons[person].status();
        let diverged = |status: &dxos_services::StatusView| {
            let mut spaces = status.spaces.iter();
            spaces.any(|space| space.sync == dxos_services::SyncState::Diverged)
        };
        if status.is_some_and(|status| diverged(&status)) {
            self.violate(format!("peer {index} says that states diverged"));
        }
        self.pump(index, person, commits);
    }

    /// Sends what a person's client wants sent, and follows up what is done.
    pub fn pump(&mut self, index: usize, person: usize, commits: u64) {
        loop {
            let done = self.peers[index].persons[person].poll();
            if done.is_empty() {
                break;
            }
            for done in done {
                self.follow_up(index, person, done, commits);
            }
        }
        let looked = self.peers[index].persons[person].look(commits, &mut self.ledger);
        if let Err(words) = looked {
            self.violate(format!("peer {index}: {words}"));
        }
        let now = self.now();
        for frame in self.peers[index].persons[person].take_frames() {
            count(&mut self.frames, kinds::client_frame(&frame));
            let delay = self.random.below(3);
            let peer = &mut self.peers[index];
            let Some(channel) = peer.persons[person].channel else {
                break;
            };
            let Some(line) = peer.lines.get_mut(&channel) else {
                break;
            };
            line.up_busy_until = line.up_busy_until.max(now + delay);
            let (at, run) = (line.up_busy_until, peer.run);
            let event = Event::ChannelFrame(channel, frame);
            self.queue.push(
                at,
                Item::Channel {
                    peer: index,
                    run,
                    event,
                },
            );
        }
    }

    /// Peers whose first person sees the shared space.
    pub fn members(&self) -> Vec<usize> {
        (0..self.peers.len())
            .filter(|index| self.is_member(*index))
            .collect()
    }

    /// Whether a peer's first person sees the shared space, and is in it.
    pub fn is_member(&self, index: usize) -> bool {
        let Some(space) = self.space else {
            return false;
        };
        let status = self.peers[index].persons.first().and_then(Person::status);
        status.is_some_and(|status| World::lists(&status, space))
    }

    /// An invitation as a person's client knows it.
    pub fn invitation(
        &self,
        index: usize,
        id: InvitationId,
    ) -> Option<dxos_services::InvitationView> {
        self.peers[index].persons.first()?.client.invitation(id)
    }
}
