//! An initialised cluster, made once per PostgreSQL version and unpacked for each new stack: `initdb` takes longer than
//! everything else together.
//!
//! The template is one tar file in the system's temporary directory, so that a cleaner of old files removes all of it or
//! nothing, and a rename publishes it whole when two processes make it at once. Every copy gets a system identifier of its
//! own, because two clusters that share one would pass for each other.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::binaries::Postgres;
use crate::error::{During, Error, Result};
use crate::identity;
use crate::layout::{cache_dir, make_private};
use crate::postgres::{REPLICATION_PASSWORD, REPLICATION_USER};
use crate::tool;

const LIMIT: Duration = Duration::from_secs(120);
/// Counts the changes to what a template contains.
const FORMAT: u32 = 1;

/// Who may connect, and how.
pub(crate) const HBA: &str = "\
# Only this machine. The superuser needs no password here, everybody else does.
host all postgres 127.0.0.1/32 trust
host all postgres ::1/128 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
host replication all ::1/128 scram-sha-256
";

const INCLUDES: &str = "
# Kept outside the data directory, so that pg_rewind does not replace them by another node's.
include_if_exists = '../stack.conf'
include_if_exists = '../node.conf'
";

/// Unpacks a new cluster into `data`, which appears only when it is complete.
pub(crate) fn unpack(postgres: &Postgres, account: &Account, data: &Path) -> Result<()> {
    let archive = find_or_build(postgres, account)?;
    let unfinished = data.with_extension("new");
    let _ = fs::remove_dir_all(&unfinished);
    make_private(&unfinished, account)?;
    let mut tar = account.tool(Path::new("tar"));
    tar.arg("-C").arg(&unfinished).arg("-xf").arg(&archive);
    tool::run(tar, "tar", "", LIMIT)?;
    identity::renew(&unfinished)?;
    fs::rename(&unfinished, data).during(|| format!("make {}", data.display()))
}

/// Copies the data directory of a server that is not running.
pub(crate) fn copy_stopped(account: &Account, from: &Path, data: &Path) -> Result<()> {
    let unfinished = data.with_extension("new");
    let _ = fs::remove_dir_all(&unfinished);
    let mut cp = account.tool(Path::new("cp"));
    cp.args(["-a", "--reflink=auto", "--"])
        .arg(from)
        .arg(&unfinished);
    tool::run(cp, "cp", "", LIMIT)?;
    fs::rename(&unfinished, data).during(|| format!("make {}", data.display()))
}

fn find_or_build(postgres: &Postgres, account: &Account) -> Result<PathBuf> {
    let mut command = account.tool(&postgres.program("postgres"));
    command.arg("--version");
    let version = tool::run(command, "postgres --version", "", LIMIT)?;
    // As in "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
    let mut words = version.split([' ', '/']);
    let version = words
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("unknown");
    let cache = cache_dir(account)?;
    let archive = cache.join(format!(
        "prepnexus-template{FORMAT}-{version}-{}.tar",
        account.uid
    ));
    match fs::symlink_metadata(&archive) {
        Ok(found) if found.is_file() && found.uid() == account.uid => return Ok(archive),
        Ok(_) => {
            let path = archive.display();
            return Err(Error::Unusable(format!(
                "{path} belongs to another user: remove it"
            )));
        }
        Err(_) => {}
    }
    let scratch = tempfile::Builder::new()
        .prefix("prepnexus-template-")
        .tempdir_in(&cache);
    let scratch = scratch.during(|| format!("make a directory in {}", cache.display()))?;
    account.give(scratch.path())?;
    let built = build(postgres, account, scratch.path())?;
    fs::rename(&built, &archive).during(|| format!("make {}", archive.display()))?;
    Ok(archive)
}

fn build(postgres: &Postgres, account: &Account, scratch: &Path) -> Result<PathBuf> {
    let data = scratch.join("data");
    let mut initdb = account.tool(&postgres.program("initdb"));
    initdb.arg("--pgdata").arg(&data);
    initdb.args([
        "--username=postgres",
        "--auth=reject",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    initdb.args(["--data-checksums", "--no-sync", "--no-instructions"]);
    tool::run(initdb, "initdb", "", LIMIT)?;
    let hba = data.join("pg_hba.conf");
    fs::write(&hba, HBA).during(|| format!("write {}", hba.display()))?;
    let settings = data.join("postgresql.conf");
    let appended = OpenOptions::new().append(true).open(&settings);
    let appended = appended.and_then(|mut file| file.write_all(INCLUDES.as_bytes()));
    appended.during(|| format!("write {}", settings.display()))?;
    let mut single = account.tool(&postgres.program("postgres"));
    single.args(["--single", "-D"]).arg(&data).arg("postgres");
    let role = format!(
        "CREATE ROLE {REPLICATION_USER} REPLICATION LOGIN PASSWORD '{REPLICATION_PASSWORD}';\n"
    );
    tool::run(single, "postgres --single", &role, LIMIT)?;
    let archive = scratch.join("template.tar");
    let mut tar = account.tool(Path::new("tar"));
    tar.arg("-C").arg(&data).arg("-cf").arg(&archive).arg(".");
    tool::run(tar, "tar", "", LIMIT)?;
    Ok(archive)
}
