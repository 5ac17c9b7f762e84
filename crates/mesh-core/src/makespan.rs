//! The order of tasks that promises the shortest run, found from the estimates.
//!
//! The first schedules follow the longest paths, with and without the queues at lock groups. The best of them is justified (its
//! tasks are scheduled from its end backward and forward again) and then improved by tabu search over its critical path. Every
//! schedule that counts is one that the frontier makes of an order, so that the run does the same when the estimates hold.
//!
//! Integers and a fixed sequence of numbers only: the same plan gives the same order on every machine, and the work is bounded in
//! steps. Nothing here knows what has been run; what is done has no minutes.

use std::cmp::Reverse;

use crate::disjunctive::{Disjunctive, Swap};
use crate::graph::Ix;
use crate::lock::Hold;
use crate::plan::Plan;
use crate::policy::{Policy, Unlabelled};
use crate::rank::Order;
use crate::schedule_sim::{Direction, Schedule, ScheduleSim};
use crate::split_mix::SplitMix64;

/// How often queues at lock groups lengthen the paths that lead to them.
const QUEUE_ROUNDS: usize = 3;
/// A schedule that costs more than this is given up, as in a very large plan in which very many tasks wait for the same locks.
const MOST_STEPS: u64 = 10_000_000;
/// How often a schedule is justified at most.
const JUSTIFICATIONS: usize = 4;
/// Swaps in a row without a shorter critical path, after which the search begins again elsewhere.
const PATIENCE: usize = 1500;
/// How many schedules are drawn before the search begins again at the best of them, and by how many thousandths their measures
/// differ at most.
const SAMPLES: usize = 40;
const SPREADS: [u64; 4] = [100, 300, 600, 1000];
/// How many swaps a swap stays forbidden: this many, and up to as many again.
const TENURE: u64 = 8;
/// A machine sequence becomes a schedule when its critical path is at most this many thousandths longer than the shortest seen.
const WORTH_A_SCHEDULE: u64 = 20;

/// The order of the best schedule found within about `steps` looks at a task, and when each task starts in it (nothing when every
/// schedule was given up). No task is before what it needs. `equals` is such an order too; it decides among tasks that are equal
/// otherwise.
#[must_use]
pub(crate) fn order(
    plan: &Plan,
    policy: &Policy,
    weights: &[u64],
    equals: &[Ix],
    steps: u64,
) -> (Vec<Ix>, Vec<u64>) {
    let sim = ScheduleSim::new(plan, policy, weights);
    let queued = tails_with_queues(plan, policy, weights);
    let mut search = Search::new(sim, equals, &queued, steps);
    let path = plan.graph().longest_path_from(weights);
    for priorities in [&with_lock_load(plan, weights, &queued), &path] {
        search.try_order(search.largest_first(priorities));
    }
    search.justify();
    search.improve(&queued);
    let starts = if search.best.makespan < u64::MAX {
        search.best.starts
    } else {
        Vec::new()
    };
    (search.best_order.tasks().to_vec(), starts)
}

/// The best schedule so far, and what may still be spent on a better one.
struct Search<'a> {
    sim: ScheduleSim<'a>,
    equals: &'a [Ix],
    best: Schedule,
    best_order: Order,
    steps: u64,
}

impl<'a> Search<'a> {
    /// Begins with the better of two orders, whatever they cost: that of `priorities`, or else `equals`.
    fn new(sim: ScheduleSim<'a>, equals: &'a [Ix], priorities: &[u64], steps: u64) -> Search<'a> {
        let orders = [
            largest_first(sim.plan, equals, priorities),
            Order::new(equals.to_vec()),
        ];
        let [first, second] = orders
            .each_ref()
            .map(|order| sim.schedule(order, Direction::Forward, MOST_STEPS));
        let steps = steps.saturating_sub(first.steps + second.steps);
        let [measured, given] = orders;
        // When both are given up, nothing speaks against the order that was there before.
        let (best, best_order) = if first.makespan <= second.makespan && first.makespan < u64::MAX {
            (first, measured)
        } else {
            (second, given)
        };
        Search {
            sim,
            equals,
            best,
            best_order,
            steps,
        }
    }

    fn largest_first(&self, priorities: &[u64]) -> Order {
        largest_first(self.sim.plan, self.equals, priorities)
    }

    /// Whether nothing is left to spend or to gain.
    fn is_over(&self) -> bool {
        self.steps == 0 || self.best.makespan <= self.sim.bound
    }

    fn schedule(&mut self, order: &Order, direction: Direction) -> Schedule {
        let schedule = self.sim.schedule(order, direction, MOST_STEPS);
        self.steps = self.steps.saturating_sub(schedule.steps);
        schedule
    }

    /// The schedule of an order, if there is something left to spend; the best is kept.
    fn try_order(&mut self, order: Order) -> Option<Schedule> {
        if self.is_over() {
            return None;
        }
        let schedule = self.schedule(&order, Direction::Forward);
        if schedule.makespan < self.best.makespan {
            (self.best, self.best_order) = (schedule.clone(), order);
        }
        Some(schedule)
    }

    /// Justification: a schedule of the reversed plan, those that end last first, and then of the plan again in the order that
    /// this gives. It closes gaps as long as it does.
    fn justify(&mut self) {
        for _ in 0..JUSTIFICATIONS {
            if self.is_over() || self.best.makespan == u64::MAX {
                return;
            }
            let before = self.best.makespan;
            let ends = self.sim.ends(&self.best);
            let mut last_first: Vec<Ix> = self.equals.iter().rev().copied().collect();
            last_first.sort_by_key(|at| Reverse(ends[at.index()]));
            let backward = self.schedule(&Order::new(last_first), Direction::Backward);
            let ends = self.sim.ends(&backward);
            self.try_order(self.largest_first(&ends));
            if self.best.makespan == before {
                return;
            }
        }
    }

    /// By turns, tabu search from the best schedule and from the best of some that are drawn around it or around `queued`.
    fn improve(&mut self, queued: &[u64]) {
        let mut split_mix = SplitMix64::new();
        let mut from = self.best.clone();
        while !self.is_over() && from.makespan < u64::MAX {
            if let Some(mut graph) = Disjunctive::of(&self.sim, &from) {
                self.swap_on_critical_paths(&mut graph, &mut split_mix);
            }
            from = self.sample(queued, &mut split_mix);
        }
    }

    /// The best of some schedules, each of measures that are drawn around those of the best schedule or around `queued`.
    fn sample(&mut self, queued: &[u64], split_mix: &mut SplitMix64) -> Schedule {
        let rests: Vec<u64> = {
            let starts = self.best.starts.iter();
            starts
                .map(|start| self.best.makespan.saturating_sub(*start))
                .collect()
        };
        let mut found = None::<Schedule>;
        for trial in 0..SAMPLES {
            let spread = SPREADS[trial % SPREADS.len()];
            let around = if trial % 2 == 0 { &rests } else { queued };
            let drawn = around
                .iter()
                .map(|&measure| split_mix.shift(measure, spread));
            let order = self.largest_first(&drawn.collect::<Vec<u64>>());
            let Some(schedule) = self.try_order(order) else {
                break;
            };
            if found
                .as_ref()
                .is_none_or(|best| schedule.makespan < best.makespan)
            {
                found = Some(schedule);
            }
        }
        found.unwrap_or_else(|| self.best.clone())
    }

    /// Tabu search: tasks that follow each other in a lock group or a slot, on the critical path, change places, the most
    /// promising first, until nothing has become shorter for long. Sequences with a short critical path become schedules.
    fn swap_on_critical_paths(&mut self, graph: &mut Disjunctive<'_>, split_mix: &mut SplitMix64) {
        let mut forbidden: Vec<(Swap, u64)> = Vec::new();
        let (mut makespan, mut idle) = (graph.length(), 0);
        for turn in 0_u64.. {
            self.steps = self.steps.saturating_sub(graph.cost());
            if idle > PATIENCE || self.is_over() {
                break;
            }
            forbidden.retain(|(_, until)| *until > turn);
            let path = graph.critical_path(split_mix);
            let is_free = |swap: &Swap| forbidden.iter().all(|(other, _)| other != swap);
            let Some(swap) = graph.best_swap(&path, makespan, is_free, split_mix) else {
                break;
            };
            let until = turn + TENURE + split_mix.below(TENURE);
            forbidden.push((swap.reversed(), until));
            if !graph.swap(swap) {
                continue;
            }
            let length = graph.length();
            idle = if length < makespan { 0 } else { idle + 1 };
            makespan = makespan.min(length);
            let promising = length <= makespan + makespan * WORTH_A_SCHEDULE / 1000
                && length < self.best.makespan
                && (idle == 0 || turn % 4 == 0);
            if promising {
                let mut tasks = self.equals.to_vec();
                tasks.sort_by_key(|at| graph.heads()[at.index()]);
                self.try_order(Order::new(tasks));
            }
        }
    }
}

/// The tasks with the largest measures first, equal ones by `equals`. What a task needs counts at least as much as the task.
fn largest_first(plan: &Plan, equals: &[Ix], priorities: &[u64]) -> Order {
    let mut inherited = priorities.to_vec();
    let mut tasks = equals.to_vec();
    for &at in tasks.iter().rev() {
        let dependents = plan.graph().dependents(at).iter();
        let most = dependents.map(|other| inherited[other.index()]).max();
        inherited[at.index()] = inherited[at.index()].max(most.unwrap_or(0));
    }
    tasks.sort_by_key(|at| Reverse(inherited[at.index()]));
    Order::new(tasks)
}

/// For each task a time, in minutes, that the run still takes from its start on: the longest path, where a task that holds a lock
/// group is followed by all that queue for the same group behind it, those with the longest rest first.
fn tails_with_queues(plan: &Plan, policy: &Policy, weights: &[u64]) -> Vec<u64> {
    // Each task with what it takes of the group's time.
    let mut queues: Vec<Vec<(Ix, u64)>> = vec![Vec::new(); plan.groups().len()];
    let mut alone = Vec::new();
    for at in plan.all().filter(|at| weights[at.index()] > 0) {
        for hold in plan.holds_of(at) {
            queues[hold.group as usize].push((at, share(plan, *hold, weights[at.index()])));
        }
        if plan.holds_of(at).is_empty() && policy.unlabelled == Unlabelled::Alone {
            alone.push((at, weights[at.index()]));
        }
    }
    queues.push(alone);
    let mut tails = plan.graph().longest_path_from(weights);
    for _ in 0..QUEUE_ROUNDS {
        let mut least = tails.clone();
        for queue in &mut queues {
            queue.sort_by_key(|(at, _)| {
                (tails[at.index()].saturating_sub(weights[at.index()]), at.0)
            });
            let mut rest = 0_u64;
            // From the last of the queue to the first.
            for (at, share) in queue.iter().map(|(at, share)| (at.index(), *share)) {
                rest = rest.saturating_add(share).max(tails[at]);
                least[at] = least[at].max(rest);
            }
        }
        tails = longest_path_over(plan, weights, &least);
    }
    tails
}

/// How long a task keeps a lock group from others, as if the group were used by one after the other.
fn share(plan: &Plan, hold: Hold, minutes: u64) -> u64 {
    let capacity = plan.capacities()[hold.group as usize];
    (minutes * u64::from(hold.units)).div_ceil(u64::from(capacity))
}

/// Longest path in which every task counts as at least `least` to the end.
fn longest_path_over(plan: &Plan, weights: &[u64], least: &[u64]) -> Vec<u64> {
    let graph = plan.graph();
    let mut longest = vec![0_u64; graph.len()];
    for &at in graph.order().iter().rev() {
        let rest = graph
            .dependents(at)
            .iter()
            .map(|other| longest[other.index()]);
        let path = rest.max().unwrap_or(0).saturating_add(weights[at.index()]);
        longest[at.index()] = path.max(least[at.index()]);
    }
    longest
}

/// Adds to each measure the work that shares a lock group with the task: who holds much back goes early.
fn with_lock_load(plan: &Plan, weights: &[u64], priorities: &[u64]) -> Vec<u64> {
    let mut load = vec![0_u64; plan.groups().len()];
    for at in plan.all() {
        for hold in plan.holds_of(at) {
            load[hold.group as usize] += share(plan, *hold, weights[at.index()]);
        }
    }
    let shared = |at: Ix| {
        plan.groups_of(at)
            .map(|group| load[group as usize])
            .sum::<u64>()
    };
    plan.all()
        .map(|at| priorities[at.index()].saturating_add(shared(at) / 2))
        .collect()
}

#[cfg(test)]
#[path = "makespan_test.rs"]
mod tests;
