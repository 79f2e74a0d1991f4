//! Whole nodes talking through an in-process signal server and direct links, without delay or loss. Faults, delays
//! and crashes are the simulator's matter (`dev/dxos-sim`).

// A test that cannot go on ends; clippy exempts only functions marked as tests.
#![allow(clippy::unwrap_used)]

mod forks;
mod greeting;
mod history;
mod life;
mod live;
mod net;
mod objects;
mod pairing;
mod writing;
