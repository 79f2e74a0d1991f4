//! One profile: its storage, its text engine, its clock, its node while it runs, and the persons at it.
//!
//! Invariants
//! * the node, its engine and its storage live and die together; what a dead node asked for last is not done;
//! * within one run of the node its clock runs evenly; between runs it may jump.

use std::collections::BTreeMap;

use dxos_base::{Entropy, Tick};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig, NodeError};
use dxos_text::LoroEngine;

use crate::person::Person;
use crate::queue::Time;
use crate::random::Random;
use crate::store::CrashStore;
use crate::tap::Counts;

/// Wall time at the beginning of every run: 2026.
const EPOCH_MS: i64 = 1_790_000_000_000;

/// What a clock is off by that begins at 1970.
pub const AT_1970_MS: i64 = -EPOCH_MS;

/// Entry version of builds of today.
pub const OLDER: u8 = dxos_echo::entry::ENTRY_VERSION;
/// Entry version of builds to come, played by the same code.
pub const NEWER: u8 = OLDER + 1;

/// A channel between a person and the node.
#[derive(Debug)]
pub struct Line {
    /// The person.
    pub person: usize,
    /// When the last frame to the node arrives.
    pub up_busy_until: Time,
    /// When the last frame to the person arrives.
    pub down_busy_until: Time,
}

/// See the module.
pub struct Peer {
    /// Its place in the world.
    pub index: usize,
    /// Its storage.
    pub store: CrashStore,
    /// The node while it runs.
    pub node: Option<Node>,
    /// Which run of the node.
    pub run: u64,
    /// How far its clock is off.
    pub clock_off_ms: i64,
    /// Whether a window that can make direct links is there.
    pub direct: bool,
    /// The persons; `None`: gone.
    pub persons: Vec<Person>,
    /// Channels that stand, at the node's side.
    pub lines: BTreeMap<ChannelId, Line>,
    /// The next wake-up asked for.
    pub wake_at: Option<Time>,
    /// Wake-ups in the same virtual millisecond.
    pub wakes_now: (Time, u64),
    /// Effects still done of the next event's before the process is killed.
    pub kill_after: Option<usize>,
    /// Switched off by its person.
    pub offline: bool,
    /// Newest version of entries its build writes and understands.
    pub entry_version: u8,
    /// Messages inside streams that came to nodes that are gone, by kind.
    heard: Counts,
    config: NodeConfig,
    engine: LoroEngine,
    entropy: Random,
}

impl Peer {
    /// An empty profile that does not run.
    pub fn new(index: usize, mut entropy: Random) -> Self {
        let config = NodeConfig {
            profile_key: (&mut entropy as &mut dyn Entropy).array(),
            instance_marker: (&mut entropy as &mut dyn Entropy).array(),
        };
        Peer {
            index,
            store: CrashStore::new(),
            node: None,
            run: 0,
            clock_off_ms: 0,
            direct: true,
            persons: Vec::new(),
            lines: BTreeMap::new(),
            wake_at: None,
            wakes_now: (0, 0),
            kill_after: None,
            offline: false,
            entry_version: OLDER,
            heard: Counts::new(),
            config,
            engine: LoroEngine::new(),
            entropy,
        }
    }

    /// The peer's clock.
    pub fn tick(&self, now: Time) -> Tick {
        let wall = EPOCH_MS + self.clock_off_ms + i64::try_from(now).expect("runs last minutes");
        Tick(u64::try_from(wall).expect("clocks are off by years, not by centuries"))
    }

    /// When the peer's clock shows `tick`, in virtual time; not in the past.
    pub fn when(&self, now: Time, tick: Tick) -> Time {
        now + tick.0.saturating_sub(self.tick(now).0)
    }

    /// Starts the node. Effects land in `out`.
    pub fn start(&mut self, now: Time, out: &mut Vec<Effect>) -> Result<(), NodeError> {
        self.run += 1;
        self.engine = LoroEngine::new();
        self.kill_after = None;
        self.wake_at = None;
        let mut cx = Context {
            now: self.tick(now),
            store: &mut self.store,
            text: &mut self.engine,
            entropy: &mut self.entropy,
        };
        let mut node = Node::open(self.config.clone(), &mut cx)?;
        node.set_entry_version(self.entry_version);
        node.start(&mut cx, out);
        node.handle(&mut cx, Event::DirectAvailable(self.direct), out);
        self.node = Some(node);
        Ok(())
    }

    /// Hands an event to the node. False: there is none.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) -> bool {
        let tick = self.tick(now);
        let Some(node) = &mut self.node else {
            return false;
        };
        let mut cx = Context {
            now: tick,
            store: &mut self.store,
            text: &mut self.engine,
            entropy: &mut self.entropy,
        };
        node.handle(&mut cx, event, out);
        true
    }

    /// The process is gone, with all that was in memory.
    pub fn kill(&mut self) {
        self.heard = self.heard();
        self.node = None;
        self.engine = LoroEngine::new();
        self.lines.clear();
        self.wake_at = None;
    }

    /// Messages inside streams that came to this peer's nodes, by kind: a tap on the lines sees ciphertext.
    pub fn heard(&self) -> Counts {
        let mut heard = self.heard.clone();
        for (kind, messages) in self.node.iter().flat_map(Node::messages) {
            *heard.entry(kind).or_default() += messages.count;
        }
        heard
    }

    /// The profile is put back as it was copied: another marker beside it.
    pub fn restored(&mut self) {
        self.config.instance_marker = (&mut self.entropy as &mut dyn Entropy).array();
    }
}
