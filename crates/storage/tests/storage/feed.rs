//! The change feed: what is called fresh, and what must not be.

use std::{cell::Cell, sync::atomic::AtomicU64, time::Duration};

use prepnexus_devstack::PgNode;
use prepnexus_storage::{
    ChangeFeed, Cluster, FeedConfig, Freshness, NodeState, Role, Token,
    feed::{Change, Proof, Tag, Verdict, prune_changes},
    proof, record_change, seen,
};
use prepnexus_testkit::{TestDb, wait_until};
use tokio::sync::oneshot;

use crate::support::{
    SOON, cluster, database, own_stack, patience, synchronous_stack, wait_for_node, watchful,
    with_node,
};

/// A feed that calls something fresh.
async fn feed(cluster: &Cluster) -> ChangeFeed {
    feed_with(cluster, FeedConfig::default()).await
}

async fn feed_with(cluster: &Cluster, config: FeedConfig) -> ChangeFeed {
    let feed = ChangeFeed::start(cluster.clone(), config);
    wait_until("a watermark", SOON, async || is_well(&feed)).await;
    feed
}

fn is_well(feed: &ChangeFeed) -> bool {
    let bound = FeedConfig::default().bound;
    feed.age().is_some_and(|age| age < bound)
}

async fn change(cluster: &Cluster, tag: &str) -> (Change, Token) {
    let tags = [tag.to_owned()];
    let tags = &tags;
    let write = cluster.write("change", patience(), |tx| async move {
        record_change(&tx, tags).await
    });
    let committed = write.await.unwrap();
    (committed.value.unwrap(), committed.token.unwrap())
}

async fn prove(cluster: &Cluster, freshness: Freshness) -> Proof {
    let proving = cluster.read_with(
        freshness,
        patience(),
        |conn| async move { conn.prove().await },
    );
    proving.await.unwrap()
}

/// Tells its own snapshot.
const TELLS: &str = concat!("-- test.tells\nSELECT 1 AS one, ", proof!());
const TELLS_NOTHING: &str = concat!("-- test.tells_nothing\nSELECT 1 AS one, ", seen!());
const FINDS_NOTHING: &str = concat!(
    "-- test.finds_nothing\nSELECT 1 AS one, ",
    proof!(),
    " WHERE false"
);

fn judge(feed: &ChangeFeed, proof: &Proof, tag: &str) -> Verdict {
    feed.judge(proof, &[Tag::new(tag)], None)
}

/// Waits until all that ran beside the last change has ended. A feed that begins after a change calls nothing fresh whose
/// snapshot lacks an older transaction, and in a server that tests share there may be one, of another database.
async fn only_later_ones_run(db: &TestDb) {
    const IT: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > xid FROM change_events
                      ORDER BY xid DESC LIMIT 1";
    wait_until("the end of older ones", SOON, async || {
        db.psql(IT).await == "t"
    })
    .await;
}

/// A transaction that has recorded a change of `tag`, and commits when it is told.
struct Open {
    commit: oneshot::Sender<()>,
    writing: tokio::task::JoinHandle<()>,
}

impl Open {
    async fn begin(cluster: &Cluster, tag: &'static str) -> Self {
        let (commit, committing) = oneshot::channel();
        let (recorded, is_recorded) = oneshot::channel();
        let cluster = cluster.clone();
        let writing = tokio::spawn(async move {
            let mut turns = Some((recorded, committing));
            let write = cluster.write("open", patience(), |tx| {
                let (recorded, committing) = turns.take().unwrap();
                async move {
                    record_change(&tx, &[tag.to_owned()]).await?;
                    recorded.send(()).unwrap();
                    committing.await.unwrap();
                    Ok::<_, prepnexus_storage::Error>(())
                }
            });
            write.await.unwrap();
        });
        is_recorded.await.unwrap();
        Self { commit, writing }
    }

    async fn commit(self) {
        self.commit.send(()).unwrap();
        self.writing.await.unwrap();
    }
}

#[tokio::test]
async fn what_another_process_changed_is_outdated_and_what_was_read_later_is_fresh() {
    let (db, here) = database().await;
    let there = cluster(db.config()).await;
    let feed = feed(&here).await;
    let before = prove(&here, Freshness::Any).await;
    assert_eq!(judge(&feed, &before, "a"), Verdict::Fresh);
    change(&there, "a").await;
    feed.next_poll().await;
    assert_eq!(judge(&feed, &before, "a"), Verdict::Outdated);
    assert_eq!(judge(&feed, &before, "b"), Verdict::Fresh);
    let after = prove(&here, Freshness::Any).await;
    assert_eq!(judge(&feed, &after, "a"), Verdict::Fresh);
    assert_eq!(Proof::from_bytes(&after.to_bytes()), Some(after));
    feed.close().await;
}

#[tokio::test]
async fn a_value_that_was_judged_is_looked_at_again_only_after_a_change() {
    let (_db, cluster) = database().await;
    let feed = feed(&cluster).await;
    let proof = prove(&cluster, Freshness::Any).await;
    let (memo, looks) = (AtomicU64::new(0), Cell::new(0));
    let judge_again = || {
        let evidence = || {
            looks.set(looks.get() + 1);
            Some((proof.clone(), [Tag::new("a")]))
        };
        feed.judge_again(&memo, evidence, None)
    };
    for (changed, verdict, looked) in [
        (None, Verdict::Fresh, 1),
        (None, Verdict::Fresh, 1),
        (Some("b"), Verdict::Fresh, 2),
        (None, Verdict::Fresh, 2),
        (Some("a"), Verdict::Outdated, 3),
        (None, Verdict::Outdated, 4),
    ] {
        if let Some(tag) = changed {
            let (change, token) = change(&cluster, tag).await;
            feed.apply(&change, token);
        }
        assert_eq!(judge_again(), verdict);
        assert_eq!(looks.get(), looked);
    }
    feed.close().await;
}

#[tokio::test]
async fn a_change_of_ones_own_is_known_when_it_is_told() {
    let (_db, cluster) = database().await;
    let slow = FeedConfig {
        interval: Duration::from_millis(900),
        bound: Duration::from_secs(60),
        ..FeedConfig::default()
    };
    let feed = feed_with(&cluster, slow).await;
    let before = prove(&cluster, Freshness::Any).await;
    let (changed, token) = change(&cluster, "a").await;
    feed.apply(&changed, token);
    assert_eq!(judge(&feed, &before, "a"), Verdict::Outdated);
}

/// A promotion that a write has met, and no poll yet.
#[tokio::test]
async fn a_change_in_a_later_history_makes_nothing_of_the_last_one_fresh() {
    let (_db, cluster) = database().await;
    let slow = FeedConfig {
        interval: Duration::from_millis(900),
        bound: SOON,
        ..FeedConfig::default()
    };
    let feed = feed_with(&cluster, slow).await;
    let before = prove(&cluster, Freshness::Any).await;
    assert_eq!(judge(&feed, &before, "b"), Verdict::Fresh);
    let (changed, token) = change(&cluster, "a").await;
    let later = Token {
        timeline: token.timeline + 1,
        ..token
    };
    feed.apply(&changed, later);
    assert_ne!(judge(&feed, &before, "b"), Verdict::Fresh);
}

/// Numbers do not follow the order of commits: whoever asks for what is beyond the last one loses this.
#[tokio::test]
async fn a_change_that_is_committed_after_later_ones_is_not_lost() {
    let (_db, cluster) = database().await;
    let feed = feed(&cluster).await;
    let early = Open::begin(&cluster, "early").await;
    change(&cluster, "late").await;
    feed.next_poll().await;
    let between = prove(&cluster, Freshness::Any).await;
    assert_eq!(judge(&feed, &between, "early"), Verdict::Fresh);
    early.commit().await;
    feed.next_poll().await;
    assert_eq!(judge(&feed, &between, "early"), Verdict::Outdated);
    assert_eq!(judge(&feed, &between, "late"), Verdict::Fresh);
}

#[tokio::test]
async fn what_is_read_has_the_proof_of_the_first_statement() {
    let (_db, cluster) = database().await;
    let feed = feed(&cluster).await;
    let running = Open::begin(&cluster, "a").await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    conn.query(TELLS, &[]).await.unwrap();
    running.commit().await;
    // It sees what the first did not: the whole is no newer for that.
    conn.query(TELLS, &[]).await.unwrap();
    feed.next_poll().await;
    let proof = conn.first_proof().unwrap().unwrap();
    assert_eq!(judge(&feed, &proof, "a"), Verdict::Outdated);
    assert_eq!(judge(&feed, &proof, "b"), Verdict::Fresh);
    let after = cluster.read(Freshness::Any, patience()).await.unwrap();
    after.query(TELLS, &[]).await.unwrap();
    let after = after.first_proof().unwrap().unwrap();
    assert_eq!(judge(&feed, &after, "a"), Verdict::Fresh);
    feed.close().await;
}

#[tokio::test]
async fn what_tells_nothing_of_its_snapshot_has_no_proof() {
    let (_db, cluster) = database().await;
    let conn = async || cluster.read(Freshness::Any, patience()).await.unwrap();
    assert_eq!(
        conn().await.first_proof().unwrap(),
        None,
        "nothing was read"
    );
    for first in [TELLS_NOTHING, FINDS_NOTHING] {
        let conn = conn().await;
        conn.query(first, &[]).await.unwrap();
        conn.query(TELLS, &[]).await.unwrap();
        assert_eq!(conn.first_proof().unwrap(), None, "{first}");
        conn.prove().await.unwrap();
    }
    // Which of two was the first nobody can say.
    let conn = conn().await;
    let (one, other) = tokio::join!(conn.query(TELLS, &[]), conn.query(TELLS, &[]));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(conn.first_proof().unwrap(), None);
}

/// A standby's snapshot lists no running transaction: taken at its word, this one would have been seen.
#[tokio::test(flavor = "multi_thread")]
async fn what_ran_while_a_replica_was_read_is_not_taken_for_seen() {
    let (_stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    wait_for_node(&cluster, 1, Role::Replica, NodeState::Up).await;
    let feed = feed(&cluster).await;
    let running = Open::begin(&cluster, "a").await;
    let (_, token) = change(&cluster, "b").await;
    let on_replica = cluster.read_with(Freshness::AtLeast(token), patience(), |conn| async move {
        conn.query(TELLS, &[]).await?;
        let first = conn.first_proof()?.unwrap();
        Ok::<_, prepnexus_storage::Error>((conn.role(), [first, conn.prove().await?]))
    });
    let (role, proofs) = on_replica.await.unwrap();
    assert_eq!(role, Role::Replica);
    running.commit().await;
    feed.next_poll().await;
    for proof in proofs {
        assert_eq!(judge(&feed, &proof, "a"), Verdict::Outdated);
    }
    feed.close().await;
}

#[tokio::test]
async fn what_was_changed_before_it_began_to_follow_is_known() {
    let (db, cluster) = database().await;
    let before = prove(&cluster, Freshness::Any).await;
    change(&cluster, "a").await;
    only_later_ones_run(&db).await;
    let after = prove(&cluster, Freshness::Any).await;
    let feed = feed(&cluster).await;
    assert_eq!(judge(&feed, &before, "a"), Verdict::Outdated);
    assert_eq!(judge(&feed, &after, "a"), Verdict::Fresh);
}

#[tokio::test]
async fn what_was_pruned_makes_nothing_fresh() {
    let (db, cluster) = database().await;
    let old = prove(&cluster, Freshness::Any).await;
    for tag in ["a", "b", "c"] {
        change(&cluster, tag).await;
    }
    db.psql("UPDATE change_events SET created_at = created_at - interval '2 hours'")
        .await;
    change(&cluster, "d").await;
    let hour = Duration::from_secs(3600);
    let pruning = cluster.write("prune", patience(), |tx| async move {
        prune_changes(&tx, hour).await
    });
    assert_eq!(pruning.await.unwrap().value, 2);
    assert_eq!(
        db.psql("SELECT string_agg(tags[1], ' ' ORDER BY xid) FROM change_events")
            .await,
        "c d"
    );
    only_later_ones_run(&db).await;
    let new = prove(&cluster, Freshness::Any).await;
    let feed = feed(&cluster).await;
    assert_eq!(judge(&feed, &old, "a"), Verdict::Outdated);
    assert_eq!(judge(&feed, &old, "x"), Verdict::Outdated, "nobody knows");
    assert_eq!(judge(&feed, &new, "a"), Verdict::Fresh);
}

/// Whoever holds the token of a write is not shown what was there before it, however soon it asks.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_token_of_a_write_nothing_older_is_fresh_anywhere() {
    const WRITES: usize = 300;
    let (db, here) = database().await;
    let there = cluster(db.config()).await;
    let feed = feed(&here).await;
    let mut was_behind = 0;
    for _ in 0..WRITES {
        let before = prove(&here, Freshness::Any).await;
        let (_, token) = change(&there, "a").await;
        match feed.judge(&before, &[Tag::new("a")], Some(token)) {
            Verdict::Fresh => panic!("older than {token}"),
            Verdict::Behind => was_behind += 1,
            Verdict::Outdated | Verdict::Unproven => {}
        }
    }
    assert!(was_behind > 0, "it knew of every write at once");
    // And by and by it knows, although nobody writes any more.
    let (_, token) = change(&there, "a").await;
    let after = prove(&here, Freshness::Any).await;
    let is_known = async || feed.judge(&after, &[Tag::new("a")], Some(token)) == Verdict::Fresh;
    wait_until("the token's history", SOON, is_known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_is_fresh_and_then_it_is_again() {
    let (stack, db) = own_stack(0).await;
    let cluster = watchful(db.config()).await;
    let feed = feed(&cluster).await;
    let proof = prove(&cluster, Freshness::Any).await;
    assert_eq!(judge(&feed, &proof, "a"), Verdict::Fresh);
    with_node(stack.primary(), PgNode::freeze).await;
    let unproven = async || judge(&feed, &proof, "a") == Verdict::Unproven;
    wait_until("the bound", SOON, unproven).await;
    with_node(stack.primary(), PgNode::thaw).await;
    let fresh = async || judge(&feed, &proof, "a") == Verdict::Fresh;
    wait_until("an answer", SOON, fresh).await;
    feed.close().await;
}

/// While it waits for its standby a commit is in the flushed log, and nobody sees it: what its token names was reached
/// before it can be seen.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_commit_that_was_flushed_long_before_it_was_seen_is_not_covered() {
    let (stack, db) = synchronous_stack().await;
    let (here, there) = (cluster(db.config()).await, cluster(db.config()).await);
    // Polled when it is told, and not in between.
    let config = FeedConfig {
        interval: SOON,
        bound: SOON,
        ..FeedConfig::default()
    };
    let feed = ChangeFeed::start(here.clone(), config);
    let polled = async || {
        feed.hint();
        is_well(&feed)
    };
    wait_until("a watermark", SOON, polled).await;
    let before = prove(&here, Freshness::Any).await;
    with_node(stack.replica(0), PgNode::freeze).await;
    let writing = tokio::spawn(async move { change(&there, "a").await });
    // The write, and the feed's beat.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    wait_until("both waits", SOON, async || db.psql(waits).await == "2").await;
    feed.next_poll().await;
    feed.next_poll().await;
    with_node(stack.replica(0), PgNode::thaw).await;
    let (_, token) = writing.await.unwrap();
    let verdict = feed.judge(&before, &[Tag::new("a")], Some(token));
    assert_eq!(verdict, Verdict::Behind);
    feed.next_poll().await;
    assert_eq!(judge(&feed, &before, "a"), Verdict::Outdated);
    feed.close().await;
}

/// A former primary, alone on its side of a cut, answers every question. It can't commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_cut_off_from_its_standby_feeds_nobody() {
    let (stack, db) = synchronous_stack().await;
    let cluster = cluster(db.config()).await;
    let feed = feed(&cluster).await;
    let proof = prove(&cluster, Freshness::Any).await;
    with_node(stack.replica(0), PgNode::freeze).await;
    let unproven = async || judge(&feed, &proof, "a") == Verdict::Unproven;
    wait_until("the bound", SOON, unproven).await;
    // It does answer.
    feed.next_poll().await;
    assert_eq!(judge(&feed, &proof, "a"), Verdict::Unproven);
    with_node(stack.replica(0), PgNode::thaw).await;
    let fresh = async || judge(&feed, &proof, "a") == Verdict::Fresh;
    wait_until("a commit", SOON, fresh).await;
    feed.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_promotion_nothing_from_before_is_fresh_and_the_feed_goes_on() {
    let (stack, db) = own_stack(1).await;
    let cluster = cluster(db.config_with_replicas()).await;
    let feed = feed(&cluster).await;
    change(&cluster, "a").await;
    let before = prove(&cluster, Freshness::Primary).await;
    with_node(stack.primary(), |node| node.kill().unwrap()).await;
    with_node(stack.replica(0), |node| node.promote().unwrap()).await;
    let outdated = async || judge(&feed, &before, "b") == Verdict::Outdated;
    wait_until("the new history", SOON, outdated).await;
    let after = prove(&cluster, Freshness::Primary).await;
    assert_eq!(after.epoch().timeline, before.epoch().timeline + 1);
    let fresh = async || judge(&feed, &after, "a") == Verdict::Fresh;
    wait_until("a watermark of it", SOON, fresh).await;
    change(&cluster, "a").await;
    feed.next_poll().await;
    assert_eq!(judge(&feed, &after, "a"), Verdict::Outdated);
    feed.close().await;
}
