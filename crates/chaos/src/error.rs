//! Why a scenario could not be played. A broken limit is no error: it is a measurement.

use std::{path::PathBuf, time::Duration};

/// Why a scenario could not be played to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server could not be started, stopped or asked.
    #[error("a server")]
    Server(#[from] prepnexus_devstack::Error),
    /// The storage crate failed where no fault was played.
    #[error("the database")]
    Storage(#[from] prepnexus_storage::Error),
    /// A program could not be started.
    #[error("the program {name}")]
    Program {
        /// Its file's name.
        name: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A process or a connection that the system did not give, or took away.
    #[error("the system")]
    System(#[from] std::io::Error),
    /// An answer that makes no sense here.
    #[error("{what}: {answer}")]
    Answer {
        /// What was asked.
        what: String,
        /// What came.
        answer: String,
    },
    /// Something that was waited for did not happen.
    #[error("{what}: not within {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A history could not be kept.
    #[error("can't write {}", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A scenario that nobody knows.
    #[error("no scenario is called {name:?}; there are: {known}")]
    NoScenario {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A step of a scenario panicked.
    #[error("a step ended by a panic")]
    Panic(#[from] tokio::task::JoinError),
}

impl Error {
    /// This error and its sources on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
