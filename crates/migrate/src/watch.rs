//! What a statement under way waits for and how far it is, as told on the runner's other connection.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    error::{Error, Holders, LockHolder},
    lock::Runner,
    progress::{OnProgress, Progress},
};

/// How often it is looked at: a wait for a lock is shorter than a second.
const TICK: Duration = Duration::from_millis(250);
/// How often it is said that a statement runs.
const SAY: Duration = Duration::from_secs(10);

/// A statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// Waits for `work`, and tells what it waits for meanwhile. Also gives who stood in its way last.
pub(crate) async fn watched<T>(
    runner: &Runner,
    spot: &Spot,
    progress: OnProgress<'_>,
    work: impl Future<Output = T>,
) -> (T, Holders) {
    let mut work = pin!(work);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (began, mut said) = (Instant::now(), Instant::now());
    let mut holders = Holders::default();
    // The first tick is at once.
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return (done, holders),
            _ = ticks.tick() => {}
        }
        let looking = async {
            let seen = blockers(runner).await?;
            let phase = if said.elapsed() >= SAY {
                phase(runner).await?
            } else {
                None
            };
            Ok::<_, Error>((seen, phase))
        };
        let looked = tokio::select! {
            done = &mut work => return (done, holders),
            looked = looking => looked,
        };
        // Without the other connection nothing is told, and nothing more begun afterwards.
        let Ok((seen, phase)) = looked else {
            return (work.await, holders);
        };
        let Spot { file, line } = spot.clone();
        if !seen.0.is_empty() && seen != holders {
            holders = seen.clone();
            progress(Progress::Blocked {
                file,
                line,
                holders: seen,
            });
        } else if said.elapsed() >= SAY {
            said = Instant::now();
            progress(Progress::Running {
                file,
                line,
                elapsed: began.elapsed(),
                phase,
            });
        }
    }
}

async fn blockers(runner: &Runner) -> Result<Holders, Error> {
    const SQL: &str = "
        SELECT b.pid, a.application_name, host(a.client_addr) || ':' || a.client_port AS client
        FROM unnest(pg_blocking_pids($1)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
        ORDER BY b.pid";
    let pid = runner.work.pid();
    let rows = runner.watch.client().query(SQL, &[&pid]).await;
    let rows = rows.map_err(|e| Error::query("asking what is waited for", &e))?;
    Ok(Holders(rows.iter().map(LockHolder::of).collect()))
}

async fn phase(runner: &Runner) -> Result<Option<String>, Error> {
    const SQL: &str = "
        SELECT phase || CASE WHEN blocks_total > 0 THEN format(', %s %%', 100 * blocks_done / blocks_total)
                             WHEN tuples_total > 0 THEN format(', %s %%', 100 * tuples_done / tuples_total)
                             ELSE '' END
        FROM pg_stat_progress_create_index WHERE pid = $1";
    let pid = runner.work.pid();
    let row = runner.watch.client().query_opt(SQL, &[&pid]).await;
    let row = row.map_err(|e| Error::query("asking how far an index is", &e))?;
    Ok(row.map(|row| row.get(0)))
}
