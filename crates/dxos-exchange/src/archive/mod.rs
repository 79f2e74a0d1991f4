//! The open archive of a space: a zip of JSON. Its format stands in docs/formats.md.
//!
//! A zip, because every system opens one without a tool, because its members are read singly (a blob, without all before
//! it), and because each is packed by itself.
//!
//! Invariants
//! * the same state of a space gives the same bytes;
//! * what is written is read back the same: values, types, tags, keys, parents, relations, texts, deleted objects. Ids
//!   are the same but for those that a space gives (its properties, its types), which become those of the new space;
//! * sizes and names in an archive are never trusted.

mod export;
mod import;

pub use export::export;
pub use import::{Archive, import, open};

use dxos_base::SpaceId;
use serde::{Deserialize, Serialize};

/// What a manifest says the format is.
pub const FORMAT: &str = "org.dxos.archive";
/// The last version of the format known here.
pub const VERSION: u64 = 1;

const MANIFEST: &str = "manifest.json";
const OBJECTS: &str = "objects.jsonl";

/// What an archive says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`]. Later ones may add members; what changes the meaning of those there are has a greater number.
    pub version: u64,
    /// The space it was written from.
    #[serde(with = "as_text")]
    pub space: SpaceId,
    /// The name of that space.
    #[serde(default)]
    pub name: String,
    /// How many objects are in it.
    #[serde(default)]
    pub objects: u64,
}

/// Ids stand in the manifest as people see them.
mod as_text {
    use dxos_base::SpaceId;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(id: &SpaceId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SpaceId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Whether bytes begin a zip.
pub fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}
