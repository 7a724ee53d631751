//! Where reads go, and where they go when a node fails in the middle.

use std::{collections::HashMap, time::Duration};

use prepnexus_devstack::PgNode;
use prepnexus_storage::{
    Cluster, ClusterConfig, Error, Freshness, NodeState, Role, Token, UnknownToken, seen,
};
use prepnexus_testkit::wait_until;

use crate::support::{
    SOON, cluster, insert_item, own_stack, patience, wait_for_node, watchful, with_node,
};

const COUNT: &str = concat!(
    "-- items.count\nSELECT count(*) AS items, ",
    seen!(),
    " FROM items"
);

/// What was read, by which node in which role, and the token of it.
struct Counted {
    items: i64,
    role: Role,
    port: u16,
    token: Token,
}

async fn count(cluster: &Cluster, freshness: Freshness) -> Result<Counted, Error> {
    let work = |conn: std::sync::Arc<prepnexus_storage::ReadConn>| async move {
        let items = conn.query_one(COUNT, &[]).await?.get("items")?;
        let (role, port, token) = (conn.role(), conn.addr().port, conn.token().await?);
        Ok(Counted {
            items,
            role,
            port,
            token,
        })
    };
    cluster.read_with(freshness, patience(), work).await
}

async fn insert_many(cluster: &Cluster, names: std::ops::Range<u32>) -> Token {
    let mut token = None;
    for n in names {
        let name = format!("item {n}");
        let name = name.as_str();
        let write = cluster.write("items.insert", patience(), |tx| async move {
            tx.execute(crate::support::INSERT_ITEM, &[&name]).await
        });
        token = write.await.unwrap().token;
    }
    token.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_spread_over_the_replicas_and_writes_go_to_the_primary() {
    let (_stack, db) = own_stack(2).await;
    let cluster = cluster(db.config_with_replicas()).await;
    for index in [1, 2] {
        wait_for_node(&cluster, index, Role::Replica, NodeState::Up).await;
    }
    let mut reads = HashMap::new();
    let both = async || {
        let counted = count(&cluster, Freshness::Any).await.unwrap();
        assert_eq!(counted.role, Role::Replica);
        *reads.entry(counted.port).or_insert(0) += 1;
        reads.len() == 2 && reads.values().all(|n| *n >= 20)
    };
    wait_until("reads of each", SOON, both).await;
    let asked = count(&cluster, Freshness::Primary).await.unwrap();
    assert_eq!(asked.role, Role::Primary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_is_never_shown_less_than_it_wrote_and_mostly_by_a_replica() {
    let (_stack, db) = own_stack(1).await;
    let config = ClusterConfig {
        // A busy machine replays late.
        token_wait: Duration::from_secs(5),
        ..db.config_with_replicas()
    };
    let cluster = cluster(config).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let mut by_replica = 0;
    for n in 0..50 {
        let token = insert_many(&cluster, n..n + 1).await;
        let counted = count(&cluster, Freshness::AtLeast(token)).await.unwrap();
        assert_eq!(counted.items, i64::from(n) + 1);
        assert!(counted.token.position >= token.position);
        by_replica += u32::from(counted.role == Role::Replica);
    }
    assert!(by_replica >= 40, "{by_replica} of 50");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replica_has_replayed_the_primary_serves() {
    let (stack, db) = own_stack(1).await;
    let config = ClusterConfig {
        max_lag: Duration::from_secs(600),
        ..db.config_with_replicas()
    };
    let cluster = cluster(config).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    with_node(stack.replica(0), |node| node.pause_replay().unwrap()).await;
    let token = insert_many(&cluster, 0..1).await;
    let old = count(&cluster, Freshness::Any).await.unwrap();
    assert_eq!((old.role, old.items), (Role::Replica, 0));
    for _ in 0..5 {
        let new = count(&cluster, Freshness::AtLeast(token)).await.unwrap();
        assert_eq!((new.role, new.items), (Role::Primary, 1));
    }
    with_node(stack.replica(0), |node| node.resume_replay().unwrap()).await;
    let by_replica = async || {
        let counted = count(&cluster, Freshness::AtLeast(token)).await.unwrap();
        assert_eq!(counted.items, 1);
        counted.role == Role::Replica
    };
    wait_until("the replica", SOON, by_replica).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_moves_the_token_so_that_the_next_one_elsewhere_is_not_older() {
    let (stack, db) = own_stack(2).await;
    let config = ClusterConfig {
        max_lag: Duration::from_secs(600),
        ..db.config_with_replicas()
    };
    let cluster = cluster(config).await;
    for index in [1, 2] {
        wait_for_node(&cluster, index, Role::Replica, NodeState::Up).await;
    }
    with_node(stack.replica(1), |node| node.pause_replay().unwrap()).await;
    insert_many(&cluster, 0..1).await;
    let (ahead, behind) = (stack.replica(0).port(), stack.replica(1).port());
    let mut seen_behind = false;
    let mut newest = None;
    let both_seen = async || {
        let counted = count(&cluster, Freshness::Any).await.unwrap();
        seen_behind |= counted.port == behind;
        if counted.port == ahead && counted.items == 1 {
            newest = Some(counted.token);
        }
        seen_behind && newest.is_some()
    };
    wait_until("a read of each", SOON, both_seen).await;
    for _ in 0..100 {
        let next = count(&cluster, Freshness::AtLeast(newest.unwrap()))
            .await
            .unwrap();
        assert_eq!(next.items, 1, "read from {}", next.port);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_retry_is_not_all_when_several_pooled_connections_are_dead() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let reads = (0..8).map(|_| count(&cluster, Freshness::Any));
    for read in futures_util::future::join_all(reads).await {
        read.unwrap();
    }
    assert!(cluster.status()[1].pool.size >= 2);
    with_node(stack.replica(0), |node| node.kill().unwrap()).await;
    let reads = (0..8).map(|_| count(&cluster, Freshness::Any));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap().items, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_waits_for_a_frozen_replica_ends_elsewhere() {
    let (stack, db) = own_stack(1).await;
    let cluster = watchful(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    count(&cluster, Freshness::Any).await.unwrap();
    with_node(stack.replica(0), PgNode::freeze).await;
    let reads = (0..4).map(|_| count(&cluster, Freshness::Any));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap().role, Role::Primary);
    }
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Down).await;
    with_node(stack.replica(0), PgNode::thaw).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_comes_back_gets_a_small_share_at_first() {
    let (stack, db) = own_stack(1).await;
    let config = ClusterConfig {
        slow_start: Duration::from_secs(3_600),
        ..db.config_with_replicas()
    };
    let cluster = cluster(config).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let by_replica = async || {
        let mut reads = 0;
        for _ in 0..200 {
            let counted = count(&cluster, Freshness::Any).await.unwrap();
            reads += u32::from(counted.role == Role::Replica);
        }
        reads
    };
    assert_eq!(by_replica().await, 200, "a node that was never away");
    with_node(stack.replica(0), |node| node.stop().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Down).await;
    with_node(stack.replica(0), |node| node.start().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let reads = by_replica().await;
    assert!((1..60).contains(&reads), "{reads} of 200");
    // Alone it serves everything.
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    assert_eq!(by_replica().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_lags_although_it_has_replayed_all_it_received() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let cut = "ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()";
    with_node(stack.replica(0), move |node| node.psql(cut).unwrap()).await;
    let no_receiver = async || {
        let sql = "SELECT count(*) FROM pg_stat_wal_receiver";
        with_node(stack.replica(0), move |node| node.psql(sql).unwrap()).await == "0"
    };
    wait_until("the end of replication", SOON, no_receiver).await;
    insert_item(&cluster, "a").await.unwrap();
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Lagging).await;
    let counted = count(&cluster, Freshness::Any).await.unwrap();
    assert_eq!((counted.role, counted.items), (Role::Primary, 1));
    let mend = "ALTER SYSTEM RESET primary_conninfo; SELECT pg_reload_conf()";
    with_node(stack.replica(0), move |node| node.psql(mend).unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_lost_history_is_refused_whoever_is_asked() {
    let (_stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    let token = insert_many(&cluster, 0..1).await;
    for (wrong, why) in [
        (
            Token {
                system_id: token.system_id ^ 1,
                ..token
            },
            UnknownToken::OtherCluster,
        ),
        (
            Token {
                timeline: token.timeline + 1,
                ..token
            },
            UnknownToken::LostTimeline,
        ),
    ] {
        let read = count(&cluster, Freshness::AtLeast(wrong)).await;
        assert!(matches!(read, Err(Error::UnknownToken(found)) if found == why));
        let checked = cluster.check_token(wrong, patience()).await;
        assert!(matches!(checked, Err(Error::UnknownToken(found)) if found == why));
    }
    cluster.check_token(token, patience()).await.unwrap();
}
