//! A whole profile as one file under a passphrase (docs/formats.md, "Profile archive").
//!
//! Invariants
//! * nothing of a profile is in the file in clear, its secrets included;
//! * a file that was cut short, changed, or put together from others is refused whole: a restored profile is complete
//!   or is not there;
//! * a restored profile has an instance marker of its own, so it writes in feeds of its own and never continues those
//!   of the profile it was made from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aead_stream::aead::{KeyInit, Payload};
use aead_stream::{DecryptorBE32, EncryptorBE32};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use dxos_base::Entropy;
use dxos_echo::store::StoreError;
use dxos_store::SqliteStore;
use zeroize::Zeroizing;

use super::{OpenError, platform, profile};
use crate::platform::SystemEntropy;

/// Shortest passphrase, in characters.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 8;

const MAGIC: &[u8; 16] = b"DXOS profile\r\n\x1a\n";
const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
/// A nonce without the counter and the mark of the last chunk.
const PREFIX_LEN: usize = 19;
const HEADER_LEN: usize = MAGIC.len() + 1 + 3 * 4 + SALT_LEN + PREFIX_LEN;
const KEY_LEN: usize = 32;
const CHUNK_LEN: usize = 64 * 1024;
const TAG_LEN: usize = 16;

/// What deriving the key from a passphrase costs. A reader takes no more than the bounds: a file from elsewhere must
/// not exhaust this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// RFC 9106, section 4: the second recommended option.
const COST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 3,
    lanes: 4,
};
const COST_MAX: Cost = Cost {
    memory_kib: 1024 * 1024,
    passes: 16,
    lanes: 16,
};

/// Why a profile was not archived or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A process has the profile open.
    #[error("the profile {profile} is open in another process")]
    InUse {
        /// The profile's directory.
        profile: PathBuf,
    },
    /// There is no profile to archive.
    #[error("there is no profile in {profile}")]
    NoProfile {
        /// The directory.
        profile: PathBuf,
    },
    /// A profile is never written over.
    #[error("{profile} is there already")]
    Exists {
        /// The directory.
        profile: PathBuf,
    },
    /// The passphrase is too short.
    #[error("a passphrase has at least {PASSPHRASE_CHARACTERS_MIN} characters")]
    Passphrase,
    /// The file is no archive of a profile.
    #[error("this is no archive of a profile")]
    NoArchive,
    /// The file was made by a newer version.
    #[error("the archive was made by a newer version ({version})")]
    Newer {
        /// The version it says.
        version: u8,
    },
    /// The passphrase is another one, or the file is damaged: nothing tells one from the other.
    #[error("the passphrase is not the one of this archive, or the archive is damaged")]
    Refused,
    /// The file ends too early, or with something else.
    #[error("the archive is cut short, or its end is damaged")]
    CutShort,
    /// What is inside is no profile.
    #[error("what is in the archive cannot be used: {0}")]
    Content(StoreError),
    /// Reading or writing failed.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The profile's secrets cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Writes a profile that nobody has open into a new file. Tells of progress in bytes: done, of how many.
///
/// # Errors
/// [`ArchiveError`]. The file is complete or not there.
pub fn archive_profile(
    profile: &Path,
    passphrase: &str,
    archive: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ArchiveError> {
    passphrase_checked(passphrase)?;
    if !profile.join("profile.db").exists() {
        return Err(ArchiveError::NoProfile {
            profile: profile.to_owned(),
        });
    }
    let _lock = locked(profile)?;
    let keys = profile::open_keys(profile)?;
    // Beside the profile's own files: what is in clear never leaves its directory.
    let copy = Temporary(profile.join("archive.partial"));
    copy.remove();
    let store = SqliteStore::open_file(&profile.join("profile.db"))?;
    store.copy_into(&copy.0)?;
    store.close()?;

    let partial = Temporary(beside(archive));
    let (from, to) = (&copy.0, &partial.0);
    let mut database = File::open(from).map_err(|error| file(from, error))?;
    let bytes = database
        .metadata()
        .map_err(|error| file(from, error))?
        .len();
    let mut sealed = platform::create_private(to).map_err(|error| file(to, error))?;
    let header = Header {
        cost: COST,
        salt: random(),
        prefix: random(),
    };
    let bound = header.encode();
    sealed.write_all(&bound).map_err(|error| file(to, error))?;
    let cipher = header.cipher(passphrase)?;
    let mut stream = EncryptorBE32::from_aead(cipher, &header.prefix.into());
    // The counter ends after 2^32 chunks, which are 256 TiB.
    let too_large = |_| file(to, io::ErrorKind::FileTooLarge.into());
    let mut chunk = Zeroizing::new(keys.key.to_vec());
    let mut done = 0;
    loop {
        let room = CHUNK_LEN - chunk.len();
        let read = (&mut database)
            .take(room as u64)
            .read_to_end(&mut chunk)
            .map_err(|error| file(from, error))?;
        done += read as u64;
        progress(done, bytes);
        let payload = Payload {
            msg: &chunk,
            aad: &bound,
        };
        if read < room {
            let chunk = stream.encrypt_last(payload).map_err(too_large)?;
            sealed.write_all(&chunk).map_err(|error| file(to, error))?;
            break;
        }
        let sealed_chunk = stream.encrypt_next(payload).map_err(too_large)?;
        sealed
            .write_all(&sealed_chunk)
            .map_err(|error| file(to, error))?;
        chunk.clear();
    }
    sealed.sync_all().map_err(|error| file(to, error))?;
    std::fs::rename(to, archive).map_err(|error| file(archive, error))
}

/// Makes a profile of an archive, in a directory that is not there yet. Tells of progress in bytes: done, of how many.
///
/// # Errors
/// [`ArchiveError`]. The profile is complete or not there.
pub fn restore_profile(
    archive: &Path,
    passphrase: &str,
    profile: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ArchiveError> {
    if profile.exists() {
        return Err(ArchiveError::Exists {
            profile: profile.to_owned(),
        });
    }
    let of_archive = |error| file(archive, error);
    let mut sealed = File::open(archive).map_err(of_archive)?;
    let bytes = sealed.metadata().map_err(of_archive)?.len();
    let mut bound = [0; HEADER_LEN];
    read_whole(&mut sealed, &mut bound).map_err(of_archive)?;
    let header = Header::decode(&bound)?;
    let cipher = header.cipher(passphrase)?;
    let mut stream = DecryptorBE32::from_aead(cipher, &header.prefix.into());

    let partial = Temporary(beside(profile));
    partial.remove();
    platform::make_private_dir(&partial.0).map_err(|error| file(&partial.0, error))?;
    let path = partial.0.join("profile.db");
    let mut database = platform::create_private(&path).map_err(|error| file(&path, error))?;
    let mut done = HEADER_LEN as u64;
    let mut key = None;
    let mut chunk = vec![0; CHUNK_LEN + TAG_LEN];
    loop {
        let read = read_whole(&mut sealed, &mut chunk).map_err(of_archive)?;
        done += read as u64;
        progress(done, bytes);
        let payload = Payload {
            msg: &chunk[..read],
            aad: &bound,
        };
        // The last one is never full: a file cut between two chunks does not end with a last one.
        let last = read < chunk.len();
        let (opened, rest) = match last {
            true => (stream.decrypt_last(payload), None),
            false => (stream.decrypt_next(payload), Some(stream)),
        };
        let opened = opened.map(Zeroizing::new).map_err(|_| match key {
            Some(_) if last => ArchiveError::CutShort,
            _ => ArchiveError::Refused,
        })?;
        let mut content = &opened[..];
        if key.is_none() {
            let first = content.split_off(..KEY_LEN);
            key = Some(Zeroizing::new(
                first.ok_or(ArchiveError::CutShort)?.to_vec(),
            ));
        }
        database
            .write_all(content)
            .map_err(|error| file(&path, error))?;
        match rest {
            Some(rest) => stream = rest,
            None => break,
        }
    }
    database.sync_all().map_err(|error| file(&path, error))?;
    drop(database);
    let key = key.unwrap_or_default();
    let key_path = partial.0.join("key");
    platform::write_private(&key_path, &key).map_err(|error| file(&key_path, error))?;
    // What cannot be opened is no profile: nothing of it stays.
    let store = SqliteStore::open_file(&path).map_err(ArchiveError::Content)?;
    store.close()?;
    std::fs::rename(&partial.0, profile).map_err(|error| file(profile, error))
}

/// Begins the file: all that must be known to open it. It is bound to each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    cost: Cost,
    salt: [u8; SALT_LEN],
    prefix: [u8; PREFIX_LEN],
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.salt);
        bytes.extend(self.prefix);
        bytes
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, ArchiveError> {
        let mut rest = &bytes[..];
        if rest.split_off(..MAGIC.len()) != Some(MAGIC) {
            return Err(ArchiveError::NoArchive);
        }
        match rest.split_off_first() {
            Some(&VERSION) => {}
            version => {
                let version = version.copied().unwrap_or_default();
                return Err(ArchiveError::Newer { version });
            }
        }
        let mut number = || take(&mut rest).map(u32::from_le_bytes);
        let cost = Cost {
            memory_kib: number()?,
            passes: number()?,
            lanes: number()?,
        };
        let within = cost.memory_kib <= COST_MAX.memory_kib
            && cost.passes <= COST_MAX.passes
            && cost.lanes <= COST_MAX.lanes;
        if !within {
            return Err(ArchiveError::NoArchive);
        }
        Ok(Header {
            cost,
            salt: take(&mut rest)?,
            prefix: take(&mut rest)?,
        })
    }

    /// The cipher under the passphrase's key.
    fn cipher(&self, passphrase: &str) -> Result<XChaCha20Poly1305, ArchiveError> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let params = Params::new(memory_kib, passes, lanes, Some(KEY_LEN));
        let params = params.map_err(|_| ArchiveError::NoArchive)?;
        let derive = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; KEY_LEN]);
        derive
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key)
            .map_err(|_| ArchiveError::NoArchive)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

/// A file or directory that goes unless it was renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn remove(&self) {
        // There is nothing to remove most of the time.
        let _ = match self.0.is_dir() {
            true => std::fs::remove_dir_all(&self.0),
            false => std::fs::remove_file(&self.0),
        };
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.remove();
    }
}

fn passphrase_checked(passphrase: &str) -> Result<(), ArchiveError> {
    match passphrase.chars().count() < PASSPHRASE_CHARACTERS_MIN {
        true => Err(ArchiveError::Passphrase),
        false => Ok(()),
    }
}

/// The profile's lock, held until dropped.
fn locked(profile: &Path) -> Result<File, ArchiveError> {
    let path = profile.join("lock");
    let lock = File::create(&path).map_err(|error| file(&path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(ArchiveError::InUse {
            profile: profile.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(error)) => Err(file(&path, error)),
    }
}

/// Where something is made before it gets its name: on the same disk.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn file(path: &Path, error: io::Error) -> ArchiveError {
    ArchiveError::File {
        path: path.to_owned(),
        error,
    }
}

fn random<const N: usize>() -> [u8; N] {
    (&mut SystemEntropy as &mut dyn Entropy).array()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ArchiveError> {
    let bytes = rest.split_off(..N).ok_or(ArchiveError::CutShort)?;
    bytes.try_into().map_err(|_| ArchiveError::CutShort)
}

/// Fills the buffer, less only at the end.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
