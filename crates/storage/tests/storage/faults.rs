//! Servers that freeze, hang, and are killed, and come back without anybody's help.

use std::time::{Duration, Instant};

use prepnexus_devstack::PgNode;
use prepnexus_storage::{
    Cluster, ClusterConfig, Deadline, Error, Freshness, NodeState, NodeStatus, Role,
};
use prepnexus_testkit::wait_until;

use crate::support::{
    SOON, insert_item, item_names, own_stack, patience, patient, wait_for_node,
    wait_until_writable, watchful, with_node,
};

/// A write that is given half a minute is refused in a fraction of that.
async fn assert_refused_at_once(cluster: &Cluster) {
    let began = Instant::now();
    let error = insert_item(cluster, "refused").await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unavailable {
                wanted: "primary",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_unavailable());
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_a_deadline_then_nothing_and_is_used_again_when_it_thaws() {
    let (stack, db) = own_stack(0).await;
    let cluster = watchful(db.config()).await;
    insert_item(&cluster, "before").await.unwrap();
    with_node(stack.primary(), PgNode::freeze).await;
    let requests = (0..3).map(|_| {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let (began, limit) = (Instant::now(), Duration::from_secs(1));
            let reading = async {
                let conn = cluster.read(Freshness::Any, Deadline::after(limit)).await?;
                conn.query("-- one\nSELECT 1", &[]).await.map(drop)
            };
            let error = reading.await.unwrap_err();
            assert!(error.is_unavailable(), "{error}");
            assert!(began.elapsed() < limit + Duration::from_secs(2));
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    assert_refused_at_once(&cluster).await;
    with_node(stack.primary(), PgNode::thaw).await;
    wait_until_writable(&cluster, "after").await;
    assert_eq!(item_names(&db).await, "after before");
}

/// What a request may wait for.
enum Wait {
    Connection,
    Statement,
}

/// Freezes a server; a request then waits for it and gives up before the one probe that is made has ended.
async fn freezes_under_a_request_that_gives_up(wait: Wait) {
    let (stack, db) = own_stack(0).await;
    let config = ClusterConfig {
        // A probe is made because of a request alone, and one more would take for ever.
        probe_interval: Duration::from_secs(600),
        probe_timeout: Duration::from_secs(3),
        connect_timeout: Duration::from_secs(600),
        pool_min_idle: 0,
        ..patient(db.config())
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    let read = || cluster.read(Freshness::Any, Deadline::after(Duration::from_millis(500)));
    let held = match wait {
        Wait::Connection => None,
        Wait::Statement => Some(read().await.unwrap()),
    };
    with_node(stack.primary(), PgNode::freeze).await;
    let error = match held {
        Some(held) => held.query("-- one\nSELECT 1", &[]).await.map(drop),
        None => read().await.map(drop),
    }
    .unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    with_node(stack.primary(), PgNode::thaw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_found_out_by_one_probe_though_who_waited_has_given_up_meanwhile() {
    freezes_under_a_request_that_gives_up(Wait::Statement).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_found_out_by_one_probe_though_who_waited_to_connect_has_given_up() {
    freezes_under_a_request_that_gives_up(Wait::Connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_new_connections_is_noticed() {
    let (stack, db) = own_stack(0).await;
    let cluster = watchful(db.config()).await;
    with_node(stack.primary(), PgNode::freeze_postmaster).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    with_node(stack.primary(), PgNode::thaw).await;
    wait_until_writable(&cluster, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_used_again_when_it_is_back() {
    let (stack, db) = own_stack(0).await;
    let cluster = watchful(db.config()).await;
    insert_item(&cluster, "before").await.unwrap();
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    assert_refused_at_once(&cluster).await;
    wait_until("the reason", SOON, async || {
        let NodeStatus { view, .. } = cluster.status().swap_remove(0);
        view.last_error
            .is_some_and(|error| error.contains("refused"))
    })
    .await;
    with_node(stack.primary(), |node| node.start().unwrap()).await;
    wait_until_writable(&cluster, "after").await;
    wait_until("a closed breaker", SOON, async || {
        cluster.status()[0].breaker.as_str() == "closed"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_yet_is_used_when_it_is() {
    let (stack, db) = own_stack(0).await;
    with_node(stack.primary(), |node| node.stop().unwrap()).await;
    let cluster = Cluster::start(&patient(db.config())).unwrap();
    assert_refused_at_once(&cluster).await;
    let read = cluster.read(Freshness::Any, patience()).await.unwrap_err();
    assert!(
        matches!(read, Error::Unavailable { wanted: "node", .. }),
        "{read}"
    );
    let soon = Deadline::after(Duration::from_millis(200));
    let error = cluster.wait_for_primary(soon).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    with_node(stack.primary(), |node| node.start().unwrap()).await;
    cluster.wait_for_primary(patience()).await.unwrap();
    wait_until_writable(&cluster, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_a_frozen_server_for_ever() {
    let (stack, db) = own_stack(0).await;
    let cluster = watchful(db.config()).await;
    let deadline = Deadline::after(Duration::from_secs(1));
    let node = stack.primary().clone();
    let write = cluster.write("frozen", deadline, |tx| {
        let node = node.clone();
        async move {
            tx.execute(crate::support::INSERT_ITEM, &[&"a"]).await?;
            with_node(&node, PgNode::freeze).await;
            Ok::<_, Error>(())
        }
    });
    let error = write.await.unwrap_err();
    assert!(
        matches!(error, Error::CommitUnknown(_)),
        "{}",
        error.chain()
    );
    tokio::time::timeout(SOON, cluster.close()).await.unwrap();
    with_node(stack.primary(), PgNode::thaw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_when_the_probes_connection_is_to_be_renewed_is_noticed_no_later() {
    let (stack, db) = own_stack(0).await;
    let config = ClusterConfig {
        // Each probe but the first finds a connection that is old.
        probe_interval: Duration::from_secs(8),
        probe_timeout: Duration::from_secs(1),
        connect_timeout: SOON,
        application_name: "watched".into(),
        pool_min_idle: 0,
        ..patient(db.config())
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    let held = cluster.read(Freshness::Any, patience()).await.unwrap();
    let is_old = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watched'
                  AND query LIKE '%pg_control_system%' AND backend_start < now() - interval '5.5 s'";
    wait_until("an old connection", SOON, async || {
        db.psql(is_old).await == "1"
    })
    .await;
    with_node(stack.primary(), PgNode::freeze).await;
    let began = Instant::now();
    let error = held.query("-- one\nSELECT 1", &[]).await.unwrap_err();
    assert!(error.is_unavailable(), "{}", error.chain());
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    with_node(stack.primary(), PgNode::thaw).await;
}
