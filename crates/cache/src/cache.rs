//! The way of one look-up: what is kept here, or by another process in Redis, if it can be shown to be right; else one load
//! for all who ask; else, when nothing can be loaded, what is kept, marked stale.

mod load;
mod look;
mod wait;

use std::{fmt, sync::Arc, time::Duration};

use prepnexus_domain::Clock;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{
    entry::{Entry, Fill, TooLong},
    flight::Flights,
    memory::Memory,
    metric::MemoryLookups,
    redis::RedisPool,
    shared::Shared,
};

pub use look::{Look, Open};

/// What the caller can say of an entry, for one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Fresh,
    /// It is not what a load would give now.
    Outdated,
    /// It may be older than what this reader has seen: what others load does not help him.
    Behind,
    /// Nobody knows.
    Unproven,
}

/// An error of a load.
pub trait LoadError: Send + Sync + 'static {
    /// Whether a copy is better than it: what is loaded from is away or overloaded.
    fn is_unavailable(&self) -> bool;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The load failed; of many who waited for it each is told.
    #[error("the load failed")]
    Load(Arc<E>),
    /// The load ended without an outcome: a defect in it.
    #[error("the load was abandoned")]
    Abandoned,
    /// The answer is too long to keep.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

impl<E> Clone for Failure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Load(error) => Self::Load(Arc::clone(error)),
            Self::Abandoned => Self::Abandoned,
            Self::TooLong(why) => Self::TooLong(*why),
        }
    }
}

impl<E: LoadError> Failure<E> {
    fn is_unavailable(&self) -> bool {
        match self {
            Self::Load(error) => error.is_unavailable(),
            Self::Abandoned | Self::TooLong(_) => false,
        }
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was in memory, and is right.
    Memory,
    /// Another process loaded it, and it is right.
    Redis,
    /// It was loaded, for this reader or one who asked at the same time.
    Load,
    /// It was kept, and may be wrong: nothing better is to be had.
    Stale,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Served {
    /// What is served.
    pub entry: Arc<Entry>,
    /// Where it comes from.
    pub source: Source,
}

/// The settings of a [`Cache`].
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// The most that is kept in memory, in bytes (64 MiB).
    pub memory_bytes: u64,
    /// What all keys in Redis begin with (`pnx:`). Entries of another form need another one.
    pub prefix: String,
    /// For how long (500 ms) a reader waits for a load where there is a copy to fall back to.
    pub patience: Duration,
    /// A load that began this long ago (1 s) or less is recent enough for who asks only now, where nothing is known of
    /// changes meanwhile.
    pub bound: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 64 * 1024 * 1024,
            prefix: "pnx:".into(),
            patience: Duration::from_millis(500),
            bound: Duration::from_secs(1),
        }
    }
}

/// Kept answers, whose loads fail with `E`: cheap to clone, all clones are the same one.
pub struct Cache<E>(Arc<Inner<E>>);

struct Inner<E> {
    config: CacheConfig,
    memory: Memory,
    lookups: MemoryLookups,
    shared: Option<Shared>,
    flights: Arc<Flights<E>>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl<E> Clone for Cache<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: LoadError> fmt::Debug for Cache<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.size();
        f.debug_struct("Cache")
            .field("entries", &entries)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

impl<E: LoadError> Cache<E> {
    /// Nothing in memory yet, over Redis where there is one. Its loads run in tasks of its own, which [`Cache::close`]
    /// waits for.
    #[must_use]
    pub fn new(config: CacheConfig, redis: Option<RedisPool>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            memory: Memory::new(config.memory_bytes),
            lookups: MemoryLookups::new(),
            shared: redis.map(|pool| Shared::new(pool, &config.prefix)),
            flights: Arc::new(Flights::new()),
            clock,
            tasks: TaskTracker::new(),
            config,
        }))
    }

    /// The answer under `key`: [`Cache::look`], and [`Cache::resolve`] where that does not settle it.
    ///
    /// # Errors
    /// [`Failure`], where there is no copy, or where the error is the answer.
    pub async fn get<J, L, F>(&self, key: &str, judge: J, load: L) -> Result<Served, Failure<E>>
    where
        J: Fn(&Entry) -> Verdict + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        match self.look(key, &judge) {
            Look::Right(served) => Ok(served),
            Look::Open(open) => self.resolve(key, open, judge, load).await,
        }
    }

    /// Loads, and keeps nothing: for readers who are shown what others are not. It runs on when the reader goes away.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn pass<L, F>(&self, load: L) -> Result<Served, Failure<E>>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let loading = async move { inner.load(load).await };
        let loading = self.0.tasks.spawn(loading.in_current_span());
        let entry = loading.await.unwrap_or(Err(Failure::Abandoned))?;
        Ok(Served {
            entry: Arc::new(entry),
            source: Source::Load,
        })
    }

    /// How many entries are in memory, and how many bytes they weigh.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        self.0.memory.size()
    }

    /// Waits for the loads that are under way, and for what they keep in Redis.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}
