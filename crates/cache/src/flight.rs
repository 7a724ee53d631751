//! Loads under way: one for each key, run apart from whoever asked first, so that it ends although all of them go.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{Failure, Served};

pub(crate) type Outcome<E> = Result<Served, Failure<E>>;

/// One load.
pub(crate) struct Flight<E> {
    pub(crate) began: Instant,
    outcome: watch::Receiver<Option<Outcome<E>>>,
}

impl<E> Clone for Flight<E> {
    fn clone(&self) -> Self {
        Self {
            began: self.began,
            outcome: self.outcome.clone(),
        }
    }
}

impl<E> Flight<E> {
    /// Waits for its end.
    pub(crate) async fn land(mut self) -> Outcome<E> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Failure::Abandoned)),
            // Its task panicked.
            Err(_) => Err(Failure::Abandoned),
        }
    }
}

/// The loads under way, by key.
pub(crate) struct Flights<E> {
    by_key: Mutex<HashMap<Arc<str>, Flight<E>>>,
}

impl<E: Send + Sync + 'static> Flights<E> {
    pub(crate) fn new() -> Self {
        Self {
            by_key: Mutex::default(),
        }
    }

    /// The one that is under way for `key`; else `load`, begun in a task, and true.
    pub(crate) fn find_or_begin<F>(
        self: &Arc<Self>,
        key: &Arc<str>,
        tasks: &TaskTracker,
        load: impl FnOnce() -> F,
    ) -> (Flight<E>, bool)
    where
        F: Future<Output = Outcome<E>> + Send + 'static,
    {
        let (ended, outcome) = watch::channel(None);
        let flight = {
            let mut by_key = self.lock();
            if let Some(flight) = by_key.get(key) {
                return (flight.clone(), false);
            }
            let flight = Flight {
                began: Instant::now(),
                outcome,
            };
            by_key.insert(Arc::clone(key), flight.clone());
            flight
        };
        // Whatever ends the task, a panic too, ends the flight.
        let over = Over {
            flights: Arc::clone(self),
            key: Arc::clone(key),
        };
        let loading = load().in_current_span();
        tasks.spawn(async move {
            let outcome = loading.await;
            drop(over);
            // Whoever asks from here on finds the entry, or begins anew.
            ended.send_replace(Some(outcome));
        });
        (flight, true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Flight<E>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Over<E: Send + Sync + 'static> {
    flights: Arc<Flights<E>>,
    key: Arc<str>,
}

impl<E: Send + Sync + 'static> Drop for Over<E> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}
