//! PostgreSQL nodes that manage their own roles: a real Patroni cluster, with a real etcd.
//!
//! A [`Stack`](crate::Stack) does what a test tells it; this does what production does when it is left alone: it elects,
//! promotes, rewinds. So it shows what a service meets in a failover, in the order and at the speed in which that happens.
//!
//! Invariant: nothing outlives the cluster, nor the process that started it: see [`guard`].

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::account::Account;
use crate::binaries::{Patroni, Postgres};
use crate::error::{During, Error, Result};
use crate::layout::{hash_of, make_private};
use crate::logs;
use crate::postgres::Shared;
use crate::scratch::Scratch;
use crate::spawn::Spawner;
use crate::stack::sweep_abandoned;
use crate::wait::{wait_for, wait_until};

mod config;
mod etcd;
mod faults;
mod guard;
mod node;

pub use config::PatroniConfig;
pub use node::PatroniNode;

use config::Member;
use etcd::Etcd;
use guard::Guard;

const START_LIMIT: Duration = Duration::from_secs(60);
const ATTEMPTS: usize = 3;

/// A running cluster. Dropping it ends all of its servers, at once, and removes their files.
///
/// Who may connect is as in a [`Stack`](crate::Stack): `postgres` without a password, every other role with its own.
#[derive(Debug)]
pub struct PatroniCluster {
    nodes: Vec<PatroniNode>,
    etcd: Etcd,
    guard: Guard,
    synchronous: bool,
    shared: Arc<Shared>,
    scratch: Scratch,
}

impl PatroniCluster {
    /// Starts a cluster and waits until one node leads and all others stream from it.
    ///
    /// # Errors
    /// [`Error::Missing`] names the packages to install; [`Error::Start`] shows the end of a server's log.
    pub fn start(config: &PatroniConfig) -> Result<Self> {
        if config.nodes == 0 || (config.synchronous_mode && config.nodes < 2) {
            let nodes = config.nodes;
            return Err(Error::Unusable(format!(
                "{nodes} nodes are too few for such a cluster"
            )));
        }
        let programs = Patroni::find()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Self::start_on_free_ports(config, &programs) {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result,
            }
        }
    }

    /// All nodes, whatever their roles: `pg1`, `pg2`, …
    #[must_use]
    pub fn nodes(&self) -> &[PatroniNode] {
        &self.nodes
    }

    /// The node that now says it leads: of several, the one on the highest timeline. `None` while none does. It says so from
    /// the moment that it has the lock, which is before it accepts writes.
    #[must_use]
    pub fn leader(&self) -> Option<&PatroniNode> {
        // All at once, as frozen ones take their time.
        let timelines: Vec<Option<u32>> = thread::scope(|scope| {
            let nodes = self.nodes.iter();
            let asked: Vec<_> = nodes
                .map(|node| scope.spawn(|| node.led_timeline()))
                .collect();
            let answers = asked.into_iter();
            answers
                .map(|thread| thread.join().unwrap_or_default())
                .collect()
        });
        let leaders = self.nodes.iter().zip(timelines);
        let leaders = leaders.filter_map(|(node, timeline)| Some((timeline?, node)));
        leaders
            .max_by_key(|(timeline, _)| *timeline)
            .map(|(_, node)| node)
    }

    /// The nodes that do not lead now.
    #[must_use]
    pub fn replicas(&self) -> Vec<&PatroniNode> {
        let leader = self.leader().map(PatroniNode::name);
        let nodes = self.nodes.iter();
        nodes.filter(|node| Some(node.name()) != leader).collect()
    }

    /// Waits until a node leads and accepts writes.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `limit`.
    pub fn wait_for_leader(&self, limit: Duration) -> Result<&PatroniNode> {
        wait_for("a leader", limit, || {
            Ok(self.leader().filter(|leader| leader.accepts_writes()))
        })
    }

    /// Waits until a node leads, and every other one is a replica that streams from it; in synchronous mode, until one of
    /// them is the synchronous one too.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `limit`, with what was missing last.
    pub fn wait_for_healthy(&self, limit: Duration) -> Result<&PatroniNode> {
        let mut missing = String::new();
        let healthy = wait_for("a healthy cluster", limit, || match self.healthy_leader() {
            Ok(leader) => Ok(Some(leader)),
            Err(reason) => {
                missing = reason;
                Ok(None)
            }
        });
        healthy.map_err(|error| match error {
            Error::Timeout { what, limit } => Error::Timeout {
                what: format!("{what} ({missing})"),
                limit,
            },
            other => other,
        })
    }

    /// Has another node lead, in order, and returns when it does. Nothing is lost.
    ///
    /// # Errors
    /// [`Error::Tool`] with Patroni's reason when that cannot be; [`Error::Unusable`] without a leader.
    pub fn switchover(&self, to: &PatroniNode) -> Result<()> {
        let Some(leader) = self.leader() else {
            return Err(Error::Unusable("nobody leads the cluster".to_owned()));
        };
        let (from, name) = (leader.name(), to.name());
        let body = format!(r#"{{"leader": "{from}", "candidate": "{name}"}}"#);
        leader.act("/switchover", &body)?;
        // Patroni answers when the lock has passed, a little before the promotion.
        wait_until(&format!("{name} leading"), START_LIMIT, || {
            Ok(to.led_timeline().is_some() && to.accepts_writes())
        })
    }

    fn start_on_free_ports(config: &PatroniConfig, programs: &Patroni) -> Result<Self> {
        let (account, postgres) = (Account::find()?, Postgres::newest()?);
        sweep_abandoned(&config.dir, &postgres, &account)?;
        let scratch = Scratch::make(&config.dir, &account)?;
        let root = &scratch.layout.root;
        let shared = Arc::new(Shared {
            postgres,
            account,
            spawner: Spawner::start()?,
            tied: true,
        });
        let scope = format!("patroni-{:016x}", hash_of(root));
        let guard = Guard::start(root, &scope, &scratch.lock, &shared)?;
        let etcd = Etcd::start(root, programs, &shared)?;
        // From here on, an error drops the cluster, and that ends what had been started.
        let mut cluster = Self {
            nodes: Vec::new(),
            etcd,
            guard,
            synchronous: config.synchronous_mode,
            shared,
            scratch,
        };
        for number in 1..=config.nodes {
            cluster.add_node(number, &scope, config, programs)?;
        }
        cluster.start_nodes()?;
        Ok(cluster)
    }

    fn add_node(
        &mut self,
        number: usize,
        scope: &str,
        config: &PatroniConfig,
        programs: &Patroni,
    ) -> Result<()> {
        let shared = &self.shared;
        let dir = self.scratch.layout.node_dir(number);
        make_private(&dir, &shared.account)?;
        let node = PatroniNode::new(dir.clone(), programs, shared)?;
        let member = Member {
            scope,
            name: node.name(),
            dir: &dir,
            port: node.port(),
            rest_port: node.rest_port(),
            etcd_port: self.etcd.port(),
            programs: shared.postgres.dir(),
        };
        let path = dir.join("patroni.yml");
        std::fs::write(&path, member.yaml(config))
            .during(|| format!("write {}", path.display()))?;
        self.nodes.push(node);
        Ok(())
    }

    fn start_nodes(&self) -> Result<()> {
        thread::scope(|scope| {
            let nodes = self.nodes.iter();
            let threads: Vec<_> = nodes.map(|node| scope.spawn(|| node.start())).collect();
            threads
                .into_iter()
                .try_for_each(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        })?;
        let formed = wait_for("the cluster forming", START_LIMIT, || {
            self.nodes.iter().try_for_each(port_taken)?;
            Ok(self.healthy_leader().ok())
        });
        let Err(Error::Timeout { what, limit }) = formed else {
            return formed.map(drop);
        };
        let log_path = self.nodes[0].log_path();
        Err(Error::Start {
            server: "the Patroni cluster".to_owned(),
            reason: format!("{what}: not within {limit:?}"),
            log: logs::since(log_path, 0),
            log_path: log_path.display().to_string(),
        })
    }

    /// The leader that all others stream from, or what is missing. A dead replica's connection may linger in the leader's
    /// view, so the replicas are asked as well.
    fn healthy_leader(&self) -> Result<&PatroniNode, String> {
        let leader = self.leader().ok_or("nobody leads")?;
        if !leader.accepts_writes() {
            return Err(format!("{} accepts no writes yet", leader.name()));
        }
        let others = self.nodes.iter();
        let others: Vec<_> = others.filter(|node| node.name() != leader.name()).collect();
        for node in &others {
            let name = node.name();
            let streams = format!(
                "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = '{name}' \
                 AND state = 'streaming'"
            );
            if !leader.answers(&streams, "t") {
                return Err(format!("{name} does not stream from {}", leader.name()));
            }
            if !node.says("/replica") {
                return Err(format!("{name} does not say that it is a replica"));
            }
        }
        if self.synchronous && !others.iter().any(|node| node.says("/synchronous")) {
            return Err("no replica is synchronous".to_owned());
        }
        Ok(leader)
    }
}

impl Drop for PatroniCluster {
    fn drop(&mut self) {
        // It ends all servers at once: one after another, those that are left would elect each other.
        let _ = self.guard.close();
        for node in &self.nodes {
            node.destroy();
        }
        let _ = self.etcd.kill();
        self.shared.spawner.close();
    }
}

/// Patroni goes on trying when PostgreSQL cannot listen.
fn port_taken(node: &PatroniNode) -> Result<()> {
    let log = logs::since(node.log_path(), 0);
    if log.contains("could not bind IPv4 address") {
        return Err(Error::PortTaken {
            server: node.name().to_owned(),
            port: node.port(),
        });
    }
    Ok(())
}
