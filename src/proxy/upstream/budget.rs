//! How many requests may be sent a second time.
//!
//! Requests that are sent again when an upstream breaks are what an upstream that breaks under its load needs least: without a bound they
//! double it.

use std::cell::Cell;

/// What a request adds, and what one that is sent again takes: a fifth of all may be.
const DEPOSIT: u32 = 1;
const COST: u32 = 5;
/// As many may be at once after a while without any.
const MOST: u32 = 10 * COST;

/// A thread's budget for one upstream.
#[derive(Debug)]
pub(super) struct RetryBudget(Cell<u32>);

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self(Cell::new(MOST))
    }

    /// A request begins.
    pub(super) fn deposit(&self) {
        self.0.set((self.0.get() + DEPOSIT).min(MOST));
    }

    /// Whether one may be sent again, which is counted.
    pub(super) fn withdraw(&self) -> bool {
        let left = self.0.get().checked_sub(COST);
        self.0.set(left.unwrap_or(self.0.get()));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_may_be_sent_again_and_ten_at_once() {
        let budget = RetryBudget::new();
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
        let mut again = 0;
        for _ in 0..100 {
            budget.deposit();
            again += u32::from(budget.withdraw());
        }
        assert_eq!(again, 20);
        (0..1000).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
    }
}
