//! The spaces of this device.

use dxos_base::SpaceId;

use super::{Error, Invitation, Space, Watch};
use crate::client::Client;

/// All spaces. Made with [`Client::spaces`].
#[derive(Debug, Clone)]
pub struct Spaces(Client);

impl Spaces {
    pub(super) fn new(client: Client) -> Spaces {
        Spaces(client)
    }

    /// Makes a space with this identity as its owner.
    ///
    /// # Errors
    /// [`ErrorKind::Identity`](super::ErrorKind::Identity) without an identity,
    /// [`Invalid`](super::ErrorKind::Invalid) when the name is empty or longer than
    /// [`NAME_BYTES_MAX`](dxos_base::limits::NAME_BYTES_MAX).
    pub async fn create(&self, name: &str) -> Result<Space, Error> {
        let id = self.0.create_space(name).await?;
        Ok(Space::new(self.0.clone(), id))
    }

    /// Spaces in order of joining, the personal one first; as the node has told.
    pub fn all(&self) -> Vec<Space> {
        let ids = ids(self.0.status().as_deref());
        ids.into_iter()
            .map(|id| Space::new(self.0.clone(), id))
            .collect()
    }

    /// A space of this device.
    ///
    /// # Errors
    /// [`Error::NoSpace`] when it is not here, or the node has not told yet.
    pub fn get(&self, space: SpaceId) -> Result<Space, Error> {
        let is_here = ids(self.0.status().as_deref()).contains(&space);
        let found = is_here.then(|| Space::new(self.0.clone(), space));
        found.ok_or(Error::NoSpace { space })
    }

    /// Waits for the personal space: the one made with the identity.
    pub async fn personal(&self) -> Space {
        let personal = |status: &dxos_services::StatusView| {
            status
                .spaces
                .iter()
                .find(|space| space.personal)
                .map(|space| space.space)
        };
        let id = self.0.status_with(personal).await;
        Space::new(self.0.clone(), id)
    }

    /// Joins a space by an invitation's code or link part.
    ///
    /// # Errors
    /// [`ErrorKind::Invitation`](super::ErrorKind::Invitation) when the code is malformed.
    pub async fn join(&self, code: &str) -> Result<Invitation, Error> {
        let view = self.0.join(code).await?;
        Ok(Invitation::new(self.0.clone(), view.invitation))
    }

    /// The list now and whenever it changes.
    pub fn watch(&self) -> Watch<Vec<Space>> {
        let client = self.0.clone();
        Watch::new(&self.0, |teller| {
            let told = std::cell::RefCell::new(None);
            let weak = client.downgrade();
            client.on_status(move |status| {
                let now = ids(Some(status));
                let Some(client) = weak.upgrade() else { return };
                if told.borrow().as_ref() != Some(&now) {
                    teller.tell(
                        now.iter()
                            .map(|id| Space::new(client.clone(), *id))
                            .collect(),
                    );
                    *told.borrow_mut() = Some(now);
                }
            })
        })
    }
}

fn ids(status: Option<&dxos_services::StatusView>) -> Vec<SpaceId> {
    let spaces = status.map_or(&[][..], |status| &status.spaces);
    spaces.iter().map(|space| space.space).collect()
}
