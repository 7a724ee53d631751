//! What can go wrong.

use std::{io, path::PathBuf, time::Duration};

/// Why something was not done, or what was found wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not there.
    #[error("{program} could not be started: install the package {package}")]
    Missing {
        /// Its name.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program failed, or did not end in time and was killed.
    #[error("{program}: {output}")]
    Program {
        /// Its name.
        program: String,
        /// What it printed.
        output: String,
    },
    /// A program printed something else than expected.
    #[error("{program} printed something that is not understood: {detail}")]
    Output {
        /// Its name.
        program: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The engine does not know the stanza.
    #[error("pgBackRest knows no stanza {0}: run `backup init`")]
    UnknownStanza(String),
    /// What was asked for would do harm, or can't be done here.
    #[error("{0}")]
    Refused(String),
    /// A backup, or what came of it, is not as it must be.
    #[error("{0}")]
    Wrong(String),
    /// Something did not happen in time.
    #[error("{what}: waited for {} s", .limit.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// The database.
    #[error("{doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: prepnexus_storage::Error,
    },
    /// A statement on a connection of this crate's own.
    #[error("{doing}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A file.
    #[error("{doing} {path:?}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// This error and all that is behind it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            source = error.source();
        }
        text
    }

    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn query(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { doing, source }
    }

    pub(crate) fn database(doing: &'static str) -> impl FnOnce(prepnexus_storage::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}
