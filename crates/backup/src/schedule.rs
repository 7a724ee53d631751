//! When what is done, and by whom: any number of schedulers, on any machines, of which one runs what is due.
//!
//! **What is due** follows from the runs that there were: a slot is done when a run that began at it, or later, has
//! succeeded. So nothing is run twice, what was missed while all schedulers were down is made up for by one run, and a
//! database restored to an earlier time, whose runs are entered again, knows. A run that failed is tried again after
//! [`RETRY`], until it succeeds. A full backup leaves no differential one to do that was due before.
//!
//! **Whose turn** it is is a lease in the database ([`backups::take_turn`]), kept while a run goes on; who loses it, by being cut
//! off or frozen for longer than it lasts, is followed by another.
//!
//! Every second one of them writes the time into the same row: the heartbeat, by which it is seen that a scheduler lives,
//! and by which a rehearsal measures what would be lost.

mod plan;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
pub use plan::{Due, InvalidSchedule, Plan, RETRY};
use prepnexus_domain::clock::Clock;
use prepnexus_storage::{
    Cluster, Deadline, Error as StorageError, Freshness, ReadConn, Tx,
    backups::{self, Action, Run},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{error::Error, journal::Journal};

/// Between two heartbeats, and two looks at what is due.
pub const TICK: Duration = Duration::from_secs(1);
/// How long a turn lasts that is not kept.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// A heartbeat that is younger needs no other.
const BEAT_PAUSE: SignedDuration = SignedDuration::from_millis(900);
const LIMIT: Duration = Duration::from_secs(5);

/// What runs what is due.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Does it, and says what came of it. Dropping the future ends what was begun.
    async fn run(&self, action: Action) -> Run;
}

/// One scheduler.
pub struct Scheduler<R> {
    cluster: Cluster,
    plan: Plan,
    name: String,
    clock: Arc<dyn Clock>,
    journal: Journal,
    runner: R,
}

impl<R: Runner> Scheduler<R> {
    /// A scheduler by that name, which no other one has. Logs in as the role that owns the tables.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        plan: Plan,
        name: String,
        clock: Arc<dyn Clock>,
        journal: Journal,
        runner: R,
    ) -> Self {
        Self {
            cluster,
            plan,
            name,
            clock,
            journal,
            runner,
        }
    }

    /// Beats, and runs what is due, until the future is dropped. A fault is told once, and tried again.
    pub async fn work(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut was_well, mut is_entered) = (true, false);
        loop {
            ticks.tick().await;
            let outcome = async {
                if !is_entered {
                    self.enter().await?;
                    is_entered = true;
                }
                self.tick().await
            };
            let outcome = outcome.await;
            match &outcome {
                Err(error) if was_well => {
                    tracing::error!(error = error.chain(), "the schedule can't be kept");
                }
                Ok(_) if !was_well => tracing::info!("the schedule is kept again"),
                _ => {}
            }
            was_well = outcome.is_ok();
        }
    }

    /// Beats, and runs one thing if one is due and it is this one's turn; which.
    ///
    /// # Errors
    /// [`Error::Database`] where the database is away: what is due stays due.
    pub async fn tick(&self) -> Result<Option<Run>, Error> {
        self.beat().await?;
        let Some(due) = self.claim().await? else {
            return Ok(None);
        };
        let (action, slots) = (due.action.as_str(), due.slots);
        tracing::info!(action, slots, "due");
        let run = tokio::select! {
            biased;
            run = self.runner.run(due.action) => run,
            // Another has the turn, and runs it.
            () = self.keep_turn() => return Ok(None),
        };
        match &run.error {
            None => tracing::info!(action, label = run.label, "done"),
            Some(error) => tracing::error!(action, error, "failed"),
        }
        // One place that has it is enough for it not to be run again.
        if let Err(error) = self.journal.append(&run) {
            tracing::error!(error = error.chain(), "recorded in the database alone");
        }
        self.end_turn(&run).await?;
        Ok(Some(run))
    }

    async fn beat(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let work = |tx| async move { backups::beat(&tx, now, BEAT_PAUSE).await };
        let beaten = self
            .cluster
            .write("backups.beat", Deadline::after(LIMIT), work)
            .await;
        beaten
            .map(drop)
            .map_err(Error::database("saying that the schedule is kept"))
    }

    /// Takes the turn if anything is due.
    async fn claim(&self) -> Result<Option<Due>, Error> {
        const DOING: &str = "asking what is due";
        let (now, deadline) = (self.clock.now(), Deadline::after(LIMIT));
        let read = |conn: Arc<ReadConn>| async move { backups::last(&conn).await };
        let last = self
            .cluster
            .read_with(Freshness::Primary, deadline, read)
            .await;
        if self
            .plan
            .due(&last.map_err(Error::database(DOING))?, now)
            .is_none()
        {
            return Ok(None);
        }
        // What is in the file alone, after a restore or an outage, was done as well.
        self.enter().await?;
        let (plan, name) = (&self.plan, self.name.as_str());
        let work = |tx: Tx| async move {
            if !backups::take_turn(&tx, name, now, LEASE).await? {
                return Ok(None);
            }
            // Asked again: the one whose turn it was may have done it.
            let due = plan.due(&backups::last(&tx).await?, now);
            if due.is_none() {
                backups::end_turn(&tx, name).await?;
            }
            Ok::<_, StorageError>(due)
        };
        let claimed = self.cluster.write("backups.claim", deadline, work).await;
        Ok(claimed.map_err(Error::database(DOING))?.value)
    }

    async fn enter(&self) -> Result<(), Error> {
        let entered = self.journal.enter(&self.cluster).await?;
        if entered > 0 {
            tracing::info!(
                runs = entered,
                "entered into the database what it did not have"
            );
        }
        Ok(())
    }

    /// Beats and keeps the lease; ends when it is another's.
    async fn keep_turn(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _told_below = self.beat().await;
            let until = self.clock.now() + LEASE;
            let name = self.name.as_str();
            let work = |tx| async move { backups::keep_turn(&tx, name, until).await };
            let kept = self
                .cluster
                .write("backups.keep_turn", Deadline::after(LIMIT), work)
                .await;
            match kept {
                Ok(kept) if !kept.value => {
                    tracing::warn!("another scheduler has taken the turn");
                    return;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(error = error.chain(), "the turn could not be kept"),
            }
        }
    }

    /// Records what was done, and gives the turn away, in one transaction: nobody sees one without the other.
    async fn end_turn(&self, run: &Run) -> Result<(), Error> {
        let (runs, name) = (std::slice::from_ref(run), self.name.as_str());
        let work = |tx| async move {
            backups::insert(&tx, runs).await?;
            backups::end_turn(&tx, name).await
        };
        let ended = self
            .cluster
            .write("backups.end_turn", Deadline::after(LIMIT), work)
            .await;
        ended
            .map(drop)
            .map_err(Error::database("recording what was done"))
    }
}

/// A name for a run, which no other has.
#[must_use]
pub fn run_id(action: Action, started_at: Timestamp, runner: &str) -> String {
    let (action, microsecond) = (action.as_str(), started_at.as_microsecond());
    format!("{action}-{microsecond}-{runner}")
}
