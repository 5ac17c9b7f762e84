//! What must hold when an attempt starts: needs, their commits, locks, slots' owners, attempts bounded, nobody starved.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::decision::{Action, Decision};
use mesh_core::graph::Ix;
use mesh_core::id::{AttemptId, LockGroup, SlotId, TaskId};
use mesh_core::policy::{Rank, Unlabelled};
use mesh_core::state::State;
use mesh_core::task::{Commit, Eligibility, Locks, Task};

use super::{Account, Judge, Step, locks_of};

impl Judge {
    pub(super) fn start(
        &mut self,
        step: &Step<'_>,
        attempt: &AttemptId,
        slot: SlotId,
    ) -> Result<(), String> {
        let (world, id) = (step.world, &attempt.task);
        if self.closed {
            return Err(format!("quiet after stop: {attempt} starts"));
        }
        if self.concluding {
            return Err(format!("{attempt} starts while the run concludes"));
        }
        if self.unwanted.contains(id) {
            return Err(format!("{attempt} starts, and a person wants it left out"));
        }
        self.is_of_the_wave(id)?;
        self.start_within_limits(step, attempt)?;
        let account = self.account(id);
        if account != Account::Waiting {
            return Err(format!("{attempt} starts, but its task is {account:?}"));
        }
        let number = self.numbers.entry(id.clone()).or_default();
        *number += 1;
        if *number != attempt.number {
            return Err(format!(
                "{attempt} is the attempt number {number} of its task"
            ));
        }
        if let Some((other, _)) = world
            .attempts
            .iter()
            .find(|(other, real)| other.task == *id && real.lives())
        {
            return Err(format!("P1: {attempt} is decided while {other} lives"));
        }
        let Some(task) = world.seen.get(id) else {
            return Err(format!("{attempt} starts, but its task was removed"));
        };
        if task.eligibility != Eligibility::Open && !self.redone.contains(id)
            || !task.outside.is_empty()
        {
            return Err(format!(
                "{attempt} starts, but its task stands as {:?}, blocked by {:?}",
                task.eligibility, task.outside
            ));
        }
        if let Some(need) = task.needs.iter().find(|need| !self.is_done(world, need, 0)) {
            return Err(format!(
                "P4: {attempt} starts and its need {need} is not done"
            ));
        }
        self.commits_of_needs(step, attempt, task)?;
        self.locks_are_free(attempt, &task.locks)?;
        let charged = self.charged.entry(id.clone()).or_default();
        *charged += 1;
        let (retries, starts) = (self.policy.retries, self.policy.start_retries);
        if *charged > 1 + retries + (starts + 2) * self.epochs {
            return Err(format!(
                "attempts bounded: {attempt} is start {charged} with {retries} retries and {starts} for starts"
            ));
        }
        self.tasks.insert(
            id.clone(),
            Account::Active(attempt.clone(), slot, task.locks.clone()),
        );
        self.passes.remove(id);
        self.reserved.remove(id);
        self.count_passes(step, id, &task.locks)
    }

    fn commits_of_needs(
        &mut self,
        step: &Step<'_>,
        attempt: &AttemptId,
        task: &Task,
    ) -> Result<(), String> {
        let order = step.actions.iter().find_map(|action| match action {
            Action::Start(order) if order.attempt == *attempt => Some(order),
            _ => None,
        });
        let Some(order) = order else {
            return Err(format!("{attempt} starts without an order"));
        };
        let given: BTreeSet<(TaskId, Commit)> = order
            .needs
            .iter()
            .map(|need| (need.task.clone(), need.commit.clone()))
            .collect();
        let mut wanted = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut stack = task.needs.clone();
        while let Some(need) = stack.pop() {
            if !seen.insert(need.clone()) {
                continue;
            }
            match (
                self.account(&need),
                step.world
                    .seen
                    .get(&need)
                    .or_else(|| self.satisfied.get(&need)),
            ) {
                (Account::Done(_, commit), _) => {
                    wanted.insert((need, commit));
                }
                (
                    _,
                    Some(Task {
                        eligibility:
                            Eligibility::Satisfied {
                                commit: Some(commit),
                            },
                        ..
                    }),
                ) if !self.redone.contains(&need) => {
                    wanted.insert((need, commit.clone()));
                }
                (_, Some(other)) if self.is_done(step.world, &need, 0) => {
                    stack.extend(other.needs.iter().cloned())
                }
                _ => {}
            }
        }
        if let Some((need, commit)) = wanted.difference(&given).next() {
            return Err(format!(
                "P4: {attempt} does not stand on {commit} of {need}"
            ));
        }
        let superseded = |(need, commit): &&(TaskId, Commit)| {
            matches!(self.account(need), Account::Done(_, now) if now != *commit)
                || matches!(self.account(need), Account::Waiting) && commit.0.starts_with("c-")
        };
        if let Some((need, commit)) = given.iter().find(superseded) {
            return Err(format!(
                "P4: {attempt} stands on {commit} of {need}, which is not its result any more"
            ));
        }
        self.orders.insert(attempt.clone(), order.clone());
        Ok(())
    }

    pub(super) fn locks_are_free(&self, attempt: &AttemptId, locks: &Locks) -> Result<(), String> {
        let alone = self.policy.unlabelled == Unlabelled::Alone;
        let mut held_units: BTreeMap<&LockGroup, u32> = BTreeMap::new();
        for account in self.tasks.values() {
            let Account::Active(other, _, held) = account else {
                continue;
            };
            for (group, units) in held.units() {
                *held_units.entry(group).or_default() += units;
            }
            if alone && (held.is_empty() || locks.is_empty()) {
                return Err(format!(
                    "P3: {attempt} starts beside {other}, and one of them runs alone"
                ));
            }
        }
        for (group, units) in locks.units() {
            let held = held_units.get(group).copied().unwrap_or(0);
            let capacity = self.policy.capacity.get(group).copied().unwrap_or(1);
            if held + units > capacity {
                return Err(format!(
                    "P3: {attempt} starts with {units} of {group} while {held} of {capacity} are held"
                ));
            }
        }
        Ok(())
    }

    /// The slot that `waiting` may take waits for `better`: that goes before it, and what it waits for is under way.
    pub(super) fn slot_may_stay_free(
        &self,
        step: &Step<'_>,
        waiting: Ix,
        better: &TaskId,
    ) -> Result<(), String> {
        let state = step.state;
        let order = state.ranking().order();
        let (Some(at), Some(task)) = (state.plan().find(better), step.world.seen.get(better))
        else {
            return Err(format!("a slot waits for {better}, which is no task"));
        };
        let is_active = |need: &&TaskId| matches!(self.account(need), Account::Active(..));
        let open = || {
            let needs = task.needs.iter();
            needs.filter(|need| !self.is_done(step.world, need, 0))
        };
        let under_way = open().all(|need| is_active(&need));
        let will_be_free = open().next().is_some() || state.lock_block(at).is_some();
        let goes_before = order.place(at) < order.place(waiting);
        let waits = self.account(better) == Account::Waiting;
        if self.policy.rank != Rank::Makespan
            || !(goes_before && waits && under_way && will_be_free)
        {
            return Err(format!(
                "work-conserving: a slot waits for {better}, which is {}",
                state.why(mesh_core::time::Millis(step.world.now), at)
            ));
        }
        Ok(())
    }

    /// Better ready tasks that wanted one of the locks just taken were passed over: not for ever.
    fn count_passes(
        &mut self,
        step: &Step<'_>,
        started: &TaskId,
        locks: &Locks,
    ) -> Result<(), String> {
        let state = step.state;
        let Some(mine) = state.plan().find(started) else {
            return Ok(());
        };
        let place = state.ranking().order().place(mine);
        let passed: Vec<TaskId> = state
            .ready()
            .take_while(|&at| state.ranking().order().place(at) < place)
            .map(|at| state.plan().task(at).id.clone())
            .filter(|id| {
                !locks_of(step.world, id)
                    .groups()
                    .is_disjoint(&locks.groups())
            })
            .collect();
        // All locks are free between waves, and a person may pick whom they like.
        if self.has_waves() {
            return Ok(());
        }
        let reserves = step
            .decisions
            .iter()
            .any(|decision| matches!(decision, Decision::Reserve { .. }));
        let accounts = &self.tasks;
        let waits = |id: &TaskId| matches!(accounts.get(id), None | Some(Account::Waiting));
        self.reserved.retain(|id, _| waits(id));
        for id in passed {
            let count = self.passes.entry(id.clone()).or_default();
            *count += 1;
            let wanted = locks_of(step.world, &id);
            let kept = self
                .reserved
                .values()
                .any(|held| !held.groups().is_disjoint(&wanted.groups()) || held.is_empty());
            if *count > self.policy.lock_patience + 1 && !kept && !reserves {
                return Err(format!(
                    "starvation: {id} was passed over {count} times, the last time by {started}, and nothing is reserved"
                ));
            }
        }
        Ok(())
    }
}

/// The longest that a slot may stay free, in milliseconds: a part of the mean estimate of what is to be done.
pub(super) fn longest_slot_wait(state: &State) -> u64 {
    let plan = state.plan();
    let minutes = || plan.all().map(|at| plan.open_minutes(at));
    let count = minutes().filter(|&minutes| minutes > 0).count() as u64;
    let mean = minutes().sum::<u64>() / count.max(1);
    mean * 60_000 * u64::from(state.policy().slot_wait_percent) / 100
}
