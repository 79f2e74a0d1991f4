//! Documents: objects of type `org.dxos.type.Document` with a string `title` and a collaborative text `content`,
//! as the app's documents are.

use std::collections::BTreeMap;
use std::io::Read;

use dxos_base::text::{difference, units};
use dxos_base::{ObjectView, ObjectWrite, Query, SpaceId, TextChange, TextDelta, Value};
use dxos_client::{TextAddress, TextSession, TextSink};

use super::commands::{find_space, identity_of, shown_name};
use super::failed::{Failed, Kind};
use super::{At, DocCommand, online, say};

const TYPE_NAME: &str = "org.dxos.type.Document";
const TYPE: &str = "org.dxos.type.Document@0.1.0";
const TITLE: &str = "title";
const CONTENT: &str = "content";

pub(super) async fn run(at: &At, command: DocCommand) -> Result<(), Failed> {
    identity_of(at).await?;
    match command {
        DocCommand::List { space } => list(at, space.as_deref()).await,
        DocCommand::Show { document } => {
            let (space, found) = find(at, &document).await?;
            let session = open(at, space, &found).await?;
            say(session.content().trim_end_matches('\n'));
            Ok(())
        }
        DocCommand::Create { title, space, text } => {
            create(at, title, space.as_deref(), &text).await
        }
        DocCommand::Append { document, text } => {
            let text = given(text)?;
            edit(at, &document, |content| {
                let gap = if content.is_empty() || content.ends_with('\n') {
                    ""
                } else {
                    "\n"
                };
                vec![TextChange {
                    from: units(content),
                    delete: 0,
                    insert: format!("{gap}{text}"),
                }]
            })
            .await
        }
        DocCommand::Write { document, text } => {
            let text = given(text)?;
            edit(at, &document, |content| difference(content, &text)).await
        }
    }
}

/// The text as given, or all of standard input.
fn given(text: String) -> Result<String, Failed> {
    if text != "-" {
        return Ok(text);
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failed::input(&error))?;
    Ok(text)
}

fn title(view: &ObjectView) -> &str {
    view.values
        .get(TITLE)
        .and_then(Value::as_str)
        .filter(|title| !title.is_empty())
        .unwrap_or("Untitled")
}

async fn documents_of(at: &At, space: SpaceId) -> Result<Vec<ObjectView>, Failed> {
    let query = Query::of_type(TYPE_NAME).order_by(TITLE);
    Ok(at.client.query(space, query).await?)
}

async fn list(at: &At, space: Option<&str>) -> Result<(), Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let spaces = match space {
        Some(space) => vec![find_space(&status, space)?],
        None => status.spaces.iter().collect(),
    };
    for view in spaces {
        if view.members.len() > 1 {
            online::note_reading(online::together(at, view.space).await);
        }
        for document in documents_of(at, view.space).await? {
            say(format_args!(
                "{}  {}  {}",
                document.object,
                shown_name(view),
                title(&document)
            ));
        }
    }
    Ok(())
}

/// A document by id, title, or the beginning of its title, in any space; up to date with who is online.
async fn find(at: &At, wanted: &str) -> Result<(SpaceId, ObjectView), Failed> {
    let mut found = search(at, wanted).await?;
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let shared = |space: SpaceId| {
        status
            .spaces
            .iter()
            .any(|view| view.space == space && view.members.len() > 1)
    };
    // It may be on its way: look again when the spaces are up to date.
    let spaces: Vec<SpaceId> = match &found[..] {
        [] => status.spaces.iter().map(|view| view.space).collect(),
        some => some.iter().map(|(space, _)| *space).collect(),
    };
    for space in spaces.into_iter().filter(|space| shared(*space)) {
        online::note_reading(online::together(at, space).await);
    }
    if found.len() != 1 {
        found = search(at, wanted).await?;
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failed::new(
            Kind::NotFound,
            format!("there is no document \"{wanted}\""),
            "dx doc list shows all of them.",
        )),
        count => Err(Failed::new(
            Kind::NotFound,
            format!("\"{wanted}\" could be {count} documents"),
            "Give the id; dx doc list shows it.",
        )),
    }
}

async fn search(at: &At, wanted: &str) -> Result<Vec<(SpaceId, ObjectView)>, Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let lower = wanted.to_lowercase();
    let (mut exact, mut begins) = (Vec::new(), Vec::new());
    for space in status.spaces.iter().map(|view| view.space) {
        for document in documents_of(at, space).await? {
            let name = title(&document).to_lowercase();
            if document.object.to_string() == wanted || name == lower {
                exact.push((space, document));
            } else if name.starts_with(&lower) {
                begins.push((space, document));
            }
        }
    }
    Ok(if exact.is_empty() { begins } else { exact })
}

async fn open(at: &At, space: SpaceId, document: &ObjectView) -> Result<TextSession, Failed> {
    let address = TextAddress {
        space,
        object: document.object,
        property: CONTENT.into(),
    };
    Ok(at
        .client
        .open_text(address, TextSink::new(|_| {}, |_| {}, |_| {}))
        .await?)
}

async fn edit(at: &At, wanted: &str, change: impl FnOnce(&str) -> TextDelta) -> Result<(), Failed> {
    let (space, found) = find(at, wanted).await?;
    let address = TextAddress {
        space,
        object: found.object,
        property: CONTENT.into(),
    };
    write_text(at, address, |session| change(&session.content())).await?;
    deliver(at, space).await;
    Ok(())
}

/// Gives what was written to the other members who are online, and says if nobody has it yet.
pub(super) async fn deliver(at: &At, space: SpaceId) {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    if status
        .spaces
        .iter()
        .any(|view| view.space == space && view.members.len() > 1)
    {
        online::note_writing(online::together(at, space).await);
    }
}

/// Changes a text and waits until it is on disk, or says why it is not.
async fn write_text(
    at: &At,
    address: TextAddress,
    change: impl FnOnce(&TextSession) -> TextDelta,
) -> Result<(), Failed> {
    let (told, mut refused) = tokio::sync::mpsc::unbounded_channel();
    let sink = TextSink::new(
        |_| {},
        |_| {},
        move |failure| {
            // Nobody waits once the command is over.
            let _ = told.send(failure.clone());
        },
    );
    let session = at.client.open_text(address, sink).await?;
    let delta = change(&session);
    session
        .edit(delta)
        .map_err(|error| Failed::new(Kind::Other, error.to_string(), ""))?;
    // Answered after the write, which was sent before.
    let flushed = at.client.flush().await;
    if let Ok(failure) = refused.try_recv() {
        return Err(failure.into());
    }
    flushed?;
    Ok(())
}

async fn create(at: &At, title: String, space: Option<&str>, text: &str) -> Result<(), Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let space = match space {
        Some(space) => find_space(&status, space)?.space,
        None => {
            let personal = status.spaces.iter().find(|view| view.personal);
            personal.ok_or_else(Failed::no_identity)?.space
        }
    };
    let object = at.client.new_object_id();
    let values = BTreeMap::from([(TITLE.to_owned(), Value::from(title))]);
    at.client
        .write(
            space,
            vec![ObjectWrite::Create {
                object,
                type_name: TYPE.into(),
                values,
            }],
        )
        .await?;
    if !text.is_empty() {
        let address = TextAddress {
            space,
            object,
            property: CONTENT.into(),
        };
        write_text(at, address, |_| {
            vec![TextChange {
                from: 0,
                delete: 0,
                insert: text.to_owned(),
            }]
        })
        .await?;
    }
    at.client.flush().await?;
    say(object);
    deliver(at, space).await;
    Ok(())
}
