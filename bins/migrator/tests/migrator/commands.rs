//! What each command prints, and with what it exits.

use std::{net::TcpListener, path::Path};

use prepnexus_testkit::TestDb;

use crate::{Ran, bare, hold_the_lock, migrator, run, with};

#[tokio::test]
async fn up_applies_once_and_status_says_so() {
    let db = TestDb::empty().await;
    let pending = with(&db, &["status", "--check"]).await;
    assert_eq!(pending.code, 3, "{}", pending.stderr);
    assert!(
        pending.stdout.starts_with("pending  0001_content.sql\n"),
        "{}",
        pending.stdout
    );
    assert_eq!(with(&db, &["status"]).await.code, 0);

    let first = with(&db, &["up"]).await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(
        first.stdout.starts_with("applied 0001_content.sql ("),
        "{}",
        first.stdout
    );
    assert!(
        first.stderr.contains("applying 0001_content.sql"),
        "{}",
        first.stderr
    );
    let second = with(&db, &["up"]).await;
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (0, "nothing is pending\n")
    );

    let status = with(&db, &["status", "--check", "--json"]).await;
    assert_eq!(status.code, 0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["applied"][0]["name"], "content");
    assert_eq!(status["pending"], serde_json::json!([]));
}

#[tokio::test]
async fn a_dry_run_prints_the_statements_and_does_nothing() {
    let db = TestDb::empty().await;
    let shown = with(&db, &["up", "--dry-run"]).await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown
            .stdout
            .contains("\n-- 0001_content.sql\nBEGIN;\nSET LOCAL lock_timeout = '1000ms';\n")
    );
    assert!(shown.stdout.ends_with("COMMIT;\n"));
    let plan = with(&db, &["up", "--dry-run", "--plan", "json"]).await;
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["planned"][1]["file"], "0001_content.sql");
    assert_eq!(plan["applied"], serde_json::json!([]));
    assert_eq!(with(&db, &["status", "--check"]).await.code, 3);
}

#[tokio::test]
async fn a_changed_migration_exits_4() {
    let db = TestDb::new().await;
    db.psql("UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 1")
        .await;
    for arguments in [&["up"] as &[_], &["status", "--check"]] {
        let ran = with(&db, arguments).await;
        assert_eq!(ran.code, 4);
        assert!(
            ran.stderr.contains("0001_content.sql was changed after"),
            "{}",
            ran.stderr
        );
    }
    let status = with(&db, &["status"]).await;
    assert_eq!((status.code, &status.stdout[..8]), (0, "changed "));
}

#[tokio::test]
async fn a_held_lock_exits_5_and_names_the_holder() {
    let db = TestDb::empty().await;
    let _holder = hold_the_lock(&db).await;
    let ran = with(&db, &["up", "--lock-wait", "100ms"]).await;
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("\"test\" from 127.0.0.1:"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn seed_loads_once_and_names_what_is_wrong() {
    let db = TestDb::new().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("posts.ndjson");
    let seed = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        with(&db, &["seed", path(&file)]).await
    };
    let good = "{\"title\": \"A\", \"content\": \"x\"}\n";
    let first = seed(good).await;
    assert_eq!(
        (first.code, first.stdout.as_str()),
        (0, "1 inserted, 0 there already\n"),
        "{}",
        first.stderr
    );
    assert_eq!(seed(good).await.stdout, "0 inserted, 1 there already\n");
    let counted = with(&db, &["seed", "--json", path(&file)]).await.stdout;
    let counted: serde_json::Value = serde_json::from_str(&counted).unwrap();
    assert_eq!(counted, serde_json::json!({"inserted": 0, "unchanged": 1}));
    let bad = seed("{\"title\": 7, \"content\": \"\"}").await;
    assert_eq!(bad.code, 1);
    assert!(
        bad.stderr
            .contains("posts.ndjson: line 1: /title must be a string; /content must not be empty"),
        "{}",
        bad.stderr
    );
    let missing = with(&db, &["seed", "/nowhere/posts.ndjson"]).await;
    assert_eq!(missing.code, 1);
    assert_one_line(&missing, "can't read /nowhere/posts.ndjson");
}

#[tokio::test]
async fn wait_ends_with_an_answer_or_says_what_it_saw() {
    let db = TestDb::empty().await;
    assert_eq!(with(&db, &["wait", "--timeout", "30s"]).await.code, 0);
    let answer = with(&db, &["wait", "--json"]).await.stdout;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, serde_json::json!({"answers": true}));
    // Accepts, and never greets: as a frozen server does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = migrator(&db);
    command.env("DB_PORT", listener.local_addr().unwrap().port().to_string());
    command.args(["wait", "--timeout", "200ms"]);
    let ran = run(command).await;
    assert_eq!(ran.code, 1);
    assert_one_line(&ran, "no primary answered within 200ms; last seen: ");
}

#[tokio::test]
async fn a_database_that_can_not_be_reached_exits_1_with_one_line() {
    let db = TestDb::empty().await;
    let mut unknown_host = migrator(&db);
    unknown_host.env("DB_HOST", "nowhere.invalid").arg("status");
    let ran = run(unknown_host).await;
    assert_eq!(ran.code, 1);
    assert_one_line(&ran, "nowhere.invalid");
    let mut wrong_password = migrator(&db);
    wrong_password.env("DB_OWNER_PASSWORD", "guessed").arg("up");
    let ran = run(wrong_password).await;
    assert_eq!(ran.code, 1);
    assert_one_line(&ran, "password authentication failed");
    assert!(!ran.stderr.contains("guessed"));
}

#[tokio::test]
async fn wrong_settings_and_usage_exit_2_with_one_line() {
    for (variable, value) in [
        ("DB_PORT", "70000"),
        ("DB_SSLMODE", "perhaps"),
        ("LOG_LEVEL", "loud"),
    ] {
        let mut command = bare();
        command.env(variable, value).arg("status");
        let ran = run(command).await;
        assert_eq!(ran.code, 2);
        assert_one_line(&ran, variable);
    }
    for arguments in [
        &["--no-such-flag"] as &[_],
        &["up", "--plan", "xml"],
        &["wait", "--timeout", "soon"],
        &["fly"],
    ] {
        let mut command = bare();
        command.args(arguments);
        let ran = run(command).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}

#[track_caller]
fn assert_one_line(ran: &Ran, contains: &str) {
    let lines = ran.stderr.lines().count();
    assert!(
        lines == 1 && ran.stderr.contains(contains),
        "{}",
        ran.stderr
    );
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}
