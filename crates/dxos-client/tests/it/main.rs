//! The typed SDK over a real node, store and text engine in this process.

// A test that cannot go on ends; clippy exempts only functions marked as tests.
#![allow(clippy::unwrap_used)]

mod blobs;
mod objects;
mod queues;
mod spaces;
mod testing;
mod types;

use dxos_client::{Client, Config, Space};

/// Runs a test with a client of a fresh profile that has an identity, and a space.
fn with_space<F: Future<Output = ()>>(test: impl FnOnce(Client, Space) -> F) {
    let directory = tempfile::tempdir().unwrap();
    dxos_client::native::run(async {
        let client = open(directory.path()).await;
        client.halo().create_identity("Ada").await.unwrap();
        let space = client.spaces().create("Home").await.unwrap();
        test(client.clone(), space).await;
        client.close().await;
    })
    .unwrap();
}

async fn open(directory: &std::path::Path) -> Client {
    let config = Config::default()
        .directory(directory)
        .signal_url("ws://127.0.0.1:9/signal");
    Client::open(config).await.unwrap()
}
