//! A client in a browser's window: starts the worker that runs the node, finds the one that leads, follows it when
//! it changes, and lends it this window's WebRTC.

mod failure;
mod window;

use std::rc::Rc;

pub use dxos_net::{IceServer, LinkStats};
pub use failure::{StartFailure, StartFailureKind};

use crate::client::Client;
use crate::platform::random_client_id;

/// How to start.
#[derive(Clone)]
pub struct Config {
    /// Which profile of this origin.
    pub profile: String,
    /// The signal server; `None`: `/signal` of the page's origin.
    pub signal_url: Option<String>,
    /// The worker's entry.
    pub worker_url: String,
    /// The broker between tabs.
    pub broker_url: String,
    /// STUN and TURN servers; none needed within one network.
    pub ice_servers: Vec<IceServer>,
    /// Hears how the start goes, and of takeovers.
    pub on_phase: Rc<dyn Fn(&Phase)>,
}

impl Config {
    /// The defaults: profile `default`, files beside the page.
    pub fn new(on_phase: impl Fn(&Phase) + 'static) -> Self {
        Config {
            profile: "default".into(),
            signal_url: None,
            worker_url: "/worker-boot.js".into(),
            broker_url: "/broker.js".into(),
            ice_servers: Vec::new(),
            on_phase: Rc::new(on_phase),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Where a window is with its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The worker loads or opens the store.
    Starting,
    /// A node answers: this tab's or another's.
    Live,
    /// The tab that ran the node is gone; edits are kept and sent to the next one.
    TakingOver,
    /// Another tab holds the profile and this browser cannot share it between tabs. Ends when that tab closes.
    InOtherTab,
    /// It cannot start.
    Failed(StartFailure),
}

/// Starts; calls and writes wait until a node answers.
pub fn start(config: Config) -> Client {
    let client = Client::new(random_client_id());
    window::Host::start(client.clone(), config);
    client
}

/// The paths of this window's direct links. Empty in tabs that do not run the node.
pub async fn links() -> Vec<LinkStats> {
    window::links().await
}
