//! Finds the system's own servers, and says which package brings what is missing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const POSTGRES_ROOT: &str = "/usr/lib/postgresql";
const OLDEST: u32 = 15;
const ETCD_CLIENT: &str = "/usr/lib/python3/dist-packages/etcd/__init__.py";
const EXTENSIONS: [&str; 3] = ["pg_stat_statements", "pg_trgm", "unaccent"];

/// The programs of one major version of PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    dir: PathBuf,
}

impl Postgres {
    /// The highest installed version.
    pub(crate) fn newest() -> Result<Self> {
        let versions = fs::read_dir(POSTGRES_ROOT).into_iter().flatten().flatten();
        let majors = versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let with_server = majors.filter(|major| bin_dir(*major).join("initdb").exists());
        match with_server.max() {
            Some(major) => Self::of_major(major),
            None => Err(missing("the PostgreSQL server", "postgresql")),
        }
    }

    /// One version: data of it can be run by no other.
    pub(crate) fn of_major(major: u32) -> Result<Self> {
        let package = format!("postgresql-{major}");
        if major < OLDEST {
            return Err(Error::Unusable(format!(
                "PostgreSQL {major} is too old: {OLDEST} or later is needed (Debian package postgresql)"
            )));
        }
        let dir = bin_dir(major);
        for program in ["postgres", "initdb", "psql", "pg_basebackup", "pg_rewind"] {
            if !dir.join(program).exists() {
                return Err(missing(
                    &format!("{program} of PostgreSQL {major}"),
                    &package,
                ));
            }
        }
        let shared = PathBuf::from(format!("/usr/share/postgresql/{major}/extension"));
        for extension in EXTENSIONS {
            if !shared.join(format!("{extension}.control")).exists() {
                let what = format!("the extension {extension} of PostgreSQL {major}");
                return Err(missing(&what, &package));
            }
        }
        Ok(Self { dir })
    }

    /// Where all of them are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// `redis-server` or `redis-cli`, from the caller's `PATH`.
pub(crate) fn redis(program: &str) -> Result<PathBuf> {
    let package = if program == "redis-cli" {
        "redis-tools"
    } else {
        "redis-server"
    };
    find_in_path(program).ok_or_else(|| missing(program, package))
}

/// `pgbouncer`.
pub(crate) fn pgbouncer() -> Result<PathBuf> {
    find_in_path("pgbouncer").ok_or_else(|| missing("pgbouncer", "pgbouncer"))
}

/// What a cluster that manages its own roles is run with.
#[derive(Clone, Debug)]
pub(crate) struct Patroni {
    pub(crate) patroni: PathBuf,
    pub(crate) etcd: PathBuf,
}

impl Patroni {
    /// All of it, or an error that names every package that is missing.
    pub(crate) fn find() -> Result<Self> {
        let client = Path::new(ETCD_CLIENT).exists();
        Self::of(find_in_path("patroni"), client, find_in_path("etcd"))
    }

    fn of(patroni: Option<PathBuf>, client: bool, etcd: Option<PathBuf>) -> Result<Self> {
        let parts = [
            (patroni.is_some(), "patroni", "patroni"),
            (client, "its etcd client", "python3-etcd"),
            (etcd.is_some(), "etcd", "etcd-server"),
        ];
        if let (Some(patroni), true, Some(etcd)) = (patroni, client, etcd) {
            return Ok(Self { patroni, etcd });
        }
        let absent = parts.iter().filter(|(found, ..)| !found);
        let (what, packages): (Vec<_>, Vec<_>) =
            absent.map(|(_, what, package)| (*what, *package)).unzip();
        Err(missing(&what.join(", "), &packages.join(" ")))
    }
}

/// Looks for a program in the caller's `PATH`, and in `/usr/sbin`, which ordinary users often lack.
fn find_in_path(program: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH says where programs are; it configures nothing"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/bin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}

fn bin_dir(major: u32) -> PathBuf {
    Path::new(POSTGRES_ROOT).join(major.to_string()).join("bin")
}

fn missing(what: &str, package: &str) -> Error {
    Error::Missing {
        what: what.to_owned(),
        package: package.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_package_is_named() {
        let there = || Some(PathBuf::from("/usr/bin/true"));
        assert!(Patroni::of(there(), true, there()).is_ok());
        let text = |found: Result<Patroni>| found.unwrap_err().to_string();
        assert_eq!(
            text(Patroni::of(None, true, None)),
            "patroni, etcd is missing: install the Debian package patroni etcd-server"
        );
        assert_eq!(
            text(Patroni::of(there(), false, there())),
            "its etcd client is missing: install the Debian package python3-etcd"
        );
    }
}
