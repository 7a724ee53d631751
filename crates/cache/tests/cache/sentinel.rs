//! Sentinels name the master: who connects finds it, and leaves it when it is none any more. Nothing is restarted.

use std::time::{Duration, Instant};

use anyhow::Result;
use prepnexus_cache::{Error, RedisAddr, RedisConfig, RedisPool, Sentinels, Topology};
use prepnexus_devstack::{RedisNode, RedisSentinels};
use prepnexus_health::{BreakerState, Status};

use crate::hints::{listen, until_heard};
use crate::support::{monitored, patient, quick_probes, status, until};

/// The settings a program would use, but quick to probe.
fn config(redis: &RedisSentinels) -> RedisConfig {
    let nodes = redis.sentinels().iter();
    quick_probes(RedisConfig {
        topology: Topology::Sentinel(Sentinels {
            nodes: nodes
                .map(|node| RedisAddr::new("127.0.0.1", node.port()))
                .collect(),
            master: RedisSentinels::MASTER.to_owned(),
            password: None,
        }),
        ..RedisConfig::default()
    })
}

async fn until_set(pool: &RedisPool, key: &str) -> Result<()> {
    until("a value to be taken", async || {
        Ok(pool.set(key, "value", 600_000).await.is_ok())
    })
    .await
}

/// Has sentinels fail over when they are asked to, and not by themselves: a machine may stand still for a second.
fn only_when_asked(redis: &RedisSentinels) -> Result<()> {
    for sentinel in redis.sentinels() {
        let called = RedisSentinels::MASTER;
        sentinel.cli(&[
            "SENTINEL",
            "SET",
            called,
            "down-after-milliseconds",
            "600000",
        ])?;
    }
    Ok(())
}

/// Sets a value until `server` has it.
async fn until_written_to(server: &RedisNode, pool: &RedisPool, key: &str) -> Result<()> {
    until("the new master to be written to", async || {
        let _ = pool.set(key, "value", 600_000).await;
        Ok(has(server, key) == Some(true) && is_master(server) == Some(true))
    })
    .await
}

/// `None` when it hung up instead of answering: Sentinels have a server whose role they change throw out its clients.
fn is_master(server: &RedisNode) -> Option<bool> {
    let role = server.cli(&["ROLE"]).ok()?;
    Some(role.starts_with("master"))
}

/// Whether it has `key`; `None` as of [`is_master`].
fn has(server: &RedisNode, key: &str) -> Option<bool> {
    let exists = server.cli(&["EXISTS", key]).ok()?;
    Some(exists == "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_master_is_killed_the_new_one_is_written_to() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let (pool, registry, monitor) = monitored(config(&redis))?;
    let [old, new] = redis.servers();
    until_set(&pool, "before").await?;
    assert_eq!(old.cli(&["EXISTS", "before"])?, "1");
    old.kill()?;
    until_written_to(new, &pool, "after").await?;
    until("health", async || Ok(status(&registry) == Status::Healthy)).await?;

    // It begins as a master, until a sentinel tells it otherwise: neither then nor later is it written to.
    old.start()?;
    let mut written = 0;
    until("the old master to follow the new one", async || {
        if pool
            .set(&format!("meanwhile {written}"), "x", 600_000)
            .await
            .is_ok()
        {
            written += 1;
        }
        // While it takes over the new one's data it answers nothing else.
        let asked =
            [&["KEYS", "*"] as &[_], &["ROLE"], &["INFO"]].map(|question| old.cli(question));
        let [Ok(keys), Ok(role), Ok(info)] = asked else {
            return Ok(false);
        };
        if role.starts_with("master") {
            // It saved what it had when its replica first followed it: that may be "before".
            assert!(
                ["", "before"].contains(&keys.as_str()),
                "written to the old master: {keys}"
            );
            return Ok(false);
        }
        Ok(written > 0 && info.contains("master_link_status:up"))
    })
    .await?;
    until_set(&pool, "later").await?;
    assert_eq!(new.cli(&["EXISTS", "later", "meanwhile 0"])?, "2");
    monitor.stop().await;
    Ok(())
}

/// How many a sentinel has had.
fn connections(sentinel: &RedisNode) -> Option<usize> {
    let stats = sentinel.cli(&["INFO", "stats"]).ok()?;
    let line = |line: &str| {
        line.strip_prefix("total_connections_received:")?
            .trim()
            .parse()
            .ok()
    };
    stats.lines().find_map(line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_missed_the_fail_over_is_not_believed() -> Result<()> {
    let redis = RedisSentinels::start()?;
    only_when_asked(&redis)?;
    let (pool, _registry, monitor) = monitored(config(&redis))?;
    let [old, new] = redis.servers();
    let [first, second, behind] = redis.sentinels();
    until_set(&pool, "before").await?;
    // Not frozen: it would find what it missed waiting on its connections.
    behind.kill()?;
    first.cli(&["SENTINEL", "FAILOVER", RedisSentinels::MASTER])?;
    until_written_to(new, &pool, "after").await?;
    until("the old master to be told", async || {
        Ok(is_master(old) == Some(false))
    })
    .await?;
    until_set(&pool, "heard of it").await?;
    // The old one is a master again, and nobody is left to tell it, nor the sentinel, that there is another one.
    first.freeze();
    second.freeze();
    old.cli(&["REPLICAOF", "NO", "ONE"])?;
    new.kill()?;
    behind.start()?;
    let mut looked = Vec::new();
    until("it to be asked, again and again", async || {
        let taken = pool.set("lost", "x", 600_000).await;
        assert!(
            taken.is_err(),
            "the old master was believed, by what was said: {:?}",
            behind.cli(&["SENTINEL", "MASTER", RedisSentinels::MASTER])
        );
        // Nobody connects to it but the pool, and this for the count itself.
        looked.extend(connections(behind));
        let pools = looked.first().zip(looked.last());
        let pools = pools.map_or(0, |(first, last)| 1 + last - first - looked.len());
        Ok(pools > 5)
    })
    .await?;
    assert_eq!(is_master(old), Some(true), "it believes that it is one");
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_were_set_up_anew_are_believed() -> Result<()> {
    let redis = RedisSentinels::start()?;
    only_when_asked(&redis)?;
    let (pool, _registry, monitor) = monitored(config(&redis))?;
    let [old, new] = redis.servers();
    until_set(&pool, "before").await?;
    redis.sentinels()[0].cli(&["SENTINEL", "FAILOVER", RedisSentinels::MASTER])?;
    until_written_to(new, &pool, "after").await?;
    until("the old master to be told", async || {
        Ok(is_master(old) == Some(false))
    })
    .await?;
    until_set(&pool, "heard of it").await?;
    // All forget before one learns anew: they would tell each other. Now they count from nothing again.
    for sentinel in redis.sentinels() {
        sentinel.cli(&["SENTINEL", "REMOVE", RedisSentinels::MASTER])?;
    }
    let port = new.port().to_string();
    for sentinel in redis.sentinels() {
        sentinel.cli(&[
            "SENTINEL",
            "MONITOR",
            RedisSentinels::MASTER,
            "127.0.0.1",
            &port,
            "2",
        ])?;
    }
    new.cli(&["CLIENT", "KILL", "TYPE", "normal"])?;
    until_set(&pool, "later").await?;
    assert_eq!(new.cli(&["EXISTS", "later"])?, "1");
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_master_is_frozen_the_new_one_is_written_to_and_nobody_waits_long() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let (pool, _registry, monitor) = monitored(config(&redis))?;
    let [old, new] = redis.servers();
    until_set(&pool, "before").await?;
    old.freeze();
    let mut longest = Duration::ZERO;
    until("the new master to be written to", async || {
        let began = Instant::now();
        let set = pool.set("after", "value", 600_000).await;
        longest = longest.max(began.elapsed());
        Ok(set.is_ok() && has(new, "after") == Some(true))
    })
    .await?;
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    old.thaw();
    until("the old master to be told", async || {
        Ok(is_master(old) == Some(false))
    })
    .await?;
    until_set(&pool, "later").await?;
    assert_eq!(new.cli(&["EXISTS", "later"])?, "1");
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_demoted_is_left_with_its_first_refusal() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let pool = RedisPool::new(RedisConfig {
        pool_size: 1,
        checkout_timeout: Duration::from_millis(300),
        ..patient(config(&redis))
    })?;
    let [old, new] = redis.servers();
    until_set(&pool, "before").await?;
    // Sentinels would hang up on its clients; here nothing but its answers tells.
    for sentinel in redis.sentinels() {
        sentinel.freeze();
    }
    old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()])?;
    let refused = pool.set("key", "x", 600_000).await;
    assert_eq!(refused, Err(Error::ConnectionLost));
    assert_eq!(pool.breaker_state(), BreakerState::Closed);
    until("the connection to be left", async || {
        match pool.set("key", "x", 600_000).await {
            Err(Error::ConnectionLost) => Ok(false),
            Err(Error::Unavailable { .. }) => Ok(true),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_are_away_frozen_or_late_are_passed_over() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let [first, second, third] = redis.sentinels();
    for sentinel in redis.sentinels() {
        sentinel.kill()?;
    }
    let (pool, registry, monitor) = monitored(config(&redis))?;
    let error = pool.get("key").await.expect_err("there is no sentinel");
    assert!(error.is_unavailable(), "{error}");
    until("the registry to know why", async || {
        let reason = registry.get(prepnexus_cache::redis::COMPONENT);
        let reason = reason.and_then(|cache| cache.reason).unwrap_or_default();
        Ok(reason.contains("sentinel 127.0.0.1:") && reason.contains("refused"))
    })
    .await?;
    second.start()?;
    second.freeze();
    third.start()?;
    until_set(&pool, "key").await?;
    assert!(first.cli(&["PING"]).is_err(), "one is away all along");
    second.thaw();
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sentinels_do_not_know_is_said() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let [_, replica] = redis.servers();
    let base = patient(config(&redis));
    let Topology::Sentinel(sentinels) = base.topology.clone() else {
        unreachable!("it was made so");
    };
    let reason = async |sentinels: Sentinels| {
        let pool = RedisPool::new(RedisConfig {
            topology: Topology::Sentinel(sentinels),
            checkout_timeout: Duration::from_secs(1),
            ..base.clone()
        });
        let error = pool?.get("key").await.expect_err("there is no such master");
        anyhow::Ok(error.to_string())
    };
    let unknown = reason(Sentinels {
        master: "other".to_owned(),
        ..sentinels.clone()
    });
    let unknown = unknown.await?;
    assert!(unknown.contains("knows no master \"other\""), "{unknown}");

    // As a sentinel sees it that has not heard of a fail-over yet.
    let sentinel = &redis.sentinels()[0];
    let port = replica.port().to_string();
    sentinel.cli(&["SENTINEL", "MONITOR", "stale", "127.0.0.1", &port, "2"])?;
    let stale = reason(Sentinels {
        nodes: vec![RedisAddr::new("127.0.0.1", sentinel.port())],
        master: "stale".to_owned(),
        ..sentinels
    });
    let stale = stale.await?;
    assert!(stale.ends_with("it is none"), "{stale}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_told_their_own_password_and_not_the_masters() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let base = patient(config(&redis));
    for sentinel in redis.sentinels() {
        sentinel.cli(&["ACL", "SETUSER", "default", "resetpass", ">theirs"])?;
    }
    redis.servers()[0].cli(&["CONFIG", "SET", "requirepass", "its"])?;
    let Topology::Sentinel(sentinels) = base.topology.clone() else {
        unreachable!("it was made so");
    };
    let with = |password: &str| RedisConfig {
        password: Some("its".into()),
        topology: Topology::Sentinel(Sentinels {
            password: Some(password.into()),
            ..sentinels.clone()
        }),
        ..base.clone()
    };
    let pool = RedisPool::new(with("theirs"))?;
    pool.set("key", "value", 600_000).await?;
    let pool = RedisPool::new(RedisConfig {
        checkout_timeout: Duration::from_secs(1),
        ..with("hunter2")
    })?;
    let error = pool.get("key").await.expect_err("it is not theirs");
    let shown = error.to_string();
    assert!(
        shown.contains("WRONGPASS") && !shown.contains("hunter2"),
        "{shown}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_are_heard_through_sentinels_and_again_after_a_fail_over() -> Result<()> {
    let redis = RedisSentinels::start()?;
    let config = config(&redis);
    let (pool, _registry, monitor) = monitored(config.clone())?;
    let (here, _) = listen(pool);
    let (there, heard) = listen(RedisPool::new(config)?);
    until_heard(&here, &heard).await?;
    let [old, new] = redis.servers();
    old.kill()?;
    until("a new master", async || Ok(is_master(new) == Some(true))).await?;
    until_heard(&here, &heard).await?;
    here.close().await;
    there.close().await;
    monitor.stop().await;
    Ok(())
}
