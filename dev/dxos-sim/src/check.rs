//! What must hold when the world has come to rest: all replicas the same, nothing acknowledged lost, nothing in queues.

use std::collections::BTreeMap;

use dxos_base::{ObjectView, SpaceId};
use dxos_echo::store::{EntryState, Store};
use dxos_services::{NetworkView, SaveState, SyncState, TextAddress};

use crate::world::World;

/// The world comes to rest within this virtual time, or it is stuck.
const REST_MS_MAX: u64 = 240_000;
/// After this, editors whose client waits for its person are touched by one.
const NUDGE_MS: u64 = 15_000;
/// Quiet time in which traffic is measured.
const QUIET_MS: u64 = 5_000;
/// Frames a pair of peers may exchange in the quiet time: presence, signs of life, answers.
const QUIET_FRAMES_PER_PAIR_MAX: u64 = 40;

/// A device's two copies wrote to one feed.
const FORKED: &str = "feed forked";

impl World {
    /// Runs until all replicas say that they are the same, then checks that it is so.
    pub fn come_to_rest(&mut self) {
        self.calm();
        let begun = self.now();
        let (mut nudged, mut calm_looks) = (false, 0);
        while self.violation.is_none() {
            let Some(unrest) = self.unrest() else {
                // A status may be a moment old: look twice.
                calm_looks += 1;
                if calm_looks > 1 {
                    break;
                }
                self.run(self.now() + 250, |_| false);
                continue;
            };
            calm_looks = 0;
            if self.now() > begun + REST_MS_MAX {
                let space = self.space;
                let found = space.map_or(Ok(()), |space| self.compare_stores(space));
                let found = found.err().unwrap_or("the disks are equal".into());
                self.violate(format!(
                    "no rest {REST_MS_MAX} ms after the last fault: {unrest}; {found}"
                ));
                return;
            }
            if self.now() > begun + NUDGE_MS && !nudged {
                nudged = true;
                self.nudge();
            }
            self.run(self.now() + 250, |_| false);
        }
        if self.violation.is_none() {
            self.compare();
        }
    }

    /// What a full disk refused is done again when its person types on, connects anew or switches again.
    fn nudge(&mut self) {
        for index in 0..self.peers.len() {
            let status = self.peers[index].persons[0].status();
            if status.is_some_and(|status| status.network == NetworkView::Off) {
                // The switch could not be kept on a full disk: the person sees it and tries again.
                self.peers[index].persons[0].set_offline(false);
                self.pump(index, 0, 0);
            }
            for person in 0..self.peers[index].persons.len() {
                if self.peers[index].persons[person].client.unacknowledged() > 0 {
                    crate::tap::count(&mut self.notes, "clients nudged");
                    self.cut_channel(index, person);
                    self.later(
                        5,
                        crate::world::Item::Connect {
                            peer: index,
                            person,
                        },
                    );
                }
            }
        }
    }

    /// Why the world is not at rest, if it is not.
    fn unrest(&self) -> Option<String> {
        let space = match self.space {
            None => return Some("there is no space".into()),
            Some(space) => space,
        };
        for (index, peer) in self.peers.iter().enumerate() {
            if peer.node.is_none() {
                return Some(format!("peer {index} does not run"));
            }
            for (number, person) in peer.persons.iter().enumerate() {
                if person.channel.is_none() || !person.settled() {
                    let open = person.client.unacknowledged();
                    return Some(format!(
                        "person {number} of peer {index} waits, {open} unacknowledged"
                    ));
                }
            }
            let Some(status) = peer.persons.first().and_then(|person| person.status()) else {
                return Some(format!("peer {index} tells no status"));
            };
            let Some(view) = status.spaces.iter().find(|view| view.space == space) else {
                return Some(format!("peer {index} is not in the space"));
            };
            if !self.is_member(index) {
                return Some(format!("peer {index} has left the space"));
            }
            if view.forks.iter().any(|fork| fork.open) {
                return Some(format!("peer {index} sees a fork nobody settled"));
            }
            if view.saved != SaveState::Saved {
                return Some(format!("peer {index} is {:?}", view.saved));
            }
            if view.sync != SyncState::Synced || view.peers.len() + 1 != self.peers.len() {
                let peers: Vec<_> = view
                    .peers
                    .iter()
                    .map(|p| (p.kind, p.synced, p.behind, p.ahead))
                    .collect();
                return Some(format!("peer {index} is {:?} with {peers:?}", view.sync));
            }
        }
        None
    }

    fn compare(&mut self) {
        let Some(space) = self.space else { return };
        if let Err(words) = self.compare_stores(space) {
            self.violate(words);
        }
        let branches = self.peers[0].store.branches(space);
        if branches.is_ok_and(|branches| !branches.is_empty()) && !self.faults.contains_key(FORKED)
        {
            self.fault(FORKED);
        }
        if let Err(words) = self.check_departures() {
            self.violate(words);
        }
        let views = self.look_at_objects(space);
        let texts = self.look_at_texts();
        if self.violation.is_some() {
            return;
        }
        self.compare_views(space, &views);
        self.compare_texts(&texts);
    }

    /// What is on the disks: the same entries, the same state of each, and byte for byte the same objects.
    fn compare_stores(&mut self, space: SpaceId) -> Result<(), String> {
        let mut first: Option<(usize, Disk)> = None;
        for index in 0..self.peers.len() {
            let disk = Disk::read(&mut self.peers[index].store, space);
            let disk = disk.map_err(|words| format!("peer {index}: {words}"))?;
            match &first {
                None => first = Some((index, disk)),
                Some((other, one)) => {
                    if let Some(words) = one.difference(&disk) {
                        return Err(format!("peers {other} and {index} differ: {words}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn look_at_objects(&mut self, space: SpaceId) -> BTreeMap<usize, Vec<ObjectView>> {
        self.answers.clear();
        // Dear: all entries are read again.
        let verify = self.random.chance(15);
        for index in 0..self.peers.len() {
            if verify {
                self.peers[index].persons[0].verify(space);
            }
            self.peers[index].persons[0].query_all(space);
            self.peers[index].persons[0].stats();
            self.pump(index, 0, 0);
        }
        let until = self.now() + 5_000;
        let count = self.peers.len();
        self.run(until, |world| {
            world.answers.len() == count && world.figures.len() == count
        });
        if self.answers.len() < count && self.violation.is_none() {
            self.violate("a query is not answered".into());
        }
        std::mem::take(&mut self.answers)
            .into_iter()
            .map(|((peer, _), views)| (peer, views))
            .collect()
    }

    fn look_at_texts(&mut self) -> BTreeMap<(usize, usize, TextAddress), String> {
        let texts = self.ledger.texts();
        let mut shown = BTreeMap::new();
        for index in 0..self.peers.len() {
            for address in &texts {
                if !self.peers[index].persons[0].editors.contains_key(address) {
                    self.peers[index].persons[0].open_text(address.clone());
                }
            }
            self.pump(index, 0, 0);
        }
        let until = self.now() + 5_000;
        self.run(until, |world| {
            world.peers.iter().all(|peer| !peer.persons[0].busy())
        });
        for (index, peer) in self.peers.iter().enumerate() {
            for (number, person) in peer.persons.iter().enumerate() {
                for address in &texts {
                    if let Some(text) = person.text(address) {
                        shown.insert((index, number, address.clone()), text);
                    }
                }
            }
        }
        shown
    }

    fn compare_views(&mut self, space: SpaceId, views: &BTreeMap<usize, Vec<ObjectView>>) {
        let Some((_, one)) = views.first_key_value() else {
            return;
        };
        for (index, other) in views {
            if one != other {
                let differing = one.iter().zip(other).find(|(a, b)| a != b);
                return self.violate(format!(
                    "peers show other objects: {} and {} at peer {index}; {differing:?}",
                    one.len(),
                    other.len(),
                ));
            }
        }
        if let Err(words) = self.ledger.check_objects(space, one) {
            self.violate(format!("an edit is lost: {words}"));
        }
    }

    fn compare_texts(&mut self, texts: &BTreeMap<(usize, usize, TextAddress), String>) {
        let mut firsts: BTreeMap<&TextAddress, &String> = BTreeMap::new();
        for ((index, person, address), text) in texts {
            let first = firsts.entry(address).or_insert(text);
            if *first != text {
                let words = format!(
                    "person {person} of peer {index} reads another text than peer 0: {text:?}, {first:?}"
                );
                return self.violate(words);
            }
        }
        for address in self.ledger.texts() {
            // An object that never lasted has no text to open.
            let Some(text) = firsts.get(&address) else {
                if let Err(words) = self.ledger.check_text(&address, "") {
                    return self.violate(format!("a text cannot be opened: {words}"));
                }
                continue;
            };
            if let Err(words) = self.ledger.check_text(&address, text) {
                return self.violate(format!("text of {}: {words}", address.object));
            }
        }
    }

    /// Starts all nodes anew from their disks, and checks that they show the same.
    pub fn start_anew(&mut self) {
        let Some(space) = self.space.filter(|_| self.violation.is_none()) else {
            return;
        };
        let before = self.look_at_objects(space);
        let texts = self.look_at_texts();
        for index in 0..self.peers.len() {
            self.died(index, 100);
        }
        self.come_to_rest();
        let after = self.look_at_objects(space);
        let texts_after = self.look_at_texts();
        if self.violation.is_none() && (before != after || texts != texts_after) {
            self.violate("after starting anew the peers show something else".into());
        }
    }

    /// Nothing happens for a while: the lines are nearly silent and nothing piles up.
    pub fn stay_quiet(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let carried = |world: &World| {
            let frames = &world.network.tap.frames;
            let of = |kind: &str| frames.get(kind).copied().unwrap_or(0);
            of("direct message") + of("signal relay up") + of("signal offer up")
        };
        let before = carried(self);
        let until = self.now() + QUIET_MS;
        self.run(until, |_| false);
        let frames = carried(self) - before;
        let pairs = (self.peers.len() * (self.peers.len() - 1) / 2) as u64;
        if frames > pairs * QUIET_FRAMES_PER_PAIR_MAX {
            self.violate(format!(
                "{frames} frames in {QUIET_MS} ms between {pairs} quiet pairs of peers"
            ));
        }
    }
}

/// What a peer has on its disk of one space.
struct Disk {
    credentials: Vec<dxos_base::Hash>,
    feeds: BTreeMap<dxos_base::FeedId, (u64, dxos_base::Hash, u64)>,
    states: BTreeMap<(dxos_base::FeedId, u64), EntryState>,
    branches: Vec<(dxos_base::FeedId, u64, dxos_base::Hash)>,
    objects: BTreeMap<dxos_base::ObjectId, (bool, String, Vec<u8>)>,
}

impl Disk {
    fn read(store: &mut dyn Store, space: SpaceId) -> Result<Disk, String> {
        let fails = |error| format!("the store does not read: {error}");
        if !store.pending(space).map_err(fails)?.is_empty() {
            return Err("changes are pending at rest".into());
        }
        if !store.entries_waiting(space).map_err(fails)?.is_empty() {
            return Err("entries wait at rest".into());
        }
        let mut credentials: Vec<_> = store
            .credentials(space)
            .map_err(fails)?
            .into_iter()
            .map(|(hash, _)| hash)
            .collect();
        credentials.sort_unstable();
        let (mut feeds, mut states) = (BTreeMap::new(), BTreeMap::new());
        for row in store.feeds(space).map_err(fails)? {
            if row.stored_seq == 0 {
                continue;
            }
            feeds.insert(row.feed, (row.stored_seq, row.head, row.applied_seq));
            for entry in store
                .entries(space, row.feed, 1, usize::MAX)
                .map_err(fails)?
            {
                states.insert((row.feed, entry.seq), entry.state);
            }
        }
        let branches = store.branches(space).map_err(fails)?;
        let branches = branches.iter().map(|at| (at.feed, at.seq, at.hash));
        let branches = branches.collect();
        let rows = store
            .objects(space, None, None, usize::MAX)
            .map_err(fails)?;
        let objects = rows
            .into_iter()
            .map(|row| (row.object, (row.shown, row.type_name, row.body)))
            .collect();
        Ok(Disk {
            credentials,
            feeds,
            states,
            branches,
            objects,
        })
    }

    fn difference(&self, other: &Disk) -> Option<String> {
        if self.credentials != other.credentials {
            return Some(format!(
                "{} and {} credentials",
                self.credentials.len(),
                other.credentials.len()
            ));
        }
        if self.feeds != other.feeds {
            return Some(format!("feeds {:?} and {:?}", self.feeds, other.feeds));
        }
        if self.branches != other.branches {
            return Some(format!(
                "branches {:?} and {:?}",
                self.branches, other.branches
            ));
        }
        if self.states != other.states {
            let differing = self.states.iter().zip(&other.states).find(|(a, b)| a != b);
            return Some(format!("what became of entries: {differing:?}"));
        }
        if self.objects != other.objects {
            let differing = self
                .objects
                .iter()
                .zip(&other.objects)
                .find(|(a, b)| a != b);
            let (a, b) = (self.objects.len(), other.objects.len());
            return Some(format!("stored objects ({a} and {b}): {differing:?}"));
        }
        None
    }
}
