//! The order of tasks that promises the shortest run: several orders are tried on paper with the estimates, and the best is kept.
//!
//! Integers and a fixed sequence of numbers only: the same plan gives the same order on every machine. Nothing here knows what has
//! been run; what is done has no minutes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::Ix;
use crate::plan::Plan;
use crate::policy::{Policy, Unlabelled};

/// Steps on paper that a plan may cost: a few milliseconds at most. Large plans get fewer trials, the largest none.
const STEP_BUDGET: usize = 1_000_000;
const MOST_TRIALS: usize = 200;
/// How often queues at lock groups lengthen the paths that lead to them.
const QUEUE_ROUNDS: usize = 3;
/// A trial changes each measure by at most this many thousandths, beginning with the smaller ones.
const SPREADS: [u64; 4] = [100, 300, 600, 1000];

/// A measure for each task, by place: the larger, the sooner it should start.
#[must_use]
pub(crate) fn measures(plan: &Plan, policy: &Policy, weights: &[u64]) -> Vec<u64> {
    let path = plan.graph().longest_path_from(weights);
    let queued = tails_with_queues(plan, policy, weights);
    let paper = Paper::new(plan, policy, weights);
    let mut best = (paper.makespan(&queued), queued.clone());
    for candidate in [with_lock_load(plan, weights, &queued), path] {
        keep_better(&paper, &mut best, candidate);
    }
    let open = weights.iter().filter(|&&minutes| minutes > 0).count();
    let trials = (STEP_BUDGET / (open * open).max(1)).min(MOST_TRIALS);
    let mut noise = Noise(0x6d65_7368);
    for trial in 0..trials {
        if best.0 <= paper.bound {
            break;
        }
        let spread = SPREADS[trial % SPREADS.len()];
        let from = if trial % 2 == 0 { &best.1 } else { &queued };
        let candidate = from
            .iter()
            .map(|&measure| noise.shift(measure, spread))
            .collect();
        keep_better(&paper, &mut best, candidate);
    }
    best.1
}

fn keep_better(paper: &Paper<'_>, best: &mut (u64, Vec<u64>), candidate: Vec<u64>) {
    let makespan = paper.makespan(&candidate);
    if makespan < best.0 {
        *best = (makespan, candidate);
    }
}

/// For each task a time, in minutes, that the run still takes from its start on: the longest path, where a task that holds a lock
/// group is followed by all that queue for the same group behind it, those with the longest rest first.
fn tails_with_queues(plan: &Plan, policy: &Policy, weights: &[u64]) -> Vec<u64> {
    let mut queues: Vec<Vec<Ix>> = vec![Vec::new(); plan.groups().len()];
    let mut alone = Vec::new();
    for at in plan.all().filter(|at| weights[at.at()] > 0) {
        for &group in plan.groups_of(at) {
            queues[group as usize].push(at);
        }
        if plan.groups_of(at).is_empty() && policy.unlabelled == Unlabelled::Alone {
            alone.push(at);
        }
    }
    queues.push(alone);
    let mut tails = plan.graph().longest_path_from(weights);
    for _ in 0..QUEUE_ROUNDS {
        let mut least = tails.clone();
        for queue in &mut queues {
            queue.sort_by_key(|at| (tails[at.at()].saturating_sub(weights[at.at()]), at.0));
            let mut rest = 0_u64;
            // From the last of the queue to the first.
            for at in queue.iter().map(|at| at.at()) {
                rest = rest.saturating_add(weights[at]).max(tails[at]);
                least[at] = least[at].max(rest);
            }
        }
        tails = longest_path_over(plan, weights, &least);
    }
    tails
}

/// Longest path in which every task counts as at least `least` to the end.
fn longest_path_over(plan: &Plan, weights: &[u64], least: &[u64]) -> Vec<u64> {
    let graph = plan.graph();
    let mut longest = vec![0_u64; graph.len()];
    for &at in graph.order().iter().rev() {
        let rest = graph.dependents(at).iter().map(|other| longest[other.at()]);
        let path = rest.max().unwrap_or(0).saturating_add(weights[at.at()]);
        longest[at.at()] = path.max(least[at.at()]);
    }
    longest
}

/// Adds to each measure the work that shares a lock group with the task: who holds much back goes early.
fn with_lock_load(plan: &Plan, weights: &[u64], measures: &[u64]) -> Vec<u64> {
    let mut load = vec![0_u64; plan.groups().len()];
    for at in plan.all() {
        for &group in plan.groups_of(at) {
            load[group as usize] += weights[at.at()];
        }
    }
    let shared = |at: Ix| {
        plan.groups_of(at)
            .iter()
            .map(|&group| load[group as usize])
            .sum::<u64>()
    };
    plan.all()
        .map(|at| measures[at.at()].saturating_add(shared(at) / 2))
        .collect()
}

/// A plan on paper: how long it would take when everything goes as estimated.
struct Paper<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    weights: &'a [u64],
    /// No order can beat this.
    bound: u64,
}

impl<'a> Paper<'a> {
    fn new(plan: &'a Plan, policy: &'a Policy, weights: &'a [u64]) -> Paper<'a> {
        let bound = crate::forecast::bounds(plan, policy.concurrency, weights).lower_bound;
        Paper {
            plan,
            policy,
            weights,
            bound,
        }
    }

    /// How long the run takes when whoever may start starts, largest measure first, and nobody is passed over more often for its
    /// locks than the policy has patience.
    fn makespan(&self, measures: &[u64]) -> u64 {
        let count = measures.len();
        let graph = self.plan.graph();
        let mut waiting: Vec<Ix> = self.plan.all().collect();
        waiting.sort_by_key(|at| (Reverse(measures[at.at()]), at.0));
        let mut open: Vec<usize> = self.plan.all().map(|at| graph.needs(at).len()).collect();
        let mut desk = Desk {
            held: vec![false; self.plan.groups().len()],
            kept: vec![None; self.plan.groups().len()],
            passes: vec![0; count],
            running: BinaryHeap::new(),
            alone: false,
        };
        let mut now = 0;
        loop {
            self.start_all(&mut desk, &mut waiting, &open, now);
            let Some(Reverse((ended, at))) = desk.running.pop() else {
                return now;
            };
            now = ended;
            if self.runs(at) {
                desk.alone = false;
                for &group in self.plan.groups_of(at) {
                    desk.held[group as usize] = false;
                }
            }
            for dependent in graph.dependents(at) {
                open[dependent.at()] -= 1;
            }
        }
    }

    fn runs(&self, at: Ix) -> bool {
        self.weights[at.at()] > 0
    }

    fn start_all(&self, desk: &mut Desk, waiting: &mut Vec<Ix>, open: &[usize], now: u64) {
        let mut passed: Vec<Ix> = Vec::new();
        let busy = |desk: &Desk| {
            desk.running
                .iter()
                .filter(|Reverse((_, at))| self.runs(*at))
                .count()
        };
        let mut active = busy(desk);
        waiting.retain(|&at| {
            if open[at.at()] > 0 {
                return true;
            }
            if !self.runs(at) {
                desk.running.push(Reverse((now, at)));
                return false;
            }
            let groups = self.plan.groups_of(at);
            let alone = groups.is_empty() && self.policy.unlabelled == Unlabelled::Alone;
            let mine = |group: &u32| {
                !desk.held[*group as usize] && desk.kept[*group as usize].is_none_or(|by| by == at)
            };
            if active >= usize::from(self.policy.concurrency) {
                return true;
            }
            if desk.alone || alone && active > 0 || !groups.iter().all(mine) {
                passed.push(at);
                return true;
            }
            active += 1;
            desk.alone = alone;
            desk.running
                .push(Reverse((now + self.weights[at.at()], at)));
            for &group in groups {
                desk.held[group as usize] = true;
                desk.kept[group as usize] = None;
            }
            desk.pass_over(self, &passed, groups);
            false
        });
    }
}

struct Desk {
    held: Vec<bool>,
    kept: Vec<Option<Ix>>,
    passes: Vec<u32>,
    running: BinaryHeap<Reverse<(u64, Ix)>>,
    alone: bool,
}

impl Desk {
    /// Somebody took `groups` before those in `passed`; the first whose patience is over has its groups kept for it.
    fn pass_over(&mut self, paper: &Paper<'_>, passed: &[Ix], groups: &[u32]) {
        for &at in passed {
            if paper
                .plan
                .groups_of(at)
                .iter()
                .any(|group| groups.contains(group))
            {
                self.passes[at.at()] += 1;
            }
        }
        let impatient = |at: &&Ix| {
            self.passes[at.at()] > paper.policy.lock_patience
                && paper
                    .plan
                    .groups_of(**at)
                    .iter()
                    .all(|&group| self.kept[group as usize].is_none())
        };
        if let Some(&at) = passed.iter().find(impatient) {
            for &group in paper.plan.groups_of(at) {
                self.kept[group as usize] = Some(at);
            }
        }
    }
}

/// A fixed sequence of numbers (splitmix64).
struct Noise(u64);

impl Noise {
    /// `measure`, changed by at most `spread` thousandths.
    fn shift(&mut self, measure: u64, spread: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let roll = (z ^ (z >> 31)) % (2 * spread + 1);
        measure
            .saturating_mul(1000 + roll)
            .saturating_sub(measure.saturating_mul(spread))
    }
}

#[cfg(test)]
#[path = "shortest_test.rs"]
mod tests;
