//! One space on this node: its control graph (HALO), keys and data (ECHO), joined.
//!
//! Invariants
//! * a credential in the graph is in the store, by the same commit;
//! * `feeds` names every feed any known device of the space can have;
//! * every entry stands as the credentials in the store say, by the commit that stored them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use dxos_base::{
    AgreementSecret, Conflict, DeviceKey, FeedId, Hash, HistoryPage, HistoryWindow, IdentityKey,
    KeyId, ObjectId, ObjectWrite, Point, SpaceId, SpaceKey, Step, Tick, Version, limits,
};
use dxos_echo::store::{Durability, StoreError};
use dxos_echo::{
    Access, Claim, Decision, EchoError, SealedEntry, Sealing, Touched, Undone, WriteContext,
    feed_id,
};
use dxos_halo::{Added, ControlGraph, Credential, Cut, EntryClaim, Keyring, Verdict};

use dxos_mesh::Topic;

use crate::event::Context;

/// What the store keeps of a space besides credentials and data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpaceRecord {
    /// Order of joining.
    pub(crate) order: u64,
    /// The identity's personal space.
    pub(crate) personal: bool,
}

pub(crate) const SPACE_PREFIX: &str = "space/";

/// See the module.
pub(crate) struct SpaceState {
    pub(crate) id: SpaceId,
    pub(crate) record: SpaceRecord,
    pub(crate) graph: ControlGraph,
    pub(crate) keyring: Keyring,
    pub(crate) data: dxos_echo::Space,
    feeds: BTreeMap<FeedId, DeviceKey>,
    /// When pending changes are sealed.
    pub(crate) seal_at: Option<Tick>,
    /// The last sealing.
    pub(crate) sealed_at: Tick,
    /// When others are told what was stored.
    pub(crate) announce_at: Option<Tick>,
    /// The last commit failed.
    pub(crate) failed: bool,
    /// A connected peer has the same entries and another state.
    pub(crate) diverged: bool,
    /// It is to be verified for that.
    pub(crate) verify_wanted: bool,
    /// When the node last did so of its own accord.
    pub(crate) verified_at: Option<Tick>,
    /// Entries issued again after a fork, in this run.
    pub(crate) reissued: u64,
}

/// Membership as ECHO asks for it.
struct SpaceAccess<'a> {
    graph: &'a ControlGraph,
    keyring: &'a Keyring,
    feeds: &'a BTreeMap<FeedId, DeviceKey>,
}

impl Access for SpaceAccess<'_> {
    fn device_of_feed(&self, feed: &FeedId) -> Option<DeviceKey> {
        self.feeds.get(feed).copied()
    }

    fn decide(&self, claim: &Claim<'_>) -> Decision {
        let previous = (!claim.previous_heads.is_empty()).then_some(claim.previous_heads);
        let verdict = self.graph.decide(&EntryClaim {
            device: claim.device,
            feed: claim.header.feed,
            seq: claim.header.seq,
            hash: claim.hash,
            control_heads: claim.control_heads,
            previous_heads: previous,
            first_heads: claim.first_heads,
        });
        match verdict {
            Verdict::Counts => Decision::Counts,
            Verdict::Void => Decision::Void,
            Verdict::Wait => Decision::Wait,
        }
    }

    fn picked(&self, feed: &FeedId, seq: u64) -> Option<Hash> {
        let device = self.feeds.get(feed)?;
        self.graph.state().picked(device, feed, seq)
    }

    fn cut_points(&self, feed: &FeedId) -> Vec<(u64, Hash)> {
        let device = self.feeds.get(feed);
        let points = device.map(|device| self.graph.cut_points(device, *feed));
        let points = points.into_iter().flatten();
        points.map(|point| (point.seq, point.head)).collect()
    }

    fn key(&self, id: &KeyId) -> Option<SpaceKey> {
        self.keyring.get(id).cloned()
    }
}

/// What of the credentials decides on entries whose control heads are known: as long as it stays, so do the decisions.
struct Deciding {
    heads: Vec<Hash>,
    cuts: Vec<Cut>,
    void: BTreeSet<Hash>,
}

impl Deciding {
    fn of(graph: &ControlGraph) -> Deciding {
        let state = graph.state();
        Deciding {
            heads: graph.heads(),
            cuts: state.cuts.clone(),
            void: state.void.clone(),
        }
    }
}

/// Runs `work` in one transaction; nothing of it stays after an error.
pub(crate) fn transaction<T, E: From<StoreError>>(
    cx: &mut Context<'_>,
    durability: Durability,
    work: impl FnOnce(&mut Context<'_>) -> Result<T, E>,
) -> Result<T, E> {
    transaction_told(cx, |cx| Ok((work(cx)?, durability)))
}

/// The same where `work` tells how durable it must be.
pub(crate) fn transaction_told<T, E: From<StoreError>>(
    cx: &mut Context<'_>,
    work: impl FnOnce(&mut Context<'_>) -> Result<(T, Durability), E>,
) -> Result<T, E> {
    cx.store.begin()?;
    let result = work(cx);
    let result = result.and_then(|(value, durability)| match cx.store.commit(durability) {
        Ok(()) => Ok(value),
        Err(error) => Err(error.into()),
    });
    if result.is_err() {
        cx.store.rollback();
    }
    result
}

/// ECHO's view of a context.
pub(crate) fn write_context<'b>(cx: &'b mut Context<'_>) -> WriteContext<'b> {
    WriteContext {
        now: cx.now,
        store: &mut *cx.store,
        text: &mut *cx.text,
        entropy: &mut *cx.entropy,
    }
}

fn read_graph(id: SpaceId, cx: &mut Context<'_>) -> Result<ControlGraph, EchoError> {
    let mut graph = ControlGraph::new(id);
    for (_, bytes) in cx.store.credentials(id)? {
        let credential =
            Credential::decode(&bytes).map_err(|_| EchoError::Damaged { what: "credential" })?;
        graph.add(credential);
    }
    Ok(graph)
}

impl SpaceState {
    /// Opens a stored space, within a transaction.
    pub(crate) fn open(
        id: SpaceId,
        record: SpaceRecord,
        device: DeviceKey,
        agreement: &AgreementSecret,
        marker: [u8; 16],
        cx: &mut Context<'_>,
    ) -> Result<SpaceState, EchoError> {
        let graph = read_graph(id, cx)?;
        let data = dxos_echo::Space::open(id, device, marker, &mut *cx.store)?;
        let mut space = SpaceState {
            id,
            record,
            graph,
            keyring: Keyring::new(),
            data,
            feeds: BTreeMap::new(),
            seal_at: None,
            sealed_at: Tick(0),
            announce_at: None,
            failed: false,
            diverged: false,
            verify_wanted: false,
            verified_at: None,
            reissued: 0,
        };
        space.refold(agreement);
        if space.data.pending() {
            space.seal_at = Some(cx.now);
        }
        Ok(space)
    }

    /// Reads everything again from disk, within a transaction: what a failed commit left in memory goes.
    pub(crate) fn reload(
        &mut self,
        agreement: &AgreementSecret,
        cx: &mut Context<'_>,
    ) -> Result<(), EchoError> {
        self.graph = read_graph(self.id, cx)?;
        self.keyring = Keyring::new();
        self.feeds.clear();
        self.refold(agreement);
        self.data.reload(&mut *cx.store)
    }

    /// Writes a new space's record and credentials, within a transaction, and opens it.
    pub(crate) fn create(
        id: SpaceId,
        record: SpaceRecord,
        credentials: &[Credential],
        device: DeviceKey,
        agreement: &AgreementSecret,
        marker: [u8; 16],
        cx: &mut Context<'_>,
    ) -> Result<SpaceState, EchoError> {
        for credential in credentials {
            cx.store
                .credential_put(id, credential.hash(), credential.bytes())?;
        }
        let key = format!("{SPACE_PREFIX}{id}");
        cx.store.set(&key, Some(&dxos_base::encode(&record)))?;
        Self::open(id, record, device, agreement, marker, cx)
    }

    /// Adds credentials, within a transaction; tells whether any was new.
    pub(crate) fn add_credentials(
        &mut self,
        credentials: impl IntoIterator<Item = Credential>,
        agreement: &AgreementSecret,
        cx: &mut Context<'_>,
    ) -> Result<bool, StoreError> {
        let mut changed = false;
        for credential in credentials {
            if credential.space() != self.id {
                continue;
            }
            let (hash, bytes) = (credential.hash(), credential.bytes().to_vec());
            match self.graph.add(credential) {
                Added::New | Added::Waiting => {
                    cx.store.credential_put(self.id, hash, &bytes)?;
                    changed = true;
                }
                Added::Known | Added::Refused(_) => {}
            }
        }
        if changed {
            self.refold(agreement);
        }
        Ok(changed)
    }

    /// Adds credentials of a peer, within a transaction; tells whether any was new. Where entries that were applied may
    /// be void by them, or void ones count, all are decided anew, in the same commit.
    pub(crate) fn take_credentials(
        &mut self,
        credentials: impl IntoIterator<Item = Credential>,
        agreement: &AgreementSecret,
        cx: &mut Context<'_>,
    ) -> Result<(bool, dxos_echo::Received), EchoError> {
        let before = Deciding::of(&self.graph);
        let changed = self.add_credentials(credentials, agreement, cx)?;
        let decided_anew = match changed && self.decides_otherwise(&before) {
            true => self.rebuild(cx)?,
            false => dxos_echo::Received::default(),
        };
        Ok((changed, decided_anew))
    }

    /// Whether an entry held may be decided on otherwise than by the credentials of before.
    fn decides_otherwise(&self, before: &Deciding) -> bool {
        let state = self.graph.state();
        let added: BTreeSet<Hash> = (self.graph.after(&before.heads).into_iter())
            .map(Credential::hash)
            .collect();
        let mut flipped = state.void.symmetric_difference(&before.void);
        if flipped.any(|credential| !added.contains(credential)) {
            return true;
        }
        let new = state.cuts.iter().filter(|cut| !before.cuts.contains(cut));
        let old = before.cuts.iter().filter(|cut| !state.cuts.contains(cut));
        new.chain(old).any(|cut| self.is_held_beyond(cut))
    }

    /// Whether entries are held of feeds a cut is about that it does not leave.
    fn is_held_beyond(&self, cut: &Cut) -> bool {
        self.data.timeframe().iter().any(|(feed, head)| {
            let device = self.feeds.get(feed).copied();
            let about = cut.device.is_none_or(|of| Some(of) == device)
                && self.author_of(feed) == Some(cut.identity);
            let point = cut.points.iter().find(|point| point.feed == *feed);
            let left = point.is_some_and(|point| {
                head.seq < point.seq || (head.seq, head.hash) == (point.seq, point.head)
            });
            about && (!left || self.data.is_forked(feed))
        })
    }

    /// Whether a member lacks a key that is held here.
    pub(crate) fn lacks_grants(&self) -> bool {
        let state = self.graph.state();
        self.keyring
            .all()
            .any(|(key, _)| !state.lacking(key).is_empty())
    }

    /// Grants every key held to every member who lacks it, within a transaction, if this device may.
    pub(crate) fn grant_missing(
        &mut self,
        identity: &dxos_halo::Identity,
        cx: &mut Context<'_>,
    ) -> Result<(), StoreError> {
        let granted =
            dxos_halo::grant_missing(&self.graph, &self.keyring, identity, &mut *cx.entropy);
        // Readers grant nothing, and nothing can be sealed to what is no key.
        if let Ok(credentials) = granted {
            self.add_credentials(credentials, identity.agreement(), cx)?;
        }
        Ok(())
    }

    /// Derives keys and feeds from the graph again.
    pub(crate) fn refold(&mut self, agreement: &AgreementSecret) {
        self.keyring.learn(&self.graph, agreement);
        let devices = self
            .graph
            .state()
            .devices
            .keys()
            .copied()
            .collect::<Vec<_>>();
        for device in devices {
            if self.feeds.contains_key(&feed_id(&self.id, &device, 0)) {
                continue;
            }
            for n in 0..limits::FEEDS_PER_DEVICE_MAX {
                self.feeds.insert(feed_id(&self.id, &device, n), device);
            }
        }
        let known = &self.graph.state().devices;
        let author = |(feed, device): (&FeedId, &DeviceKey)| {
            known.get(device).map(|device| (*feed, device.identity))
        };
        let authors = self.feeds.iter().filter_map(author).collect();
        self.data.set_authors(authors);
    }

    /// The last stored entry of a feed; 0: none.
    pub(crate) fn stored_seq(&self, feed: &FeedId) -> u64 {
        self.data.timeframe().get(feed).map_or(0, |head| head.seq)
    }

    /// Whose device writes a feed.
    pub(crate) fn author_of(&self, feed: &FeedId) -> Option<IdentityKey> {
        let device = self.graph.state().devices.get(self.feeds.get(feed)?)?;
        Some(device.identity)
    }

    /// Whether entries of before the removal of a device's identity, or its own, count and are not here.
    pub(crate) fn lacks_of(&self, device: &DeviceKey) -> bool {
        let state = self.graph.state();
        let Some(identity) = state.devices.get(device).map(|device| device.identity) else {
            return false;
        };
        let cuts = state
            .cuts
            .iter()
            .filter(|cut| cut.identity == identity && cut.device.is_none_or(|cut| cut == *device));
        cuts.flat_map(|cut| &cut.points)
            .any(|point| point.seq > self.stored_seq(&point.feed))
    }

    /// The data, and who may write it.
    fn data_and_access(&mut self) -> (&mut dxos_echo::Space, SpaceAccess<'_>) {
        let access = SpaceAccess {
            graph: &self.graph,
            keyring: &self.keyring,
            feeds: &self.feeds,
        };
        (&mut self.data, access)
    }

    /// Where the members of the space meet: a topic for each of its keys.
    pub(crate) fn topics(&self) -> impl Iterator<Item = Topic> + '_ {
        let topic = |key: &SpaceKey| Topic(key.network_secret(&self.id, "dxos/1 topic"));
        self.keyring.all().map(move |(_, key)| topic(key))
    }

    /// Takes entries of a peer, within a transaction.
    pub(crate) fn receive(
        &mut self,
        entries: &[Vec<u8>],
        cx: &mut Context<'_>,
    ) -> Result<dxos_echo::Received, EchoError> {
        let (data, access) = self.data_and_access();
        data.receive(&mut write_context(cx), &access, entries)
    }

    /// Tries waiting entries again, within a transaction.
    pub(crate) fn retry_waiting(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<dxos_echo::Received, EchoError> {
        let (data, access) = self.data_and_access();
        data.retry_waiting(&mut write_context(cx), &access)
    }

    /// The device a feed belongs to.
    pub(crate) fn device_of_feed(&self, feed: &FeedId) -> Option<DeviceKey> {
        self.feeds.get(feed).copied()
    }

    /// Lets forked feeds stand as the credentials have it, within a transaction.
    pub(crate) fn settle_forks(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<dxos_echo::Received, EchoError> {
        let (data, access) = self.data_and_access();
        data.settle_forks(&mut write_context(cx), &access)
    }

    /// Issues again what this device wrote on branches that were not picked, within a transaction.
    pub(crate) fn reissue(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<dxos_echo::Reissued, EchoError> {
        let heads = self.control_heads();
        let (data, access) = self.data_and_access();
        data.reissue(&mut write_context(cx), &access, &heads)
    }

    /// Makes the materialised state again from entries and pending writes, within a transaction.
    pub(crate) fn rebuild(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<dxos_echo::Received, EchoError> {
        let (data, access) = self.data_and_access();
        data.rebuild(&mut write_context(cx), &access)
    }

    /// Lost writes of a property, within a transaction.
    pub(crate) fn conflicts(
        &mut self,
        cx: &mut Context<'_>,
        object: ObjectId,
        path: &[Step],
    ) -> Result<Vec<Conflict>, EchoError> {
        let (data, access) = self.data_and_access();
        data.conflicts(&mut *cx.store, &access, object, path)
    }

    /// Edits of an object, within a transaction.
    pub(crate) fn history(
        &mut self,
        cx: &mut Context<'_>,
        object: ObjectId,
        window: &HistoryWindow,
    ) -> Result<HistoryPage, EchoError> {
        let (data, access) = self.data_and_access();
        data.history(&mut write_context(cx), &access, object, window)
    }

    /// An object as it was, within a transaction.
    pub(crate) fn version_at(
        &mut self,
        cx: &mut Context<'_>,
        object: ObjectId,
        point: &Point,
    ) -> Result<Option<Version>, EchoError> {
        let (data, access) = self.data_and_access();
        data.version_at(&mut write_context(cx), &access, object, point)
    }

    /// Objects written since a point, within a transaction.
    pub(crate) fn changed_since(
        &mut self,
        cx: &mut Context<'_>,
        point: &Point,
        after: Option<ObjectId>,
    ) -> Result<Vec<ObjectId>, EchoError> {
        let (data, access) = self.data_and_access();
        let max = limits::RESTORE_OBJECTS_MAX;
        data.changed_since(&mut write_context(cx), &access, point, after, max)
    }

    /// Puts an object back to what it was, within a transaction.
    pub(crate) fn restore(
        &mut self,
        cx: &mut Context<'_>,
        object: ObjectId,
        point: &Point,
    ) -> Result<Undone, EchoError> {
        let heads = self.control_heads();
        let (data, access) = self.data_and_access();
        data.restore(&mut write_context(cx), &heads, &access, object, point)
    }

    /// Makes everything again and compares, within a transaction that its caller keeps or takes back.
    pub(crate) fn verify(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<(dxos_echo::Verified, dxos_echo::Received), EchoError> {
        let (data, access) = self.data_and_access();
        data.verify(&mut write_context(cx), &access)
    }

    /// The heads a local write names.
    pub(crate) fn control_heads(&self) -> Vec<Hash> {
        self.graph.heads()
    }

    /// The name members see.
    pub(crate) fn name(&self) -> String {
        self.graph.space_name(&self.keyring).unwrap_or_default()
    }

    /// The name of a member.
    pub(crate) fn member_name(&self, identity: &IdentityKey) -> String {
        self.graph
            .member_name(&self.keyring, identity)
            .unwrap_or_default()
    }

    /// Greatest stored seq by feed.
    pub(crate) fn stored(&self) -> Vec<(FeedId, u64)> {
        self.data
            .timeframe()
            .iter()
            .map(|(feed, head)| (*feed, head.seq))
            .collect()
    }

    /// The state digest where it is comparable: nothing pending, nothing waiting.
    pub(crate) fn comparable_state(&self) -> Option<[u8; 16]> {
        (!self.data.pending() && self.data.waiting_count() == 0).then(|| self.data.state_digest())
    }
}

impl SpaceState {
    /// Applies writes, within a transaction. Of a long write entries are given: they are sealed already, and leave
    /// only once the commit is synced.
    pub(crate) fn write(
        &mut self,
        identity: &dxos_halo::Identity,
        cx: &mut Context<'_>,
        writes: &[ObjectWrite],
    ) -> Result<(Touched, Vec<SealedEntry>), EchoError> {
        let heads = self.control_heads();
        let cx = &mut write_context(cx);
        match self.keyring.newest(self.graph.state()) {
            Some((_, key)) => {
                let signer = identity.signing_key();
                let sealing = Sealing { key, signer };
                self.data.write_and_seal(cx, &heads, writes, &sealing)
            }
            // The key is made by the next sealing.
            None => Ok((self.data.write(cx, &heads, writes)?, Vec::new())),
        }
    }

    /// Moves pending changes into entries, within a transaction; makes and grants a key where none may be used.
    /// Tells whether credentials were added.
    pub(crate) fn seal_entries(
        &mut self,
        identity: &dxos_halo::Identity,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<SealedEntry>, bool), EchoError> {
        let newest = self
            .keyring
            .newest(self.graph.state())
            .map(|(_, key)| key.clone());
        let (key, rekeyed) = match newest {
            Some(key) => (key, false),
            None => match dxos_halo::rekey(&self.graph, identity, &mut *cx.entropy) {
                Ok((key, credentials)) => {
                    self.add_credentials(credentials, identity.agreement(), cx)?;
                    self.keyring.insert(key.clone());
                    (key, true)
                }
                // Who may not make a key has nothing that could be sealed: writes were refused before.
                Err(_) => return Ok((Vec::new(), false)),
            },
        };
        let sealing = Sealing {
            key: &key,
            signer: identity.signing_key(),
        };
        let entries = self.data.seal(&mut write_context(cx), &sealing)?;
        Ok((entries, rekeyed))
    }
}
