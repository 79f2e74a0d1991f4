//! The person: identity and devices.

use dxos_services::IdentityView;

use super::{Error, Watch};
use crate::client::Client;

/// The identity of this profile. Made with [`Client::halo`].
#[derive(Debug, Clone)]
pub struct Halo(Client);

impl Halo {
    pub(super) fn new(client: Client) -> Halo {
        Halo(client)
    }

    /// Makes the profile's identity, a key pair on this device, and its personal space.
    ///
    /// # Errors
    /// [`ErrorKind::Identity`](super::ErrorKind::Identity) when there is one, [`Storage`](super::ErrorKind::Storage)
    /// when it cannot be kept.
    pub async fn create_identity(&self, name: &str) -> Result<IdentityView, Error> {
        let (label, platform) = this_device();
        self.create_identity_on(name, &label, &platform).await
    }

    /// The same, with words for this device and its platform, as other devices of the person show them.
    ///
    /// # Errors
    /// As [`Halo::create_identity`].
    pub async fn create_identity_on(
        &self,
        name: &str,
        device_label: &str,
        platform: &str,
    ) -> Result<IdentityView, Error> {
        self.0.create_identity(name, device_label, platform).await?;
        Ok(self.wait_for_identity().await)
    }

    /// The identity, if the profile has one and the node has told.
    pub fn identity(&self) -> Option<IdentityView> {
        self.0.status()?.identity.clone()
    }

    /// Waits until the profile has an identity.
    pub async fn wait_for_identity(&self) -> IdentityView {
        self.0.status_with(|status| status.identity.clone()).await
    }

    /// The identity now and whenever it changes.
    pub fn watch(&self) -> Watch<Option<IdentityView>> {
        Watch::new(&self.0, |teller| {
            self.0
                .on_status(move |status| teller.tell(status.identity.clone()))
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn this_device() -> (String, String) {
    let platform = std::env::consts::OS;
    let program = std::env::current_exe().ok();
    let name = program
        .as_deref()
        .and_then(|path| path.file_stem())
        .and_then(|name| name.to_str());
    (name.unwrap_or("program").to_owned(), platform.to_owned())
}

#[cfg(target_arch = "wasm32")]
fn this_device() -> (String, String) {
    ("Browser".into(), "Web".into())
}
