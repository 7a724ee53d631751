//! What the process itself uses.

use std::{fs, time::Duration};

use metrics::{Unit, describe_gauge, gauge};
use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeValLike as _,
};

const MEMORY: &str = "prepnexus_process_resident_memory_bytes";
const CPU: &str = "prepnexus_process_cpu_seconds";
const FILES: &str = "prepnexus_process_open_fds";
const FILE_LIMIT: &str = "prepnexus_process_max_fds";

/// What the process uses now; what the system does not tell is absent.
pub(crate) struct Usage {
    pub(crate) resident_bytes: Option<u64>,
    /// In user and in kernel mode, since it began.
    pub(crate) cpu: Option<Duration>,
    pub(crate) open_files: Option<u64>,
    /// The most it may have open.
    pub(crate) max_files: Option<u64>,
}

impl Usage {
    pub(crate) fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu = usage.map(|usage| usage.user_time() + usage.system_time());
        let limit = getrlimit(Resource::RLIMIT_NOFILE).ok();
        Self {
            resident_bytes: resident_bytes(),
            cpu: cpu.and_then(|time| {
                Some(Duration::from_micros(
                    time.num_microseconds().try_into().ok()?,
                ))
            }),
            // One of them is the directory that is being read.
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| files.count().saturating_sub(1) as u64),
            max_files: limit.map(|(soft, _)| soft),
        }
    }
}

/// By `/proc/self/status`: proc(5).
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

pub(super) fn describe() {
    describe_gauge!(MEMORY, Unit::Bytes, "Memory of the process that is in RAM");
    describe_gauge!(
        CPU,
        Unit::Seconds,
        "Processor time that the process has used since it began"
    );
    describe_gauge!(FILES, "Files and sockets that the process has open");
    describe_gauge!(FILE_LIMIT, "The most files and sockets it may have open");
}

/// Sets the gauges.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; these are far below 2^53"
)]
pub(crate) fn tell() {
    let usage = Usage::now();
    let cpu = usage.cpu.map(|time| time.as_secs_f64());
    for (name, value) in [
        (MEMORY, usage.resident_bytes.map(|bytes| bytes as f64)),
        (CPU, cpu),
        (FILES, usage.open_files.map(|files| files as f64)),
        (FILE_LIMIT, usage.max_files.map(|files| files as f64)),
    ] {
        if let Some(value) = value {
            gauge!(name).set(value);
        }
    }
}
