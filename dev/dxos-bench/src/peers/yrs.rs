//! yrs (Yjs in Rust): a document's root map is the object.

use anyhow::{Context as _, Result, bail};
use yrs::updates::decoder::Decode as _;
use yrs::updates::encoder::Encode as _;
use yrs::{
    Any, Doc, GetString as _, Map as _, OffsetKind, Options, Out, ReadTxn as _, StateVector,
    Text as _, TextRef, Transact as _, Update,
};

use super::{Engine, Replicated, Task, Typed};

const ROOT: &str = "object";

pub(super) struct Yrs;

impl Engine for Yrs {
    const NAME: &'static str = "yrs";
    type Document = Doc;

    fn create(task: &Task, actor: u64) -> Result<Doc> {
        let document = Doc::with_client_id(actor);
        let root = document.get_or_insert_map(ROOT);
        let mut transaction = document.transact_mut();
        root.insert(&mut transaction, "title", task.title.as_str());
        root.insert(&mut transaction, "done", task.done);
        root.insert(&mut transaction, "assignee", task.assignee.as_str());
        root.insert(&mut transaction, "created", task.created);
        root.insert(&mut transaction, "tags", task.tags.as_str());
        drop(transaction);
        Ok(document)
    }

    fn save(document: &mut Doc) -> Result<Vec<u8>> {
        let transaction = document.transact();
        Ok(transaction.encode_state_as_update_v1(&StateVector::default()))
    }

    fn load(saved: &[u8], changes: &[Vec<u8>], actor: u64) -> Result<Doc> {
        let document = Doc::with_client_id(actor);
        document.get_or_insert_map(ROOT);
        let mut transaction = document.transact_mut();
        for update in std::iter::once(saved).chain(changes.iter().map(Vec::as_slice)) {
            transaction.apply_update(Update::decode_v1(update)?)?;
        }
        drop(transaction);
        Ok(document)
    }

    fn read(document: &Doc) -> Result<Task> {
        let root = document.get_or_insert_map(ROOT);
        let transaction = document.transact();
        let get = |name: &str| match root.get(&transaction, name) {
            Some(Out::Any(value)) => Ok(value),
            other => bail!("{name} is {other:?}"),
        };
        let text = |name: &str| match get(name)? {
            Any::String(text) => Ok(text.to_string()),
            other => bail!("{name} is {other:?}"),
        };
        Ok(Task {
            title: text("title")?,
            done: get("done")? == Any::Bool(true),
            assignee: text("assignee")?,
            created: match get("created")? {
                Any::Number(created) => created.as_i64().context("created is a whole number")?,
                other => bail!("created is {other:?}"),
            },
            tags: text("tags")?,
        })
    }

    fn set_title(document: &mut Doc, title: &str) -> Result<Vec<u8>> {
        let root = document.get_or_insert_map(ROOT);
        let mut transaction = document.transact_mut();
        root.insert(&mut transaction, "title", title);
        Ok(transaction.encode_update_v1())
    }
}

impl Replicated for Yrs {
    /// State vectors, then what each lacks. A state vector says nothing of deletions, so the one asked always answers.
    fn sync(a: &mut Doc, b: &mut Doc) -> Result<u64> {
        let ours = a.transact().state_vector();
        let theirs = b.transact().state_vector();
        let asked = ours.encode_v1();
        let answer = b.transact().encode_diff_v1(&ours);
        let mut sent = asked.len() + theirs.encode_v1().len() + answer.len();
        a.transact_mut().apply_update(Update::decode_v1(&answer)?)?;
        if ours != theirs {
            let rest = a.transact().encode_diff_v1(&theirs);
            sent += rest.len();
            b.transact_mut().apply_update(Update::decode_v1(&rest)?)?;
        }
        Ok(sent as u64)
    }
}

pub(super) struct YrsText {
    document: Doc,
    text: TextRef,
}

impl Typed for YrsText {
    const NAME: &'static str = "yrs";

    fn new() -> Result<YrsText> {
        let options = Options {
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        };
        let document = Doc::with_options(options);
        let text = document.get_or_insert_text("text");
        Ok(YrsText { document, text })
    }

    fn edit(&mut self, from: usize, delete: usize, insert: &str) -> Result<Vec<u8>> {
        let from = u32::try_from(from).context("a text of more than 4 GiB")?;
        let mut transaction = self.document.transact_mut();
        if delete > 0 {
            self.text
                .remove_range(&mut transaction, from, delete as u32);
        }
        if !insert.is_empty() {
            self.text.insert(&mut transaction, from, insert);
        }
        Ok(transaction.encode_update_v1())
    }

    fn content(&self) -> String {
        self.text.get_string(&self.document.transact())
    }
}
