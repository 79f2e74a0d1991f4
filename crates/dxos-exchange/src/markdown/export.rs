//! Documents of a space as the files of a folder: paths, none twice and none that leads out of it, and contents.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{ObjectId, PlainObject, Query, SpaceId};
use dxos_client::Space;

use super::links::{Index, written_anew};
use super::note::{TYPE_NAME, place, stem, write_note};
use crate::fetch::ids;
use crate::{ExchangeError, Report, all};

/// All documents of a space as files: path, content.
///
/// # Errors
/// When the space cannot be read.
pub async fn export_notes(
    space: &Space,
    report: &mut Report,
) -> Result<Vec<(String, String)>, ExchangeError> {
    let mut documents: Vec<PlainObject> = Vec::new();
    all(space, Query::of_type(TYPE_NAME), |object| {
        documents.push(object);
        Ok(())
    })
    .await?;
    let others = ids(space, Query::all())
        .await?
        .len()
        .saturating_sub(documents.len());
    if others > 0 {
        let why = "are no documents; an archive of the space holds everything";
        report.leave(format!("{others} objects"), why);
    }
    Ok(files(space.id(), &documents, report))
}

/// Paths and contents of documents, none twice.
fn files(space: SpaceId, documents: &[PlainObject], report: &mut Report) -> Vec<(String, String)> {
    let mut paths: BTreeMap<ObjectId, String> = BTreeMap::new();
    let mut with_title = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let mut index = Index::default();
    for document in documents {
        let (path, in_front) = place(document);
        let path = match is_inside(&path) {
            true => path,
            false => {
                let safe = format!("{}.md", document.object);
                report.change(
                    path,
                    format!("is no path within a folder; written as {safe}"),
                );
                safe
            }
        };
        let mut free = path.clone();
        let mut number = 1;
        while !taken.insert(free.clone()) {
            number += 1;
            let cut =
                path.len() - path.rsplit('/').next().unwrap_or_default().len() + stem(&path).len();
            free = format!("{} ({number}){}", &path[..cut], &path[cut..]);
        }
        if free != path {
            report.change(
                path,
                format!("stands for two documents; one is written as {free}"),
            );
        }
        if in_front {
            with_title.insert(document.object);
        }
        index.add(&free, document.object);
        paths.insert(document.object, free);
    }
    documents
        .iter()
        .map(|document| {
            let path = &paths[&document.object];
            let content = written_anew(document, path, &index, &paths);
            let in_front = with_title.contains(&document.object);
            (
                path.clone(),
                write_note(space, document, &content, in_front),
            )
        })
        .collect()
}

/// Whether a path stays in the folder it is joined to, on every system.
fn is_inside(path: &str) -> bool {
    let fits = |name: &str| {
        let is_drive = cfg!(windows) && name.contains(':');
        let is_name = !matches!(name, "" | "." | "..") && !name.contains(['\0', '\\']);
        is_name && !is_drive && name.len() <= 255
    };
    let is_hidden = path.starts_with('.') || path.contains("/.");
    path.split('/').all(fits)
        && !is_hidden
        && path.split('/').count() <= dxos_base::limits::FOLDER_DEPTH_MAX + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        for path in ["a.md", "a/b c.md", "é🎯/~$.md", "a/..b.md"] {
            assert!(is_inside(path) || path.contains("/."), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "../a.md",
            "a/../../b",
            "a//b",
            "a\\..\\b",
            ".git/config",
            "a/.ssh/x",
            "a\0",
        ] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
