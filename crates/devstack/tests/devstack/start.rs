//! What a stack that has just started is like.

use std::time::Instant;

use prepnexus_devstack::{Error, Stack, StackConfig};

use crate::support::stack;

#[test]
fn two_replicas_replicate_a_row() {
    let began = Instant::now();
    let stack = stack(2);
    println!("primary and two replicas started in {:?}", began.elapsed());
    let primary = stack.primary();
    primary.psql("CREATE TABLE notes AS SELECT 7 AS n").unwrap();
    for node in &stack.nodes()[1..] {
        node.wait_caught_up_with(primary).unwrap();
        assert_eq!(
            node.psql("SELECT n, pg_is_in_recovery() FROM notes")
                .unwrap(),
            "7|t"
        );
    }
    let slots = "SELECT slot_name FROM pg_replication_slots WHERE active ORDER BY 1";
    assert_eq!(primary.psql(slots).unwrap(), "pg2\npg3");
    let names = "SELECT application_name, sync_state FROM pg_stat_replication ORDER BY 1";
    assert_eq!(primary.psql(names).unwrap(), "pg2|async\npg3|async");
}

#[test]
fn the_settings_are_as_promised() {
    let settings = vec![("work_mem".to_owned(), "7MB".to_owned())];
    let stack = Stack::start(StackConfig {
        settings,
        ..StackConfig::for_tests()
    })
    .unwrap();
    let primary = stack.primary();
    let show = |name: &str| primary.psql(&format!("SHOW {name}")).unwrap();
    for (name, value) in [
        ("work_mem", "7MB"),
        ("fsync", "off"),
        ("data_checksums", "on"),
        ("wal_log_hints", "on"),
        ("max_connections", "200"),
        ("server_encoding", "UTF8"),
        ("random_page_cost", "1.1"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ] {
        assert_eq!(show(name), value, "{name}");
    }
    let locale = "SELECT datcollate FROM pg_database WHERE datname = current_database()";
    assert_eq!(primary.psql(locale).unwrap(), "C.UTF-8");
    for extension in ["pg_trgm", "unaccent", "pg_stat_statements"] {
        primary
            .psql(&format!("CREATE EXTENSION {extension}"))
            .unwrap();
    }
}

#[test]
fn only_the_superuser_needs_no_password() {
    let stack = stack(0);
    stack
        .primary()
        .psql("CREATE ROLE app LOGIN PASSWORD 'secret'")
        .unwrap();
    let url = |password: &str| {
        let port = stack.primary().port();
        format!(
            "\\connect 'host=127.0.0.1 port={port} dbname=postgres user=app password={password}'"
        )
    };
    let asked = |password| {
        stack
            .primary()
            .psql(&format!("{}\nSELECT current_user", url(password)))
    };
    assert_eq!(asked("secret").unwrap(), "app");
    let refused = asked("wrong").unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("password authentication failed"),
        "{refused}"
    );
}

#[test]
fn two_stacks_have_two_system_identifiers() {
    let question = "SELECT system_identifier FROM pg_control_system()";
    let (one, other) = (stack(1), stack(0));
    let identifier = |node: &prepnexus_devstack::PgNode| node.psql(question).unwrap();
    assert_ne!(identifier(one.primary()), identifier(other.primary()));
    assert_eq!(identifier(one.primary()), identifier(one.replica(0)));
}

#[test]
fn a_synchronous_commit_is_seen_on_a_replica_at_once() {
    let config = StackConfig {
        replicas: 1,
        synchronous: true,
        ..StackConfig::for_tests()
    };
    let stack = Stack::start(config).unwrap();
    stack.primary().psql("CREATE TABLE t (n int)").unwrap();
    for n in 0..10 {
        stack
            .primary()
            .psql(&format!("INSERT INTO t VALUES ({n})"))
            .unwrap();
        assert_eq!(
            stack.replica(0).psql("SELECT max(n) FROM t").unwrap(),
            n.to_string()
        );
    }
    let alone = StackConfig {
        synchronous: true,
        ..StackConfig::for_tests()
    };
    assert!(matches!(Stack::start(alone), Err(Error::Unusable(_))));
}

#[test]
fn a_failed_start_shows_the_end_of_the_log() {
    let settings = vec![("shared_buffers".to_owned(), "many".to_owned())];
    let error = Stack::start(StackConfig {
        settings,
        ..StackConfig::for_tests()
    })
    .unwrap_err();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(r#"invalid value for parameter "shared_buffers""#),
        "{error}"
    );
}
