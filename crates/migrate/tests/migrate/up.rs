//! `up`: what it applies, what it refuses, and that a file is applied wholly or not at all.

use std::{fs, path::Path};

use prepnexus_migrate::{Error, Migrations, Migrator, Progress, UpOptions, UpReport};
use prepnexus_storage::ClusterConfig;
use prepnexus_testkit::TestDb;

use crate::{connect, migrator};

async fn up(migrator: &Migrator) -> Result<UpReport, Error> {
    migrator.up(UpOptions::default(), &mut |_| {}).await
}

fn files(dir: &Path, files: &[(&str, &str)]) -> Migrations {
    for (name, sql) in files {
        fs::write(dir.join(name), sql).expect("a writable directory");
    }
    Migrations::from_dir(dir).expect("files in order")
}

#[tokio::test]
async fn an_empty_database_gets_every_file_and_a_second_run_does_nothing() {
    let db = TestDb::empty().await;
    let migrator = migrator(&db);
    assert_eq!(
        migrator.status().await.unwrap().pending.len(),
        migrator.migrations().list().len()
    );
    let mut told = Vec::new();
    let report = migrator
        .up(UpOptions::default(), &mut |progress| told.push(progress))
        .await;
    let names: Vec<String> = report
        .unwrap()
        .applied
        .iter()
        .map(ToString::to_string)
        .collect();
    let files: Vec<String> = migrator
        .migrations()
        .list()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, files);
    assert_eq!(told.len(), 2 * files.len());
    assert_eq!(
        told[0],
        Progress::Applying {
            file: files[0].clone()
        }
    );

    let record = "SELECT xmin, * FROM schema_migrations ORDER BY version";
    let before = db.psql(record).await;
    assert_eq!(up(&migrator).await.unwrap(), UpReport::default());
    assert_eq!(db.psql(record).await, before);
    let status = migrator.status().await.unwrap();
    assert_eq!(
        (status.applied.len(), status.pending.len()),
        (files.len(), 0)
    );
}

#[tokio::test]
async fn the_api_reads_what_is_applied() {
    let db = TestDb::new().await;
    let status = Migrator::new(db.config(), Migrations::built_in())
        .unwrap()
        .status()
        .await;
    assert!(status.unwrap().pending.is_empty());
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_shows_the_exact_statements() {
    let db = TestDb::empty().await;
    let migrator = migrator(&db);
    let options = UpOptions {
        dry_run: true,
        ..UpOptions::default()
    };
    let report = migrator.up(options, &mut |_| {}).await.unwrap();
    assert!(report.applied.is_empty());
    assert_eq!(
        db.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .await,
        "0"
    );

    // What was shown, run by hand, leaves nothing to do.
    let shown: Vec<String> = report
        .planned
        .into_iter()
        .flat_map(|step| step.statements().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let owner = db.owner_config().user;
    db.psql(&format!("SET ROLE {owner}; {};", shown.join(";\n")))
        .await;
    assert_eq!(up(&migrator).await.unwrap(), UpReport::default());
}

#[tokio::test]
async fn a_failing_file_leaves_nothing_and_is_named_with_its_line() {
    let db = TestDb::empty().await;
    let dir = tempfile::tempdir().unwrap();
    let good = (
        "0001_good.sql",
        "CREATE TABLE good (n int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);",
    );
    for (bad, line, message) in [
        // The server points to the place.
        (
            "CREATE TABLE half ();\nSELECT 1,\n    missing;\n",
            3,
            "column \"missing\" does not exist (SQLSTATE 42703)",
        ),
        // It does not: the statement's line.
        (
            "CREATE TABLE half ();\n\n-- again\nCREATE TABLE good ();\n",
            4,
            "relation \"good\" already exists (SQLSTATE 42P07)",
        ),
        (
            "CREATE TABLE half ();\nDO $$ BEGIN\n    RAISE 'no'\n        USING HINT = 'never';\nEND $$;\n",
            2,
            "no (SQLSTATE P0001); hint: never",
        ),
        // It speaks only at COMMIT.
        (
            "CREATE TABLE half ();\nINSERT INTO good VALUES (1), (1);\n",
            2,
            "duplicate key value violates unique constraint \"good_pkey\" (SQLSTATE 23505); detail: Key (n)=(1) already exists.",
        ),
    ] {
        let migrations = files(dir.path(), &[good, ("0002_bad.sql", bad)]);
        let migrator = Migrator::new(db.owner_config(), migrations).unwrap();
        let error = up(&migrator).await.unwrap_err();
        assert_eq!(
            error.chain(),
            format!("0002_bad.sql, line {line}: {message}")
        );
        assert_eq!(
            db.psql("SELECT to_regclass('half') IS NULL, max(version) FROM schema_migrations")
                .await,
            "t|1"
        );
    }
    let mended = files(
        dir.path(),
        &[good, ("0002_bad.sql", "CREATE TABLE half ();")],
    );
    let report = up(&Migrator::new(db.owner_config(), mended).unwrap())
        .await
        .unwrap();
    assert_eq!(report.applied.len(), 1);
}

#[tokio::test]
async fn an_edited_file_is_found() {
    let db = TestDb::new().await;
    let migrator = migrator(&db);
    db.psql("UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 2")
        .await;
    let error = up(&migrator).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("0002_service.sql was changed after it had been applied"),
        "{error}"
    );
    assert_eq!(migrator.status().await.unwrap().mismatched.len(), 1);
}

#[tokio::test]
async fn a_database_newer_than_the_files_is_found() {
    let db = TestDb::new().await;
    let migrator = migrator(&db);
    db.psql("INSERT INTO schema_migrations SELECT 9999, 'later', checksum, now(), 1 FROM schema_migrations LIMIT 1").await;
    let error = up(&migrator).await.unwrap_err();
    assert!(
        matches!(&error, Error::UnknownApplied { file } if file == "9999_later.sql"),
        "{error}"
    );
}

#[tokio::test]
async fn a_replica_is_refused() {
    let db = TestDb::empty().await;
    let replica = db.config_with_replicas().nodes.remove(1);
    let config = ClusterConfig {
        nodes: vec![replica],
        database: "postgres".into(),
        ..db.owner_config()
    };
    let error = up(&Migrator::new(config, Migrations::built_in()).unwrap())
        .await
        .unwrap_err();
    assert!(error.chain().contains("is a replica"), "{}", error.chain());
}

#[tokio::test]
async fn the_roles_own_limits_do_not_stop_a_migration() {
    let db = TestDb::empty().await;
    let owner = db.owner_config();
    db.psql(&format!(
        "ALTER ROLE {} IN DATABASE {} SET statement_timeout = '50ms'",
        owner.user, owner.database
    ))
    .await;
    assert!(
        connect(&owner)
            .await
            .client()
            .batch_execute("SELECT pg_sleep(0.2)")
            .await
            .is_err()
    );
    let dir = tempfile::tempdir().unwrap();
    let slow = files(dir.path(), &[("0001_slow.sql", "SELECT pg_sleep(0.2);")]);
    assert!(up(&Migrator::new(owner, slow).unwrap()).await.is_ok());
}
