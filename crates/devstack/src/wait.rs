//! The one place that sleeps: a condition is polled until it holds or its time is over.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(20);

/// Polls `condition` until it gives a value; `what` names it in the error after `limit`.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = SHORTEST;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                what: what.to_owned(),
                limit,
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST);
    }
}

/// Polls `condition` until it is true.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    wait_for(what, limit, || Ok(condition()?.then_some(())))
}
