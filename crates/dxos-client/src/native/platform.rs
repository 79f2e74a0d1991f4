//! What differs between systems: private files, and the socket by which a second process reaches the holder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

/// The holder's socket.
pub(super) fn socket_path(profile: &Path) -> PathBuf {
    profile.join("socket")
}

/// Both directions of a channel of frames.
pub(super) type Queues = (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>);

/// Makes a directory nobody else can look into; one that is there stays as it is.
#[cfg(unix)]
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Makes a directory.
#[cfg(not(unix))]
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// An empty file nobody else can read.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a new file nobody else can read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = create_private(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// What tells a file from a copy of it.
#[cfg(unix)]
pub(super) fn file_place(path: &Path) -> io::Result<[u64; 2]> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path)?;
    Ok([metadata.dev(), metadata.ino()])
}

/// What tells a file from a copy of it: its time of creation, where known.
#[cfg(not(unix))]
pub(super) fn file_place(path: &Path) -> io::Result<[u64; 2]> {
    let created = fs::metadata(path)?.created().ok();
    let since = created.and_then(|created| created.duration_since(std::time::UNIX_EPOCH).ok());
    Ok([since.map_or(0, |since| since.as_nanos() as u64), 0])
}

/// Accepts other processes of the same user. The caller holds the profile's lock, so an old socket file is dead.
#[cfg(unix)]
pub(super) fn listen(path: &Path, accepted: mpsc::UnboundedSender<Queues>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The directory is private; the socket needs no rights of its own.
    let listener = tokio::net::UnixListener::bind(path)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    if accepted.send(super::frames::queues(stream)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "native.accept");
                    return;
                }
            }
        }
    });
    Ok(())
}

/// No second process on this system yet.
#[cfg(not(unix))]
pub(super) fn listen(_: &Path, _: mpsc::UnboundedSender<Queues>) -> io::Result<()> {
    Ok(())
}

/// Reaches the holder.
#[cfg(unix)]
pub(super) async fn connect(path: &Path) -> io::Result<Queues> {
    Ok(super::frames::queues(
        tokio::net::UnixStream::connect(path).await?,
    ))
}

/// No second process on this system yet.
#[cfg(not(unix))]
pub(super) async fn connect(_: &Path) -> io::Result<Queues> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "a second process is not supported on this system",
    ))
}
