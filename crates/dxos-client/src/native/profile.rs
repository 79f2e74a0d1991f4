//! A profile's directory: `lock`, `key` (32 bytes, readable by the user only), `instance` (16 random bytes),
//! `profile.db`, `socket`.
//!
//! The instance marker mixes the file's random bytes with its place on disk, so a copied or restored directory has
//! another one although the bytes are the same.

use std::io;
use std::path::{Path, PathBuf};

use dxos_base::{Entropy, hash};

use super::{OpenError, platform};
use crate::platform::SystemEntropy;

/// What a node is opened with.
pub(super) struct Keys {
    pub(super) key: [u8; 32],
    pub(super) marker: [u8; 16],
}

/// `$XDG_DATA_HOME/dx/NAME`, else `~/.local/share/dx/NAME`; `None` without a home directory.
pub fn default_profile_dir(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME")
        .filter(|data| !data.is_empty())
        .map(PathBuf::from);
    let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))?;
    Some(data.join("dx").join(name))
}

/// The profile's secrets, made at its first opening.
pub(super) fn open_keys(profile: &Path) -> Result<Keys, OpenError> {
    let key = read_or_make(&profile.join("key"), profile.join("profile.db").exists())?;
    let instance = profile.join("instance");
    let random: [u8; 16] = read_or_make(&instance, false)?;
    let place = platform::file_place(&instance).map_err(|error| OpenError::File {
        path: instance,
        error,
    })?;
    let parts = [
        &random[..],
        &place[0].to_le_bytes(),
        &place[1].to_le_bytes(),
    ];
    let mut marker = [0; 16];
    marker.copy_from_slice(&hash("instance marker", &parts).0[..16]);
    Ok(Keys { key, marker })
}

/// Random bytes kept in a file. `needed`: the file must be there, a new one would be of no use.
fn read_or_make<const N: usize>(path: &Path, needed: bool) -> Result<[u8; N], OpenError> {
    let file = |error| OpenError::File {
        path: path.to_owned(),
        error,
    };
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| OpenError::Key {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => {
            let mut bytes = [0; N];
            SystemEntropy.fill(&mut bytes);
            platform::write_private(path, &bytes).map_err(file)?;
            Ok(bytes)
        }
        Err(error) => Err(file(error)),
    }
}
