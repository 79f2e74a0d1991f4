//! Why something could not be read, or an import or export did not go on.

use dxos_client::Failure;

/// Bytes that are not what they should be. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Reading failed.
    #[error("cannot read {what}: {source}")]
    Io {
        /// Which file.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not of this format, or damaged.
    #[error("{what} is not readable: {detail}")]
    Format {
        /// Which file or part.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// Over a limit.
    #[error("{what} is too large: {detail}")]
    TooLarge {
        /// Which file or part.
        what: String,
        /// The limit, in words.
        detail: String,
    },
    /// A later format than this program knows.
    #[error("{what} has version {version}; this program reads up to {known}")]
    Version {
        /// Which file.
        what: String,
        /// Its version.
        version: u64,
        /// The last one known.
        known: u64,
    },
}

impl ReadError {
    pub(crate) fn format(what: impl Into<String>, detail: impl ToString) -> ReadError {
        ReadError::Format {
            what: what.into(),
            detail: detail.to_string(),
        }
    }

    pub(crate) fn too_large(what: impl Into<String>, detail: impl ToString) -> ReadError {
        ReadError::TooLarge {
            what: what.into(),
            detail: detail.to_string(),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> ReadError {
        ReadError::Io {
            what: what.into(),
            source,
        }
    }
}

/// Why an import or export stopped. What was written until then is whole, and doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The source.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The space.
    #[error(transparent)]
    Node(#[from] Failure),
    /// The space, as the SDK tells it.
    #[error(transparent)]
    Sdk(#[from] dxos_client::Error),
    /// A file could not be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// Which file.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

impl ExchangeError {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn write(what: impl Into<String>, source: std::io::Error) -> ExchangeError {
        ExchangeError::Write {
            what: what.into(),
            source,
        }
    }
}
