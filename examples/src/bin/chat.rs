//! A chat on this device: `chat DIRECTORY [TEXT…]` appends a message if there is text, and shows the last three.

use anyhow::{Context, Result};
use dxos_client::{Client, Config, Object};

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Message", version = "0.1.0")]
struct Message {
    text: String,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().context("usage: chat DIRECTORY [TEXT…]")?;
    let text = arguments.collect::<Vec<_>>().join(" ");
    dxos_client::native::run(chat(&directory, text))?
}

async fn chat(directory: &str, text: String) -> Result<()> {
    let client = Client::open(Config::default().directory(directory)).await?;
    if client.halo().identity().is_none() {
        client.halo().create_identity("Ada").await?;
    }
    let space = client.spaces().personal().await;
    // Any object can have a queue; this one belongs to the space's own properties.
    let queue = space.queue::<Message>(space.properties().id());
    if !text.is_empty() {
        queue.append(Message { text }).await?;
    }
    let newest = queue.read().limit(3).run().await?;
    for message in newest.iter().rev() {
        println!("{}", message.clone().into_value()?.text);
    }
    if let Some(cursor) = newest.last().and_then(|oldest| oldest.cursor()) {
        let older = queue.read().before(cursor).run().await?;
        if !older.is_empty() {
            println!("and {} before", older.len());
        }
    }
    client.close().await;
    Ok(())
}
