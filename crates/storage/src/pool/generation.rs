//! Generations of a node: what was begun on it in one belongs to it alone.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

/// One stretch of a node's life in one role, on one history, reachable without a break.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    over: CancellationToken,
}

impl Generation {
    /// Waits for `future`, but not past the end of the generation.
    pub(crate) async fn outlast<F: Future>(&self, future: F) -> Option<F::Output> {
        self.over.run_until_cancelled(future).await
    }
}

/// The present generation of a node. Clones are of the same node.
#[derive(Debug, Clone)]
pub(crate) struct Generations(Arc<ArcSwap<Generation>>);

impl Generations {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Generation {
            number: 0,
            over: CancellationToken::new(),
        })))
    }

    pub(crate) fn present(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.load().number
    }

    /// Begins the next one: whoever waits for an answer of the last is told that none will come.
    pub(crate) fn advance(&self) {
        let last = self.0.rcu(|last| Generation {
            number: last.number + 1,
            over: CancellationToken::new(),
        });
        last.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::Generations;

    #[tokio::test]
    async fn what_waits_ends_with_its_generation_and_later_ones_are_not_touched() {
        let generations = Generations::new();
        let first = generations.present();
        assert_eq!(first.outlast(async { 1 }).await, Some(1));
        generations.advance();
        assert_eq!(first.outlast(std::future::pending::<()>()).await, None);
        let second = generations.present();
        assert_eq!((first.number, second.number), (0, 1));
        assert_eq!(second.outlast(async { 2 }).await, Some(2));
    }
}
