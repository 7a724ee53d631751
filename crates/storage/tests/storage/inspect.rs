//! What the nodes' own statistics say, and how they would run what was slow.

use std::time::Duration;

use prepnexus_storage::{
    Cluster, ClusterConfig, Deadline, Error, Freshness, NodeState, Role,
    inspect::{Inspection, QueryPlan},
};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{SOON, own_stack, patience, patient};

const FIND: &str =
    "-- inspected.find\nSELECT title FROM posts WHERE id = $1::bigint AND title <> $2";

/// A cluster for which everything is slow.
fn everything_is_slow(config: ClusterConfig) -> Cluster {
    let config = ClusterConfig {
        slow_query: Duration::from_nanos(1),
        ..patient(config)
    };
    Cluster::start(&config).unwrap()
}

/// What is found as soon as there is a plan: a few are asked for at a time, and the looks themselves are slow as well.
async fn explained(cluster: &Cluster) -> (Inspection, QueryPlan) {
    for _ in 0..8 {
        let found = cluster.inspect(patience()).await.unwrap();
        let slow = found.slow.iter().find(|slow| slow.name == "inspected.find");
        if let Some(plan) = slow.unwrap().plan.clone() {
            return (found, plan);
        }
    }
    panic!("no plan");
}

async fn find(cluster: &Cluster) {
    let find = |conn: std::sync::Arc<prepnexus_storage::ReadConn>| async move {
        conn.query(FIND, &[&7_i64, &"any"]).await.map(drop)
    };
    let found: Result<(), Error> = cluster.read_with(Freshness::Any, patience(), find).await;
    found.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_slow_is_explained_by_a_replica_and_counts_are_of_all_nodes() {
    let (stack, db) = own_stack(1).await;
    let replica = stack.replica(0).addr().to_string();
    let cluster = everything_is_slow(db.config_with_replicas());
    let all_up = async || {
        let mut nodes = cluster.status().into_iter();
        nodes.all(|node| node.view.state == NodeState::Up)
    };
    wait_until("both nodes", SOON, all_up).await;
    find(&cluster).await;
    let (found, plan) = explained(&cluster).await;
    assert!(found.is_complete);
    assert_eq!(found.nodes.len(), 2, "{:?}", found.nodes);
    assert_eq!(found.nodes[1].node, replica, "the primary is asked first");
    let slow = found.slow.iter().find(|slow| slow.name == "inspected.find");
    let slow = slow.unwrap();
    assert_eq!((slow.role, slow.count), (Role::Replica, 1));
    assert_eq!(plan.node, replica);
    assert!(plan.text.contains("Index Cond: (id = $1)"), "{}", plan.text);
    let table = found.tables.iter().find(|table| table.name == "posts");
    assert!(table.unwrap().bytes > 0);
    let index = found
        .indexes
        .iter()
        .find(|index| index.name == "posts_pkey");
    let index = index.unwrap();
    assert!(index.is_constraint && index.is_valid && index.table == "posts");

    // What was set for the plan is set for nobody else, and nothing of it is left in the pool.
    const SETTING: &str = "-- setting\nSELECT current_setting('plan_cache_mode') AS mode, (SELECT count(*) FROM pg_prepared_statements WHERE name = 'inspected') AS left_over";
    for _ in 0..4 {
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        let row = conn.query_one(SETTING, &[]).await.unwrap();
        let mode: String = row.get("mode").unwrap();
        let left_over: i64 = row.get("left_over").unwrap();
        assert_eq!((mode.as_str(), left_over), ("auto", 0));
    }
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_the_primary_explains_and_plans_are_asked_for_seldom() {
    let db = TestDb::new().await;
    let cluster = everything_is_slow(db.config());
    cluster.wait_for_primary(patience()).await.unwrap();
    find(&cluster).await;
    let (_, first) = explained(&cluster).await;
    assert_eq!(first.node, db.config().nodes[0].to_string());
    let (_, second) = explained(&cluster).await;
    assert_eq!(first.at, second.at, "not asked again so soon");
    cluster.close().await;
}

#[tokio::test]
async fn with_nobody_there_it_fails_and_soon() {
    let db = TestDb::new().await;
    let mut config = patient(db.config());
    config.nodes[0].port = 1;
    let cluster = Cluster::start(&config).unwrap();
    let deadline = Deadline::after(Duration::from_secs(1));
    let error = cluster.inspect(deadline).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    cluster.close().await;
}
