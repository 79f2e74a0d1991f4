//! What ECHO asks of membership. The fold of credentials stands in `dxos-halo`; the node joins the two.

use dxos_base::{DeviceKey, FeedId, Hash, KeyId, SpaceKey};

use crate::entry::EntryHeader;

/// What the credentials say about an entry (DESIGN 5: a rule over the entry and the set of credentials only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Its changes count.
    Counts,
    /// Not allowed: kept and forwarded, never applied.
    Void,
    /// Its control heads are not known yet: kept, forwarded, retried.
    Wait,
}

/// An entry whose signature and place in the chain are verified, to be decided on.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Its header.
    pub header: &'a EntryHeader,
    /// Its hash.
    pub hash: Hash,
    /// The device that signed it.
    pub device: DeviceKey,
    /// The control heads it stands on (resolved: an empty list in the header means those of the entry before).
    pub control_heads: &'a [Hash],
    /// The control heads of the entry before; empty for the first. They must be ancestors of, or the same as,
    /// `control_heads` (heads never go back along a feed).
    pub previous_heads: &'a [Hash],
    /// The control heads of the feed's first entry.
    pub first_heads: &'a [Hash],
}

/// Membership and keys of one space.
pub trait Access {
    /// The device a feed belongs to; `None` if no known device of the space has such a feed.
    fn device_of_feed(&self, feed: &FeedId) -> Option<DeviceKey>;
    /// Whether an entry counts.
    fn decide(&self, claim: &Claim<'_>) -> Decision;
    /// The entry picked at a fork of a feed, by its hash: what the credentials say, whether there is a fork or not.
    fn picked(&self, feed: &FeedId, seq: u64) -> Option<Hash>;
    /// Where standing removals, demotions and revocations cut a feed: place and hash of the last entry that counts.
    /// [`Access::decide`] goes by the place; where that entry is on a branch that does not stand, the feed is cut at
    /// the fork, which only who holds the entries can tell.
    fn cut_points(&self, _feed: &FeedId) -> Vec<(u64, Hash)> {
        Vec::new()
    }
    /// A space key, if this node holds it.
    fn key(&self, id: &KeyId) -> Option<SpaceKey>;
}
