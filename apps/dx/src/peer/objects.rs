//! Objects of any type: as JSON out and back, copied, and what lost against a concurrent write.

use std::io::Read;

use dxos_base::json::{from_json, to_json, value_to_json};
use dxos_base::plain::{Ids, copy};
use dxos_base::{Address, ObjectId, PlainObject, SpaceId};
use serde_json::Value as Json;

use super::commands::{find_space, identity_of};
use super::documents::deliver;
use super::failed::{Failed, Kind};
use super::{At, ObjectCommand, online, say};

pub(super) async fn run(at: &At, command: ObjectCommand) -> Result<(), Failed> {
    identity_of(at).await?;
    match command {
        ObjectCommand::Get { address } => {
            let (address, object) = address_of(&address)?;
            let plain = plain(at, address.space, object).await?;
            if address.path.is_empty() {
                say(pretty(&to_json(&plain, address.space)));
                return Ok(());
            }
            let view = at.client.get(address.space, object).await?;
            match view.as_ref().and_then(|view| view.value(&address.path)) {
                Some(value) => say(pretty(&value_to_json(value, address.space))),
                None => return Err(nothing(&address)),
            }
            Ok(())
        }
        ObjectCommand::Put { space, file } => put(at, &space, &file).await,
        ObjectCommand::Copy { address, to } => {
            let (address, object) = address_of(&address)?;
            let to = match to {
                Some(space) => space_of(at, &space).await?,
                None => address.space,
            };
            let original = plain(at, address.space, object).await?;
            let mut fresh = || at.client.new_object_id();
            let copies = copy(&[original], address.space, to, Ids::New(&mut fresh));
            write(at, to, &copies).await
        }
        ObjectCommand::Conflicts { address } => {
            let (address, object) = address_of(&address)?;
            let lost = at
                .client
                .conflicts(address.space, object, address.path)
                .await?;
            for conflict in lost {
                let value = conflict.value.map_or("removed".to_owned(), |value| {
                    value_to_json(&value, address.space).to_string()
                });
                let by = conflict
                    .by
                    .map_or("unknown".to_owned(), |by| by.to_string());
                say(format_args!("{}  {by}  {value}", conflict.written_ms));
            }
            Ok(())
        }
    }
}

fn pretty(json: &Json) -> String {
    format!("{json:#}")
}

fn nothing(address: &Address) -> Failed {
    Failed::new(Kind::NotFound, format!("there is nothing at {address}"), "")
}

/// The address of an object or of a property of one.
fn address_of(text: &str) -> Result<(Address, ObjectId), Failed> {
    let address: Address = text.parse().map_err(|error| {
        Failed::new(
            Kind::Usage,
            format!("{error}"),
            "An address is dxos://SPACE/OBJECT, perhaps with /PROPERTY behind it.",
        )
    })?;
    match address.object {
        Some(object) => Ok((address, object)),
        None => Err(Failed::usage(
            "this is the address of a space, not of an object",
        )),
    }
}

async fn space_of(at: &At, wanted: &str) -> Result<SpaceId, Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    Ok(find_space(&status, wanted)?.space)
}

/// An object here; if it is not, once more when the space is up to date.
async fn plain(at: &At, space: SpaceId, object: ObjectId) -> Result<PlainObject, Failed> {
    let mut found = at.client.plain(space, vec![object]).await?;
    if found.is_empty() {
        online::note_reading(online::together(at, space).await);
        found = at.client.plain(space, vec![object]).await?;
    }
    found
        .pop()
        .ok_or_else(|| nothing(&Address::of(space, object)))
}

async fn put(at: &At, space: &str, file: &str) -> Result<(), Failed> {
    let space = space_of(at, space).await?;
    let text = match file {
        "-" => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| Failed::input(&error))?;
            text
        }
        path => std::fs::read_to_string(path).map_err(|error| {
            Failed::new(Kind::Usage, format!("cannot read {path}: {error}"), "")
        })?,
    };
    let usage = |message: String| Failed::new(Kind::Usage, message, "");
    let json: Json = serde_json::from_str(&text).map_err(|error| usage(error.to_string()))?;
    let listed = match json {
        Json::Array(objects) => objects,
        object => vec![object],
    };
    let objects = listed
        .iter()
        .map(|json| from_json(json, space, || at.client.new_object_id()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| usage(error.to_string()))?;
    write(at, space, &objects).await
}

async fn write(at: &At, space: SpaceId, objects: &[PlainObject]) -> Result<(), Failed> {
    let writes = objects.iter().flat_map(PlainObject::writes).collect();
    at.client.write(space, writes).await?;
    at.client.flush().await?;
    for object in objects {
        say(Address::of(space, object.object));
    }
    deliver(at, space).await;
    Ok(())
}
