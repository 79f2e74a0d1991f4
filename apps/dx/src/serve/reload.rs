//! `/dev/reload`: tells open pages when the served folder holds a new build. Only with `dx serve --reload`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
};
use futures_util::{Stream, stream};

use super::{Site, assets::Assets};

/// How often the version is looked at.
const LOOK_MS: u64 = 200;

/// The route.
pub fn router(assets: Assets) -> Router<Arc<Site>> {
    let route = get(move |State(_): State<Arc<Site>>| async move { events(assets) });
    Router::new().route("/dev/reload", route)
}

/// One event with the version at once, then one for each new version.
fn events(assets: Assets) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold((assets, None), |(assets, told)| async move {
        loop {
            // Missing while a build swaps the folder.
            let version = assets.read("assets.json").and_then(|list| version(&list));
            if version.is_some() && version != told {
                let event = Event::default().data(version.clone().unwrap_or_default());
                return Some((Ok(event), (assets, version)));
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn version(list: &[u8]) -> Option<String> {
    let list: serde_json::Value = serde_json::from_slice(list).ok()?;
    Some(list.get("version")?.as_str()?.to_owned())
}
