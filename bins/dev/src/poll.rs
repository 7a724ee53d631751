//! The one place that waits by asking again and again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::signals::Interrupts;

const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(100);

/// Asks `ready` until it gives something; fails when the user wants to stop, or after `limit`.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    interrupts: &Interrupts,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    let mut pause = SHORTEST;
    loop {
        if let Some(found) = ready()? {
            return Ok(found);
        }
        if started.elapsed() >= limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        interrupts.pause(pause)?;
        pause = (pause * 2).min(LONGEST);
    }
}
