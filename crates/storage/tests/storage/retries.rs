//! Transactions that are begun again after a fault that passes.

use std::sync::atomic::{AtomicU32, Ordering};

use prepnexus_storage::{Cluster, Committed, Error, Freshness, Tx};
use prepnexus_testkit::{TestDb, wait_until};
use tokio::sync::Barrier;

use crate::support::{INSERT_ITEM, SOON, cluster, insert_item, item_names, items, patience};

const PID: &str = "-- pid\nSELECT pg_backend_pid() AS pid";

async fn pid(tx: &Tx) -> i32 {
    let row = tx.query_one(PID, &[]).await.unwrap();
    row.get("pid").unwrap()
}

/// Ends a session and waits until it is gone.
async fn terminate(db: &TestDb, pids: &[i32]) {
    let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let list = list.join(",");
    db.psql(&format!(
        "SELECT pg_terminate_backend(p) FROM unnest('{{{list}}}'::int[]) p"
    ))
    .await;
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({list})");
    wait_until("the sessions' end", SOON, async || {
        db.psql(&left).await == "0"
    })
    .await;
}

#[tokio::test]
async fn a_serialization_failure_is_begun_again() {
    let (db, cluster) = items().await;
    let (attempts, both_have_read) = (AtomicU32::new(0), Barrier::new(2));
    let count_and_insert = async |name: &'static str| {
        let mut first = true;
        let write = cluster.write("serializable", patience(), |tx| {
            let wait = std::mem::take(&mut first);
            let (attempts, both_have_read) = (&attempts, &both_have_read);
            async move {
                attempts.fetch_add(1, Ordering::Relaxed);
                tx.execute(
                    "-- level\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                    &[],
                )
                .await?;
                let row = tx
                    .query_one("-- items.count\nSELECT count(*) AS n FROM items", &[])
                    .await?;
                let n: i64 = row.get("n")?;
                if wait {
                    both_have_read.wait().await;
                }
                let sql = "-- items.insert\nINSERT INTO items (name, n) VALUES ($1, $2)";
                tx.execute(sql, &[&name, &n]).await
            }
        });
        write.await.unwrap()
    };
    tokio::join!(count_and_insert("a"), count_and_insert("b"));
    let counts = db.psql("SELECT string_agg(n::text, ' ' ORDER BY n) FROM items");
    assert_eq!(counts.await, "0 1");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_deadlock_is_begun_again() {
    let (db, cluster) = items().await;
    for name in ["a", "b"] {
        insert_item(&cluster, name).await.unwrap();
    }
    let (attempts, both_have_one) = (AtomicU32::new(0), Barrier::new(2));
    let update_both = async |names: [&'static str; 2]| {
        let mut first = true;
        let write = cluster.write("crossing", patience(), |tx| {
            let wait = std::mem::take(&mut first);
            let (attempts, both_have_one) = (&attempts, &both_have_one);
            async move {
                attempts.fetch_add(1, Ordering::Relaxed);
                const SQL: &str = "-- items.add\nUPDATE items SET n = n + 1 WHERE name = $1";
                tx.execute(SQL, &[&names[0]]).await?;
                if wait {
                    both_have_one.wait().await;
                }
                tx.execute(SQL, &[&names[1]]).await
            }
        });
        write.await.unwrap()
    };
    tokio::join!(update_both(["a", "b"]), update_both(["b", "a"]));
    assert_eq!(
        db.psql("SELECT string_agg(n::text, ' ') FROM items").await,
        "2 2"
    );
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

/// Inserts one item; the first attempt's session is ended after that, and what it does then is `rest`.
async fn insert_and_lose_connection(
    db: &TestDb,
    cluster: &Cluster,
    statement_follows: bool,
) -> (Result<Committed<u64>, Error>, u32) {
    let attempts = AtomicU32::new(0);
    let write = cluster.write("terminated", patience(), |tx| {
        let attempts = &attempts;
        async move {
            let inserted = tx.execute(INSERT_ITEM, &[&"once"]).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                terminate(db, &[pid(&tx).await]).await;
            }
            if statement_follows {
                tx.query(PID, &[]).await?;
            }
            Ok::<_, Error>(inserted)
        }
    });
    let outcome = write.await;
    (outcome, attempts.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_session_that_is_ended_in_the_middle_is_begun_again_and_writes_once() {
    let (db, cluster) = items().await;
    let (outcome, attempts) = insert_and_lose_connection(&db, &cluster, true).await;
    outcome.unwrap();
    assert_eq!((item_names(&db).await.as_str(), attempts), ("once", 2));
}

#[tokio::test]
async fn a_session_that_is_ended_before_commit_is_begun_again_and_writes_once() {
    let (db, cluster) = items().await;
    let (outcome, attempts) = insert_and_lose_connection(&db, &cluster, false).await;
    outcome.unwrap();
    assert_eq!((item_names(&db).await.as_str(), attempts), ("once", 2));
}

#[tokio::test]
async fn sessions_that_were_ended_while_idle_fail_neither_writes_nor_reads() {
    let (db, cluster) = items().await;
    let mut pids = Vec::new();
    let mut conns = Vec::new();
    for _ in 0..4 {
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        let row = conn.query_one(PID, &[]).await.unwrap();
        pids.push(row.get::<i32>("pid").unwrap());
        conns.push(conn);
    }
    drop(conns);
    assert_eq!(cluster.status()[0].pool.idle, 4);
    terminate(&db, &pids[..2]).await;
    insert_item(&cluster, "a").await.unwrap();
    terminate(&db, &pids[2..]).await;
    for _ in 0..4 {
        let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
        conn.query_one(PID, &[]).await.unwrap();
    }
    assert_eq!(item_names(&db).await, "a");
}

#[tokio::test]
async fn a_read_whose_session_is_ended_is_begun_again_on_the_only_node_there_is() {
    let (db, cluster) = items().await;
    let write = cluster.write("nothing", patience(), |_| async { Ok::<_, Error>(()) });
    let token = write.await.unwrap().token.unwrap();
    for freshness in [
        Freshness::Any,
        Freshness::AtLeast(token),
        Freshness::Primary,
    ] {
        let attempts = AtomicU32::new(0);
        let reading = cluster.read_with(freshness, patience(), |conn| {
            let (attempts, db) = (&attempts, &db);
            async move {
                let pid: i32 = conn.query_one(PID, &[]).await?.get("pid")?;
                if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                    terminate(db, &[pid]).await;
                }
                conn.query_one(PID, &[]).await.map(drop)
            }
        });
        reading.await.unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 2, "{freshness:?}");
    }
}

#[tokio::test]
async fn a_session_whose_server_takes_no_writes_any_more_is_not_used_again() {
    let db = TestDb::new().await;
    crate::support::make_items(&db).await;
    let read_only = |on: &'static str| {
        let name = db.database();
        format!(
            "SET default_transaction_read_only = off;
             ALTER DATABASE {name} SET default_transaction_read_only = {on}"
        )
    };
    db.psql(&read_only("on")).await;
    let cluster = cluster(db.config()).await;
    let attempts = AtomicU32::new(0);
    let write = cluster.write("stale", patience(), |tx| {
        let (attempts, db, off) = (&attempts, &db, read_only("off"));
        async move {
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                db.psql(&off).await;
            }
            tx.execute(INSERT_ITEM, &[&"a"]).await
        }
    });
    write.await.unwrap();
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    assert_eq!(item_names(&db).await, "a");
}
