//! Promotions: writes follow the primary, and a former one gets nothing.

use prepnexus_devstack::{PgNode, Stack};
use prepnexus_storage::{Cluster, Error, Freshness, NodeState, Role, Token, UnknownToken};
use prepnexus_testkit::TestDb;

use crate::support::{
    cluster, insert_item, item_names, own_stack, patience, patient, wait_for_node,
    wait_until_writable, with_node,
};

/// Kills the primary and promotes the replica.
async fn fail_over(stack: &Stack) {
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    with_node(stack.replica(0), |node| node.promote().unwrap()).await;
}

async fn read_names(cluster: &Cluster, freshness: Freshness) -> Result<String, Error> {
    const SQL: &str = "-- items.names\nSELECT coalesce(string_agg(name, ' ' ORDER BY name), '') AS names FROM items";
    let conn = cluster.read(freshness, patience()).await?;
    conn.query_one(SQL, &[]).await?.get("names")
}

async fn names_on(node: &PgNode, db: &TestDb) -> String {
    let database = db.database().to_owned();
    let sql = "SELECT string_agg(name, ' ' ORDER BY name) FROM items";
    with_node(node, move |node| node.psql_db(&database, sql).unwrap()).await
}

async fn catch_up(stack: &Stack) {
    let primary = stack.primary().clone();
    with_node(stack.replica(0), move |replica| {
        replica.wait_caught_up_with(&primary).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_follow_a_promotion_and_the_former_primary_is_fenced_until_it_rejoins() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    let insert = |name: &'static str| {
        let cluster = cluster.clone();
        async move {
            let write = cluster.write("insert", patience(), |tx| async move {
                tx.execute(crate::support::INSERT_ITEM, &[&name]).await
            });
            write.await.unwrap().token.unwrap()
        }
    };
    let before = insert("before").await;
    assert_eq!(before.timeline, 1);
    catch_up(&stack).await;
    fail_over(&stack).await;
    wait_until_writable(&cluster, "after").await;
    assert_eq!(cluster.topology().primary, Some(1));
    let after = insert("more").await;
    assert_eq!((after.system_id, after.timeline), (before.system_id, 2));
    for token in [before, after] {
        let names = read_names(&cluster, Freshness::AtLeast(token))
            .await
            .unwrap();
        assert_eq!(names, "after before more");
    }

    with_node(stack.primary(), |node| node.start().unwrap()).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Fenced).await;
    assert_eq!(cluster.topology().primary, Some(1));
    insert("fenced").await;
    for freshness in [Freshness::Any, Freshness::Primary] {
        let names = read_names(&cluster, freshness).await.unwrap();
        assert_eq!(names, "after before fenced more");
    }
    assert_eq!(names_on(stack.primary(), &db).await, "before");

    // Whoever starts now asks all before believing any.
    for _ in 0..5 {
        let other = Cluster::start(&patient(db.config_with_replicas())).unwrap();
        insert_item(&other, "x").await.unwrap();
        let removal = other.write("delete", patience(), |tx| async move {
            tx.execute("-- items.delete\nDELETE FROM items WHERE name = 'x'", &[])
                .await
        });
        assert_eq!(removal.await.unwrap().value, 1);
        other.close().await;
    }
    assert_eq!(names_on(stack.primary(), &db).await, "before");

    let new_primary = stack.replica(0).clone();
    with_node(stack.primary(), move |node| {
        node.rejoin_as_replica_of(&new_primary).unwrap()
    })
    .await;
    wait_for_node(&cluster, 0, Role::Replica, NodeState::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_primary_does_not_serve_because_the_new_one_is_down() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    fail_over(&stack).await;
    wait_until_writable(&cluster, "after").await;
    with_node(stack.primary(), |node| node.start().unwrap()).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Fenced).await;
    with_node(stack.replica(0), |node| node.stop().unwrap()).await;
    wait_for_node(&cluster, 1, Role::Primary, NodeState::Down).await;
    let error = insert_item(&cluster, "lost").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let error = read_names(&cluster, Freshness::Any).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(item_names(&db).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_a_replica_serves_what_need_not_be_fresh() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let written = cluster.write("insert", patience(), |tx| async move {
        tx.execute(crate::support::INSERT_ITEM, &[&"a"]).await
    });
    let token = written.await.unwrap().token.unwrap();
    catch_up(&stack).await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    wait_for_node(&cluster, 0, Role::Primary, NodeState::Down).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    assert_eq!(conn.role(), Role::Replica);
    assert_eq!(read_names(&cluster, Freshness::Any).await.unwrap(), "a");
    let error = read_names(&cluster, Freshness::Primary).await.unwrap_err();
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
    let refused = |error: &Error| matches!(error, Error::Unavailable { .. });
    let stranger = Token {
        system_id: token.system_id + 1,
        ..token
    };
    match read_names(&cluster, Freshness::AtLeast(stranger)).await {
        Err(Error::UnknownToken(UnknownToken::OtherCluster)) => {}
        Err(error) if refused(&error) => {}
        other => panic!("{other:?}"),
    }
}
