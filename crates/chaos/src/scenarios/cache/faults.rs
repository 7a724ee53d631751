//! One fault per schedule, drawn from its seed: to a process of the API, to Redis, to a replica, to the primary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use nix::sys::signal::Signal;
use prepnexus_devstack::{PgNode, RedisServer};

use super::{NODES, clients::Clients};
use crate::{error::Error, rig::Rig, scenarios::common::go_on, site::Site};

/// Entries as they were, kept beside the present ones.
const REMEMBER: &str = "for _, key in ipairs(redis.call('KEYS', 'pnx:*')) do
    if redis.call('TYPE', key).ok == 'string' then redis.call('SET', 'old:' .. key, redis.call('GET', key)) end
end return 0";
/// What a server that comes back with an old dump has.
const BRING_BACK: &str = "for _, key in ipairs(redis.call('KEYS', 'old:*')) do
    redis.call('SET', string.sub(key, 5), redis.call('GET', key), 'PX', 600000)
end return 0";
/// Of so many schedules one is a failover.
const FAILOVER_EVERY: u32 = 20;

/// What can be done to whom.
pub(super) struct Faults<'a> {
    rig: &'a Rig,
    site: &'a Site,
    clients: &'a Clients,
    primary: &'a AtomicUsize,
}

impl<'a> Faults<'a> {
    pub(super) fn new(
        rig: &'a Rig,
        site: &'a Site,
        clients: &'a Clients,
        primary: &'a AtomicUsize,
    ) -> Self {
        Self {
            rig,
            site,
            clients,
            primary,
        }
    }

    /// Plays `count` schedules, whose seeds begin at `first`.
    pub(super) async fn play(&self, first: u32, count: u32) -> Result<(), Error> {
        for seed in first..first + count {
            let mut chance = Rng::with_seed(u64::from(seed));
            self.rig.recorder().script(&format!("schedule {seed}"));
            go_on(between(&mut chance, 50, 300)).await;
            if seed % FAILOVER_EVERY == FAILOVER_EVERY / 2 {
                self.fail_over().await?;
            } else {
                self.one(&mut chance).await?;
            }
            go_on(between(&mut chance, 50, 300)).await;
        }
        Ok(())
    }

    async fn one(&self, chance: &mut Rng) -> Result<(), Error> {
        let primary = self.primary.load(Ordering::Relaxed);
        let replica = (primary + 1 + chance.usize(0..self.rig.size() - 1)) % self.rig.size();
        let api = chance.usize(0..NODES);
        // Past the bound as often as not.
        let time = between(chance, 200, 1_800);
        match chance.u8(0..9) {
            0 => {
                self.clients.api(api).signal(Signal::SIGKILL);
                go_on(time / 4).await;
                self.clients.replace(api, Arc::new(self.site.start()?));
            }
            1 => {
                self.clients.api(api).signal(Signal::SIGSTOP);
                go_on(time).await;
                self.clients.api(api).signal(Signal::SIGCONT);
            }
            2 => {
                self.rig.with_redis(RedisServer::kill).await?;
                go_on(time / 2).await;
                self.rig.with_redis(RedisServer::start).await?;
            }
            3 => {
                self.rig
                    .with_redis(|redis| {
                        redis.freeze();
                        Ok(())
                    })
                    .await?;
                go_on(time).await;
                self.rig
                    .with_redis(|redis| {
                        redis.thaw();
                        Ok(())
                    })
                    .await?;
            }
            4 => {
                self.rig
                    .with_redis(|redis| redis.cli(&["FLUSHALL"]).map(drop))
                    .await?;
            }
            5 => {
                self.rig
                    .with_redis(|redis| redis.cli(&["EVAL", REMEMBER, "0"]).map(drop))
                    .await?;
                go_on(time).await;
                self.rig
                    .with_redis(|redis| redis.cli(&["EVAL", BRING_BACK, "0"]).map(drop))
                    .await?;
            }
            6 => {
                self.rig.freeze(replica).await?;
                go_on(time).await;
                self.rig.thaw(replica).await?;
            }
            7 => {
                self.rig.with(replica, PgNode::pause_replay).await??;
                go_on(time).await;
                self.rig.with(replica, PgNode::resume_replay).await??;
            }
            _ => {
                self.rig.freeze(primary).await?;
                go_on(time).await;
                self.rig.thaw(primary).await?;
            }
        }
        Ok(())
    }

    /// Kills the primary, promotes a replica, and takes the old one back as another.
    async fn fail_over(&self) -> Result<(), Error> {
        let old = self.primary.load(Ordering::Relaxed);
        self.rig.kill(old).await?;
        let new = self.rig.most_advanced(old).await?;
        self.rig.promote(new, old).await?;
        self.primary.store(new, Ordering::Relaxed);
        go_on(Duration::from_secs(1)).await;
        self.rig.rejoin(old, new).await
    }
}

fn between(chance: &mut Rng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(chance.u64(from_ms..to_ms))
}
