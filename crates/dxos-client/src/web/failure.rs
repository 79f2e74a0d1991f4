//! Why a browser cannot start, in words a person can act on.

/// Why it cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartFailure {
    /// For programs.
    pub kind: StartFailureKind,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Kinds of [`StartFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartFailureKind {
    /// Plain http from another machine.
    InsecureContext,
    /// No origin private file system.
    NoOpfs,
    /// No module workers or Web Locks, or the worker's script did not load.
    NoWorker,
    /// The browser does not let this page store data.
    StorageDenied,
    /// No room left.
    StorageFull,
    /// Something else holds the files.
    StorageBusy,
    /// What is stored does not read.
    StorageCorrupt,
    /// A newer version of the program wrote it.
    StorageNewer,
    /// The key of the stored data is gone.
    KeyLost,
    /// Anything else.
    Other,
}

impl StartFailure {
    /// From the name a worker gives; `detail` is kept for what has no better words.
    pub(super) fn named(kind: &str, detail: &str) -> Self {
        use StartFailureKind::*;
        let (kind, message, hint) = match kind {
            "InsecureContext" => (
                InsecureContext,
                "Composer cannot work over plain http from another machine: browsers allow storing data only on \
                 secure pages.",
                "Open it as http://localhost on the machine that serves it, or serve it over https.",
            ),
            "NoOpfs" => (
                NoOpfs,
                "This browser has no private file system for pages, where Composer keeps your data.",
                "Use a current version of Chrome, Edge, Firefox or Safari, not in private browsing.",
            ),
            "NoWorker" => (
                NoWorker,
                "The part of Composer that keeps your data could not be started.",
                "Reload the page. If that does not help, update the browser.",
            ),
            "StorageDenied" => (
                StorageDenied,
                "This browser does not allow storing data here.",
                "Leave private browsing, or allow storage for this site, then reload.",
            ),
            "StorageFull" => (
                StorageFull,
                "There is no room left on this device for your data.",
                "Free some space, then reload. Nothing saved before is lost.",
            ),
            "StorageBusy" => (
                StorageBusy,
                "Your data is in use by another tab that does not answer.",
                "Close the other tabs of Composer, then reload.",
            ),
            "StorageCorrupt" => (
                StorageCorrupt,
                "The data stored in this browser is damaged.",
                "Reload. If it stays so, join your spaces again from another device.",
            ),
            "StorageNewer" => (
                StorageNewer,
                "A newer version of Composer stored this data.",
                "Reload to get the newer version.",
            ),
            "KeyLost" => (
                KeyLost,
                "The key of the data stored in this browser is gone, so it cannot be read.",
                "If you cleared only part of this site's data, clear all of it and join your spaces again from \
                 another device.",
            ),
            _ => (Other, "Composer could not be started.", "Reload the page."),
        };
        let message = match kind {
            StartFailureKind::Other if !detail.is_empty() => format!("{message} ({detail})"),
            _ => message.to_owned(),
        };
        StartFailure {
            kind,
            message,
            hint: hint.to_owned(),
        }
    }
}
