//! What happens meanwhile: readers, other writers, and the end of the program.

use std::time::Duration;

use prepnexus_domain::SystemClock;
use prepnexus_migrate::{
    Progress,
    import::{ImportOptions, Outcome, Phase},
};
use prepnexus_storage::driver;
use prepnexus_testkit::{TestDb, wait_until};
use tokio::sync::mpsc;

use crate::{content, import, imported, migrator, old_file::OldFile};

const LIMIT: Duration = Duration::from_secs(30);

/// Whether somebody waits for a lock.
async fn is_waiting(db: &TestDb) -> bool {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    db.psql(waiting).await != "0"
}

#[tokio::test]
async fn readers_see_nothing_of_it_until_all_is_there() {
    let db = TestDb::new().await;
    let file = OldFile::many(50);
    let blocker = driver::connect_primary(&db.owner_config(), "", LIMIT)
        .await
        .unwrap();
    // Emails are kept last: all posts are in by then.
    let lock = "BEGIN; LOCK TABLE author_emails IN SHARE MODE";
    blocker.client().batch_execute(lock).await.unwrap();
    file.db
        .execute_batch("INSERT INTO users (email, name) VALUES ('a@example.com', 'A')")
        .unwrap();
    let see = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM authors), (SELECT count(*) FROM tags)";
    let watching = async {
        wait_until("it waits", LIMIT, async || is_waiting(&db).await).await;
        assert_eq!(db.psql(see).await, "0|0|0");
        blocker.client().batch_execute("COMMIT").await.unwrap();
    };
    let (report, ()) = tokio::join!(imported(&db, &file), watching);
    assert_eq!(report.outcome, Outcome::Published);
    assert_eq!(db.psql(see).await, "50|8|1");
}

#[tokio::test]
async fn a_number_that_somebody_takes_meanwhile_is_refused_and_all_else_is_there() {
    let db = TestDb::new().await;
    let file = OldFile::many(50);
    let writer = driver::connect_primary(&db.owner_config(), "", LIMIT)
        .await
        .unwrap();
    let write = "BEGIN;
        INSERT INTO authors (slug, name) VALUES ('w', 'W');
        INSERT INTO posts (id, slug, title, excerpt, content, html, author_id, reading_time_minutes)
        SELECT 7, 'mine', 'Mine', '', 'x', 'x', id, 1 FROM authors";
    writer.client().batch_execute(write).await.unwrap();
    let options = ImportOptions {
        allow_rejects: 1,
        reject_file: Some(file.beside("rejects.ndjson")),
        ..ImportOptions::default()
    };
    let watching = async {
        wait_until("it waits", LIMIT, async || is_waiting(&db).await).await;
        writer.client().batch_execute("COMMIT").await.unwrap();
    };
    let (report, ()) = tokio::join!(import(&db, &file, &options), watching);
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Published);
    assert_eq!(report.tables["blogs"].reasons["id_taken"], 1);
    assert_eq!(
        db.psql("SELECT count(*), max(title) FILTER (WHERE id = 7) FROM posts")
            .await,
        "50|Mine"
    );
    let rejects = std::fs::read_to_string(file.beside("rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 1, "{rejects}");
}

/// Rows enough for several batches.
const ROWS: u32 = 17_000;

#[tokio::test]
async fn an_import_that_ended_midway_is_gone_on_with() {
    let undisturbed = TestDb::new().await;
    let file = OldFile::many(ROWS);
    imported(&undisturbed, &file).await;
    let db = TestDb::new().await;
    // At the second batch, then while it publishes.
    for (phase, least) in [(Phase::Staging, 10_000), (Phase::Publishing, 10_000)] {
        let (told, mut heard) = mpsc::unbounded_channel();
        let migrator = migrator(&db);
        let (path, options) = (file.path(), ImportOptions::default());
        let mut tell = move |progress| {
            let _nobody_listens = told.send(progress);
        };
        let mut importing =
            Box::pin(migrator.import_sqlite(&path, &options, &SystemClock, &mut tell));
        loop {
            let heard = tokio::select! {
                ended = &mut importing => panic!("it ended: {ended:?}"),
                heard = heard.recv() => heard,
            };
            match heard {
                Some(Progress::Import {
                    phase: now, done, ..
                }) if now == phase && done >= least => break,
                Some(Progress::Import {
                    phase: Phase::Staging,
                    done,
                    ..
                }) => {
                    assert!(
                        phase == Phase::Staging || done > 10_000,
                        "staged before: {done}"
                    );
                }
                _ => {}
            }
        }
    }
    assert_eq!(db.psql("SELECT count(*) FROM posts").await, "0");
    let report = imported(&db, &file).await;
    assert_eq!(
        (report.outcome, report.verified_rows),
        (Outcome::Published, u64::from(ROWS))
    );
    let what = "SELECT md5(string_agg(format('%s %s %s %s', id, slug, title, content), ',' ORDER BY id)) FROM posts";
    assert_eq!(db.psql(what).await, undisturbed.psql(what).await);
}

#[tokio::test]
async fn another_file_begins_anew() {
    let db = TestDb::new().await;
    db.psql(
        "CREATE SCHEMA prepnexus_import;
         CREATE TABLE prepnexus_import.state (source text, form text, began_at timestamptz, blogs_through bigint,
             users_through bigint, is_complete boolean);
         CREATE TABLE prepnexus_import.posts (x int);
         INSERT INTO prepnexus_import.state VALUES ('another', '1', now(), 99, 99, true);
         GRANT ALL ON ALL TABLES IN SCHEMA prepnexus_import TO PUBLIC; GRANT ALL ON SCHEMA prepnexus_import TO PUBLIC",
    )
    .await;
    let owner = db.owner_config().user;
    db.psql(&format!(
        "ALTER SCHEMA prepnexus_import OWNER TO {owner}; ALTER TABLE prepnexus_import.state OWNER TO {owner};
         ALTER TABLE prepnexus_import.posts OWNER TO {owner}"
    ))
    .await;
    assert_eq!(imported(&db, &OldFile::many(3)).await.verified_rows, 3);
    assert!(content(&db).await.contains("post-3"));
}
