//! Several schedulers on one real database, over days of a clock that the test sets. What they run is counted and nothing
//! else, for this is about when.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use prepnexus_backup::{Journal, Plan, Runner, Scheduler, run_id};
use prepnexus_domain::Clock;
use prepnexus_storage::{
    Cluster, Deadline, Freshness, ReadConn,
    backups::{self, Action, Concern, Run},
};
use prepnexus_testkit::TestDb;
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinSet};

#[derive(Clone)]
struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    fn start() -> Self {
        Self(Arc::new(Mutex::new(
            "2026-03-01T00:30:00Z".parse().unwrap(),
        )))
    }

    fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Writes down when it was asked to run something; fails when told to.
#[derive(Clone)]
struct Counting {
    name: &'static str,
    clock: TestClock,
    runs: Arc<Mutex<Vec<(Action, Timestamp)>>>,
    fails: Arc<Mutex<bool>>,
}

#[async_trait]
impl Runner for Counting {
    async fn run(&self, action: Action) -> Run {
        let started_at = self.clock.now();
        // Others look at what is due meanwhile.
        tokio::task::yield_now().await;
        self.runs.lock().unwrap().push((action, started_at));
        let fails = *self.fails.lock().unwrap();
        Run {
            id: run_id(action, started_at, self.name),
            action,
            runner: self.name.into(),
            started_at,
            ended_at: started_at,
            error: fails.then(|| "told to fail".into()),
            label: None,
            recovery_point_seconds: None,
            recovery_time_seconds: None,
            details: serde_json::Value::Null,
        }
    }
}

struct Many {
    db: TestDb,
    clock: TestClock,
    runs: Arc<Mutex<Vec<(Action, Timestamp)>>>,
    fails: Arc<Mutex<bool>>,
    clusters: Vec<Cluster>,
    schedulers: Vec<Arc<Scheduler<Counting>>>,
    _dir: TempDir,
}

const NAMES: [&str; 3] = ["a-1", "b-2", "c-3"];
const PLAN: [(Action, &str); 4] = [
    (Action::Full, "0 1 * * SUN"),
    (Action::Differential, "0 1 * * *"),
    (Action::Incremental, "0 * * * *"),
    (Action::Drill, "30 5 * * *"),
];

impl Many {
    /// Three, each with connections and a file of its own, as on three machines.
    async fn start() -> Self {
        let (db, clock) = (TestDb::new().await, TestClock::start());
        let dir = tempfile::tempdir().unwrap();
        let (runs, fails) = (Arc::default(), Arc::default());
        let (mut clusters, mut schedulers) = (Vec::new(), Vec::new());
        for name in NAMES {
            let cluster = Cluster::start(&db.owner_config()).unwrap();
            let deadline = Deadline::after(std::time::Duration::from_secs(10));
            cluster.wait_for_primary(deadline).await.unwrap();
            let runner = Counting {
                name,
                clock: clock.clone(),
                runs: Arc::clone(&runs),
                fails: Arc::clone(&fails),
            };
            let scheduler = Scheduler::new(
                cluster.clone(),
                Plan::new(&PLAN, SignedDuration::from_mins(5), "main").unwrap(),
                name.into(),
                Arc::new(clock.clone()),
                Journal::new(dir.path().join(name)),
                runner,
            );
            clusters.push(cluster);
            schedulers.push(Arc::new(scheduler));
        }
        Self {
            db,
            clock,
            runs,
            fails,
            clusters,
            schedulers,
            _dir: dir,
        }
    }

    /// All of them look at the same moment, until none has anything to do.
    async fn tick(&self) {
        loop {
            let mut looking = JoinSet::new();
            for scheduler in &self.schedulers {
                let scheduler = Arc::clone(scheduler);
                looking.spawn(async move { scheduler.tick().await.unwrap().is_some() });
            }
            if !looking.join_all().await.contains(&true) {
                return;
            }
        }
    }

    async fn days(&self, days: i64, step: SignedDuration) {
        let end = self.clock.now() + SignedDuration::from_hours(24 * days);
        while self.clock.now() < end {
            self.clock.advance(step);
            self.tick().await;
            assert_eq!(self.concerns().await, [], "at {}", self.clock.now());
        }
    }

    /// What somebody would be told of.
    async fn concerns(&self) -> Vec<Concern> {
        let now = self.clock.now();
        let read = |conn: Arc<ReadConn>| async move { backups::overview(&conn, now).await };
        let (cluster, deadline) = (&self.clusters[0], self.clusters[0].deadline());
        let seen = cluster.read_with(Freshness::Primary, deadline, read).await;
        seen.unwrap().concerns(now)
    }

    fn taken(&self) -> Vec<(Action, Timestamp)> {
        std::mem::take(&mut self.runs.lock().unwrap())
    }

    async fn stop(self) {
        for cluster in &self.clusters {
            cluster.close().await;
        }
    }
}

/// How often each was run.
fn count(runs: &[(Action, Timestamp)]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (action, _) in runs {
        *counts.entry(action.as_str()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn three_keep_a_week_each_slot_once_and_nothing_is_to_be_told() {
    let many = Many::start().await;
    many.tick().await;
    // What was never done: the full backup stands for the others.
    assert_eq!(count(&many.taken()), [("drill", 1), ("full", 1)].into());

    let begun = many.clock.now();
    many.days(7, SignedDuration::from_mins(3)).await;
    let runs = many.taken();
    // From Sunday 00:30 to the next: one full slot, six others at one o'clock, the remaining 168 - 7 hours, seven drills.
    let wanted = [("diff", 6), ("drill", 7), ("full", 1), ("incr", 161)];
    assert_eq!(count(&runs), wanted.into());
    // Each hour's slot is begun by one backup, within the jitter and a look.
    let backups = runs.iter().filter(|(action, _)| action.is_backup());
    for (hour, (action, started)) in (0..).zip(backups) {
        let slot = begun + SignedDuration::from_mins(30 + 60 * hour);
        let late = started.duration_since(slot);
        assert!(
            late >= SignedDuration::ZERO,
            "{action:?} of {slot} at {started}"
        );
        assert!(
            late <= SignedDuration::from_mins(8),
            "{action:?} of {slot} at {started}"
        );
    }
    let recorded = "SELECT count(*), count(DISTINCT id) FROM backup_runs WHERE error IS NULL";
    assert_eq!(many.db.psql(recorded).await, "177|177");
    many.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_outage_missed_is_made_up_for_once() {
    let many = Many::start().await;
    many.tick().await;
    many.taken();
    // Nobody lives from 00:30 on Sunday until Tuesday, 10:30.
    many.clock.advance(SignedDuration::from_hours(58));
    let told = [
        Concern::BackupTooOld,
        Concern::DrillTooOld,
        Concern::SchedulerGone,
    ];
    assert_eq!(many.concerns().await, told);
    many.tick().await;
    let made_up = many.taken();
    assert_eq!(count(&made_up), [("drill", 1), ("full", 1)].into());
    many.days(1, SignedDuration::from_mins(3)).await;
    assert_eq!(
        count(&many.taken()),
        [("diff", 1), ("drill", 1), ("incr", 23)].into()
    );

    // What fails is tried again until it succeeds.
    *many.fails.lock().unwrap() = true;
    many.clock.advance(SignedDuration::from_hours(1));
    for _ in 0..10 {
        many.clock.advance(SignedDuration::from_mins(3));
        many.tick().await;
    }
    let tries = many.taken().len();
    assert!((2..=4).contains(&tries), "{tries} within half an hour");
    *many.fails.lock().unwrap() = false;
    many.clock.advance(SignedDuration::from_mins(12));
    many.tick().await;
    assert_eq!(count(&many.taken()), [("incr", 1)].into());
    many.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restored_is_told_what_it_has_forgotten() {
    let many = Many::start().await;
    let one = &many.schedulers[0];
    while one.tick().await.unwrap().is_some() {}
    let ran = count(&many.taken());
    assert_eq!(ran, [("drill", 1), ("full", 1)].into());
    many.db.psql("DELETE FROM backup_runs").await;
    // It knows from its file, and enters it rather than run anything again.
    assert_eq!(one.tick().await.unwrap(), None);
    assert!(many.taken().is_empty());
    assert_eq!(many.db.psql("SELECT count(*) FROM backup_runs").await, "2");
    many.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_does_not_take_is_not_run_again() {
    let many = Many::start().await;
    let runner = Counting {
        name: "full-4",
        clock: many.clock.clone(),
        runs: Arc::clone(&many.runs),
        fails: Arc::clone(&many.fails),
    };
    let cluster = many.clusters[0].clone();
    let plan = Plan::new(&PLAN, SignedDuration::ZERO, "main").unwrap();
    // Nothing can be made there.
    let journal = Journal::new("/proc/nowhere/runs");
    let clock = Arc::new(many.clock.clone());
    let scheduler = Scheduler::new(cluster, plan, "full-4".into(), clock, journal, runner);
    for _ in 0..4 {
        scheduler.tick().await.unwrap();
    }
    assert_eq!(count(&many.taken()), [("drill", 1), ("full", 1)].into());
    assert_eq!(many.db.psql("SELECT count(*) FROM backup_runs").await, "2");
    many.stop().await;
}

/// Never ends by itself.
struct Endless(Arc<Notify>);

#[async_trait]
impl Runner for Endless {
    async fn run(&self, _: Action) -> Run {
        self.0.notify_one();
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_of_one_that_is_gone_is_anothers_when_its_lease_ends() {
    let many = Many::start().await;
    let begun = Arc::new(Notify::new());
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&many.db.owner_config()).unwrap();
    let deadline = Deadline::after(std::time::Duration::from_secs(10));
    cluster.wait_for_primary(deadline).await.unwrap();
    let gone = Scheduler::new(
        cluster.clone(),
        Plan::new(&PLAN, SignedDuration::ZERO, "main").unwrap(),
        "gone-4".into(),
        Arc::new(many.clock.clone()),
        Journal::new(dir.path().join("runs")),
        Endless(Arc::clone(&begun)),
    );
    tokio::select! {
        _ = gone.tick() => unreachable!("it never ends"),
        () = begun.notified() => {}
    }
    // It was dropped in the middle, as one that is killed.
    many.tick().await;
    assert!(many.taken().is_empty(), "its lease has not ended");
    many.clock.advance(SignedDuration::from_secs(61));
    many.tick().await;
    assert_eq!(count(&many.taken()), [("drill", 1), ("full", 1)].into());
    cluster.close().await;
    many.stop().await;
}
