//! Counters of the server, shown as JSON at `/stats`. Numbers only: no id, topic or address.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counters, grown by connections.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub signalled_frames: AtomicU64,
    pub signalled_bytes: AtomicU64,
    pub relayed_frames: AtomicU64,
    pub relayed_bytes: AtomicU64,
    pub undelivered_frames: AtomicU64,
    pub refused_frames: AtomicU64,
    pub closed_slow: AtomicU64,
}

/// What `/stats` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatsView {
    /// Always `"dx"`: lets a second server tell that the port is taken by its like.
    pub product: &'static str,
    /// Version of the server.
    pub version: &'static str,
    /// Connections that said hello.
    pub connections: usize,
    /// Topics with at least one peer.
    pub topics: usize,
    /// Offers, answers and candidates carried (sealed).
    pub signalled_frames: u64,
    /// Their bytes.
    pub signalled_bytes: u64,
    /// Content frames relayed (sealed), because no direct link was there.
    pub relayed_frames: u64,
    /// Their bytes: 0 as long as all peers talk directly.
    pub relayed_bytes: u64,
    /// Frames for a peer that was gone or did not read.
    pub undelivered_frames: u64,
    /// Frames refused: malformed, over a limit, out of order.
    pub refused_frames: u64,
    /// Connections closed because they did not read.
    pub closed_slow: u64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Stats {
    pub(crate) fn view(&self, connections: usize, topics: usize) -> StatsView {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsView {
            product: "dx",
            version: env!("CARGO_PKG_VERSION"),
            connections,
            topics,
            signalled_frames: read(&self.signalled_frames),
            signalled_bytes: read(&self.signalled_bytes),
            relayed_frames: read(&self.relayed_frames),
            relayed_bytes: read(&self.relayed_bytes),
            undelivered_frames: read(&self.undelivered_frames),
            refused_frames: read(&self.refused_frames),
            closed_slow: read(&self.closed_slow),
        }
    }
}
