//! A client in a native process: the node on a thread of its own, over a profile directory.
//!
//! The first process that opens a profile holds it and runs the node; another one talks to the holder over the
//! profile's socket. Both get the same [`Client`].
//!
//! Call [`open`] within a current-thread tokio runtime with a `LocalSet`.

mod frames;
mod host;
mod platform;
mod profile;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use dxos_echo::store::StoreError;
use dxos_node::NodeError;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::platform::random_client_id;
use host::{HostThread, Opened};

pub use profile::default_profile_dir;

/// Frames waiting for one client; one that does not read is cut off above.
pub(crate) const CHANNEL_FRAMES_MAX: usize = 4_096;

/// What to open.
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile's directory; made if missing.
    pub profile: PathBuf,
    /// The signal server (`ws://host:port/signal`). Ignored by a second process: the holder has its own.
    pub signal_url: String,
}

/// Why a profile could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process holds the profile and does not answer.
    #[error("the profile {profile} is in use by another process that does not answer: {detail}")]
    Busy {
        /// The profile's directory.
        profile: PathBuf,
        /// What was tried.
        detail: String,
    },
    /// A file of the profile cannot be used.
    #[error("cannot use {path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The key file is not what was written.
    #[error("the key file {path} is damaged")]
    Key {
        /// Which file.
        path: PathBuf,
    },
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node cannot start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's thread ended before it was ready.
    #[error("the node stopped while starting")]
    Stopped,
}

/// An open profile.
#[derive(Debug)]
pub struct Native {
    client: Client,
    host: Option<HostThread>,
}

impl Native {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// This process runs the node; otherwise another one does.
    pub fn holds_profile(&self) -> bool {
        self.host.is_some()
    }

    /// Ends the node, if it is this process's, after what it is doing. Without this it ends with the process, as if
    /// killed: nothing acknowledged is lost then either.
    pub async fn close(mut self) {
        self.client.disconnected();
        if let Some(host) = self.host.take() {
            host.stop().await;
        }
    }
}

/// Opens a profile: runs its node, or reaches the process that does.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(config: Config) -> Result<Native, OpenError> {
    let profile = config.profile.clone();
    let file = |path: &Path, error| OpenError::File { path: path.to_owned(), error };
    platform::make_private_dir(&profile).map_err(|error| file(&profile, error))?;
    let lock_path = profile.join("lock");
    let lock = std::fs::File::create(&lock_path).map_err(|error| file(&lock_path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return second(&profile).await,
        Err(std::fs::TryLockError::Error(error)) => return Err(file(&lock_path, error)),
    }
    let keys = profile::open_keys(&profile)?;
    let Opened { host, to_node, from_node } = HostThread::start(config, keys, lock).await?;
    let client = Client::new(random_client_id());
    run(&client, to_node, from_node);
    Ok(Native { client, host: Some(host) })
}

/// Another process holds the profile: speak with it.
async fn second(profile: &Path) -> Result<Native, OpenError> {
    let (to_node, from_node) = platform::connect(&platform::socket_path(profile))
        .await
        .map_err(|error| OpenError::Busy { profile: profile.to_owned(), detail: error.to_string() })?;
    let client = Client::new(random_client_id());
    run(&client, to_node, from_node);
    Ok(Native { client, host: None })
}

/// Pumps frames between a client and its channel until it ends.
fn run(client: &Client, to_node: mpsc::Sender<Vec<u8>>, mut from_node: mpsc::Receiver<Vec<u8>>) {
    client.connect(Rc::new(move |frame| {
        // A node that is gone, or so far behind, is noticed by the end of its frames.
        if to_node.try_send(frame).is_err() {
            tracing::error!("native.channel_full");
        }
    }));
    let client = client.clone();
    tokio::task::spawn_local(async move {
        while let Some(frame) = from_node.recv().await {
            if let Err(error) = client.receive(&frame) {
                tracing::error!(%error, "native.frame");
            }
        }
        client.disconnected();
    });
}

#[cfg(test)]
mod tests;
