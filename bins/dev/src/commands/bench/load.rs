//! Load on a server, and what it costs that server.
//!
//! Throughput on a shared machine is noise; the processor time a server spends per request is
//! steadier. So targets take turns, and the middle of several turns is reported.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::child;
use crate::session::Session;

/// Connections that ask at the same time.
pub(super) const CONNECTIONS: u32 = 16;
/// How long one turn lasts, in seconds.
pub(super) const TURN_SECONDS: u32 = 4;

/// What one turn showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) per_second: f64,
    pub(super) cpu_us: f64,
}

/// Asks for `url`, with these options of wrk's, as fast as the server of that process answers.
pub(super) fn turn(session: &Session, url: &str, options: &[String], pid: u32) -> Result<Turn> {
    let before = cpu_seconds(pid)?;
    let mut wrk = child::command("wrk");
    wrk.args([
        "-t1",
        &format!("-c{CONNECTIONS}"),
        &format!("-d{TURN_SECONDS}s"),
        url,
    ]);
    wrk.args(options);
    let printed = child::output(wrk, &session.interrupts)?;
    let used = cpu_seconds(pid)? - before;
    if printed.contains("Non-2xx") || printed.contains("Socket errors") {
        bail!("{url} did not answer well:\n{printed}");
    }
    let requests = number_before(&printed, " requests in").context("wrk counted no requests")?;
    Ok(Turn {
        per_second: requests / f64::from(TURN_SECONDS),
        cpu_us: used * 1e6 / requests,
    })
}

/// The processor time a process has used, in seconds, user and system together.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    // The second field, the program's name in brackets, may hold spaces.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace())
        .context("/proc")?;
    let ticks: Vec<f64> = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    // The kernel's interface to user space is fixed at 100 ticks a second.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn number_before(text: &str, word: &str) -> Option<f64> {
    let (before, _) = text.split_once(word)?;
    before.rsplit(char::is_whitespace).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_before_a_word() {
        assert_eq!(
            super::number_before("  168552 requests in 4.00s", " requests in"),
            Some(168_552.0)
        );
        assert_eq!(super::number_before("none", " requests in"), None);
    }

    #[test]
    fn this_process_has_used_some_time() {
        let mut sum = 0_u64;
        while super::cpu_seconds(std::process::id()).unwrap() < 0.02 {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        std::hint::black_box(sum);
    }
}
