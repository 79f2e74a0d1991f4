//! A client in a native process: the node on a thread of its own, over a profile directory.
//!
//! The first process that opens a profile holds it and runs the node; another one talks to the holder over the
//! profile's socket. Both get the same [`Client`].
//!
//! Call [`open`] within a current-thread tokio runtime with a `LocalSet`.

mod archive;
mod frames;
mod host;
mod platform;
mod profile;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use dxos_echo::store::StoreError;
use dxos_node::NodeError;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::platform::random_client_id;
use host::{HostThread, Opened};

pub use archive::{ArchiveError, PASSPHRASE_CHARACTERS_MIN, archive_profile, restore_profile};
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
    host: Rc<RefCell<Option<HostThread>>>,
    pump: tokio::task::JoinHandle<()>,
}

impl Native {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// This process runs the node; otherwise another one does.
    pub fn holds_profile(&self) -> bool {
        self.host.borrow().is_some()
    }

    /// Ends the node, if it is this process's, after what it is doing. Without this it ends with the process, as if
    /// killed: nothing acknowledged is lost then either.
    pub async fn close(self) {
        self.pump.abort();
        self.client.disconnected();
        let host = self.host.borrow_mut().take();
        if let Some(host) = host {
            host.stop().await;
        }
    }
}

/// Runs a program that uses clients on this thread, until `program` ends.
///
/// # Errors
/// When the operating system gives no event loop.
pub fn run<T>(program: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, program))
}

/// How long a holder may take to answer, and a dying one to let go.
const HOLDER_ANSWER_MAX: Duration = Duration::from_secs(5);
const HOLDER_TRIES_MAX: u32 = 40;
const HOLDER_PAUSE: Duration = Duration::from_millis(50);

/// Opens a profile: runs its node, or reaches the process that does. When that process ends, this one takes over.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(config: Config) -> Result<Native, OpenError> {
    let client = Client::new(random_client_id());
    let (host, queues) = attach(&config, &client).await?;
    let host = Rc::new(RefCell::new(host));
    let pump = tokio::task::spawn_local(pump(config, client.clone(), host.clone(), queues));
    Ok(Native { client, host, pump })
}

/// Becomes the holder, or reaches it. The client is connected then.
async fn attach(
    config: &Config,
    client: &Client,
) -> Result<(Option<HostThread>, Incoming), OpenError> {
    let profile = &config.profile;
    let file = |path: &Path, error| OpenError::File {
        path: path.to_owned(),
        error,
    };
    platform::make_private_dir(profile).map_err(|error| file(profile, error))?;
    let lock_path = profile.join("lock");
    let mut detail = String::new();
    for _ in 0..HOLDER_TRIES_MAX {
        let lock = std::fs::File::create(&lock_path).map_err(|error| file(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {
                let keys = profile::open_keys(profile)?;
                let Opened {
                    host,
                    to_node,
                    from_node,
                } = HostThread::start(config.clone(), keys, lock).await?;
                connect(client, to_node);
                return Ok((Some(host), from_node));
            }
            Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(error)) => return Err(file(&lock_path, error)),
        }
        match platform::connect(&platform::socket_path(profile)).await {
            Ok((to_node, mut from_node)) => {
                connect(client, to_node);
                match tokio::time::timeout(HOLDER_ANSWER_MAX, from_node.recv()).await {
                    Ok(Some(frame)) => {
                        received(client, &frame);
                        return Ok((None, from_node));
                    }
                    // It ended meanwhile: its lock is free now, or soon.
                    Ok(None) => detail = "it ended".into(),
                    Err(_) => {
                        detail = "it does not answer".into();
                        client.disconnected();
                        break;
                    }
                }
                client.disconnected();
            }
            // It is opening or ending.
            Err(error) => detail = error.to_string(),
        }
        tokio::time::sleep(HOLDER_PAUSE).await;
    }
    Err(OpenError::Busy {
        profile: profile.clone(),
        detail,
    })
}

type Incoming = mpsc::Receiver<Vec<u8>>;

fn connect(client: &Client, to_node: mpsc::Sender<Vec<u8>>) {
    client.connect(Rc::new(move |frame| {
        // A node that is gone, or so far behind, is noticed by the end of its frames.
        if to_node.try_send(frame).is_err() {
            tracing::error!("native.channel_full");
        }
    }));
}

fn received(client: &Client, frame: &[u8]) {
    if let Err(error) = client.receive(frame) {
        tracing::error!(%error, "native.frame");
    }
}

/// Hands frames to the client; when the node's end is gone, finds or becomes the next node.
async fn pump(
    config: Config,
    client: Client,
    host: Rc<RefCell<Option<HostThread>>>,
    mut from_node: Incoming,
) {
    loop {
        while let Some(frame) = from_node.recv().await {
            received(&client, &frame);
        }
        client.disconnected();
        *host.borrow_mut() = None;
        match attach(&config, &client).await {
            Ok((thread, incoming)) => {
                *host.borrow_mut() = thread;
                from_node = incoming;
            }
            Err(error) => {
                tracing::error!(%error, "native.lost");
                client.end();
                return;
            }
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
