//! A server that archives, a repository for it, and the program with the settings for both.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use nix::unistd::{User, geteuid};
use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_testkit::TestDb;
use serde_json::Value;
use tempfile::TempDir;

/// The parts are dropped in this order: the database while its server runs.
pub(crate) struct Rig {
    pub(crate) db: TestDb,
    pub(crate) stack: Stack,
    dir: TempDir,
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
        let dir = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir_in("/tmp");
        let dir = dir.expect("there is a directory for temporary files");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
            .expect("the directory is the test's");
        for name in ["repository", "socket", "state", "lock", "spool"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).expect("the directory is the test's");
            give(&path);
        }
        let config = dir.path().join("pgbackrest.conf");
        let archive = format!(
            "pgbackrest --config={} --stanza=main archive-push %p",
            config.display()
        );
        let setting = |name: &str, value: String| (name.to_owned(), value);
        let stack = Stack::start(StackConfig {
            replicas,
            settings: vec![
                setting("archive_mode", "on".into()),
                setting("archive_command", archive),
                setting("archive_timeout", "1".into()),
                setting(
                    "unix_socket_directories",
                    dir.path().join("socket").display().to_string(),
                ),
            ],
            ..StackConfig::for_tests()
        });
        let stack = stack.expect("the servers start");
        for node in stack.nodes() {
            let rules = node.data_dir().join("pg_hba.conf");
            let text = fs::read_to_string(&rules).expect("the server has rules");
            fs::write(&rules, format!("local all postgres trust\n{text}"))
                .expect("root may write it");
            node.psql("SELECT pg_reload_conf()")
                .expect("the server answers");
        }
        let rig = Self {
            db: TestDb::on(&stack).await,
            stack,
            dir,
        };
        rig.configure(engine);
        rig
    }

    /// Writes the engine's configuration.
    pub(crate) fn configure(&self, engine: &str) {
        let (dir, primary) = (self.dir.path().display(), self.stack.primary());
        let mut text = format!(
            "[global]\nrepo1-path={dir}/repository\nrepo1-retention-full=2\nlock-path={dir}/lock\nspool-path={dir}/spool\n\
             log-level-file=off\nlog-level-console=warn\nstart-fast=y\ncompress-type=zst\narchive-timeout=20\n{engine}\n[main]\n"
        );
        let nodes = self.stack.nodes().iter().filter(|node| node.is_running());
        let primary_first = nodes.filter(|node| node.name() != primary.name());
        for (index, node) in std::iter::once(primary).chain(primary_first).enumerate() {
            let number = index + 1;
            let (data, port) = (node.data_dir().display(), node.port());
            text.push_str(&format!(
                "pg{number}-path={data}\npg{number}-port={port}\npg{number}-socket-path={dir}/socket\npg{number}-user=postgres\n"
            ));
        }
        let path = self.path("pgbackrest.conf");
        fs::write(&path, text).expect("the directory is the test's");
        give(&path);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
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
            .env("BACKUP_CONFIG", self.path("pgbackrest.conf"))
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

    /// Started, and left to itself.
    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// The files below a directory of the test, deepest last.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.path(below), &mut found);
        found
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

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Gives a file to the servers' user, where the test is root.
pub(crate) fn give(path: &Path) {
    if geteuid().is_root() {
        let user = User::from_name("postgres")
            .ok()
            .flatten()
            .expect("there is the servers' user");
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root may give it");
    }
}
