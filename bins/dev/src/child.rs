//! Child processes that never outlive this one.
//!
//! Each has a process group of its own: a Ctrl-C in the terminal reaches this program alone, which then ends its children
//! in order, with all that they have started. The kernel ends them if this program is killed.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::poll;
use crate::signals::Interrupts;

/// How long a child may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(20);
/// Builds and tests take as long as they take.
const NO_LIMIT: Duration = Duration::MAX;

/// A command that dies with the thread that spawns it; this program spawns from its main thread only.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig=TERM", "--"])
        .arg(program.as_ref());
    command.stdin(Stdio::null());
    command
}

/// A running child. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    interrupts: Interrupts,
}

impl Child {
    pub(crate) fn spawn(mut command: Command, interrupts: &Interrupts) -> Result<Self> {
        interrupts.check()?;
        let name = name_of(&command);
        let process = command.process_group(0).spawn();
        let process = process.with_context(|| format!("can't start {name}"))?;
        Ok(Self {
            process,
            interrupts: interrupts.clone(),
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process
            .try_wait()
            .context("can't watch a child process")
    }

    /// Waits for its end, or for the user's wish to stop.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let interrupts = self.interrupts.clone();
        poll::until("a child process", NO_LIMIT, &interrupts, || self.ended())
    }

    /// Asks it to end and waits for that; a further signal by the user, or 20 s, and it is killed.
    pub(crate) fn stop(&mut self) {
        let (started, signals) = (Instant::now(), self.interrupts.count());
        self.signal(Signal::SIGTERM);
        let hurry = || started.elapsed() > PATIENCE || self.interrupts.count() > signals;
        let unsignalled = Interrupts::default();
        while matches!(self.process.try_wait(), Ok(None)) {
            if hurry() {
                self.signal(Signal::SIGKILL);
                let _ = self.process.wait();
            } else {
                let _ = unsignalled.pause(Duration::from_millis(10));
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.process.id()) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: Command, interrupts: &Interrupts) -> Result<ExitStatus> {
    Child::spawn(command, interrupts)?.wait()
}

/// Runs a command that must succeed, and gives what it wrote to standard output.
pub(crate) fn output(mut command: Command, interrupts: &Interrupts) -> Result<String> {
    let name = name_of(&command);
    command.stdout(Stdio::piped());
    let mut child = Child::spawn(command, interrupts)?;
    let mut pipe = child
        .process
        .stdout
        .take()
        .expect("standard output is piped");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = child.wait()?;
    drop(child);
    let Ok(bytes) = reader.join() else {
        bail!("can't read what {name} printed")
    };
    let bytes = bytes.with_context(|| format!("can't read what {name} printed"))?;
    succeeded(&name, status)?;
    String::from_utf8(bytes).with_context(|| format!("{name} printed no text"))
}

/// Runs a command that must succeed.
pub(crate) fn run_well(command: Command, interrupts: &Interrupts) -> Result<()> {
    let name = name_of(&command);
    succeeded(&name, run(command, interrupts)?)
}

fn succeeded(name: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// The program and its first argument: `cargo build`, `migrator up`. Later ones may be secret.
fn name_of(command: &Command) -> String {
    let words = command
        .get_args()
        .skip_while(|word| *word != "--")
        .skip(1)
        .take(2);
    let words = words.map(|word| {
        let file = Path::new(word).file_name().unwrap_or(word);
        file.to_string_lossy().into_owned()
    });
    words.collect::<Vec<_>>().join(" ")
}
