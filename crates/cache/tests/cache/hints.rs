//! Hints: heard by all while Redis is there, and again once it is back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::{Duration, Instant};

use anyhow::Result;
use prepnexus_cache::{Hints, RedisPool};

use crate::support::{Redis, until};

/// One process's end of the channel, and how many hints it has heard.
pub(crate) fn listen(pool: RedisPool) -> (Hints, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let hints = Hints::listen(pool, "pnx:changes", move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    (hints, heard)
}

/// Tells until the other has heard one that was told.
pub(crate) async fn until_heard(teller: &Hints, heard: &AtomicUsize) -> Result<()> {
    until("a hint", async || {
        let before = heard.load(Ordering::Relaxed);
        teller.tell();
        let told = Instant::now();
        while told.elapsed() < Duration::from_millis(100) {
            if heard.load(Ordering::Relaxed) > before {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
        Ok(false)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tells_all_hear_and_again_after_a_restart() -> Result<()> {
    let redis = Redis::start()?;
    let (here, heard_here) = listen(RedisPool::new(redis.patient_config())?);
    let (there, heard_there) = listen(RedisPool::new(redis.patient_config())?);
    until_heard(&here, &heard_there).await?;
    until_heard(&there, &heard_here).await?;
    redis.server.kill()?;
    redis.server.start()?;
    until_heard(&here, &heard_there).await?;
    here.close().await;
    there.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_frozen_who_tells_does_not_wait_and_hints_are_heard_after() -> Result<()> {
    let redis = Redis::start()?;
    let (hints, heard) = listen(RedisPool::new(redis.config())?);
    until_heard(&hints, &heard).await?;
    redis.server.freeze();
    // The fastest: a busy machine stands still now and then.
    let took = (0..5).map(|_| {
        let began = Instant::now();
        hints.tell();
        began.elapsed()
    });
    let fastest = took.min().expect("there are five");
    assert!(
        fastest < Duration::from_millis(50),
        "who tells does not wait: {fastest:?}"
    );
    redis.server.thaw();
    until_heard(&hints, &heard).await?;
    hints.close().await;
    Ok(())
}
