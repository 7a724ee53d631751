//! Looks at processes through `/proc/<pid>/cmdline` and `stat`, which every user may read, in every container.
//!
//! No process is ever signalled by a remembered number alone: its command line must say that it is ours.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The command line of a live process, its arguments ended by NUL bytes; `None` when it is gone or going.
pub(crate) fn command_line(pid: i32) -> Option<Vec<u8>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    (!line.is_empty()).then_some(line)
}

/// Whether a process is gone, or a zombie. A dying one has no command line any more while its sockets are still open.
pub(crate) fn has_ended(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // As in "123 (name) S 1 …", where the name may hold anything.
    let state = stat.rsplit(") ").next().unwrap_or_default();
    state.starts_with(['Z', 'X'])
}

/// Every process whose command line is `ours`.
pub(crate) fn find(ours: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| command_line(*pid).is_some_and(|line| ours(&line)))
        .collect()
}

/// These processes and all that they, and theirs, have started.
pub(crate) fn with_descendants(mut pids: Vec<i32>) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> = all.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut looked_at = 0;
    while let Some(parent) = pids.get(looked_at).copied() {
        for (pid, _) in parents.iter().filter(|(_, of)| *of == parent) {
            if !pids.contains(pid) {
                pids.push(*pid);
            }
        }
        looked_at += 1;
    }
    pids.retain(|pid| !has_ended(*pid));
    pids
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

/// Sends a signal; a process that is already gone is no error.
pub(crate) fn signal(pid: i32, signal: Signal) {
    // Zero and negative numbers mean groups of processes.
    if pid > 1 {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Whether `needle` occurs in a command line.
pub(crate) fn contains(line: &[u8], needle: &[u8]) -> bool {
    line.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_of_children_are_descendants() {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'read -r _; true'; true"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while with_descendants(vec![pid]).len() != 2 {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(with_descendants(vec![own]).len() >= 3);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(with_descendants(vec![pid]), Vec::<i32>::new());
    }
}
