//! An invitation as its host, or a join as its guest.

use dxos_base::InvitationId;
use dxos_services::{InvitationState, InvitationView};

use super::{Error, ErrorKind, Space, Watch};
use crate::client::Client;

/// An invitation made with [`Space::share`], or a join begun with [`Spaces::join`](super::Spaces::join).
#[derive(Debug, Clone)]
pub struct Invitation {
    client: Client,
    id: InvitationId,
}

impl Invitation {
    pub(super) fn new(client: Client, id: InvitationId) -> Invitation {
        Invitation { client, id }
    }

    /// Its id.
    pub fn id(&self) -> InvitationId {
        self.id
    }

    /// Where it stands, with the code to hand on and the auth code to read aloud, if this is the host.
    pub fn view(&self) -> Option<InvitationView> {
        self.client.invitation(self.id)
    }

    /// Every step of it, beginning with the present one.
    pub fn watch(&self) -> Watch<InvitationView> {
        let (client, id) = (&self.client, self.id);
        Watch::new(client, |teller| {
            if let Some(view) = client.invitation(id) {
                teller.tell(view);
            }
            client.on_invitation(move |view| {
                if view.invitation == id {
                    teller.tell(view.clone());
                }
            })
        })
    }

    /// Gives the auth code the guest was told: six digits, spaces ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Invitation`] when the join is not waiting for one.
    pub async fn authenticate(&self, code: &str) -> Result<(), Error> {
        Ok(self.client.authenticate(self.id, code).await?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn cancel(&self) -> Result<(), Error> {
        Ok(self.client.cancel(self.id).await?)
    }

    /// Waits until the guest may type the auth code.
    ///
    /// # Errors
    /// [`Error::Invitation`] when it ended, [`Error::Closed`].
    pub async fn wait_until_ready(&self) -> Result<InvitationView, Error> {
        use InvitationState::*;
        self.wait_for(|state| matches!(state, ReadyForAuthentication | Authenticating | Success))
            .await
    }

    /// Waits until it succeeded; gives the space.
    ///
    /// # Errors
    /// [`Error::Invitation`] when it ended otherwise, [`Error::Closed`].
    pub async fn success(&self) -> Result<Space, Error> {
        let view = self
            .wait_for(|state| state == InvitationState::Success)
            .await?;
        let space = view.space.ok_or(Error::Closed)?;
        let is_here = move |status: &dxos_services::StatusView| {
            status
                .spaces
                .iter()
                .any(|one| one.space == space)
                .then_some(())
        };
        self.client.status_with(is_here).await;
        Ok(Space::new(self.client.clone(), space))
    }

    async fn wait_for(
        &self,
        wanted: impl Fn(InvitationState) -> bool,
    ) -> Result<InvitationView, Error> {
        let mut steps = self.watch();
        while let Some(view) = steps.next().await {
            if wanted(view.state) {
                return Ok(view);
            }
            let kind = match view.state {
                InvitationState::Cancelled | InvitationState::Error => ErrorKind::Invitation,
                InvitationState::Timeout | InvitationState::Expired => ErrorKind::Timeout,
                _ => continue,
            };
            let reason = match view.state {
                _ if !view.reason.is_empty() => view.reason,
                InvitationState::Cancelled => "The invitation was cancelled.".into(),
                InvitationState::Timeout => "Nobody answered in time.".into(),
                InvitationState::Expired => "The invitation is past its end.".into(),
                _ => "The invitation failed.".into(),
            };
            return Err(Error::Invitation { reason, kind });
        }
        Err(Error::Closed)
    }
}
