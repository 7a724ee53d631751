//! Redis away, dead, frozen, or hanging up: nobody waits for long, and it heals by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use prepnexus_cache::{Error, RedisPool};
use prepnexus_health::{BreakerState, Status};
use tokio::sync::watch;

use crate::support::{COMPONENT, Redis, monitored, quick_probes, status, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_away_at_the_start_is_no_error() -> Result<()> {
    let redis = Redis::start()?;
    redis.server.kill()?;
    let (pool, registry, monitor) = monitored(quick_probes(redis.config()))?;
    let error = pool.get("key").await.expect_err("nothing listens");
    assert!(error.is_unavailable(), "{error}");
    until("the registry to know", async || {
        let cache = registry.get(COMPONENT).expect("the monitor registers it");
        let refused = cache
            .reason
            .is_some_and(|reason| reason.contains("refused"));
        Ok(cache.status == Status::Degraded && refused)
    })
    .await?;
    assert_eq!(
        registry.overall(),
        Status::Degraded,
        "never worse: a cache is optional"
    );

    redis.server.start()?;
    until("the cache to come up", async || {
        Ok(pool.set("key", "value", 600_000).await.is_ok())
    })
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Healthy)
    })
    .await?;
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_heals_once_it_is_back() -> Result<()> {
    let redis = Redis::start()?;
    let (pool, registry, monitor) = monitored(quick_probes(redis.config()))?;
    until("the first value", async || {
        Ok(pool.set("key", "value", 600_000).await.is_ok())
    })
    .await?;
    redis.server.kill()?;
    until("the breaker to open", async || {
        let _ = pool.get("key").await;
        Ok(pool.breaker_state() == BreakerState::Open)
    })
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Degraded)
    })
    .await?;

    redis.server.start()?;
    until("the cache to be back, and empty", async || {
        Ok(pool.get("key").await == Ok(None))
    })
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Healthy)
    })
    .await?;
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_a_few_short_waits_and_then_none() -> Result<()> {
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.config())?;
    until("the first value", async || {
        let _ = pool.probe().await;
        Ok(pool.set("key", "value", 600_000).await.is_ok())
    })
    .await?;
    redis.server.freeze();
    let mut waits = 0;
    while pool.breaker_state() == BreakerState::Closed {
        let began = Instant::now();
        let error = pool.get("key").await.expect_err("it is frozen");
        assert!(error.is_unavailable(), "{error}");
        let waited = began.elapsed();
        assert!(
            waited < Duration::from_secs(1),
            "a command waited for {waited:?}"
        );
        waits += 1;
        assert!(
            waits <= 3,
            "the breaker is still closed after {waits} failures"
        );
    }
    let error = pool
        .get("key")
        .await
        .expect_err("the breaker is open")
        .to_string();
    assert_eq!(error, "Redis is unavailable: the breaker is open");
    assert_eq!(
        pool.breaker_state(),
        BreakerState::Open,
        "no request moves it"
    );

    redis.server.thaw();
    let error = pool
        .get("key")
        .await
        .expect_err("only a probe closes it")
        .to_string();
    assert_eq!(error, "Redis is unavailable: the breaker is open");
    until("probes to close it, and the value", async || {
        let _ = pool.probe().await;
        Ok(pool.get("key").await.is_ok_and(|value| value.is_some()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_monitor_sees_an_idle_server_freeze_and_thaw() -> Result<()> {
    let redis = Redis::start()?;
    let (pool, registry, monitor) = monitored(quick_probes(redis.config()))?;
    until("health", async || Ok(status(&registry) == Status::Healthy)).await?;
    redis.server.freeze();
    until("the breaker to open", async || {
        Ok(pool.breaker_state() == BreakerState::Open)
    })
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Degraded)
    })
    .await?;
    redis.server.thaw();
    until("the breaker to close", async || {
        Ok(pool.breaker_state() == BreakerState::Closed)
    })
    .await?;
    until("the registry to know", async || {
        Ok(status(&registry) == Status::Healthy)
    })
    .await?;
    monitor.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_closes_are_replaced() -> Result<()> {
    let redis = Redis::start()?;
    let config = redis.patient_config();
    let size = usize::try_from(config.pool_size)?;
    let pool = RedisPool::new(config)?;
    pool.set("key", "value", 600_000).await?;
    for round in 0..5 {
        // Also of those that nobody came to.
        until("a full pool", async || {
            pool.probe().await?;
            Ok(redis.connections()? == size)
        })
        .await?;
        let killed: usize = redis
            .server
            .cli(&["CLIENT", "KILL", "TYPE", "normal"])?
            .trim()
            .parse()?;
        assert!(killed >= size, "round {round}: {killed} were killed");

        let mut failures = 0;
        for _ in 0..size * 50 {
            failures += usize::from(pool.get("key").await.is_err());
        }
        assert!(
            failures <= size,
            "round {round}: {failures} commands failed"
        );
        assert_eq!(
            pool.breaker_state(),
            BreakerState::Closed,
            "the server was there all along"
        );
        for _ in 0..size * 50 {
            assert!(pool.get("key").await?.is_some());
        }
    }
    Ok(())
}

/// What was used last is used next, and the others are not come to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_comes_to_are_replaced_by_a_probe() -> Result<()> {
    let redis = Redis::start()?;
    let config = redis.patient_config();
    let size = usize::try_from(config.pool_size)?;
    let pool = RedisPool::new(config)?;
    let is_full = async || {
        pool.probe().await?;
        Ok(redis.connections()? == size)
    };
    until("a full pool", is_full).await?;
    // Now one of them has this as its last command.
    pool.set("key", "value", 600_000).await?;
    let clients = redis.server.cli(&["CLIENT", "LIST", "TYPE", "normal"])?;
    let others = clients.lines().filter(|line| {
        !line.trim().is_empty() && !line.contains("cmd=set") && !line.contains("cmd=client")
    });
    let ids = others.filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
    let mut killed = 0;
    for id in ids {
        redis.server.cli(&["CLIENT", "KILL", "ID", id])?;
        killed += 1;
    }
    assert_eq!(killed, size - 1, "{clients}");
    assert!(pool.get("key").await?.is_some());
    until("a full pool again", is_full).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_closed_under_load_do_not_open_the_breaker() -> Result<()> {
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.patient_config())?;
    let (done, stop) = watch::channel(false);
    let lost = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (pool, stop, lost) = (pool.clone(), stop.clone(), Arc::clone(&lost));
            tokio::spawn(async move {
                while !*stop.borrow() {
                    match pool.get("key").await {
                        Ok(_) => {}
                        Err(Error::ConnectionLost) => {
                            lost.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(other) => return Err(other),
                    }
                }
                Ok(())
            })
        })
        .collect();
    until("commands to lose their connection", async || {
        redis.server.cli(&["CLIENT", "KILL", "TYPE", "normal"])?;
        Ok(lost.load(Ordering::Relaxed) >= 50)
    })
    .await?;
    done.send_replace(true);
    for caller in callers {
        caller.await??;
    }
    assert_eq!(pool.breaker_state(), BreakerState::Closed);
    assert_eq!(pool.get("key").await?, None);
    Ok(())
}
