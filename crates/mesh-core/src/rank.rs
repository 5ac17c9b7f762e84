//! The total order of a plan's tasks. Integers only, so that it is the same on every machine.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::graph::Ix;
use crate::makespan;
use crate::plan::Plan;
use crate::policy::{Policy, Rank};
use crate::task::Eligibility;

/// What a search for the shortest run may cost at most, in looks at a task: some 20 ms. A plan of few open tasks gets less, as much
/// as it can use: this many steps for each pair.
const SEARCH_STEPS: u64 = 1_500_000;
const SEARCH_STEPS_A_PAIR: u64 = 150;

/// Tasks in an order, and the place of each in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    tasks: Vec<Ix>,
    place: Vec<u32>,
}

impl Order {
    /// The order of `tasks`, which are all of a plan.
    #[must_use]
    pub(crate) fn new(tasks: Vec<Ix>) -> Order {
        let mut place = vec![0_u32; tasks.len()];
        for (rank, at) in (0_u32..).zip(&tasks) {
            place[at.index()] = rank;
        }
        Order { tasks, place }
    }

    /// All tasks, best first.
    #[must_use]
    pub fn tasks(&self) -> &[Ix] {
        &self.tasks
    }

    /// The task at a place of the order.
    #[must_use]
    pub fn at(&self, place: u32) -> Ix {
        self.tasks[place as usize]
    }

    /// Place of a task in the order; 0 is best.
    #[must_use]
    pub fn place(&self, at: Ix) -> u32 {
        self.place[at.index()]
    }
}

/// Every task of a plan, best first, with the figures the order was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking {
    order: Order,
    path_minutes: Vec<u64>,
    unlocks: Vec<u32>,
    mean_minutes: u64,
    found: Option<Found>,
}

/// What a search for the shortest run found, and the minutes of each task that it went by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    weights: Vec<u64>,
    order: Vec<Ix>,
    /// When each task starts in that run, by place; empty when there are too many to say.
    starts: Vec<u64>,
}

impl Ranking {
    /// Ranks all tasks of `plan` under `policy`.
    #[must_use]
    pub fn new(plan: &Plan, policy: &Policy) -> Ranking {
        Ranking::with(plan, policy, None)
    }

    /// Ranks all tasks of `plan`, which `before` was until now, anew. When nothing happened but that tasks were done, what was found
    /// for the shortest run stays: a listing that brings no news costs no search.
    #[must_use]
    pub(crate) fn renewed(&self, before: &Plan, plan: &Plan, policy: &Policy) -> Ranking {
        let is_news = |found: &&Found| {
            let mut both = plan.all().zip(&found.weights);
            both.any(|(at, &known)| ![0, known].contains(&plan.open_minutes(at)))
        };
        let same = before.has_the_shape_of(plan);
        let found = self.found.as_ref().filter(|found| same && !is_news(found));
        Ranking::with(plan, policy, found.cloned())
    }

    fn with(plan: &Plan, policy: &Policy, found: Option<Found>) -> Ranking {
        let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
        let path_minutes = plan.graph().longest_path_from(&weights);
        let is_open = |at| plan.task(at).eligibility == Eligibility::Open;
        let open: Vec<bool> = plan.all().map(is_open).collect();
        let unlocks = plan.graph().transitive_dependents(&open);
        let priorities = priorities(plan, policy, &path_minutes, &unlocks);
        let key = |at: Ix| {
            let task = plan.task(at);
            (
                priorities[at.index()],
                !task.checkpoint,
                task.tie,
                NaturalOrder(task.id.as_str().to_owned()),
            )
        };
        let mut order: Vec<Ix> = plan.all().collect();
        order.sort_by_cached_key(|&at| key(at));
        let count = weights.iter().filter(|&&minutes| minutes > 0).count() as u64;
        let mean_minutes = weights.iter().sum::<u64>() / count.max(1);
        let search = |order: Vec<Ix>| {
            let equals = runnable(plan, &Order::new(order));
            let steps = SEARCH_STEPS.min(SEARCH_STEPS_A_PAIR * count * count);
            let (order, starts) = makespan::order(plan, policy, &weights, &equals, steps);
            Found {
                weights,
                order,
                starts,
            }
        };
        let found = match policy.rank {
            Rank::Default | Rank::Seed => None,
            Rank::Makespan => Some(found.unwrap_or_else(|| search(order.clone()))),
        };
        if let Some(found) = &found {
            order.clone_from(&found.order);
        }
        if !policy.picks.is_empty() {
            let pick = |at: &Ix| {
                let mut picks = policy.picks.iter();
                picks.position(|id| *id == plan.task(*at).id)
            };
            order.sort_by_cached_key(|at| pick(at).unwrap_or(usize::MAX));
        }
        Ranking {
            order: Order::new(order),
            mean_minutes,
            path_minutes,
            unlocks,
            found,
        }
    }

    /// All tasks as they would start one after the other: each after what it needs, else by rank. In most orders those that are
    /// open stand like this already; a pick and an urgent task of rank `seed` go before others as soon as they are ready, but do not
    /// make their needs ready.
    #[must_use]
    pub fn runnable(&self, plan: &Plan) -> Vec<Ix> {
        runnable(plan, &self.order)
    }

    /// The order itself.
    #[must_use]
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Whether the schedule that the order was found with starts a task before another, or together with it.
    #[must_use]
    pub(crate) fn starts_no_later(&self, at: Ix, other: Ix) -> bool {
        let start = |at: Ix| self.found.as_ref()?.starts.get(at.index());
        let (Some(start), Some(others)) = (start(at), start(other)) else {
            return false;
        };
        start <= others
    }

    /// Mean estimate of the tasks that are to be done, in minutes.
    #[must_use]
    pub fn mean_minutes(&self) -> u64 {
        self.mean_minutes
    }

    /// Longest path from a task to the end of the plan, itself included, in minutes.
    #[must_use]
    pub fn path_minutes(&self, at: Ix) -> u64 {
        self.path_minutes[at.index()]
    }

    /// How many open tasks wait for a task, directly or not.
    #[must_use]
    pub fn unlocks(&self, at: Ix) -> u32 {
        self.unlocks[at.index()]
    }
}

fn runnable(plan: &Plan, order: &Order) -> Vec<Ix> {
    let graph = plan.graph();
    let mut open: Vec<usize> = plan.all().map(|at| graph.needs(at).len()).collect();
    let roots = plan.all().filter(|at| open[at.index()] == 0);
    let mut free: BinaryHeap<Reverse<u32>> = roots.map(|at| Reverse(order.place(at))).collect();
    let mut tasks = Vec::with_capacity(open.len());
    while let Some(Reverse(place)) = free.pop() {
        let at = order.at(place);
        tasks.push(at);
        for &dependent in graph.dependents(at) {
            open[dependent.index()] -= 1;
            if open[dependent.index()] == 0 {
                free.push(Reverse(order.place(dependent)));
            }
        }
    }
    tasks
}

/// What is compared of each task before checkpoints: its urgency and what it holds up, by its path and by its dependents.
fn priorities(
    plan: &Plan,
    policy: &Policy,
    path_minutes: &[u64],
    unlocks: &[u32],
) -> Vec<(i32, Reverse<(u64, u32)>)> {
    if policy.rank != Rank::Seed {
        let figures = path_minutes.iter().copied().zip(unlocks.iter().copied());
        return urgencies(plan)
            .into_iter()
            .zip(figures.map(Reverse))
            .collect();
    }
    let is_open = |at: &&Ix| plan.task(**at).eligibility == Eligibility::Open;
    let direct = |at: Ix| plan.graph().dependents(at).iter().filter(is_open).count();
    plan.all()
        .map(|at| {
            (
                plan.task(at).priority,
                Reverse((0, u32::try_from(direct(at)).unwrap_or(u32::MAX))),
            )
        })
        .collect()
}

/// The priority of each task, or the most urgent among the open tasks that wait for it, directly or not: an urgent task is not held
/// up behind a need that nobody is in a hurry for.
fn urgencies(plan: &Plan) -> Vec<i32> {
    let mut urgencies = vec![i32::MAX; plan.tasks().len()];
    for &at in plan.graph().order().iter().rev() {
        let dependents = plan.graph().dependents(at).iter();
        let waiting = dependents.map(|other| urgencies[other.index()]).min();
        urgencies[at.index()] = match plan.task(at).eligibility {
            Eligibility::Open => waiting.unwrap_or(i32::MAX).min(plan.task(at).priority),
            // It is not run, but what waits for it waits for its needs.
            Eligibility::Container => waiting.unwrap_or(i32::MAX),
            Eligibility::Satisfied { .. }
            | Eligibility::NotOurs { .. }
            | Eligibility::Faulty { .. } => i32::MAX,
        };
    }
    urgencies
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
