//! Where things are. The script `./dev` has already changed to the project's directory; nothing here goes looking for it,
//! so that a copied or moved tree works on its own files.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The project's directory.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    pub(crate) fn here() -> Result<Self> {
        let root = env::current_dir().context("can't tell the current directory")?;
        let marker = root.join("deploy/postgres/bootstrap.sql");
        ensure!(
            marker.is_file(),
            "{} is not the project's directory: use its ./dev",
            root.display()
        );
        Ok(Self { root })
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that the commands keep: server data, passwords.
    pub(crate) fn private_dir(&self) -> PathBuf {
        self.root.join(".dev")
    }

    pub(crate) fn env_file(&self) -> PathBuf {
        self.private_dir().join("env")
    }

    pub(crate) fn sample_posts(&self) -> PathBuf {
        self.root.join("samples/posts.ndjson")
    }
}
