//! What a plan would do, from estimates alone: waves and bounds. Nothing here runs anything.

use std::collections::BTreeSet;

use crate::graph::Ix;
use crate::plan::Plan;
use crate::policy::{Policy, Unlabelled};
use crate::rank::Ranking;
use crate::task::Standing;

/// Three figures that no schedule can beat, and the largest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Work to be done, in the unit of the durations given.
    pub total: u64,
    /// Longest path of needs.
    pub critical_path: u64,
    /// Largest sum of work in one lock group.
    pub busiest_lock: u64,
    /// max(critical path, total / cap, busiest lock), rounded up.
    pub lower_bound: u64,
}

/// Bounds of `plan` for `concurrency` agents, with `duration` of each task (0 for those that do not run).
#[must_use]
pub fn bounds(plan: &Plan, concurrency: u16, duration: &[u64]) -> Bounds {
    let total: u64 = duration.iter().sum();
    let critical_path = plan
        .graph()
        .longest_path_from(duration)
        .into_iter()
        .max()
        .unwrap_or(0);
    let mut by_group = vec![0_u64; plan.groups().len()];
    for at in plan.all() {
        for &group in plan.groups_of(at) {
            by_group[group as usize] += duration[at.at()];
        }
    }
    let busiest_lock = by_group.into_iter().max().unwrap_or(0);
    let lower_bound = critical_path
        .max(total.div_ceil(u64::from(concurrency.max(1))))
        .max(busiest_lock);
    Bounds {
        total,
        critical_path,
        busiest_lock,
        lower_bound,
    }
}

/// Open tasks in waves: rank, cut at the cap, drop those that clash with a lock taken in the wave. Tasks that can never start
/// (held by somebody else, faulty, or behind such) are in no wave.
#[must_use]
pub fn waves(plan: &Plan, policy: &Policy) -> Vec<Vec<Ix>> {
    let ranking = Ranking::new(plan, policy);
    let graph = plan.graph();
    let mut done: Vec<bool> = plan
        .tasks()
        .iter()
        .map(|task| matches!(task.standing, Standing::Satisfied { .. }))
        .collect();
    let mut waves = Vec::new();
    loop {
        for &at in graph.order() {
            if plan.task(at).standing == Standing::Container
                && graph.needs(at).iter().all(|need| done[need.at()])
            {
                done[at.at()] = true;
            }
        }
        let runnable = |at: &Ix| {
            let task = plan.task(*at);
            !done[at.at()]
                && task.standing == Standing::Open
                && task.outside.is_empty()
                && graph.needs(*at).iter().all(|need| done[need.at()])
        };
        let ready: Vec<Ix> = ranking.order().iter().copied().filter(runnable).collect();
        let wave = cut(plan, policy, &ready);
        if wave.is_empty() {
            return waves;
        }
        wave.iter().for_each(|at| done[at.at()] = true);
        waves.push(wave);
    }
}

fn cut(plan: &Plan, policy: &Policy, ready: &[Ix]) -> Vec<Ix> {
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut wave = Vec::new();
    for &at in ready {
        let groups = plan.groups_of(at);
        if groups.is_empty() && policy.unlabelled == Unlabelled::Alone {
            if wave.is_empty() {
                return vec![at];
            }
            continue;
        }
        if wave.len() < usize::from(policy.concurrency)
            && groups.iter().all(|group| !taken.contains(group))
        {
            taken.extend(groups);
            wave.push(at);
        }
    }
    wave
}

#[cfg(test)]
#[path = "forecast_test.rs"]
mod tests;
