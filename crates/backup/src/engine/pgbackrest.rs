//! [pgBackRest](https://pgbackrest.org), 2.45 or newer. Its own configuration file, and its own environment variables
//! (`PGBACKREST_REPO1_CIPHER_PASS`, `PGBACKREST_REPO1_S3_BUCKET`, …), say where the repository is, how it is encrypted, how much is kept.

use std::{path::PathBuf, process::Output, time::Duration};

use async_trait::async_trait;
use tokio::process::Command;

use super::{Engine, Restore, Stanza, Target, info, info::BackupKind, log, postgres_time, verify};
use crate::{
    engine::verify::Verification,
    error::Error,
    program::{self, one_line},
};

const PROGRAM: &str = "pgbackrest";

/// The engine, for one stanza: its name for one database cluster.
#[derive(Debug, Clone)]
pub struct PgBackRest {
    stanza: String,
    config: Option<PathBuf>,
    limit: Duration,
}

impl PgBackRest {
    /// The engine found in `PATH`, with its default configuration file.
    #[must_use]
    pub fn new(stanza: impl Into<String>) -> Self {
        Self {
            stanza: stanza.into(),
            config: None,
            limit: Duration::from_secs(24 * 3600),
        }
    }

    /// Uses another configuration file. The engine wants its path to be absolute.
    #[must_use]
    pub fn with_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(path.into());
        self
    }

    /// The longest that anything may take; a day if not set. What takes longer is killed.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.run_in(program::tied(PROGRAM), arguments).await
    }

    async fn run_in(&self, mut command: Command, arguments: &[&str]) -> Result<Output, Error> {
        if let Some(config) = &self.config {
            command.arg(format!("--config={}", config.display()));
        }
        command
            .arg(format!("--stanza={}", self.stanza))
            .args(arguments);
        program::run(command, "pgBackRest", PROGRAM, self.limit).await
    }
}

#[async_trait]
impl Engine for PgBackRest {
    async fn create(&self) -> Result<(), Error> {
        self.run(&["stanza-create"]).await.map(drop)
    }

    async fn check(&self) -> Result<(), Error> {
        self.run(&["check"]).await.map(drop)
    }

    async fn info(&self) -> Result<Stanza, Error> {
        let output = self.run(&["info", "--output=json"]).await?;
        info::parse(&output.stdout, &self.stanza)
    }

    async fn backup(&self, kind: BackupKind, from_standby: bool) -> Result<(), Error> {
        let kind = format!("--type={}", kind.as_str());
        let standby = if from_standby {
            "--backup-standby"
        } else {
            "--no-backup-standby"
        };
        self.run(&["backup", &kind, standby]).await.map(drop)
    }

    async fn verify(&self) -> Result<Verification, Error> {
        // It prints nothing without both, and exits 0 whatever it finds.
        let output = self.run(&["verify", "--output=text", "--verbose"]).await?;
        let mut found = verify::parse(&String::from_utf8_lossy(&output.stdout))?;
        if !found.is_well() {
            return Ok(found);
        }
        let stanza = self.info().await?;
        // What it does not notice: a segment that is not there.
        let archive = format!("archive/{}", self.stanza);
        let arguments = ["repo-ls", "--recurse", "--output=json", &archive];
        let listed = self.run(&arguments).await?;
        let names = log::parse(&listed.stdout)?;
        found.missing_segments = log::missing(&stanza, &names);
        Ok(found)
    }

    async fn expire(&self, dry_run: bool) -> Result<String, Error> {
        let arguments = ["expire", "--log-level-console=info", "--dry-run"];
        let arguments = &arguments[..if dry_run { 3 } else { 2 }];
        let output = self.run(arguments).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let lines = said.lines().filter_map(|line| line.split_once("INFO: "));
        let lines = lines.map(|(_, text)| text.trim());
        let removed: Vec<_> = lines
            .filter(|text| text.contains("remove") || text.contains("expire "))
            .collect();
        Ok(removed.join("\n"))
    }

    async fn restore(&self, request: &Restore<'_>) -> Result<(), Error> {
        let Restore {
            into,
            backup,
            target,
            archives,
            cpus,
        } = *request;
        let mut arguments = vec![format!("--pg1-path={}", into.display())];
        arguments.extend(backup.map(|label| format!("--set={label}")));
        if !archives {
            arguments.push("--archive-mode=off".into());
        }
        match target {
            Target::End => {}
            Target::Time(time) => {
                let time = postgres_time(time);
                arguments.extend(["--type=time".into(), format!("--target={time}")]);
            }
            Target::Lsn(lsn) => {
                arguments.extend(["--type=lsn".into(), format!("--target={lsn}")]);
                arguments.push("--target-exclusive".into());
            }
        }
        if target != Target::End {
            arguments.push("--target-action=promote".into());
        }
        let mut command = program::tied(PROGRAM);
        if cpus > 0 {
            command = program::limited(PROGRAM.as_ref(), cpus);
            arguments.push(format!("--process-max={cpus}"));
        }
        command.current_dir(into);
        arguments.push("restore".into());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = self.run_in(command, &arguments).await?;
        let warnings = one_line(&String::from_utf8_lossy(&output.stdout));
        if !warnings.is_empty() {
            tracing::warn!(said = warnings, "restored");
        }
        Ok(())
    }
}
