//! What is in memory, and what of that can be served: no waiting, and nothing to prepare.

use std::{sync::Arc, time::Instant};

use super::{Cache, Failure, LoadError, Served, Source, Verdict};
use crate::{
    entry::{Entry, Fill},
    lifetime, metric,
};

/// What came of a look in memory.
#[derive(Debug)]
pub enum Look {
    /// It is there, and right, and there is nothing to be done about it: the way of most.
    Right(Served),
    /// Something is to be done: see [`Cache::resolve`].
    Open(Open),
}

/// What a look left open.
#[derive(Debug)]
pub struct Open {
    asked: Instant,
    /// What there is, and what was said of it.
    copy: Option<(Arc<Entry>, Verdict)>,
}

impl Open {
    /// What there is, for who knows that nothing can be loaded now: marked stale where it is not right.
    #[must_use]
    pub fn as_it_is(&self) -> Option<Served> {
        let (entry, verdict) = self.copy.as_ref()?;
        let source = if *verdict == Verdict::Fresh {
            Source::Memory
        } else {
            metric::count_stale();
            Source::Stale
        };
        let entry = Arc::clone(entry);
        Some(Served { entry, source })
    }
}

impl<E: LoadError> Cache<E> {
    /// What is in memory under `key`. `judge` says of an entry whether it is right for this reader; it must not wait.
    #[must_use]
    pub fn look(&self, key: &str, judge: impl Fn(&Entry) -> Verdict) -> Look {
        let asked = Instant::now();
        let entry = self.0.memory.get(key);
        let copy = entry
            .filter(|entry| !entry.left(asked).is_zero())
            .map(|entry| {
                let verdict = judge(&entry);
                (entry, verdict)
            });
        let lookups = &self.0.lookups;
        match copy {
            Some((entry, Verdict::Fresh)) => {
                lookups.hit.increment(1);
                if lifetime::is_due(&entry, asked, fastrand::f64()) {
                    let copy = Some((entry, Verdict::Fresh));
                    return Look::Open(Open { asked, copy });
                }
                let source = Source::Memory;
                Look::Right(Served { entry, source })
            }
            copy => {
                let count = copy.as_ref().map_or(&lookups.miss, |_| &lookups.outdated);
                count.increment(1);
                Look::Open(Open { asked, copy })
            }
        }
    }

    /// The answer under `key`, where a look left something open.
    ///
    /// `judge` is asked a few times, and must not wait. `load` begins a load, if one is needed: it reads at least what the reader
    /// has seen, and all changes that `judge` knows of. It runs on when the reader goes away.
    ///
    /// An entry that is right and has only aged is served while one load renews it. One that is not right is served, as
    /// [`Source::Stale`], when loading is not possible, or takes longer than [`CacheConfig::patience`](super::CacheConfig).
    ///
    /// # Errors
    /// [`Failure`], where there is no copy, or where the error is the answer.
    pub async fn resolve<J, L, F>(
        &self,
        key: &str,
        open: Open,
        judge: J,
        load: L,
    ) -> Result<Served, Failure<E>>
    where
        J: Fn(&Entry) -> Verdict + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Fill, E>> + Send + 'static,
    {
        let Open { asked, copy } = open;
        match copy {
            Some((entry, Verdict::Fresh)) => {
                let old = Arc::clone(&entry);
                let is_newer = move |found: &Entry| {
                    judge(found) == Verdict::Fresh && found.is_newer_than(&old)
                };
                let _renewing = self.begin(&Arc::from(key), is_newer, &mut Some(load));
                let source = Source::Memory;
                Ok(Served { entry, source })
            }
            Some((copy, Verdict::Behind)) => self.load_alone(key, load, Some(copy)).await,
            copy => {
                let copy = copy.map(|(entry, _)| entry);
                self.load(key, asked, judge, load, copy).await
            }
        }
    }
}
