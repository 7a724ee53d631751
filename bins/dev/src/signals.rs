//! SIGINT, SIGTERM and SIGHUP, as something that every wait of this program looks at.
//!
//! A signal never ends the program: it makes the current wait fail with [`Interrupted`], and the way out stops what was
//! started. Handlers rather than a signal mask, because children inherit a mask.

use std::fs;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The user wants to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted {
    signal: i32,
}

impl Interrupted {
    /// What a shell gives for a program that the signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.signal).unwrap_or(1)
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted by signal {}", self.signal)
    }
}

impl std::error::Error for Interrupted {}

#[derive(Debug, Default)]
struct State {
    first: Option<Interrupted>,
    count: usize,
}

/// The signals so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Interrupts {
    /// Watches from now on, until the program ends.
    pub(crate) fn watch() -> Result<Self> {
        let interrupts = Self::default();
        let runtime = Builder::new_current_thread().enable_io().build();
        let runtime = runtime.context("can't watch for signals")?;
        let mut signals = {
            let _inside = runtime.enter();
            let watched = |kind: SignalKind| signal(kind).context("can't watch for signals");
            [
                watched(SignalKind::interrupt())?,
                watched(SignalKind::terminate())?,
                watched(if ignores_hangup() {
                    SignalKind::user_defined2()
                } else {
                    SignalKind::hangup()
                })?,
            ]
        };
        let watcher = interrupts.clone();
        let body = move || {
            runtime.block_on(async move {
                loop {
                    watcher.add(next(&mut signals).await);
                }
            });
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(body)
            .context("can't watch for signals")?;
        Ok(interrupts)
    }

    /// Fails if there was a signal.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        self.state().first.map_or(Ok(()), Err)
    }

    /// How many signals there were: a second one means that the user is in a hurry.
    pub(crate) fn count(&self) -> usize {
        self.state().count
    }

    /// Sleeps; a signal ends that at once, and fails.
    pub(crate) fn pause(&self, duration: Duration) -> Result<(), Interrupted> {
        let deadline = Instant::now() + duration;
        let mut state = self.state();
        while state.first.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let woken = self.shared.1.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.first.map_or(Ok(()), Err)
    }

    fn add(&self, signal: i32) {
        let mut state = self.state();
        state.first.get_or_insert(Interrupted { signal });
        state.count += 1;
        self.shared.1.notify_all();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the next signal.
async fn next(signals: &mut [Signal; 3]) -> i32 {
    let [interrupt, terminate, hangup] = signals;
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
        _ = hangup.recv() => 1,
    }
}

/// Under `nohup` a closed terminal is no reason to stop.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
