//! As whom it runs. PostgreSQL refuses to run as root, and the engine reads and writes files that are another user's: so
//! root becomes that user before anything else is done.

use anyhow::{Context, bail};
use nix::unistd::{User, chdir, geteuid, initgroups, setgid, setuid};
use std::ffi::CString;

/// Goes on as `name`, if this is root.
pub(crate) fn become_user(name: &str) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let Some(user) = User::from_name(name)? else {
        bail!("started as root, and there is no user {name} (BACKUP_USER) to go on as");
    };
    if user.uid.is_root() {
        bail!("BACKUP_USER is root, and PostgreSQL does not run as root");
    }
    let wanted = || format!("going on as {name}");
    initgroups(&CString::new(name)?, user.gid).with_context(wanted)?;
    setgid(user.gid).with_context(wanted)?;
    setuid(user.uid).with_context(wanted)?;
    // Where it was started may be closed to that user.
    chdir("/").with_context(wanted)?;
    Ok(())
}
