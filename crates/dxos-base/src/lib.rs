//! Ground layer of DXOS: ids, keys, values, canonical codec, clocks and limits.
//!
//! Pure data and functions: no I/O, no clock, no global randomness. Time arrives as [`Clock`] or
//! [`Tick`], randomness through [`Entropy`].

#![deny(missing_docs)]

pub mod address;
mod apply;
pub mod base32;
pub mod blob;
pub mod clock;
pub mod codec;
pub mod crypto;
#[doc(hidden)]
pub mod fuzz;
pub mod history;
pub mod ids;
#[cfg(feature = "json")]
pub mod json;
pub mod limits;
pub mod object;
pub mod path;
pub mod plain;
pub mod property_changes;
pub mod query;
pub mod queue;
pub mod schema;
pub mod text;
pub mod typed;
pub mod value;
pub mod write;

pub use address::Address;
pub use blob::{BlobId, BlobKey, BlobManifest, BlobRef};
pub use clock::{Clock, HybridClock, Tick};
pub use codec::{DecodeError, decode, encode};
pub use crypto::{
    AgreementSecret, CryptoError, Entropy, Hash, HashPurpose, SigningKey, SpaceKey, hash,
    verify_signature,
};
pub use history::{Edit, EditKind, HistoryPage, HistoryWindow, Point, Stamp, Version};
pub use ids::{
    AgreementKey, DeviceKey, ElementId, FeedId, IdError, IdentityKey, InvitationId, KeyId,
    ObjectId, PeerId, Signature, SpaceId, TextId,
};
pub use object::{Conflict, ForeignKey, ObjectMeta, ObjectView};
pub use path::{IntoPath, Path, Step, key_path};
pub use plain::PlainObject;
pub use query::{Filter, Query};
pub use text::{Side, TextChange, TextChangeError, TextDelta};
pub use value::{Ref, Value};
pub use write::{ObjectWrite, Place};

/// Checks what only a bug of ours can break; on in release builds too.
///
/// Bytes from disk, network or people never reach an `invariant!`: they cause typed errors.
#[macro_export]
macro_rules! invariant {
    ($cond:expr, $($message:tt)+) => {
        if !$cond {
            panic!("invariant broken: {}", format_args!($($message)+));
        }
    };
}
