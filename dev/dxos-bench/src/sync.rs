//! Replication between two whole nodes: without a difference, with a few, and to a peer that has nothing yet.
//!
//! * Bytes are those of the replication protocol in both directions from the greetings on, with what the session adds
//!   (frame heads and tags, each message counted as if it travelled alone). The proofs that come before, once for each
//!   session and space, are counted apart.
//! * Not here: presence, which is told on a stream of its own.

use anyhow::{Result, ensure};
use dxos_base::{ObjectWrite, SpaceId};

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::net::{Net, Traffic};
use crate::space::{object, objects};

const OBJECTS: usize = 10_000;
const BATCH: usize = 1_000;
/// Changes the two make while they are apart.
const DIFFERENCES: usize = 100;
const TASK: &str = "org.example.Task";

/// Fills a space of peer 0, as a person's import does.
fn fill(net: &mut Net, space: SpaceId, count: usize) -> Result<()> {
    for batch in objects(count).chunks(BATCH) {
        net.write(0, space, batch.to_vec())?;
    }
    net.run(1_000)
}

/// What one meeting took.
struct Meeting {
    said: Traffic,
    /// Round trips from the first greeting on, to the last message, and to the last entries.
    round_trips: f64,
    round_trips_to_entries: f64,
}

/// The two meet again, after whatever they did apart, until both know that they have the same.
fn meet(net: &mut Net, space: SpaceId) -> Result<Meeting> {
    let (before, flights) = (net.traffic(), net.flights);
    net.reconnect();
    net.run_until_synced(&space)?;
    // A beat later nothing more must have come.
    net.run(5_000)?;
    let round_trips = |to: u64| to.saturating_sub(flights) as f64 / 2.0;
    Ok(Meeting {
        said: net.traffic().since(before),
        round_trips: round_trips(net.flights),
        round_trips_to_entries: round_trips(net.flights_to_entries),
    })
}

/// Two spaces, a thousand times apart in size, must take the same.
pub(crate) fn no_difference(_: &Options) -> Result<Vec<Outcome>> {
    let mut meetings = Vec::new();
    for count in [10, OBJECTS] {
        let mut net = Net::new()?;
        let space = net.shared_space()?;
        fill(&mut net, space, count)?;
        net.run_until_synced(&space)?;
        net.disconnect()?;
        meetings.push(meet(&mut net, space)?);
    }
    let [small, large] = &meetings[..] else {
        unreachable!("one meeting for each size")
    };
    ensure!(
        small.said == large.said,
        "the size of the space shows: {:?}, {:?}",
        small.said,
        large.said
    );
    Ok(vec![
        Outcome::new(
            "sync_noop_bytes",
            large.said.bytes as f64,
            "bytes both ways",
        ),
        Outcome::new("sync_noop_rtt", large.round_trips, "round trips"),
        Outcome::new(
            "sync_proof_bytes",
            large.said.proof_bytes as f64,
            "bytes both ways, once a session and space",
        ),
    ])
}

/// Each of the two changes objects while the other is away, every change an entry of its own.
pub(crate) fn differences(_: &Options) -> Result<Vec<Outcome>> {
    let mut net = Net::new()?;
    let space = net.shared_space()?;
    fill(&mut net, space, OBJECTS)?;
    net.run_until_synced(&space)?;
    let mut ratio = 0.0_f64;
    let mut round_trips = 0.0_f64;
    // Who was away lacks something: the one, the other, both.
    for writers in [&[0][..], &[1], &[0, 1]] {
        net.disconnect()?;
        let stored = net.stored_bytes(&space)?;
        for n in 0..DIFFERENCES {
            let writer = writers[n % writers.len()];
            let change = ObjectWrite::set(object(n * 97), "title", format!("changed by {writer}"));
            net.write(writer, space, vec![change])?;
            net.run(1_000)?;
        }
        let missing: u64 =
            net.stored_bytes(&space)?.iter().sum::<u64>() - stored.iter().sum::<u64>();
        let meeting = meet(&mut net, space)?;
        ratio = ratio.max(meeting.said.bytes as f64 / missing as f64);
        round_trips = round_trips.max(meeting.round_trips_to_entries);
    }
    Ok(vec![
        Outcome::new(
            "sync_diff_ratio",
            ratio,
            "bytes sent / bytes missing, 100 entries",
        ),
        Outcome::new("sync_diff_rtt", round_trips, "round trips"),
    ])
}

/// A member whose device has nothing of the space yet: sessions made, entries read, sent, verified, joined and stored.
pub(crate) fn newcomer(options: &Options) -> Result<Vec<Outcome>> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let mut net = Net::new()?;
        let space = net.shared_space()?;
        net.disconnect()?;
        fill(&mut net, space, OBJECTS)?;
        net.reconnect();
        let (result, took) = spent(|| net.run_until_synced(&space));
        result?;
        let found = net.count(1, space, TASK)?;
        ensure!(found == OBJECTS as u64, "{found} objects arrived");
        times.push(took.cpu * 1e3);
    }
    Ok(vec![Outcome::new(
        "newcomer_10k_ms",
        quantile(&mut times, 0.5),
        "ms CPU, both nodes",
    )])
}
