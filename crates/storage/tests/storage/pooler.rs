//! Through PgBouncer in transaction mode, where one session is many clients' and nothing stays
//! prepared.

use std::time::Duration;

use prepnexus_devstack::{PgBouncer, PgBouncerConfig, PgNode};
use prepnexus_domain::ListQuery;
use prepnexus_storage::{
    Cluster, ClusterConfig, Deadline, Error, Freshness, NodeAddr, NodeState, Role, posts,
};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{
    INSERT_ITEM, insert_item, is_running, item_names, now, own_stack, patience, patient,
    wait_for_node, with_node,
};

/// Well before the server would end a statement by itself.
const BEFORE_ITS_TIMEOUT: Duration = Duration::from_secs(15);

/// A PgBouncer before a server, with two sessions for everybody.
async fn bouncer(node: &PgNode, config: &ClusterConfig) -> PgBouncer {
    let (user, password) = (config.user.clone(), config.password.clone().unwrap());
    with_node(node, move |node| {
        let config = PgBouncerConfig {
            pool_size: 2,
            ..PgBouncerConfig::new(node.addr()).user(&user, password.expose())
        };
        PgBouncer::start(&config).unwrap()
    })
    .await
}

fn through(bouncers: &[PgBouncer], db: &TestDb) -> ClusterConfig {
    let addr = |bouncer: &PgBouncer| NodeAddr {
        host: "127.0.0.1".into(),
        port: bouncer.port(),
    };
    ClusterConfig {
        nodes: bouncers.iter().map(addr).collect(),
        pooler: true,
        ..patient(db.config())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_writes_and_tokens_work_through_a_pooler_in_transaction_mode() {
    let (stack, db) = own_stack(1).await;
    let bouncers = [
        bouncer(stack.primary(), &db.config()).await,
        bouncer(stack.replica(0), &db.config()).await,
    ];
    let cluster = Cluster::start(&through(&bouncers, &db)).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    // More clients than sessions, so that each meets those of others.
    let inserts = (0..20).map(|n| {
        let cluster = &cluster;
        async move {
            let name = format!("item {n}");
            let name = name.as_str();
            let write = cluster.write("items.insert", patience(), |tx| async move {
                tx.execute(INSERT_ITEM, &[&name]).await
            });
            let token = write.await.unwrap().token.unwrap();
            let read =
                cluster.read_with(Freshness::AtLeast(token), patience(), |conn| async move {
                    const SQL: &str = "-- items.find\nSELECT name FROM items WHERE name = $1";
                    conn.query_one(SQL, &[&name]).await?.get::<String>("name")
                });
            assert_eq!(read.await.unwrap(), name);
        }
    });
    futures_util::future::join_all(inserts).await;
    // The repositories' statements too, with all their types of parameters.
    let list = cluster.read_with(Freshness::Any, patience(), |conn| async move {
        posts::list(&conn, &ListQuery::default(), now()).await
    });
    assert_eq!(list.await.unwrap().items, []);
    let find = cluster.read_with(Freshness::Primary, patience(), |conn| async move {
        Ok::<_, Error>((
            posts::find_by_id(&conn, 1).await?,
            posts::find_by_slug(&conn, "none").await?,
        ))
    });
    assert_eq!(find.await.unwrap(), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_through_a_pooler_that_is_dropped_is_cancelled_on_the_server() {
    let (stack, db) = own_stack(0).await;
    let bouncers = [bouncer(stack.primary(), &db.config()).await];
    let cluster = Cluster::start(&through(&bouncers, &db)).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    let conn = cluster
        .read(Freshness::Any, Deadline::after(Duration::from_secs(1)))
        .await
        .unwrap();
    let slow = conn.query("-- sleeper\nSELECT pg_sleep(600)", &[]).await;
    assert!(matches!(slow, Err(Error::Deadline { .. })));
    drop(conn);
    let ended = async || !is_running(&db, "-- sleeper%").await;
    wait_until("its end", BEFORE_ITS_TIMEOUT, ended).await;
    insert_item(&cluster, "a").await.unwrap();
    assert_eq!(item_names(&db).await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_a_pooler_refuses_and_says_why() {
    let (stack, db) = own_stack(0).await;
    let bouncers = [bouncer(stack.primary(), &db.config()).await];
    let config = ClusterConfig {
        pooler: false,
        ..through(&bouncers, &db)
    };
    let cluster = Cluster::start(&config).unwrap();
    let error = insert_item(&cluster, "a").await.unwrap_err();
    assert!(
        error.chain().contains("startup parameter"),
        "{}",
        error.chain()
    );
}
