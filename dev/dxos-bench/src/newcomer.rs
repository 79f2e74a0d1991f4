//! A fresh replica takes over a space: entries read on one side, verified, opened, joined and stored on the other.
//!
//! Not here: the session that carries them (a 16 KiB message costs about 30 µs to seal and open), and waiting for a
//! network: chunks and commits are those of a node (256 KiB, one commit each).

use anyhow::{Result, ensure};
use dxos_base::{DeviceKey, FeedId, Hash, KeyId, SpaceKey};
use dxos_echo::store::Durability;
use dxos_echo::{Access, Claim, Decision};

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::space::{Bench, Indexing, space_key};

const OBJECTS: usize = 10_000;
const CHUNK_BYTES: usize = 256 * 1024;

/// The one writer's entries count.
struct OneWriter {
    feed: FeedId,
    device: DeviceKey,
}

impl Access for OneWriter {
    fn device_of_feed(&self, feed: &FeedId) -> Option<DeviceKey> {
        (*feed == self.feed).then_some(self.device)
    }
    fn decide(&self, _: &Claim<'_>) -> Decision {
        Decision::Counts
    }
    fn picked(&self, _: &FeedId, _: u64) -> Option<Hash> {
        None
    }
    fn key(&self, id: &KeyId) -> Option<SpaceKey> {
        (*id == space_key().id()).then(space_key)
    }
}

pub(crate) fn newcomer(options: &Options) -> Result<Vec<Outcome>> {
    let mut writer = Bench::new(Indexing::FullText)?;
    writer.fill(OBJECTS)?;
    let access = OneWriter {
        feed: writer.space.feed(),
        device: writer.device(),
    };
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let mut reader = Bench::newcomer(Indexing::FullText)?;
        let (result, took) = spent(|| -> Result<()> {
            let mut from = 1;
            loop {
                let rows =
                    writer
                        .space
                        .entries_from(&mut writer.store, access.feed, from, CHUNK_BYTES)?;
                let Some(last) = rows.last() else {
                    return Ok(());
                };
                from = last.seq + 1;
                let entries: Vec<Vec<u8>> = rows.into_iter().map(|row| row.bytes).collect();
                let received = reader.transaction(Durability::Acknowledged, |space, cx, _| {
                    space.receive(cx, &access, &entries)
                })?;
                ensure!(received.stored == entries.len(), "an entry was not taken");
            }
        });
        result?;
        ensure!(
            reader.space.state_digest() == writer.space.state_digest(),
            "the replicas differ"
        );
        times.push(took.cpu * 1e3);
    }
    let value = quantile(&mut times, 0.5);
    Ok(vec![Outcome::new(
        "newcomer_10k_ms",
        value,
        "ms CPU, no session",
    )])
}
