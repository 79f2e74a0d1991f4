//! What can go wrong, for programs ([`Error::kind`]) and for people (the message, and [`Error::hint`]).

use dxos_base::query::QueryError;
use dxos_base::schema::stored::StoredTypeError;
use dxos_base::schema::{FieldChangeError, Misfit, RegisterError, SchemaError};
use dxos_base::{ObjectId, SpaceId};
use dxos_services::{Failure, FailureKind, SpaceLife};

/// Why the SDK did not do what was asked. Nothing of it was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node refused.
    #[error(transparent)]
    Node(#[from] Failure),
    /// Values that do not fit their type.
    #[error("this does not fit {type_name}: {}", shown(misfits))]
    Misfits {
        /// Name and version of the type.
        type_name: String,
        /// What does not fit, by path; at least one.
        misfits: Vec<Misfit>,
    },
    /// No such object in the space.
    #[error("object {object} is not in space {space}")]
    NoObject {
        /// The space.
        space: SpaceId,
        /// The object.
        object: ObjectId,
    },
    /// No such space on this device.
    #[error("space {space} is not on this device")]
    NoSpace {
        /// The space.
        space: SpaceId,
    },
    /// The space is closed on this device, or cannot be opened.
    #[error("space {space} is not open: {}", words(life))]
    SpaceLife {
        /// The space.
        space: SpaceId,
        /// How far it is open.
        life: SpaceLife,
    },
    /// Neither the code nor the space has the type.
    #[error("no type {type_name} is known here")]
    NoType {
        /// Name and version, or what was given for one.
        type_name: String,
    },
    /// The space keeps a type of this name and version already.
    #[error("{type_name} is a type of this space already")]
    TypeTaken {
        /// Name and version.
        type_name: String,
    },
    /// A schema that is not sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A change of a type that cannot be.
    #[error(transparent)]
    FieldChange(#[from] FieldChangeError),
    /// Two types of the code with one name.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// An object that should be a type and is not sound.
    #[error(transparent)]
    StoredType(#[from] StoredTypeError),
    /// A query over its limits.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// An invitation or join that ended without success.
    #[error("{reason}")]
    Invitation {
        /// Why.
        reason: String,
        /// The kind of end.
        kind: ErrorKind,
    },
    /// A file, or another source of bytes, could not be read or written.
    #[error("the file cannot be used: {0}")]
    File(#[from] std::io::Error),
    /// A blob longer than blobs may be, or than was asked for.
    #[error("{bytes} bytes are too many")]
    BlobTooLong {
        /// Its length.
        bytes: u64,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// A profile could not be opened.
    #[cfg(not(target_arch = "wasm32"))]
    #[error(transparent)]
    Open(#[from] crate::native::OpenError),
    /// There is no home directory for a default profile.
    #[error("there is no home directory to keep a profile in")]
    NoHome,
    /// The browser cannot start.
    #[cfg(target_arch = "wasm32")]
    #[error(transparent)]
    Start(#[from] crate::web::StartFailure),
}

fn words(life: &SpaceLife) -> &str {
    match life {
        SpaceLife::Closed => "it was closed on this device",
        SpaceLife::Opening => "it is being opened",
        SpaceLife::ControlOnly => "no key has come yet",
        SpaceLife::Ready => "it was opened meanwhile",
        SpaceLife::NotMember => "you are no member of it any more",
        SpaceLife::Deleted => "an owner deleted it",
        SpaceLife::Error { reason } => reason,
    }
}

fn shown(misfits: &[Misfit]) -> String {
    let some: Vec<String> = misfits.iter().take(3).map(ToString::to_string).collect();
    let more = if misfits.len() > 3 { "; …" } else { "" };
    format!("{}{more}", some.join("; "))
}

/// Kinds of errors, each with one thing to do about it; command lines map them to exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was given is malformed, does not fit its type, or is over a limit.
    Invalid,
    /// There is no identity yet, or one already.
    Identity,
    /// No such space, object, text or type.
    NotFound,
    /// The role does not allow it.
    NotAllowed,
    /// A wrong, used or cancelled invitation, or a wrong auth code.
    Invitation,
    /// Nobody answered in time, or time is up.
    Timeout,
    /// No room left, or storage failed.
    Storage,
    /// The profile is in use, or cannot be opened.
    Profile,
    /// The program's end of it is closed, or its node went away.
    Closed,
    /// The text engine failed.
    Text,
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Node(failure) => of_failure(failure.kind),
            Error::Misfits { .. }
            | Error::TypeTaken { .. }
            | Error::Schema(_)
            | Error::FieldChange(_)
            | Error::Register(_)
            | Error::StoredType(_)
            | Error::Query(_) => ErrorKind::Invalid,
            Error::NoObject { .. }
            | Error::NoSpace { .. }
            | Error::SpaceLife { .. }
            | Error::NoType { .. } => ErrorKind::NotFound,
            Error::Invitation { kind, .. } => *kind,
            Error::File(_) => ErrorKind::Storage,
            Error::BlobTooLong { .. } => ErrorKind::Invalid,
            Error::Closed => ErrorKind::Closed,
            #[cfg(not(target_arch = "wasm32"))]
            Error::Open(_) => ErrorKind::Profile,
            Error::NoHome => ErrorKind::Profile,
            #[cfg(target_arch = "wasm32")]
            Error::Start(_) => ErrorKind::Profile,
        }
    }

    /// What to do about it, for people.
    pub fn hint(&self) -> String {
        let hint = match self {
            Error::Node(failure) => return failure.hint.clone(),
            Error::Misfits { misfits, .. } => {
                let path = misfits.first().map(Misfit::path_text).unwrap_or_default();
                return format!("Change {path}.");
            }
            Error::NoObject { .. } => "It may have been deleted, or has not arrived yet.",
            Error::NoSpace { .. } => "Join it, or open it on this device.",
            Error::SpaceLife {
                life: SpaceLife::NotMember | SpaceLife::Deleted,
                ..
            } => "Its data can be read; remove it from this device when you need it no more.",
            Error::SpaceLife { .. } => "Open it on this device.",
            Error::NoType { .. } => "Register the type in code, or make it in the space.",
            Error::TypeTaken { .. } => "Change that type, or give the new one another version.",
            Error::Schema(_) | Error::FieldChange(_) | Error::StoredType(_) => {
                "Change the type's fields."
            }
            Error::Register(_) => "Give one of them another name or version.",
            Error::Query(_) => "Ask for less at once.",
            Error::Invitation { .. } => "Ask for a new invitation.",
            Error::File(_) => "See whether it is there and may be used.",
            Error::BlobTooLong { .. } => "Read it in pieces, or use a smaller file.",
            Error::Closed => "Open it again.",
            #[cfg(not(target_arch = "wasm32"))]
            Error::Open(_) => "End the other program, or use another profile.",
            Error::NoHome => "Name a directory: Config::default().directory(…).",
            #[cfg(target_arch = "wasm32")]
            Error::Start(failure) => return failure.hint.clone(),
        };
        hint.to_owned()
    }
}

fn of_failure(kind: FailureKind) -> ErrorKind {
    match kind {
        FailureKind::Malformed => ErrorKind::Invalid,
        FailureKind::Identity => ErrorKind::Identity,
        FailureKind::NotFound => ErrorKind::NotFound,
        FailureKind::NotAllowed => ErrorKind::NotAllowed,
        FailureKind::Invitation | FailureKind::AuthCode => ErrorKind::Invitation,
        FailureKind::Expired | FailureKind::Timeout => ErrorKind::Timeout,
        FailureKind::StorageFull | FailureKind::Storage => ErrorKind::Storage,
        FailureKind::Text => ErrorKind::Text,
        FailureKind::Gone => ErrorKind::Closed,
        _ => ErrorKind::Invalid,
    }
}
