//! At most one `./dev run` per directory, and a way for `./dev down` to find it.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result, bail};

/// Held by a `./dev run` for its whole life; the file names the process.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    pub(crate) fn take(private_dir: &Path) -> Result<Self> {
        fs::create_dir_all(private_dir)
            .with_context(|| format!("can't make {}", private_dir.display()))?;
        let path = path(private_dir);
        let opened = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.with_context(|| format!("can't write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another ./dev run is running here: ./dev down stops it")
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", path.display()));
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", process::id()));
        written.with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self { _file: file })
    }

    /// The process that holds the lock.
    pub(crate) fn holder(private_dir: &Path) -> Option<i32> {
        let path = path(private_dir);
        let held = matches!(
            File::open(&path).ok()?.try_lock_shared(),
            Err(TryLockError::WouldBlock)
        );
        let pid = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
        (held && pid > 1).then_some(pid)
    }
}

fn path(private_dir: &Path) -> PathBuf {
    private_dir.join("run.lock")
}
