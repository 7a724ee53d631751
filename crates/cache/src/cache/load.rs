//! A load itself, in a task of its own: what another process has kept, or the lease and the load, and what is kept of it.

use std::{sync::Arc, time::Instant};

use super::{Failure, Inner, LoadError, Served, Source};
use crate::{
    encoding::LONG,
    entry::{Entry, Fill},
    flight::Outcome,
    lifetime,
    shared::Turn,
};

impl<E: LoadError> Inner<E> {
    /// What was kept meanwhile, here or by another process, if it is right; else loads, and keeps what came of it.
    pub(super) async fn fill<L, F>(
        self: Arc<Self>,
        key: Arc<str>,
        is_right: impl Fn(&Entry) -> bool + Send + Sync,
        load: L,
    ) -> Outcome<E>
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Fill, E>> + Send,
    {
        // Who looked before the last load ended, and came here after that.
        let here = self.memory.get(&key);
        if let Some(entry) =
            here.filter(|entry| !entry.left(Instant::now()).is_zero() && is_right(entry))
        {
            let source = Source::Memory;
            return Ok(Served { entry, source });
        }
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
                let loaded = self.load(load).await;
                return self.with_copy(key, loaded, copy);
            }
        };
        match lease.during(self.load(load)).await {
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
    pub(super) async fn fill_alone<L, F>(self: Arc<Self>, key: Arc<str>, load: L) -> Outcome<E>
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Fill, E>> + Send,
    {
        let entry = self.load(load).await?;
        let served = self.keep(Arc::clone(&key), entry, Source::Load);
        if let Some(shared) = self.shared.clone() {
            let kept = Arc::clone(&served.entry);
            self.tasks
                .spawn(async move { shared.put(&key, &kept).await });
        }
        Ok(served)
    }

    pub(super) async fn load<L, F>(&self, load: L) -> Result<Entry, Failure<E>>
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Fill, E>> + Send,
    {
        let born = Instant::now();
        // In a box, which is made when it is needed: most look-ups end in Redis, and their tasks would carry its room along.
        let mut fill = Box::pin(load())
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
