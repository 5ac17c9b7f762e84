//! The total order of a plan's tasks. Integers only, so that it is the same on every machine.

use std::cmp::{Ordering, Reverse};

use crate::graph::Ix;
use crate::plan::Plan;
use crate::policy::{Policy, Rank};
use crate::shortest;

/// Every task of a plan, best first, with the figures the order was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking {
    order: Vec<Ix>,
    place: Vec<u32>,
    path_minutes: Vec<u64>,
    unlocks: Vec<u32>,
}

impl Ranking {
    /// Ranks all tasks of `plan` under `policy`.
    #[must_use]
    pub fn new(plan: &Plan, policy: &Policy) -> Ranking {
        let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
        let counted: Vec<bool> = weights.iter().map(|&minutes| minutes > 0).collect();
        let path_minutes = plan.graph().longest_path_from(&weights);
        let unlocks = plan.graph().transitive_dependents(&counted);
        let measures = match policy.rank {
            Rank::Default => Vec::new(),
            Rank::Makespan => shortest::measures(plan, policy, &weights),
        };
        let picked = |at: Ix| {
            policy
                .picks
                .iter()
                .position(|id| *id == plan.task(at).id)
                .unwrap_or(usize::MAX)
        };
        let mut order: Vec<Ix> = plan.all().collect();
        let key = |at: Ix| {
            let task = plan.task(at);
            let urgency = match policy.rank {
                Rank::Default => {
                    let path = Reverse(path_minutes[at.at()]);
                    (i64::from(task.priority), path, 0)
                }
                Rank::Makespan => (0, Reverse(measures[at.at()]), i64::from(task.priority)),
            };
            (
                picked(at),
                urgency,
                Reverse(unlocks[at.at()]),
                !task.checkpoint,
                task.tie,
            )
        };
        order.sort_by_cached_key(|&at| {
            (key(at), NaturalOrder(plan.task(at).id.as_str().to_owned()))
        });
        let mut place = vec![0_u32; order.len()];
        for (rank, at) in (0_u32..).zip(&order) {
            place[at.at()] = rank;
        }
        Ranking {
            order,
            place,
            path_minutes,
            unlocks,
        }
    }

    /// Tasks, best first.
    #[must_use]
    pub fn order(&self) -> &[Ix] {
        &self.order
    }

    /// The task at a place of the order.
    #[must_use]
    pub fn at(&self, place: u32) -> Ix {
        self.order[place as usize]
    }

    /// Place of a task in the order; 0 is best.
    #[must_use]
    pub fn place(&self, at: Ix) -> u32 {
        self.place[at.at()]
    }

    /// Longest path from a task to the end of the plan, itself included, in minutes.
    #[must_use]
    pub fn path_minutes(&self, at: Ix) -> u64 {
        self.path_minutes[at.at()]
    }

    /// How many open tasks wait for a task, directly or not.
    #[must_use]
    pub fn unlocks(&self, at: Ix) -> u32 {
        self.unlocks[at.at()]
    }
}

/// Text in the order people expect: `t-2` before `t-10`.
#[derive(Debug, PartialEq, Eq)]
struct NaturalOrder(String);

impl PartialOrd for NaturalOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NaturalOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_cmp(&self.0, &other.0)
    }
}

/// Compares runs of digits as numbers and everything else by character. Equal only for equal text.
#[must_use]
pub fn natural_cmp(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len()).then_with(|| left.cmp(right));
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, rest_a) = take_digits(a);
            let (n, rest_b) = take_digits(b);
            // Without leading zeros the longer number is the larger one, however long it is.
            let (m, n) = (m.trim_start_matches('0'), n.trim_start_matches('0'));
            match m.len().cmp(&n.len()).then_with(|| m.cmp(n)) {
                Ordering::Equal => (a, b) = (rest_a, rest_b),
                unequal => return unequal,
            }
        } else if x == y {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        } else {
            return x.cmp(&y);
        }
    }
}

fn take_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

#[cfg(test)]
#[path = "rank_test.rs"]
mod tests;
