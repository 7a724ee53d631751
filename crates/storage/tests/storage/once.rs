//! Writes that are done once, whatever becomes of their first COMMIT.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use prepnexus_devstack::PgNode;
use prepnexus_storage::{Cluster, Committed, Deadline, Error, NodeState, Role, Tx};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{
    SOON, cluster, is_running, item_names, make_items, patience, slow_items, synchronous_stack,
    wait_for_node, with_node,
};

/// Inserts an item of that name unless it is there; whether it was.
async fn claim(tx: &Tx, name: &str) -> Result<bool, Error> {
    const CLAIM: &str =
        "-- items.claim\nINSERT INTO items (name) VALUES ($1) ON CONFLICT DO NOTHING";
    const FIND: &str = "-- items.find\nSELECT 1 AS one FROM items WHERE name = $1 FOR UPDATE";
    if tx.execute(CLAIM, &[&name]).await? == 1 {
        return Ok(false);
    }
    tx.query_one(FIND, &[&name]).await.map(|_| true)
}

async fn insert_once(
    cluster: &Cluster,
    deadline: Deadline,
    attempts: &AtomicU32,
) -> Result<Committed<bool>, Error> {
    let once = |tx: Tx| async move {
        attempts.fetch_add(1, Ordering::Relaxed);
        claim(&tx, "once").await
    };
    cluster.write_once("items.once", deadline, once).await
}

async fn wait_for_commit(db: &TestDb) {
    let committing = async || is_running(db, "%COMMIT%").await;
    wait_until("COMMIT", SOON, committing).await;
}

#[tokio::test]
async fn a_session_that_is_ended_during_commit_is_resolved_by_its_key() {
    let (db, cluster) = slow_items().await;
    let attempts = AtomicU32::new(0);
    let ending = async {
        wait_for_commit(&db).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE '%; COMMIT;%' AND pid <> pg_backend_pid()";
        db.psql(end).await
    };
    let (outcome, _) = tokio::join!(insert_once(&cluster, patience(), &attempts), ending);
    assert!(!outcome.unwrap().value, "the first one came to nothing");
    assert_eq!(item_names(&db).await, "once");
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_gave_up_waiting_for_its_standby_is_unknown_although_the_server_reports_success()
 {
    let (stack, db) = synchronous_stack().await;
    make_items(&db).await;
    let cluster = cluster(db.config()).await;
    let gives_up = async |name: &'static str| {
        with_node(stack.replica(0), PgNode::freeze).await;
        let write = cluster.write("items.insert", patience(), |tx| async move {
            tx.execute(crate::support::INSERT_ITEM, &[&name]).await
        });
        let cancelling = async {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            wait_until("the wait", SOON, async || db.psql(waits).await != "0").await;
            let cancel =
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            db.psql(cancel).await
        };
        let (outcome, _) = tokio::join!(write, cancelling);
        with_node(stack.replica(0), PgNode::thaw).await;
        outcome
    };
    let error = gives_up("alone").await.unwrap_err();
    assert!(
        matches!(error, Error::CommitUnknown(_)),
        "{}",
        error.chain()
    );
    assert!(
        error.chain().contains("synchronous standby"),
        "{}",
        error.chain()
    );
    // It is there all the same: on the primary alone, until the standby has it.
    assert_eq!(item_names(&db).await, "alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_confirms_nothing_that_its_standby_does_not_have() {
    let (stack, db) = synchronous_stack().await;
    make_items(&db).await;
    let cluster = cluster(db.config()).await;
    with_node(stack.replica(0), PgNode::freeze).await;
    let attempts = AtomicU32::new(0);
    let confirming = insert_once(&cluster, patience(), &attempts);
    tokio::pin!(confirming);
    let cancel = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        wait_until("the wait", SOON, async || db.psql(waits).await == "1").await;
        let cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        db.psql(cancel).await;
        // The repeat has found the record, and waits as well.
        let repeats = async || attempts.load(Ordering::Relaxed) == 2 && db.psql(waits).await == "1";
        wait_until("the repeat's wait", SOON, repeats).await;
    };
    tokio::select! {
        outcome = &mut confirming => panic!("confirmed without the standby: {outcome:?}"),
        () = cancel => {}
    }
    with_node(stack.replica(0), PgNode::thaw).await;
    assert!(
        confirming.await.unwrap().value,
        "the repeat found the first one's record"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_an_unknown_outcome_stays_unknown_and_the_same_key_tells_later() {
    let (stack, db) = crate::support::own_stack(1).await;
    let config = prepnexus_storage::ClusterConfig {
        unknown_commit_wait: Duration::from_millis(50),
        probe_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(2),
        ..crate::support::patient(db.config_with_replicas())
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    let (node, attempts) = (stack.primary().clone(), AtomicU32::new(0));
    let once = |tx: Tx| {
        let (node, attempts) = (node.clone(), &attempts);
        async move {
            attempts.fetch_add(1, Ordering::Relaxed);
            let repeated = claim(&tx, "once").await?;
            with_node(&node, PgNode::freeze).await;
            Ok::<_, Error>(repeated)
        }
    };
    let error = cluster
        .write_once("items.once", patience(), once)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::CommitUnknown(_)),
        "{}",
        error.chain()
    );
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    with_node(stack.replica(0), |node| node.promote().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Primary, NodeState::Up).await;
    let again = AtomicU32::new(0);
    let done = insert_once(&cluster, patience(), &again).await.unwrap();
    assert!(!done.value, "the frozen server never got the COMMIT out");
}
