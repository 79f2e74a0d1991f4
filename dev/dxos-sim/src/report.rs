//! What runs were made of, and whether every fault and every kind of message was among it.

use crate::edits::write_kinds;
use crate::tap::Counts;
use crate::world::World;

/// Faults that a suite must have seen.
pub const FAULTS: [&str; 39] = [
    "acknowledgement lost",
    "channel lost",
    "clock at 1970",
    "clock jumped",
    "clock years ahead",
    "clock years off",
    "commit fails",
    "direct link cut",
    "disk full",
    "entry became void after it was applied",
    "entry before its key or credentials",
    "feed forked",
    "forged frame",
    "frame duplicated",
    "frames come twice",
    "invitation cancelled",
    "join cancelled",
    "killed after a commit",
    "killed before a commit",
    "killed between events",
    "left the space",
    "old copy put back",
    "page reloaded",
    "peer of an older version",
    "peers parted",
    "power lost",
    "remote write between acknowledge and seal",
    "server not reached",
    "server stops",
    "signal line cut",
    "slow lines",
    "switched offline",
    "unsynced commit lost",
    "window gone",
    "whole copy put back",
    "whole copy to be put back again",
    "wrong auth code",
    "wrong invitation code",
    "wrote in a new feed after coming back",
];

/// Messages that a suite must have seen. `replicate nothing` is not among them: nodes keep what they told they have.
pub const MESSAGES: [&str; 97] = [
    "call authenticate",
    "call cancel invitation",
    "call close text",
    "call create identity",
    "call create space",
    "call flush",
    "call get",
    "call invite",
    "call join",
    "call leave space",
    "call open text",
    "call open text on base",
    "call query",
    "call query ids",
    "call set offline",
    "call stats",
    "call subscribe",
    "call verify",
    "client hello",
    "client presence",
    "client write objects",
    "client write text",
    "direct closed",
    "direct message",
    "direct message arrived",
    "direct opened",
    "direct signal",
    "event carets",
    "event invitation",
    "event query",
    "event status",
    "event text",
    "frame welcome",
    "frame write refused",
    "frame written",
    "gossip alive",
    "gossip presence",
    "invite begin",
    "invite cancel",
    "invite confirm",
    "invite confirmed",
    "invite granted",
    "invite hello",
    "invite offer",
    "invite refused",
    "invite reply",
    "invite welcome",
    "invite wrong",
    "node channel closed",
    "node channel frame",
    "node channel opened",
    "node direct available",
    "node direct gone",
    "node link event",
    "node signal closed",
    "node signal frame",
    "node signal opened",
    "node wake",
    "replicate answer",
    "replicate credentials",
    "replicate entries",
    "replicate have",
    "replicate heads",
    "replicate hello",
    "replicate need chain",
    "replicate open",
    "replicate refused",
    "replicate tips",
    "replicate want",
    "replicate want chain",
    "reply answer",
    "reply done",
    "reply failure",
    "reply ids",
    "reply invitation",
    "reply object",
    "reply space",
    "reply stats",
    "reply subscribed",
    "reply text on base",
    "reply text whole",
    "reply verified",
    "signal hello",
    "signal join",
    "signal joined",
    "signal leave",
    "signal left",
    "signal offer down",
    "signal offer up",
    "signal peers",
    "signal ping",
    "signal pong",
    "signal refused",
    "signal relay down",
    "signal relay up",
    "signal undelivered",
    "signal welcome",
];

/// What one run, or many, were made of.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The seed, of a single run.
    pub seed: u64,
    /// Runs.
    pub runs: u64,
    /// Events handed to nodes.
    pub events: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Bytes on lines.
    pub bytes: u64,
    /// Edits that lasted and were found again.
    pub edits: u64,
    /// Peers.
    pub peers: u64,
    /// Faults by kind.
    pub faults: Counts,
    /// Acknowledged writes by kind.
    pub writes: Counts,
    /// Messages by kind.
    pub messages: Counts,
    /// Other things.
    pub notes: Counts,
    /// Figures of nodes, summed.
    pub figures: std::collections::BTreeMap<String, u64>,
    /// Broken promises, each with its seed.
    pub violations: Vec<(u64, String)>,
}

impl Report {
    /// Of one run.
    pub fn of(world: &World) -> Report {
        let mut faults = world.faults.clone();
        let sum = |pick: fn(&crate::store::CrashStore) -> u64| -> u64 {
            world.peers.iter().map(|peer| pick(&peer.store)).sum()
        };
        faults.insert(
            "remote write between acknowledge and seal",
            sum(|store| store.amid_pending()),
        );
        // Where builds are mixed entries wait for a newer one too.
        let newest = |peer: &crate::peer::Peer| peer.entry_version == crate::peer::OLDER;
        if world.peers.iter().all(newest) {
            faults.insert(
                "entry before its key or credentials",
                sum(|store| store.waited()),
            );
        }
        faults.insert(
            "entry became void after it was applied",
            sum(|store| store.voided()),
        );
        faults.insert("unsynced commit lost", sum(|store| store.power_took()));
        faults.insert("frame duplicated", world.network.duplicated);
        let off = |peer: &&crate::peer::Peer| peer.clock_off_ms.abs() > 300 * 24 * 3600 * 1000;
        faults.insert(
            "clock years off",
            world.peers.iter().filter(off).count() as u64,
        );
        faults.insert("clock at 1970", world.clocks_apart);
        faults.insert("clock years ahead", world.clocks_apart);
        let mut messages = world.network.tap.frames.clone();
        for (kind, count) in &world.frames {
            *messages.entry(kind).or_default() += count;
        }
        for (kind, count) in world.peers.iter().flat_map(crate::peer::Peer::heard) {
            *messages.entry(kind).or_default() += count;
        }
        let mut figures = std::collections::BTreeMap::new();
        for (name, value) in world.figures.values().flatten() {
            *figures.entry(name.clone()).or_default() += value;
        }
        Report {
            seed: world.seed,
            runs: 1,
            events: world.events,
            virtual_ms: world.now(),
            bytes: world.network.tap.bytes,
            edits: world.ledger.lasting() as u64,
            peers: world.peers.len() as u64,
            faults,
            writes: world.writes.clone(),
            messages,
            notes: world.notes.clone(),
            figures,
            violations: world
                .violation
                .iter()
                .map(|words| (world.seed, words.clone()))
                .collect(),
        }
    }

    /// Adds another report to this one.
    pub fn add(&mut self, other: Report) {
        self.runs += other.runs;
        self.events += other.events;
        self.virtual_ms += other.virtual_ms;
        self.bytes += other.bytes;
        self.edits += other.edits;
        self.peers += other.peers;
        for (mine, theirs) in [
            (&mut self.faults, other.faults),
            (&mut self.writes, other.writes),
            (&mut self.messages, other.messages),
            (&mut self.notes, other.notes),
        ] {
            for (kind, count) in theirs {
                *mine.entry(kind).or_default() += count;
            }
        }
        for (name, value) in other.figures {
            *self.figures.entry(name).or_default() += value;
        }
        self.violations.extend(other.violations);
        self.violations.sort();
    }

    /// Kinds of faults, writes and messages that a suite must see and this one did not.
    pub fn missing(&self) -> Vec<&'static str> {
        let none = |counts: &Counts, kind: &&str| counts.get(*kind).copied().unwrap_or(0) == 0;
        let faults = FAULTS.into_iter().filter(|kind| none(&self.faults, kind));
        let messages = MESSAGES.into_iter();
        faults
            .chain(write_kinds().filter(|kind| none(&self.writes, kind)))
            .chain(messages.filter(|kind| none(&self.messages, kind)))
            .collect()
    }

    /// In words, for people.
    pub fn print(&self) {
        let Report {
            runs,
            events,
            edits,
            peers,
            virtual_ms,
            bytes,
            ..
        } = self;
        println!(
            "{runs} runs: {peers} peers, {events} events, {edits} acknowledged edits found again, {} virtual minutes, {} MB on lines",
            virtual_ms / 60_000,
            bytes / 1_000_000,
        );
        for (title, counts) in [
            ("faults", &self.faults),
            ("acknowledged writes", &self.writes),
            ("messages", &self.messages),
            ("notes", &self.notes),
        ] {
            println!("{title}:");
            for (kind, count) in counts {
                println!("  {count:>9}  {kind}");
            }
        }
        println!("figures of nodes:");
        for (name, value) in &self.figures {
            println!("  {value:>9}  {name}");
        }
    }
}
