//! A directory for one rehearsal, of which nothing is left, whatever happens to the one who made it.
//!
//! Three things see to that. Whoever made it removes it. A second process, the keeper, waits on a pipe for the end of the
//! first, kills what still runs in the directory, and removes it: that is what is left to do after a SIGKILL. And a lock
//! that the kernel drops with its holder tells the next rehearsal which directories are nobody's: that is for when both were killed.
//!
//! All that runs there has the directory, or one below, as its working directory; so it is found in `/proc`.

use std::{
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    io::Read,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::error::Error;

const PREFIX: &str = "drill-";
const LOCK: &str = "lock";
const PAUSE: Duration = Duration::from_millis(20);
/// How long what was killed may take to end.
const LIMIT: Duration = Duration::from_secs(20);

/// The directory. Dropping it ends what runs there and removes it.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: PathBuf,
    _lock: File,
    keeper: Child,
}

impl Scratch {
    /// A new directory below `root`, after removing those there that are nobody's. `keeper` is a program that,
    /// given the directory as its last argument, calls [`keep`].
    pub(crate) fn make(root: &Path, mut keeper: Command) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::file("making", root))?;
        sweep(root);
        // A name that was never used: a keeper may still be clearing the one before.
        let random = RandomState::new().build_hasher().finish();
        let dir = root.join(format!("{PREFIX}{random:016x}"));
        let keeping = keeper
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // What is sent to the group of a terminal's foreground, Ctrl-C, is not for it.
            .process_group(0)
            .spawn();
        let keeper = keeping.map_err(Error::file("starting the keeper of", &dir))?;
        // From here on it is kept. Closed to others: it will hold the database.
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(Error::file("making", &dir))?;
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(Error::file("making", &path))?;
        lock.lock().map_err(Error::file("locking", &path))?;
        Ok(Self {
            dir,
            _lock: lock,
            keeper,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        clear(&self.dir);
        // The end of its input ends it.
        drop(self.keeper.stdin.take());
        let _ended = self.keeper.wait();
    }
}

/// Waits for the end of `input`, which is that of the process that holds its other end, and clears `dir`.
pub fn keep(mut input: impl Read, dir: &Path) {
    let mut byte = [0; 1];
    while input.read(&mut byte).is_ok_and(|read| read > 0) {}
    clear(dir);
}

/// Clears the directories below `root` whose lock nobody holds.
fn sweep(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries {
        let dir = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours {
            continue;
        }
        let lock = File::options().write(true).open(dir.join(LOCK));
        // One without a lock was being made, or removed, when its owner was killed, or is just now.
        let is_free = match &lock {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => is_old(&dir),
        };
        if is_free {
            tracing::warn!(?dir, "removing what an earlier rehearsal left");
            clear(&dir);
        }
    }
}

fn is_old(dir: &Path) -> bool {
    let modified = fs::metadata(dir).and_then(|found| found.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LIMIT))
}

/// Ends what runs in `dir` and removes it; again, until nothing is left.
fn clear(dir: &Path) {
    let started = Instant::now();
    loop {
        let running = running_in(dir);
        for pid in &running {
            let _gone = kill(*pid, Signal::SIGKILL);
        }
        if running.is_empty() {
            let removed = fs::remove_dir_all(dir);
            if running_in(dir).is_empty() && !dir.exists() {
                return;
            }
            if started.elapsed() > LIMIT {
                tracing::error!(?dir, ?removed, "could not be removed");
                return;
            }
        } else if started.elapsed() > LIMIT {
            tracing::error!(?dir, ?running, "processes don't end");
            return;
        }
        sleep(PAUSE);
    }
}

/// The processes whose working directory is `dir` or below it, also where it was removed already.
fn running_in(dir: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        fs::read_link(format!("/proc/{pid}/cwd"))
            .is_ok_and(|cwd| cwd.starts_with(dir) || is_removed(&cwd, dir))
    })
    .map(Pid::from_raw)
    .collect()
}

/// The kernel shows a directory that was removed with a word behind its name.
fn is_removed(cwd: &Path, dir: &Path) -> bool {
    let cwd = cwd.to_string_lossy();
    let name = cwd.strip_suffix(" (deleted)");
    name.is_some_and(|name| Path::new(name).starts_with(dir))
}
