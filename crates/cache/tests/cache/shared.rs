//! What processes share through Redis, and that nothing hangs on it. Each process is a cache with a pool of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use anyhow::Result;
use prepnexus_cache::{CacheConfig, Encoding, Entry, RedisConfig, RedisPool, Source, Verdict};
use prepnexus_domain::SystemClock;

use crate::{
    origin::{Fault, Kept, Origin, fresh, get, text},
    support::{Redis, until},
};

const KEY: &str = "pnx:{k}";
const LEASE: &str = "pnx:{k}:lease";

fn process(config: &RedisConfig) -> Kept {
    let pool = RedisPool::new(config.clone()).unwrap();
    Kept::new(CacheConfig::default(), Some(pool), Arc::new(SystemClock))
}

/// As many readers of one key, all at once; the answers.
async fn crowd(processes: &[Kept], origin: &Origin, readers: usize) -> Vec<String> {
    let reading = processes.iter().flat_map(|cache| {
        (0..readers).map(|_| {
            let (cache, origin) = (cache.clone(), origin.clone());
            tokio::spawn(async move { get(&cache, &origin, Verdict::Fresh).await.0 })
        })
    });
    let reading: Vec<_> = reading.collect();
    let mut answers = Vec::new();
    for reader in reading {
        answers.push(reader.await.unwrap());
    }
    answers
}

/// Opens the gate when a load waits there.
async fn let_through(origin: &Origin) {
    origin.wait_for_loads(1).await;
    origin.gate.add_permits(1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_readers_in_three_processes_one_loads() -> Result<()> {
    let redis = Redis::start()?;
    let processes: Vec<Kept> = (0..3).map(|_| process(&redis.patient_config())).collect();
    let origin = Origin::closed();
    let (answers, ()) = tokio::join!(crowd(&processes, &origin, 300), let_through(&origin));
    assert!(answers.iter().all(|answer| answer == "1"));
    assert_eq!(origin.loads(), 1);
    Ok(())
}

#[tokio::test]
async fn what_one_process_has_loaded_another_finds() -> Result<()> {
    let redis = Redis::start()?;
    let (one, other) = (
        process(&redis.patient_config()),
        process(&redis.patient_config()),
    );
    let origin = Origin::open();
    assert_eq!(
        get(&one, &origin, Verdict::Fresh).await,
        ("1".into(), Source::Load)
    );
    one.close().await;
    assert_eq!(
        get(&other, &origin, Verdict::Fresh).await,
        ("1".into(), Source::Redis)
    );
    assert_eq!(
        get(&other, &origin, Verdict::Fresh).await,
        ("1".into(), Source::Memory)
    );
    assert_eq!(redis.server.cli(&["EXISTS", LEASE])?.trim(), "0");
    Ok(())
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_its_load() -> Result<()> {
    let redis = Redis::start()?;
    let processes = [
        process(&redis.patient_config()),
        process(&redis.patient_config()),
    ];
    let origin = Origin::closed();
    let late = async {
        origin.wait_for_loads(1).await;
        // Renewed so often that it is older than one that nobody renews.
        let (mut left, mut renewals) = (i64::MAX, 0);
        let is_old = async || {
            let before = left;
            left = redis.server.cli(&["PTTL", LEASE])?.trim().parse()?;
            renewals += u32::from(left > before);
            Ok(renewals >= 4)
        };
        until("four renewals", is_old).await.unwrap();
        origin.gate.add_permits(2);
    };
    let (answers, ()) = tokio::join!(crowd(&processes, &origin, 2), late);
    assert!(answers.iter().all(|answer| answer == "1"));
    assert_eq!(origin.loads(), 1);
    Ok(())
}

#[tokio::test]
async fn who_had_the_lease_and_was_killed_is_replaced() -> Result<()> {
    let redis = Redis::start()?;
    redis
        .server
        .cli(&["SET", LEASE, "another's", "PX", "1000"])?;
    let (cache, origin) = (process(&redis.patient_config()), Origin::open());
    assert_eq!(get(&cache, &origin, Verdict::Fresh).await.0, "1");
    Ok(())
}

#[tokio::test]
async fn who_was_replaced_does_not_overwrite_what_came_later() -> Result<()> {
    let redis = Redis::start()?;
    let config = redis.patient_config();
    let (slow, quick, third) = (process(&config), process(&config), process(&config));
    let held = Origin::closed();
    let waiting = tokio::spawn({
        let (slow, held) = (slow.clone(), held.clone());
        async move { get(&slow, &held, Verdict::Fresh).await }
    });
    held.wait_for_loads(1).await;
    // As if it had been frozen for longer than its lease.
    redis.server.cli(&["SET", LEASE, "0"])?;
    redis.server.cli(&["DEL", LEASE])?;
    let later = Origin::open();
    // Its second answer: to be told from the first of the other.
    later.clone().load().await.unwrap();
    let later_answer = get(&quick, &later, Verdict::Fresh).await.0;
    quick.close().await;
    held.gate.add_permits(1);
    waiting.await?;
    slow.close().await;
    assert_eq!(
        get(&third, &later, Verdict::Fresh).await,
        (later_answer, Source::Redis)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_process_loads_once_and_nobody_fails() -> Result<()> {
    let redis = Redis::start()?;
    let processes: Vec<Kept> = (0..3).map(|_| process(&redis.config())).collect();
    redis.server.kill()?;
    let origin = Origin::open();
    let answers = crowd(&processes, &origin, 100).await;
    assert_eq!(answers.len(), 300);
    assert!(origin.loads() <= 3, "{} loads", origin.loads());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_frozen_everybody_is_served() -> Result<()> {
    let redis = Redis::start()?;
    let processes = [process(&redis.config())];
    redis.server.freeze();
    let answers = crowd(&processes, &Origin::open(), 50).await;
    assert!(answers.iter().all(|answer| answer == "1"));
    redis.server.thaw();
    Ok(())
}

#[tokio::test]
async fn what_redis_has_is_believed_no_more_than_anything_else() -> Result<()> {
    let redis = Redis::start()?;
    let (writer, reader) = (
        process(&redis.patient_config()),
        process(&redis.patient_config()),
    );
    let origin = Origin::open();
    get(&writer, &origin, Verdict::Fresh).await;
    writer.close().await;
    // A change is known: what Redis has is from before it.
    let outdated = |entry: &Entry| match entry.body(Encoding::Identity) {
        Some(body) if body == "1" => Verdict::Outdated,
        _ => Verdict::Fresh,
    };
    let away = || async { Err(Fault::Away) };
    let stale = reader.get("k", outdated, away).await.unwrap();
    assert_eq!((text(&stale).as_str(), stale.source), ("1", Source::Stale));
    let from = origin.clone();
    let loaded = reader.get("k", outdated, || from.load()).await.unwrap();
    assert_eq!((text(&loaded).as_str(), loaded.source), ("2", Source::Load));
    reader.close().await;
    for garbage in ["", "pnx1", "hello, world, this is no entry at all"] {
        redis.server.cli(&["SET", KEY, garbage])?;
        let cold = process(&redis.patient_config());
        let from = origin.clone();
        let served = cold.get("k", fresh, || from.load()).await.unwrap();
        assert_eq!(served.source, Source::Load, "{garbage:?}");
        cold.close().await;
    }
    Ok(())
}
