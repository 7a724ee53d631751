//! What an error says, and that a transaction with a failed statement never looks committed.

use prepnexus_storage::{Error, Freshness, posts};

use crate::support::{INSERT_ITEM, insert_item, item_names, items, patience};

const BROKEN: &str = "-- items.broken\nSELECT 1 / (n - n) FROM items";

#[tokio::test]
async fn an_error_carries_the_query_and_the_sqlstate() {
    let (_db, cluster) = items().await;
    insert_item(&cluster, "a").await.unwrap();
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let error = conn.query(BROKEN, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "items.broken: SQLSTATE 22012");
    assert_eq!(error.sqlstate(), Some("22012"));
    assert!(error.chain().contains("division by zero"));
    assert!(!error.is_retryable() && !error.is_unavailable());
    // The connection is as good as before.
    let row = conn.query_one("-- one\nSELECT 1 AS n", &[]).await.unwrap();
    assert_eq!(row.get::<i32>("n").unwrap(), 1);
}

#[tokio::test]
async fn a_unique_violation_names_its_constraint() {
    let (_db, cluster) = items().await;
    insert_item(&cluster, "a").await.unwrap();
    let error = insert_item(&cluster, "a").await.unwrap_err();
    assert_eq!(error.violated_unique(), Some("items_pkey"));
    assert!(!error.is_retryable());
    let not_null = cluster.write("null", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&None::<&str>]).await
    });
    assert_eq!(not_null.await.unwrap_err().violated_unique(), None);
}

#[tokio::test]
async fn an_error_of_the_work_rolls_back() {
    let (db, cluster) = items().await;
    let write = cluster.write("refused", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        Err::<(), _>(Error::Config("no".into()))
    });
    assert!(matches!(write.await, Err(Error::Config(_))));
    assert_eq!(item_names(&db).await, "");
    assert_eq!(cluster.status()[0].pool.in_use, 0);
}

#[tokio::test]
async fn a_swallowed_error_is_no_silent_commit() {
    let (db, cluster) = items().await;
    insert_item(&cluster, "a").await.unwrap();
    let write = cluster.write("swallowed", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"b"]).await?;
        let _swallowed = tx.execute(INSERT_ITEM, &[&"a"]).await;
        Ok::<_, Error>(())
    });
    assert!(matches!(write.await, Err(Error::TransactionFailed)));
    assert_eq!(item_names(&db).await, "a");
}

#[tokio::test]
async fn an_error_swallowed_in_a_read_inside_the_transaction_is_none_either() {
    let (db, cluster) = items().await;
    db.psql("REVOKE SELECT ON posts FROM prepnexus_api").await;
    let write = cluster.write("swallowed", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"b"]).await?;
        // A function that takes a connection to read with takes a transaction as well.
        let _swallowed = posts::find_by_id(&tx, 1).await;
        Ok::<_, Error>(())
    });
    assert!(matches!(write.await, Err(Error::TransactionFailed)));
    assert_eq!(item_names(&db).await, "");
}

#[tokio::test]
async fn a_statement_that_was_not_waited_for_is_no_commit() {
    let (db, cluster) = items().await;
    let write = cluster.write("left", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"a"]).await?;
        let mut sleeping = Box::pin(tx.query("-- left\nSELECT pg_sleep(60)", &[]));
        std::future::poll_fn(|context| {
            assert!(sleeping.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(sleeping);
        Ok::<_, Error>(())
    });
    assert!(matches!(write.await, Err(Error::TransactionFailed)));
    assert_eq!(item_names(&db).await, "");
}

#[tokio::test]
async fn a_savepoint_undoes_its_own_part_and_keeps_the_rest() {
    let (db, cluster) = items().await;
    insert_item(&cluster, "a").await.unwrap();
    let write = cluster.write("savepoint", patience(), |tx| async move {
        tx.execute(INSERT_ITEM, &[&"before"]).await?;
        let failed = tx.savepoint(async |tx| {
            tx.execute(INSERT_ITEM, &[&"undone"]).await?;
            // A savepoint in the savepoint.
            let inner = tx.savepoint(async |tx| tx.execute(INSERT_ITEM, &[&"a"]).await);
            assert!(inner.await.is_err());
            tx.execute(INSERT_ITEM, &[&"a"]).await
        });
        assert_eq!(
            failed.await.unwrap_err().violated_unique(),
            Some("items_pkey")
        );
        tx.savepoint(async |tx| tx.execute(INSERT_ITEM, &[&"kept"]).await)
            .await?;
        tx.execute(INSERT_ITEM, &[&"rest"]).await
    });
    write.await.unwrap();
    assert_eq!(item_names(&db).await, "a before kept rest");
}

#[tokio::test]
async fn a_savepoint_undoes_its_part_after_any_error_and_a_swallowed_one() {
    let (db, cluster) = items().await;
    let write = cluster.write("savepoint", patience(), |tx| async move {
        let of_its_own = tx.savepoint(async |tx| {
            tx.execute(INSERT_ITEM, &[&"a"]).await?;
            Err::<(), _>(Error::Config("no".into()))
        });
        assert!(matches!(of_its_own.await, Err(Error::Config(_))));
        let swallowed = tx.savepoint(async |tx| {
            tx.execute(INSERT_ITEM, &[&"b"]).await?;
            let _swallowed = tx.execute(INSERT_ITEM, &[&"b"]).await;
            Ok(())
        });
        assert!(matches!(swallowed.await, Err(Error::TransactionFailed)));
        tx.execute(INSERT_ITEM, &[&"c"]).await
    });
    write.await.unwrap();
    assert_eq!(item_names(&db).await, "c");
}

#[tokio::test]
async fn a_transaction_that_has_ended_takes_no_statement() {
    let (db, cluster) = items().await;
    let write = cluster.write("kept", patience(), |tx| async move { Ok::<_, Error>(tx) });
    let kept = write.await.unwrap().value;
    let error = kept.execute(INSERT_ITEM, &[&"late"]).await.unwrap_err();
    assert!(matches!(error, Error::TransactionEnded), "{error}");
    assert_eq!(item_names(&db).await, "");
}
