//! Waiting for a load: one's own, or another's for the same key, and not for ever where there is a copy.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout;
use tracing::Instrument as _;

use super::{Cache, Failure, LoadError, Served, Source, Verdict};
use crate::{
    entry::{Entry, Fill},
    flight::{Flight, Outcome},
    metric,
};

impl<E: LoadError> Cache<E> {
    /// Loads, or waits for who does so already.
    pub(super) async fn load<J, L, F>(
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
    pub(super) async fn load_alone<L, F>(
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
        let loading = self.0.tasks.spawn(loading.in_current_span());
        let loading = async { loading.await.unwrap_or(Err(Failure::Abandoned)) };
        let outcome = self.wait(loading, copy.as_ref()).await;
        settle(outcome, copy)
    }

    /// The load of `key` that is under way; else `load`, begun, and true. Of what others have kept, `is_right` says whether it
    /// does instead.
    pub(super) fn begin<L, F>(
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
