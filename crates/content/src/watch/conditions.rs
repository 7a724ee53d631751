//! What somebody should be told of, as far as one process sees it: by the names, the thresholds and the urgency of
//! `deploy/prometheus/rules/alerts.yml`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prepnexus_health::{
    BreakerState, Component, Recent, Status, Window,
    alerts::{Alert, Urgency},
};
use prepnexus_storage::{NodeState, NodeStatus, Role};

use crate::gate::WAITED;

/// A replica that is behind by more gets no reads.
const LAG: Duration = Duration::from_secs(5);
/// A feed that is older shows no copy to be right.
const FEED_AGE: Duration = Duration::from_secs(5);
/// Over how long it is counted how often something happens.
const LATELY: Window = Window::Last(MINUTE);
const MINUTE: Duration = Duration::from_secs(60);
/// More errors of one code than this within [`LATELY`] are a storm: one a second.
const STORM: u64 = 60;

/// What other crates count under these names.
const STALE_SERVED: &str = "prepnexus_cache_stale_served_total";
const ERRORS: &str = "prepnexus_errors_total";
const SHED: &str = "prepnexus_http_shed_total";

/// A condition that a process sees by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// There is no node that takes writes.
    NoPrimary,
    /// A node does not answer.
    NodeAway,
    /// A replica is far behind.
    ReplicaLagging,
    /// A node's breaker is open.
    BreakerOpen,
    /// A node must not be used.
    NodeFenced,
    /// All of a node's connections are in use, or as much is under way as may be, and requests wait.
    PoolSaturated,
    /// Redis can't be used.
    CacheAway,
    /// Copies were served that may be outdated.
    StaleServed,
    /// Nothing is heard of changes.
    FeedStopped,
    /// Many requests fail with the same code.
    ErrorStorm,
    /// Requests are refused because too much is asked.
    Shedding,
    /// The last backup is too old.
    BackupTooOld,
    /// The last rehearsed restore is too old.
    DrillTooOld,
    /// The last rehearsal of a restore failed.
    DrillFailed,
    /// What is done about backups failed.
    BackupFailing,
    /// The primary's log is not archived.
    ArchivingFails,
    /// Nobody keeps the schedule of backups.
    SchedulerGone,
    /// More would be lost with the primary than is documented.
    RecoveryPointMissed,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::NoPrimary,
        Self::NodeAway,
        Self::ReplicaLagging,
        Self::BreakerOpen,
        Self::NodeFenced,
        Self::PoolSaturated,
        Self::CacheAway,
        Self::StaleServed,
        Self::FeedStopped,
        Self::ErrorStorm,
        Self::Shedding,
        Self::BackupTooOld,
        Self::DrillTooOld,
        Self::DrillFailed,
        Self::BackupFailing,
        Self::ArchivingFails,
        Self::SchedulerGone,
        Self::RecoveryPointMissed,
    ];

    /// The name of the alert: that of the Prometheus rule, and of the section of the runbook.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPrimary => "PrepnexusNoPrimary",
            Self::NodeAway => "PrepnexusNodeAway",
            Self::ReplicaLagging => "PrepnexusReplicaLagging",
            Self::BreakerOpen => "PrepnexusBreakerOpen",
            Self::NodeFenced => "PrepnexusNodeFenced",
            Self::PoolSaturated => "PrepnexusPoolSaturated",
            Self::CacheAway => "PrepnexusCacheAway",
            Self::StaleServed => "PrepnexusStaleServed",
            Self::FeedStopped => "PrepnexusFeedStopped",
            Self::ErrorStorm => "PrepnexusErrorStorm",
            Self::Shedding => "PrepnexusShedding",
            Self::BackupTooOld => "PrepnexusBackupTooOld",
            Self::DrillTooOld => "PrepnexusDrillTooOld",
            Self::DrillFailed => "PrepnexusDrillFailed",
            Self::BackupFailing => "PrepnexusBackupFailing",
            Self::ArchivingFails => "PrepnexusArchivingFails",
            Self::SchedulerGone => "PrepnexusSchedulerGone",
            Self::RecoveryPointMissed => "PrepnexusRecoveryPointMissed",
        }
    }

    /// How soon somebody should look.
    #[must_use]
    pub const fn urgency(self) -> Urgency {
        match self {
            Self::NoPrimary
            | Self::NodeFenced
            | Self::PoolSaturated
            | Self::StaleServed
            | Self::FeedStopped
            | Self::ErrorStorm
            | Self::Shedding
            | Self::BackupTooOld
            | Self::DrillFailed
            | Self::ArchivingFails => Urgency::Page,
            Self::NodeAway
            | Self::ReplicaLagging
            | Self::BreakerOpen
            | Self::CacheAway
            | Self::DrillTooOld
            | Self::BackupFailing
            | Self::SchedulerGone
            | Self::RecoveryPointMissed => Urgency::Ticket,
        }
    }

    pub(super) fn alert(
        self,
        of: Option<(&'static str, String)>,
        summary: impl Into<String>,
    ) -> Alert {
        Alert {
            name: self.name(),
            urgency: self.urgency(),
            of,
            summary: summary.into(),
        }
    }
}

/// The conditions that hold at `now`.
pub(super) fn holding(
    nodes: &[NodeStatus],
    components: &BTreeMap<&'static str, Component>,
    feed_age: Option<Duration>,
    recent: &Recent,
    now: Instant,
) -> Vec<Alert> {
    let mut holding = Vec::new();
    let is_primary =
        |node: &NodeStatus| node.view.role == Role::Primary && node.view.state == NodeState::Up;
    if !nodes.iter().any(is_primary) {
        holding.push(Condition::NoPrimary.alert(None, "No primary; nothing can be written"));
    }
    holding.extend(nodes.iter().flat_map(of_node));
    let cache = components.get("cache");
    if cache.is_some_and(|cache| cache.status != Status::Healthy) {
        let summary = "Redis can't be used; each process serves from its own memory";
        holding.push(Condition::CacheAway.alert(None, summary));
    }
    if feed_age.is_none_or(|age| age > FEED_AGE) {
        let summary = "A process doesn't hear of changes, and can't show its copies to be right";
        holding.push(Condition::FeedStopped.alert(None, summary));
    }
    if sums(recent, STALE_SERVED, "", now).values().any(|n| *n > 0) {
        let summary =
            "Readers are shown copies that may be outdated, because the database can't be asked";
        holding.push(Condition::StaleServed.alert(None, summary));
    }
    for (code, count) in sums(recent, ERRORS, "code", now) {
        if count > STORM {
            let summary = format!("More than one request a second fails with {code}");
            holding.push(Condition::ErrorStorm.alert(Some(("code", code)), summary));
        }
    }
    for (reason, count) in sums(recent, SHED, "reason", now) {
        if count > 0 {
            let summary =
                format!("Requests are refused because too much is asked at once ({reason})");
            holding.push(Condition::Shedding.alert(Some(("reason", reason)), summary));
        }
    }
    for (labels, waits) in recent.times(WAITED, LATELY, now) {
        // By Little's law the time that all waited, in each second, is how many waited at once on average.
        if waits.total() >= MINUTE {
            let lane = labels.get("lane");
            let summary = format!(
                "Over the last minute one or more {lane} on average were waiting to be let in to the database"
            );
            let of = Some(("lane", lane.to_owned()));
            holding.push(Condition::PoolSaturated.alert(of, summary));
        }
    }
    holding
}

/// How often each value of that label was counted lately.
fn sums(recent: &Recent, name: &str, label: &str, now: Instant) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (labels, count) in recent.counters(name, LATELY, now) {
        *sums.entry(labels.get(label).to_owned()).or_default() += count;
    }
    sums
}

fn of_node(node: &NodeStatus) -> Vec<Alert> {
    let addr = node.view.addr.to_string();
    let alert = |condition: Condition, summary: String| {
        condition.alert(Some(("node", addr.clone())), summary)
    };
    let mut holding = Vec::new();
    match node.view.state {
        NodeState::Up | NodeState::Lagging => {}
        NodeState::Down => {
            let summary = format!("The database node {addr} can't be used");
            holding.push(alert(Condition::NodeAway, summary));
        }
        NodeState::Fenced => {
            let summary = format!(
                "{addr} says that it is a primary, or is of another cluster: it is not used"
            );
            holding.push(alert(Condition::NodeFenced, summary));
        }
    }
    if node.view.lag.is_some_and(|lag| lag > LAG) {
        let summary = format!("The replica {addr} is far behind the primary, and gets no reads");
        holding.push(alert(Condition::ReplicaLagging, summary));
    }
    if node.breaker == BreakerState::Open {
        let summary = format!("The breaker in front of {addr} is open");
        holding.push(alert(Condition::BreakerOpen, summary));
    }
    if node.pool.waiting > 0 && node.pool.in_use >= node.pool.max {
        let summary = format!("All connections to {addr} are in use, and requests wait");
        holding.push(alert(Condition::PoolSaturated, summary));
    }
    holding
}
