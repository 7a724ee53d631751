//! The private servers of `.dev`: a primary, one replica and Redis; and `.dev/env`, which says where they are.

use anyhow::{Context as _, Result};
use prepnexus_devstack::{PgNode, RedisServer, Stack, StackConfig};

use crate::bootstrap::bootstrap;
use crate::env_file::EnvFile;
use crate::session::Session;

/// Who ends the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// `./dev down`.
    UntilDown,
    /// This process, if it started them.
    OfThisProcess,
}

/// The running servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) stack: Stack,
    pub(crate) env: EnvFile,
    /// They were running before, so that they are not this process's to stop.
    pub(crate) found_running: bool,
}

impl Servers {
    /// Starts what is not running, makes the roles and the database, and writes `.dev/env`.
    pub(crate) fn start(session: &Session, lifetime: Lifetime) -> Result<Self> {
        session.interrupts.check()?;
        let dir = session.project.private_dir();
        let found_running = Stack::attach(&dir)?.is_some_and(|stack| any_is_running(&stack));
        let stack = Stack::start(StackConfig {
            replicas: 1,
            detached: lifetime == Lifetime::UntilDown,
            ..StackConfig::private(&dir)
        })
        .context("can't start the servers")?;
        let path = session.project.env_file();
        let env = EnvFile::read(&path)?;
        let mut servers = Self {
            stack,
            env,
            found_running,
        };
        let prepared = servers.prepare(session);
        if prepared.is_err() && !found_running {
            let _ = servers.stack.stop();
        }
        prepared.map(|()| servers)
    }

    fn prepare(&mut self, session: &Session) -> Result<()> {
        session.interrupts.check()?;
        bootstrap(self.stack.primary(), &mut self.env)?;
        let nodes = self.stack.nodes();
        let joined = |of: fn(&PgNode) -> String| nodes.iter().map(of).collect::<Vec<_>>().join(",");
        self.env
            .set("DB_HOST", &joined(|node| node.host().to_owned()));
        self.env
            .set("DB_PORT", &joined(|node| node.port().to_string()));
        self.env.set("DB_SSLMODE", "disable");
        self.env.set("REDIS_HOST", "127.0.0.1");
        self.env
            .set("REDIS_PORT", &self.stack.redis().port().to_string());
        self.env
            .get_or_set("API_HOST", || Ok("127.0.0.1".to_owned()))?;
        self.env.get_or_set("API_PORT", || Ok("8000".to_owned()))?;
        self.env.write(&session.project.env_file())?;
        session.interrupts.check()?;
        Ok(())
    }

    /// Stops them in order, unless they were running before.
    pub(crate) fn release(self) -> Result<()> {
        if self.found_running {
            return Ok(());
        }
        self.stack.stop().context("can't stop the servers")
    }
}

/// Whether any server of the stack is running.
pub(crate) fn any_is_running(stack: &Stack) -> bool {
    let redis = stack.find_redis().is_some_and(RedisServer::is_running);
    redis || stack.nodes().iter().any(PgNode::is_running)
}
