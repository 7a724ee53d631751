//! What a promotion changes, and what of the old timeline the new one holds.

use std::time::{Duration, Instant};

use prepnexus_devstack::Stack;
use prepnexus_storage::{
    Cluster, ClusterConfig, Error, Freshness, NodeState, Role, Token, UnknownToken,
};
use prepnexus_testkit::wait_until;

use crate::support::{
    INSERT_ITEM, SOON, cluster, insert_item, own_stack, patience, patient, wait_for_node,
    wait_until_writable, with_node,
};

/// Promotes without the checkpoint that brings the control file up to date.
const PROMOTE: &str = "SELECT pg_promote(true, 60)";

async fn insert(cluster: &Cluster, name: &str) -> Token {
    let write = cluster.write("items.insert", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&name]).await
    });
    write.await.unwrap().token.unwrap()
}

async fn catch_up(stack: &Stack) {
    let primary = stack.primary().clone();
    with_node(stack.replica(0), move |replica| {
        replica.wait_caught_up_with(&primary).unwrap();
    })
    .await;
}

async fn promote(stack: &Stack) {
    with_node(stack.replica(0), |node| node.psql(PROMOTE).unwrap()).await;
}

async fn read(cluster: &Cluster, token: Token) -> Result<(), Error> {
    let read = cluster.read(Freshness::AtLeast(token), patience()).await;
    read.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_known_before_its_first_checkpoint() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    let before = insert(&cluster, "before").await;
    catch_up(&stack).await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    promote(&stack).await;
    wait_until_writable(&cluster, "after").await;
    let after = insert(&cluster, "more").await;
    assert_eq!((before.timeline, after.timeline), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replicated_before_a_promotion_is_honoured_after_it_and_what_was_not_is_refused() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    let kept = insert(&cluster, "kept").await;
    catch_up(&stack).await;
    // The primary goes on alone for a moment: that is lost.
    with_node(stack.replica(0), prepnexus_devstack::PgNode::freeze).await;
    let lost = insert(&cluster, "lost").await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    with_node(stack.replica(0), prepnexus_devstack::PgNode::thaw).await;
    // What was under way in the network may have arrived all the same.
    let sql = "SELECT pg_last_wal_receive_lsn()";
    let received = with_node(stack.replica(0), move |node| node.psql(sql).unwrap()).await;
    let (high, low) = received.split_once('/').unwrap();
    let half = |digits| u64::from_str_radix(digits, 16).unwrap();
    let beyond = Token {
        position: lost.position.max((half(high) << 32 | half(low)) + 1),
        ..lost
    };
    promote(&stack).await;
    wait_until_writable(&cluster, "after").await;
    read(&cluster, kept).await.unwrap();
    let refused = read(&cluster, beyond).await;
    assert!(
        matches!(
            refused,
            Err(Error::UnknownToken(UnknownToken::LostTimeline))
        ),
        "{refused:?}"
    );
    // Who did not see the switch can't tell, and refuses.
    let late = Cluster::start(&patient(db.config_with_replicas())).unwrap();
    let refused = read(&late, kept).await;
    assert!(matches!(
        refused,
        Err(Error::UnknownToken(UnknownToken::LostTimeline))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_crash_ended_replay_is_not_taken_for_where_the_timeline_began() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    insert(&cluster, "before").await;
    catch_up(&stack).await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    promote(&stack).await;
    wait_until_writable(&cluster, "after").await;
    let seen = || cluster.status().swap_remove(1).view.observation;
    assert!(seen().unwrap().began_at.is_some());
    with_node(stack.replica(0), |node| {
        node.kill().unwrap();
        node.start().unwrap();
    })
    .await;
    let restarted = Instant::now();
    let anew = async || seen().is_some_and(|seen| seen.seen_at > restarted);
    wait_until("a look at the restarted server", SOON, anew).await;
    wait_until_writable(&cluster, "restarted").await;
    assert_eq!(seen().unwrap().began_at, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_of_a_promotion_long_before_the_next_probe() {
    traffic_tells_of_a_promotion(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_begins_after_a_promotion_is_told_of_it_too() {
    traffic_tells_of_a_promotion(0).await;
}

/// With so many sessions from before.
async fn traffic_tells_of_a_promotion(sessions: usize) {
    let (stack, db) = own_stack(1).await;
    let config = ClusterConfig {
        probe_interval: Duration::from_secs(600),
        pool_min_idle: sessions,
        ..patient(db.config_with_replicas())
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let idle = async || cluster.status()[1].pool.idle == sessions;
    wait_until("the sessions", SOON, idle).await;
    promote(&stack).await;
    // The old primary is well, and would not be missed for ten minutes.
    let reading = async || {
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        let one = conn.query("-- one\nSELECT 1", &[]).await;
        drop(conn);
        one.is_ok() && cluster.topology().primary == Some(1)
    };
    wait_until("the new primary", SOON, reading).await;
    insert(&cluster, "after").await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Fenced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_from_before_a_change_is_not_used_after_it() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let held = cluster.read(Freshness::Any, patience()).await.unwrap();
    assert_eq!(held.role(), Role::Replica);
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    promote(&stack).await;
    wait_until_writable(&cluster, "after").await;
    let error = held.query("-- one\nSELECT 1", &[]).await.unwrap_err();
    assert!(error.is_retryable(), "{}", error.chain());
    drop(held);
    insert_item(&cluster, "more").await.unwrap();
}
