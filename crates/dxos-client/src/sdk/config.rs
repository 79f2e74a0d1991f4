//! What to open, on every platform.

use super::{Error, Halo, Spaces};
use crate::client::Client;

/// Which profile to open and how it reaches others. The default is the profile `default`, natively in the person's
/// data directory, in a browser in the page's own storage.
#[derive(Debug, Clone, Default)]
pub struct Config {
    profile: Option<String>,
    #[cfg(not(target_arch = "wasm32"))]
    directory: Option<std::path::PathBuf>,
    signal_url: Option<String>,
}

impl Config {
    /// Another profile by name.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Config {
        self.profile = Some(name.into());
        self
    }

    /// The profile's directory, instead of one in the person's data directory. Made if missing.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub fn directory(mut self, directory: impl Into<std::path::PathBuf>) -> Config {
        self.directory = Some(directory.into());
        self
    }

    /// The signal server, such as `wss://example.org/signal`. Natively the default is a `dx serve` on this machine, in
    /// a browser the page's own server. Without one everything works but meeting others.
    #[must_use]
    pub fn signal_url(mut self, url: impl Into<String>) -> Config {
        self.signal_url = Some(url.into());
        self
    }
}

impl Client {
    /// The person: identity and devices.
    pub fn halo(&self) -> Halo {
        Halo::new(self.clone())
    }

    /// The spaces of this device.
    pub fn spaces(&self) -> Spaces {
        Spaces::new(self.clone())
    }
}

/// Where `dx serve` listens unless told otherwise.
#[cfg(not(target_arch = "wasm32"))]
const SIGNAL_URL: &str = "ws://127.0.0.1:4400/signal";

#[cfg(not(target_arch = "wasm32"))]
impl Client {
    /// Opens a profile: runs its node, or reaches the process that does. Call it within [`crate::native::run`], or any
    /// current-thread tokio runtime with a `LocalSet`.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::NoHome`].
    pub async fn open(config: Config) -> Result<Client, Error> {
        let profile = match config.directory {
            Some(directory) => directory,
            None => {
                let name = config.profile.as_deref().unwrap_or("default");
                crate::native::default_profile_dir(name).ok_or(Error::NoHome)?
            }
        };
        let signal_url = config.signal_url.unwrap_or_else(|| SIGNAL_URL.to_owned());
        let native = crate::native::open(crate::native::Config {
            profile,
            signal_url,
        })
        .await?;
        let client = native.client().clone();
        client.keep(Box::new(native));
        // Who asks for the identity or the spaces at once gets what the node knows.
        client.status_with(|_| Some(())).await;
        Ok(client)
    }

    /// Ends this client, and the node if this process runs it, after what it is doing. Everything that waits fails;
    /// nothing acknowledged is lost.
    pub async fn close(self) {
        let kept = self.kept();
        if let Some(native) = kept.and_then(|kept| kept.downcast::<crate::native::Native>().ok()) {
            native.close().await;
        }
        self.end();
    }
}

#[cfg(target_arch = "wasm32")]
impl Client {
    /// Starts the worker that runs the node, or reaches another tab's, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub async fn open(config: Config) -> Result<Client, Error> {
        use std::cell::Cell;
        use std::rc::Rc;

        use crate::web::Phase;

        let (sender, started) = crate::promise::promise();
        let sender = Rc::new(Cell::new(Some(sender)));
        let mut web = crate::web::Config::new(move |phase| {
            let result = match phase {
                Phase::Live => Ok(()),
                Phase::Failed(failure) => Err(Error::Start(failure.clone())),
                Phase::Starting | Phase::TakingOver | Phase::InOtherTab => return,
            };
            if let Some(sender) = sender.take() {
                sender.send(result);
            }
        });
        if let Some(profile) = config.profile {
            web.profile = profile;
        }
        web.signal_url = config.signal_url;
        let client = crate::web::start(web);
        started.await?;
        client.status_with(|_| Some(())).await;
        Ok(client)
    }

    /// Ends this client. Everything that waits fails; nothing acknowledged is lost.
    pub async fn close(self) {
        self.end();
    }
}
