//! Running the engine.

use std::{
    io,
    path::PathBuf,
    process::{Command, Output},
};

use crate::info::{self, Stanza};

/// The engine, for one stanza: its name for one database cluster.
#[derive(Debug, Clone)]
pub struct PgBackRest {
    program: PathBuf,
    config: Option<PathBuf>,
    stanza: String,
}

/// Why the engine could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("{program} could not be started: install the package pgbackrest")]
    NotStarted {
        /// What was to be started.
        program: PathBuf,
        /// Why it wasn't.
        source: io::Error,
    },
    /// It failed.
    #[error("pgBackRest failed: {output}")]
    Failed {
        /// What it printed.
        output: String,
    },
    /// It printed something else than expected.
    #[error("pgBackRest's output could not be read")]
    Output(#[from] serde_json::Error),
    /// It does not know the stanza.
    #[error("pgBackRest knows no stanza {0}")]
    UnknownStanza(String),
}

impl PgBackRest {
    /// The engine found in `PATH`, with its default configuration file.
    #[must_use]
    pub fn new(stanza: impl Into<String>) -> Self {
        Self {
            program: "pgbackrest".into(),
            config: None,
            stanza: stanza.into(),
        }
    }

    /// Uses another configuration file. The engine wants its path to be absolute.
    #[must_use]
    pub fn with_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(path.into());
        self
    }

    /// What the repository holds.
    ///
    /// # Errors
    /// [`Error`]; a stanza without backups is none.
    pub fn info(&self) -> Result<Stanza, Error> {
        let output = self.run(&["info", "--output=json"])?;
        let stanzas = info::parse(&output.stdout)?;
        let ours = stanzas
            .into_iter()
            .find(|stanza| stanza.name == self.stanza);
        ours.ok_or_else(|| Error::UnknownStanza(self.stanza.clone()))
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        let mut command = Command::new(&self.program);
        if let Some(config) = &self.config {
            command.arg(format!("--config={}", config.display()));
        }
        command
            .arg(format!("--stanza={}", self.stanza))
            .args(arguments);
        let output = command.output().map_err(|source| Error::NotStarted {
            program: self.program.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(output);
        }
        let text = [output.stderr, output.stdout].concat();
        let output = String::from_utf8_lossy(&text)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Err(Error::Failed { output })
    }
}
