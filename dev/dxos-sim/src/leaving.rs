//! People who leave the space and come back by an invitation.
//!
//! What must hold
//! * who has left gets nothing that was written by somebody who knew of it;
//! * what the leaving names of their feeds counts, what comes after it is void, for all;
//! * back, they write on in a feed that their leaving did not cut.
//!
//! A person may leave from a copy of the profile that was put back: its entries beyond the copy, applied by others, are
//! void from the moment they hear of it.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{FeedId, Hash, SpaceId};
use dxos_echo::entry::{feed_id, header_of};
use dxos_echo::store::{EntryState, Store};
use dxos_halo::{Credential, CredentialBody, Issuer};
use dxos_services::SpaceLife;

use crate::queue::Time;
use crate::tap::count;
use crate::world::World;

/// A person who does not get out within this stays.
const LEAVING_MS_MAX: u64 = 10_000;

/// How far a person is with leaving.
#[derive(Debug, Clone)]
pub enum Departure {
    /// Will ask as soon as the node runs: a copy of the profile was put back.
    Planned,
    /// Asked.
    Asked { since: Time },
    /// Out; comes back when it is time.
    Out { until: Time },
    /// Comes back, or is back.
    Back,
}

/// A standing entry, in short.
struct Standing {
    feed: FeedId,
    seq: u64,
    state: EntryState,
    control_heads: Vec<Hash>,
}

impl World {
    /// Whether a peer's person may leave: once in a run, and never the owner.
    pub fn may_leave(&self, index: usize) -> bool {
        index != 0 && self.is_member(index) && !self.departures.contains_key(&index)
    }

    /// A person leaves the space.
    pub fn leave(&mut self, index: usize) {
        let Some(space) = self.space else { return };
        // A copy from before would go on as if nothing had been said.
        self.copies.remove(&index);
        let since = self.now();
        self.departures.insert(index, Departure::Asked { since });
        self.peers[index].persons[0].leave(space);
        self.pump(index, 0, 0);
    }

    /// Looks how far those are who leave.
    pub fn advance_departures(&mut self) {
        let now = self.now();
        for (index, departure) in self.departures.clone() {
            match departure {
                Departure::Planned if !self.chaos => {
                    self.departures.remove(&index);
                }
                Departure::Planned if self.is_member(index) && self.is_connected(index) => {
                    self.leave(index);
                }
                Departure::Asked { .. } if self.is_out(index) => {
                    self.fault("left the space");
                    self.doubt_branch(index);
                    let until = now + self.random.between(500, 6_000);
                    self.departures.insert(index, Departure::Out { until });
                }
                // Refused, for want of room: the person stays.
                Departure::Asked { since } if since + LEAVING_MS_MAX < now => {
                    self.departures.remove(&index);
                }
                Departure::Out { until } if until <= now || !self.chaos => {
                    self.departures.insert(index, Departure::Back);
                    if let Err(words) = self.check_told_nothing(index) {
                        self.violate(words);
                    }
                }
                _ => {}
            }
        }
    }

    /// Who leaves before a fork of theirs is settled does not settle it any more: what they wrote since does not count,
    /// on either branch, until an admin picks one.
    fn doubt_branch(&mut self, index: usize) {
        if let Some(kept) = self.put_back_at.get(&index) {
            self.ledger.power_lost(index, *kept);
            self.ledger.doubt_collections();
        }
    }

    /// Whether a peer stays out of the space for now.
    pub fn stays_out(&self, index: usize) -> bool {
        matches!(
            self.departures.get(&index),
            Some(Departure::Asked { .. } | Departure::Out { .. })
        )
    }

    fn is_connected(&self, index: usize) -> bool {
        self.peers[index].node.is_some() && self.peers[index].persons[0].channel.is_some()
    }

    fn is_out(&self, index: usize) -> bool {
        let status = self.peers[index].persons[0].status();
        let mut spaces = status.iter().flat_map(|status| &status.spaces);
        spaces.any(|view| Some(view.space) == self.space && view.life == SpaceLife::NotMember)
    }

    fn credentials(&mut self, index: usize) -> Vec<Credential> {
        let Some(space) = self.space else {
            return Vec::new();
        };
        let rows = self.peers[index].store.credentials(space);
        let rows = rows.unwrap_or_default();
        rows.iter()
            .filter_map(|(_, bytes)| Credential::decode(bytes).ok())
            .collect()
    }

    /// Nothing that follows a person's leaving came to them, and no entry of anybody who knew of it.
    fn check_told_nothing(&mut self, index: usize) -> Result<(), String> {
        let status = self.peers[index].persons[0].status();
        let identity = status.and_then(|status| status.identity.clone());
        let Some(own) = identity.map(|identity| Issuer::Device(identity.device)) else {
            return Ok(());
        };
        let credentials = self.credentials(index);
        let mut after: BTreeSet<Hash> = BTreeSet::new();
        loop {
            let known = after.len();
            for credential in &credentials {
                let left = credential.issuer() == own
                    && matches!(
                        credential.body(),
                        CredentialBody::SpaceMember { cut: Some(_), .. }
                    );
                if left
                    || credential
                        .parents()
                        .iter()
                        .any(|parent| after.contains(parent))
                {
                    after.insert(credential.hash());
                    if credential.issuer() != own {
                        return Err(format!(
                            "peer {index} had left and was told credential {:?}",
                            credential.hash()
                        ));
                    }
                }
            }
            if after.len() == known {
                break;
            }
        }
        for entry in self.entries(index)? {
            if entry.control_heads.iter().any(|head| after.contains(head)) {
                return Err(format!(
                    "peer {index} had left and was told entry {} of feed {}",
                    entry.seq, entry.feed
                ));
            }
        }
        count(&mut self.notes, "people looked at while they were out");
        Ok(())
    }

    /// Standing entries of the space at a peer.
    fn entries(&mut self, index: usize) -> Result<Vec<Standing>, String> {
        let Some(space) = self.space else {
            return Ok(Vec::new());
        };
        let store = &mut self.peers[index].store;
        let fails = |error: dxos_echo::store::StoreError| error.to_string();
        let mut found = Vec::new();
        for row in store.feeds(space).map_err(fails)? {
            let rows = store.entries(space, row.feed, 1, usize::MAX);
            for entry in rows.map_err(fails)? {
                let header = header_of(&entry.bytes).map_err(|error| error.to_string())?;
                found.push(Standing {
                    feed: row.feed,
                    seq: entry.seq,
                    state: entry.state,
                    control_heads: header.control_heads,
                });
            }
        }
        Ok(found)
    }

    /// Checks, at rest, what leaving has left of people's feeds.
    pub fn check_departures(&mut self) -> Result<(), String> {
        let Some(space) = self.space else {
            return Ok(());
        };
        if self.departures.is_empty() {
            return Ok(());
        }
        let mut cuts: BTreeMap<FeedId, (u64, Hash)> = BTreeMap::new();
        let mut leavers = BTreeSet::new();
        for credential in self.credentials(0) {
            if let CredentialBody::SpaceMember {
                cut: Some(points), ..
            } = credential.body()
            {
                cuts.extend(points.iter().map(|at| (at.feed, (at.seq, at.head))));
                if let Issuer::Device(device) = credential.issuer() {
                    leavers.insert(device);
                }
            }
        }
        let own = |device| (0..16).map(move |n| feed_id(&space, device, n));
        let feeds: BTreeSet<FeedId> = leavers.iter().flat_map(own).collect();
        let store = &mut self.peers[0].store;
        let mut named = BTreeMap::new();
        for (feed, (seq, head)) in &cuts {
            let rows = store.entries(space, *feed, *seq, 0);
            let rows = rows.map_err(|error| error.to_string())?;
            let stands = rows.iter().any(|row| (row.seq, row.hash) == (*seq, *head));
            // Else it is cut at a fork, which only the node finds.
            if stands {
                named.insert(*feed, *seq);
            }
        }
        for Standing {
            feed, seq, state, ..
        } in self.entries(0)?
        {
            let Some(last) = named.get(&feed) else {
                let anew = feeds.contains(&feed) && !cuts.contains_key(&feed);
                if anew && state == EntryState::Applied {
                    count(&mut self.faults, "wrote in a new feed after coming back");
                }
                continue;
            };
            let right = match seq <= *last {
                true => EntryState::Applied,
                false => EntryState::Void,
            };
            if state != right {
                return Err(format!(
                    "entry {seq} of feed {feed} is {state:?}, its writer left after {last}"
                ));
            }
        }
        Ok(())
    }

    /// Whether a space as told is one the person is in.
    pub fn lists(status: &dxos_services::StatusView, space: SpaceId) -> bool {
        let mut spaces = status.spaces.iter();
        spaces.any(|view| view.space == space && view.life != SpaceLife::NotMember)
    }
}
