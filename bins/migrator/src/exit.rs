//! From an error to the exit code that scripts and deploys act on.

use std::process::ExitCode;

use prepnexus_migrate::Error;
use prepnexus_storage::Error as StorageError;

/// Something is pending.
pub(crate) const PENDING: u8 = 3;
/// What is applied is not what the files say.
pub(crate) const DRIFT: u8 = 4;
/// More rows were rejected than allowed.
pub(crate) const REJECTED: u8 = 7;
/// A migration would hurt a service that goes on meanwhile.
pub(crate) const UNSAFE: u8 = 8;

/// It failed.
pub(crate) const FAILED: u8 = 1;
const SETTINGS: u8 = 2;
const LOCKED: u8 = 5;
const POOLER: u8 = 6;

pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<Error>().map_or(FAILED, number_of))
}

fn number_of(error: &Error) -> u8 {
    match error {
        Error::Connect(StorageError::Config(_)) => SETTINGS,
        Error::Changed { .. }
        | Error::ChangedMidway { .. }
        | Error::UnknownApplied { .. }
        | Error::OutOfOrder { .. }
        | Error::Differs(_) => DRIFT,
        Error::Pending(_) => PENDING,
        Error::LockHeld { .. } => LOCKED,
        Error::Pooler { .. } => POOLER,
        Error::Unsafe(_) => UNSAFE,
        Error::Files(_) | Error::NoSuchVersion(_) | Error::WouldOverwrite(_) => SETTINGS,
        // Open for more: whatever has no code of its own is a failure.
        _ => FAILED,
    }
}
