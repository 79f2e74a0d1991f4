//! What people and programs are told when something is refused: kind, what happened, what to do.

use dxos_echo::store::StoreError;
use dxos_echo::text::TextError;
use dxos_services::{Failure, FailureKind};

/// A failure with what happened and what to do.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>, hint: &str) -> Failure {
    Failure {
        kind,
        message: message.into(),
        hint: hint.to_owned(),
    }
}

pub(crate) fn malformed(message: impl Into<String>) -> Failure {
    failure(
        FailureKind::Malformed,
        message,
        "Reload the page or update the program.",
    )
}

pub(crate) fn no_identity() -> Failure {
    failure(
        FailureKind::Identity,
        "There is no identity on this device yet.",
        "Give your name first.",
    )
}

pub(crate) fn no_space() -> Failure {
    failure(
        FailureKind::NotFound,
        "This space is not on this device.",
        "Join it by an invitation.",
    )
}

pub(crate) fn not_allowed(message: &str) -> Failure {
    failure(
        FailureKind::NotAllowed,
        message,
        "Ask an owner or admin of the space.",
    )
}

/// Storage failures in words a person can act on.
pub(crate) fn from_store(error: &StoreError) -> Failure {
    match error {
        StoreError::Full => failure(
            FailureKind::StorageFull,
            "There is no room left on this device; this change was not saved.",
            "Free some space, then try again. Nothing saved before is lost.",
        ),
        StoreError::Denied { .. } => failure(
            FailureKind::Storage,
            "This browser does not allow storing data here.",
            "Leave private browsing or allow storage for this site, then reload.",
        ),
        other => failure(
            FailureKind::Storage,
            format!("Saving failed: {other}."),
            "Reload; if it happens again, export your data.",
        ),
    }
}

/// What stays on screen while storage fails. Texts are kept by who shows them and stored later, so it says what
/// becomes of them.
pub(crate) fn storage_warning(error: &StoreError) -> String {
    match error {
        StoreError::Full => "There is no room left on this device, so nothing new is saved. Free some space and leave \
                             this open: what you type is kept and saved as soon as there is room."
            .to_owned(),
        StoreError::Denied { .. } => "Storing data is not allowed here any more, so nothing new is saved. Allow it and \
                                      leave this open: what you type is kept and saved then."
            .to_owned(),
        other => format!(
            "Saving fails ({other}). Leave this open: it is tried again every few seconds, and what you type is kept."
        ),
    }
}

/// Text engine failures.
pub(crate) fn from_text(error: &TextError) -> Failure {
    failure(
        FailureKind::Text,
        format!("The text could not be changed: {error}."),
        "Open the document again.",
    )
}
