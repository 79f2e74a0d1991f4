//! One run: a seed makes a world, people work in it while things go wrong, it comes to rest, and is checked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::faults::YEAR_MS;
use crate::peer::{AT_1970_MS, NEWER, Peer};
use crate::random::Random;
use crate::report::Report;
use crate::world::{Item, World};

/// A run has at least this many events.
pub const EVENTS_MIN: u64 = 200;
/// And this many faults.
pub const FAULTS_MIN: u64 = 3;
/// Chaos ends after this virtual time, whatever has happened.
const CHAOS_MS_MAX: u64 = 180_000;

/// Runs one seed.
pub fn run(seed: u64, trace: bool) -> Report {
    let mut world = World::new(seed, trace);
    let ran = catch_unwind(AssertUnwindSafe(|| play(&mut world)));
    if let Err(panic) = ran {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no words");
        world.violate(format!("panic: {words}"));
    }
    Report::of(&world)
}

fn play(world: &mut World) {
    let peers = world.random.weighted(&[(50, 2), (32, 3), (12, 4), (6, 5)]);
    // Some update their program before others do.
    let mixed = world.random.chance(20);
    for index in 0..peers {
        let mut peer = Peer::new(index, Random::new(world.seed, 100 + index as u64));
        peer.clock_off_ms = world.clock_off();
        peer.direct = !world.random.chance(15);
        if mixed && world.random.chance(50) {
            peer.entry_version = NEWER;
        }
        world.peers.push(peer);
        world.add_person(index);
        if world.random.chance(30) {
            world.add_person(index);
        }
        let after = world.random.below(400);
        world.later(after, Item::Restart { peer: index });
        for person in 0..world.peers[index].persons.len() {
            let after = world.random.between(200, 900);
            world.later(
                after,
                Item::Work {
                    peer: index,
                    person,
                },
            );
        }
    }
    if world.random.chance(12) {
        // One lives in 1970, one years ahead; both go on working with the others.
        let early = world.random.index(peers);
        let late = (early + 1 + world.random.index(peers - 1)) % peers;
        world.peers[early].clock_off_ms = AT_1970_MS;
        world.peers[late].clock_off_ms = world.random.between(3, 30) as i64 * YEAR_MS;
        world.clocks_apart += 1;
    }
    world.later(50, Item::Joining);
    let first_fault = world.random.between(200, 5000);
    world.later(first_fault, Item::Fault);
    let events = world.random.between(230, 340);
    let faults = world.random.between(4, 8);
    world.run(CHAOS_MS_MAX, |world| {
        world.events >= events
            && world.faults.values().sum::<u64>() >= faults
            && world.members().len() + 1 >= world.peers.len()
            && world.ledger.lasting() >= 12
    });
    world.come_to_rest();
    if world.random.chance(10) {
        world.start_anew();
    }
    world.stay_quiet();
    if world.violation.is_none() {
        let faults: u64 = world.faults.values().sum();
        if world.events < EVENTS_MIN || faults < FAULTS_MIN {
            world.violate(format!(
                "too little happened: {} events, {faults} faults",
                world.events
            ));
        }
    }
}
