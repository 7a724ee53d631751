//! The example service, whose code is the example's own, on servers of which one dies in the middle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness, NodeState, Role, Token};
use prepnexus_testkit::{TestDb, wait_until};
use tokio::task::JoinSet;

use crate::support::{SOON, blocking, cluster, synchronous_stack, wait_for_node, with_node};

#[path = "../../examples/ledger/service.rs"]
mod service;

use service::{Ledger, LedgerError, Receipt};

const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
const OPENING_CENTS: i64 = 1_000;
const SENDERS: usize = 4;

/// All nodes, as the role that may make tables.
fn config(db: &TestDb) -> ClusterConfig {
    ClusterConfig {
        nodes: db.config_with_replicas().nodes,
        ..db.owner_config()
    }
}

async fn open_ledger(db: &TestDb) -> (Cluster, Ledger) {
    let cluster = cluster(config(db)).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let ledger = Ledger::new(cluster.clone());
    for _ in 0..2 {
        ledger.create_schema().await.unwrap();
    }
    for name in ACCOUNTS {
        ledger.open_account(name, OPENING_CENTS).await.unwrap();
    }
    (cluster, ledger)
}

/// What a client does: it sends the same key until there is an answer.
async fn transfer_for_sure(ledger: &Ledger, key: &str, from: &str, to: &str) -> Receipt {
    loop {
        match ledger.transfer(key, from, to, 1).await {
            Ok(committed) => return committed.value,
            Err(LedgerError::Storage(error)) if error.is_unavailable() => {
                // Sooner than `retry_after` says, to be in the way.
                tokio::time::sleep(error.retry_after() / 50).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Transfers in a ring, until told that it is enough; the keys and the receipts.
async fn keep_sending(
    ledger: Ledger,
    sender: usize,
    enough: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
) -> Vec<(String, Receipt)> {
    let mut receipts = Vec::new();
    for round in 0.. {
        if done.load(Ordering::Relaxed) >= enough.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{sender}-{round}");
        let (from, to) = (ACCOUNTS[sender], ACCOUNTS[(sender + 1) % ACCOUNTS.len()]);
        let receipt = transfer_for_sure(&ledger, &key, from, to).await;
        receipts.push((key, receipt));
        done.fetch_add(1, Ordering::Relaxed);
    }
    receipts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_loses_no_transfer_and_makes_none_twice_when_the_primary_dies() {
    let (stack, db) = synchronous_stack().await;
    let (cluster, ledger) = open_ledger(&db).await;
    let early = ledger.transfer("early", "a", "b", 10).await.unwrap();
    let early: Token = early.token.unwrap();

    let (enough, done) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::default());
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (ledger, enough, done) = (ledger.clone(), Arc::clone(&enough), Arc::clone(&done));
        senders.spawn(keep_sending(ledger, sender, enough, done));
    }
    let some_more = async || {
        let before = done.load(Ordering::Relaxed);
        wait_until("more transfers", SOON, async || {
            done.load(Ordering::Relaxed) >= before + 50
        })
        .await;
    };
    some_more().await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    with_node(stack.replica(0), |node| {
        node.promote().unwrap();
        // It has no replica itself, and would wait for one.
        node.psql("ALTER SYSTEM SET synchronous_standby_names = ''")
            .unwrap();
        node.psql("SELECT pg_reload_conf()").unwrap();
    })
    .await;
    some_more().await;
    enough.store(0, Ordering::Relaxed);
    let receipts: Vec<_> = senders.join_all().await.into_iter().flatten().collect();

    // Each sender's key moved its cent once, and its receipt names that transfer.
    let (database, replica) = (db.database().to_owned(), stack.replica(0).clone());
    let ask = async |sql: &'static str| {
        let (database, replica) = (database.clone(), replica.clone());
        blocking(move || replica.psql_db(&database, sql).unwrap()).await
    };
    let transfers = (receipts.len() + 1).to_string();
    assert_eq!(
        ask("SELECT count(*) FROM ledger.transfers").await,
        transfers
    );
    assert_eq!(ask("SELECT count(*) FROM ledger.requests").await, transfers);
    let mut numbers: Vec<i64> = receipts.iter().map(|(_, made)| made.transfer).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), receipts.len());
    let total = ask("SELECT sum(cents) FROM ledger.accounts").await;
    assert_eq!(total, (OPENING_CENTS * 4).to_string());

    // A repeat after the failover is given the receipt from before it.
    let (key, receipt) = &receipts[0];
    let sender: usize = key.split('-').next().unwrap().parse().unwrap();
    let (from, to) = (ACCOUNTS[sender], ACCOUNTS[(sender + 1) % ACCOUNTS.len()]);
    let repeated = ledger.transfer(key, from, to, 1).await.unwrap();
    assert_eq!(repeated.value, *receipt);
    let reused = ledger.transfer(key, from, to, 2).await;
    assert!(matches!(reused, Err(LedgerError::KeyReused)), "{reused:?}");

    // A token from before the failover, which was watched, is honoured after it.
    let (cents, seen) = ledger
        .balance("a", Freshness::AtLeast(early))
        .await
        .unwrap();
    assert_eq!(
        ask("SELECT cents FROM ledger.accounts WHERE name = 'a'").await,
        cents.to_string()
    );
    assert_eq!((early.timeline, seen.timeline), (1, 2));

    let nodes = ledger.nodes();
    assert!(nodes[0].contains(" down "), "{nodes:?}");
    assert!(
        nodes[1].contains(" primary up (breaker closed"),
        "{nodes:?}"
    );
    cluster.close().await;
    assert!(cluster.status().iter().all(|node| node.pool.size == 0));
    let refused = ledger.balance("a", Freshness::Any).await;
    assert!(
        matches!(
            refused,
            Err(LedgerError::Storage(Error::Unavailable { .. }))
        ),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_reads_its_own_writes_from_the_replica_and_refuses_what_it_must() {
    let (_stack, db) = synchronous_stack().await;
    let (cluster, ledger) = open_ledger(&db).await;
    for round in 1..=20 {
        let moved = ledger.transfer(&format!("key-{round}"), "a", "b", 1).await;
        let token = moved.unwrap().token.unwrap();
        let (cents, seen) = ledger
            .balance("a", Freshness::AtLeast(token))
            .await
            .unwrap();
        assert_eq!(cents, OPENING_CENTS - round);
        assert!(seen.position >= token.position);
    }
    let poor = ledger.transfer("poor", "a", "b", OPENING_CENTS).await;
    assert!(matches!(poor, Err(LedgerError::NotEnough)), "{poor:?}");
    let nobody = ledger.transfer("nobody", "a", "z", 1).await;
    assert!(matches!(nobody, Err(LedgerError::NoAccount(name)) if name == "z"));
    // What was refused left no claim on its key.
    ledger.transfer("poor", "a", "b", 1).await.unwrap();
    let unseen = ledger.balance("z", Freshness::Any).await;
    assert!(matches!(unseen, Err(LedgerError::NoAccount(name)) if name == "z"));
    tokio::time::timeout(Duration::from_secs(5), cluster.close())
        .await
        .unwrap();
}
