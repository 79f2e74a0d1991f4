//! Ten thousand Markdown notes into a profile and out again, as `dx import` and `dx export` do it. The notes come out
//! byte for byte, and after a word was changed in every tenth, in all but those.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use dxos_client::native::{self, Config};
use dxos_client::{Client, Space, TextAddress, TextChange, TextSink};
use dxos_exchange::Report;
use dxos_exchange::markdown::{self, Over, generate, note_id};

use crate::Options;
use crate::measure::{Outcome, quantile};

const NOTES: usize = 10_000;
const SOURCE: &str = "notes";

/// From the folder until all is sealed and on disk; from there into an empty folder.
pub(crate) fn notes(options: &Options) -> Result<Vec<Outcome>> {
    let notes = generate::notes(1, NOTES);
    let dir = tempfile::tempdir()?;
    let from = dir.path().join("from");
    write(&from, &notes)?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let at = dir.path().join(round.to_string());
        let config = Config {
            profile: at.join("profile"),
            // Nobody listens there: this is about one device.
            signal_url: "ws://127.0.0.1:9/signal".into(),
        };
        let (import, export) = native::run(round_of(config, &notes, &from, &at))??;
        imports.push(import);
        exports.push(export);
        fs::remove_dir_all(&at)?;
    }
    Ok(vec![
        Outcome::new("import_10k_notes_s", quantile(&mut imports, 0.5), "s wall"),
        Outcome::new("export_10k_notes_s", quantile(&mut exports, 0.5), "s wall"),
    ])
}

/// Seconds of an import and of an export.
async fn round_of(
    config: Config,
    notes: &[(String, Vec<u8>)],
    from: &Path,
    at: &Path,
) -> Result<(f64, f64)> {
    let native = native::open(config).await?;
    let client = native.client();
    client.create_identity("Ada", "desk", "bench").await?;
    let space = client.spaces().create("Notes").await?;

    let started = Instant::now();
    let mut report = Report::default();
    markdown::import_folder(&space, from, SOURCE, &mut report, &mut |_, _| {}).await?;
    client.flush().await?;
    let import = started.elapsed().as_secs_f64();
    ensure!(report.taken as usize == notes.len(), "not all were taken");

    let to = at.join("to");
    let started = Instant::now();
    export_to(&space, &to).await?;
    let export = started.elapsed().as_secs_f64();
    let mut wanted: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (path, bytes) in notes {
        wanted.insert(path, bytes.clone());
    }
    same(&to, &wanted)?;

    for (number, text) in generate::edited(notes) {
        let path = &notes[number].0;
        change_a_word(client, &space, path).await?;
        wanted.insert(path, text.into_bytes());
    }
    let edited = at.join("edited");
    export_to(&space, &edited).await?;
    same(&edited, &wanted)?;
    native.close().await;
    Ok((import, export))
}

async fn export_to(space: &Space, folder: &Path) -> Result<()> {
    let mut report = Report::default();
    markdown::export_folder(space, folder, Over::Keep, &mut report, &mut |_, _| {}).await?;
    Ok(())
}

async fn change_a_word(client: &Client, space: &Space, path: &str) -> Result<()> {
    let address = TextAddress {
        space: space.id(),
        object: note_id(space.id(), SOURCE, path),
        property: "content".into(),
    };
    let sink = TextSink::new(|_| {}, |_| {}, |_| {});
    let session = client.open_text(address, sink).await?;
    let content = session.content();
    let at = content.find(generate::WORD).context("no word to change")?;
    session.edit(vec![TextChange {
        from: dxos_base::text::units(&content[..at]),
        delete: dxos_base::text::units(generate::WORD),
        insert: "changed".into(),
    }])?;
    client.flush().await?;
    Ok(())
}

fn write(folder: &Path, notes: &[(String, Vec<u8>)]) -> Result<()> {
    for (path, bytes) in notes {
        let at = folder.join(path);
        fs::create_dir_all(at.parent().context("a note is in a folder")?)?;
        fs::write(at, bytes)?;
    }
    Ok(())
}

/// A folder holds these files and nothing else.
fn same(folder: &Path, wanted: &BTreeMap<&str, Vec<u8>>) -> Result<()> {
    for (path, bytes) in wanted {
        let found = fs::read(folder.join(path)).with_context(|| format!("{path:?}"))?;
        ensure!(found == *bytes, "{path:?} did not come out as it should");
    }
    let mut folders = vec![folder.to_owned()];
    let mut count = 0;
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => count += 1,
            }
        }
    }
    ensure!(count == wanted.len(), "{count} files came out");
    Ok(())
}
