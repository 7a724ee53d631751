//! A COMMIT that has begun: nobody cancels it, and who doesn't learn its outcome is told so.

use std::time::Duration;

use prepnexus_storage::{Deadline, Error};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{
    INSERT_ITEM, SOON, is_running, item_names, items, patience, slow_items, warm,
};

async fn wait_for_item(db: &TestDb) {
    wait_until("the commit", SOON, async || item_names(db).await == "a").await;
}

#[tokio::test]
async fn a_deadline_that_passes_during_commit_leaves_the_outcome_unknown_and_commits() {
    let (db, cluster) = slow_items().await;
    warm(&cluster).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let write = cluster.write("slow", deadline, |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await
    });
    let error = write.await.unwrap_err();
    assert!(
        matches!(error, Error::CommitUnknown(_)),
        "{}",
        error.chain()
    );
    assert!(error.is_unavailable() && !error.is_retryable());
    wait_for_item(&db).await;
}

#[tokio::test]
async fn a_write_that_is_dropped_during_commit_commits() {
    let (db, cluster) = slow_items().await;
    let writing = cluster.write("slow", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await
    });
    tokio::select! {
        outcome = writing => panic!("{outcome:?}"),
        () = wait_until("COMMIT", SOON, async || is_running(&db, "%COMMIT%").await) => {}
    }
    // Closing waits for it.
    cluster.close().await;
    wait_for_item(&db).await;
}

#[tokio::test]
async fn a_session_that_is_ended_during_commit_leaves_the_outcome_unknown() {
    let (db, cluster) = slow_items().await;
    let writing = cluster.write("slow", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await
    });
    let ending = async {
        wait_until("COMMIT", SOON, async || is_running(&db, "%COMMIT%").await).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE '%; COMMIT;%' AND pid <> pg_backend_pid()";
        db.psql(end).await
    };
    let (outcome, _) = tokio::join!(writing, ending);
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, Error::CommitUnknown(_)),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_constraint_that_is_checked_by_commit_fails_the_write() {
    let (db, cluster) = items().await;
    db.psql("ALTER TABLE items ADD CONSTRAINT late UNIQUE (n) DEFERRABLE INITIALLY DEFERRED")
        .await;
    let write = cluster.write("late", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        tx.execute(INSERT_ITEM, &[&"b"]).await
    });
    let error = write.await.unwrap_err();
    assert_eq!(error.violated_unique(), Some("late"));
    assert_eq!(item_names(&db).await, "");
}
