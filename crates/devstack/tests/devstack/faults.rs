//! Each fault does what it says, and ends when it is told to.

use std::time::{Duration, Instant};

use prepnexus_devstack::Error;

use crate::support::{MOMENT, eventually, stack};

#[test]
fn a_frozen_server_does_not_answer_until_it_is_thawed() {
    let stack = stack(0);
    let primary = stack.primary();
    primary.freeze();
    assert!(primary.is_running());
    let asked = primary.psql_within(MOMENT, "postgres", "SELECT 1");
    assert!(matches!(asked, Err(Error::Timeout { .. })), "{asked:?}");
    primary.thaw();
    assert_eq!(primary.psql("SELECT 1").unwrap(), "1");
}

#[test]
fn a_frozen_postmaster_leaves_sessions_answering() {
    let stack = stack(0);
    let primary = stack.primary();
    std::thread::scope(|scope| {
        let session = scope.spawn(|| {
            primary.psql("SELECT pg_sleep(0.2) FROM generate_series(1, 8); SELECT 'answered'")
        });
        eventually("the session", || {
            primary
                .psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                .unwrap()
                == "1"
        });
        primary.freeze_postmaster();
        let asked = primary.psql_within(MOMENT, "postgres", "SELECT 1");
        assert!(matches!(asked, Err(Error::Timeout { .. })), "{asked:?}");
        assert!(session.join().unwrap().unwrap().ends_with("answered"));
    });
    primary.thaw();
    assert_eq!(primary.psql("SELECT 1").unwrap(), "1");
}

#[test]
fn a_killed_server_refuses_and_comes_back_on_its_port() {
    let stack = stack(0);
    let primary = stack.primary();
    primary
        .psql("CREATE TABLE t AS SELECT 1 AS n; CHECKPOINT")
        .unwrap();
    let port = primary.port();
    primary.kill().unwrap();
    assert!(!primary.is_running());
    let refused = primary.psql("SELECT 1").unwrap_err();
    assert!(
        refused.to_string().contains("Connection refused"),
        "{refused}"
    );
    primary.start().unwrap();
    assert_eq!(
        (
            primary.port(),
            primary.psql("SELECT n FROM t").unwrap().as_str()
        ),
        (port, "1")
    );
}

#[test]
fn a_frozen_server_can_be_killed_and_one_can_be_stopped() {
    let stack = stack(0);
    let primary = stack.primary();
    primary.freeze();
    primary.kill().unwrap();
    primary.start().unwrap();
    primary.freeze();
    primary.stop().unwrap();
    assert!(!primary.is_running());
    primary.restart().unwrap();
    primary.start().unwrap();
    assert_eq!(primary.psql("SELECT 1").unwrap(), "1");
}

#[test]
fn a_killed_and_removed_server_leaves_no_shared_memory() {
    let stack = stack(0);
    let lock = std::fs::read_to_string(stack.primary().data_dir().join("postmaster.pid")).unwrap();
    let segment: Vec<&str> = lock.lines().nth(6).unwrap().split_whitespace().collect();
    let listed = || {
        let list = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        list.lines()
            .any(|line| line.split_whitespace().take(2).eq(segment.iter().copied()))
    };
    assert!(listed());
    stack.primary().kill().unwrap();
    drop(stack);
    assert!(!listed());
}

#[test]
fn an_apply_delay_shows() {
    let stack = stack(1);
    let (primary, replica) = (stack.primary(), stack.replica(0));
    primary.psql("CREATE TABLE t (n int)").unwrap();
    replica.wait_caught_up_with(primary).unwrap();
    replica.set_apply_delay(Duration::from_secs(2)).unwrap();
    let began = Instant::now();
    primary.psql("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "0");
    replica.wait_caught_up_with(primary).unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "1");
    replica.set_apply_delay(Duration::ZERO).unwrap();
}

#[test]
fn a_paused_replica_stands_still() {
    let stack = stack(1);
    let (primary, replica) = (stack.primary(), stack.replica(0));
    primary.psql("CREATE TABLE t (n int)").unwrap();
    replica.wait_caught_up_with(primary).unwrap();
    replica.pause_replay().unwrap();
    primary.psql("INSERT INTO t VALUES (1)").unwrap();
    // Commits don't wait for the disk here: it may not be flushed yet.
    let position = primary.psql("SELECT pg_current_wal_insert_lsn()").unwrap();
    eventually("the replica receiving", || {
        let question = format!("SELECT pg_last_wal_receive_lsn() >= '{position}'");
        replica.psql(&question).unwrap() == "t"
    });
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "0");
    replica.resume_replay().unwrap();
    replica.wait_caught_up_with(primary).unwrap();
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "1");
}

#[test]
fn a_replica_without_a_receiver_serves_what_it_has_and_gets_nothing_more() {
    let stack = stack(1);
    let (primary, replica) = (stack.primary(), stack.replica(0));
    primary.psql("CREATE TABLE t (n int)").unwrap();
    replica.wait_caught_up_with(primary).unwrap();
    replica.freeze_receiver();
    primary.psql("INSERT INTO t VALUES (1)").unwrap();
    // Commits don't wait for the disk here: it may not be flushed yet.
    let position = primary.psql("SELECT pg_current_wal_insert_lsn()").unwrap();
    let question = format!("SELECT pg_last_wal_receive_lsn() < '{position}'");
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        assert_eq!(replica.psql(&question).unwrap(), "t");
    }
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "0");
    replica.thaw();
    replica.wait_caught_up_with(primary).unwrap();
    assert_eq!(replica.psql("SELECT count(*) FROM t").unwrap(), "1");
}
