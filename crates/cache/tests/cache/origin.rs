//! What the tests load from: it counts, and waits for a permit.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use prepnexus_cache::{
    Cache, CacheConfig, Encoding, Entry, Fill, LoadError, Served, Source, Verdict,
};
use prepnexus_domain::SystemClock;
use tokio::sync::Semaphore;

use crate::support::until;

#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    Away,
    Wrong,
}

impl LoadError for Fault {
    fn is_unavailable(&self) -> bool {
        *self == Self::Away
    }
}

pub(crate) type Kept = Cache<Fault>;

pub(crate) fn cache(config: CacheConfig) -> Kept {
    Kept::new(config, None, Arc::new(SystemClock))
}

/// A source that counts its loads and lets each wait for a permit.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) loads: Arc<AtomicU32>,
    pub(crate) gate: Arc<Semaphore>,
}

impl Origin {
    pub(crate) fn open() -> Self {
        Self::with_permits(Semaphore::MAX_PERMITS)
    }

    pub(crate) fn closed() -> Self {
        Self::with_permits(0)
    }

    pub(crate) fn with_permits(permits: usize) -> Self {
        Self {
            loads: Arc::default(),
            gate: Arc::new(Semaphore::new(permits)),
        }
    }

    pub(crate) fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }

    /// The number of the load is the answer.
    pub(crate) async fn load(self) -> Result<Fill, Fault> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.acquire().await.unwrap().forget();
        Ok(answer(&number.to_string()))
    }

    pub(crate) async fn wait_for_loads(&self, count: u32) {
        let are_there = async || Ok(self.loads() >= count);
        until("the loads", are_there).await.unwrap();
    }
}

pub(crate) fn answer(text: &str) -> Fill {
    Fill {
        body: text.into(),
        fresh_for: Duration::from_secs(600),
        keep_for: Duration::from_secs(3_600),
        ..Fill::default()
    }
}

pub(crate) fn text(served: &Served) -> String {
    String::from_utf8(served.entry.body(Encoding::Identity).unwrap().to_vec()).unwrap()
}

pub(crate) fn fresh(_: &Entry) -> Verdict {
    Verdict::Fresh
}

pub(crate) async fn get(cache: &Kept, source: &Origin, verdict: Verdict) -> (String, Source) {
    let source = source.clone();
    let served = cache.get("k", move |_| verdict, || source.load()).await;
    let served = served.unwrap();
    (text(&served), served.source)
}
