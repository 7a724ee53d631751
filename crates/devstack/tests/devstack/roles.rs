//! Failover by hand: promote, follow, rejoin.

use std::time::Instant;

use prepnexus_devstack::{PgNode, Rejoin, Stack, StackConfig};

use crate::support::{eventually, stack, temporary_dir};

fn is_streaming(primary: &PgNode, replica: &PgNode) -> bool {
    let question = format!(
        "SELECT count(*) FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid \
         WHERE application_name = '{0}' AND slot_name = '{0}' AND state = 'streaming'",
        replica.name()
    );
    primary.psql(&question).unwrap() == "1"
}

#[test]
fn a_promoted_replica_takes_over_and_the_old_primary_rejoins() {
    let stack = stack(2);
    let (old, new, other) = (stack.primary(), stack.replica(0), stack.replica(1));
    old.psql("CREATE TABLE t (who text); INSERT INTO t VALUES ('both')")
        .unwrap();
    new.wait_caught_up_with(old).unwrap();
    other.wait_caught_up_with(old).unwrap();

    let began = Instant::now();
    new.promote().unwrap();
    println!("promoted in {:?}", began.elapsed());
    new.psql("INSERT INTO t VALUES ('new')").unwrap();
    // The old primary does not know and goes on alone.
    old.psql("INSERT INTO t VALUES ('old')").unwrap();
    other.wait_caught_up_with(old).unwrap();

    let began = Instant::now();
    assert_eq!(old.rejoin_as_replica_of(new).unwrap(), Rejoin::Rewound);
    println!("rejoined in {:?}", began.elapsed());
    old.wait_caught_up_with(new).unwrap();
    let rows = "SELECT string_agg(who, ',' ORDER BY who) FROM t";
    assert_eq!(old.psql(rows).unwrap(), "both,new");
    assert_eq!(
        old.psql("SELECT count(*) FROM pg_replication_slots")
            .unwrap(),
        "0"
    );
    eventually("the old primary streaming from its slot", || {
        is_streaming(new, old)
    });

    // This one had replayed what the new primary never had.
    assert_eq!(other.rejoin_as_replica_of(new).unwrap(), Rejoin::Rewound);
    other.wait_caught_up_with(new).unwrap();
    assert_eq!(other.psql(rows).unwrap(), "both,new");
}

#[test]
fn a_replica_follows_the_new_primary_without_a_restart() {
    let stack = stack(2);
    let (old, new, other) = (stack.primary(), stack.replica(0), stack.replica(1));
    old.psql("CREATE TABLE t (n int)").unwrap();
    new.wait_caught_up_with(old).unwrap();
    old.kill().unwrap();
    new.promote().unwrap();
    let before = other.psql("SELECT pg_postmaster_start_time()").unwrap();
    other.follow(new).unwrap();
    new.psql("INSERT INTO t VALUES (1)").unwrap();
    other.wait_caught_up_with(new).unwrap();
    assert_eq!(other.psql("SELECT count(*) FROM t").unwrap(), "1");
    assert_eq!(
        other.psql("SELECT pg_postmaster_start_time()").unwrap(),
        before
    );
}

#[test]
fn a_killed_and_a_frozen_primary_rejoin_too() {
    let stack = stack(1);
    let (one, two) = (stack.primary(), stack.replica(0));
    one.psql("CREATE TABLE t (n int)").unwrap();
    two.wait_caught_up_with(one).unwrap();
    one.psql("INSERT INTO t VALUES (0)").unwrap();
    one.kill().unwrap();
    two.promote().unwrap();
    assert_eq!(one.rejoin_as_replica_of(two).unwrap(), Rejoin::Rewound);
    two.psql("INSERT INTO t VALUES (1)").unwrap();
    one.wait_caught_up_with(two).unwrap();

    two.freeze();
    one.promote().unwrap();
    one.psql("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(two.rejoin_as_replica_of(one).unwrap(), Rejoin::Rewound);
    two.wait_caught_up_with(one).unwrap();
    assert_eq!(two.psql("SELECT max(n) FROM t").unwrap(), "2");
}

#[test]
fn a_node_with_nothing_left_to_rewind_is_copied_anew() {
    let stack = stack(1);
    let (primary, replica) = (stack.primary(), stack.replica(0));
    primary.psql("CREATE TABLE t AS SELECT 1 AS n").unwrap();
    replica.kill().unwrap();
    std::fs::remove_file(replica.data_dir().join("global/pg_control")).unwrap();
    assert_eq!(
        replica.rejoin_as_replica_of(primary).unwrap(),
        Rejoin::Copied
    );
    replica.wait_caught_up_with(primary).unwrap();
    assert_eq!(replica.psql("SELECT n FROM t").unwrap(), "1");
}

#[test]
fn a_directory_remembers_who_became_the_primary() {
    let dir = temporary_dir();
    let config = StackConfig {
        durable: false,
        redis: false,
        replicas: 1,
        ..StackConfig::private(dir.path())
    };
    let stack = Stack::start(config.clone()).unwrap();
    stack.primary().psql("CREATE TABLE t (n int)").unwrap();
    stack
        .replica(0)
        .wait_caught_up_with(stack.primary())
        .unwrap();
    stack.primary().kill().unwrap();
    stack.replica(0).promote().unwrap();
    stack.replica(0).psql("INSERT INTO t VALUES (1)").unwrap();
    stack.stop().unwrap();
    drop(stack);

    let stack = Stack::start(config).unwrap();
    assert_eq!(
        (stack.primary().name(), stack.replica(0).name()),
        ("pg2", "pg1")
    );
    stack
        .replica(0)
        .wait_caught_up_with(stack.primary())
        .unwrap();
    assert_eq!(stack.replica(0).psql("SELECT n FROM t").unwrap(), "1");
}
