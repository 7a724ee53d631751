//! Several runners at once, and a pooler between them and the server.

use std::{
    fs,
    time::{Duration, Instant},
};

use prepnexus_devstack::{PgBouncer, PgBouncerConfig};
use prepnexus_testkit::{TestDb, stack};
use tempfile::TempDir;
use tokio::task::{JoinSet, block_in_place};

use crate::{bare, migrator, password, run};

const ROUNDS: usize = 100;
const RUNNERS: usize = 8;

/// A transaction, and what can't run in one.
fn migrations() -> TempDir {
    let dir = tempfile::tempdir().expect("a writable directory");
    for (name, sql) in [
        (
            "0001_things.sql",
            "CREATE TABLE things AS SELECT n FROM generate_series(1, 1000) AS n;
             CREATE TABLE done (step text);
             INSERT INTO done VALUES ('things');",
        ),
        (
            "0002_index.sql",
            "-- migrate: no-transaction\n
             INSERT INTO done VALUES ('before');
             CREATE INDEX CONCURRENTLY things_n_idx ON things (n);
             INSERT INTO done VALUES ('after');",
        ),
    ] {
        fs::write(dir.path().join(name), sql).expect("a writable directory");
    }
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_runners_one_executes_and_none_deadlocks() {
    let (dir, mut executed) = (migrations(), 0);
    for round in 0..ROUNDS {
        let db = TestDb::empty().await;
        let mut runners = JoinSet::new();
        for _ in 0..RUNNERS {
            let mut command = migrator(&db);
            command.args(["up", "--migrations"]).arg(dir.path());
            runners.spawn(run(command));
        }
        let mut applied = Vec::new();
        while let Some(ran) = runners.join_next().await {
            let ran = ran.unwrap();
            assert_eq!(ran.code, 0, "round {round}: {}", ran.stderr);
            assert!(!ran.stderr.contains("deadlock"), "{}", ran.stderr);
            if ran.stdout != "nothing is pending\n" {
                applied.push(ran.stdout.lines().count());
            }
        }
        assert_eq!(applied, [2], "round {round}");
        let twice =
            "SELECT count(*) FROM (SELECT FROM done GROUP BY step HAVING count(*) > 1) AS twice";
        assert_eq!(db.psql(twice).await, "0", "round {round}");
        executed += 1;
    }
    println!("{executed} rounds of {RUNNERS} runners: one executed in each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_between_is_refused_within_two_seconds() {
    let db = TestDb::empty().await;
    let owner = db.owner_config();
    let server = block_in_place(|| stack().primary().addr());
    for passes_options in [false, true] {
        let mut config = PgBouncerConfig::new(server).user(&owner.user, &password(&owner));
        if passes_options {
            config = config.ignore("options");
        }
        let bouncer = block_in_place(|| PgBouncer::start(&config)).unwrap();
        for arguments in [&["up"] as &[_], &["status"], &["wait"]] {
            let mut command = migrator(&db);
            command
                .env("DB_PORT", bouncer.port().to_string())
                .args(arguments);
            let began = Instant::now();
            let ran = run(command).await;
            let took = began.elapsed();
            assert_eq!(ran.code, 6, "{arguments:?}: {}", ran.stderr);
            assert!(
                ran.stderr.contains("a connection pooler is in between"),
                "{}",
                ran.stderr
            );
            println!("{arguments:?}: exit 6 after {} ms", took.as_millis());
            assert!(took < Duration::from_secs(2), "{took:?}");
        }
    }
    assert_eq!(
        db.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_directory_that_holds_no_migrations_exits_2() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one.sql"), "SELECT 1").unwrap();
    let mut command = bare();
    command.args(["status", "--migrations"]).arg(dir.path());
    let ran = run(command).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("one.sql"), "{}", ran.stderr);
}
