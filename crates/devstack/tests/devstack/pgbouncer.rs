//! PgBouncer passes roles on, and pools by transaction.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Instant;

use prepnexus_devstack::{Error, PgBouncer, PgBouncerConfig, PgNode, Stack};

use crate::support::{MOMENT, processes_of, stack};

const PASSWORD: &str = "it's \"secret\"";

/// Pools by `size` before a server with a role `app`.
fn bouncer_before(stack: &Stack, size: u16) -> PgBouncer {
    let primary = stack.primary();
    primary
        .psql(&format!(
            "CREATE ROLE app LOGIN PASSWORD '{}'",
            PASSWORD.replace('\'', "''")
        ))
        .unwrap();
    let began = Instant::now();
    let bouncer = PgBouncer::start(&PgBouncerConfig {
        pool_size: size,
        ..PgBouncerConfig::new(primary.addr()).user("app", PASSWORD)
    })
    .unwrap();
    println!("PgBouncer started in {:?}", began.elapsed());
    bouncer
}

/// `PASSWORD` as it stands in a URL.
const ENCODED: &str = "it%27s%20%22secret%22";

/// Connects as `app` to a port; `psql` then goes on with what follows.
fn connect(port: u16, encoded_password: &str) -> String {
    format!("\\connect postgresql://app:{encoded_password}@127.0.0.1:{port}/postgres\n")
}

fn ask(node: &PgNode, bouncer: &PgBouncer, sql: &str) -> Result<String, Error> {
    node.psql(&format!("{}{sql}", connect(bouncer.port(), ENCODED)))
}

#[test]
fn roles_pass_with_their_own_passwords() {
    let stack = stack(0);
    let bouncer = bouncer_before(&stack, 10);
    let primary = stack.primary();
    let who = "SELECT current_user, inet_server_port()";
    assert_eq!(
        ask(primary, &bouncer, who).unwrap(),
        format!("app|{}", primary.port())
    );
    let refused = primary
        .psql(&format!("{}{who}", connect(bouncer.port(), "wrong")))
        .unwrap_err();
    assert!(refused.to_string().contains("SASL"), "{refused}");
    // A startup parameter that it does not know is refused, not dropped.
    let unknown = format!(
        "\\connect 'host=127.0.0.1 port={} dbname=postgres user=app options=''-c statement_timeout=1'''",
        bouncer.port()
    );
    let refused = primary.psql(&unknown).unwrap_err();
    assert!(refused.to_string().contains("unsupported"), "{refused}");
}

#[test]
fn what_a_session_sets_is_the_next_clients_too() {
    let stack = stack(0);
    let bouncer = bouncer_before(&stack, 1);
    let primary = stack.primary();
    // A transaction is whole, on one connection.
    let transaction =
        "BEGIN; CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 7 AS n; SELECT n FROM t; COMMIT";
    assert_eq!(ask(primary, &bouncer, transaction).unwrap(), "7");
    // A later client gets the same connection, and with it what the earlier one has left there.
    let setting = "SET work_mem = '7MB'; PREPARE mine AS SELECT 8; SELECT pg_backend_pid()";
    let first = ask(primary, &bouncer, setting).unwrap();
    let second = ask(
        primary,
        &bouncer,
        "SELECT pg_backend_pid(); SHOW work_mem; EXECUTE mine",
    )
    .unwrap();
    assert_eq!(second, format!("{first}\n7MB\n8"));
}

#[test]
fn more_clients_than_connections_take_turns() {
    let stack = stack(0);
    let bouncer = bouncer_before(&stack, 2);
    let primary = stack.primary();
    let held = |_| {
        let sql = "SELECT pg_backend_pid(); SELECT pg_sleep(0.1) \\g /dev/null";
        ask(primary, &bouncer, sql).unwrap()
    };
    let mut pids: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6).map(|n| scope.spawn(move || held(n))).collect();
        let ended = clients.into_iter();
        ended.map(|client| client.join().unwrap()).collect()
    });
    pids.sort_unstable();
    pids.dedup();
    assert!(pids.len() <= 2, "{pids:?}");
}

#[test]
fn it_can_be_frozen_and_killed_and_leaves_nothing() {
    let stack = stack(0);
    let bouncer = bouncer_before(&stack, 10);
    let primary = stack.primary();
    bouncer.freeze();
    let asked = primary.psql_within(
        MOMENT,
        "postgres",
        &format!("{}SELECT 1", connect(bouncer.port(), ENCODED)),
    );
    assert!(matches!(asked, Err(Error::Timeout { .. })), "{asked:?}");
    bouncer.thaw();
    assert_eq!(ask(primary, &bouncer, "SELECT 1").unwrap(), "1");
    bouncer.kill().unwrap();
    assert!(TcpStream::connect(bouncer.addr()).is_err());
    bouncer.restart().unwrap();
    assert_eq!(ask(primary, &bouncer, "SELECT 1").unwrap(), "1");

    let dir: PathBuf = bouncer.log_path().parent().unwrap().to_owned();
    assert_eq!(processes_of(&dir).len(), 1);
    bouncer.freeze();
    drop(bouncer);
    assert_eq!(processes_of(&dir), Vec::<String>::new());
    assert!(!dir.exists());
}
