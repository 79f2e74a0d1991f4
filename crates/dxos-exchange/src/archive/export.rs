//! An archive, written.

use std::io::{Seek, Write};

use dxos_base::json::to_json;
use dxos_client::Space;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::{FORMAT, MANIFEST, Manifest, OBJECTS, VERSION};
use crate::{ExchangeError, Progress, Report, all, everything};

/// Writes all of a space into `into`: the same bytes for the same state.
///
/// # Errors
/// When the space cannot be read, or `into` not be written.
pub async fn export(
    space: &Space,
    into: impl Write + Seek,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let wrong = |error: &dyn std::error::Error| ExchangeError::Write {
        what: "the archive".into(),
        source: std::io::Error::other(error.to_string()),
    };
    // No time of packing: it would make the same state other bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(into);
    zip.start_file(OBJECTS, options.large_file(true))
        .map_err(|error| wrong(&error))?;
    let mut count = 0;
    all(space, everything(), |object| {
        let mut line = to_json(&object, space.id()).to_string();
        line.push('\n');
        count += 1;
        progress(count, 0);
        zip.write_all(line.as_bytes())
            .map_err(|error| wrong(&error))
    })
    .await?;
    let manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        space: space.id(),
        name: space.name(),
        objects: count,
    };
    let mut json = serde_json::to_string_pretty(&manifest).map_err(|error| wrong(&error))?;
    json.push('\n');
    zip.start_file(MANIFEST, options)
        .map_err(|error| wrong(&error))?;
    zip.write_all(json.as_bytes())
        .map_err(|error| wrong(&error))?;
    zip.finish().map_err(|error| wrong(&error))?;
    report.taken += count;
    progress(count, count);
    Ok(())
}
