//! Automerge: a document's root map is the object.

use anyhow::{Context as _, Result, bail};
use automerge::sync::{Message, State, SyncDoc as _};
use automerge::transaction::Transactable as _;
use automerge::{
    ActorId, Automerge as Document, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, TextEncoding,
    Value,
};

use super::{Engine, Replicated, Task, Typed};

pub(super) struct Automerge;

fn actor_id(actor: u64) -> ActorId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&actor.to_le_bytes());
    ActorId::from(bytes)
}

impl Engine for Automerge {
    const NAME: &'static str = "Automerge";
    type Document = Document;

    fn create(task: &Task, actor: u64) -> Result<Document> {
        let mut document = Document::new().with_actor(actor_id(actor));
        let mut transaction = document.transaction();
        transaction.put(ROOT, "title", task.title.as_str())?;
        transaction.put(ROOT, "done", task.done)?;
        transaction.put(ROOT, "assignee", task.assignee.as_str())?;
        transaction.put(ROOT, "created", ScalarValue::Timestamp(task.created))?;
        transaction.put(ROOT, "tags", task.tags.as_str())?;
        transaction.commit();
        Ok(document)
    }

    fn save(document: &mut Document) -> Result<Vec<u8>> {
        Ok(document.save())
    }

    fn load(saved: &[u8], changes: &[Vec<u8>], actor: u64) -> Result<Document> {
        let mut document = Document::load(saved)?.with_actor(actor_id(actor));
        for change in changes {
            document.load_incremental(change)?;
        }
        Ok(document)
    }

    fn read(document: &Document) -> Result<Task> {
        let get = |name: &str| match document.get(ROOT, name)? {
            Some((Value::Scalar(value), _)) => Ok(value.into_owned()),
            other => bail!("{name} is {other:?}"),
        };
        let text = |name: &str| match get(name)? {
            ScalarValue::Str(text) => Ok(text.to_string()),
            other => bail!("{name} is {other:?}"),
        };
        Ok(Task {
            title: text("title")?,
            done: get("done")? == ScalarValue::Boolean(true),
            assignee: text("assignee")?,
            created: match get("created")? {
                ScalarValue::Timestamp(created) => created,
                other => bail!("created is {other:?}"),
            },
            tags: text("tags")?,
        })
    }

    fn set_title(document: &mut Document, title: &str) -> Result<Vec<u8>> {
        let before = document.get_heads();
        let mut transaction = document.transaction();
        transaction.put(ROOT, "title", title)?;
        transaction.commit();
        Ok(document.save_after(&before))
    }
}

impl Replicated for Automerge {
    /// Messages of its sync protocol, until neither has one.
    fn sync(a: &mut Document, b: &mut Document) -> Result<u64> {
        let (mut of_a, mut of_b) = (State::new(), State::new());
        let mut sent = 0;
        loop {
            let there = a.generate_sync_message(&mut of_a);
            if let Some(message) = &there {
                let bytes = message.clone().encode();
                sent += bytes.len() as u64;
                b.receive_sync_message(&mut of_b, Message::decode(&bytes)?)?;
            }
            let back = b.generate_sync_message(&mut of_b);
            if let Some(message) = &back {
                let bytes = message.clone().encode();
                sent += bytes.len() as u64;
                a.receive_sync_message(&mut of_a, Message::decode(&bytes)?)?;
            }
            if there.is_none() && back.is_none() {
                return Ok(sent);
            }
        }
    }
}

pub(super) struct AutomergeText {
    document: Document,
    text: ObjId,
}

impl Typed for AutomergeText {
    const NAME: &'static str = "Automerge";

    fn new() -> Result<AutomergeText> {
        let mut document = Document::new_with_encoding(TextEncoding::Utf16CodeUnit);
        let mut transaction = document.transaction();
        let text = transaction.put_object(ROOT, "text", ObjType::Text)?;
        transaction.commit();
        Ok(AutomergeText { document, text })
    }

    fn edit(&mut self, from: usize, delete: usize, insert: &str) -> Result<Vec<u8>> {
        let mut transaction = self.document.transaction();
        transaction.splice_text(&self.text, from, delete as isize, insert)?;
        transaction.commit();
        // The change just made: what is kept of a keystroke.
        let change = self.document.get_last_local_change();
        Ok(change
            .context("a keystroke changes something")?
            .raw_bytes()
            .to_vec())
    }

    fn content(&self) -> String {
        self.document.text(&self.text).unwrap_or_default()
    }
}
