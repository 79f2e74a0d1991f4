//! What goes wrong: processes, power, disks, lines, the server, clocks, frames.
//!
//! Invariant: every fault is put right by itself after a while, so that the world can come to rest.

use dxos_base::{Entropy, PeerId};
use dxos_mesh::relay::{RelayFrame, RelayKind};
use dxos_mesh::signal::ServerSignal;

use dxos_echo::store::Store;

use crate::leaving::Departure;
use crate::network::Mail;
use crate::store::{CrashPoint, WriteFault};
use crate::world::{Item, Mend, World};
use dxos_node::Event;

/// Milliseconds of a year.
pub const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    CrashAtCommit,
    PowerLoss,
    CommitFails,
    DiskFull,
    SignalCut,
    ServerStops,
    Unreached,
    Parted,
    LinkCut,
    WindowGone,
    Slow,
    Duplicates,
    Forged,
    ChannelLost,
    PersonReplaced,
    Offline,
    CopyRestored,
    WholeCopyRestored,
    Leaves,
    LeavesFromCopy,
}

/// A copy of a profile, to be put back.
pub struct Backup {
    copy: crate::store::Copy,
    /// The instance marker is put back with it: the node cannot tell, and its feed may fork.
    whole: bool,
    /// Its person leaves the space at once: the others have applied more of its feed than it names.
    leaves: bool,
}

const FAULTS: [(u64, Fault); 21] = [
    (10, Fault::Kill),
    (14, Fault::CrashAtCommit),
    (7, Fault::PowerLoss),
    (6, Fault::CommitFails),
    (4, Fault::DiskFull),
    (8, Fault::SignalCut),
    (4, Fault::ServerStops),
    (6, Fault::Unreached),
    (8, Fault::Parted),
    (6, Fault::LinkCut),
    (4, Fault::WindowGone),
    (5, Fault::Slow),
    (6, Fault::Duplicates),
    (6, Fault::Forged),
    (10, Fault::ChannelLost),
    (4, Fault::PersonReplaced),
    (4, Fault::Offline),
    (3, Fault::CopyRestored),
    (4, Fault::WholeCopyRestored),
    (3, Fault::Leaves),
    (2, Fault::LeavesFromCopy),
];

impl World {
    /// Something goes wrong, and later something else will.
    pub fn inject(&mut self) {
        if !self.chaos {
            return;
        }
        let after = self.random.between(150, 2200);
        self.later(after, Item::Fault);
        let fault = self.random.weighted(&FAULTS);
        let peer = self.random.index(self.peers.len());
        self.suffer(fault, peer);
    }

    fn suffer(&mut self, fault: Fault, peer: usize) {
        let runs = self.peers[peer].node.is_some();
        match fault {
            Fault::Kill if runs => self.peers[peer].kill_after = Some(self.random.index(6)),
            Fault::CrashAtCommit if runs => {
                let point = if self.random.chance(50) {
                    CrashPoint::Before
                } else {
                    CrashPoint::After
                };
                let nth = self.random.between(1, 12);
                self.peers[peer].store.crash_at(nth, point);
            }
            Fault::PowerLoss if runs => self.lose_power(peer),
            Fault::CommitFails if runs => {
                self.fault("commit fails");
                self.peers[peer].store.set_fault(Some(WriteFault::Commit));
                self.later(3000, Item::Mend(Mend::Disk(peer)));
            }
            Fault::DiskFull if runs => {
                self.fault("disk full");
                self.peers[peer].store.set_fault(Some(WriteFault::Full));
                let after = self.random.between(200, 4000);
                self.later(after, Item::Mend(Mend::Disk(peer)));
            }
            Fault::WindowGone if runs => self.window(peer, false),
            Fault::ChannelLost if runs => {
                let person = self.random.index(self.peers[peer].persons.len());
                // Best in the middle of something: between a write and its answer.
                self.hurry(peer, person);
                let after = self.random.below(5);
                self.later(after, Item::ChannelBreaks { peer, person });
            }
            Fault::PersonReplaced if runs => {
                self.fault("page reloaded");
                let person = self.random.index(self.peers[peer].persons.len());
                self.replace_person(peer, person);
            }
            Fault::Offline if runs && self.is_member(peer) => {
                self.fault("switched offline");
                self.peers[peer].offline = true;
                self.peers[peer].persons[0].set_offline(true);
                self.pump(peer, 0, 0);
                let after = self.random.between(500, 6000);
                self.later(after, Item::Mend(Mend::Online(peer)));
            }
            Fault::CopyRestored | Fault::WholeCopyRestored
                if runs && self.is_member(peer) && !self.departures.contains_key(&peer) =>
            {
                let copy = self.peers[peer].store.copy();
                let whole = matches!(fault, Fault::WholeCopyRestored);
                let leaves = false;
                self.copies.insert(
                    peer,
                    Backup {
                        copy,
                        whole,
                        leaves,
                    },
                );
                let after = self.random.between(300, 5000);
                self.later(after, Item::PutBack { peer });
            }
            Fault::Leaves if runs && self.may_leave(peer) => self.leave(peer),
            Fault::LeavesFromCopy if runs && self.may_leave(peer) => {
                let copy = self.peers[peer].store.copy();
                let (whole, leaves) = (true, true);
                self.copies.insert(
                    peer,
                    Backup {
                        copy,
                        whole,
                        leaves,
                    },
                );
                let after = self.random.between(1_500, 5_000);
                self.later(after, Item::PutBack { peer });
            }
            fault => self.suffer_network(fault, peer),
        }
    }

    fn suffer_network(&mut self, fault: Fault, peer: usize) {
        let now = self.now();
        let mut mail = Mail::new();
        match fault {
            Fault::SignalCut => {
                let late = *self.random.pick(&[0, 200, 8000]);
                if self.network.cut_signal(now, peer, late, &mut mail) {
                    self.fault("signal line cut");
                }
            }
            Fault::ServerStops if self.network.weather.server_up => {
                self.fault("server stops");
                self.network.stop_server(now, &mut mail);
                let after = self.random.between(100, 5000);
                self.later(after, Item::Mend(Mend::Server));
            }
            Fault::Unreached => {
                self.fault("server not reached");
                self.network.weather.unreached.insert(peer);
                self.network.cut_signal(now, peer, 3000, &mut mail);
                let after = self.random.between(500, 8000);
                self.later(after, Item::Mend(Mend::Reach(peer)));
            }
            Fault::Parted => {
                let other = self.random.index(self.peers.len());
                if other != peer {
                    self.fault("peers parted");
                    self.network.part(peer, other);
                    let after = self.random.between(500, 9000);
                    self.later(after, Item::Mend(Mend::Meet(peer, other)));
                }
            }
            Fault::LinkCut => {
                let other = self.random.index(self.peers.len());
                if other != peer && self.network.cut_links(now, peer, other, &mut mail) > 0 {
                    self.fault("direct link cut");
                }
            }
            Fault::Slow => {
                self.fault("slow lines");
                self.network.weather.delay_ms = (20, 900);
                let after = self.random.between(500, 4000);
                self.later(after, Item::Mend(Mend::Delay));
            }
            Fault::Duplicates => {
                self.fault("frames come twice");
                self.network.weather.duplicates = self.random.between(2, 30);
                let after = self.random.between(300, 2500);
                self.later(after, Item::Mend(Mend::Duplicates));
            }
            Fault::Forged => self.forge(peer, &mut mail),
            _ => {}
        }
        self.post(mail);
    }

    /// The power goes: the node, its persons, and a part of what was not synced.
    fn lose_power(&mut self, index: usize) {
        self.fault("power lost");
        self.died(index, 12_000);
        let unsynced = self.peers[index].store.unsynced();
        let keep = self.random.below(unsynced + 1);
        let kept = self.peers[index].store.lose_power(keep);
        self.forgotten(index, kept);
        if self.random.chance(40) {
            self.fault("clock jumped");
            self.peers[index].clock_off_ms = self.clock_off();
        }
    }

    /// What a peer wrote after its first `kept` commits is gone, and its persons with it.
    fn forgotten(&mut self, index: usize, kept: u64) {
        // Answers under way must not reach anyone; died() has cut the channels.
        self.ledger.power_lost(index, kept);
        for person in 0..self.peers[index].persons.len() {
            self.replace_person(index, person);
        }
        // The switch for networking may be back where it was: the person looks, and switches on.
        self.peers[index].offline = true;
        self.later(500, Item::Mend(Mend::Online(index)));
    }

    /// How far a clock is off.
    pub fn clock_off(&mut self) -> i64 {
        let small = self.random.below(4000) as i64 - 2000;
        small
            + *self.random.pick(&[
                0,
                0,
                0,
                60_000,
                -600_000,
                YEAR_MS,
                -3 * YEAR_MS,
                10 * YEAR_MS,
            ])
    }

    fn window(&mut self, index: usize, there: bool) {
        let now = self.now();
        if self.peers[index].direct == there {
            return;
        }
        self.peers[index].direct = there;
        if !there {
            self.fault("window gone");
            let mut mail = Mail::new();
            self.network.window_gone(now, index, &mut mail);
            self.post(mail);
            let after = self.random.between(500, 5000);
            self.later(after, Item::Mend(Mend::Window(index)));
        }
        self.hand(index, Event::DirectAvailable(there));
    }

    /// The backup made before is put in the place of the profile.
    pub fn put_back(&mut self, index: usize) {
        let Some(backup) = self.copies.remove(&index).filter(|_| self.chaos) else {
            return;
        };
        self.fault(match backup.whole {
            true => "whole copy put back",
            false => "old copy put back",
        });
        self.died(index, 3000);
        // Where others have all of it, nothing of it may be lost: it comes back as a branch.
        let kept_elsewhere = backup.whole && !backup.leaves && self.others_hold_all(index);
        let kept = self.peers[index].store.restore(&backup.copy);
        if backup.whole {
            let at = self.put_back_at.entry(index).or_insert(kept);
            *at = kept.min(*at);
            if backup.leaves || self.random.chance(70) {
                // Time to write before it hears of what it had written.
                self.network.weather.unreached.insert(index);
                let after = self.random.between(1500, 7000);
                self.later(after, Item::Mend(Mend::Reach(index)));
            }
            if backup.leaves {
                self.departures.insert(index, Departure::Planned);
                // What others did to what is void now may be void with it.
                self.ledger.doubt_collections();
            } else if self.random.chance(35) {
                self.fault("whole copy to be put back again");
                self.copies.insert(index, backup);
                let after = self.random.between(800, 6000);
                self.later(after, Item::PutBack { peer: index });
            }
        } else {
            self.peers[index].restored();
        }
        // What others relied on this one to have may be gone with it.
        for (peer, kept) in std::mem::take(&mut self.relying) {
            self.ledger.power_lost(peer, kept);
        }
        if kept_elsewhere {
            self.relying.insert(index, kept);
        }
        self.forgotten(index, if kept_elsewhere { u64::MAX } else { kept });
    }

    /// Whether other peers have all entries a peer has, and nothing of it waits to become one.
    fn others_hold_all(&mut self, index: usize) -> bool {
        let Some(space) = self.space else {
            return false;
        };
        let (before, rest) = self.peers.split_at_mut(index);
        let Some((peer, after)) = rest.split_first_mut() else {
            return false;
        };
        let mut ends = Vec::new();
        let store = &mut peer.store;
        let (Ok(pending), Ok(feeds), Ok(branches)) = (
            store.pending(space),
            store.feeds(space),
            store.branches(space),
        ) else {
            return false;
        };
        let feeds = feeds.iter().filter(|feed| feed.stored_seq > 0);
        ends.extend(feeds.map(|feed| (feed.feed, feed.stored_seq, feed.head)));
        ends.extend(branches.iter().map(|at| (at.feed, at.seq, at.hash)));
        let mut others: Vec<_> = before.iter_mut().chain(after).collect();
        pending.is_empty()
            && ends.into_iter().all(|(feed, seq, hash)| {
                others.iter_mut().any(|other| {
                    let store = &mut other.store;
                    let stands = store.entries(space, feed, seq, 0);
                    let stands = stands.is_ok_and(|rows| rows.iter().any(|row| row.hash == hash));
                    stands
                        || store
                            .branch(space, feed, hash)
                            .is_ok_and(|row| row.is_some())
                })
            })
    }

    /// A channel breaks; the person connects again soon.
    pub fn break_channel(&mut self, peer: usize, person: usize) {
        if !self.chaos || self.peers[peer].persons[person].channel.is_none() {
            return;
        }
        let waits = self.peers[peer].persons[person].client.unacknowledged() > 0;
        self.fault(if waits {
            "acknowledgement lost"
        } else {
            "channel lost"
        });
        self.cut_channel(peer, person);
        let after = self.random.between(1, 800);
        self.later(after, Item::Connect { peer, person });
    }

    /// Frames no honest server or peer sends.
    fn forge(&mut self, index: usize, mail: &mut Mail) {
        let now = self.now();
        let topics: Vec<_> = self.network.server().topics().collect();
        let stranger = PeerId((&mut self.random as &mut dyn Entropy).array());
        let frame = match (self.random.below(5), topics.is_empty()) {
            (0, _) | (_, true) => {
                let len = self.random.index(200);
                let mut bytes = vec![0; len];
                self.random.fill(&mut bytes);
                bytes
            }
            (kind, false) => {
                let (topic, peers) = self.random.pick(&topics).clone();
                let from = if self.random.chance(50) && !peers.is_empty() {
                    *self.random.pick(&peers)
                } else {
                    stranger
                };
                let mut data = vec![0; 60];
                self.random.fill(&mut data);
                let frame = match kind {
                    1 => ServerSignal::Signal { topic, from, data },
                    2 => {
                        let connection = self.random.below(u64::MAX);
                        let kind = RelayKind::Open;
                        ServerSignal::Relay {
                            topic,
                            from,
                            data: RelayFrame { connection, kind }.encode(),
                        }
                    }
                    3 => ServerSignal::Left { topic, peer: from },
                    _ => {
                        let kind = RelayKind::Message(data);
                        let connection = self.random.below(u64::MAX);
                        ServerSignal::Relay {
                            topic,
                            from,
                            data: RelayFrame { connection, kind }.encode(),
                        }
                    }
                };
                frame.encode()
            }
        };
        if self.network.forge(now, index, frame, mail) {
            self.fault("forged frame");
        }
    }

    /// Something is put right.
    pub fn mend(&mut self, mend: Mend) {
        self.say(|| format!("mended: {mend:?}"));
        let weather = &mut self.network.weather;
        match mend {
            Mend::Server => weather.server_up = true,
            Mend::Reach(peer) => {
                weather.unreached.remove(&peer);
            }
            Mend::Meet(a, b) => {
                weather.apart.remove(&(a.min(b), a.max(b)));
            }
            Mend::Duplicates => weather.duplicates = 0,
            Mend::Delay => weather.delay_ms = (1, 20),
            Mend::Disk(peer) => self.peers[peer].store.set_fault(None),
            Mend::Window(peer) => self.window(peer, true),
            Mend::Online(peer) => self.go_online(peer),
        }
    }

    fn go_online(&mut self, index: usize) {
        if !self.peers[index].offline {
            return;
        }
        self.peers[index].offline = false;
        self.peers[index].persons[0].set_offline(false);
        self.pump(index, 0, 0);
    }

    /// Everything is put right, and nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.chaos = false;
        self.network.weather = crate::network::Weather::default();
        for index in 0..self.peers.len() {
            self.peers[index].store.set_fault(None);
            self.peers[index].store.spare();
            self.peers[index].kill_after = None;
            self.window(index, true);
            self.go_online(index);
        }
        self.upgrade_all();
    }

    /// Peers with an older build get the newest one there is: what waited for it applies.
    fn upgrade_all(&mut self) {
        let newest = self.peers.iter().map(|peer| peer.entry_version).max();
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if Some(peer.entry_version) == newest {
                continue;
            }
            peer.entry_version = newest.expect("there are peers");
            let waiting = self
                .space
                .and_then(|space| peer.store.entries_waiting(space).ok());
            if waiting.is_some_and(|waiting| !waiting.is_empty()) {
                self.fault("peer of an older version");
            }
            self.died(index, 100);
        }
    }
}
