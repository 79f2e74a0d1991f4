//! A device with one space, and the members' view of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dxos_base::{
    DeviceKey, Entropy, FeedId, Hash, KeyId, ObjectId, ObjectView, ObjectWrite, SigningKey,
    SpaceId, SpaceKey, TextDelta, TextId, Tick, Value,
};
use dxos_echo::memory::MemoryStore;
use dxos_echo::store::{Durability, Store};
use dxos_echo::{
    Access, Claim, Decision, EchoError, Received, Reissued, SealedEntry, Sealing, Space, Tip,
    Verified, WriteContext, feed_id,
};
use dxos_text::LoroEngine;

pub const SPACE: SpaceId = SpaceId([1; 20]);

/// Seeded randomness.
pub struct Seeded(u64);
impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(0x9e37_79b9_7f4a_7c15 ^ seed)
    }
}
impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = (self.0 >> 24) as u8;
        }
    }
}

pub type Claimed = (u64, Vec<Hash>, Vec<Hash>);

/// What all members agree on; shared by the replicas of a test.
#[derive(Default)]
pub struct Members {
    pub devices: RefCell<BTreeMap<FeedId, DeviceKey>>,
    pub void: RefCell<BTreeSet<FeedId>>,
    pub unknown_heads: RefCell<BTreeSet<Hash>>,
    /// Credentials there are beside the first; some make an entry void for whoever has them.
    pub credentials: RefCell<Vec<Option<(FeedId, u64)>>>,
    /// Keys there are beside the first.
    pub keys: Cell<u8>,
    /// Entries picked at forks.
    pub picked: RefCell<BTreeMap<(FeedId, u64), Hash>>,
    /// Last entries that removals leave of feeds.
    pub cuts: RefCell<BTreeMap<FeedId, (u64, Hash)>>,
    /// Seq, heads of the entry before, heads: of every entry decided on.
    pub claims: RefCell<Vec<Claimed>>,
}

/// One replica's access: the members, and what it holds of keys and credentials.
pub struct Known {
    pub members: Rc<Members>,
    pub has_key: Cell<bool>,
    /// How many of [`Members::credentials`] have come.
    pub credentials: Cell<usize>,
    /// How many of [`Members::keys`] have come.
    pub keys: Cell<u8>,
}

impl Access for Known {
    fn device_of_feed(&self, feed: &FeedId) -> Option<DeviceKey> {
        self.members.devices.borrow().get(feed).copied()
    }
    fn decide(&self, claim: &Claim<'_>) -> Decision {
        let claimed = (
            claim.header.seq,
            claim.previous_heads.to_vec(),
            claim.control_heads.to_vec(),
        );
        self.members.claims.borrow_mut().push(claimed);
        let (feed, seq) = (&claim.header.feed, claim.header.seq);
        let cuts = self.members.cuts.borrow();
        let past = |(last, head): &(u64, Hash)| seq > *last || seq == *last && claim.hash != *head;
        if self.members.void.borrow().contains(feed) || cuts.get(feed).is_some_and(past) {
            return Decision::Void;
        }
        let unknown = self.members.unknown_heads.borrow();
        let told = self.members.credentials.borrow();
        let (known, later) = told.split_at(self.credentials.get());
        let waits = |head: &Hash| {
            let come = known.len() + 1..=known.len() + later.len();
            unknown.contains(head) || come.into_iter().any(|n| credential(n) == *head)
        };
        if claim.control_heads.iter().any(waits) {
            return Decision::Wait;
        }
        match known.contains(&Some((claim.header.feed, claim.header.seq))) {
            true => Decision::Void,
            false => Decision::Counts,
        }
    }
    fn picked(&self, feed: &FeedId, seq: u64) -> Option<Hash> {
        self.members.picked.borrow().get(&(*feed, seq)).copied()
    }
    fn cut_points(&self, feed: &FeedId) -> Vec<(u64, Hash)> {
        let cuts = self.members.cuts.borrow();
        cuts.get(feed).copied().into_iter().collect()
    }
    fn key(&self, id: &KeyId) -> Option<SpaceKey> {
        let mut keys = (0..=self.keys.get()).map(nth_key);
        keys.find(|key| self.has_key.get() && key.id() == *id)
    }
}

pub fn space_key() -> SpaceKey {
    nth_key(0)
}

/// The `n`th key after the first.
fn nth_key(n: u8) -> SpaceKey {
    SpaceKey([9 + n; 32])
}

/// The control head after `n` of [`Members::credentials`].
pub fn credential(n: usize) -> Hash {
    match n {
        0 => Hash([1; 32]),
        n => dxos_base::hash("credential", &[&n.to_le_bytes()]),
    }
}

pub struct Replica {
    pub space: Space,
    pub store: MemoryStore,
    pub text: LoroEngine,
    pub entropy: Seeded,
    pub signer: SigningKey,
    pub now: Tick,
    pub heads: Vec<Hash>,
    pub access: Known,
}

impl Replica {
    pub fn new(n: u8, members: &Rc<Members>) -> Replica {
        Replica::with_store(n, 1, members, MemoryStore::default())
    }

    /// Device `n` of instance `marker` on a store.
    pub fn with_store(n: u8, marker: u8, members: &Rc<Members>, mut store: MemoryStore) -> Replica {
        let signer = SigningKey::from_seed([n; 32]);
        let device = signer.device_key();
        for number in 0..16 {
            members
                .devices
                .borrow_mut()
                .insert(feed_id(&SPACE, &device, number), device);
        }
        store.begin().unwrap();
        let space = Space::open(SPACE, device, [marker; 16], &mut store).unwrap();
        store.commit(Durability::Acknowledged).unwrap();
        Replica {
            space,
            store,
            text: LoroEngine::default(),
            entropy: Seeded(0x9e37_79b9_7f4a_7c15 ^ (n as u64) << 32 ^ marker as u64),
            signer,
            now: Tick(1_700_000_000_000),
            heads: vec![Hash([1; 32])],
            access: Known {
                members: members.clone(),
                has_key: Cell::new(true),
                credentials: Cell::new(0),
                keys: Cell::new(0),
            },
        }
    }

    /// Runs `work` in a transaction; an error rolls back and reloads.
    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Space, &mut WriteContext<'_>, &Known, &[Hash]) -> Result<T, EchoError>,
    ) -> Result<T, EchoError> {
        self.store.begin().unwrap();
        let mut cx = WriteContext {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let result = work(&mut self.space, &mut cx, &self.access, &self.heads);
        match &result {
            Ok(_) => self.store.commit(Durability::Synced).unwrap(),
            Err(_) => {
                self.store.rollback();
                self.space.reload(&mut self.store).unwrap();
            }
        }
        result
    }

    pub fn write(&mut self, writes: &[ObjectWrite]) -> Result<dxos_echo::Touched, EchoError> {
        self.run(|space, cx, _, heads| space.write(cx, heads, writes))
    }

    /// Writes what is not refused.
    #[track_caller]
    pub fn edit(&mut self, writes: &[ObjectWrite]) {
        self.write(writes).unwrap();
    }

    pub fn create(&mut self, n: u8, values: &[(&str, Value)]) -> ObjectId {
        let object = ObjectId([n; 16]);
        let values = values
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let type_name = "org.example.Task@0.1.0".to_owned();
        self.write(&[ObjectWrite::Create {
            object,
            type_name,
            values,
        }])
        .unwrap();
        object
    }

    pub fn set(&mut self, object: ObjectId, path: &[&str], value: Option<Value>) {
        let write = match value {
            Some(value) => ObjectWrite::set(object, path, value),
            None => ObjectWrite::remove(object, path),
        };
        self.write(&[write]).unwrap();
    }

    pub fn seal(&mut self) -> Vec<SealedEntry> {
        let signer = self.signer.clone();
        let key = nth_key(self.access.keys.get());
        self.run(|space, cx, _, _| {
            space.seal(
                cx,
                &Sealing {
                    key: &key,
                    signer: &signer,
                },
            )
        })
        .unwrap()
    }

    pub fn receive(&mut self, entries: &[Vec<u8>]) -> Received {
        self.run(|space, cx, access, _| space.receive(cx, access, entries))
            .unwrap()
    }

    /// Lets feeds stand as the picks have it.
    pub fn settle_forks(&mut self) -> Received {
        self.run(|space, cx, access, _| space.settle_forks(cx, access))
            .unwrap()
    }

    /// Issues again what this device wrote on branches not picked.
    pub fn reissue(&mut self) -> Reissued {
        self.run(|space, cx, access, heads| space.reissue(cx, access, heads))
            .unwrap()
    }

    /// Chains that `other` lacks, branches too.
    pub fn branches_missing_in(&mut self, other: &mut Replica) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let feeds: Vec<FeedId> = self.space.timeframe().keys().copied().collect();
        let standing = feeds.iter().flat_map(|feed| self.space.tips_of(feed));
        let tips: Vec<Tip> = self.space.tips().into_iter().chain(standing).collect();
        for tip in tips {
            if other.space.holds(&mut other.store, &tip).unwrap() {
                continue;
            }
            let points = other.space.points(&mut other.store, tip.feed).unwrap();
            let chain = self
                .space
                .chain_to(&mut self.store, &tip, &points, usize::MAX);
            out.extend(chain.unwrap());
        }
        out
    }

    pub fn retry(&mut self) -> Received {
        self.run(|space, cx, access, _| space.retry_waiting(cx, access))
            .unwrap()
    }

    pub fn rebuild(&mut self) -> Received {
        self.run(|space, cx, access, _| space.rebuild(cx, access))
            .unwrap()
    }

    /// Verifies; keeps the repair, or takes it back.
    pub fn verify(&mut self, keep: bool) -> Verified {
        let mut found = None;
        let done = self.run(|space, cx, access, _| {
            found = Some(space.verify(cx, access)?.0);
            // Any error rolls back and reads the space again.
            match keep {
                true => Ok(()),
                false => Err(EchoError::NoFeedLeft { space: SPACE }),
            }
        });
        assert_eq!(done.is_ok(), keep);
        found.expect("verification ran")
    }

    pub fn open_text(&mut self, object: ObjectId, property: &str) -> TextId {
        self.run(|space, cx, _, _| space.open_text(cx, object, property))
            .unwrap()
    }

    pub fn type_text(&mut self, object: ObjectId, property: &str, delta: &TextDelta) -> TextId {
        let edited =
            self.run(|space, cx, _, heads| space.edit_text(cx, heads, object, property, delta));
        edited.unwrap().0
    }

    pub fn content(&mut self, object: ObjectId, property: &str) -> String {
        let text = self.open_text(object, property);
        dxos_echo::text::TextEngine::content(&mut self.text, text).unwrap()
    }

    pub fn object(&mut self, object: ObjectId) -> ObjectView {
        self.shown(object).expect("the object is here")
    }

    /// As [`Replica::object`]; `None` if it was never written.
    pub fn shown(&mut self, object: ObjectId) -> Option<ObjectView> {
        self.space.object(&mut self.store, object).unwrap()
    }

    /// All entries `other` may lack, by its timeframe.
    pub fn missing_in(&mut self, other: &Replica) -> Vec<Vec<u8>> {
        let feeds: Vec<FeedId> = self.space.timeframe().keys().copied().collect();
        let mut out = Vec::new();
        for feed in feeds {
            let from = other
                .space
                .timeframe()
                .get(&feed)
                .map_or(1, |head| head.seq + 1);
            let rows = self
                .space
                .entries_from(&mut self.store, feed, from, usize::MAX)
                .unwrap();
            out.extend(rows.into_iter().map(|row| row.bytes));
        }
        out
    }

    /// The same device after a crash: everything from the store, nothing from memory.
    pub fn restart(&mut self) {
        self.store.rollback();
        self.space.reload(&mut self.store).unwrap();
        self.text = LoroEngine::default();
    }

    /// Every materialised row, as bytes.
    pub fn rows(&mut self) -> Vec<(ObjectId, Vec<u8>)> {
        let rows = self.store.objects(SPACE, None, None, usize::MAX).unwrap();
        rows.into_iter().map(|row| (row.object, row.body)).collect()
    }
}

/// Seals everywhere and exchanges entries until nobody lacks any.
pub fn sync(replicas: &mut [Replica]) {
    for replica in replicas.iter_mut() {
        replica.seal();
    }
    for _ in 0..2 {
        for from in 0..replicas.len() {
            for to in 0..replicas.len() {
                if from != to {
                    let (a, b) = pair(replicas, from, to);
                    let entries = a.missing_in(b);
                    let received = b.receive(&entries);
                    assert_eq!(received.refused, vec![]);
                }
            }
        }
    }
}

pub fn pair(replicas: &mut [Replica], a: usize, b: usize) -> (&mut Replica, &mut Replica) {
    let [a, b] = replicas
        .get_disjoint_mut([a, b])
        .expect("two different replicas");
    (a, b)
}

#[track_caller]
pub fn assert_converged(replicas: &mut [Replica]) {
    let (first, others) = replicas.split_first_mut().expect("at least one");
    for other in others {
        assert_eq!(first.space.data_digest(), other.space.data_digest());
        assert_eq!(first.rows(), other.rows());
        assert_eq!(first.space.state_digest(), other.space.state_digest());
        assert_eq!(first.space.applied(), other.space.applied());
    }
}
