//! What the monitor says of each node.

use std::time::Duration;

use prepnexus_devstack::PgNode;
use prepnexus_storage::{ClusterConfig, Freshness, NodeState, NodeStatus, Role};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{SOON, cluster, insert_item, own_stack, patience, wait_for_node, with_node};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_shown_with_its_lag_and_lags_while_its_replay_stands_still() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let replica = || {
        let NodeStatus { view, .. } = cluster.status().swap_remove(1);
        (view.lag_bytes, view.lag)
    };
    let caught_up = async || replica() == (Some(0), Some(Duration::ZERO));
    wait_until("no lag", SOON, caught_up).await;
    let primary = cluster.status().swap_remove(0).view;
    assert_eq!((primary.lag_bytes, primary.lag), (None, None));
    assert_eq!(
        (primary.role, primary.state),
        (Role::Primary, NodeState::Up)
    );

    with_node(stack.replica(0), |node| node.pause_replay().unwrap()).await;
    insert_item(&cluster, "a").await.unwrap();
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Lagging).await;
    let (bytes, time) = replica();
    assert!(
        bytes.unwrap() > 0 && time.unwrap() >= Duration::from_secs(1),
        "{time:?}"
    );
    with_node(stack.replica(0), |node| node.resume_replay().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    wait_until("no lag", SOON, caught_up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_away_is_down_and_does_not_matter_to_writes() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    with_node(stack.replica(0), |node| node.kill().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Down).await;
    insert_item(&cluster, "a").await.unwrap();
    with_node(stack.replica(0), |node| node.start().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_fenced_and_fences_nobody() {
    let (one, db) = own_stack(0).await;
    let (other, other_db) = own_stack(0).await;
    let mut config = db.config();
    config.nodes.extend(other_db.config().nodes);
    // The stranger has a database of that name too, and would take the write.
    let name = db.database();
    other_db
        .psql(&format!("CREATE DATABASE {name} TEMPLATE template0"))
        .await;
    let cluster = cluster(config).await;
    wait_for_node(&cluster, 1, Role::Primary, NodeState::Fenced).await;
    insert_item(&cluster, "a").await.unwrap();
    let conn = cluster.read(Freshness::Primary, patience()).await.unwrap();
    conn.query_one("-- items.one\nSELECT name FROM items", &[])
        .await
        .unwrap();
    with_node(other.primary(), PgNode::freeze).await;
    wait_for_node(&cluster, 1, Role::Primary, NodeState::Down).await;
    insert_item(&cluster, "b").await.unwrap();
    with_node(other.primary(), PgNode::thaw).await;
    wait_for_node(&cluster, 1, Role::Primary, NodeState::Fenced).await;
    drop(one);
}

#[tokio::test]
async fn a_pool_is_shown_in_numbers() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_min_idle: 0,
        ..db.config()
    };
    let cluster = cluster(config).await;
    let pool = || cluster.status()[0].pool;
    assert_eq!((pool().size, pool().max), (0, 16));
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    assert_eq!((pool().size, pool().idle, pool().in_use), (1, 0, 1));
    drop(conn);
    assert_eq!((pool().size, pool().idle, pool().in_use), (1, 1, 0));
}
