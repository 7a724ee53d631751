//! A cluster: keys are on all nodes, leases beside what they are for, and one node's fault stops nobody for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use prepnexus_cache::{CacheConfig, RedisAddr, RedisConfig, RedisPool, Source, Topology, Verdict};
use prepnexus_devstack::{RedisCluster, RedisNode};
use prepnexus_domain::SystemClock;
use prepnexus_health::Status;

use crate::hints::{listen, until_heard};
use crate::origin::{Kept, Origin};
use crate::support::{Redis, monitored, patient, quick_probes, status, until};

const KEYS: usize = 300;
/// The most that any command may take, a busy machine included: the limits are 50 and 100 ms.
const SOON: Duration = Duration::from_secs(1);

/// The settings a program would use, but quick to probe. One node leads to the others.
fn config(nodes: &[RedisNode]) -> RedisConfig {
    let named = nodes.iter();
    let named = named.map(|node| RedisAddr::new("127.0.0.1", node.port()));
    quick_probes(RedisConfig {
        topology: Topology::Cluster(named.collect()),
        ..RedisConfig::default()
    })
}

fn keys_on(node: &RedisNode) -> Result<usize> {
    Ok(node.cli(&["DBSIZE"])?.parse()?)
}

/// Sets all keys; how many were taken. None takes long.
async fn set_all(pool: &RedisPool) -> usize {
    let mut taken = 0;
    for number in 0..KEYS {
        let began = Instant::now();
        let set = pool.set(&format!("key {number}"), "value", 600_000).await;
        let waited = began.elapsed();
        assert!(waited < SOON, "key {number}: {waited:?} for {set:?}");
        let refused = set
            .as_ref()
            .err()
            .is_some_and(prepnexus_cache::Error::is_unavailable);
        assert!(set.is_ok() || refused, "key {number}: {set:?}");
        taken += usize::from(pool.get(&format!("key {number}")).await.is_ok());
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_is_got_from_every_node() -> Result<()> {
    let cluster = RedisCluster::start()?;
    let pool = RedisPool::new(patient(config(&cluster.nodes()[..1])))?;
    for number in 0..KEYS {
        pool.set(&format!("key {number}"), number.to_string(), 600_000)
            .await?;
    }
    for number in 0..KEYS {
        let value = pool.get(&format!("key {number}")).await?;
        assert_eq!(value.as_deref(), Some(number.to_string().as_bytes()));
    }
    let mut total = 0;
    for node in cluster.nodes() {
        let there = keys_on(node)?;
        assert!(there > KEYS / 6, "{there} on one node");
        total += there;
    }
    assert_eq!(total, KEYS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_loads_each_key_and_the_other_finds_it() -> Result<()> {
    let cluster = RedisCluster::start()?;
    let process = || {
        let pool = RedisPool::new(patient(config(cluster.nodes())))?;
        let kept = Kept::new(CacheConfig::default(), Some(pool), Arc::new(SystemClock));
        anyhow::Ok(kept)
    };
    let (one, other) = (process()?, process()?);
    let get = async |cache: &Kept, key: &str, origin: &Origin| {
        let origin = origin.clone();
        let served = cache.get(key, |_| Verdict::Fresh, || origin.load()).await;
        served
            .context("neither loaded nor found")
            .map(|served| served.source)
    };
    for number in 0..30 {
        let (key, origin) = (format!("k{number}"), Origin::closed());
        let (here, there, ()) = tokio::join!(
            get(&one, &key, &origin),
            get(&other, &key, &origin),
            async {
                origin.wait_for_loads(1).await;
                origin.gate.add_permits(2);
            }
        );
        let mut sources = [here?, there?];
        sources.sort_by_key(|source| *source == Source::Load);
        assert_eq!(sources, [Source::Redis, Source::Load], "{key}");
    }
    one.close().await;
    other.close().await;
    // No lease is left beside them.
    let mut total = 0;
    for node in cluster.nodes() {
        total += keys_on(node)?;
    }
    assert_eq!(total, 30);
    Ok(())
}

/// One of three nodes is away, and comes back. For a second the others serve theirs, then they refuse all.
async fn lives_through(
    fault: impl FnOnce(&RedisNode) -> Result<()>,
    mend: impl FnOnce(&RedisNode) -> Result<()>,
) -> Result<()> {
    let cluster = RedisCluster::start()?;
    let (pool, registry, monitor) = monitored(config(cluster.nodes()))?;
    until("all keys", async || Ok(set_all(&pool).await == KEYS)).await?;
    let [_, node, _] = cluster.nodes();
    fault(node)?;
    until(
        "all nodes to refuse",
        async || Ok(set_all(&pool).await == 0),
    )
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Degraded)
    })
    .await?;
    mend(node)?;
    until("all keys", async || Ok(set_all(&pool).await == KEYS)).await?;
    until("health", async || Ok(status(&registry) == Status::Healthy)).await?;
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_costs_errors_and_no_waiting_until_it_is_back() -> Result<()> {
    lives_through(|node| Ok(node.kill()?), |node| Ok(node.start()?)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_freezes_costs_short_waits_until_it_thaws() -> Result<()> {
    let frozen = |node: &RedisNode| {
        node.freeze();
        Ok(())
    };
    let thawed = |node: &RedisNode| {
        node.thaw();
        Ok(())
    };
    lives_through(frozen, thawed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_are_found_while_a_named_node_is_away() -> Result<()> {
    let cluster = RedisCluster::start()?;
    for node in cluster.nodes() {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])?;
    }
    let [gone, frozen, well] = cluster.nodes();
    gone.kill()?;
    frozen.freeze();
    let (pool, _registry, monitor) = monitored(config(cluster.nodes()))?;
    let slot = |number: usize| {
        let key = format!("key {number}");
        let slot: u16 = well.cli(&["CLUSTER", "KEYSLOT", &key])?.parse()?;
        anyhow::Ok((slot > 10_922).then_some(key))
    };
    let key = (0..KEYS).find_map(|number| slot(number).transpose());
    let key = key.context("one of them is on the third node")??;
    until("a key of the node that is well", async || {
        Ok(pool.set(&key, "value", 600_000).await.is_ok())
    })
    .await?;
    frozen.thaw();
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_has_moved_is_found_where_it_is() -> Result<()> {
    let cluster = RedisCluster::start()?;
    let pool = RedisPool::new(patient(config(cluster.nodes())))?;
    pool.set("other", "value", 600_000).await?;
    let [from, to, _] = cluster.nodes();
    // "{b}" hashes to slot 3300, which is the first node's.
    assert_eq!(from.cli(&["CLUSTER", "KEYSLOT", "{b}"])?, "3300");
    let new = to.cli(&["CLUSTER", "MYID"])?;
    for node in [to, from] {
        node.cli(&["CLUSTER", "SETSLOT", "3300", "NODE", &new])?;
    }
    pool.set("{b}", "value", 600_000).await?;
    assert!(pool.get("{b}").await?.is_some());
    assert_eq!(to.cli(&["EXISTS", "{b}"])?, "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_are_heard_in_a_cluster_and_again_after_each_node_was_away() -> Result<()> {
    let cluster = RedisCluster::start()?;
    let config = config(cluster.nodes());
    let (pool, _registry, monitor) = monitored(config.clone())?;
    let (here, _) = listen(pool);
    let (there, heard) = listen(RedisPool::new(config)?);
    until_heard(&here, &heard).await?;
    for node in cluster.nodes() {
        node.kill()?;
        node.start()?;
        cluster.wait_formed()?;
        until_heard(&here, &heard).await?;
    }
    here.close().await;
    there.close().await;
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_there_is_no_cluster_is_said_and_no_secret() -> Result<()> {
    let redis = Redis::start()?;
    let addr = RedisAddr::new("127.0.0.1", redis.server.port());
    let cluster = RedisConfig {
        topology: Topology::Cluster(vec![addr]),
        checkout_timeout: Duration::from_secs(1),
        ..patient(RedisConfig::default())
    };
    let reason = async |config: &RedisConfig| {
        let pool = RedisPool::new(config.clone())?;
        let error = pool.get("key").await.expect_err("it is no cluster");
        anyhow::Ok(error.to_string())
    };
    let single = reason(&cluster).await?;
    assert!(single.contains("no map of the cluster: ERR"), "{single}");

    let set = ["CONFIG", "SET", "requirepass", "swordfish"];
    redis.server.cli(&set)?;
    let refused = RedisConfig {
        password: Some("hunter2".into()),
        ..cluster.clone()
    };
    let refused = reason(&refused).await?;
    assert!(
        refused.contains("WRONGPASS") && !refused.contains("hunter2"),
        "{refused}"
    );

    redis.server.kill()?;
    let away = reason(&cluster).await?;
    assert!(away.contains("refused"), "{away}");
    Ok(())
}
