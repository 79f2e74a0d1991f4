//! Notes on this device: `notes DIRECTORY [TEXT…]` adds a note if there is text, and lists all notes, newest first.
//!
//! Works without any network: the signal server is only needed to meet others.

use anyhow::{Context, Result};
use dxos_client::{Client, Config, Object};

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Note", version = "0.1.0")]
struct Note {
    #[object(label)]
    text: String,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().context("usage: notes DIRECTORY [TEXT…]")?;
    let text = arguments.collect::<Vec<_>>().join(" ");
    // A client lives on one thread, like the user interface that holds it.
    dxos_client::native::run(notes(&directory, text))?
}

async fn notes(directory: &str, text: String) -> Result<()> {
    let client = Client::open(Config::default().directory(directory)).await?;
    if client.halo().identity().is_none() {
        client.halo().create_identity("Ada").await?;
    }
    let space = client.spaces().personal().await;
    if !text.is_empty() {
        // When this returns the note survives a kill.
        space.add(Note { text }).await?;
    }
    for note in space.query(Note::all().newest_first()).run().await? {
        println!("{}", note.into_value()?.text);
    }
    client.close().await;
    Ok(())
}
