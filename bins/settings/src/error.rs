//! What is wrong with a setting, in the words of whoever set it.

use std::io;
use std::path::PathBuf;

/// A setting that can't be used. Names the variable; never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The value is well formed and still no use, alone or beside another one.
    #[error("{variable}: {problem}")]
    Invalid {
        /// The environment variable.
        variable: &'static str,
        /// What it must be.
        problem: String,
    },
    /// The file that a setting names can't be read.
    #[error("{variable}: can't read {path:?}: {}", reason(source))]
    Unreadable {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why; already part of the message, which has one line for everything.
        source: io::Error,
    },
}

impl SettingsError {
    /// The value of that variable can't be used: `problem` says why, and what could, without the value of a secret.
    #[must_use]
    pub fn invalid(variable: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            variable,
            problem: problem.into(),
        }
    }
}

/// The system's words without its error number.
fn reason(source: &io::Error) -> String {
    let text = source.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
