//! The way of one look-up: what is kept here, or by another process in Redis, if it can be shown to be right; else one load
//! for all who ask; else, when nothing can be loaded, what is kept, marked stale.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use prepnexus_domain::Clock;
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    entry::{Entry, Fill, TooLong},
    flight::{Flight, Flights, Outcome},
    lifetime,
    memory::Memory,
    metric::{self, MemoryLookups},
    redis::RedisPool,
    shared::{Shared, Turn},
};

/// Bodies beyond this are encoded away from the threads that serve requests.
const LONG: usize = 16 * 1024;

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
    /// Too many loads are under way.
    #[error("too many loads are under way")]
    Overloaded,
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
            Self::Overloaded => Self::Overloaded,
            Self::Abandoned => Self::Abandoned,
            Self::TooLong(why) => Self::TooLong(*why),
        }
    }
}

impl<E: LoadError> Failure<E> {
    fn is_unavailable(&self) -> bool {
        match self {
            Self::Load(error) => error.is_unavailable(),
            Self::Overloaded => true,
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
    /// Loads that run at the same time (32), over all keys. Others wait for up to `patience`.
    pub loads: usize,
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
            loads: 32,
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
    permits: Semaphore,
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
            permits: Semaphore::new(config.loads),
            clock,
            tasks: TaskTracker::new(),
            config,
        }))
    }

    /// The answer under `key`.
    ///
    /// `judge` says of an entry whether it is right for this reader; it is asked a few times, and must not wait. `load` begins
    /// a load, if one is needed: it reads at least what the reader has seen, and all changes that `judge` knows of. It runs
    /// on when the reader goes away.
    ///
    /// An entry that is right and has only aged is served while one load renews it. One that is not right is served, as
    /// [`Source::Stale`], when loading is not possible, or takes longer than [`CacheConfig::patience`].
    ///
    /// # Errors
    /// [`Failure`], where there is no copy, or where the error is the answer.
    pub async fn get<J, L, F>(&self, key: &str, judge: J, load: L) -> Result<Served, Failure<E>>
    where
        J: Fn(&Entry) -> Verdict + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let now = Instant::now();
        let kept = self.0.memory.get(key);
        let kept = kept.filter(|entry| !entry.left(now).is_zero());
        let verdict = kept.as_ref().map(|entry| judge(entry));
        let lookups = &self.0.lookups;
        let came_of_it = match verdict {
            Some(Verdict::Fresh) => &lookups.hit,
            Some(_) => &lookups.outdated,
            None => &lookups.miss,
        };
        came_of_it.increment(1);
        match (kept, verdict) {
            (Some(entry), Some(Verdict::Fresh)) => {
                if lifetime::is_due(&entry, now, fastrand::f64()) {
                    let old = Arc::clone(&entry);
                    let is_newer = move |found: &Entry| {
                        judge(found) == Verdict::Fresh && found.is_newer_than(&old)
                    };
                    let _renewing = self.begin(&Arc::from(key), is_newer, &mut Some(load));
                }
                let source = Source::Memory;
                Ok(Served { entry, source })
            }
            (copy, Some(Verdict::Behind)) => self.load_alone(key, load, copy).await,
            (copy, _) => self.load(key, now, judge, load, copy).await,
        }
    }

    /// What is in memory under `key`, if it is right and nothing is to be done about it: [`Cache::get`] for who would first have
    /// to prepare a load.
    #[must_use]
    pub fn hit(&self, key: &str, judge: impl Fn(&Entry) -> Verdict) -> Option<Served> {
        let now = Instant::now();
        let entry = self.0.memory.get(key)?;
        let is_right = !entry.left(now).is_zero()
            && judge(&entry) == Verdict::Fresh
            && !lifetime::is_due(&entry, now, fastrand::f64());
        if !is_right {
            return None;
        }
        self.0.lookups.hit.increment(1);
        let source = Source::Memory;
        Some(Served { entry, source })
    }

    /// What is in memory under `key`, marked stale where it is not right: for who knows that nothing can be loaded now.
    #[must_use]
    pub fn kept(&self, key: &str, judge: impl Fn(&Entry) -> Verdict) -> Option<Served> {
        let now = Instant::now();
        let entry = self.0.memory.get(key);
        let entry = entry.filter(|entry| !entry.left(now).is_zero())?;
        let source = if judge(&entry) == Verdict::Fresh {
            self.0.lookups.hit.increment(1);
            Source::Memory
        } else {
            self.0.lookups.outdated.increment(1);
            metric::count_stale();
            Source::Stale
        };
        Some(Served { entry, source })
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
        let loading = self.0.tasks.spawn(async move { inner.load(load()).await });
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

    /// Loads, or waits for who does so already.
    async fn load<J, L, F>(
        &self,
        key: &str,
        asked: Instant,
        judge: J,
        load: L,
        copy: Option<Arc<Entry>>,
    ) -> Result<Served, Failure<E>>
    where
        J: Fn(&Entry) -> Verdict + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let (key, mut load) = (Arc::from(key), Some(load));
        loop {
            let of_others = judge.clone();
            let is_right = move |found: &Entry| {
                of_others(found) == Verdict::Fresh && !found.has_aged(Instant::now())
            };
            let (flight, is_ours) = self.begin(&key, is_right, &mut load);
            let began = flight.began;
            let outcome = self.wait(flight.land(), copy.as_ref()).await;
            let served = match outcome {
                Some(Err(Failure::Abandoned)) if !is_ours => continue,
                Some(Ok(served)) if !is_ours && served.source != Source::Stale => served,
                outcome => return settle(outcome, copy),
            };
            let is_recent = match judge(&served.entry) {
                Verdict::Fresh => true,
                // What changed after this reader asked he need not be shown.
                Verdict::Outdated => began >= asked,
                Verdict::Unproven => began + self.0.config.bound >= asked,
                Verdict::Behind => {
                    let load = load.take().expect("another's load was waited for");
                    return self.load_alone(&key, load, copy).await;
                }
            };
            if is_recent {
                return Ok(served);
            }
        }
    }

    /// Loads for this reader, whoever else does so.
    async fn load_alone<L, F>(
        &self,
        key: &str,
        load: L,
        copy: Option<Arc<Entry>>,
    ) -> Result<Served, Failure<E>>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let loading = Arc::clone(&self.0).fill_alone(key.into(), load);
        let loading = self.0.tasks.spawn(loading);
        let loading = async { loading.await.unwrap_or(Err(Failure::Abandoned)) };
        let outcome = self.wait(loading, copy.as_ref()).await;
        settle(outcome, copy)
    }

    /// The load of `key` that is under way; else `load`, begun, and true. Of what others have kept, `is_right` says whether it
    /// does instead.
    fn begin<L, F>(
        &self,
        key: &Arc<str>,
        is_right: impl Fn(&Entry) -> bool + Send + Sync + 'static,
        load: &mut Option<L>,
    ) -> (Flight<E>, bool)
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let inner = &self.0;
        let fill = || {
            let load = load.take().expect("a load is begun once");
            Arc::clone(inner).fill(Arc::clone(key), is_right, load)
        };
        inner.flights.find_or_begin(key, &inner.tasks, fill)
    }

    /// Waits for a load: not for ever, where there is a copy. `None`, if that is to be served.
    async fn wait(
        &self,
        loading: impl Future<Output = Outcome<E>>,
        copy: Option<&Arc<Entry>>,
    ) -> Option<Outcome<E>> {
        if copy.is_none() {
            return Some(loading.await);
        }
        timeout(self.0.config.patience, loading).await.ok()
    }
}

impl<E: LoadError> Inner<E> {
    /// What another process has kept, if it is right; else loads, and keeps what came of it.
    async fn fill<L, F>(
        self: Arc<Self>,
        key: Arc<str>,
        is_right: impl Fn(&Entry) -> bool + Send + Sync,
        load: L,
    ) -> Outcome<E>
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Fill, E>> + Send,
    {
        let Some(shared) = &self.shared else {
            return self.fill_alone(key, load).await;
        };
        let (lease, copy) = match shared.turn(&key, || self.now_ms(), is_right).await {
            Turn::Found(entry) => {
                let source = Source::Redis;
                return Ok(self.keep(key, entry, source));
            }
            Turn::Ours(lease, copy) => (lease, copy),
            Turn::Unknown(copy) => {
                let loaded = self.load(load()).await;
                return self.with_copy(key, loaded, copy);
            }
        };
        match lease.during(self.load(load())).await {
            Ok(entry) => {
                let served = self.keep(key, entry, Source::Load);
                // Nobody waits for Redis who has his answer.
                let kept = Arc::clone(&served.entry);
                self.tasks.spawn(async move { lease.put(&kept).await });
                Ok(served)
            }
            failed => {
                self.tasks.spawn(lease.release());
                self.with_copy(key, failed, copy)
            }
        }
    }

    /// Loads without asking what others have.
    async fn fill_alone<L, F>(self: Arc<Self>, key: Arc<str>, load: L) -> Outcome<E>
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Fill, E>> + Send,
    {
        let entry = self.load(load()).await?;
        let served = self.keep(Arc::clone(&key), entry, Source::Load);
        if let Some(shared) = self.shared.clone() {
            let kept = Arc::clone(&served.entry);
            self.tasks
                .spawn(async move { shared.put(&key, &kept).await });
        }
        Ok(served)
    }

    async fn load(
        &self,
        loading: impl Future<Output = Result<Fill, E>> + Send,
    ) -> Result<Entry, Failure<E>> {
        let permit = timeout(self.config.patience, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(Failure::Overloaded);
        };
        let born = Instant::now();
        let mut fill = loading
            .await
            .map_err(|error| Failure::Load(Arc::new(error)))?;
        fill.fresh_for = lifetime::jittered(fill.fresh_for, fastrand::f64());
        let now_ms = self.now_ms();
        if fill.body.len() <= LONG {
            return Ok(Entry::new(&fill, born, now_ms)?);
        }
        let making = tokio::task::spawn_blocking(move || Entry::new(&fill, born, now_ms));
        Ok(making.await.map_err(|_| Failure::Abandoned)??)
    }

    /// What was loaded; where that was not possible, the copy that others have left.
    fn with_copy(
        &self,
        key: Arc<str>,
        loaded: Result<Entry, Failure<E>>,
        copy: Option<Entry>,
    ) -> Outcome<E> {
        match (loaded, copy) {
            (Ok(entry), _) => Ok(self.keep(key, entry, Source::Load)),
            (Err(failure), Some(copy)) if failure.is_unavailable() => {
                let source = Source::Stale;
                Ok(match self.memory.get(&key) {
                    Some(entry) if entry.is_newer_than(&copy) => Served { entry, source },
                    _ => self.keep(key, copy, source),
                })
            }
            (Err(failure), _) => Err(failure),
        }
    }

    fn keep(&self, key: Arc<str>, entry: Entry, source: Source) -> Served {
        let entry = Arc::new(entry);
        self.memory.put(key, Arc::clone(&entry));
        Served { entry, source }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0)
    }
}

/// What is served when a load has ended, or `None` came of it in time.
fn settle<E: LoadError>(
    outcome: Option<Outcome<E>>,
    copy: Option<Arc<Entry>>,
) -> Result<Served, Failure<E>> {
    let failure = match outcome {
        Some(Ok(served)) => {
            if served.source == Source::Stale {
                metric::count_stale();
            }
            return Ok(served);
        }
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    match (copy, failure) {
        (Some(entry), failure) if failure.as_ref().is_none_or(Failure::is_unavailable) => {
            metric::count_stale();
            let source = Source::Stale;
            Ok(Served { entry, source })
        }
        (_, failure) => Err(failure.unwrap_or(Failure::Abandoned)),
    }
}
