//! The node under a seeded, virtual clock, network and store.

mod direct;
mod ledger;
mod network;
mod queue;
mod random;
mod server;
mod store;
mod tap;

pub use network::{Network, Weather};
pub use queue::{Queue, Time};
pub use random::Random;
pub use store::{CrashPoint, CrashStore, WriteFault};
pub use tap::{CANARY, Counts, Tap};
