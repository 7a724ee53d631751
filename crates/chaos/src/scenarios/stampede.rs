//! A thousand readers ask three API processes for one post that nobody has read yet, and reading it takes a while: it is
//! read once, or once more by who takes over from a killed process, or once by each process where there is no Redis.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Duration,
};

use prepnexus_devstack::RedisServer;
use prepnexus_storage::{Cluster, Error as StorageError};
use tokio::{
    sync::Notify,
    task::{block_in_place, spawn_blocking},
};

use super::{Setting, common::until, programs_of};
use crate::{
    error::Error,
    measure::Measure,
    rig::{Rig, SOON, Shape, on_rig, patience},
    site::{Api, Site},
    visitor::Visitor,
};

const READERS: usize = 1_000;
/// Unoptimized processes need seconds for a thousand, and who waits for another's lease waits two at most.
const QUICK_READERS: usize = 300;
const NODES: usize = 3;
/// For so long nobody can read posts once readers are there.
const SLOWED: Duration = Duration::from_millis(200);
const LOCK: &str = "-- posts.lock\nLOCK TABLE posts IN ACCESS EXCLUSIVE MODE";
const CALLS: &str = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '-- posts.find_by_id%'";

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    let shape = Shape {
        replicas: 1,
        ..Shape::for_site()
    };
    on_rig(&setting, "stampede", shape, async |rig| {
        rig.psql(0, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            .await?;
        let site = Site::new(rig, &programs)?;
        let running = block_in_place(|| site.run(NODES))?;
        let writer = Cluster::start(&rig.config())?;
        writer.wait_for_primary(patience()).await?;
        let stampede = Stampede {
            rig,
            bases: &running.bases,
            visitor: Visitor::new(&running.key),
            writer: &writer,
            readers: if setting.quick {
                QUICK_READERS
            } else {
                READERS
            },
        };
        stampede.measure(&running.apis).await
    })
    .await
}

struct Stampede<'a> {
    rig: &'a Rig,
    bases: &'a [String],
    visitor: Visitor,
    writer: &'a Cluster,
    readers: usize,
}

/// What came of one.
struct Outcome {
    queries: f64,
    not_served: usize,
}

impl Stampede<'_> {
    async fn measure(&self, apis: &[Api]) -> Result<Vec<Measure>, Error> {
        let with_redis = self.run(self.bases, None).await?;
        self.rig.with_redis(RedisServer::kill).await?;
        let without = self.run(self.bases, None).await?;
        self.rig.with_redis(RedisServer::start).await?;
        self.until_redis_is_used().await?;
        // Last, for it costs a process.
        let killed = self.run(&self.bases[1..], Some(&apis[0])).await?;
        let served = with_redis.not_served + without.not_served + killed.not_served;
        let queries =
            |what, outcome: &Outcome, limit| Measure::at_most(what, "", outcome.queries, limit);
        Ok(vec![
            queries("queries for one cold post", &with_redis, 1.0)
                .beside(format!("{} readers, {NODES} processes", self.readers)),
            queries("queries, who had the lease killed", &killed, 2.0),
            queries("queries, Redis down", &without, 3.0),
            Measure::never("readers without the post", served),
        ])
    }

    /// All readers at once, of those processes; `first` is asked before them, and killed when it has the lease.
    async fn run(&self, bases: &[String], first: Option<&Api>) -> Result<Outcome, Error> {
        let id = block_in_place(|| self.make())?;
        self.rig.all_caught_up(0).await?;
        let before = self.calls().await?;
        let release = Arc::new(Notify::new());
        let released = Arc::clone(&release);
        let writer = self.writer.clone();
        let slowed = tokio::spawn(async move {
            let locking = writer.write("posts.lock", patience(), |tx| {
                let released = Arc::clone(&released);
                async move {
                    tx.execute(LOCK, &[]).await?;
                    released.notified().await;
                    Ok::<_, StorageError>(())
                }
            });
            locking.await.map(drop)
        });
        self.until_slowed().await?;
        let lost = match first {
            Some(api) => {
                let base = api.base();
                let asked = thread::spawn(move || ask(&[base], 1, id));
                self.until_leased(id).await?;
                api.signal(nix::sys::signal::Signal::SIGKILL);
                Some(asked)
            }
            None => None,
        };
        let bases: Arc<[String]> = bases.into();
        let readers = self.readers;
        let asking = spawn_blocking(move || ask(&bases, readers, id));
        tokio::time::sleep(SLOWED).await;
        release.notify_one();
        let served = asking.await?;
        slowed.await??;
        if let Some(lost) = lost {
            let _killed = lost.join();
        }
        Ok(Outcome {
            queries: self.calls().await? - before,
            not_served: readers - served,
        })
    }

    /// A post that nobody has read.
    fn make(&self) -> Result<usize, Error> {
        let last = self.bases.last().map_or("", String::as_str);
        self.visitor.publish(last, "Cold")
    }

    /// How often a post was asked for by its number, on all servers.
    async fn calls(&self) -> Result<f64, Error> {
        let mut calls = 0.0;
        for node in 0..self.rig.size() {
            let counted: f64 = self
                .rig
                .psql(node, CALLS)
                .await?
                .trim()
                .parse()
                .unwrap_or(f64::NAN);
            calls += counted;
        }
        Ok(calls)
    }

    async fn until_slowed(&self) -> Result<(), Error> {
        const LOCKED: &str = "SELECT count(*) FROM pg_locks WHERE relation = 'posts'::regclass AND mode = 'AccessExclusiveLock' AND granted";
        for node in 0..self.rig.size() {
            until("a lock", async || {
                Ok(self.rig.psql(node, LOCKED).await?.trim() == "1")
            })
            .await?;
            // It is logged, but nobody waits for its being written.
            self.rig.psql(0, "SELECT pg_switch_wal()").await?;
        }
        Ok(())
    }

    async fn until_leased(&self, id: usize) -> Result<(), Error> {
        let pattern = format!("*post:{id}}}:lease");
        until("a lease", async || {
            let pattern = pattern.clone();
            let keys = move |redis: &RedisServer| redis.cli(&["KEYS", &pattern]);
            let found = self.rig.with_redis(keys).await?;
            Ok(found.contains(":lease"))
        })
        .await
    }

    async fn until_redis_is_used(&self) -> Result<(), Error> {
        let id = block_in_place(|| self.make())?;
        for base in self.bases {
            until("Redis being used", async || {
                let health = block_in_place(|| self.visitor.get(&format!("{base}/health")).json());
                Ok(health["checks"]["cache"]["status"] == "healthy")
            })
            .await?;
            let base = base.clone();
            let _warm = spawn_blocking(move || ask(&[base], 1, id)).await?;
        }
        Ok(())
    }
}

/// Sends `count` requests before it reads an answer; how many were served. Blocks.
fn ask(bases: &[String], count: usize, id: usize) -> usize {
    let mut asked = Vec::with_capacity(count);
    for base in bases.iter().cycle().take(count) {
        let address = base.trim_start_matches("http://");
        let request = format!(
            "GET /api/v1/posts/{id} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        );
        let sent = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(SOON))?;
            stream.write_all(request.as_bytes())?;
            Ok(stream)
        });
        asked.push(sent);
    }
    let served = asked.into_iter().filter_map(Result::ok).filter(|stream| {
        let mut answer = String::new();
        let mut stream = stream;
        stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    });
    served.count()
}
