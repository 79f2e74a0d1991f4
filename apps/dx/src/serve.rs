//! `dx serve`: the page, the signal server and the relay on one port.
//!
//! Invariants
//! * the port is fixed: data in a browser belongs to the origin, so another port would be another, empty
//!   profile. A taken port is an error, never a reason to move;
//! * pages asked for at an address of this machine are sent to `localhost`, the one origin that holds the data.

mod assets;
mod headers;
mod port;
mod reload;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use dxos_edge::{Direction, Edge, EdgeConfig, Tap};

use assets::Assets;

/// The port of every `dx` server.
pub const PORT: u16 = 4400;

/// Arguments of `dx serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArguments {
    /// Port to listen on. For tests and for several servers on one machine: another port is another origin,
    /// so browsers keep other, separate data for it.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Serve this folder instead of the page built in.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,
    /// Tell open pages to reload when the served folder changes.
    #[arg(long)]
    reload: bool,
    /// Write every frame and request line to a file, for tests that search it for plaintext.
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
    /// Origin of a page on another host that may use the signal server; repeatable.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Log connections (numbers only) to stderr.
    #[arg(long, short)]
    verbose: bool,
}

/// Serves until interrupted.
pub fn run(arguments: ServeArguments) -> Result<ExitCode> {
    let level = if arguments.verbose {
        tracing::Level::INFO
    } else {
        tracing::Level::WARN
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the async runtime")?;
    runtime.block_on(serve(arguments))
}

/// What the handlers share.
struct Site {
    assets: Assets,
    port: u16,
    tap: Option<Arc<Tap>>,
}

async fn serve(arguments: ServeArguments) -> Result<ExitCode> {
    let tap = match &arguments.tap {
        Some(path) => Some(Arc::new(
            Tap::create(path).with_context(|| format!("create {}", path.display()))?,
        )),
        None => None,
    };
    let listener = port::listen(arguments.port).await?;
    let port = listener.local_addr().context("the port just bound")?.port();
    let edge = Edge::new(EdgeConfig {
        tap: tap.clone(),
        allow_origins: arguments.allow_origin,
    });
    let assets = Assets::new(arguments.dist);
    let mut router = Router::new();
    if arguments.reload {
        router = router.merge(reload::router(assets.clone()));
    }
    let site = Arc::new(Site { assets, port, tap });
    let router = router
        .fallback(page)
        .with_state(Arc::clone(&site))
        .merge(edge.router())
        .layer(from_fn_with_state(site, front));

    println!("http://localhost:{port}");
    // A keystroke is one small frame: it must not wait for the next.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let served = axum::serve(listener, router);
    tokio::select! {
        served = served => served.context("serve")?,
        interrupted = interrupted() => interrupted?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends when the process is asked to: Ctrl-C, or a terminate signal.
async fn interrupted() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.context("listen for Ctrl-C")?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("listen for Ctrl-C")?;
    Ok(())
}

/// What happens to every request before and after its handler.
async fn front(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if let Some(tap) = &site.tap {
        let line = format!("{} {}", request.method(), request.uri());
        tap.record(Direction::Received, u64::MAX, line.as_bytes());
    }
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    // A WebSocket cannot follow a redirect, and numbers need no origin.
    let is_page =
        request.method() == Method::GET && !["/signal", "/stats"].contains(&request.uri().path());
    if is_page && headers::is_loopback_address(host) {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let target = format!("http://localhost:{}{path}", site.port);
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]).into_response();
    }
    let mut response = next.run(request).await;
    headers::secure(response.headers_mut());
    response
}

/// A file of the page.
async fn page(State(site): State<Arc<Site>>, request: Request) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    site.assets.respond(request.uri().path(), request.headers())
}

#[cfg(test)]
mod tests;
