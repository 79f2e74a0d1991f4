//! Notes on this device: `notes DIRECTORY [TEXT…]` adds a note if there is text, and lists all notes, newest first.
//!
//! Works without any network: the signal server is only needed to meet others.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result};
use dxos_base::{ObjectWrite, Query, SpaceId, Value};
use dxos_client::Client;
use dxos_client::native::{Config, open};
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// What a note is: a reverse-domain name and a version.
const NOTE: &str = "org.example.type.Note@0.1.0";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().context("usage: notes DIRECTORY [TEXT…]")?;
    let text = arguments.collect::<Vec<_>>().join(" ");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // A client lives on one thread, like the user interface that holds it.
    LocalSet::new().block_on(&runtime, run(directory.into(), text))
}

async fn run(profile: PathBuf, text: String) -> Result<()> {
    let native = open(Config {
        profile,
        signal_url: "ws://localhost:4400/signal".into(),
    })
    .await?;
    let client = native.client();
    let space = personal_space(client).await?;
    if !text.is_empty() {
        let values = [("text".to_owned(), Value::from(text))];
        let note = ObjectWrite::create(client.new_object_id(), NOTE, values);
        // Acknowledged: it survives a kill from here on.
        client.write(space, vec![note]).await?;
    }
    for note in notes(client, space).await {
        println!("{note}");
    }
    native.close().await;
    Ok(())
}

/// The first space of a profile; makes the identity it belongs to when the profile is new.
async fn personal_space(client: &Client) -> Result<SpaceId> {
    let status = client.status_with(|status| Some(status.clone())).await;
    if status.identity.is_none() {
        client.create_identity("Ada", "notes", "example").await?;
    }
    let first = |status: &dxos_client::StatusView| Some(status.spaces.first()?.space);
    Ok(client.status_with(first).await)
}

/// The notes as a live query tells them. A program that stays open would keep the subscription and draw at every call.
async fn notes(client: &Client, space: SpaceId) -> Vec<String> {
    let query = Query::of_type("org.example.type.Note").order_by_descending("@created");
    let (rows, told) = (Rc::new(RefCell::new(None)), Rc::new(Notify::new()));
    let (kept, tell) = (rows.clone(), told.clone());
    let subscription = client.subscribe(space, query, move |found| {
        let texts = found
            .iter()
            .filter_map(|row| row.values.get("text")?.as_str());
        kept.replace(Some(texts.map(str::to_owned).collect()));
        tell.notify_one();
    });
    let notes = loop {
        if let Some(notes) = rows.take() {
            break notes;
        }
        told.notified().await;
    };
    drop(subscription);
    notes
}
