//! A restored data directory, and a server on it that harms nobody: it archives nothing, waits for no standby, loads no
//! extension at its start, and listens on loopback and on a socket in a directory of its user's alone.
//!
//! All that it is set to is on its command line, which wins over what the restored files say. What a server in recovery
//! must not have less of than its primary had (connections, locks, …) is in `pg_control`.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use prepnexus_storage::{
    ClusterConfig, NodeAddr, SslMode,
    driver::{self, Connected},
};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use crate::{
    error::Error,
    manifest,
    program::{self, one_line},
    wal::Lsn,
};

/// The longest path of a socket that the system takes, less its file's name.
const SOCKET_DIR_BYTES: usize = 85;
const WRITABLE: &str = "SELECT NOT pg_is_in_recovery()";
const PAUSE: Duration = Duration::from_millis(20);
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// How long a copy's server lives, and how much of the machine it gets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Life {
    /// As long as the thread that started it, with the least priority, on so many processors.
    Rehearsal {
        /// How many processors.
        cpus: usize,
    },
    /// Until somebody stops it.
    OnItsOwn,
}

/// A restored data directory.
#[derive(Debug)]
pub(crate) struct RestoredCopy {
    data: PathBuf,
    /// For its socket, its log and its settings; nobody else may enter.
    beside: PathBuf,
    port: u16,
    life: Life,
    /// As whom, and where, it is asked.
    config: ClusterConfig,
    child: Option<Child>,
}

impl RestoredCopy {
    /// Of what was restored into `data`. Logs in with the role and the password of `config`, which the copy has too.
    pub(crate) fn new(
        data: &Path,
        beside: &Path,
        port: Option<u16>,
        life: Life,
        config: &ClusterConfig,
    ) -> Result<Self, Error> {
        if beside.as_os_str().len() > SOCKET_DIR_BYTES {
            let text = format!(
                "{beside:?} is too long for the path of a socket: {SOCKET_DIR_BYTES} bytes at most"
            );
            return Err(Error::Refused(text));
        }
        let port = port.map_or_else(free_port, Ok)?;
        let copy = Self {
            data: data.to_owned(),
            beside: beside.to_owned(),
            port,
            life,
            config: ClusterConfig {
                nodes: vec![NodeAddr {
                    host: Ipv4Addr::LOCALHOST.to_string(),
                    port,
                }],
                ssl_mode: SslMode::Disable,
                pooler: false,
                ..config.clone()
            },
            child: None,
        };
        copy.write_files()?;
        Ok(copy)
    }

    /// Where it answers, and as whom.
    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Where its socket is, and its port.
    pub(crate) fn socket(&self) -> (&Path, u16) {
        (&self.beside, self.port)
    }

    /// Recovers up to `lsn` and stays there, to be read; how long it took.
    pub(crate) async fn recover_to(
        &mut self,
        lsn: Lsn,
        limit: Duration,
    ) -> Result<Duration, Error> {
        let target = [
            format!("recovery_target_lsn={lsn}"),
            "recovery_target_inclusive=off".into(),
            "recovery_target_action=pause".into(),
        ];
        let started = Instant::now();
        self.start(&target)?;
        const PAUSED: &str =
            "SELECT pg_is_in_recovery() AND pg_get_wal_replay_pause_state() = 'paused'";
        self.wait_until(PAUSED, &format!("recovery up to {lsn}"), limit)
            .await?;
        Ok(started.elapsed())
    }

    /// Recovers as the restored files say, and waits until it can be written; how long it took.
    pub(crate) async fn recover(&mut self, limit: Duration) -> Result<Duration, Error> {
        let started = Instant::now();
        self.start(&[])?;
        self.wait_until(WRITABLE, "the end of recovery", limit)
            .await?;
        Ok(started.elapsed())
    }

    /// Ends recovery where it is, so that it can be written; how long it took.
    pub(crate) async fn promote(&self, limit: Duration) -> Result<Duration, Error> {
        let started = Instant::now();
        let mut command = program::tied(program::of_postgres(&self.data, "pg_ctl")?);
        command
            .args(["promote", "--no-wait", "--pgdata"])
            .arg(&self.data);
        program::run(command, "pg_ctl promote", "postgresql", limit).await?;
        self.wait_until(WRITABLE, "the end of recovery", limit)
            .await?;
        Ok(started.elapsed())
    }

    /// A session of it.
    pub(crate) async fn connect(&self) -> Result<Connected, Error> {
        let node = &self.config.nodes[0];
        let connected = driver::connect(
            &self.config,
            node,
            manifest::options(),
            Duration::from_secs(5),
        );
        connected
            .await
            .map_err(Error::database("connecting to the copy"))
    }

    /// Ends it as a server is ended in peace; kills it where it takes too long.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid {
                let _gone = kill(Pid::from_raw(pid), signal);
            }
            if timeout(SHUTDOWN_LIMIT, child.wait()).await.is_ok() {
                return Ok(());
            }
        }
        let what = "the end of the copy's server".into();
        Err(Error::Late {
            what,
            limit: SHUTDOWN_LIMIT,
        })
    }

    fn start(&mut self, target: &[String]) -> Result<(), Error> {
        let log = self.beside.join("postgres.log");
        let opened = fs::File::options().create(true).append(true).open(&log);
        let log = opened.map_err(Error::file("opening", &log))?;
        let postgres = program::of_postgres(&self.data, "postgres")?;
        let mut command = match self.life {
            Life::Rehearsal { cpus } => program::limited(&postgres, cpus),
            Life::OnItsOwn => program::detached(&postgres),
        };
        command.arg("-D").arg(&self.data).args(self.arguments()?);
        command.args(
            target
                .iter()
                .flat_map(|setting| ["-c".to_owned(), setting.clone()]),
        );
        command
            .current_dir(&self.beside)
            .stdout(Stdio::null())
            .stderr(log);
        let missing = |_| Error::Missing {
            program: "setpriv, nice and taskset".into(),
            package: "util-linux",
        };
        self.child = Some(command.spawn().map_err(missing)?);
        Ok(())
    }

    fn arguments(&self) -> Result<Vec<OsString>, Error> {
        let mut arguments = Vec::new();
        let mut set = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            arguments.extend(["-c".into(), setting]);
        };
        set("config_file", &self.beside.join("postgresql.conf"));
        set("hba_file", &self.beside.join("pg_hba.conf"));
        set("ident_file", &self.beside.join("pg_ident.conf"));
        set("unix_socket_directories", &self.beside);
        set("port", &self.port.to_string());
        for (name, value) in HARMLESS {
            set(name, &value);
        }
        for (name, value) in floors(&self.data)? {
            set(&name, &value);
        }
        Ok(arguments)
    }

    fn write_files(&self) -> Result<(), Error> {
        // Where logging in needs no password today, it needs none here.
        let config = &self.config;
        let has_password = config.password.is_some() || config.password_file.is_some();
        let method = if has_password {
            "scram-sha-256"
        } else {
            "trust"
        };
        let hba = format!("local all all trust\nhost all all 127.0.0.1/32 {method}\n");
        for (name, text) in [
            ("postgresql.conf", ""),
            ("pg_ident.conf", ""),
            ("pg_hba.conf", hba.as_str()),
        ] {
            let path = self.beside.join(name);
            fs::write(&path, text).map_err(Error::file("writing", &path))?;
        }
        Ok(())
    }

    /// Waits until a statement that asks gives true.
    async fn wait_until(&self, sql: &str, what: &str, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            if let Ok(connected) = self.connect().await
                && let Ok(row) = connected.client().query_one(sql, &[]).await
                && row.get(0)
            {
                return Ok(());
            }
            if !self.is_running() {
                let said = self.last_words();
                return Err(Error::Wrong(format!(
                    "the copy's server ended before {what}: {said}"
                )));
            }
            if started.elapsed() > limit {
                let what = format!("{what} ({})", self.last_words());
                return Err(Error::Late { what, limit });
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether its process is there; one that ended is not reaped before [`RestoredCopy::stop`].
    fn is_running(&self) -> bool {
        let pid = self.child.as_ref().and_then(Child::id);
        let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let state = stat.and_then(|stat| stat.rsplit(')').next()?.trim_start().chars().next());
        state.is_some_and(|state| state != 'Z')
    }

    /// What the server last complained of.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.beside.join("postgres.log")).unwrap_or_default();
        let mut complaints: Vec<&str> = log
            .lines()
            .filter(|line| {
                ["FATAL", "PANIC", "ERROR", "unable"]
                    .iter()
                    .any(|word| line.contains(word))
            })
            .collect();
        // While it starts it refuses whoever asks whether it has started.
        complaints.retain(|line| !line.contains("the database system is"));
        let last = complaints.len().saturating_sub(3);
        match &complaints[last..] {
            [] => "its log complains of nothing".into(),
            lines => one_line(&lines.join(" | ")),
        }
    }
}

/// What is set whatever the restored files say.
const HARMLESS: [(&str, &str); 18] = [
    ("listen_addresses", "127.0.0.1"),
    ("archive_mode", "off"),
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    ("synchronous_standby_names", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("recovery_min_apply_delay", "0"),
    ("hot_standby", "on"),
    ("ssl", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_min_messages", "warning"),
    ("external_pid_file", ""),
    ("cluster_name", "prepnexus-copy"),
    ("shared_buffers", "128MB"),
    ("huge_pages", "off"),
];

/// What a server in recovery must not have less of than its primary had, as `pg_control` has it.
fn floors(data: &Path) -> Result<Vec<(String, String)>, Error> {
    let controldata = program::of_postgres(data, "pg_controldata")?;
    let missing = |_| Error::Missing {
        program: "pg_controldata".into(),
        package: "postgresql",
    };
    let ran = std::process::Command::new(controldata)
        .env("LC_ALL", "C")
        .arg(data)
        .output();
    let output = ran.map_err(missing)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let setting = |line: &str| {
        let (name, value) = line.split_once(" setting:")?;
        // `wal_level` and two switches are there too, and no floors.
        let value: u64 = value.trim().parse().ok()?;
        Some((name.replace("_xact", "_transaction"), value.to_string()))
    };
    let found: Vec<_> = text.lines().filter_map(setting).collect();
    if found.is_empty() {
        return Err(Error::Output {
            program: "pg_controldata".into(),
            detail: one_line(&[text, String::from_utf8_lossy(&output.stderr)].concat()),
        });
    }
    Ok(found)
}

fn free_port() -> Result<u16, Error> {
    let bound =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = bound.map_err(Error::file("finding a free port on", "127.0.0.1"))?;
    Ok(address.port())
}
