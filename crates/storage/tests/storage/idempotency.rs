//! Idempotency records: a repeat is given the first answer and does nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use prepnexus_storage::{
    Cluster, Error,
    idempotency::{self, Claim, LIFETIME},
};
use prepnexus_testkit::TestDb;
use serde_json::json;

use crate::support::{database, now, patience};

const REQUEST: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

async fn with_key() -> (TestDb, Cluster) {
    let (db, cluster) = database().await;
    db.psql("INSERT INTO api_keys (id, name, role, hash) VALUES (1, 'k', 'author', sha256('k'))")
        .await;
    (db, cluster)
}

/// Claims `key`, and stores the answer if it is the first to.
async fn claim(
    cluster: &Cluster,
    key: &str,
    hash: &[u8; 32],
    now: Timestamp,
    work: &AtomicU32,
) -> Claim {
    let write = cluster.write("claim", patience(), |tx| async move {
        let claim = idempotency::claim(&tx, 1, key, hash, now).await?;
        if claim == Claim::First {
            let answer = work.fetch_add(1, Ordering::Relaxed);
            idempotency::store(&tx, 1, key, json!({"answer": answer})).await?;
        }
        Ok::<_, Error>(claim)
    });
    write.await.unwrap().value
}

#[tokio::test]
async fn a_key_is_claimed_once_and_repeated_until_it_expires() {
    let (_db, cluster) = with_key().await;
    let work = &AtomicU32::new(0);
    let claim = |key, hash, now| claim(&cluster, key, hash, now, work);
    assert_eq!(claim("a", &REQUEST, now()).await, Claim::First);
    let repeat = Claim::Repeat(json!({"answer": 0}));
    assert_eq!(claim("a", &REQUEST, now()).await, repeat);
    assert_eq!(claim("a", &OTHER, now()).await, Claim::Reused);
    assert_eq!(claim("b", &OTHER, now()).await, Claim::First);
    let end = now() + LIFETIME;
    assert_eq!(claim("a", &REQUEST, end).await, repeat);
    let after = end + SignedDuration::from_micros(1);
    assert_eq!(claim("a", &OTHER, after).await, Claim::First);
    assert_eq!(
        claim("a", &OTHER, after).await,
        Claim::Repeat(json!({"answer": 2}))
    );
}

#[tokio::test]
async fn a_claim_that_is_rolled_back_is_none() {
    let (_db, cluster) = with_key().await;
    let write = cluster.write("claim", patience(), |tx| async move {
        let claim = idempotency::claim(&tx, 1, "a", &REQUEST, now()).await?;
        assert_eq!(claim, Claim::First);
        Err::<(), _>(Error::Config("no".into()))
    });
    write.await.unwrap_err();
    assert_eq!(
        claim(&cluster, "a", &OTHER, now(), &AtomicU32::new(0)).await,
        Claim::First
    );
}

#[tokio::test]
async fn of_many_at_once_one_does_the_work() {
    let (_db, cluster) = with_key().await;
    let work = AtomicU32::new(0);
    let claims = (0..8).map(|_| claim(&cluster, "a", &REQUEST, now(), &work));
    let claims = join_all(claims).await;
    assert_eq!(work.load(Ordering::Relaxed), 1);
    let first = claims
        .iter()
        .filter(|claim| **claim == Claim::First)
        .count();
    assert_eq!(first, 1);
    let repeat = Claim::Repeat(json!({"answer": 0}));
    assert_eq!(claims.iter().filter(|claim| **claim == repeat).count(), 7);
}

#[tokio::test]
async fn pruning_deletes_what_has_expired_in_batches() {
    let (db, cluster) = with_key().await;
    db.psql(
        "INSERT INTO idempotency_records
         SELECT 1, 'old' || n, sha256('x'), '1', '2026-02-28T11:59:59Z' FROM generate_series(1, 1500) n",
    )
    .await;
    let end = now() - LIFETIME;
    db.psql(&format!(
        "INSERT INTO idempotency_records VALUES (1, 'live', sha256('x'), '1', '{end}')"
    ))
    .await;
    for pruned in [1_000, 500, 0] {
        let write = cluster.write("prune", patience(), |tx| async move {
            idempotency::prune(&tx, now()).await
        });
        assert_eq!(write.await.unwrap().value, pruned);
    }
    assert_eq!(db.psql("SELECT key FROM idempotency_records").await, "live");
}
