//! Why a command failed: words for people, an exit code for scripts.

use std::fmt;
use std::process::ExitCode;

use dxos_client::native::{ArchiveError, OpenError};
use dxos_client::{ErrorKind, Failure, FailureKind, InvitationState, InvitationView};

/// Kinds, by exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Other = 1,
    Usage = 2,
    NotFound = 3,
    NotAllowed = 4,
    Invitation = 5,
    Timeout = 6,
    Storage = 7,
    InUse = 8,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Failed {
    kind: Kind,
    message: String,
    hint: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n    {}", self.hint)?;
        }
        Ok(())
    }
}

impl Failed {
    pub(super) fn new(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failed {
            kind,
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    pub(super) fn usage(message: &str) -> Self {
        Failed::new(Kind::Usage, message, "")
    }

    pub(super) fn in_use() -> Self {
        Failed::new(
            Kind::InUse,
            "another dx is online with this profile already",
            "Other commands work beside it; or give this one its own --profile.",
        )
    }

    pub(super) fn no_identity() -> Self {
        Failed::new(
            Kind::NotFound,
            "this profile has no identity yet",
            "Make one: dx identity create NAME",
        )
    }

    pub(super) fn input(error: &std::io::Error) -> Self {
        Failed::new(
            Kind::Usage,
            format!("cannot read standard input: {error}"),
            "",
        )
    }

    /// An invitation or join that ended.
    pub(super) fn invitation(view: &InvitationView) -> Self {
        let (kind, words) = match view.state {
            InvitationState::Timeout => (Kind::Timeout, "nobody answered in time"),
            InvitationState::Expired => (Kind::Invitation, "the invitation has expired"),
            InvitationState::Cancelled => (Kind::Invitation, "the invitation was cancelled"),
            _ => (Kind::Invitation, "the invitation failed"),
        };
        let message = if view.reason.is_empty() {
            words.to_owned()
        } else {
            view.reason.clone()
        };
        let hint = match kind {
            Kind::Timeout => {
                "The inviting person has to be online. Ask them to open the app, then try again."
            }
            _ => "Ask for a new invitation.",
        };
        Failed::new(kind, message, hint)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Malformed => Kind::Usage,
            FailureKind::NotFound => Kind::NotFound,
            FailureKind::NotAllowed => Kind::NotAllowed,
            FailureKind::Invitation | FailureKind::Expired | FailureKind::AuthCode => {
                Kind::Invitation
            }
            FailureKind::Timeout => Kind::Timeout,
            FailureKind::StorageFull | FailureKind::Storage => Kind::Storage,
            _ => Kind::Other,
        };
        Failed::new(kind, failure.message, failure.hint)
    }
}

impl From<dxos_client::Error> for Failed {
    fn from(error: dxos_client::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Invalid => Kind::Usage,
            ErrorKind::NotFound => Kind::NotFound,
            ErrorKind::NotAllowed => Kind::NotAllowed,
            ErrorKind::Invitation => Kind::Invitation,
            ErrorKind::Timeout => Kind::Timeout,
            ErrorKind::Storage => Kind::Storage,
            ErrorKind::Profile => Kind::InUse,
            _ => Kind::Other,
        };
        Failed::new(kind, error.to_string(), error.hint())
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        let (kind, hint) = match &error {
            OpenError::Busy { .. } => (
                Kind::InUse,
                "Stop the other dx, or give this one its own --profile.",
            ),
            OpenError::File { .. } | OpenError::Store(_) => {
                (Kind::Storage, "Look at the directory's rights and room.")
            }
            OpenError::Key { .. } => (
                Kind::Storage,
                "Restore the key file from a backup, or use another --profile.",
            ),
            _ => (Kind::Other, ""),
        };
        Failed::new(kind, error.to_string(), hint)
    }
}

impl From<ArchiveError> for Failed {
    fn from(error: ArchiveError) -> Self {
        let (kind, hint) = match &error {
            ArchiveError::InUse { .. } => (Kind::InUse, "Stop the other dx, then try again."),
            ArchiveError::NoProfile { .. } => (
                Kind::NotFound,
                "Name the profile: --profile NAME, or make one: dx identity create NAME",
            ),
            ArchiveError::Exists { .. } => (
                Kind::Usage,
                "A profile is never written over. Give another one: --profile NAME",
            ),
            ArchiveError::Passphrase => (
                Kind::Usage,
                "Several words that only you put together do well.",
            ),
            ArchiveError::NoArchive | ArchiveError::CutShort | ArchiveError::Content(_) => {
                (Kind::Usage, "Nothing was restored.")
            }
            ArchiveError::Newer { .. } => (Kind::Usage, "Use a newer dx. Nothing was restored."),
            ArchiveError::Refused => (Kind::NotAllowed, "Nothing was restored."),
            ArchiveError::File { .. } | ArchiveError::Store(_) => {
                (Kind::Storage, "Look at the directory's rights and room.")
            }
            _ => (Kind::Other, ""),
        };
        Failed::new(kind, error.to_string(), hint)
    }
}
