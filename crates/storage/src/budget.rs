//! The retry budget: repeats are a part of all traffic, so that a fault is not multiplied by them.
//!
//! Each operation puts a tenth of a repeat into the account, each repeat takes a whole one out, and
//! the account holds a few from the start ("retry budget", as in Finagle).

use std::sync::atomic::{AtomicI64, Ordering};

/// What a repeat costs; an operation deposits one.
const PRICE: i64 = 10;
/// Repeats that are there from the start, and the most that can be saved.
const RESERVE: i64 = 20;
const MOST: i64 = 100;

/// The account of one cluster.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicI64);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicI64::new(RESERVE * PRICE))
    }
}

impl RetryBudget {
    /// An operation begins.
    pub(crate) fn deposit(&self) {
        if self.0.load(Ordering::Relaxed) < MOST * PRICE {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it may be repeated; takes the repeat out if so.
    pub(crate) fn withdraw(&self) -> bool {
        let take = |balance: i64| (balance >= PRICE).then(|| balance - PRICE);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, RESERVE, RetryBudget};

    fn withdrawals(budget: &RetryBudget) -> i64 {
        let mut count = 0;
        while budget.withdraw() {
            count += 1;
        }
        count
    }

    #[test]
    fn in_the_long_run_repeats_are_a_tenth_of_the_traffic() {
        let budget = RetryBudget::default();
        assert_eq!(withdrawals(&budget), RESERVE);
        (0..500).for_each(|_| budget.deposit());
        assert_eq!(withdrawals(&budget), 50);
    }

    #[test]
    fn quiet_times_save_up_to_a_limit() {
        let budget = RetryBudget::default();
        (0..100_000).for_each(|_| budget.deposit());
        assert_eq!(withdrawals(&budget), MOST);
    }
}
