//! A read archive, written into a space.

use dxos_client::Space;

use super::SpaceArchive;
use crate::{ExchangeError, Progress, Put, Report};

/// Writes the objects of an archive into a space, under their ids; deleted ones as deleted.
///
/// # Errors
/// When the space takes no writes any more. What was written stays, and the same call goes on from there.
pub async fn import(
    space: &Space,
    archive: SpaceArchive,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    for (what, why) in archive.changed {
        report.change(what, why);
    }
    for (what, why) in archive.left {
        report.leave(what, why);
    }
    let count = archive.objects.len() as u64;
    let mut put = Put::new(space, report);
    for (done, object) in archive.objects.into_iter().enumerate() {
        progress(done as u64, count);
        put.add(format!("object {}", object.object), object).await?;
    }
    put.finish().await?;
    progress(count, count);
    Ok(())
}
