//! What the tests share.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prepnexus_devstack::{PgNode, Stack, StackConfig};
use prepnexus_storage::{
    Cluster, ClusterConfig, Deadline, Error, Freshness, NodeState, NodeStatus, Role,
};
use prepnexus_testkit::{TestDb, wait_until};

/// The bound of everything that is to happen by itself: generous, for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A deadline that no test reaches.
pub(crate) fn patience() -> Deadline {
    Deadline::after(SOON)
}

/// The moment that the tests take for now.
pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// So many minutes before [`now`].
pub(crate) fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// `config`, for a machine so busy that an answer takes seconds.
pub(crate) fn patient(config: ClusterConfig) -> ClusterConfig {
    ClusterConfig {
        default_deadline: SOON,
        probe_interval: Duration::from_millis(100),
        probe_timeout: Duration::from_secs(5),
        ..config
    }
}

/// A cluster that notices a frozen server within a second.
pub(crate) async fn watchful(config: ClusterConfig) -> Cluster {
    let config = ClusterConfig {
        probe_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(2),
        ..patient(config)
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    cluster
}

/// Items whose COMMIT takes three seconds.
pub(crate) async fn slow_items() -> (TestDb, Cluster) {
    let (db, cluster) = items().await;
    db.psql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(3); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .await;
    (db, cluster)
}

/// A cluster whose primary is known.
pub(crate) async fn cluster(config: ClusterConfig) -> Cluster {
    let cluster = Cluster::start(&patient(config)).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    cluster
}

/// A database of the test's own, and a cluster of its primary alone.
pub(crate) async fn database() -> (TestDb, Cluster) {
    let db = TestDb::new().await;
    let cluster = cluster(db.config()).await;
    (db, cluster)
}

/// A database with the table `items (name text PRIMARY KEY, n bigint)`, and a cluster.
pub(crate) async fn items() -> (TestDb, Cluster) {
    let (db, cluster) = database().await;
    make_items(&db).await;
    (db, cluster)
}

pub(crate) async fn make_items(db: &TestDb) {
    db.psql(
        "CREATE TABLE items (name text PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
         GRANT ALL ON items TO prepnexus_api",
    )
    .await;
}

pub(crate) const INSERT_ITEM: &str = "-- items.insert\nINSERT INTO items (name) VALUES ($1)";

/// Inserts one item in a transaction of its own.
pub(crate) async fn insert_item(cluster: &Cluster, name: &str) -> Result<(), Error> {
    let write = cluster.write("items.insert", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&name]).await
    });
    write.await.map(drop)
}

/// Makes a connection, for requests in a hurry.
pub(crate) async fn warm(cluster: &Cluster) {
    cluster.read(Freshness::Any, patience()).await.unwrap();
}

/// The names of the items, as the superuser sees them on the primary.
pub(crate) async fn item_names(db: &TestDb) -> String {
    db.psql("SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM items")
        .await
}

/// A stack of the test's own, with a database that has items.
pub(crate) async fn own_stack(replicas: usize) -> (Stack, TestDb) {
    let stack = blocking(move || {
        let config = StackConfig {
            replicas,
            // A killed server keeps what was committed.
            settings: vec![("synchronous_commit".into(), "on".into())],
            ..StackConfig::for_tests()
        };
        Stack::start(config).unwrap()
    });
    let stack = stack.await;
    let db = TestDb::on(&stack).await;
    make_items(&db).await;
    if replicas > 0 {
        let (replica, primary) = (stack.replica(0).clone(), stack.primary().clone());
        blocking(move || replica.wait_caught_up_with(&primary).unwrap()).await;
    }
    (stack, db)
}

/// A stack whose commits wait for its one replica, so that no promotion loses what was confirmed.
pub(crate) async fn synchronous_stack() -> (Stack, TestDb) {
    let config = StackConfig {
        replicas: 1,
        synchronous: true,
        ..StackConfig::for_tests()
    };
    let stack = blocking(move || Stack::start(config).unwrap()).await;
    let db = TestDb::on(&stack).await;
    (stack, db)
}

/// Does what blocks away from the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Does something to a node that blocks.
pub(crate) async fn with_node<T: Send + 'static>(
    node: &PgNode,
    work: impl FnOnce(&PgNode) -> T + Send + 'static,
) -> T {
    let node = node.clone();
    blocking(move || work(&node)).await
}

/// Waits until the node of that index is seen in that role and state.
pub(crate) async fn wait_for_node(cluster: &Cluster, index: usize, role: Role, state: NodeState) {
    let what = format!("node {index} {} and {}", role.as_str(), state.as_str());
    let seen = async || {
        let NodeStatus { view, .. } = cluster.status().swap_remove(index);
        (view.role, view.state) == (role, state)
    };
    wait_until(&what, SOON, seen).await;
}

/// Waits until an item can be inserted. Until then there is no primary, or it went away just now.
pub(crate) async fn wait_until_writable(cluster: &Cluster, name: &str) {
    let inserted = async || match insert_item(cluster, name).await {
        Ok(()) => true,
        Err(error) if error.is_unavailable() => false,
        Err(error) => panic!("{}", error.chain()),
    };
    wait_until("a write", SOON, inserted).await;
}

/// Whether a session of the database runs a query like `pattern` now.
pub(crate) async fn is_running(db: &TestDb, pattern: &str) -> bool {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND state <> 'idle' AND pid <> pg_backend_pid() AND query LIKE '{pattern}'"
    );
    db.psql(&sql).await != "0"
}
