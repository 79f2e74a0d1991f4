//! Notes from wherever they are, written into a space.

use dxos_client::Space;

use super::links::{Index, note_links};
use super::note::{note_id, read_note};
use crate::{ExchangeError, Progress, Put, Report};

/// Writes notes into a space. `source` names where they are from: notes of one source and path are the same documents.
/// `read` gives the bytes of the path of a number, or why there are none.
///
/// # Errors
/// When the space takes no writes any more. What was written stays, and the same call goes on from there.
pub async fn import_notes(
    space: &Space,
    source: &str,
    paths: &[String],
    mut read: impl FnMut(usize) -> Result<Vec<u8>, String>,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let mut index = Index::default();
    for path in paths {
        index.add(path, note_id(space.id(), source, path));
    }
    let count = paths.len() as u64;
    let mut put = Put::new(space, report);
    for (number, path) in paths.iter().enumerate() {
        progress(number as u64, count);
        let note = read(number).and_then(|bytes| read_note(space.id(), source, path, &bytes));
        match note {
            Ok(mut note) => {
                note_links(&mut note.object, path, &index);
                if let Some(why) = note.changed {
                    put.report().change(path.clone(), why);
                }
                put.add(path.clone(), note.object).await?;
            }
            Err(reason) => put.report().leave(path.clone(), reason),
        }
    }
    put.finish().await?;
    progress(count, count);
    Ok(())
}
