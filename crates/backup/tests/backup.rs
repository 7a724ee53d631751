//! The real engine, backing up a real server.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use prepnexus_backup::{BackupKind, Error, PgBackRest};
use prepnexus_devstack::{Stack, StackConfig};

/// A configuration file for the engine, with a repository of its own.
fn configure(dir: &Path, stack: &Stack) -> std::path::PathBuf {
    let primary = stack.primary();
    let text = format!(
        "[global]\nrepo1-path={dir}/repository\nlock-path={dir}/lock\nspool-path={dir}/spool\n\
         log-level-file=off\nlog-level-console=warn\nstart-fast=y\narchive-check=n\n\
         [main]\npg1-path={data}\npg1-port={port}\npg1-socket-path={dir}\npg1-user=postgres\n",
        dir = dir.display(),
        data = primary.data_dir().display(),
        port = primary.port(),
    );
    let path = dir.join("pgbackrest.conf");
    fs::write(&path, text).expect("a temporary directory can be written");
    path
}

fn engine(config: &Path, command: &str) {
    let output = Command::new("pgbackrest")
        .arg(format!("--config={}", config.display()))
        .args(["--stanza=main", command])
        .output()
        .expect("pgbackrest is installed");
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_the_engine_holds_is_read_from_what_it_prints() {
    let dir = tempfile::tempdir().unwrap();
    // The engine connects by a socket alone, and the server, another user, makes it there.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let socket = (
        "unix_socket_directories".into(),
        dir.path().display().to_string(),
    );
    let stack = Stack::start(StackConfig {
        settings: vec![socket],
        ..StackConfig::for_tests()
    })
    .unwrap();
    let hba = stack.primary().data_dir().join("pg_hba.conf");
    let rules = fs::read_to_string(&hba).unwrap();
    fs::write(&hba, format!("local all postgres trust\n{rules}")).unwrap();
    stack.primary().psql("SELECT pg_reload_conf()").unwrap();
    let config = configure(dir.path(), &stack);
    let backups = PgBackRest::new("main").with_config(&config);

    let empty = backups.info().unwrap();
    assert!(
        empty.latest().is_none() && empty.message != "ok",
        "{empty:?}"
    );

    engine(&config, "stanza-create");
    engine(&config, "backup");
    let full = backups.info().unwrap();
    assert_eq!(full.message, "ok");
    let latest = full.latest().unwrap();
    assert_eq!(latest.kind, BackupKind::Full);
    assert!(latest.database_bytes > 1_000_000 && latest.stopped_at >= latest.started_at);

    engine(&config, "backup");
    let both = backups.info().unwrap();
    assert_eq!(both.backups.len(), 2);
    assert_eq!(both.latest().unwrap().kind, BackupKind::Incremental);
}

#[test]
fn an_engine_that_fails_says_why() {
    let missing = PgBackRest::new("main").with_config("/nowhere/pgbackrest.conf");
    assert!(matches!(missing.info(), Err(Error::Failed { output }) if output.contains("/nowhere")));
}
