//! The restore for good.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_storage::{Cluster, Deadline, Freshness};

use crate::rig::{Ran, Rig, as_servers_user, postgres_programs};

/// Asks the copy, as a superuser by its socket.
fn ask(data: &Path, database: &str, sql: &str) -> String {
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).expect("a server runs on it");
    let port = pid_file.lines().nth(3).expect("its port");
    let mut command = as_servers_user("psql");
    command.args([
        "-XAtq", "-U", "postgres", "-d", database, "-p", port, "-c", sql, "-h",
    ]);
    let ran = Ran::of(command.arg(data.join("prepnexus")));
    assert_eq!(ran.code, Some(0), "{sql}: {}", ran.stderr);
    ran.stdout.trim_end().to_owned()
}

fn stop(data: &Path) {
    pg_ctl(data, &["stop", "--mode=immediate"]);
}

fn pg_ctl(data: &Path, words: &[&str]) {
    let mut command = as_servers_user(postgres_programs().join("pg_ctl"));
    command.args(words).arg("--pgdata").arg(data);
    let ran = Ran::of(command.stdout(Stdio::null()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// A table that is dropped by mistake is had back as it was, with every row that was committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_whole() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    rig.db
        .psql("CREATE TABLE heartbeats AS SELECT 1 AS n, clock_timestamp() AS at")
        .await;
    // Into the second after the one in which the backup ended.
    let until = Instant::now() + Duration::from_millis(1_500);
    let beat = "INSERT INTO heartbeats SELECT count(*), clock_timestamp() FROM heartbeats";
    while Instant::now() < until {
        rig.db.psql(beat).await;
    }
    const HASH: &str = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM heartbeats t";
    let before = rig.db.psql(HASH).await;
    let moment = rig.db.psql("SELECT clock_timestamp()").await;
    let moment: Timestamp = moment.parse().expect("a time");
    rig.db.psql("DROP TABLE heartbeats").await;
    rig.must(&["run"]);

    let into = rig.path("state/restored");
    let place = into.display().to_string();
    let to = moment.to_string();
    let restored = rig.json(&[
        "restore", "--into", &place, "--to", &to, "--start", "--json",
    ]);
    assert!(restored["seconds"].as_f64().unwrap() > 0.1, "{restored:#}");
    assert_eq!(ask(&into, rig.db.database(), HASH), before);
    ask(
        &into,
        rig.db.database(),
        "INSERT INTO heartbeats VALUES (0, now())",
    );
    assert_eq!(ask(&into, rig.db.database(), "SHOW archive_mode"), "off");
    // The primary was not touched, and is not the copy's business.
    assert_eq!(
        rig.db
            .psql("SELECT to_regclass('heartbeats') IS NULL")
            .await,
        "t"
    );

    // Not over it, nor over anything else.
    let again = rig.run(&["restore", "--into", &place]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("a server runs on it"),
        "{}",
        again.stderr
    );
    stop(&into);
    let again = rig.run(&["restore", "--into", &place]);
    assert!(
        again.stderr.contains("it is a data directory"),
        "{}",
        again.stderr
    );
    let live = rig.stack.primary().data_dir().display().to_string();
    let over = rig.run(&["restore", "--into", &live]);
    assert!(
        over.stderr.contains("a server runs on it"),
        "{}",
        over.stderr
    );
    let relative = rig.run(&["restore", "--into", "somewhere"]);
    assert!(relative.stderr.contains("absolute"), "{}", relative.stderr);
    let early = rig.run(&[
        "restore",
        "--into",
        &format!("{place}-2"),
        "--to",
        "2020-01-01 00:00:00+00",
    ]);
    assert!(
        early.stderr.contains("before the end of the first backup"),
        "{}",
        early.stderr
    );
    let no_zone = rig.run(&["restore", "--into", &place, "--to", "2026-01-01 00:00:00"]);
    assert_eq!(no_zone.code, Some(2), "{}", no_zone.stderr);
}

/// Whoever goes on writing to the old primary would lose it.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_primary_is_closed_before_another_takes_its_place() {
    let rig = Rig::start().await;
    rig.must(&["init"]);
    rig.must(&["run", "--type", "full"]);
    let database = rig.db.database().to_owned();
    // The service is connected, as its own role.
    let service = Cluster::start(&rig.db.config()).unwrap();
    let deadline = || Deadline::after(Duration::from_secs(10));
    service.wait_for_primary(deadline()).await.unwrap();
    service.read(Freshness::Primary, deadline()).await.unwrap();
    rig.db
        .psql("INSERT INTO tags (slug, name) VALUES ('last-word', 'Last word')")
        .await;
    let into = rig.path("state/new");
    let place = into.display().to_string();
    let said = rig.must(&["restore", "--into", &place, "--as-primary"]);
    assert!(said.contains("takes no connections"), "{said}");
    assert!(
        said.contains("all that was written to it is restored"),
        "{said}"
    );
    let refused = rig
        .stack
        .primary()
        .psql_db(&database, "SELECT 1")
        .unwrap_err();
    assert!(
        format!("{refused:?}").contains("not currently accepting connections"),
        "{refused:?}"
    );
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    assert_eq!(rig.stack.primary().psql(&sessions).unwrap(), "0");
    assert!(service.read(Freshness::Primary, deadline()).await.is_err());
    service.close().await;
    // It is what a server is started on: it archives, and is not the one that was closed.
    let conf = fs::read_to_string(into.join("postgresql.auto.conf")).unwrap();
    assert!(
        conf.contains("restore_command") && !conf.contains("archive_mode = 'off'"),
        "{conf}"
    );
    let settings = rig.stack.primary().data_dir().join("../stack.conf");
    fs::copy(settings, rig.path("state/stack.conf")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = format!("-p {port}");
    let log = rig.path("state/log").display().to_string();
    pg_ctl(
        &into,
        &["start", "--wait", "--log", &log, "--options", &options],
    );
    let last = "SELECT count(*) FROM tags WHERE slug = 'last-word'";
    assert_eq!(rig.ask_at(&port.to_string(), last), "1");
    stop(&into);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_from_a_standby_while_there_is_one() {
    let rig = Rig::of("", 1).await;
    rig.must(&["init"]);
    let nodes: Vec<String> = rig
        .stack
        .nodes()
        .iter()
        .map(|node| node.port().to_string())
        .collect();
    let run = |nodes: &str| {
        let mut command = rig.command(&["run", "--type", "full"]);
        let ran = Ran::of(
            command
                .env("DB_PORT", nodes)
                .env("BACKUP_FROM_STANDBY", "true"),
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    };
    run(&nodes.join(","));
    let from = "SELECT details->>'from_standby' FROM backup_runs ORDER BY started_at DESC LIMIT 1";
    assert_eq!(rig.db.psql(from).await, "true");
    rig.stack.replica(0).kill().unwrap();
    rig.configure("");
    run(&nodes.join(","));
    assert_eq!(rig.db.psql(from).await, "false");
}
