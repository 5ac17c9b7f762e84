//! Simulated schedules: when each task would start if the frontier ran the plan and every estimate held.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::frontier::{Frontier, Rules};
use crate::graph::Ix;
use crate::plan::Plan;
use crate::policy::{Policy, Rank};
use crate::rank::Order;

/// Which way needs point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// A task starts when its needs have ended.
    Forward,
    /// A task starts when its dependents have ended: time runs backward.
    Backward,
}

/// A plan with what its tasks take. Tasks without minutes do not run; they are done as soon as their needs are.
pub(crate) struct ScheduleSim<'a> {
    pub plan: &'a Plan,
    pub policy: &'a Policy,
    /// Minutes of each task, by place.
    pub weights: &'a [u64],
    /// No schedule can be shorter.
    pub bound: u64,
}

/// What becomes of an order.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub makespan: u64,
    /// When each task starts, by place.
    pub starts: Vec<u64>,
    /// The most tasks that ran at once.
    pub peak: usize,
    /// How many looks at a task it took.
    pub steps: u64,
}

impl<'a> ScheduleSim<'a> {
    pub(crate) fn new(plan: &'a Plan, policy: &'a Policy, weights: &'a [u64]) -> ScheduleSim<'a> {
        let bound = crate::forecast::bounds(plan, policy.allowed_width(), weights).lower_bound;
        ScheduleSim {
            plan,
            policy,
            weights,
            bound,
        }
    }

    pub(crate) fn runs(&self, at: Ix) -> bool {
        self.weights[at.index()] > 0
    }

    /// When each task of a schedule ends, by place.
    pub(crate) fn ends(&self, schedule: &Schedule) -> Vec<u64> {
        let both = schedule.starts.iter().zip(self.weights);
        both.map(|(start, minutes)| start + minutes).collect()
    }

    /// The schedule that the frontier makes of an order. One that takes more than `limit` steps is given up: it never ends.
    pub(crate) fn schedule(&self, order: &Order, direction: Direction, limit: u64) -> Schedule {
        let mut run = Run::new(self, order, direction);
        // A slot that may stay free for better tasks waits for what ends at the same moment.
        let together = self.policy.rank == Rank::Makespan && self.policy.slot_wait_percent > 0;
        let roots: Vec<Ix> = self
            .plan
            .all()
            .filter(|at| run.open[at.index()] == 0)
            .collect();
        roots.into_iter().for_each(|at| run.free(at));
        loop {
            run.start_all();
            let next = run.running.pop().filter(|_| run.steps <= limit);
            let Some(Reverse((ended, at))) = next else {
                let ended = run.running.is_empty() && run.steps <= limit;
                return Schedule {
                    makespan: if ended { run.now } else { u64::MAX },
                    starts: run.starts,
                    peak: run.peak,
                    steps: run.steps,
                };
            };
            run.end(ended, at);
            while together && run.running.peek().is_some_and(|next| next.0.0 == ended) {
                if let Some(Reverse((_, at))) = run.running.pop() {
                    run.end(ended, at);
                }
            }
        }
    }
}

/// A schedule while it is made.
struct Run<'a> {
    sim: &'a ScheduleSim<'a>,
    rules: Rules<'a>,
    direction: Direction,
    frontier: Frontier,
    open: Vec<usize>,
    ready: u64,
    running: BinaryHeap<Reverse<(u64, Ix)>>,
    now: u64,
    starts: Vec<u64>,
    peak: usize,
    steps: u64,
}

impl<'a> Run<'a> {
    fn new(sim: &'a ScheduleSim<'a>, order: &'a Order, direction: Direction) -> Run<'a> {
        let (plan, policy) = (sim.plan, sim.policy);
        let graph = plan.graph();
        let needs = |at: Ix| match direction {
            Direction::Forward => graph.needs(at).len(),
            Direction::Backward => graph.dependents(at).len(),
        };
        let rules = Rules {
            plan,
            policy,
            order,
        };
        Run {
            sim,
            rules,
            direction,
            frontier: Frontier::new(plan),
            open: plan.all().map(needs).collect(),
            ready: 0,
            running: BinaryHeap::new(),
            now: 0,
            starts: vec![0; graph.len()],
            peak: 0,
            steps: 0,
        }
    }

    fn end(&mut self, now: u64, at: Ix) {
        self.now = now;
        self.frontier.end(self.rules, at);
        self.done(at);
    }

    /// All that a task needs is done.
    fn free(&mut self, at: Ix) {
        self.starts[at.index()] = self.now;
        if self.sim.runs(at) {
            self.frontier.set_ready(self.rules.order, at, true);
            self.ready += 1;
        } else {
            self.done(at);
        }
    }

    fn done(&mut self, at: Ix) {
        let graph = self.sim.plan.graph();
        let mut done = vec![at];
        while let Some(at) = done.pop() {
            let followers = match self.direction {
                Direction::Forward => graph.dependents(at),
                Direction::Backward => graph.needs(at),
            };
            for &follower in followers {
                self.open[follower.index()] -= 1;
                if self.open[follower.index()] > 0 {
                } else if self.sim.runs(follower) {
                    self.free(follower);
                } else {
                    self.starts[follower.index()] = self.now;
                    done.push(follower);
                }
            }
        }
    }

    fn start_all(&mut self) {
        let width = self.sim.policy.allowed_width();
        while self.ready > 0 && self.running.len() < usize::from(width) {
            self.steps += self.ready;
            let Some(at) = self.frontier.start_next(self.rules, width) else {
                break;
            };
            self.ready -= 1;
            self.starts[at.index()] = self.now;
            let end = self.now + self.sim.weights[at.index()];
            self.running.push(Reverse((end, at)));
            self.peak = self.peak.max(self.running.len());
        }
        self.steps += 8;
    }
}
