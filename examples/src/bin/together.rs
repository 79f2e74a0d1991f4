//! Two people in one program, each with a node, a profile and keys of their own: Ada shares a space by code and six
//! digits, Ben joins it, and what Ada writes shows at Ben's. `together DIRECTORY` keeps the profiles there.
//!
//! They meet on a signal server, which is in this program too. It relays what they say, sealed end to end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dxos_client::{Client, Config, Object, Role, Space};
use dxos_edge::{Edge, EdgeConfig};

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Plant", version = "0.1.0")]
struct Plant {
    #[object(label)]
    title: String,
}

fn main() -> Result<()> {
    let directory = std::env::args()
        .nth(1)
        .context("usage: together DIRECTORY")?;
    dxos_client::native::run(together(directory.into()))?
}

async fn together(directory: PathBuf) -> Result<()> {
    let signal_url = signal_server().await?;
    let ada = person(&directory, "Ada", &signal_url).await?;
    let ben = person(&directory, "Ben", &signal_url).await?;

    let space = ada.spaces().create("Herbarium").await?;
    let bens = join(&space, &ben).await?;
    println!("Ben is in {}", bens.name());

    let mut plants = bens.query(Plant::all()).subscribe();
    let title = "Silver birch".to_owned();
    space.add(Plant { title }).await?;
    while plants.rows().is_empty() {
        plants.next().await.context("the client has ended")?;
    }
    println!("Ben sees {}", plants.rows()[0].clone().into_value()?.title);

    ada.close().await;
    ben.close().await;
    Ok(())
}

/// A signal server on a free port; gives its address.
async fn signal_server() -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Edge::new(EdgeConfig::default()).router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("ws://{address}/signal"))
}

/// A person with a new profile.
async fn person(directory: &Path, name: &str, signal_url: &str) -> Result<Client> {
    let config = Config::default()
        .directory(directory.join(name))
        .signal_url(signal_url);
    let client = Client::open(config).await?;
    client.halo().create_identity(name).await?;
    Ok(client)
}

/// The space's owner invites, `guest` joins; the digits go from one to the other as if read aloud.
async fn join(space: &Space, guest: &Client) -> Result<Space> {
    let invitation = space.share(Role::Editor).await?;
    let shown = invitation.view().context("the invitation is open")?;
    let join = guest.spaces().join(&shown.code).await?;
    join.wait_until_ready().await?;
    join.authenticate(&shown.auth_code).await?;
    Ok(join.success().await?)
}
