//! Makespans without overhead: what the shipping core makes of a plan when everything but the work itself takes no time, what
//! random list schedules make of it, and what a dispatcher with a barrier after each wave would.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mesh_core::decision::Action;
use mesh_core::event::{Delivery, Event};
use mesh_core::evidence::{Ending, Evidence, ProofChoice, ProofEnd};
use mesh_core::forecast;
use mesh_core::graph::Ix;
use mesh_core::handle;
use mesh_core::id::AttemptId;
use mesh_core::plan::Plan;
use mesh_core::policy::{Policy, Unlabelled};
use mesh_core::state::State;
use mesh_core::task::{Commit, Eligibility};
use mesh_core::time::Millis;

use crate::rng::Rng;

/// One piece of work of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// How long it takes, in any unit.
    pub duration: u64,
    /// Places of those that must end first. A need that names a later or the same place is legal as long as there is no circle.
    pub needs: Vec<usize>,
    /// Groups it holds while it runs.
    pub locks: Vec<u32>,
    /// It overlaps with nothing.
    pub alone: bool,
}

/// The work that a plan holds under a policy, with `durations` by place. What does not run (containers, satisfied tasks) takes
/// no time, no slot and no lock.
#[must_use]
pub fn work_of(plan: &Plan, policy: &Policy, durations: &[u64]) -> Vec<Work> {
    plan.all()
        .map(|at| {
            let runs = plan.task(at).eligibility == Eligibility::Open;
            let groups: Vec<u32> = plan.groups_of(at).collect();
            Work {
                duration: if runs { durations[at.index()] } else { 0 },
                needs: plan
                    .graph()
                    .needs(at)
                    .iter()
                    .map(|need| need.index())
                    .collect(),
                alone: runs && groups.is_empty() && policy.unlabelled == Unlabelled::Alone,
                locks: if runs { groups } else { Vec::new() },
            }
        })
        .collect()
}

/// The best makespan of `n` list schedules in random orders, without overhead: whenever something ends, everything that may
/// start does, in the order drawn. `concurrency` counts as at least 1. Work in a circle never runs and does not count.
#[must_use]
pub fn best_of_schedules(work: &[Work], concurrency: u16, n: u32, seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let mut order: Vec<usize> = (0..work.len()).collect();
    (0..n.max(1))
        .map(|_| {
            rng.shuffle(&mut order);
            list_schedule(work, concurrency, &order)
        })
        .min()
        .unwrap_or(0)
}

/// The makespan of one list schedule: `order` says who goes first among those that may start.
#[must_use]
pub fn list_schedule(work: &[Work], concurrency: u16, order: &[usize]) -> u64 {
    let slots = usize::from(concurrency.max(1));
    let mut dependents = vec![Vec::new(); work.len()];
    let mut open: Vec<usize> = work.iter().map(|item| item.needs.len()).collect();
    for (at, item) in work.iter().enumerate() {
        item.needs
            .iter()
            .for_each(|&need| dependents[need].push(at));
    }
    let groups = work
        .iter()
        .flat_map(|item| &item.locks)
        .max()
        .map_or(0, |&last| last as usize + 1);
    let mut held = vec![false; groups];
    let mut waiting: Vec<usize> = order.to_vec();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut alone = false;
    let mut now = 0;
    loop {
        waiting.retain(|&at| {
            let item = &work[at];
            let free = running.len() < slots
                && !alone
                && (!item.alone || running.is_empty())
                && open[at] == 0
                && item.locks.iter().all(|&group| !held[group as usize]);
            if free {
                alone = item.alone;
                item.locks
                    .iter()
                    .for_each(|&group| held[group as usize] = true);
                running.push(Reverse((now + item.duration, at)));
            }
            !free
        });
        let Some(Reverse((ended, at))) = running.pop() else {
            return now;
        };
        now = ended;
        alone = false;
        work[at]
            .locks
            .iter()
            .for_each(|&group| held[group as usize] = false);
        dependents[at]
            .iter()
            .for_each(|&dependent| open[dependent] -= 1);
    }
}

/// The makespan when each wave is awaited as a whole before the next begins.
#[must_use]
pub fn wave_makespan(plan: &Plan, policy: &Policy, durations: &[u64]) -> u64 {
    let longest = |wave: &Vec<Ix>| {
        wave.iter()
            .map(|at| durations[at.index()])
            .max()
            .unwrap_or(0)
    };
    forecast::waves(plan, policy).iter().map(longest).sum()
}

/// The makespan that the shipping core reaches when every attempt succeeds and only the agents' work takes time: `durations`
/// by place, in milliseconds, each shorter than the policy's silence limit or without one that matters (no look is answered).
#[must_use]
pub fn zero_overhead_makespan(plan: &Plan, policy: &Policy, durations: &[u64]) -> u64 {
    let policy = Policy {
        refresh: false,
        silence_limit: mesh_core::time::Span(u64::MAX / 4),
        soft_limit: None,
        ..policy.clone()
    };
    let mut bench = Bench {
        state: State::new(),
        now: Millis(0),
        inbox: Vec::new(),
        running: BinaryHeap::new(),
        last_end: 0,
    };
    bench.tell(
        durations,
        &Event::RunStarted {
            plan: plan.clone(),
            policy,
        },
    );
    loop {
        let wakeup = bench.state.next_wakeup();
        let next_end = bench.running.peek().map(|next| Millis(next.0.0));
        if let Some(event) = bench.inbox.pop() {
            bench.tell(durations, &event);
        } else if let Some(wakeup) = wakeup.filter(|&at| next_end.is_some_and(|end| at < end)) {
            bench.now = wakeup;
            bench.tell(durations, &Event::Tick);
        } else if let Some(Reverse((at, task, number))) = bench.running.pop() {
            bench.now = Millis(at);
            bench.last_end = at;
            let attempt = AttemptId {
                task: bench.state.plan().task(task).id.clone(),
                number,
            };
            bench.inbox.push(Event::Ended {
                attempt,
                ending: Ending::Exited(0),
                tail: String::new(),
            });
        } else {
            return bench.last_end;
        }
    }
}

struct Bench {
    state: State,
    now: Millis,
    inbox: Vec<Event>,
    running: BinaryHeap<Reverse<(u64, Ix, u32)>>,
    last_end: u64,
}

impl Bench {
    fn tell(&mut self, durations: &[u64], event: &Event) {
        let (_, actions) = handle(&mut self.state, self.now, event);
        for action in actions {
            if let Action::Start(order) = &action
                && let Some(at) = self.state.plan().find(&order.attempt.task)
            {
                self.running.push(Reverse((
                    self.now.0 + durations[at.index()],
                    at,
                    order.attempt.number,
                )));
            }
            self.inbox.extend(instant_answer(&action));
        }
    }
}

/// The report of an action that succeeds at once. Starts are reported as started; their ends are the caller's.
#[must_use]
pub fn instant_answer(action: &Action) -> Option<Event> {
    Some(match action {
        Action::Start(order) => Event::Started {
            attempt: order.attempt.clone(),
        },
        Action::Inspect { attempt, .. } => Event::Inspected {
            attempt: attempt.clone(),
            evidence: Ok(good_findings(attempt)),
        },
        Action::Prove { attempt, .. } => {
            let proof = ProofEnd {
                passed_in_workspace: false,
                ending: Ending::Exited(0),
                tail: String::new(),
            };
            Event::Proved {
                attempt: attempt.clone(),
                proof,
            }
        }
        Action::Finalize { attempt, .. } => Event::Finalized {
            attempt: attempt.clone(),
            delivery: Delivery::Kept,
        },
        Action::FinalizeWave(end) => Event::WaveFinalized { wave: end.wave },
        Action::Conclude => Event::Concluded,
        Action::Refresh => Event::Refreshed {
            change: Ok(mesh_core::event::PlanChange::default()),
        },
        // No landing succeeds at once.
        Action::Probe { .. }
        | Action::Stop { .. }
        | Action::Kill { .. }
        | Action::Keep { .. }
        | Action::Integrate { .. }
        | Action::ProveLanding { .. }
        | Action::Publish { .. }
        | Action::Note { .. } => return None,
    })
}

/// What an attempt leaves that did all it was asked to; its commit is named after it.
#[must_use]
pub fn good_findings(attempt: &AttemptId) -> Evidence {
    let proof = ProofChoice::Named("check".to_owned());
    Evidence::clean(
        Commit(format!("c-{attempt}")),
        vec!["file".to_owned()],
        proof,
    )
}

#[cfg(test)]
#[path = "schedule_test.rs"]
mod tests;
