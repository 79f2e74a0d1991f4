//! From SQLite's result codes to what the callers of storage act on.

use dxos_echo::store::StoreError;
use rusqlite::Error;
use rusqlite::ffi::ErrorCode;

/// What a failure of SQLite means to the caller.
pub(crate) fn store_error(error: Error) -> StoreError {
    let detail = error.to_string();
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreError::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
            ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                StoreError::Denied { detail }
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { detail },
            _ => StoreError::Failed { detail },
        },
        Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => StoreError::Corrupt { detail },
        _ => StoreError::Failed { detail },
    }
}

/// A stored value that no version of this program writes.
pub(crate) fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt {
        detail: detail.to_owned(),
    }
}

/// Fixed-size bytes (an id, a hash) read from a column.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], StoreError> {
    bytes
        .try_into()
        .map_err(|_| corrupt(&format!("{what} of {} bytes", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_codes_become_what_callers_act_on() {
        let failure =
            |code| store_error(Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        assert_eq!(failure(13), StoreError::Full);
        assert_eq!(failure(5), StoreError::Busy);
        assert_eq!(failure(6), StoreError::Busy);
        assert!(matches!(failure(14), StoreError::Denied { .. }));
        assert!(matches!(failure(8), StoreError::Denied { .. }));
        assert!(matches!(failure(11), StoreError::Corrupt { .. }));
        assert!(matches!(failure(26), StoreError::Corrupt { .. }));
        assert!(matches!(failure(10), StoreError::Failed { .. }));
    }
}
