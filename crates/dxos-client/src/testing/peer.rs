//! A peer of a [`World`](super::World), as a test holds it.

use std::cell::RefCell;
use std::rc::Rc;

use super::World;
use crate::client::Client;
use crate::sdk::{Error, Space, Wanted};
use dxos_services::{Role, SpaceLife};

/// The first peers' names.
pub(super) const NAMES: [&str; 8] = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Grace", "Hugo"];

/// A person with a device. Clones are the same one.
#[derive(Clone)]
pub struct Peer {
    index: usize,
    name: Rc<str>,
    client: Rc<RefCell<Client>>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({})", self.name)
    }
}

impl Peer {
    pub(super) fn new(index: usize, name: &str, client: &Rc<RefCell<Client>>) -> Peer {
        Peer {
            index,
            name: name.into(),
            client: client.clone(),
        }
    }

    /// Its number in the world.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The person's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client of its program; another one after [`World::restart`].
    pub fn client(&self) -> Client {
        self.client.borrow().clone()
    }

    /// A space as this peer has it, however the test got hold of the space: from another peer, or before a restart.
    ///
    /// # Panics
    /// When the peer is not in the space.
    pub fn space(&self, space: &Space) -> Space {
        let found = self.client().spaces().get(space.id());
        found.unwrap_or_else(|error| panic!("{} has it: {error}", self.name))
    }
}

impl World {
    /// Makes a space at the first peer, which the others join as editors by real invitations. Gives the space as each of
    /// them has it: `let [hers, his] = world.shared_space("Home", [&ada, &bob]);`.
    ///
    /// # Panics
    /// Without a peer, and when one is not connected.
    pub fn shared_space<const N: usize>(&mut self, name: &str, members: [&Peer; N]) -> [Space; N] {
        let first = members.first().expect("a space is made by somebody");
        let client = first.client();
        let made = self.run(async { client.spaces().create(name).await });
        let made = made.unwrap_or_else(|error| panic!("{} makes a space: {error}", first.name));
        members.map(|member| match member.index == first.index {
            true => made.clone(),
            false => self.join(&made, member, Role::Editor),
        })
    }

    /// Invites a peer to a space, as whom the space belongs to does it: code, digits, admission. Gives the space as the
    /// guest has it, open.
    ///
    /// # Panics
    /// When the host may not invite, or one of the two is not connected.
    pub fn join(&mut self, space: &Space, guest: &Peer, role: Role) -> Space {
        assert!(
            self.is_connected(guest),
            "{} cannot join: not connected",
            guest.name
        );
        let client = guest.client();
        let joined = self.run(async {
            let invitation = space.share(role).await?;
            let hosted = invitation.view().ok_or(Error::Closed)?;
            let joining = client.spaces().join(&hosted.code).await?;
            joining.wait_until_ready().await?;
            joining.authenticate(&hosted.auth_code).await?;
            let joined = joining.success().await?;
            joined.wait_until_ready().await?;
            Ok::<_, Error>(joined)
        });
        joined.unwrap_or_else(|error| panic!("{} joins the space: {error}", guest.name))
    }

    /// Asks each peer on which the space is open, connected or not. Gives the rows, which must be the same everywhere.
    ///
    /// # Panics
    /// When two peers find different rows, or a query fails.
    pub fn same_rows<W: Wanted + Clone>(&mut self, space: &Space, wanted: W) -> Vec<W::Row>
    where
        W::Row: std::fmt::Debug,
    {
        let mut found: Option<(Peer, Vec<W::Row>)> = None;
        for peer in self.peers.clone() {
            let own = peer.client().spaces().get(space.id());
            let is_open = |space: &Space| space.life() == Some(SpaceLife::Ready);
            let Some(space) = own.ok().filter(is_open) else {
                continue;
            };
            let rows = self.run(space.query(wanted.clone()).run());
            let rows = rows.unwrap_or_else(|error| panic!("{} asks: {error}", peer.name));
            match &found {
                None => found = Some((peer, rows)),
                Some((first, same)) => assert!(
                    *same == rows,
                    "{} and {} find different rows: {same:#?} and {rows:#?}",
                    first.name,
                    peer.name
                ),
            }
        }
        found.map(|(_, rows)| rows).unwrap_or_default()
    }
}
