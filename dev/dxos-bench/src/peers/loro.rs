//! Loro: a document's root map is the object. Documents are kept as updates, which are smaller than snapshots at this
//! size.

use anyhow::{Result, bail};
use loro::{ExportMode, LoroDoc, LoroValue, ValueOrContainer, VersionVector};

use super::{Engine, Replicated, Task, Typed};

const ROOT: &str = "object";

pub(super) struct Loro;

impl Engine for Loro {
    const NAME: &'static str = "Loro";
    type Document = LoroDoc;

    fn create(task: &Task, actor: u64) -> Result<LoroDoc> {
        let document = LoroDoc::new();
        document.set_peer_id(actor)?;
        let root = document.get_map(ROOT);
        root.insert("title", task.title.as_str())?;
        root.insert("done", task.done)?;
        root.insert("assignee", task.assignee.as_str())?;
        root.insert("created", task.created)?;
        root.insert("tags", task.tags.as_str())?;
        document.commit();
        Ok(document)
    }

    fn save(document: &mut LoroDoc) -> Result<Vec<u8>> {
        Ok(document.export(ExportMode::all_updates())?)
    }

    fn load(saved: &[u8], changes: &[Vec<u8>], actor: u64) -> Result<LoroDoc> {
        let document = LoroDoc::new();
        document.set_peer_id(actor)?;
        document.import(saved)?;
        for change in changes {
            document.import(change)?;
        }
        Ok(document)
    }

    fn read(document: &LoroDoc) -> Result<Task> {
        let root = document.get_map(ROOT);
        let get = |name: &str| match root.get(name) {
            Some(ValueOrContainer::Value(value)) => Ok(value),
            other => bail!("{name} is {other:?}"),
        };
        let text = |name: &str| match get(name)? {
            LoroValue::String(text) => Ok(text.to_string()),
            other => bail!("{name} is {other:?}"),
        };
        Ok(Task {
            title: text("title")?,
            done: get("done")? == LoroValue::Bool(true),
            assignee: text("assignee")?,
            created: match get("created")? {
                LoroValue::I64(created) => created,
                other => bail!("created is {other:?}"),
            },
            tags: text("tags")?,
        })
    }

    fn set_title(document: &mut LoroDoc, title: &str) -> Result<Vec<u8>> {
        let before = document.oplog_vv();
        document.get_map(ROOT).insert("title", title)?;
        document.commit();
        Ok(document.export(ExportMode::updates(&before))?)
    }
}

impl Replicated for Loro {
    /// Version vectors, then what each lacks.
    fn sync(a: &mut LoroDoc, b: &mut LoroDoc) -> Result<u64> {
        let (ours, theirs) = (a.oplog_vv(), b.oplog_vv());
        let mut sent = ours.encode().len();
        if ours == theirs {
            return Ok(sent as u64);
        }
        sent += theirs.encode().len();
        let mut bring = |from: &LoroDoc, to: &LoroDoc, has: &VersionVector| -> Result<()> {
            let update = from.export(ExportMode::updates(has))?;
            sent += update.len();
            to.import(&update)?;
            Ok(())
        };
        bring(b, a, &ours)?;
        bring(a, b, &theirs)?;
        Ok(sent as u64)
    }
}

pub(super) struct LoroText(LoroDoc);

impl Typed for LoroText {
    const NAME: &'static str = "Loro";

    fn new() -> Result<LoroText> {
        let document = LoroDoc::new();
        document.set_peer_id(1)?;
        Ok(LoroText(document))
    }

    fn edit(&mut self, from: usize, delete: usize, insert: &str) -> Result<Vec<u8>> {
        let before = self.0.oplog_vv();
        let text = self.0.get_text("text");
        if delete > 0 {
            text.delete_utf16(from, delete)?;
        }
        if !insert.is_empty() {
            text.insert_utf16(from, insert)?;
        }
        self.0.commit();
        Ok(self.0.export(ExportMode::updates(&before))?)
    }

    fn content(&self) -> String {
        self.0.get_text("text").to_string()
    }
}
