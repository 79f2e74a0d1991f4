//! The router: `/signal` (WebSocket) and `/stats` (JSON), and what all connections share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    extract::{State, ws::WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use dxos_base::limits::SIGNAL_FRAME_BYTES_MAX;
use tokio::sync::Notify;

use crate::{
    connection,
    hub::Hub,
    stats::{Stats, StatsView},
    tap::{Direction, Tap},
};

/// What a server is started with.
#[derive(Debug, Default)]
pub struct EdgeConfig {
    /// Records every frame, for tests.
    pub tap: Option<Arc<Tap>>,
    /// Origins of pages on other hosts that may connect (`https://example.org`). A page of this very host always
    /// may, and so may programs, which send no origin.
    pub allow_origins: Vec<String>,
}

/// State of all connections.
pub(crate) struct Shared {
    hub: Mutex<Hub>,
    pub(crate) stats: Stats,
    /// Notified whenever a client left.
    pub(crate) left: Notify,
    tap: Option<Arc<Tap>>,
    allow_origins: Vec<String>,
    connections: AtomicU64,
}

/// The hub, locked; dropping it wakes who waits for a client to leave.
pub(crate) struct HubGuard<'a> {
    guard: MutexGuard<'a, Hub>,
    clients_before: usize,
    left: &'a Notify,
}

impl std::ops::Deref for HubGuard<'_> {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.guard
    }
}

impl std::ops::DerefMut for HubGuard<'_> {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.guard
    }
}

impl Drop for HubGuard<'_> {
    fn drop(&mut self) {
        if self.guard.connections() < self.clients_before {
            self.left.notify_waiters();
        }
    }
}

impl Shared {
    /// Held for one operation on plain data, never across an await.
    pub(crate) fn hub(&self) -> HubGuard<'_> {
        let guard = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        HubGuard {
            clients_before: guard.connections(),
            guard,
            left: &self.left,
        }
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn tap(&self, direction: Direction, connection: u64, frame: &[u8]) {
        if let Some(tap) = &self.tap {
            tap.record(direction, connection, frame);
        }
    }
}

/// A signal server and relay.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
}

impl Edge {
    /// A server without connections.
    pub fn new(config: EdgeConfig) -> Edge {
        Edge {
            shared: Arc::new(Shared {
                hub: Mutex::new(Hub::default()),
                stats: Stats::default(),
                left: Notify::new(),
                tap: config.tap,
                allow_origins: config.allow_origins,
                connections: AtomicU64::new(0),
            }),
        }
    }

    /// `/signal` and `/stats`, to be merged with other routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/signal", get(signal))
            .route("/stats", get(stats))
            .with_state(Arc::clone(&self.shared))
    }

    /// The counters now.
    pub fn stats(&self) -> StatsView {
        view(&self.shared)
    }
}

fn view(shared: &Shared) -> StatsView {
    let hub = shared.hub();
    shared.stats.view(hub.connections(), hub.topics())
}

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(view(&shared))).into_response()
}

async fn signal(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !origin_allowed(&headers, &shared.allow_origins) {
        let reason = "this page may not use this signal server";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    upgrade
        .max_message_size(SIGNAL_FRAME_BYTES_MAX)
        .max_frame_size(SIGNAL_FRAME_BYTES_MAX)
        .on_upgrade(|socket| connection::run(shared, socket))
}

/// Programs send no origin; a page's must be this host or on the list.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if allowed.iter().any(|one| one == origin) {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    origin_host.is_some() && origin_host == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.insert(name.clone(), header::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn pages_of_other_hosts_are_kept_out() {
        let host = (header::HOST, "localhost:4400");
        let listed = ["https://notes.example".to_owned()];
        let check = |list: &[_], ok: bool| assert_eq!(origin_allowed(&headers(list), &listed), ok);
        check(std::slice::from_ref(&host), true);
        check(
            &[host.clone(), (header::ORIGIN, "http://localhost:4400")],
            true,
        );
        check(
            &[host.clone(), (header::ORIGIN, "https://notes.example")],
            true,
        );
        check(
            &[host.clone(), (header::ORIGIN, "http://localhost:4401")],
            false,
        );
        check(
            &[host.clone(), (header::ORIGIN, "https://evil.example")],
            false,
        );
        check(&[host, (header::ORIGIN, "null")], false);
    }
}
