//! What a plan would do, from estimates alone: waves and bounds. Nothing here runs anything.

use crate::frontier::{Frontier, Rules};
use crate::graph::Ix;
use crate::id::TaskId;
use crate::plan::Plan;
use crate::policy::{Dispatch, Policy};
use crate::rank::Ranking;
use crate::schedule_sim::{Direction, ScheduleSim};
use crate::task::Eligibility;

/// Three figures that no schedule can beat, and the largest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Work to be done, in the unit of the durations given.
    pub total: u64,
    /// Longest path of needs.
    pub critical_path: u64,
    /// Largest sum of work in one lock group, shared out over its capacity.
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
        for hold in plan.holds_of(at) {
            by_group[hold.group as usize] += duration[at.index()] * u64::from(hold.units);
        }
    }
    let of_capacity = by_group.into_iter().zip(plan.capacities());
    let busiest_lock = of_capacity
        .map(|(work, &capacity)| work.div_ceil(u64::from(capacity)))
        .max()
        .unwrap_or(0);
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

/// How long the run takes, in minutes, when the frontier follows `ranking` and every estimate holds.
#[must_use]
pub fn makespan(plan: &Plan, policy: &Policy, ranking: &Ranking) -> u64 {
    let minutes: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    let paper = ScheduleSim::new(plan, policy, &minutes);
    let schedule = paper.schedule(ranking.order(), Direction::Forward, u64::MAX);
    schedule.makespan
}

/// Open tasks in waves: those that the frontier starts until nobody may start any more, then, when all of them have ended, the
/// next. Tasks that can never start (held by somebody else, faulty, or behind such) are in no wave.
#[must_use]
pub fn waves(plan: &Plan, policy: &Policy) -> Vec<Vec<Ix>> {
    let ranking = Ranking::new(plan, policy);
    let order = ranking.order();
    let rules = Rules {
        plan,
        policy,
        order,
    };
    let mut frontier = Frontier::new(plan);
    let graph = plan.graph();
    let mut unmet: Vec<usize> = plan.all().map(|at| graph.needs(at).len()).collect();
    let mut free: Vec<Ix> = plan.all().filter(|at| unmet[at.index()] == 0).collect();
    let is_satisfied = |at: &Ix| {
        let eligibility = &plan.task(*at).eligibility;
        matches!(eligibility, Eligibility::Satisfied { .. })
    };
    let mut done: Vec<Ix> = plan.all().filter(is_satisfied).collect();
    let mut waves: Vec<Vec<Ix>> = Vec::new();
    loop {
        while let Some(at) = done.pop() {
            for dependent in graph.dependents(at) {
                unmet[dependent.index()] -= 1;
                if unmet[dependent.index()] == 0 {
                    free.push(*dependent);
                }
            }
        }
        for at in std::mem::take(&mut free) {
            let task = plan.task(at);
            match task.eligibility {
                Eligibility::Container => done.push(at),
                Eligibility::Open if task.outside.is_empty() => {
                    frontier.set_ready(order, at, true);
                }
                _ => {}
            }
        }
        if !done.is_empty() {
            continue;
        }
        let picked = waves.is_empty() && policy.dispatch == Dispatch::Waves;
        let picks = if picked { policy.picks.as_slice() } else { &[] };
        let wave = pick(&mut frontier, rules, picks)
            .unwrap_or_else(|| frontier.fill(rules, policy.allowed_width()));
        if wave.is_empty() {
            return waves;
        }
        for at in &wave {
            frontier.end(rules, *at);
        }
        done.clone_from(&wave);
        waves.push(wave);
    }
}

/// Starts the tasks that a person picks for a wave, when they make one.
fn pick(frontier: &mut Frontier, rules: Rules<'_>, picks: &[TaskId]) -> Option<Vec<Ix>> {
    if picks.is_empty() || picks.len() > usize::from(rules.policy.allowed_width()) {
        return None;
    }
    let mut with_picks = frontier.clone();
    let take = |id: &TaskId| {
        let at = rules.plan.find(id)?;
        let ready = with_picks.is_ready(rules.order, at) && with_picks.block(rules, at).is_none();
        ready.then(|| with_picks.start(rules, at))?;
        Some(at)
    };
    let wave = picks.iter().map(take).collect::<Option<_>>()?;
    *frontier = with_picks;
    Some(wave)
}

#[cfg(test)]
#[path = "forecast_test.rs"]
mod tests;
