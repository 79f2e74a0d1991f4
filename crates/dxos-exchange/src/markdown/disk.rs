//! Files of an export, written into a folder: native only.
//!
//! A file is written beside its place and moved there when it is whole. Nothing is written outside of the folder, whatever
//! a document says its path is: names are checked one by one, and links of the file system are not followed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use dxos_client::Space;

use super::export::export_notes;
use crate::{ExchangeError, Progress, Report};

/// What to do with a file that is there with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Leave it, and say so.
    Keep,
    /// Write over it.
    Write,
}

/// Writes all documents of a space into a folder.
///
/// # Errors
/// When the space cannot be read, or the folder takes no files any more. What was written is whole.
pub async fn export_folder(
    space: &Space,
    folder: &Path,
    over: Over,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let files = export_notes(space, report).await?;
    fs::create_dir_all(folder)
        .map_err(|error| ExchangeError::write(folder.display().to_string(), error))?;
    let count = files.len() as u64;
    let mut made = BTreeSet::new();
    for (done, (path, text)) in files.into_iter().enumerate() {
        progress(done as u64, count);
        match put_file(folder, &path, text.as_bytes(), over, &mut made) {
            Ok(Put::Written) => report.taken += 1,
            Ok(Put::Same) => report.unchanged += 1,
            Ok(Put::Other) => {
                report.kept += 1;
                report.leave(path, "is there with other content, which stays");
            }
            Err(error) if ends(&error) => return Err(ExchangeError::write(path, error)),
            Err(error) => report.leave(path, error),
        }
    }
    progress(count, count);
    Ok(())
}

/// Whether other files will fail too.
fn ends(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    )
}

enum Put {
    Written,
    Same,
    Other,
}

fn put_file(
    folder: &Path,
    path: &str,
    bytes: &[u8],
    over: Over,
    made: &mut BTreeSet<PathBuf>,
) -> io::Result<Put> {
    let mut at = folder.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        at.push(name);
        if names.peek().is_none() || made.contains(&at) {
            continue;
        }
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(io::Error::other(
                    "a folder on its way is something else here",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
            Err(error) => return Err(error),
        }
        made.insert(at.clone());
    }
    match fs::symlink_metadata(&at) {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::other("something else is at its place"));
        }
        Ok(found) => {
            let mut present = Vec::new();
            if found.len() == bytes.len() as u64 {
                fs::File::open(&at)?
                    .take(found.len() + 1)
                    .read_to_end(&mut present)?;
            }
            if present == bytes && found.len() == bytes.len() as u64 {
                return Ok(Put::Same);
            }
            if over == Over::Keep {
                return Ok(Put::Other);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let beside = at.with_file_name(format!(".dxos-{}.part", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&beside, &at)
    })();
    if written.is_err() {
        // It is only half of something.
        let _ = fs::remove_file(&beside);
    }
    written.map(|()| Put::Written)
}
