//! The Redis tier: entries that all processes share, and leases, so that of all of them one loads.
//!
//! Nothing is believed of what Redis says: an entry is judged like any other, and a lease only spares work. So Redis may
//! freeze, die, be flushed, or come back with what it had an hour ago.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bb8_redis::redis::cmd;
use tokio::time::sleep;

use crate::{
    entry::Entry,
    redis::{Error, RedisPool},
};

/// For how long a lease holds without being renewed: who loads and is killed delays the others by so much.
const LEASE: Duration = Duration::from_secs(1);
const RENEWAL: Duration = Duration::from_millis(300);
/// The longest to wait for who has the lease.
const WAIT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// Keeps an entry if the lease is still the caller's, and ends that. Who loaded for too long has been replaced, and
/// may have read earlier.
const PUT: &str = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1";
const RENEW: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// The entries of one service in Redis.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pool: RedisPool,
    /// Of all its keys.
    prefix: Arc<str>,
}

/// What there is for who would load.
pub(crate) enum Turn {
    /// An entry that is right, by another process.
    Found(Entry),
    /// Nobody else loads. With what is there, and is not right.
    Ours(Lease, Option<Entry>),
    /// Redis is away, or the others take too long.
    Unknown(Option<Entry>),
}

/// The right to load one key.
pub(crate) struct Lease {
    shared: Shared,
    key: Arc<str>,
    /// Whose it is: no two are alike.
    fence: u64,
}

impl Shared {
    pub(crate) fn new(pool: RedisPool, prefix: &str) -> Self {
        Self {
            pool,
            prefix: prefix.into(),
        }
    }

    /// Waits until there is a right entry under `key`, or nobody else loads it.
    pub(crate) async fn turn(
        &self,
        key: &Arc<str>,
        now_ms: impl Fn() -> u64,
        is_right: impl Fn(&Entry) -> bool,
    ) -> Turn {
        let (until, mut pause) = (Instant::now() + WAIT, FIRST_PAUSE);
        let mut copy = None;
        loop {
            let Ok(found) = self.find(key, now_ms()).await else {
                return Turn::Unknown(copy);
            };
            if let Some(entry) = found {
                if is_right(&entry) {
                    return Turn::Found(entry);
                }
                copy = Some(entry);
            }
            let lease = Lease {
                shared: self.clone(),
                key: Arc::clone(key),
                fence: fastrand::u64(..),
            };
            match lease.take().await {
                Ok(true) => return self.once_more(lease, now_ms(), is_right, copy).await,
                Ok(false) => {}
                Err(_) => return Turn::Unknown(copy),
            }
            if Instant::now() >= until {
                return Turn::Unknown(copy);
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Between the look and the lease somebody else may have ended.
    async fn once_more(
        &self,
        lease: Lease,
        now_ms: u64,
        is_right: impl Fn(&Entry) -> bool,
        copy: Option<Entry>,
    ) -> Turn {
        match self.find(&lease.key, now_ms).await {
            Ok(Some(entry)) if is_right(&entry) => {
                lease.release().await;
                Turn::Found(entry)
            }
            Ok(Some(entry)) => Turn::Ours(lease, Some(entry)),
            Ok(None) | Err(_) => Turn::Ours(lease, copy),
        }
    }

    async fn find(&self, key: &str, now_ms: u64) -> Result<Option<Entry>, Error> {
        let bytes = self.pool.get(&self.entry_key(key)).await?;
        Ok(bytes.and_then(|bytes| Entry::parse(bytes, now_ms)))
    }

    /// Keeps an entry that was loaded without a lease.
    pub(crate) async fn put(&self, key: &str, entry: &Entry) {
        let left = entry.left(Instant::now());
        let ttl = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        // Not kept is not wrong.
        let _kept = self
            .pool
            .set(&self.entry_key(key), entry.bytes(), ttl)
            .await;
    }

    /// In braces what decides of the slot, so that in a Redis Cluster both keys are on one node.
    fn entry_key(&self, key: &str) -> String {
        format!("{}{{{key}}}", self.prefix)
    }

    fn lease_key(&self, key: &str) -> String {
        format!("{}{{{key}}}:lease", self.prefix)
    }
}

impl Lease {
    async fn take(&self) -> Result<bool, Error> {
        let mut command = cmd("SET");
        command
            .arg(self.shared.lease_key(&self.key))
            .arg(self.fence)
            .arg("NX")
            .arg("PX")
            .arg(millis(LEASE));
        let taken: Option<String> = self.shared.pool.run(&command).await?;
        Ok(taken.is_some())
    }

    /// Does `work`, and keeps the lease meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                sleep(RENEWAL).await;
                let mut command = cmd("EVAL");
                command
                    .arg(RENEW)
                    .arg(1)
                    .arg(self.shared.lease_key(&self.key))
                    .arg(self.fence)
                    .arg(millis(LEASE));
                // Lost is not wrong: then somebody else loads too.
                let _renewed: Result<i64, Error> = self.shared.pool.run(&command).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = renewing => unreachable!("it renews for ever"),
        }
    }

    /// Keeps what was loaded, and lets go.
    pub(crate) async fn put(self, entry: &Entry) {
        let ttl = millis(entry.left(Instant::now()));
        if ttl == 0 {
            return self.release().await;
        }
        let mut command = cmd("EVAL");
        command
            .arg(PUT)
            .arg(2)
            .arg(self.shared.entry_key(&self.key))
            .arg(self.shared.lease_key(&self.key))
            .arg(self.fence)
            .arg(&entry.bytes()[..])
            .arg(ttl);
        let _kept: Result<i64, Error> = self.shared.pool.run(&command).await;
    }

    /// Lets go without anything to keep.
    pub(crate) async fn release(self) {
        let mut command = cmd("EVAL");
        command
            .arg(RELEASE)
            .arg(1)
            .arg(self.shared.lease_key(&self.key))
            .arg(self.fence);
        let _released: Result<i64, Error> = self.shared.pool.run(&command).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
