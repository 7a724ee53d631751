//! API processes: started with the rig's servers, asked for their health, and told to end.

use std::{
    collections::BTreeMap,
    io::Read as _,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use prepnexus_storage::Deadline;
use serde_json::Value;
use tokio::time::sleep;
use ureq::Agent;

use crate::{error::Error, rig::Rig, scenarios::Programs};

/// How often a condition is asked for.
const POLL: Duration = Duration::from_millis(10);
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How API processes are started.
pub(crate) struct Site {
    api: PathBuf,
    env: BTreeMap<&'static str, String>,
}

/// API processes that are ready, and a key for them.
pub(crate) struct Running {
    pub(crate) apis: Vec<Api>,
    pub(crate) bases: Vec<String>,
    pub(crate) key: String,
}

/// A running API process. Dropping it kills it.
pub(crate) struct Api {
    base: String,
    child: Mutex<Child>,
}

impl Site {
    pub(crate) fn new(rig: &Rig, programs: &Programs) -> Result<Self, Error> {
        let config = rig.config();
        let ports: Vec<String> = config
            .nodes
            .iter()
            .map(|node| node.port.to_string())
            .collect();
        let password = config
            .password
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        let redis = rig.redis().map(|redis| redis.port().to_string());
        let redis =
            redis.map(|port| [("REDIS_HOST", "127.0.0.1".to_owned()), ("REDIS_PORT", port)]);
        let env = [
            ("DB_HOST", "127.0.0.1".to_owned()),
            ("DB_PORT", ports.join(",")),
            ("DB_NAME", config.database),
            ("DB_USER", config.user),
            ("DB_PASSWORD", password.unwrap_or_default()),
            ("DB_SSLMODE", "disable".to_owned()),
            ("LOG_LEVEL", "error".to_owned()),
            ("API_HOST", "127.0.0.1".to_owned()),
        ];
        let api = programs
            .api
            .canonicalize()
            .map_err(|source| no_program(&programs.api, source))?;
        Ok(Self {
            api,
            env: env.into_iter().chain(redis.into_iter().flatten()).collect(),
        })
    }

    /// Starts so many processes, which end with the thread that calls this, and waits until they are ready. Blocks.
    pub(crate) fn run(&self, count: usize) -> Result<Running, Error> {
        let apis: Vec<Api> = (0..count).map(|_| self.start()).collect::<Result<_, _>>()?;
        let bases: Vec<String> = apis.iter().map(Api::base).collect();
        let key = self.prepare(&bases)?;
        Ok(Running { apis, bases, key })
    }

    /// Starts a process, which ends with the thread that calls this.
    pub(crate) fn start(&self) -> Result<Api, Error> {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let port = port.map_err(|source| no_program(&self.api, source))?.port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig=TERM", "--"]).arg(&self.api);
        command
            .env_clear()
            .envs(&self.env)
            .env("API_PORT", port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Api {
            base: format!("http://127.0.0.1:{port}"),
            child: Mutex::new(child.map_err(|source| no_program(&self.api, source))?),
        })
    }

    /// Waits until all are ready, and makes a key. Blocks.
    fn prepare(&self, bases: &[String]) -> Result<String, Error> {
        let deadline = Instant::now() + READY_LIMIT;
        while !bases.iter().all(|base| is_ready(base)) {
            if Instant::now() > deadline {
                let what = "the API getting ready".to_owned();
                return Err(Error::Timeout {
                    what,
                    limit: READY_LIMIT,
                });
            }
            thread::sleep(POLL);
        }
        let mut command = Command::new(&self.api);
        command.args(["keys", "create", "--role", "admin", "--name", "chaos"]);
        command.env_clear().envs(&self.env).stdin(Stdio::null());
        let made = command.stderr(Stdio::null()).output();
        let made = made.map_err(|source| no_program(&self.api, source))?;
        let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        if !made.status.success() || key.is_empty() {
            return Err(Error::Answer {
                what: "making an API key".into(),
                answer: made.status.to_string(),
            });
        }
        Ok(key)
    }
}

impl Api {
    pub(crate) fn base(&self) -> String {
        self.base.clone()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .id();
        if let Ok(pid) = i32::try_from(id) {
            let _sent = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Sends SIGTERM; whether it ended with success before the deadline.
    pub(crate) async fn terminate(&self, deadline: Deadline) -> bool {
        self.signal(Signal::SIGTERM);
        loop {
            let ended = self
                .child
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .try_wait();
            match ended {
                Ok(Some(status)) => return status.success(),
                Ok(None) if !deadline.has_passed() => sleep(POLL).await,
                _ => return false,
            }
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended already.
        let _killed = child.kill();
        let _ended = child.wait();
    }
}

/// A client that lets no status be an error.
pub(crate) fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

/// Whether `GET /health/ready` answers 200.
pub(crate) fn is_ready(base: &str) -> bool {
    answers_well(&format!("{base}/health/ready"))
}

/// Whether a GET is answered with 200. Blocks.
pub(crate) fn answers_well(url: &str) -> bool {
    let answer = agent(Duration::from_secs(2)).get(url).call();
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// How many are not ready, and how many don't call themselves degraded. Blocks.
pub(crate) fn health(bases: &[String]) -> (usize, usize) {
    let degraded = |base: &&String| {
        let answer = agent(Duration::from_secs(2))
            .get(format!("{base}/health"))
            .call();
        let mut text = String::new();
        let read = answer.map(|answer| answer.into_body().into_reader().read_to_string(&mut text));
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        read.is_ok() && document["status"] == "degraded"
    };
    (
        bases.iter().filter(|base| !is_ready(base)).count(),
        bases.iter().filter(|base| !degraded(base)).count(),
    )
}

fn no_program(path: &std::path::Path, source: std::io::Error) -> Error {
    Error::Program {
        name: path.display().to_string(),
        source,
    }
}
