//! A peer that was away while another one wrote thousands of entries: it catches up in batches, and dies once on the
//! way. Nothing else goes wrong.
//!
//! Measured on the lines and in the stores: what a batch is bounded by does not grow with how much is missing.

use dxos_base::{ObjectWrite, limits};
use dxos_echo::store::Store;

use crate::ledger::VOTES;
use crate::peer::Peer;
use crate::random::Random;
use crate::tap::CANARY;
use crate::world::{Item, World};

/// People meet and join within this.
const JOIN_MS_MAX: u64 = 120_000;
/// Between two writes: longer than a device alone waits before it seals, so that each is an entry.
const WRITE_EVERY_MS: u64 = 300;
/// How often is looked whether all has come.
const LOOK_MS: u64 = 20;
/// Somebody who catches up is done within this.
const CATCH_UP_MS_MAX: u64 = 120_000;

/// What catching up took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaughtUp {
    /// Entries that were missing.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Virtual milliseconds from coming back to being the same.
    pub took_ms: u64,
    /// Messages with entries that came.
    pub batches: u64,
    /// Bytes on all lines at once, at most.
    pub under_way_bytes_max: u64,
    /// Rows changed by one transaction, at most.
    pub commit_rows_max: usize,
}

/// Lets one of two peers miss about so many entries, and come back.
///
/// # Errors
/// The broken promise, in words.
pub fn away(seed: u64, entries: u64) -> Result<CaughtUp, String> {
    let mut world = World::new(seed, false);
    for index in 0..2 {
        let entropy = Random::new(seed, 100 + index as u64);
        world.peers.push(Peer::new(index, entropy));
        world.add_person(index);
        world.later(0, Item::Restart { peer: index });
    }
    world.later(50, Item::Joining);
    world.run(JOIN_MS_MAX, |world| world.members().len() == 2);
    let space = world.space.ok_or("nobody made a space")?;
    world.create(0, 0, space);
    world.pump(0, 0, 0);
    settle(&mut world)?;

    world.peers[1].persons[0].set_offline(true);
    world.pump(1, 0, 0);
    pass(&mut world, 1_000);
    let before = stored(&mut world, 1)?;
    let object = world.objects[0];
    for n in 0..entries {
        let register = (space, object, VOTES.to_owned());
        let step = world.ledger.step(0, register, 1);
        let title =
            format!("{CANARY} and words enough for an entry as people make them, number {n}");
        let writes = vec![
            ObjectWrite::count(object, VOTES, 1),
            ObjectWrite::set(object, "heading", title),
        ];
        world.peers[0].persons[0].write(space, "count", writes, vec![step]);
        world.pump(0, 0, 0);
        pass(&mut world, WRITE_EVERY_MS);
        if let Some(words) = world.violation.take() {
            return Err(words);
        }
    }

    let written = stored(&mut world, 0)?;
    let missing = (written.0 - before.0, written.1 - before.1);
    if missing.0 < entries {
        return Err(format!("{entries} writes became {} entries", missing.0));
    }
    world.under_way_bytes_max = 0;
    let mut commit_rows_max = 0;
    world.peers[1].store.forget_largest_commit();
    world.peers[1].persons[0].set_offline(false);
    world.pump(1, 0, 0);
    let (begun, mut died) = (world.now(), false);
    loop {
        pass(&mut world, LOOK_MS);
        if let Some(words) = world.violation.take() {
            return Err(words);
        }
        let held = stored(&mut world, 1)?.0 - before.0;
        if held == missing.0 {
            break;
        }
        if !died && held * 2 > missing.0 {
            died = true;
            commit_rows_max = world.peers[1].store.largest_commit();
            world.died(1, 100);
        }
        if world.now() > begun + CATCH_UP_MS_MAX {
            return Err(format!("{held} of {} entries have come", missing.0));
        }
    }
    let took_ms = world.now() - begun;
    settle(&mut world)?;
    let heard = world.peers[1].heard();
    Ok(CaughtUp {
        entries: missing.0,
        bytes: missing.1,
        took_ms,
        batches: heard.get("replicate entries").copied().unwrap_or(0),
        under_way_bytes_max: world.under_way_bytes_max,
        commit_rows_max: commit_rows_max.max(world.peers[1].store.largest_commit()),
    })
}

/// Bytes on the lines at once that a peer which catches up may cause: what a stream lets through unanswered, for the
/// spaces two peers share, doubled for what is sealed around it.
pub const UNDER_WAY_BYTES_MAX: u64 = 4 * limits::STREAM_WINDOW_BYTES as u64;
/// Rows one message of entries may change: so many entries fit into one, each with its row, and a few of the space's.
pub const COMMIT_ROWS_MAX: usize = 2_500;

fn pass(world: &mut World, ms: u64) {
    world.run(world.now() + ms, |_| false);
}

/// Runs until all say that they are the same, and compares them.
fn settle(world: &mut World) -> Result<(), String> {
    world.come_to_rest();
    match world.violation.take() {
        Some(words) => Err(words),
        None => Ok(()),
    }
}

/// Entries a peer holds of the shared space, and their bytes.
fn stored(world: &mut World, index: usize) -> Result<(u64, u64), String> {
    let Some(space) = world.space else {
        return Ok((0, 0));
    };
    let store = &mut world.peers[index].store;
    let feeds = store.feeds(space).map_err(|error| error.to_string())?;
    let count = feeds.iter().map(|feed| feed.stored_seq).sum();
    Ok((count, store.entry_bytes(space)))
}
