//! How many bytes may be read and not yet processed, over all workers of a
//! configuration.
//!
//! A reader borrows an [`Allowance`] before it reads, pays back what the
//! answer did not need, and the rest goes back when the batch is dropped. An
//! answer that is larger than its allowance is a debt, which later reads wait
//! for. No loan is larger than the budget, so a batch that is gets through as
//! soon as there is no other; and nobody who has a loan ever waits for one.

use std::sync::Arc;

use super::permits::Permits;
use crate::stop::Stop;

/// As much as the service gives in one answer, as far as is known.
const USUAL_ANSWER: usize = 4 << 20;

/// The bytes that may lie in memory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Permits>);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget(Arc::new(Permits::new(bytes)))
    }

    /// Waits until there is room for an answer; none when `closing` is fired.
    pub(crate) fn borrow(&self, allowance: &Allowance, closing: &Stop) -> Option<Loan> {
        let bytes = self.0.take(signed(allowance.bytes), closing)?;
        Some(self.loan(bytes))
    }

    /// Room for an answer, if there is some at once.
    pub(crate) fn try_borrow(&self, allowance: &Allowance) -> Option<Loan> {
        let bytes = self.0.try_take(signed(allowance.bytes))?;
        Some(self.loan(bytes))
    }

    fn loan(&self, bytes: i64) -> Loan {
        Loan {
            lender: self.0.clone(),
            bytes,
        }
    }
}

/// What one answer of a channel may need: as much as its largest so far.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: usize,
}

impl Allowance {
    pub(crate) fn new() -> Allowance {
        Allowance {
            bytes: USUAL_ANSWER,
        }
    }

    /// The channel got an answer of this size.
    pub(crate) fn learn(&mut self, bytes: usize) {
        self.bytes = self.bytes.max(bytes);
    }
}

/// Bytes of the budget, which go back when dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    lender: Arc<Permits>,
    bytes: i64,
}

impl Loan {
    /// The answer has come: the loan is for what it really takes.
    pub(crate) fn settle(&mut self, bytes: usize) {
        let bytes = signed(bytes);
        let unused = self.bytes - bytes;
        self.bytes = bytes;
        self.lender.give(unused);
    }

    /// Takes another loan of the same budget over.
    pub(crate) fn join(&mut self, mut other: Loan) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.bytes != 0 {
            self.lender.give(self.bytes);
        }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const MIB: usize = 1 << 20;

    fn in_use(budget: &Budget) -> usize {
        usize::try_from(budget.0.in_use()).expect("not less than none")
    }

    #[test]
    fn a_loan_is_settled_and_goes_back() {
        let budget = Budget::new(64 * MIB);
        let mut allowance = Allowance::new();
        // What an answer took, and what is borrowed for the next one.
        for (answer, next) in [(0, 4), (MIB, 4), (9 * MIB, 9), (5 * MIB, 9)] {
            let mut loan = budget.try_borrow(&allowance).expect("room");
            loan.settle(answer);
            allowance.learn(answer);
            assert_eq!(in_use(&budget), answer);
            drop(loan);
            assert_eq!(in_use(&budget), 0);
            assert_eq!(allowance.bytes, next * MIB);
        }
    }

    #[test]
    fn joined_loans_go_back_together() {
        let budget = Budget::new(64 * MIB);
        let mut first = budget.try_borrow(&Allowance::new()).expect("room");
        let mut second = budget.try_borrow(&Allowance::new()).expect("room");
        first.settle(2);
        second.settle(3);
        first.join(second);
        assert_eq!(in_use(&budget), 5);
        drop(first);
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn a_batch_larger_than_the_budget_gets_through_alone() {
        let budget = Budget::new(10);
        let closing = Stop::new();
        let mut loan = budget.borrow(&Allowance::new(), &closing).expect("all");
        loan.settle(1000);
        let mut allowance = Allowance::new();
        allowance.learn(8 * MIB);
        assert!(budget.try_borrow(&allowance).is_none());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.borrow(&allowance, &closing).expect("all"));
            while !budget.0.has_queue() {
                thread::yield_now();
            }
            drop(loan);
            let loan = waiter.join().expect("waiter");
            assert_eq!(in_use(&budget), 10);
            drop(loan);
        });
        assert_eq!(in_use(&budget), 0);
    }

    #[test]
    fn closing_ends_the_wait() {
        let budget = Budget::new(MIB);
        let closing = Stop::new();
        let _all = budget.try_borrow(&Allowance::new()).expect("room");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| budget.borrow(&Allowance::new(), &closing));
            closing.fire();
            assert!(waiter.join().expect("waiter").is_none());
        });
        assert_eq!(in_use(&budget), MIB);
    }
}
