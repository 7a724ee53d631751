//! Requests that go away or run out of time: nothing of them stays on the server.

use std::time::{Duration, Instant};

use prepnexus_storage::{ClusterConfig, Deadline, Error, Freshness};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{
    INSERT_ITEM, SOON, cluster, is_running, item_names, items, make_items, patience, warm,
};

/// Well before the server would end a statement by itself.
const BEFORE_ITS_TIMEOUT: Duration = Duration::from_secs(15);

const SLEEP: &str = "-- sleeper\nSELECT pg_sleep(600)";
const SLEEPER: &str = "-- sleeper%";

#[tokio::test]
async fn a_read_that_is_dropped_is_cancelled_and_frees_its_place() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_size: 1,
        ..db.config()
    };
    let cluster = cluster(config).await;
    for _ in 0..3 {
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        let reading = async move { conn.query(SLEEP, &[]).await };
        tokio::select! {
            outcome = reading => panic!("{outcome:?}"),
            () = wait_until("the statement", SOON, async || is_running(&db, SLEEPER).await) => {}
        }
        // Dropped. Its place is free at once, and the statement ends soon.
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        conn.query_one("-- one\nSELECT 1", &[]).await.unwrap();
        wait_until("its end", BEFORE_ITS_TIMEOUT, async || {
            !is_running(&db, SLEEPER).await
        })
        .await;
    }
    assert_eq!(cluster.status()[0].pool.in_use, 0);
}

#[tokio::test]
async fn a_read_ends_by_its_deadline_and_is_cancelled() {
    let (db, cluster) = items().await;
    warm(&cluster).await;
    let began = Instant::now();
    let deadline = Deadline::after(Duration::from_secs(1));
    let conn = cluster.read(Freshness::Any, deadline).await.unwrap();
    let error = conn.query(SLEEP, &[]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Deadline {
                waiting_for: "a statement"
            }
        ),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(3));
    drop(conn);
    wait_until("its end", BEFORE_ITS_TIMEOUT, async || {
        !is_running(&db, SLEEPER).await
    })
    .await;
}

#[tokio::test]
async fn a_write_ends_by_its_deadline_and_leaves_nothing() {
    let (db, cluster) = items().await;
    warm(&cluster).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let write = cluster.write("slow", deadline, |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        tx.query(SLEEP, &[]).await
    });
    let error = write.await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    wait_until("its end", BEFORE_ITS_TIMEOUT, async || {
        !is_running(&db, "%").await
    })
    .await;
    assert_eq!(item_names(&db).await, "");
    assert_eq!(cluster.status()[0].breaker.as_str(), "closed");
}

#[tokio::test]
async fn a_swallowed_deadline_is_no_commit() {
    let (db, cluster) = items().await;
    warm(&cluster).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let write = cluster.write("slow", deadline, |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        let _swallowed = tx.query(SLEEP, &[]).await;
        Ok::<_, Error>(())
    });
    assert!(matches!(write.await, Err(Error::TransactionFailed)));
    wait_until("its end", BEFORE_ITS_TIMEOUT, async || {
        !is_running(&db, "%").await
    })
    .await;
    assert_eq!(item_names(&db).await, "");
}

#[tokio::test]
async fn a_statement_runs_no_longer_than_the_server_is_told_whatever_its_deadline() {
    let db = TestDb::new().await;
    make_items(&db).await;
    let config = ClusterConfig {
        statement_timeout: Duration::from_millis(200),
        ..db.config()
    };
    let cluster = cluster(config).await;
    let write = cluster.write("slow", patience(), |tx| async move {
        tx.query(SLEEP, &[]).await
    });
    assert_eq!(write.await.unwrap_err().sqlstate(), Some("57014"));
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let error = conn.query(SLEEP, &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("57014"));
    assert!(error.is_unavailable() && !error.is_retryable());
}

#[tokio::test]
async fn a_write_that_is_dropped_before_commit_leaves_nothing() {
    let (db, cluster) = items().await;
    let writing = cluster.write("dropped", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        std::future::pending::<Result<(), Error>>().await
    });
    let idle = "-- items.insert%";
    tokio::select! {
        outcome = writing => panic!("{outcome:?}"),
        () = wait_until("the insert", SOON, async || is_running(&db, idle).await) => {}
    }
    wait_until("its end", BEFORE_ITS_TIMEOUT, async || {
        !is_running(&db, idle).await
    })
    .await;
    assert_eq!(item_names(&db).await, "");
    assert_eq!(cluster.status()[0].pool.in_use, 0);
}
