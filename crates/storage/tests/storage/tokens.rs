//! Tokens: what a write gives, and what a read is refused for.

use std::time::Duration;

use prepnexus_storage::{ClusterConfig, Error, Freshness, NodeState, Role, Token, UnknownToken};

use crate::support::{INSERT_ITEM, cluster, items, own_stack, patience, wait_for_node};

/// PostgreSQL's notation of a position.
fn position(text: &str) -> u64 {
    let (high, low) = text.split_once('/').unwrap();
    let half = |digits| u64::from_str_radix(digits, 16).unwrap();
    half(high) << 32 | half(low)
}

#[tokio::test]
async fn a_token_names_the_cluster_the_timeline_and_a_position_that_holds_the_write() {
    let (db, cluster) = items().await;
    let system_id = db
        .psql("SELECT system_identifier FROM pg_control_system()")
        .await;
    // With the servers' synchronous_commit = off, and with it on.
    for (name, setting) in [("a", "off"), ("b", "on")] {
        let write = cluster.write("insert", patience(), |tx| async move {
            let set = "-- set\nSELECT set_config('synchronous_commit', $1, false)";
            tx.query_one(set, &[&setting]).await?;
            tx.execute(INSERT_ITEM, &[&name]).await?;
            const WRITTEN: &str =
                "-- written\nSELECT pg_current_wal_insert_lsn()::text AS position";
            tx.query_one(WRITTEN, &[]).await?.get::<String>("position")
        });
        let committed = write.await.unwrap();
        let token = committed.token.unwrap();
        assert_eq!(token.system_id.to_string(), system_id);
        assert_eq!(token.timeline, 1);
        assert!(token.position > position(&committed.value), "{setting}");
        let conn = cluster
            .read(Freshness::AtLeast(token), patience())
            .await
            .unwrap();
        const FIND: &str = "-- items.find\nSELECT 1 FROM items WHERE name = $1";
        conn.query_one(FIND, &[&name]).await.unwrap();
    }
}

/// Where the log is in memory can lie past a page's header, of which nothing is sent before more is written:
/// a wait for that lasts until somebody else writes. About one commit in a thousand ends there.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_gets_to_every_token_while_nothing_else_is_written() {
    const WRITES: usize = 1_500;
    let (_stack, db) = own_stack(1).await;
    let cluster = cluster(ClusterConfig {
        token_wait: Duration::from_secs(1),
        ..db.config_with_replicas()
    })
    .await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    for n in 0..WRITES {
        let name = format!("{n:0width$}", width = n % 97);
        let write = cluster.write("insert", patience(), |tx| {
            let name = name.clone();
            async move {
                const FLUSHED: &str =
                    "-- set\nSELECT set_config('synchronous_commit', 'on', false)";
                tx.query_one(FLUSHED, &[]).await?;
                tx.execute(INSERT_ITEM, &[&name]).await
            }
        });
        let token = write.await.unwrap().token.unwrap();
        let freshness = Freshness::AtLeast(token);
        let conn = cluster.read(freshness, patience()).await.unwrap();
        assert_eq!(conn.role(), Role::Replica, "write {n}, {token}");
    }
}

#[tokio::test]
async fn a_token_of_another_history_is_refused() {
    let (_db, cluster) = items().await;
    let write = cluster.write("nothing", patience(), |_| async { Ok::<_, Error>(()) });
    let token = write.await.unwrap().token.unwrap();
    let refused =
        async |token: Token| match cluster.read(Freshness::AtLeast(token), patience()).await {
            Err(Error::UnknownToken(why)) => why,
            other => panic!("{other:?}"),
        };
    let stranger = Token {
        system_id: token.system_id ^ 1,
        ..token
    };
    assert_eq!(refused(stranger).await, UnknownToken::OtherCluster);
    let future = Token {
        timeline: token.timeline + 1,
        ..token
    };
    assert_eq!(refused(future).await, UnknownToken::LostTimeline);
}
