//! What a peer is asked for next: what is open on screen first, and never more than memory bears (DESIGN 4.5).
//!
//! Invariants
//! * a peer owes at most [`OPEN_WANTS_MAX`] answers in a space, each of one window;
//! * every feed it has more of is asked for in the end: an answer makes room for the next.

use std::collections::BTreeSet;

use dxos_base::{FeedId, IdentityKey, ObjectId, PeerId, SpaceId, Tick};

use crate::node::Node;

/// Answers a peer owes at a time in a space: 2 MiB of windows, on the way and in memory of either side.
const OPEN_WANTS_MAX: usize = 8;

/// How soon a feed is wanted; the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its writer is at an object that is open here.
    OnScreen,
    /// Its writer is here.
    Present,
    Rest,
}

/// The feeds to ask for, of those the peer has more of: the most wanted, as many as there is room for.
fn most_wanted(mut lacking: Vec<(Rank, FeedId, u64)>, open: usize) -> Vec<(FeedId, u64)> {
    lacking.sort_unstable();
    let room = OPEN_WANTS_MAX.saturating_sub(open);
    let first = lacking.into_iter().take(room);
    first.map(|(_, feed, stored)| (feed, stored)).collect()
}

impl Node {
    /// The feeds to ask a peer for now, each with how much of it is here.
    pub(crate) fn wanted_feeds(
        &self,
        peer: &PeerId,
        id: &SpaceId,
        now: Tick,
    ) -> Vec<(FeedId, u64)> {
        let asked = self.conversations.get(peer);
        let asked = asked.and_then(|conversation| conversation.spaces.get(id));
        let (Some(space), Some(asked)) = (self.spaces.get(id), asked) else {
            return Vec::new();
        };
        let is_open = |feed: &FeedId| asked.wants.get(feed).is_some_and(|until| *until > now);
        let open = asked.wants.values().filter(|until| **until > now).count();
        let lacking = asked.remote.iter().filter_map(|(feed, seq)| {
            let stored = space.stored_seq(feed);
            // Of a forked feed a seq does not say which entry it is.
            let lacks = *seq > stored && !is_open(feed) && !space.data.is_forked(feed);
            lacks.then_some((Rank::Rest, *feed, stored))
        });
        let mut lacking: Vec<_> = lacking.collect();
        // Nobody waits where there is room for all.
        if lacking.len() + open > OPEN_WANTS_MAX {
            let here = self.objects_open_here(id);
            let there = self.objects_on_screen(id);
            for (rank, feed, _) in &mut lacking {
                let writer: Option<IdentityKey> = space.author_of(feed);
                *rank = match writer.and_then(|writer| there.get(&writer)) {
                    Some(Some(object)) if here.contains(object) => Rank::OnScreen,
                    Some(_) => Rank::Present,
                    None => Rank::Rest,
                };
            }
        }
        most_wanted(lacking, open)
    }

    /// Objects on the screens of this device.
    fn objects_open_here(&self, id: &SpaceId) -> BTreeSet<ObjectId> {
        let places = self
            .channels
            .values()
            .filter_map(|channel| channel.place.as_ref());
        let places = places.filter(|place| place.space == *id);
        places.map(|place| place.object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_screen_comes_first_and_no_more_than_there_is_room_for() {
        let feed = |n: u8| FeedId([n; 16]);
        let rank = |n: u8| match n {
            7 => Rank::OnScreen,
            3 | 9 => Rank::Present,
            _ => Rank::Rest,
        };
        let lacking = || (0..12).map(|n| (rank(n), feed(n), u64::from(n))).collect();
        let asked = |open| {
            let wanted = most_wanted(lacking(), open).into_iter();
            wanted
                .map(|(feed, stored)| (feed.0[0], stored))
                .collect::<Vec<_>>()
        };
        let first = [7, 3, 9, 0, 1, 2, 4, 5];
        assert_eq!(asked(0), first.map(|n| (n, u64::from(n))));
        assert_eq!(asked(6), [(7, 7), (3, 3)]);
        assert_eq!(asked(8), []);
    }
}
