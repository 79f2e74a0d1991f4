//! Two people in one program, each with a node, a profile and keys of their own: Ada shares a space by code and six
//! digits, Ben joins it, and what Ada writes shows at Ben's. `together DIRECTORY` keeps the profiles there.
//!
//! They meet on a signal server, which is in this program too. It relays what they say, sealed end to end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dxos_base::{InvitationId, ObjectWrite, Query, SpaceId, Value};
use dxos_client::native::{Config, Native, open};
use dxos_client::{Client, InvitationState, InvitationView, Role, Subscription};
use dxos_edge::{Edge, EdgeConfig};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// An invitation's life; nobody needs longer here.
const INVITATION_MS: u64 = 10 * 60 * 1000;

fn main() -> Result<()> {
    let directory = std::env::args()
        .nth(1)
        .context("usage: together DIRECTORY")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, run(directory.into()))
}

async fn run(directory: PathBuf) -> Result<()> {
    let signal_url = signal_server().await?;
    let ada = person(&directory, "Ada", &signal_url).await?;
    let ben = person(&directory, "Ben", &signal_url).await?;

    let space = ada.client().create_space("Herbarium").await?;
    join(ada.client(), ben.client(), space).await?;
    println!("Ben is in Herbarium");

    let mut seen = Titles::of(ben.client(), space);
    let values = [("title".to_owned(), Value::from("Silver birch"))];
    let plant = ObjectWrite::create(
        ada.client().new_object_id(),
        "org.example.type.Plant@0.1.0",
        values,
    );
    ada.client().write(space, vec![plant]).await?;
    println!("Ben sees {}", seen.next().await?);

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
async fn person(directory: &Path, name: &str, signal_url: &str) -> Result<Native> {
    let native = open(Config {
        profile: directory.join(name),
        signal_url: signal_url.to_owned(),
    })
    .await?;
    let client = native.client();
    client.create_identity(name, "together", "example").await?;
    Ok(native)
}

/// `host` invites, `guest` joins; the digits go from one to the other as if read aloud.
async fn join(host: &Client, guest: &Client, space: SpaceId) -> Result<()> {
    let invitation = host.invite(space, Role::Editor, INVITATION_MS).await?;
    let mut steps = Steps::of(guest);
    let mut view = guest.join(&invitation.code).await?;
    let mut asked = false;
    loop {
        match view.state {
            InvitationState::Success => return Ok(()),
            InvitationState::ReadyForAuthentication if !asked => {
                asked = true;
                guest
                    .authenticate(view.invitation, &invitation.auth_code)
                    .await?;
            }
            InvitationState::Error
            | InvitationState::Expired
            | InvitationState::Timeout
            | InvitationState::Cancelled => bail!("not joined: {}", view.reason),
            _ => {}
        }
        view = steps.next(view.invitation).await?;
    }
}

/// What happens to invitations and joins, one step after the other.
struct Steps {
    steps: mpsc::UnboundedReceiver<InvitationView>,
    _listener: Subscription,
}

impl Steps {
    fn of(client: &Client) -> Steps {
        let (tell, steps) = mpsc::unbounded_channel();
        let listener = client.on_invitation(move |view| drop(tell.send(view.clone())));
        Steps {
            steps,
            _listener: listener,
        }
    }

    async fn next(&mut self, invitation: InvitationId) -> Result<InvitationView> {
        loop {
            let view = self.steps.recv().await.context("the client has ended")?;
            if view.invitation == invitation {
                return Ok(view);
            }
        }
    }
}

/// The next title that a live query over a space tells.
struct Titles {
    found: mpsc::UnboundedReceiver<String>,
    _subscription: Subscription,
}

impl Titles {
    fn of(client: &Client, space: SpaceId) -> Titles {
        let (tell, found) = mpsc::unbounded_channel();
        let subscription = client.subscribe(space, Query::all(), move |rows| {
            for title in rows
                .iter()
                .filter_map(|row| row.values.get("title")?.as_str())
            {
                drop(tell.send(title.to_owned()));
            }
        });
        Titles {
            found,
            _subscription: subscription,
        }
    }

    async fn next(&mut self) -> Result<String> {
        self.found.recv().await.context("the client has ended")
    }
}
