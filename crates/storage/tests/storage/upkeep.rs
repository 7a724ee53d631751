//! Pools that are kept warm, renewed, and no larger than they need be.

use std::{collections::BTreeSet, fs, time::Duration};

use futures_util::future::join_all;
use prepnexus_storage::{Cluster, ClusterConfig, Freshness, PoolStatus};
use prepnexus_testkit::{TestDb, wait_until};

use crate::support::{SOON, cluster, patience};

fn pool(cluster: &Cluster) -> PoolStatus {
    cluster.status()[0].pool
}

async fn pid(cluster: &Cluster) -> i32 {
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let row = conn.query_one("-- pid\nSELECT pg_backend_pid() AS pid", &[]);
    row.await.unwrap().get("pid").unwrap()
}

#[tokio::test]
async fn connections_are_there_before_anybody_asks() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_min_idle: 3,
        ..db.config()
    };
    let cluster = cluster(config).await;
    wait_until("a warm pool", SOON, async || pool(&cluster).idle == 3).await;
}

#[tokio::test]
async fn idle_connections_beyond_the_kept_ones_are_closed() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_min_idle: 1,
        pool_idle_timeout: Duration::from_millis(10),
        ..db.config()
    };
    let cluster = cluster(config).await;
    let conns = join_all((0..6).map(|_| cluster.read(Freshness::Any, patience()))).await;
    assert!(pool(&cluster).size >= 6);
    drop(conns);
    wait_until("a small pool", SOON, async || pool(&cluster).size == 1).await;
}

/// In hundredths of a second, of each connection of this process to that port, when the system will ask whether the other end is still
/// there; of those where that is what it waits for (`Documentation/networking/proc_net_tcp.rst` of Linux).
fn keepalive_timers(port: u16) -> Vec<u64> {
    let own: BTreeSet<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    let remote = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let timers = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_own = own.contains(&format!("socket:[{}]", columns.get(9)?));
        let due = columns[5].strip_prefix("02:")?;
        (is_own && columns[2].ends_with(&remote)).then(|| u64::from_str_radix(due, 16).unwrap())
    });
    timers.collect()
}

#[tokio::test]
async fn the_other_end_of_a_silent_connection_is_asked_within_a_minute() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_min_idle: 3,
        ..db.config()
    };
    let port = config.nodes[0].port;
    let cluster = cluster(config).await;
    wait_until("a warm pool that is watched", SOON, async || {
        let watched = keepalive_timers(port);
        pool(&cluster).idle == 3 && watched.iter().filter(|due| **due <= 6_000).count() >= 3
    })
    .await;
}

#[tokio::test]
async fn no_connection_outlives_its_time_and_nobody_notices() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        pool_min_idle: 1,
        pool_max_lifetime: Duration::from_millis(200),
        ..db.config()
    };
    let cluster = cluster(config).await;
    let mut pids = BTreeSet::new();
    let several = async || {
        pids.insert(pid(&cluster).await);
        pids.len() >= 3
    };
    wait_until("three connections", SOON, several).await;
}
