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
