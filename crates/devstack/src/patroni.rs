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
use crate::process;
use crate::scratch::Scratch;
use crate::spawn::Spawner;
use crate::stack::sweep_abandoned;
use crate::wait::{wait_for, wait_until};

mod config;
mod etcd;
mod faults;
mod guard;
mod health;
mod node;

pub use config::PatroniConfig;
pub use node::PatroniNode;

use config::Member;
use etcd::Etcd;
use guard::Guard;

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(10);
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
    /// [`Error::Missing`] names the packages to install; [`Error::Start`] shows the end of a server's log;
    /// [`Error::Unusable`] says why there can be no such cluster.
    pub fn start(config: &PatroniConfig) -> Result<Self> {
        check(config)?;
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
            self.nodes.iter().try_for_each(look_at_start)?;
            Ok(self.healthy_leader().ok())
        });
        match formed {
            Err(Error::Timeout { what, limit }) => Err(start_error(
                &self.nodes[0],
                format!("{what}: not within {limit:?}"),
            )),
            other => other.map(drop),
        }
    }
}

impl Drop for PatroniCluster {
    fn drop(&mut self) {
        let pids: Vec<i32> = self.nodes.iter().flat_map(PatroniNode::processes).collect();
        // It ends all servers at once: one after another, those that are left would elect each other.
        let _ = self.guard.close();
        // A dying process has no command line any more, but still its shared memory.
        let _ = wait_until("the end of a cluster's servers", END_LIMIT, || {
            Ok(pids.iter().all(|pid| process::has_ended(*pid)))
        });
        for node in &self.nodes {
            node.destroy();
        }
        let _ = self.etcd.kill();
        self.shared.spawner.close();
    }
}

/// Patroni ends when it cannot make a cluster, but goes on trying when PostgreSQL cannot listen.
fn look_at_start(node: &PatroniNode) -> Result<()> {
    let log = logs::since(node.log_path(), 0);
    if log.contains("could not bind IPv4 address") {
        return Err(Error::PortTaken {
            server: node.name().to_owned(),
            port: node.port(),
        });
    }
    if node.patroni_pid().is_none() {
        return Err(start_error(node, "it ended".to_owned()));
    }
    Ok(())
}

fn start_error(node: &PatroniNode, reason: String) -> Error {
    Error::Start {
        server: format!("patroni of {}", node.name()),
        reason,
        log: logs::since(node.log_path(), 0),
        log_path: node.log_path().display().to_string(),
    }
}

/// Refuses what could be started and would then hang.
fn check(config: &PatroniConfig) -> Result<()> {
    let (nodes, dir) = (config.nodes, config.dir.display());
    if nodes == 0 || (config.synchronous_mode && nodes < 2) {
        return Err(Error::Unusable(format!(
            "{nodes} nodes are too few for such a cluster"
        )));
    }
    // `pg_ctl initdb`, by which Patroni makes the first node, puts the path between double quotes for a shell.
    if dir.to_string().contains(['"', '\\', '$', '`']) {
        return Err(Error::Unusable(format!(
            "Patroni cannot make a cluster below {dir}: a shell would change that path"
        )));
    }
    Ok(())
}
