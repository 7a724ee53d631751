//! Who runs the servers. PostgreSQL refuses to run as root, so root hands its servers to the user `postgres`.
//!
//! The hand-over is done by `setpriv`, which also asks the kernel to kill the server when its owner dies. The order
//! inside `setpriv` matters (a change of credentials clears the death signal) and a test of this crate watches it.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::error::{During, Error, Result};

/// The directories searched by programs that are started here; nothing else of the caller's environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The account that owns the servers' files and processes.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    gid: u32,
    /// Set when the caller is root.
    switch_to: Option<String>,
}

impl Account {
    /// The caller, or `postgres` when the caller is root.
    pub(crate) fn find() -> Result<Self> {
        let caller = geteuid();
        if !caller.is_root() {
            let gid = nix::unistd::getegid().as_raw();
            return Ok(Self {
                uid: caller.as_raw(),
                gid,
                switch_to: None,
            });
        }
        let user = User::from_name("postgres").map_err(std::io::Error::from);
        match user.during(|| "look up the user postgres".to_owned())? {
            Some(user) => Ok(Self {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                switch_to: Some(user.name),
            }),
            None => Err(Error::Missing {
                what: "the user postgres (servers do not run as root)".to_owned(),
                package: "postgresql-common".to_owned(),
            }),
        }
    }

    /// A helper program, run as this account.
    pub(crate) fn tool(&self, program: &Path) -> Command {
        let Some(user) = &self.switch_to else {
            return clean(program);
        };
        let mut command = clean(Path::new("setpriv"));
        self.switch(&mut command, user);
        command.arg("--").arg(program);
        command
    }

    /// A server, run as this account in a session of its own, so that Ctrl-C in a terminal does not reach it.
    ///
    /// With `tied` the kernel kills it when the thread that spawned it ends.
    pub(crate) fn server(&self, program: &Path, tied: bool) -> Command {
        let mut command = clean(Path::new("setsid"));
        command.arg("setpriv");
        if let Some(user) = &self.switch_to {
            self.switch(&mut command, user);
        }
        command.arg(if tied {
            "--pdeathsig=KILL"
        } else {
            "--pdeathsig=clear"
        });
        command.arg("--").arg(program);
        command
    }

    /// Gives a file or directory to this account.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if self.switch_to.is_some() {
            chown(path, Some(self.uid), Some(self.gid))
                .during(|| format!("give {} to the servers' user", path.display()))?;
        }
        Ok(())
    }

    /// Whether this account can work in `dir`, by really trying: parents may be closed to it.
    pub(crate) fn can_use(&self, dir: &Path) -> bool {
        let mut command = self.tool(Path::new("sh"));
        command
            .args(["-c", r#"cd -- "$0" && test -w . && test -r ."#])
            .arg(dir);
        let quiet = command
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    fn switch(&self, command: &mut Command, user: &str) {
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={}", self.gid));
        command.arg("--init-groups");
    }
}

/// A program without the caller's environment: `PG*` variables would change what is connected to.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/");
    command
}
