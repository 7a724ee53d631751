//! Temporary directories that someone removes even when their owner was killed.
//!
//! The owner holds a lock on a file in its directory. The kernel drops the lock when the owner dies, however it dies, and
//! the next test stack that finds it free ends what still runs there (the kernel has killed the postmasters already, but
//! frozen children may be left) and removes the directory.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;

use crate::account::Account;
use crate::error::{During, Result};
use crate::layout::Layout;

const PREFIX: &str = "prepnexus-test-";
const MEMORY: &str = "/dev/shm";
const ROOM_NEEDED_BYTES: u64 = 4 << 30;
/// Directories get their final name when their lock is held, so that no sweep mistakes a new one for an abandoned one.
const UNFINISHED_PREFIX: &str = "prepnexus-new-";

/// A temporary directory with its lock, for servers that are no stack. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) layout: Layout,
    /// Whoever else holds a copy of this file keeps the directory from being swept.
    pub(crate) lock: File,
}

impl Scratch {
    pub(crate) fn make(base: &Path, account: &Account) -> Result<Self> {
        let (dir, lock) = make(base)?;
        let layout = Layout::make(&dir, account)?;
        Ok(Self { layout, lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.layout.remove();
    }
}

/// Where temporary stacks are made. A stack is some 3,000 files, which a file system in memory makes and removes several
/// times faster; but containers often have 64 MB there, and some machines need their memory.
pub(crate) fn default_base() -> PathBuf {
    let room = statvfs(MEMORY).map_or(0, |found| found.blocks_available() * found.fragment_size());
    if room >= ROOM_NEEDED_BYTES && available_memory_bytes() >= ROOM_NEEDED_BYTES {
        return PathBuf::from(MEMORY);
    }
    std::env::temp_dir()
}

fn available_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Makes a locked temporary directory below `base`. The lock lives as long as the file.
pub(crate) fn make(base: &Path) -> Result<(PathBuf, File)> {
    let doing = || format!("make a temporary directory in {}", base.display());
    fs::create_dir_all(base).during(doing)?;
    let builder = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .tempdir_in(base);
    let unfinished = builder.during(doing)?;
    // The servers' user has to get through to what lies below.
    fs::set_permissions(unfinished.path(), fs::Permissions::from_mode(0o711)).during(doing)?;
    let lock = File::create(unfinished.path().join("lock")).during(doing)?;
    lock.lock().during(doing)?;
    let name = unfinished
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let dir = base.join(name.replacen(UNFINISHED_PREFIX, PREFIX, 1));
    fs::rename(unfinished.path(), &dir).during(doing)?;
    // Its old name is gone; keeping it merely stops the removal of a path that is not there.
    let _ = unfinished.keep();
    Ok((dir, lock))
}

/// The abandoned directories below `base`, each with the lock that proves it.
pub(crate) fn abandoned(base: &Path) -> Vec<(Layout, File)> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    named
        .filter_map(|entry| {
            let dir = entry.path();
            // Temporary directories are open to all users: another's must not make us remove anything.
            let found = fs::symlink_metadata(&dir).ok()?;
            if !found.is_dir() || found.uid() != geteuid().as_raw() {
                return None;
            }
            let lock = File::options().write(true).open(dir.join("lock")).ok()?;
            lock.try_lock().ok()?;
            let root = Layout::find(&dir).map_or_else(|| dir.join("servers"), |layout| layout.root);
            Some((Layout { dir, root }, lock))
        })
        .collect()
}
