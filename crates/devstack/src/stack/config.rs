//! What a stack is made of.

use std::path::PathBuf;

use crate::scratch;

/// What [`Stack::start`](crate::Stack::start) makes. Begin with a constructor and change fields:
///
/// ```
/// use prepnexus_devstack::StackConfig;
///
/// let config = StackConfig { replicas: 2, redis: true, ..StackConfig::for_tests() };
/// assert!(config.temporary);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackConfig {
    /// The stack's directory. With [`temporary`](Self::temporary): where to make one.
    pub dir: PathBuf,
    /// Make a new directory inside `dir`, and remove it with the stack.
    pub temporary: bool,
    /// Replicas beside the primary. A directory that has more already keeps them.
    pub replicas: usize,
    /// A commit waits until one replica has applied it. Needs a replica.
    pub synchronous: bool,
    /// A Redis server too.
    pub redis: bool,
    /// Survive a crash of the machine. Without it, commits do not wait for the disk.
    pub durable: bool,
    /// Servers go on when the stack is dropped and when the process ends.
    pub detached: bool,
    /// Further PostgreSQL settings (name, value) for all nodes; they win over the stack's own.
    pub settings: Vec<(String, String)>,
}

impl StackConfig {
    /// A primary alone, in a temporary directory of its own, fast rather than durable. The directory is in memory
    /// (`/dev/shm`) on a machine with plenty of it, else the system's temporary one.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            dir: scratch::default_base(),
            temporary: true,
            replicas: 0,
            synchronous: false,
            redis: false,
            durable: false,
            detached: false,
            settings: Vec::new(),
        }
    }

    /// A durable primary with two replicas and Redis, whose data stay in `dir` from one start to the next. The servers
    /// end with the stack.
    #[must_use]
    pub fn private(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            temporary: false,
            replicas: 2,
            synchronous: false,
            redis: true,
            durable: true,
            detached: false,
            settings: Vec::new(),
        }
    }
}
