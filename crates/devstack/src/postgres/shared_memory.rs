//! Removes what a killed server leaves in the kernel.
//!
//! Each server holds a System V segment of a few bytes that guards its data directory. A killed one cannot remove it, and the
//! system allows 4,096 of them: test suites that kill servers would use them up. A data directory that is started again
//! does this by itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::account::clean;
use crate::postgres::PgNode;
use crate::postgres::ownership::LockFile;
use crate::tool;

impl PgNode {
    /// Removes the lock file and the segment of a server that no longer runs. Without this, a start could find the lock
    /// file's process id in use by another program of the same user, or by a zombie that nobody has reaped yet.
    pub(super) fn clear_remains(&self) {
        if self.processes().is_empty() {
            clear_remains(self.data_dir());
        }
    }
}

/// Removes the lock file and the segment that the last server of a data directory left: none may run there.
pub(crate) fn clear_remains(data: &Path) {
    let Some(lock) = LockFile::read(data) else {
        return;
    };
    if let Some((key, id)) = &lock.segment
        && is_abandoned(key, id, lock.pid)
    {
        let mut ipcrm = clean(Path::new("ipcrm"));
        ipcrm.args(["-m", id]);
        let _ = tool::run(ipcrm, "ipcrm", "", Duration::from_secs(5));
    }
    let _ = fs::remove_file(data.join("postmaster.pid"));
}

/// Whether the kernel's list has the segment, made by that process, and attached to none.
fn is_abandoned(key: &str, id: &str, creator: i32) -> bool {
    let list = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    list.lines().skip(1).any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        matches!(columns[..], [k, i, _, _, cpid, _, attached, ..]
            if k == key && i == id && cpid == creator.to_string() && attached == "0")
    })
}
