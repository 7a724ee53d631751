//! Commands while all is well.

use anyhow::Result;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_cache::{Error, RedisPool};
use prepnexus_health::Status;

use crate::support::{Redis, monitored, status, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_is_got_until_it_expires() -> Result<()> {
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.patient_config())?;
    assert_eq!(pool.get("absent").await?, None);

    let large = vec![0xFF_u8; 3_000_000];
    for (key, value) in [
        ("empty", &b""[..]),
        ("binary", b"\r\n\0\xFF"),
        ("large", &large),
    ] {
        pool.set(key, value, 600_000).await?;
        assert_eq!(
            pool.get(key).await?,
            Some(Bytes::copy_from_slice(value)),
            "{key}"
        );
    }
    pool.set("binary", "written over", 600_000).await?;
    assert_eq!(
        pool.get("binary").await?.as_deref(),
        Some(&b"written over"[..])
    );

    let left_ms: u64 = redis.server.cli(&["PTTL", "binary"])?.trim().parse()?;
    assert!(
        left_ms > 500_000 && left_ms <= 600_000,
        "{left_ms} ms are left"
    );
    pool.set("brief", "x", 1).await?;
    until("a value's end", async || {
        Ok(pool.get("brief").await?.is_none())
    })
    .await?;
    pool.set("none left", "x", 0).await?;
    assert_eq!(pool.get("none left").await?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_about_one_command_is_not_held_against_redis() -> Result<()> {
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.patient_config())?;
    redis.server.cli(&["LPUSH", "list", "x"])?;
    for _ in 0..10 {
        let error = pool.get("list").await.expect_err("a list is not a string");
        let expected = Error::Protocol {
            reason: "WRONGTYPE".to_owned(),
        };
        assert_eq!(error, expected);
        assert!(!error.is_unavailable());
    }
    assert_eq!(pool.get("absent").await?, None, "the breaker is closed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_starves() -> Result<()> {
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.patient_config())?;
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let key = format!("caller {caller}");
                for round in 0..500_u32 {
                    pool.set(&key, round.to_be_bytes(), 600_000).await?;
                    let got = pool.get(&key).await?;
                    assert_eq!(got.as_deref(), Some(&round.to_be_bytes()[..]));
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    assert_eq!(
        redis.connections()?,
        3,
        "all of the pool is used, and no more"
    );
    Ok(())
}

// On one thread, so that the recorder can be local to this test.
#[tokio::test]
async fn lookups_are_counted_and_the_breaker_is_shown() -> Result<()> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _local = metrics::set_default_local_recorder(&recorder);
    prepnexus_cache::describe_metrics();
    let redis = Redis::start()?;
    let pool = RedisPool::new(redis.patient_config())?;
    pool.get("absent").await?;
    pool.set("present", "x", 600_000).await?;
    pool.get("present").await?;
    pool.get("present").await?;
    redis.server.cli(&["LPUSH", "list", "x"])?;
    pool.get("list").await.expect_err("a list is not a string");

    let (_pool, registry, monitor) = monitored(redis.patient_config())?;
    until("health", async || Ok(status(&registry) == Status::Healthy)).await?;
    monitor.stop().await;

    let rendered = recorder.handle().render();
    assert!(
        rendered.contains("prepnexus_cache_breaker_state 0"),
        "{rendered}"
    );
    for (result, count) in [("hit", 2), ("miss", 1), ("error", 1)] {
        let line =
            format!("prepnexus_cache_requests_total{{tier=\"redis\",result=\"{result}\"}} {count}");
        assert!(rendered.contains(&line), "{line} is not in\n{rendered}");
    }
    assert!(
        rendered.contains("# HELP prepnexus_cache_requests_total "),
        "{rendered}"
    );
    Ok(())
}
