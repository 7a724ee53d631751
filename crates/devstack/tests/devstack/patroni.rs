//! A real Patroni cluster forms, fails over, and leaves nothing.

use std::time::{Duration, Instant};

use prepnexus_devstack::{Error, PatroniCluster, PatroniConfig, PatroniNode};

use crate::support::{eventually, is_alive, processes_of, temporary_dir};

/// Much longer than anything takes that works.
const LIMIT: Duration = Duration::from_secs(60);
const IS_PRIMARY: &str = "SELECT NOT pg_is_in_recovery()";

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    println!("{what}: {:?}", began.elapsed());
    result
}

fn start(config: &PatroniConfig) -> PatroniCluster {
    timed("formed", || PatroniCluster::start(config).unwrap())
}

/// Waits until another node than `old` leads.
fn wait_for_another<'a>(cluster: &'a PatroniCluster, old: &PatroniNode) -> &'a PatroniNode {
    let deadline = Instant::now() + LIMIT;
    loop {
        let leader = cluster.wait_for_leader(LIMIT).unwrap();
        if leader.name() != old.name() {
            return leader;
        }
        assert!(Instant::now() < deadline, "{} still leads", old.name());
    }
}

/// One primary, and every node has these rows.
fn expect_rows(cluster: &PatroniCluster, rows: &str) {
    let leader = timed("healthy", || cluster.wait_for_healthy(LIMIT).unwrap());
    for node in cluster.nodes() {
        let is_leader = node.name() == leader.name();
        // A node that is to follow again may be restarted once more.
        eventually(&format!("the role of {}", node.name()), || {
            let is_primary = node.psql(IS_PRIMARY);
            is_primary.is_ok_and(|answer| (answer == "t") == is_leader)
        });
        eventually(&format!("the rows on {}", node.name()), || {
            let seen = node.psql("SELECT string_agg(who, ',' ORDER BY who) FROM t");
            seen.is_ok_and(|seen| seen == rows)
        });
    }
}

#[test]
fn a_cluster_forms_switches_over_and_leaves_nothing() {
    let base = temporary_dir();
    let cluster = start(&PatroniConfig {
        dir: base.path().join("it's a path with spaces"),
        settings: vec![("work_mem".to_owned(), "7MB".to_owned())],
        ..PatroniConfig::for_tests()
    });
    let first = cluster.leader().unwrap();
    assert_eq!(cluster.replicas().len(), 2);
    first
        .psql("CREATE TABLE t (who text); INSERT INTO t VALUES ('first'); CREATE ROLE app LOGIN PASSWORD 'secret'")
        .unwrap();
    expect_rows(&cluster, "first");
    for node in cluster.nodes() {
        for (name, value) in [
            ("work_mem", "7MB"),
            ("fsync", "off"),
            ("synchronous_commit", "on"),
            ("wal_log_hints", "on"),
            ("data_checksums", "on"),
            ("unix_socket_directories", ""),
        ] {
            let shown = node.psql(&format!("SHOW {name}")).unwrap();
            assert_eq!(shown, value, "{name} of {}", node.name());
        }
    }
    let connect = |password: &str| {
        let port = first.port();
        first.psql(&format!(
            "\\connect postgresql://app:{password}@127.0.0.1:{port}/postgres\nSELECT current_user"
        ))
    };
    assert_eq!(connect("secret").unwrap(), "app");
    assert!(connect("wrong").is_err());

    let next = cluster.replicas()[0];
    timed("switched over", || cluster.switchover(next).unwrap());
    assert_eq!(cluster.leader().unwrap().name(), next.name());
    next.psql("INSERT INTO t VALUES ('next')").unwrap();
    expect_rows(&cluster, "first,next");
    let refused = cluster.switchover(next).unwrap_err();
    assert!(
        refused.to_string().contains("POST /switchover"),
        "{refused}"
    );

    let started = "SELECT pg_postmaster_start_time()";
    for node in [cluster.replicas()[0], next] {
        let before = node.psql(started).unwrap();
        timed("restarted", || node.restart_postgres().unwrap());
        cluster.wait_for_healthy(LIMIT).unwrap();
        assert_ne!(node.psql(started).unwrap(), before, "{}", node.name());
    }
    assert_eq!(cluster.leader().unwrap().name(), next.name());

    let mut pids = Vec::new();
    for node in cluster.nodes() {
        assert!(node.postgres_pids().len() > 4, "{:?}", node.postgres_pids());
        pids.extend(node.postgres_pids());
        pids.extend(node.patroni_pid());
    }
    cluster.replicas()[0].freeze();
    timed("dropped", || drop(cluster));
    assert!(!pids.iter().any(|pid| is_alive(&pid.to_string())));
    assert_eq!(processes_of(base.path()), Vec::<String>::new());
    let dirs = base.path().join("it's a path with spaces");
    assert_eq!(std::fs::read_dir(dirs).unwrap().count(), 0);
}

#[test]
fn a_cluster_survives_the_death_and_the_sleep_of_its_leader() {
    let cluster = start(&PatroniConfig {
        synchronous_mode: true,
        ..PatroniConfig::for_tests()
    });
    let first = cluster.leader().unwrap();
    first
        .psql("CREATE TABLE t (who text); INSERT INTO t VALUES ('first')")
        .unwrap();
    first.kill().unwrap();
    assert!(first.patroni_pid().is_none() && first.postgres_pids().is_empty());
    let second = timed("led by another after a kill", || {
        wait_for_another(&cluster, first)
    });
    second.psql("INSERT INTO t VALUES ('second')").unwrap();
    timed("started again", || first.start().unwrap());
    expect_rows(&cluster, "first,second");

    second.freeze();
    assert!(second.patroni_pid().is_some());
    let third = timed("led by another after a freeze", || {
        wait_for_another(&cluster, second)
    });
    third.psql("INSERT INTO t VALUES ('third')").unwrap();
    second.thaw();
    expect_rows(&cluster, "first,second,third");

    // Patroni starts it again, or another leads.
    third.kill_postgres().unwrap();
    expect_rows(&cluster, "first,second,third");
}

#[test]
fn a_leader_without_its_patroni_goes_on_writing() {
    let cluster = start(&PatroniConfig {
        nodes: 2,
        ..PatroniConfig::for_tests()
    });
    let old = cluster.leader().unwrap();
    old.psql("CREATE TABLE t (who text)").unwrap();
    old.kill_patroni().unwrap();
    let new = wait_for_another(&cluster, old);
    eventually("both accepting writes", || {
        let write =
            |node: &PatroniNode, who: &str| node.psql(&format!("INSERT INTO t VALUES ('{who}')"));
        write(old, "ghost").is_ok() && write(new, "new").is_ok()
    });
    // Of two, the one on the higher timeline leads, and the other finds out when it is managed again.
    old.start().unwrap();
    assert_eq!(cluster.leader().unwrap().name(), new.name());
    expect_rows(&cluster, "new");
    assert_eq!(cluster.leader().unwrap().name(), new.name());
}

#[test]
fn what_cannot_form_is_refused() {
    let refused = |config: &PatroniConfig| match PatroniCluster::start(config) {
        Err(Error::Unusable(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let alone = refused(&PatroniConfig {
        nodes: 1,
        synchronous_mode: true,
        ..PatroniConfig::for_tests()
    });
    assert!(alone.contains("1 nodes are too few"), "{alone}");
    let path = refused(&PatroniConfig {
        dir: temporary_dir().path().join("$HOME"),
        ..PatroniConfig::for_tests()
    });
    assert!(path.contains("$HOME"), "{path}");

    let began = Instant::now();
    let failed = PatroniCluster::start(&PatroniConfig {
        settings: vec![(
            "shared_preload_libraries".to_owned(),
            "no_such_library".to_owned(),
        )],
        ..PatroniConfig::for_tests()
    });
    println!("given up after {:?}", began.elapsed());
    let failed = failed.unwrap_err();
    assert!(matches!(failed, Error::Start { .. }), "{failed}");
    assert!(failed.to_string().contains("no_such_library"), "{failed}");
}
