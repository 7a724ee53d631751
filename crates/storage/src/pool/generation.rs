//! Generations of a node: what was begun on it in one belongs to it alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use tokio::task::AbortHandle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::progress::Progress;

/// One stretch of a node's life in one role, on one history, reachable without a break.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    /// How far the node has come in it.
    pub(crate) progress: Progress,
    /// What `over` says, without its lock.
    is_over: AtomicBool,
    over: CancellationToken,
}

impl Generation {
    fn new(number: u64, progress: Progress) -> Self {
        Self {
            number,
            progress,
            is_over: AtomicBool::new(false),
            over: CancellationToken::new(),
        }
    }

    /// Whether a later one has begun.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits for `future`, but not past the end of the generation.
    pub(crate) async fn outlast<F: Future>(&self, future: F) -> Option<F::Output> {
        self.over.run_until_cancelled(future).await
    }

    /// Ends `driver` with the generation, so that whatever waits for an answer on its session is told,
    /// and no statement has to watch for the end itself. Until the handle is dropped.
    pub(super) fn ends(&self, driver: AbortHandle) -> AbortOnDropHandle<()> {
        let over = self.over.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            over.cancelled_owned().await;
            driver.abort();
        }))
    }
}

/// The present generation of a node. Clones are of the same node.
#[derive(Debug, Clone)]
pub(crate) struct Generations(Arc<ArcSwap<Generation>>);

impl Generations {
    pub(crate) fn new() -> Self {
        let first = Generation::new(0, Progress::default());
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    pub(crate) fn present(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.load().number
    }

    /// Begins the next one, of which `progress` is known: whoever waits for an answer of the last is
    /// told that none will come.
    pub(crate) fn begin(&self, progress: Progress) {
        let last = self.present();
        self.replace(&last, progress);
    }

    /// Ends the generation of that number, if it is the present one.
    pub(crate) fn end(&self, number: u64) {
        let present = self.present();
        if present.number == number {
            self.replace(&present, present.progress.same_history());
        }
    }

    /// Where somebody else was faster, theirs stands: the last one is over either way.
    fn replace(&self, last: &Arc<Generation>, progress: Progress) {
        let next = Arc::new(Generation::new(last.number + 1, progress));
        let _found = self.0.compare_and_swap(last, next);
        last.is_over.store(true, Ordering::Release);
        last.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::{Generations, Progress};

    #[tokio::test]
    async fn what_waits_ends_with_its_generation_and_later_ones_are_not_touched() {
        let generations = Generations::new();
        let first = generations.present();
        assert_eq!(first.outlast(async { 1 }).await, Some(1));
        generations.begin(Progress::default());
        assert_eq!(first.outlast(std::future::pending::<()>()).await, None);
        let second = generations.present();
        assert_eq!((first.number, second.number), (0, 1));
        generations.end(0);
        assert_eq!(generations.number(), 1, "what is over ends nothing");
        assert_eq!(second.outlast(async { 2 }).await, Some(2));
    }
}
