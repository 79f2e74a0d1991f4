//! A folder of notes, read: native only. Links of the file system are not followed, hidden files left alone.

use std::collections::VecDeque;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dxos_base::limits;
use dxos_client::Space;

use super::import::import_notes;
use crate::{ExchangeError, Progress, ReadError, Report};

/// Writes the notes of a folder, or one note, into a space. `source` names the folder: notes of one source and path are
/// the same documents.
///
/// # Errors
/// When the folder cannot be read at all, or the space takes no writes any more. What was written stays, and the same
/// call goes on from there.
pub async fn import_folder(
    space: &Space,
    folder: &Path,
    source: &str,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let notes = walk(folder, report)?;
    let paths: Vec<String> = notes.iter().map(|(path, _)| path.clone()).collect();
    let read = |number: usize| bytes_of(&notes[number].1);
    import_notes(space, source, &paths, read, report, progress).await
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let max = limits::IMPORT_FILE_BYTES_MAX;
    let read =
        fs::File::open(file).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() > max => Err("is larger than 64 MiB".into()),
        Ok(_) => Ok(bytes),
    }
}

/// All notes below a folder, by path, in order; what is none goes into the report.
fn walk(root: &Path, report: &mut Report) -> Result<Vec<(String, PathBuf)>, ReadError> {
    let wrong = |error| ReadError::io(root.display().to_string(), error);
    if !fs::metadata(root).map_err(wrong)?.is_dir() {
        let name = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return Ok(vec![(name, root.to_owned())]);
    }
    let mut notes = Vec::new();
    let mut folders = VecDeque::from([(String::new(), root.to_owned(), 0)]);
    let mut count = 0;
    while let Some((path, folder, depth)) = folders.pop_front() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(wrong(error)),
            Err(error) => {
                report.leave(path, error);
                continue;
            }
        };
        for entry in entries {
            count += 1;
            if count > limits::ARCHIVE_FILES_MAX {
                return Err(ReadError::too_large(
                    root.display().to_string(),
                    "too many files",
                ));
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    report.leave(path.clone(), error);
                    continue;
                }
            };
            let file_name = entry.file_name();
            let join = |name: &str| match path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            let Some(name) = file_name.to_str() else {
                report.leave(join(&file_name.to_string_lossy()), "its name is no Unicode");
                continue;
            };
            let path = join(name);
            let lower = name.to_ascii_lowercase();
            match entry.file_type() {
                Err(error) => report.leave(path, error),
                Ok(kind) if kind.is_symlink() => {
                    report.leave(path, "is a link of the file system; those are not followed")
                }
                Ok(_) if name.starts_with('.') => report.leave(path, "is hidden"),
                Ok(kind) if kind.is_dir() && depth >= limits::FOLDER_DEPTH_MAX => {
                    report.leave(path, "stands too deep")
                }
                Ok(kind) if kind.is_dir() => folders.push_back((path, entry.path(), depth + 1)),
                Ok(kind) if !kind.is_file() => report.leave(path, "is no file"),
                Ok(_) if lower.ends_with(".md") || lower.ends_with(".markdown") => {
                    notes.push((path, entry.path()))
                }
                Ok(_) => report.leave(path, "is an attachment; those cannot be kept yet"),
            }
        }
    }
    notes.sort();
    Ok(notes)
}
