//! The kit itself: databases are migrated, apart from each other, and gone afterwards.

use prepnexus_storage::driver;
use prepnexus_testkit::{TestDb, redis_prefix, stack};
use std::time::Duration;

#[tokio::test]
async fn a_database_is_migrated_and_apart_from_others() {
    let (one, other) = tokio::join!(TestDb::new(), TestDb::new());
    one.psql("INSERT INTO tags (slug, name) VALUES ('a', 'A')")
        .await;
    assert_eq!(one.psql("SELECT count(*) FROM tags").await, "1");
    assert_eq!(other.psql("SELECT count(*) FROM tags").await, "0");
    assert_ne!(one.database(), other.database());
}

#[tokio::test]
async fn an_empty_database_has_no_tables() {
    let db = TestDb::empty().await;
    let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(db.psql(sql).await, "0");
}

#[tokio::test]
async fn a_dropped_value_drops_the_database_under_its_connections() {
    let db = TestDb::new().await;
    let limit = Duration::from_secs(10);
    let connected = driver::connect_primary(&db.config(), "", limit)
        .await
        .unwrap();
    let name = db.database().to_owned();
    drop(db);
    assert!(connected.client().batch_execute("SELECT 1").await.is_err());
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(stack().primary().psql(&sql).unwrap(), "0");
}

#[tokio::test]
async fn each_role_logs_in_with_its_password() {
    let db = TestDb::new().await;
    for config in [db.config(), db.owner_config()] {
        let limit = Duration::from_secs(10);
        let connected = driver::connect_primary(&config, "", limit).await.unwrap();
        let row = connected
            .client()
            .query_one("SELECT current_user::text", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), config.user);
    }
}

#[tokio::test]
async fn the_stack_has_a_replica_and_redis() {
    let db = TestDb::new().await;
    assert!(db.config_with_replicas().nodes.len() > 1);
    assert_eq!(stack().redis().cli(&["PING"]).unwrap(), "PONG");
    assert_ne!(redis_prefix(), redis_prefix());
}
