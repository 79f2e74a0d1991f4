//! Data that comes and goes: `dx import`, `dx export`. What is what is told by content first, then by name.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dxos_base::{ForeignKey, ObjectWrite, SpaceId};
use dxos_client::Space;
use dxos_exchange::{
    Effect, ExchangeError, ReadError, Report, archive, dxos_archive, markdown, table,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::commands::{find_space, identity_of};
use super::documents::deliver;
use super::failed::{Failed, Kind};
use super::{At, Options, say};

/// Lines of a report that are printed; the rest is counted.
const LINES_MAX: usize = 40;

/// Which form data has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An archive of a space (zip; docs/formats.md).
    Archive,
    /// A space archive of the original DXOS client (tar). Only read.
    Dxos,
    /// A folder of Markdown notes, or one note.
    Markdown,
    /// A table: comma-separated values.
    Csv,
    /// Objects of one type as a JSON list.
    Json,
}

/// What to take in.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The file or folder.
    path: PathBuf,
    /// The space (name or id) to import into; else the personal one, and a new one for archives.
    #[arg(long)]
    space: Option<String>,
    /// What it is; else told by its content and name.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Type of the objects of a table, NAME@VERSION.
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// What the source is called: the same name and content make the same objects. Else the name of the file or folder.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    pub(super) options: Options,
}

/// What to write out.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The file or folder to write.
    path: PathBuf,
    /// The space (name or id); else the personal one.
    #[arg(long)]
    space: Option<String>,
    /// In which form; else told by the name: .zip, .csv, .json, or a folder of notes.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only objects of this type; needed for tables.
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// Writes over files that are there with other content.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) options: Options,
}

pub(super) async fn import(at: &At, arguments: ImportArguments) -> Result<(), Failed> {
    identity_of(at).await?;
    let path = &arguments.path;
    let format = match arguments.format {
        Some(format) => format,
        None => format_of(path)?,
    };
    let source = match &arguments.source {
        Some(source) => source.clone(),
        None => source_of(path),
    };
    let mut report = Report::default();
    let mut bar = Bar::new();
    let mut space = None;
    let done = take(
        at,
        &arguments,
        format,
        &source,
        &mut report,
        &mut bar,
        &mut space,
    )
    .await;
    bar.end();
    // What came of it is told also when it did not come to its end.
    tell(&report, "imported");
    done?;
    at.client.flush().await?;
    if let Some(space) = space {
        say(space.id());
        deliver(at, space.id()).await;
    }
    Ok(())
}

async fn take(
    at: &At,
    arguments: &ImportArguments,
    format: Format,
    source: &str,
    report: &mut Report,
    bar: &mut Bar,
    into: &mut Option<Space>,
) -> Result<(), Failed> {
    let path = &arguments.path;
    let mut progress = |done, count| bar.show(done, count);
    match format {
        Format::Dxos => {
            let read = dxos_archive::read(BufReader::new(open(path)?))?;
            let name = read.name.clone().unwrap_or_else(|| source.to_owned());
            let key = read.space.map(|space| key_of(space, "org.dxos"));
            let space = target(at, arguments, &name, key).await?;
            *into = Some(space.clone());
            dxos_archive::import(&space, read, report, &mut progress).await?;
        }
        Format::Archive => {
            let mut read = archive::open(BufReader::new(open(path)?))?;
            let manifest = read.manifest();
            let name = match manifest.name.as_str() {
                "" => source.to_owned(),
                name => name.to_owned(),
            };
            let key = Some(key_of(manifest.space, archive::FORMAT));
            let space = target(at, arguments, &name, key).await?;
            *into = Some(space.clone());
            archive::import(&space, &mut read, report, &mut progress).await?;
        }
        Format::Markdown => {
            let space = target_or_personal(at, arguments).await?;
            *into = Some(space.clone());
            markdown::import_folder(&space, path, source, report, &mut progress).await?;
        }
        Format::Csv | Format::Json => {
            let space = target_or_personal(at, arguments).await?;
            *into = Some(space.clone());
            let type_name = arguments.type_name.clone().unwrap_or_default();
            let bytes = all_of(path)?;
            let how = table::Import {
                type_name: &type_name,
                source,
            };
            match format {
                Format::Csv => {
                    table::import_csv(&space, &bytes, how, report, &mut progress).await?
                }
                _ => table::import_json(&space, &bytes, how, report, &mut progress).await?,
            }
        }
    }
    Ok(())
}

pub(super) async fn export(at: &At, arguments: ExportArguments) -> Result<(), Failed> {
    identity_of(at).await?;
    let path = &arguments.path;
    let format = match arguments.format {
        Some(format) => format,
        None => match extension(path).as_str() {
            "zip" => Format::Archive,
            "csv" => Format::Csv,
            "json" => Format::Json,
            "" => Format::Markdown,
            _ if path.is_dir() => Format::Markdown,
            other => {
                let words = format!("what to write is not known by .{other}");
                return Err(Failed::new(Kind::Usage, words, "Say it: --format archive"));
            }
        },
    };
    let space = match &arguments.space {
        Some(space) => named(at, space).await?,
        None => at.client.spaces().personal().await,
    };
    let mut report = Report::default();
    let mut bar = Bar::new();
    let mut progress = |done, count| bar.show(done, count);
    let type_name = || {
        let given = arguments.type_name.as_deref();
        given.ok_or_else(|| Failed::usage("a table is of one type: --type org.example.Task"))
    };
    let done: Result<(), Failed> = match format {
        Format::Dxos => Err(Failed::usage("archives of the original are only read")),
        Format::Archive => {
            whole_file(path, arguments.force, async |file| {
                archive::export(&space, file, &mut report, &mut progress).await?;
                Ok(())
            })
            .await
        }
        Format::Markdown => {
            let over = match arguments.force {
                true => markdown::Over::Write,
                false => markdown::Over::Keep,
            };
            let done =
                markdown::export_folder(&space, path, over, &mut report, &mut progress).await;
            done.map_err(Failed::from)
        }
        Format::Csv | Format::Json => {
            let type_name = type_name()?;
            whole_file(path, arguments.force, async |file| {
                match format {
                    Format::Csv => table::export_csv(&space, type_name, file, &mut report).await?,
                    _ => table::export_json(&space, type_name, file, &mut report).await?,
                }
                Ok(())
            })
            .await
        }
    };
    bar.end();
    tell(&report, "exported");
    done
}

/// Writes a file beside its place and moves it there when it is whole.
async fn whole_file(
    path: &Path,
    force: bool,
    write: impl AsyncFnOnce(&mut File) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let wrong = |error: &std::io::Error| {
        Failed::new(
            Kind::Storage,
            format!("cannot write {}: {error}", path.display()),
            "",
        )
    };
    if path.exists() && !force {
        return Err(Failed::new(
            Kind::Usage,
            format!("{} is there already", path.display()),
            "Another name, or --force to write over it.",
        ));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = path.with_file_name(name);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&beside)
        .map_err(|error| wrong(&error))?;
    let done = write(&mut file).await;
    let done = done.and_then(|()| file.sync_all().map_err(|error| wrong(&error)));
    let done = done.and_then(|()| std::fs::rename(&beside, path).map_err(|error| wrong(&error)));
    if done.is_err() {
        // It is only half of something.
        let _ = std::fs::remove_file(&beside);
    }
    done
}

/// The space that is told, or that an earlier import of the same source made, or a new one.
async fn target(
    at: &At,
    arguments: &ImportArguments,
    name: &str,
    key: Option<ForeignKey>,
) -> Result<Space, Failed> {
    if let Some(space) = &arguments.space {
        return named(at, space).await;
    }
    let spaces = at.client.spaces();
    if let Some(key) = &key {
        for space in spaces.all() {
            let properties = space.properties().id();
            // A space that is closed here cannot be asked.
            let view = space.get_view(properties).await.ok().flatten();
            if view.is_some_and(|view| view.meta.keys.contains(key)) {
                return Ok(space);
            }
        }
    }
    let mut name: String = name.trim().to_owned();
    while name.len() > dxos_base::limits::NAME_BYTES_MAX {
        name.pop();
    }
    let space = spaces
        .create(if name.is_empty() { "Imported" } else { &name })
        .await?;
    if let Some(key) = key {
        let properties = space.properties();
        properties.update(|_| {}).await?;
        space
            .write(vec![ObjectWrite::add_key(properties.id(), key)])
            .await?;
    }
    Ok(space)
}

async fn target_or_personal(at: &At, arguments: &ImportArguments) -> Result<Space, Failed> {
    match &arguments.space {
        Some(space) => named(at, space).await,
        None => Ok(at.client.spaces().personal().await),
    }
}

async fn named(at: &At, wanted: &str) -> Result<Space, Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let space = find_space(&status, wanted)?.space;
    Ok(at.client.spaces().get(space)?)
}

fn key_of(space: SpaceId, source: &str) -> ForeignKey {
    ForeignKey {
        source: source.to_owned(),
        id: space.to_string(),
    }
}

fn extension(path: &Path) -> String {
    let extension = path
        .extension()
        .map(|text| text.to_string_lossy().to_lowercase());
    extension.unwrap_or_default()
}

/// The name of a file or folder, wherever it stands.
fn source_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

fn format_of(path: &Path) -> Result<Format, Failed> {
    if path.is_dir() {
        return Ok(Format::Markdown);
    }
    let mut head = Vec::new();
    let read = open(path)?.take(512).read_to_end(&mut head);
    read.map_err(|error| ReadError::Io {
        what: path.display().to_string(),
        source: error,
    })?;
    if archive::is_zip(&head) {
        return Ok(Format::Archive);
    }
    if dxos_archive::is_tar(&head) || head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Format::Dxos);
    }
    match extension(path).as_str() {
        "md" | "markdown" => Ok(Format::Markdown),
        "csv" | "tsv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        "tar" => Ok(Format::Dxos),
        _ => Err(Failed::new(
            Kind::Usage,
            format!("what {} is cannot be told", path.display()),
            "Say it: --format csv",
        )),
    }
}

fn open(path: &Path) -> Result<File, Failed> {
    File::open(path).map_err(|error| {
        Failed::new(
            Kind::Usage,
            format!("cannot read {}: {error}", path.display()),
            "",
        )
    })
}

/// All bytes of a file, within the limit of one.
fn all_of(path: &Path) -> Result<Vec<u8>, Failed> {
    let max = dxos_base::limits::IMPORT_FILE_BYTES_MAX;
    let mut bytes = Vec::new();
    let read = open(path)?.take(max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failed::input(&error))?;
    match bytes.len() > max {
        true => Err(Failed::usage("the file is larger than 64 MiB")),
        false => Ok(bytes),
    }
}

/// Prints what came of it: the numbers to standard error, as they are talk and no result.
fn tell(report: &Report, done: &str) {
    for note in report.notes().iter().take(LINES_MAX) {
        let effect = match note.effect {
            Effect::Changed => "changed",
            Effect::Left => "left out",
        };
        eprintln!(
            "{effect}: {}: {}",
            printable(&note.what),
            printable(&note.why)
        );
    }
    let more = report.notes().len().saturating_sub(LINES_MAX) as u64 + report.notes_more();
    if more > 0 {
        eprintln!("… and {more} more");
    }
    let mut words = format!("{} {done}", report.taken);
    for (count, what) in [
        (report.unchanged, "here already"),
        (report.kept, "here already with other values"),
        (report.changed, "taken in another form"),
        (report.left, "left out"),
    ] {
        if count > 0 {
            words += &format!(", {count} {what}");
        }
    }
    eprintln!("{words}");
}

/// Names come from anywhere: nothing of them may steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// A bar on a terminal, nothing elsewhere.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Bar {
        Bar::with("{bar:40} {pos}/{len}  {elapsed}")
    }

    pub(super) fn of_bytes() -> Bar {
        Bar::with("{bar:40} {bytes}/{total_bytes}  {elapsed}")
    }

    fn with(template: &str) -> Bar {
        if !std::io::stderr().is_terminal() {
            return Bar(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template);
        Bar(style.ok().map(|style| bar.with_style(style)))
    }

    pub(super) fn show(&mut self, done: u64, count: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(count);
            bar.set_position(done);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Failed::new(Kind::Usage, error.to_string(), "")
    }
}

impl From<ExchangeError> for Failed {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Read(error) => error.into(),
            ExchangeError::Node(failure) => failure.into(),
            ExchangeError::Sdk(error) => error.into(),
            other => Failed::new(
                Kind::Storage,
                other.to_string(),
                "Free some room, then do it again: it goes on from there.",
            ),
        }
    }
}
