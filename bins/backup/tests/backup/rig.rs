//! A server that archives, a repository for it, and the program with the settings for both.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::unistd::geteuid;
use prepnexus_devstack::{Repository, Stack, StackConfig};
use prepnexus_testkit::TestDb;
use serde_json::Value;

use crate::program::Program;

/// Longer than a rehearsal takes. It has the least priority: 15 shares of a processor where others have 1,024 each
/// (Linux, `sched_prio_to_weight` in kernel/sched/core.c).
pub(crate) const REHEARSED: Duration = Duration::from_secs(300);

/// The parts are dropped in this order: the database while its server runs.
pub(crate) struct Rig {
    pub(crate) db: TestDb,
    pub(crate) stack: Stack,
    repository: Repository,
}

impl Rig {
    /// A server whose log is archived each second that anything is written.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The same, with more for the engine's configuration.
    pub(crate) async fn with(engine: &str) -> Self {
        Self::of(engine, 0).await
    }

    pub(crate) async fn of(engine: &str, replicas: usize) -> Self {
        let repository = Repository::make().unwrap();
        let stack = Stack::start(StackConfig {
            replicas,
            settings: repository.settings(Duration::from_secs(1)),
            ..StackConfig::for_tests()
        });
        let stack = stack.unwrap();
        repository.configure(&stack, engine).unwrap();
        Self {
            db: TestDb::on(&stack).await,
            stack,
            repository,
        }
    }

    /// Writes the engine's configuration anew.
    pub(crate) fn configure(&self, engine: &str) {
        self.repository.configure(&self.stack, engine).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.repository.path(name)
    }

    /// Gives a file to the servers' user.
    pub(crate) fn give(&self, path: &Path) {
        self.repository.give(path).unwrap();
    }

    /// The program, as whoever runs the test: root becomes the servers' user by itself.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let config = self.db.owner_config();
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup"));
        let password = config
            .password
            .as_ref()
            .map(|password| password.expose().to_owned());
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("BACKUP_CONFIG", self.repository.config())
            .env("BACKUP_STATE_DIR", self.path("state"))
            .env("BACKUP_FREE_MIB", "64")
            .env("DB_HOST", &config.nodes[0].host)
            .env("DB_PORT", config.nodes[0].port.to_string())
            .env("DB_NAME", &config.database)
            .env("DB_USER", &config.user)
            .env("DB_PASSWORD", password.unwrap_or_default())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Runs it, and wants it to succeed; what it printed.
    pub(crate) fn must(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
        ran.stdout
    }

    /// The same, as JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let text = self.must(words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Asks another server than the stack's for the same database, as a superuser.
    pub(crate) fn ask_at(&self, port: &str, sql: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-h", "127.0.0.1", "-U", "postgres", "-p", port]);
        let ran = Ran::of(command.args(["-d", self.db.database(), "-c", sql]));
        assert_eq!(ran.code, Some(0), "{sql}: {}", ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// Started, and killed when the value is dropped.
    pub(crate) fn spawn(&self, words: &[&str]) -> Program {
        let mut command = self.command(words);
        Program::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Whether a rehearsal has begun to restore: what it will compare with is written down by then.
    pub(crate) fn is_restoring(&self) -> bool {
        let scratch = fs::read_dir(self.path("state"))
            .into_iter()
            .flatten()
            .flatten();
        scratch
            .map(|entry| entry.path().join("data"))
            .any(|data| data.exists())
    }

    /// The files below a directory of the test.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        files_below(&self.path(below))
    }
}

/// What came of it.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }
}

/// The files below a directory.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |path: PathBuf| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// A program run as the servers' user.
pub(crate) fn as_servers_user(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Where the programs of the newest PostgreSQL are, which the stack's servers are of.
pub(crate) fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
    let majors = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin", majors.max().unwrap()))
}
