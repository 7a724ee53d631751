//! What the scenarios share: the usual loads, and questions to a history.

use std::time::Duration;

use prepnexus_storage::Deadline;
use tokio::time::sleep;

use super::Setting;
use crate::{
    checker::Verdict,
    client::{Nodes, Step},
    error::Error,
    history::{History, Kind, Op, Outcome},
    latency::Latencies,
    load::{Load, Plan},
    measure::Measure,
    rig::SOON,
};

/// How often a condition is asked for.
const POLL: Duration = Duration::from_millis(2);

/// Reads that take what there is.
pub(super) const ANY: &[Step] = &[Step::One(Kind::ReadAny)];
/// Writes alone.
pub(super) const WRITES: &[Step] = &[Step::One(Kind::Write)];
/// Writes, and now and then a read with a token.
pub(super) const MOSTLY_WRITES: &[Step] = &[
    Step::One(Kind::Write),
    Step::One(Kind::Write),
    Step::One(Kind::Write),
    Step::One(Kind::ReadToken),
];
/// Writes and reads with tokens.
pub(super) const CAUSAL: &[Step] = &[
    Step::One(Kind::Write),
    Step::One(Kind::ReadToken),
    Step::One(Kind::ReadToken),
];

/// Readers and writers, who don't wait for one another.
pub(super) struct Traffic {
    readers: Load,
    writers: Load,
}

impl Traffic {
    /// Reads of any freshness at one rate, `writers` at another.
    pub(super) fn start(nodes: &Nodes, reads: u32, writes: u32, writers: &'static [Step]) -> Self {
        let plan = |rate, first_client, steps| Plan {
            rate,
            clients: 128,
            first_client,
            steps,
            count: None,
        };
        Self {
            readers: Load::start(nodes, plan(reads, 0, ANY)),
            writers: Load::start(nodes, plan(writes, 1_000, writers)),
        }
    }

    pub(super) async fn stop(self) -> Result<(), Error> {
        self.readers.stop().await?;
        self.writers.stop().await
    }
}

/// Lets the load go on for so long.
pub(super) async fn go_on(duration: Duration) {
    sleep(duration).await;
}

/// Waits until `condition` holds.
pub(super) async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let deadline = Deadline::after(SOON);
    while !condition().await? {
        if deadline.has_passed() {
            return Err(Error::Timeout {
                what: what.into(),
                limit: SOON,
            });
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// The operations of one kind that were to begin in a window.
pub(super) fn window(
    history: &History,
    kind: Kind,
    from_us: u64,
    to_us: u64,
) -> impl Iterator<Item = &Op> + Clone {
    history
        .ops
        .iter()
        .filter(move |op| op.kind == kind && (from_us..to_us).contains(&op.intended_us))
}

/// Their latencies.
pub(super) fn latencies(history: &History, kind: Kind, from_us: u64, to_us: u64) -> Latencies {
    Latencies::of(window(history, kind, from_us, to_us))
}

/// How many reads of a window were not served.
pub(super) fn not_served(history: &History, kind: Kind, from_us: u64, to_us: u64) -> usize {
    let ops = window(history, kind, from_us, to_us);
    ops.filter(|op| !op.is_done()).count()
}

/// Whether a write was refused because the database is away, as opposed to done, unknown, or another fault.
pub(super) fn is_refused(op: &Op) -> bool {
    matches!(
        op.outcome,
        Outcome::Failed {
            unavailable: true,
            ..
        }
    )
}

/// How fast these writes were refused: from their being sent. Beside it, from their intended moment.
pub(super) fn refusals<'a>(
    what: &'static str,
    setting: &Setting,
    refused: impl Iterator<Item = &'a Op> + Clone,
) -> Measure {
    let intended = Latencies::of(refused.clone());
    let sent = Latencies::since_sent(refused);
    Measure::ms(what, sent.p99_ms(), setting.ms(5.0)).beside(format!(
        "{} refused; from the intended moment: {:.2} ms",
        sent.count(),
        intended.p99_ms()
    ))
}

/// What must never be found in any scenario. Without synchronous replication a killed primary may
/// take acknowledged writes with it: they are counted elsewhere.
pub(super) fn never(verdict: &Verdict) -> Vec<Measure> {
    let reads = verdict.stale_reads.len() + verdict.backward_reads.len();
    vec![
        Measure::never("writes applied twice", verdict.duplicates.len()),
        Measure::never(
            "writes refused and yet done",
            verdict.denied_but_there.len(),
        ),
        Measure::never("writes never resolved", verdict.unresolved.len()),
        Measure::never("reads that broke their token's promise", reads),
    ]
}

/// A second, in the history's time.
pub(super) const SECOND_US: u64 = 1_000_000;
