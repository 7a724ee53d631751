//! A directory whose primary died young: who is the primary is found from files alone, and nothing written is lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use prepnexus_devstack::{PgNode, Stack, StackConfig};

use crate::support::{eventually, temporary_dir};

const ROWS: &str = "SELECT string_agg(who, ',' ORDER BY who) FROM t";

fn start(dir: &Path, replicas: usize) -> Stack {
    Stack::start(StackConfig {
        redis: false,
        replicas,
        ..StackConfig::private(dir)
    })
    .unwrap()
}

/// Rows on both nodes, and so many changed pages that the first checkpoint after a promotion takes much longer than a test.
fn fill(stack: &Stack) {
    let primary = stack.primary();
    primary
        .psql(
            "CREATE TABLE t (who text); INSERT INTO t VALUES ('both');
             CREATE TABLE pages AS SELECT repeat('x', 7000) AS x FROM generate_series(1, 500)",
        )
        .unwrap();
    for replica in &stack.nodes()[1..] {
        replica.wait_caught_up_with(primary).unwrap();
    }
}

/// Promotes a replica, writes a row there, and kills it before its control file knows.
fn promote_write_and_kill(new: &PgNode) {
    new.psql("SELECT pg_promote(true)").unwrap();
    new.psql("INSERT INTO t VALUES ('new')").unwrap();
    let recorded = "SELECT timeline_id FROM pg_control_checkpoint()";
    assert_eq!(new.psql(recorded).unwrap(), "1");
    new.kill().unwrap();
}

/// The inode of a data directory: rewinding keeps the directory, copying puts another in its place.
fn identity(node: &PgNode) -> u64 {
    fs::metadata(node.data_dir()).unwrap().ino()
}

/// `pg2` is the primary, all nodes follow it, and all have these rows.
fn expect_led_by_pg2(stack: &Stack, rows: &str) {
    let primary = stack.primary();
    assert_eq!(primary.name(), "pg2");
    assert_eq!(primary.psql(ROWS).unwrap(), rows);
    let timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)";
    assert_eq!(primary.psql(timeline).unwrap(), "00000002");
    for replica in &stack.nodes()[1..] {
        replica.wait_caught_up_with(primary).unwrap();
        // A replica that has replayed past the fork is further than its primary, and gets nothing from it.
        eventually(&format!("{} streaming", replica.name()), || {
            let status = "SELECT status, received_tli FROM pg_stat_wal_receiver";
            replica.psql(status).unwrap() == "streaming|2"
        });
        assert_eq!(replica.psql(ROWS).unwrap(), rows, "{}", replica.name());
    }
}

#[test]
fn a_promoted_node_killed_before_its_first_checkpoint_is_the_primary() {
    let dir = temporary_dir();
    let stack = start(dir.path(), 1);
    fill(&stack);
    stack.primary().kill().unwrap();
    promote_write_and_kill(stack.replica(0));
    let before = identity(stack.primary());
    drop(stack);

    let stack = start(dir.path(), 1);
    expect_led_by_pg2(&stack, "both,new");
    assert_eq!(identity(stack.replica(0)), before, "it was rewound");
}

#[test]
fn what_the_old_primary_alone_had_is_undone() {
    let dir = temporary_dir();
    let stack = start(dir.path(), 2);
    fill(&stack);
    let (old, new, follower) = (stack.primary(), stack.replica(0), stack.replica(1));
    new.psql("SELECT pg_promote(true)").unwrap();
    // More of it than of the new one's, and checkpointed, so that neither position nor age can tell them apart.
    old.psql(
        "INSERT INTO t VALUES ('ghost');
         CREATE TABLE ghosts AS SELECT n FROM generate_series(1, 10000) n; CHECKPOINT",
    )
    .unwrap();
    // This one has replayed beyond the place where the new timeline begins, so it can't just follow.
    follower.wait_caught_up_with(old).unwrap();
    assert_eq!(follower.psql(ROWS).unwrap(), "both,ghost");
    new.psql("INSERT INTO t VALUES ('new')").unwrap();
    let recorded = "SELECT timeline_id FROM pg_control_checkpoint()";
    assert_eq!(new.psql(recorded).unwrap(), "1");
    new.kill().unwrap();
    old.psql("INSERT INTO t VALUES ('ghost of a ghost')")
        .unwrap();
    assert!(old.is_running());

    // The old primary and its follower still run when the directory is started again.
    let again = start(dir.path(), 2);
    expect_led_by_pg2(&again, "both,new");
    for node in again.nodes() {
        let ghosts = "SELECT count(*) FROM pg_class WHERE relname = 'ghosts'";
        assert_eq!(node.psql(ghosts).unwrap(), "0", "{}", node.name());
    }
}

#[test]
fn an_old_primary_that_cannot_be_rewound_is_copied() {
    let dir = temporary_dir();
    let stack = start(dir.path(), 1);
    fill(&stack);
    let (old, new) = (stack.primary(), stack.replica(0));
    new.psql("SELECT pg_promote(true)").unwrap();
    old.psql("INSERT INTO t VALUES ('ghost')").unwrap();
    old.stop().unwrap();
    new.psql("INSERT INTO t VALUES ('new')").unwrap();
    new.kill().unwrap();
    // Without its log nobody can tell which of its pages differ.
    for entry in fs::read_dir(old.data_dir().join("pg_wal"))
        .unwrap()
        .flatten()
    {
        if entry.file_type().unwrap().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let before = identity(old);
    drop(stack);

    let stack = start(dir.path(), 1);
    expect_led_by_pg2(&stack, "both,new");
    assert_ne!(identity(stack.replica(0)), before, "it was copied");
    // The copy is one like any other: it can take over.
    let (new, old) = (stack.primary(), stack.replica(0));
    new.stop().unwrap();
    old.promote().unwrap();
    assert_eq!(old.psql(ROWS).unwrap(), "both,new");
    eventually("its timeline", || {
        old.psql("SELECT timeline_id FROM pg_control_checkpoint()")
            .unwrap()
            == "3"
    });
}
