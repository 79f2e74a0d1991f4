//! The node under a seeded, virtual clock, network and store.
//!
//! [`run`] plays one seed: two to five peers, each with the real node over a [`CrashStore`], the real text engine and
//! the real client driven by a scripted person; a signal server and direct links in memory; faults of every kind.
//! When the world has come to rest, all replicas must be the same and nothing acknowledged may be lost.
//!
//! Not here: adapters (SQLite, OPFS, WebSocket, WebRTC have conformance suites), browsers (`e2e`).

mod away;
mod check;
mod edits;
mod faults;
mod joining;
mod kinds;
mod leaving;
mod ledger;
mod network;
mod peer;
mod person;
mod queue;
mod random;
mod report;
mod run;
mod store;
mod tap;
mod work;
mod world;

pub use away::{COMMIT_ROWS_MAX, CaughtUp, UNDER_WAY_BYTES_MAX, away};
pub use report::Report;
pub use run::{EVENTS_MIN, FAULTS_MIN, run};
pub use store::{CrashPoint, CrashStore, WriteFault};
