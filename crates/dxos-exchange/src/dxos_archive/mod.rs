//! The space archive of the original DXOS client, read: a tar of `metadata.json` and Automerge documents. Native only.
//!
//! ```text
//! metadata.json        {version, originalSpaceId, createdAt, echo: {currentRootUrl: "automerge:ID"}}
//! documents/ID.bin     Automerge: {version, access, objects: {OBJECT: {system, meta, data}}, links: {OBJECT: "automerge:ID"}}
//! ```
//! The root document links to the others, mostly one per object. Everything about it is taken as a hint: without metadata
//! the root is the document that links most; members in folders, packed by gzip or in any order are read as well.
//!
//! Not here: writing such an archive, history within the documents.

mod assemble;
mod bounds;
mod document;
mod import;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;

use dxos_base::{PlainObject, SpaceId, limits};
use serde_json::Value as Json;

use crate::ReadError;
use document::Document;

pub use import::import;

/// What an archive holds.
#[derive(Debug, Default)]
pub struct SpaceArchive {
    /// The space it was exported from, where this is told in a form known here.
    pub space: Option<SpaceId>,
    /// The name of that space.
    pub name: Option<String>,
    /// Its objects, by id. References to objects of the same space name no space.
    pub objects: Vec<PlainObject>,
    /// What was taken in another form: which, why.
    pub changed: Vec<(String, String)>,
    /// What was not taken: which, why.
    pub left: Vec<(String, String)>,
}

/// Reads a whole archive.
///
/// # Errors
/// When it is no tar with documents in it, or over a limit. A document or object that cannot be read is told in
/// [`SpaceArchive::left`] instead.
pub fn read(mut archive: impl Read) -> Result<SpaceArchive, ReadError> {
    let mut head = [0; 2];
    let mut filled = 0;
    while filled < head.len() {
        match archive.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::io("the archive", error)),
        }
    }
    let whole = head[..filled].chain(archive);
    match head {
        [0x1f, 0x8b] => members(flate2::read::MultiGzDecoder::new(whole)),
        _ => members(whole),
    }
}

/// Whether bytes begin a tar that may be such an archive.
pub fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn members(tar: impl Read) -> Result<SpaceArchive, ReadError> {
    let damaged = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => too_large(),
        _ => ReadError::format("the archive", error),
    };
    let mut tar = tar::Archive::new(Bounded {
        inner: tar,
        left: limits::ARCHIVE_BYTES_MAX,
    });
    let mut out = SpaceArchive::default();
    let mut metadata = None;
    let mut documents: BTreeMap<String, Document> = BTreeMap::new();
    for (count, entry) in tar.entries().map_err(damaged)?.enumerate() {
        if count >= limits::ARCHIVE_FILES_MAX {
            return Err(too_large());
        }
        let mut entry = match entry {
            Ok(entry) => entry,
            // What was read until here is whole.
            Err(error)
                if !documents.is_empty() && error.kind() != std::io::ErrorKind::FileTooLarge =>
            {
                out.left
                    .push(("the rest of the archive".into(), error.to_string()));
                break;
            }
            Err(error) => return Err(damaged(error)),
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            if !entry.header().entry_type().is_dir() {
                out.left.push((name, "is no file".into()));
            }
            continue;
        }
        let mut bytes = Vec::new();
        let read = entry
            .by_ref()
            .take(limits::IMPORT_FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes);
        let announced = entry.size();
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                return Err(too_large());
            }
            Err(error) => {
                out.left.push((name, error.to_string()));
                continue;
            }
            Ok(_) if bytes.len() > limits::IMPORT_FILE_BYTES_MAX => {
                out.left.push((name, "is larger than 64 MiB".into()));
                continue;
            }
            Ok(read) if (read as u64) < announced => {
                out.left.push((name, "is cut off".into()));
                continue;
            }
            Ok(_) => {}
        }
        let base = name.rsplit('/').next().unwrap_or_default();
        if base == "metadata.json" {
            match serde_json::from_slice::<Json>(&bytes) {
                Ok(json) => metadata = Some(json),
                Err(error) => out.left.push((name, error.to_string())),
            }
        } else if let Some(id) = base.strip_suffix(".bin") {
            match document::read(&bytes) {
                Ok(document) => drop(documents.insert(id.to_owned(), document)),
                Err(reason) => {
                    documents.insert(id.to_owned(), Document::unreadable(reason.clone()));
                    out.left.push((name, reason));
                }
            }
        } else {
            out.left
                .push((name, "is no part of a space that is known here".into()));
        }
    }
    if documents.is_empty() && metadata.is_none() {
        return Err(ReadError::format(
            "the archive",
            "there are no documents of a DXOS space in it",
        ));
    }
    assemble::assemble(&mut out, metadata.as_ref(), documents)?;
    Ok(out)
}

fn too_large() -> ReadError {
    ReadError::too_large(
        "the archive",
        format!(
            "more than {} bytes unpacked, or too many files",
            limits::ARCHIVE_BYTES_MAX
        ),
    )
}

/// Ends with an error, not silently, where a stream is longer than it may be.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}
