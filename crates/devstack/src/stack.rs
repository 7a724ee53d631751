//! A whole stack: which servers there are, and that they end when they should.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::account::Account;
use crate::binaries::Postgres;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::postgres::{PgNode, Shared, Shutdown};
use crate::redis::RedisServer;
use crate::scratch;
use crate::spawn::Spawner;

mod config;
mod start;

pub use config::StackConfig;

/// Running servers: a PostgreSQL primary, its replicas, and perhaps Redis.
///
/// Dropping it ends what it started, at once, and removes a temporary directory; a detached stack is left running.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    shared: Arc<Shared>,
    /// The primary first.
    nodes: Vec<PgNode>,
    redis: Option<RedisServer>,
    /// Of a temporary directory: its lock, held until it has been removed.
    scratch: Option<File>,
}

impl Stack {
    /// Starts everything that `config` asks for and waits until it answers.
    ///
    /// A directory that has data is used again: what runs is attached to, and is left running by this stack's drop; what is
    /// stopped is started, on its former port unless another process has taken that. Of several nodes that say they are
    /// primary the one on the highest timeline is, and the others rejoin as its replicas, as do the standbys of an older timeline.
    ///
    /// # Errors
    /// [`Error::Missing`] names the package to install; [`Error::Start`] shows the end of a server's log.
    pub fn start(config: StackConfig) -> Result<Self> {
        start::start(config)
    }

    /// The stack in `dir`, as it is: `None` when there never was one. Starts nothing, and its drop stops nothing.
    ///
    /// # Errors
    /// [`Error::Missing`] when the PostgreSQL version that the data need is not installed.
    pub fn attach(dir: impl AsRef<Path>) -> Result<Option<Self>> {
        let Some(layout) = Layout::find(dir.as_ref()) else {
            return Ok(None);
        };
        if layout.node_dirs().is_empty() {
            return Ok(None);
        }
        let (account, postgres) = (Account::find()?, start::version_of(&layout)?);
        let shared = Shared {
            postgres,
            account,
            spawner: Spawner::start()?,
            tied: false,
        };
        let mut stack = Self::without_servers(layout, shared, None);
        stack.nodes = start::nodes_by_role(&stack)?;
        let redis_dir = stack.layout.redis_dir();
        stack.redis = redis_dir
            .is_dir()
            .then(|| RedisServer::open(&redis_dir, &stack.shared));
        Ok(Some(stack))
    }

    /// The node that was the primary when the stack was started or attached to. It stays this one after a promotion of
    /// another, so that a test can say which it means.
    #[must_use]
    pub fn primary(&self) -> &PgNode {
        &self.nodes[0]
    }

    /// The replicas of that moment, from 0.
    ///
    /// # Panics
    /// When there are not that many.
    #[must_use]
    pub fn replica(&self, index: usize) -> &PgNode {
        &self.nodes[index + 1]
    }

    /// All nodes: the primary, then the replicas.
    #[must_use]
    pub fn nodes(&self) -> &[PgNode] {
        &self.nodes
    }

    /// The Redis server.
    ///
    /// # Panics
    /// When the stack has none: see [`Stack::find_redis`].
    #[must_use]
    pub fn redis(&self) -> &RedisServer {
        self.redis
            .as_ref()
            .expect("a Redis server was asked for in the StackConfig")
    }

    /// The Redis server, if the stack has one.
    #[must_use]
    pub fn find_redis(&self) -> Option<&RedisServer> {
        self.redis.as_ref()
    }

    /// The stack's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.layout.dir
    }

    /// Where the servers' files are: below [`Stack::dir`], or elsewhere when the servers' user cannot get there.
    #[must_use]
    pub fn data_root(&self) -> &Path {
        &self.layout.root
    }

    /// Stops all servers in order, those too that it only attached to: the primary first, so that the replicas get
    /// everything. A server that does not stop in time is stopped at once.
    ///
    /// # Errors
    /// [`Error::Timeout`] when even that fails.
    pub fn stop(&self) -> Result<()> {
        for node in &self.nodes {
            node.thaw();
        }
        for node in &self.nodes {
            if node.stop().is_err() {
                node.kill()?;
            }
        }
        if let Some(redis) = &self.redis
            && redis.stop().is_err()
        {
            redis.kill()?;
        }
        Ok(())
    }

    fn without_servers(layout: Layout, shared: Shared, scratch: Option<File>) -> Self {
        let shared = Arc::new(shared);
        Self {
            layout,
            shared,
            nodes: Vec::new(),
            redis: None,
            scratch,
        }
    }

    /// Ends what this stack started; `forcibly`, everything, whatever becomes of the data.
    fn end(&self, forcibly: bool) {
        thread::scope(|scope| {
            for node in &self.nodes {
                scope.spawn(move || {
                    let stopped = || node.shut_down(Shutdown::Immediate).is_ok();
                    if forcibly || (node.is_own_child() && !stopped()) {
                        node.destroy();
                    }
                });
            }
        });
        if let Some(redis) = &self.redis
            && (forcibly || redis.is_own_child())
        {
            let _ = redis.kill();
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.shared.tied {
            self.end(self.scratch.is_some());
        }
        self.shared.spawner.close();
        if self.shared.tied && self.scratch.is_some() {
            self.layout.remove();
        }
    }
}

/// Ends and removes the temporary stacks below `base` whose owners are gone.
pub(crate) fn sweep_abandoned(base: &Path, postgres: &Postgres, account: &Account) -> Result<()> {
    let mut abandoned = scratch::abandoned(base).into_iter();
    abandoned.try_for_each(|(layout, _lock)| sweep(&layout, postgres, account))
}

fn sweep(layout: &Layout, postgres: &Postgres, account: &Account) -> Result<()> {
    let (postgres, account) = (postgres.clone(), account.clone());
    let shared = Shared {
        postgres,
        account,
        spawner: Spawner::start()?,
        tied: false,
    };
    let mut stack = Stack::without_servers(layout.clone(), shared, None);
    let dirs: Vec<PathBuf> = layout.node_dirs();
    stack.nodes = dirs
        .iter()
        .map(|dir| PgNode::open(dir, &stack.shared))
        .collect();
    let redis_dir = layout.redis_dir();
    stack.redis = redis_dir
        .is_dir()
        .then(|| RedisServer::open(&redis_dir, &stack.shared));
    stack.end(true);
    layout.remove();
    Ok(())
}

/// Refuses what could be started and would then hang.
fn check(config: &StackConfig) -> Result<()> {
    if config.synchronous && config.replicas == 0 {
        let text = "a synchronous stack needs a replica, or every commit would wait for ever";
        return Err(Error::Unusable(text.to_owned()));
    }
    Ok(())
}
