//! What the tests share.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use prepnexus_devstack::{Stack, StackConfig};

/// Long enough for a query on a busy machine, short enough to wait for it in vain.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);

pub(crate) fn stack(replicas: usize) -> Stack {
    Stack::start(StackConfig {
        replicas,
        ..StackConfig::for_tests()
    })
    .unwrap()
}

/// An empty directory where test stacks go by default.
pub(crate) fn temporary_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(StackConfig::for_tests().dir).unwrap()
}

/// Polls until `condition` holds, for at most 10 s.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 10 s");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The live processes whose command line names `dir`, or that postmasters started there left.
pub(crate) fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let lines = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        });
    lines
        .filter(|(_, line)| line.contains(dir))
        .map(|(pid, line)| format!("{pid} {line}"))
        .collect()
}

/// Whether a process with this number exists and is not a zombie.
pub(crate) fn is_alive(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// The numbers of all server processes of a stack: postmasters and their children.
pub(crate) fn server_pids(stack: &Stack) -> Vec<String> {
    let question = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    let mut pids = Vec::new();
    for node in stack.nodes() {
        let lock = fs::read_to_string(node.data_dir().join("postmaster.pid")).unwrap();
        pids.extend(lock.lines().next().map(str::to_owned));
        pids.extend(node.psql(question).unwrap().lines().map(str::to_owned));
    }
    if let Some(redis) = stack.find_redis() {
        let info = redis.cli(&["INFO", "server"]).unwrap();
        let pid = info
            .lines()
            .find_map(|line| line.trim().strip_prefix("process_id:"));
        pids.extend(pid.map(str::to_owned));
    }
    pids
}
