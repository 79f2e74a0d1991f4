//! Whole nodes talking through an in-process signal server and direct links, without delay or loss. Faults, delays
//! and crashes are the simulator's matter (`dev/dxos-sim`).

mod net;
mod pairing;
mod writing;
