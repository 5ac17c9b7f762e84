//! Who may start: the one rule that decisions, the forecast's waves and simulated schedules share.
//!
//! The frontier holds ready tasks, locks and reservations. It knows no clock, and it does not know what makes a task ready: its
//! users say so. Ready tasks go in the order of the rank. One whose locks are busy holds back nobody behind it, but when others
//! were given its locks too often, they are reserved for it.

use crate::dense::{BitSet, CowVec};
use crate::graph::Ix;
use crate::lock::{Claim, Hold, LockBlock, LockTable};
use crate::plan::Plan;
use crate::policy::{Policy, Unlabelled};
use crate::rank::Order;

/// What a frontier looks up in all that it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub plan: &'a Plan,
    pub policy: &'a Policy,
    pub order: &'a Order,
}

impl<'a> Rules<'a> {
    /// What the task at `at` takes when it starts.
    pub(crate) fn claim(&self, at: Ix) -> Claim<'a> {
        let groups = self.plan.holds_of(at);
        if groups.is_empty() && self.policy.unlabelled == Unlabelled::Alone {
            Claim::Alone
        } else {
            Claim::Groups(groups)
        }
    }
}

/// Ready tasks, and who holds which locks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Frontier {
    /// By their place in the order.
    ready: BitSet,
    locks: LockTable,
    /// How often a ready task was passed over for its locks.
    passes: CowVec<u32>,
    /// Those that were passed over more often than patience lasts, by their place in the order.
    impatient: BitSet,
}

impl Frontier {
    /// Nothing is ready and nothing is held.
    pub(crate) fn new(plan: &Plan) -> Frontier {
        Frontier {
            ready: BitSet::new(plan.tasks().len()),
            locks: LockTable::new(plan.capacities()),
            passes: std::iter::repeat_n(0, plan.tasks().len()).collect(),
            impatient: BitSet::new(plan.tasks().len()),
        }
    }

    /// The same after a change of the plan that kept the places of its tasks: `active` hold their locks, passes are kept. What is
    /// ready, and for whom something stays reserved, is for the caller to say.
    pub(crate) fn anew(&self, rules: Rules<'_>, active: impl Iterator<Item = Ix>) -> Frontier {
        let mut fresh = Frontier::new(rules.plan);
        for (at, &passes) in rules.plan.all().zip(self.passes.iter()) {
            if passes > 0 {
                *fresh.passes.get_mut(at) = passes;
                let over = passes > rules.policy.lock_patience;
                fresh.impatient.set(rules.order.place(at), over);
            }
        }
        for at in active {
            fresh.locks.take(at, rules.claim(at));
        }
        fresh
    }

    /// Ready tasks, best first.
    pub(crate) fn ready<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = Ix> + 'a {
        self.ready.iter().map(|place| order.at(place))
    }

    pub(crate) fn nobody_is_ready(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn is_ready(&self, order: &Order, at: Ix) -> bool {
        self.ready.contains(order.place(at))
    }

    /// Says whether a task is ready. One that is not has no passes and no reservation.
    pub(crate) fn set_ready(&mut self, order: &Order, at: Ix, ready: bool) {
        self.ready.set(order.place(at), ready);
        if !ready && *self.passes.get(at) > 0 {
            *self.passes.get_mut(at) = 0;
            self.impatient.set(order.place(at), false);
            self.locks.unreserve(at);
        }
    }

    /// The best ready task whose locks are free, when fewer than `width` tasks are active.
    pub(crate) fn next(&self, rules: Rules<'_>, width: u16) -> Option<Ix> {
        self.next_of(rules, width, |_| true)
    }

    /// [`Frontier::next`] among those that `may`.
    pub(crate) fn next_of(
        &self,
        rules: Rules<'_>,
        width: u16,
        may: impl Fn(Ix) -> bool,
    ) -> Option<Ix> {
        if self.locks.active() >= u32::from(width) {
            return None;
        }
        let mut ready = self.ready(rules.order);
        ready.find(|&at| self.locks.is_free(at, rules.claim(at)) && may(at))
    }

    /// What keeps a task from its locks.
    pub(crate) fn block(&self, rules: Rules<'_>, at: Ix) -> Option<LockBlock> {
        self.locks.block(at, rules.claim(at))
    }

    /// A task takes its locks. Ready tasks before it that want one of them were passed over.
    pub(crate) fn start(&mut self, rules: Rules<'_>, at: Ix) {
        let place = rules.order.place(at);
        let mine = rules.plan.holds_of(at);
        let by_itself = mine.is_empty() && rules.policy.unlabelled == Unlabelled::Free;
        let place = if by_itself { 0 } else { place };
        for before in self.ready.iter().take_while(|&before| before < place) {
            let other = rules.order.at(before);
            let wants = rules.plan.holds_of(other);
            let shares = |hold: &Hold| mine.iter().any(|other| other.group == hold.group);
            if wants.is_empty() || wants.iter().any(shares) {
                let passes = self.passes.get_mut(other);
                *passes += 1;
                if *passes > rules.policy.lock_patience {
                    self.impatient.set(before, true);
                }
            }
        }
        self.locks.take(at, rules.claim(at));
        self.set_ready(rules.order, at, false);
    }

    /// [`Frontier::next`], which starts, and then the reservation that this may call for.
    pub(crate) fn start_next(&mut self, rules: Rules<'_>, width: u16) -> Option<Ix> {
        let at = self.next(rules, width)?;
        self.start(rules, at);
        if let Some(waiting) = self.impatient(rules, |_| true) {
            self.reserve(rules, waiting);
        }
        Some(at)
    }

    /// A task gives back what it took.
    pub(crate) fn end(&mut self, rules: Rules<'_>, at: Ix) {
        self.locks.release(at, rules.claim(at));
    }

    /// The best task that was passed over more often than patience lasts, can have its locks reserved, and `may`.
    pub(crate) fn impatient(&self, rules: Rules<'_>, may: impl Fn(Ix) -> bool) -> Option<Ix> {
        let mut waited = self.impatient.iter().map(|place| rules.order.at(place));
        waited.find(|&at| self.locks.can_reserve(at, rules.claim(at)) && may(at))
    }

    /// The locks of a task are nobody's again.
    pub(crate) fn unreserve(&mut self, at: Ix) {
        self.locks.unreserve(at);
    }

    /// Keeps the locks of a task for it.
    pub(crate) fn reserve(&mut self, rules: Rules<'_>, at: Ix) {
        self.locks.reserve(at, rules.claim(at));
    }

    /// For whom something is reserved.
    pub(crate) fn reservations(&self) -> Vec<Ix> {
        self.locks.reservations()
    }

    /// Whether the locks of a ready task could be reserved for it.
    pub(crate) fn can_reserve(&self, rules: Rules<'_>, at: Ix) -> bool {
        self.is_ready(rules.order, at) && self.locks.can_reserve(at, rules.claim(at))
    }
}

#[cfg(test)]
#[path = "frontier_test.rs"]
mod tests;
