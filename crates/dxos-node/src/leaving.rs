//! Leaving a space and deleting it for all: credentials that replicate like any other.
//!
//! Invariants
//! * what this identity's devices wrote before, as far as it is here, goes on to count;
//! * the space stays on this device, for reading, until a person removes it: whoever has not heard yet hears it from
//!   here.

use dxos_base::SpaceId;
use dxos_echo::store::Durability;
use dxos_halo::{Credential, FeedPoint, Identity, LeaveError};
use dxos_services::{Failure, FailureKind, Response};

use crate::failure::{failure, from_store, no_identity, no_space, not_allowed};
use crate::node::{Node, Turn};
use crate::space::{SpaceState, transaction};

fn from_leave(error: &LeaveError) -> Failure {
    match error {
        LeaveError::NotMember => not_allowed("You are no member of this space."),
        LeaveError::LastOwner => failure(
            FailureKind::NotAllowed,
            "You are the last owner of this space, so it cannot go on without you.",
            "Make another member an owner first, or delete the space.",
        ),
        LeaveError::NotOwner => not_allowed("Only an owner can delete a space."),
        other => failure(
            FailureKind::NotAllowed,
            format!("That was not possible: {other}."),
            "",
        ),
    }
}

impl Node {
    /// Ends this identity's membership.
    pub(crate) fn leave_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<Response, Failure> {
        self.end_space(turn, id, |space, identity, turn| {
            let feeds = own_feeds(space, identity);
            dxos_halo::leave(&space.graph, identity, feeds, &mut *turn.cx.entropy)
        })
    }

    /// Asks all members to delete a space.
    pub(crate) fn delete_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
    ) -> Result<Response, Failure> {
        self.end_space(turn, id, |space, identity, turn| {
            dxos_halo::delete_space(&space.graph, identity, &mut *turn.cx.entropy)
        })
    }

    /// Seals what is pending, then adds the credential that `make` gives.
    fn end_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        make: impl FnOnce(&SpaceState, &Identity, &mut Turn<'_, '_>) -> Result<Credential, LeaveError>,
    ) -> Result<Response, Failure> {
        self.ensure_open(turn, id)?;
        self.seal_all(turn, id)?;
        let identity = self.identity.as_ref().ok_or_else(no_identity)?;
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        if space.record.personal {
            return Err(failure(
                FailureKind::NotAllowed,
                "The personal space belongs to the identity.",
                "Delete what is in it.",
            ));
        }
        let credential = make(space, identity, turn).map_err(|error| from_leave(&error))?;
        let agreement = identity.agreement().clone();
        let added = transaction(turn.cx, Durability::Synced, |cx| {
            space.add_credentials([credential], &agreement, cx)
        });
        if let Err(error) = added {
            let told = from_store(&error);
            self.storage_failed(turn, id, &error.into());
            return Err(told);
        }
        self.credentials_changed(turn, id);
        self.all_queries_dirty(turn.cx.now, id);
        Ok(Response::Done)
    }

    /// Who is a member again writes on in a feed that no cut ends.
    pub(crate) fn leave_ended_feed(&mut self, turn: &mut Turn<'_, '_>, id: SpaceId) {
        let (Some(space), Some(identity)) = (self.spaces.get_mut(&id), &self.identity) else {
            return;
        };
        let (device, feed) = (identity.device(), space.data.feed());
        let seq = space.stored_seq(&feed);
        let (graph, first_heads) = (&space.graph, space.data.own_first_heads());
        let ended = seq > 0 && graph.ends_feed(device, feed, seq, first_heads);
        if !ended || !graph.state().may_write(&device) {
            return;
        }
        let left = transaction(turn.cx, Durability::Acknowledged, |cx| {
            space.data.leave_feed(&mut *cx.store)
        });
        if let Err(error) = left {
            self.storage_failed(turn, id, &error);
        }
    }
}

/// All feeds of the identity's devices, as far as this device has them without a gap.
fn own_feeds(space: &SpaceState, identity: &Identity) -> Vec<FeedPoint> {
    let own =
        space.data.timeframe().iter().filter(|(feed, head)| {
            head.seq > 0 && space.author_of(feed) == Some(identity.identity())
        });
    let point = |(feed, head): (&dxos_base::FeedId, &dxos_echo::FeedHead)| FeedPoint {
        feed: *feed,
        seq: head.seq,
        head: head.hash,
    };
    own.map(point).collect()
}
