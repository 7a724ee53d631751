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
        let (patroni, etcd) = (find_in_path("patroni"), find_in_path("etcd"));
        let client = Path::new(ETCD_CLIENT).exists();
        if let (Some(patroni), Some(etcd), true) = (&patroni, &etcd, client) {
            let (patroni, etcd) = (patroni.clone(), etcd.clone());
            return Ok(Self { patroni, etcd });
        }
        let wanted = [
            (patroni.is_some(), "patroni", "patroni"),
            (client, "its etcd client", "python3-etcd"),
            (etcd.is_some(), "etcd", "etcd-server"),
        ];
        let absent = wanted.iter().filter(|(found, ..)| !found);
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
