//! Blobs: files and other large bytes in a space, in pieces, never whole in memory.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;

use dxos_base::blob::{piece_hash, piece_len, pieces_count};
use dxos_base::{BlobId, BlobRef, Hash, limits};
use dxos_services::{
    BlobKeeping, BlobLife, BlobUpload, BlobUsage, BlobView, Failure, FailureKind, Request, Response,
};

use super::{Error, Space, Watch};
use crate::calls::unexpected;
use crate::client::Client;

/// Pieces on their way to the node at once.
const PIECES_SENT_MAX: usize = 4;
/// Times putting in is begun again after the node went away.
const BEGUN_MAX: usize = 8;

/// Where the bytes of a blob come from. They are read twice, first to name them, then to put them in; what changes in
/// between is refused.
pub trait BlobSource {
    /// How many there are.
    fn bytes(&self) -> u64;

    /// Some of them: exactly `len` from `from` on, which are there.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&mut self, from: u64, len: usize) -> impl Future<Output = io::Result<Vec<u8>>>;
}

impl BlobSource for &[u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    async fn read(&mut self, from: u64, len: usize) -> io::Result<Vec<u8>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let part = self.get(from..from.saturating_add(len));
        part.map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl BlobSource for Vec<u8> {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    async fn read(&mut self, from: u64, len: usize) -> io::Result<Vec<u8>> {
        (&self[..]).read(from, len).await
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl BlobSource for std::fs::File {
    fn bytes(&self) -> u64 {
        self.metadata().map_or(0, |file| file.len())
    }

    async fn read(&mut self, from: u64, len: usize) -> io::Result<Vec<u8>> {
        use std::io::{Read as _, Seek as _};
        let mut bytes = vec![0; len];
        self.seek(io::SeekFrom::Start(from))?;
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Space {
    /// Puts bytes in as a blob and gives what refers to it: a value of any property ([`BlobRef`] is a kind of field). The
    /// same bytes are stored once. What was put in before a crash is not put in again.
    ///
    /// The blob is here when this returns; others fetch it when they need it. Nothing refers to it until the reference is
    /// written somewhere: after 30 days without one it goes.
    ///
    /// # Errors
    /// [`Error::File`] when the source cannot be read; [`ErrorKind::Storage`](super::ErrorKind::Storage) without room;
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) for readers.
    pub async fn blob_put(
        &self,
        source: impl BlobSource,
        media: &str,
        name: &str,
    ) -> Result<BlobRef, Error> {
        self.blob_put_with(source, media, name, |_| {}).await
    }

    /// As [`Space::blob_put`]; `progress` hears how many bytes are in.
    ///
    /// # Errors
    /// As [`Space::blob_put`].
    pub async fn blob_put_with(
        &self,
        mut source: impl BlobSource,
        media: &str,
        name: &str,
        mut progress: impl FnMut(u64),
    ) -> Result<BlobRef, Error> {
        let (space, bytes) = (self.id, source.bytes());
        let Some(count) = pieces_count(bytes) else {
            return Err(Error::BlobTooLong { bytes });
        };
        let place = |n: u32| u64::from(n) * limits::BLOB_PIECE_BYTES as u64;
        let mut pieces: Vec<Hash> = Vec::with_capacity(count as usize);
        for n in 0..count {
            let piece = source.read(place(n), piece_len(bytes, n)).await?;
            pieces.push(piece_hash(&piece));
        }
        let mut begun = 0;
        loop {
            let request = Request::BlobBegin {
                space,
                bytes,
                pieces: pieces.clone(),
            };
            let upload = upload_of(self.client.call(request).await?)?;
            if let Some(id) = upload.blob {
                progress(bytes);
                return Ok(BlobRef::new(id, upload.key, bytes, media, name));
            }
            begun += 1;
            let missing: u64 = upload
                .missing
                .iter()
                .map(|n| piece_len(bytes, *n) as u64)
                .sum();
            let mut done = bytes.saturating_sub(missing);
            let mut sent: VecDeque<(u64, Call)> = VecDeque::new();
            let mut missing = upload.missing.iter().copied();
            let mut given = Ok(());
            while given.is_ok() {
                let next = match sent.len() < PIECES_SENT_MAX {
                    true => missing.next(),
                    false => None,
                };
                if let Some(n) = next {
                    let len = piece_len(bytes, n);
                    let piece = source.read(place(n), len).await?;
                    let request = Request::BlobPiece {
                        space,
                        upload: upload.upload,
                        n,
                        piece: dxos_base::blob::Piece(piece),
                    };
                    sent.push_back((len as u64, Box::pin(self.client.call(request))));
                } else if let Some((len, answer)) = sent.pop_front() {
                    given = answer.await.map(drop);
                    done += len;
                    progress(done);
                } else {
                    break;
                }
            }
            let finish = Request::BlobFinish {
                space,
                upload: upload.upload,
            };
            let finished = match given {
                Ok(()) => self.client.call(finish).await,
                Err(failure) => Err(failure),
            };
            match finished {
                Ok(response) => {
                    let upload = upload_of(response)?;
                    let id = upload.blob.ok_or_else(unexpected)?;
                    return Ok(BlobRef::new(id, upload.key, bytes, media, name));
                }
                // The node went away meanwhile; what it has stored is not given again.
                Err(failure) if is_begun_again(&failure) && begun < BEGUN_MAX => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// A blob in pieces, from its beginning; what is not here yet is fetched from whoever has it.
    pub fn blob_get(&self, reference: &BlobRef) -> BlobReader {
        BlobReader {
            space: self.clone(),
            reference: reference.clone(),
            next: 0,
            fetched: None,
        }
    }

    /// All of a blob of at most `max` bytes; waits until it is here.
    ///
    /// # Errors
    /// [`Error::BlobTooLong`] past `max`; as [`BlobReader::next`].
    pub async fn blob_bytes(&self, reference: &BlobRef, max: usize) -> Result<Vec<u8>, Error> {
        let bytes = reference.bytes;
        if bytes > max as u64 {
            return Err(Error::BlobTooLong { bytes });
        }
        let mut reader = self.blob_get(reference);
        let mut all = Vec::with_capacity(bytes as usize);
        while let Some(piece) = reader.next().await? {
            all.extend(piece);
        }
        Ok(all)
    }

    /// Puts a file in as a blob, under its own name.
    ///
    /// # Errors
    /// As [`Space::blob_put`].
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn blob_put_file(
        &self,
        path: &std::path::Path,
        media: &str,
    ) -> Result<BlobRef, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.blob_put(std::fs::File::open(path)?, media, &name)
            .await
    }

    /// Writes a blob into a file; waits until it is here. The file appears under its name when all of it is written;
    /// until then what is there lies beside it, with `.part` at its end.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written; as [`BlobReader::next`].
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn blob_get_file(
        &self,
        reference: &BlobRef,
        path: &std::path::Path,
    ) -> Result<(), Error> {
        use std::io::Write as _;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = std::path::PathBuf::from(part);
        let mut file = std::fs::File::create(&part)?;
        let mut reader = self.blob_get(reference);
        while let Some(piece) = reader.next().await? {
            file.write_all(&piece)?;
        }
        file.sync_all()?;
        Ok(std::fs::rename(&part, path)?)
    }

    /// How far a blob is on this device.
    ///
    /// # Errors
    /// When the space is not open.
    pub async fn blob_status(&self, blob: BlobId) -> Result<BlobView, Error> {
        let request = Request::Blob {
            space: self.id,
            blob,
            follow: None,
        };
        view_of(self.client.call(request).await?)
    }

    /// The same now and whenever it changes.
    pub fn blob_watch(&self, blob: BlobId) -> Watch<BlobView> {
        let space = self.id;
        Watch::new(&self.client, |teller| {
            let followed = self.client.follow_blob(space, blob);
            let heard = self.client.on_blob(move |view| {
                if (view.space, view.blob) == (space, blob) {
                    teller.tell(view.clone());
                }
            });
            crate::listen::Subscription::new(move || drop((heard, followed)))
        })
    }

    /// Says what is done with a blob on this device: fetched ahead, pinned, let go of.
    ///
    /// # Errors
    /// When the space is not open, or storage fails.
    pub async fn blob_keep(&self, blob: BlobId, keep: BlobKeeping) -> Result<BlobView, Error> {
        let request = Request::BlobKeep {
            space: self.id,
            blob,
            keep,
        };
        view_of(self.client.call(request).await?)
    }
}

impl Client {
    /// What blobs take on this device, of all spaces.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn blob_usage(&self) -> Result<BlobUsage, Error> {
        self.blob_bound(None).await
    }

    /// Sets what they may take. What was read longest ago goes, if that is less than they take, but never the only copy
    /// known of what was put in here.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn set_blob_bytes_max(&self, bytes: u64) -> Result<BlobUsage, Error> {
        self.blob_bound(Some(bytes)).await
    }

    async fn blob_bound(&self, bytes_max: Option<u64>) -> Result<BlobUsage, Error> {
        match self.call(Request::BlobUsage { bytes_max }).await? {
            Response::BlobUsage(usage) => Ok(usage),
            _ => Err(unexpected().into()),
        }
    }
}

type Call = Pin<Box<dyn Future<Output = Result<Response, Failure>>>>;

fn is_begun_again(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::NotFound | FailureKind::Gone)
}

fn upload_of(response: Response) -> Result<BlobUpload, Error> {
    match response {
        Response::BlobUpload(upload) => Ok(upload),
        _ => Err(unexpected().into()),
    }
}

fn view_of(response: Response) -> Result<BlobView, Error> {
    match response {
        Response::Blob(view) => Ok(view),
        _ => Err(unexpected().into()),
    }
}

/// Gives a blob piece by piece.
#[derive(Debug)]
pub struct BlobReader {
    space: Space,
    reference: BlobRef,
    next: u32,
    fetched: Option<Watch<BlobView>>,
}

impl BlobReader {
    /// Goes on from the piece in which this byte is; tells where that begins.
    pub fn seek(&mut self, byte: u64) -> u64 {
        let piece = limits::BLOB_PIECE_BYTES as u64;
        let n = byte.min(self.reference.bytes) / piece;
        self.next = n as u32;
        n * piece
    }

    /// The next piece; `None`: that was the last one. Waits for what is not here yet, as long as it takes: drop the reader
    /// to give up, and [`Space::blob_keep`] to end the fetching too.
    ///
    /// # Errors
    /// When the reference does not fit the blob, when somebody ended the fetching, when the client is closed.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let (n, bytes) = (self.next, self.reference.bytes);
        if piece_len(bytes, n) == 0 {
            return Ok(None);
        }
        loop {
            let request = Request::BlobRead {
                space: self.space.id,
                blob: self.reference.id,
                key: self.reference.key,
                n,
            };
            let piece = match self.space.client.call(request).await? {
                Response::BlobPiece(piece) => piece,
                _ => return Err(unexpected().into()),
            };
            if let Some(piece) = piece {
                if piece.0.len() != piece_len(bytes, n) {
                    return Err(misfit());
                }
                self.next += 1;
                return Ok(Some(piece.0));
            }
            let blob = self.reference.id;
            let view = match &mut self.fetched {
                None => {
                    let view = self.space.blob_keep(blob, BlobKeeping::Fetch).await?;
                    self.fetched = Some(self.space.blob_watch(blob));
                    view
                }
                Some(watch) => watch.next().await.ok_or(Error::Closed)?,
            };
            match view.life {
                _ if view.bytes.is_some_and(|known| known != bytes) => return Err(misfit()),
                BlobLife::Absent | BlobLife::Partial => {
                    return Err(Error::Node(Failure {
                        kind: FailureKind::NotFound,
                        message: "This file is not fetched any more.".into(),
                        hint: "Open it again.".into(),
                    }));
                }
                _ => {}
            }
        }
    }
}

fn misfit() -> Error {
    Error::Node(Failure {
        kind: FailureKind::Malformed,
        message: "The reference does not fit this file.".into(),
        hint: "Ask whoever put it in for another one.".into(),
    })
}
