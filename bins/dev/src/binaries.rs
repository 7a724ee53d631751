//! The programs of this repository, as cargo built them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::child;
use crate::env_file::EnvFile;
use crate::session::Session;

/// Built together, always: another selection would compile dependencies with other features, and so once more.
const PACKAGES: [&str; 4] = [
    "prepnexus-api",
    "prepnexus-migrator",
    "prepnexus-backup-bin",
    "prepnexus-dev",
];

/// Where the release binaries are.
#[derive(Debug)]
pub(crate) struct Binaries {
    paths: BTreeMap<String, PathBuf>,
}

/// A line of cargo's, as far as it says where a program is.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

impl Binaries {
    /// Builds what is out of date. Cargo shows its progress on standard error.
    pub(crate) fn build(session: &Session) -> Result<Self> {
        let mut cargo = child::command("cargo");
        cargo.args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
        ]);
        cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        let messages = child::output(cargo, &session.interrupts)?;
        let executables = messages.lines().filter_map(|line| {
            let path = serde_json::from_str::<Message>(line).ok()?.executable?;
            Some((path.file_name()?.to_str()?.to_owned(), path))
        });
        Ok(Self {
            paths: executables.collect(),
        })
    }

    /// Where one of them is.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.paths.get(name);
        path.cloned()
            .with_context(|| format!("cargo built no {name}"))
    }

    /// One of them, with the settings of the private servers.
    pub(crate) fn command(&self, name: &str, env: &EnvFile) -> Result<Command> {
        let mut command = child::command(self.path(name)?);
        env.apply(&mut command);
        Ok(command)
    }
}
