//! Bounded waiting for a connection.

use std::time::{Duration, Instant};

use prepnexus_health::BreakerState;
use prepnexus_storage::{Cluster, ClusterConfig, Deadline, Error, Freshness, ReadConn};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{SOON, cluster, patience};

async fn cluster_of(db: &TestDb, pool_size: usize, pool_queue: usize) -> Cluster {
    let config = ClusterConfig {
        pool_size,
        pool_queue,
        ..db.config()
    };
    cluster(config).await
}

async fn read(cluster: &Cluster) -> Result<ReadConn, Error> {
    cluster.read(Freshness::Any, patience()).await
}

fn breaker(cluster: &Cluster) -> BreakerState {
    cluster.status()[0].breaker
}

#[tokio::test]
async fn past_a_full_queue_a_request_fails_at_once() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 1, 1).await;
    let held = read(&cluster).await.unwrap();
    let waiting = tokio::spawn({
        let cluster = cluster.clone();
        async move { read(&cluster).await.map(drop) }
    });
    let is_waiting = async || cluster.status()[0].pool.waiting == 1;
    wait_until("a waiting request", SOON, is_waiting).await;
    for _ in 0..50 {
        let began = Instant::now();
        let error = read(&cluster).await.unwrap_err();
        assert!(matches!(error, Error::Saturated { .. }), "{error}");
        assert!(error.is_unavailable() && !error.is_retryable());
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    let write = cluster.write("full", patience(), |_| async { Ok::<_, Error>(()) });
    assert!(matches!(write.await, Err(Error::Saturated { .. })));
    assert_eq!(breaker(&cluster), BreakerState::Closed);
    drop(held);
    waiting.await.unwrap().unwrap();
    read(&cluster).await.unwrap();
}

#[tokio::test]
async fn without_a_queue_only_connections_that_are_there_serve() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 2, 0).await;
    let one = read(&cluster).await.unwrap();
    let other = read(&cluster).await.unwrap();
    assert!(matches!(read(&cluster).await, Err(Error::Saturated { .. })));
    drop(one);
    read(&cluster).await.unwrap();
    drop(other);
}

#[tokio::test]
async fn waiting_for_a_connection_ends_by_the_deadline() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 1, 8).await;
    let held = read(&cluster).await.unwrap();
    for _ in 0..4 {
        let began = Instant::now();
        let deadline = Deadline::after(Duration::from_millis(200));
        let error = cluster.read(Freshness::Any, deadline).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Deadline {
                    waiting_for: "a connection"
                }
            ),
            "{error}"
        );
        assert!(began.elapsed() < Duration::from_millis(2_200));
    }
    assert_eq!(breaker(&cluster), BreakerState::Closed);
    drop(held);
    read(&cluster).await.unwrap();
}

#[tokio::test]
async fn a_request_in_a_hurry_says_nothing_about_the_node() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 4, 8).await;
    for _ in 0..10 {
        let late = Deadline::after(Duration::ZERO);
        let reading = cluster.read_with(Freshness::Any, late, |conn| async move {
            conn.query("-- late\nSELECT 1", &[]).await
        });
        assert!(matches!(reading.await, Err(Error::Deadline { .. })));
    }
    assert_eq!(breaker(&cluster), BreakerState::Closed);
    read(&cluster).await.unwrap();
}

#[tokio::test]
async fn statements_that_fail_or_time_out_do_not_open_the_breaker() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 1, 8).await;
    for _ in 0..10 {
        let conn = read(&cluster).await.unwrap();
        conn.query("-- bad\nSELEKT", &[]).await.unwrap_err();
    }
    for _ in 0..5 {
        let deadline = Deadline::after(Duration::from_millis(300));
        let slow = async {
            let conn = cluster.read(Freshness::Any, deadline).await?;
            conn.query("-- slow\nSELECT pg_sleep(60)", &[]).await
        };
        assert!(matches!(slow.await, Err(Error::Deadline { .. })));
    }
    assert_eq!(breaker(&cluster), BreakerState::Closed);
}

#[tokio::test]
async fn after_closing_nothing_is_served() {
    let db = TestDb::new().await;
    let cluster = cluster_of(&db, 1, 1).await;
    read(&cluster).await.unwrap();
    cluster.close().await;
    assert!(matches!(
        read(&cluster).await,
        Err(Error::Unavailable { .. })
    ));
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    wait_until("no sessions", SOON, async || db.psql(sessions).await == "0").await;
}
