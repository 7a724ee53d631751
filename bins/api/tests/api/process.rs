//! The binary as a process: its settings, its output, its end.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use prepnexus_storage::ClusterConfig;
use prepnexus_testkit::TestDb;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A database for one test, made without an asynchronous test.
pub(crate) fn database() -> TestDb {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(TestDb::new())
}

/// Changes a test's database, or asks it.
pub(crate) fn psql(db: &TestDb, sql: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(db.psql(sql))
}

/// The password of the database's role.
pub(crate) fn password(config: &ClusterConfig) -> &str {
    config.password.as_ref().unwrap().expose()
}

/// The binary with no settings at all.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command.env_clear();
    command
}

/// The binary with the settings of `db`.
pub(crate) fn api(db: &TestDb) -> Command {
    let config = db.config();
    let mut command = bare();
    command
        .env("DB_HOST", &config.nodes[0].host)
        .env("DB_PORT", config.nodes[0].port.to_string())
        .env("DB_NAME", &config.database)
        .env("DB_USER", &config.user)
        .env("DB_PASSWORD", password(&config))
        .env("DB_PROBE_TIMEOUT", "10s")
        .env("DB_CONNECT_TIMEOUT", "10s")
        .env("DB_DEADLINE", "30s");
    command
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What a process that ended by itself left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server that runs.
pub(crate) struct Served {
    pub(crate) port: u16,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Served {
    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it on a free port, and waits until it says that it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_on(command, free_port())
    }

    /// The same, on that port.
    pub(crate) fn start_on(command: Command, port: u16) -> Self {
        let served = Self::spawn(command, port);
        served.wait_for_address();
        served
    }

    /// Starts one that says nothing about listening.
    pub(crate) fn start_silently(command: Command) -> Self {
        let served = Self::spawn(command, free_port());
        let connects = || TcpStream::connect(("127.0.0.1", served.port)).is_ok();
        eventually("listening", connects);
        served
    }

    fn spawn(mut command: Command, port: u16) -> Self {
        command.env("API_PORT", port.to_string());
        let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reading = thread::spawn(move || {
            for line in stderr.lines() {
                kept.lock().unwrap().push(line.unwrap());
            }
        });
        Self {
            port,
            child,
            lines,
            reading: Some(reading),
        }
    }

    /// What it says of its addresses; the HTTP library has a line of its own about them.
    pub(crate) fn wait_for_address(&self) -> String {
        self.wait_for("its address", |line| {
            line.contains("listening") && line.contains("address")
        })
    }

    /// The first line with these words, when it has come.
    pub(crate) fn wait_for_line(&self, words: &str) -> String {
        self.wait_for(words, |line| line.contains(words))
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        eventually(what, || {
            let lines = self.lines.lock().unwrap();
            found = lines.iter().find(|line| is_it(line)).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    pub(crate) fn wait_until_ready(&self) {
        eventually("ready", || self.get("/health/ready").0 == 200);
    }

    /// Status and body.
    pub(crate) fn get(&self, target: &str) -> (u16, String) {
        get(self.port, target).unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.port).unwrap()
    }

    pub(crate) fn terminate(&self) {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
    }

    /// How it ended, and all that it wrote.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let mut ended = None;
        eventually("the end of the process", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        self.reading.take().unwrap().join().unwrap();
        let lines = self.lines.lock().unwrap().clone();
        (ended.unwrap(), lines)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One request over a connection of its own.
pub(crate) fn ask(port: u16, request: &str) -> (u16, String) {
    exchange(port, request).unwrap()
}

/// Status and body, if somebody listens there.
pub(crate) fn get(port: u16, target: &str) -> io::Result<(u16, String)> {
    exchange(port, &format!("GET {target} HTTP/1.0\r\n\r\n"))
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(port: u16, request: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(port)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, body.to_owned()))
}

/// Does each of `works` again and again, beside the others, while `meanwhile` lasts: a failure of it is an end as well.
pub(crate) fn repeating<T, W: FnMut() + Send>(
    works: impl IntoIterator<Item = W>,
    meanwhile: impl FnOnce() -> T,
) -> T {
    struct SetWhenDropped<'a>(&'a AtomicBool);
    impl Drop for SetWhenDropped<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        for mut work in works {
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    work();
                }
            });
        }
        let _at_the_end = SetWhenDropped(is_over);
        meanwhile()
    })
}

pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(PATIENCE, what, condition);
}

pub(crate) fn within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
