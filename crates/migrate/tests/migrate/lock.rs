//! One runner at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prepnexus_migrate::{Error, Migrations, Migrator, Progress, UpOptions};
use prepnexus_storage::{ClusterConfig, NodeAddr, driver::Connected};
use prepnexus_testkit::{TestDb, wait_until};

use crate::{connect, migrator};

const SOON: Duration = Duration::from_secs(30);

/// Holds the lock as another runner would. Programs of several versions meet: the key must never change.
async fn hold(config: ClusterConfig) -> (Connected, i32) {
    let connected = connect(&config).await;
    let sql = "SELECT pg_try_advisory_lock(8102650213155829877), pg_backend_pid()";
    let row = connected
        .client()
        .query_one(sql, &[])
        .await
        .expect("an answer");
    assert!(row.get::<_, bool>(0), "the lock was free");
    (connected, row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_runners_exactly_one_applies_each_file() {
    let db = TestDb::empty().await;
    let runners: Vec<_> = (0..8)
        .map(|_| {
            let migrator = migrator(&db);
            tokio::spawn(async move { migrator.up(UpOptions::default(), &mut |_| {}).await })
        })
        .collect();
    let mut applied = Vec::new();
    for runner in runners {
        applied.extend(
            runner
                .await
                .unwrap()
                .unwrap()
                .applied
                .into_iter()
                .map(|a| a.version),
        );
    }
    applied.sort_unstable();
    let versions: Vec<i32> = Migrations::built_in()
        .list()
        .iter()
        .map(|m| m.version)
        .collect();
    assert_eq!(applied, versions);
}

#[tokio::test]
async fn a_held_lock_is_an_error_that_names_the_holder() {
    let db = TestDb::empty().await;
    let config = ClusterConfig {
        application_name: "the other one".into(),
        ..db.owner_config()
    };
    let (_connected, pid) = hold(config).await;
    let options = UpOptions {
        lock_wait: Duration::from_millis(50),
        ..UpOptions::default()
    };
    let error = migrator(&db).up(options, &mut |_| {}).await.unwrap_err();
    let Error::LockHeld { holder, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(holder.pid, Some(pid));
    assert_eq!(holder.application_name.as_deref(), Some("the other one"));
    assert!(
        error
            .to_string()
            .contains("\"the other one\" from 127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dry_run_needs_no_lock() {
    let db = TestDb::empty().await;
    let _holder = hold(db.owner_config()).await;
    let options = UpOptions {
        dry_run: true,
        lock_wait: Duration::ZERO,
        ..UpOptions::default()
    };
    assert!(migrator(&db).up(options, &mut |_| {}).await.is_ok());
}

/// A runner that waited inside the server would hold a snapshot, and the index would never be built.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_runner_lets_indexes_be_built_and_goes_on_when_the_lock_is_free() {
    let db = TestDb::empty().await;
    let (holder, _pid) = hold(db.owner_config()).await;
    let waits = Arc::new(AtomicBool::new(false));
    let runner = {
        let (migrator, waits) = (migrator(&db), Arc::clone(&waits));
        tokio::spawn(async move {
            let mut progress = |progress| {
                if matches!(progress, Progress::WaitingForLock(_)) {
                    waits.store(true, Ordering::SeqCst);
                }
            };
            migrator.up(UpOptions::default(), &mut progress).await
        })
    };
    wait_until("a waiting runner", SOON, async || {
        waits.load(Ordering::SeqCst)
    })
    .await;
    db.psql("CREATE TABLE t (n int)").await;
    db.psql("CREATE INDEX CONCURRENTLY t_n ON t (n)").await;
    assert_eq!(
        db.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass")
            .await,
        "t"
    );
    drop(holder);
    assert!(!runner.await.unwrap().unwrap().applied.is_empty());
}

#[tokio::test]
async fn waiting_for_the_primary_ends_with_an_answer_or_with_what_was_seen() {
    let db = TestDb::empty().await;
    // Accepts, and never greets: as a frozen server does.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = NodeAddr {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    let mut config = db.owner_config();
    config.connect_timeout = Duration::from_secs(1);
    config.nodes.insert(0, silent);
    let migrator = Migrator::new(config.clone(), Migrations::built_in()).unwrap();
    migrator.wait(SOON).await.unwrap();

    config.nodes.truncate(1);
    let migrator = Migrator::new(config, Migrations::built_in()).unwrap();
    let error = migrator.wait(Duration::from_millis(300)).await.unwrap_err();
    assert!(
        matches!(&error, Error::TimedOut { last_seen, .. } if last_seen.contains("no greeting")),
        "{error}"
    );
}
