//! SQLite alone: an object is an encoded row. Nothing merges; what it costs to keep bytes at all.

use anyhow::Result;
use dxos_base::Value;

use super::{Engine, Task};

pub(super) struct Rows;

/// Values in a fixed order, and their encoding.
type Row = (String, bool, String, i64, String);

impl Engine for Rows {
    const NAME: &'static str = "SQLite rows";
    type Document = Task;

    fn create(task: &Task, _: u64) -> Result<Task> {
        Ok(task.clone())
    }

    fn save(task: &mut Task) -> Result<Vec<u8>> {
        let Task {
            title,
            done,
            assignee,
            created,
            tags,
        } = task.clone();
        let row: Row = (title, done, assignee, created, tags);
        Ok(dxos_base::encode(&row))
    }

    fn load(saved: &[u8], changes: &[Vec<u8>], _: u64) -> Result<Task> {
        let (title, done, assignee, created, tags): Row = dxos_base::decode(saved, saved.len())?;
        let mut task = Task {
            title,
            done,
            assignee,
            created,
            tags,
        };
        for change in changes {
            if let Value::String(title) = dxos_base::decode(change, change.len())? {
                task.title = title;
            }
        }
        Ok(task)
    }

    fn read(task: &Task) -> Result<Task> {
        Ok(task.clone())
    }

    fn set_title(task: &mut Task, title: &str) -> Result<Vec<u8>> {
        task.title = title.to_owned();
        Ok(dxos_base::encode(&Value::String(title.to_owned())))
    }
}
