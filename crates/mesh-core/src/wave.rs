//! Waves: batches of ready tasks that are announced, confirmed and awaited as a whole.
//!
//! Between two waves nothing runs. What becomes ready while a wave runs waits for the next one; an attempt that is made again
//! belongs to the wave of the first. Here stands what a wave is, whom it may hold and when it is over; that one is announced,
//! confirmed or ended is for `decide`.

use std::collections::BTreeSet;

use crate::frontier::Frontier;
use crate::graph::Ix;
use crate::id::TaskId;
use crate::lock::{LockBlock, LockTable};
use crate::planted::{Bug, is_planted};
use crate::policy::Dispatch;
use crate::state::{Phase, State};

/// The wave of a run that was announced last, until it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// From 1, in the order in which waves were confirmed.
    pub number: u32,
    /// Its tasks; those that are recommended while it is not confirmed.
    pub tasks: Vec<Ix>,
    /// It is confirmed: its tasks start.
    pub is_confirmed: bool,
}

/// A wave that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveEnd {
    /// Its number.
    pub wave: u32,
    /// What became of its tasks.
    pub tasks: Vec<WaveTask>,
    /// What is recommended to follow it.
    pub next: Vec<TaskId>,
}

/// A task of a wave that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveTask {
    /// The task.
    pub task: TaskId,
    /// Whether it is done.
    pub is_done: bool,
}

impl State {
    /// The wave that waits to be confirmed, or runs; nothing when tasks start as soon as they may.
    #[must_use]
    pub fn wave(&self) -> Option<&Wave> {
        self.wave.as_ref()
    }

    /// The wave that waits for a person's word.
    #[must_use]
    pub fn unconfirmed_wave(&self) -> Option<&Wave> {
        self.wave.as_ref().filter(|wave| !wave.is_confirmed)
    }

    /// The ids of tasks.
    pub(crate) fn names(&self, tasks: &[Ix]) -> Vec<TaskId> {
        let name = |at: &Ix| self.plan.task(*at).id.clone();
        tasks.iter().map(name).collect()
    }

    /// What the rank recommends when nothing runs: ready tasks that do not want the same locks, at most as many as may run. Those
    /// whose agents are at their limits are left for a later wave, unless there are no others.
    pub(crate) fn recommended_wave(&self) -> Vec<Ix> {
        let fill = |may: &dyn Fn(Ix) -> bool| {
            let mut frontier = self.frontier.clone();
            frontier.fill_with(self.rules(), self.width(), may)
        };
        match fill(&self.with_agent()) {
            none if none.is_empty() => fill(&|_| true),
            wave => wave,
        }
    }

    /// Whether the wave was confirmed and all of its tasks have ended. One that cannot be started any more, because of what its
    /// source says now, is not waited for.
    pub(crate) fn wave_is_over(&self) -> bool {
        let goes_on = |at: &Ix| match &self.task(*at).phase {
            Phase::Active(_) => !is_planted(Bug::BarrierCrossed),
            Phase::Pausing { .. } => true,
            Phase::Waiting => self.is_ready(*at),
            _ => false,
        };
        let wave = self.wave.as_ref().filter(|wave| wave.is_confirmed);
        wave.is_some_and(|wave| !wave.tasks.iter().any(goes_on))
    }

    /// What keeps `tasks` from being the wave number `wave`; all of it at once.
    pub(crate) fn pick_problems(&self, wave: u32, tasks: &[TaskId]) -> Vec<String> {
        let Some(open) = self.unconfirmed_wave() else {
            let problem = match self.policy.dispatch {
                Dispatch::Frontier => "this run has no waves: its tasks start as soon as they may",
                Dispatch::Waves => "no wave waits to be confirmed",
            };
            return vec![problem.to_owned()];
        };
        if open.number != wave {
            let number = open.number;
            return vec![format!(
                "wave {wave} does not wait to be confirmed, wave {number} does"
            )];
        }
        if tasks.is_empty() {
            return vec!["no task is named".to_owned()];
        }
        let mut problems = Vec::new();
        let width = self.width();
        if tasks.len() > usize::from(width) {
            let named = tasks.len();
            problems.push(format!(
                "{named} tasks are named, and at most {width} may run at once"
            ));
        }
        let mut named = BTreeSet::new();
        let mut locks = LockTable::new(self.plan.capacities());
        for task in tasks {
            if !named.insert(task) {
                problems.push(format!("{task} is named twice"));
                continue;
            }
            let Some(at) = self.plan.find(task) else {
                problems.push(format!("there is no task {task} in this run"));
                continue;
            };
            if !self.is_ready(at) {
                let why = self.why(crate::time::Millis(0), at).to_string();
                let first = why.lines().next().unwrap_or_default();
                problems.push(format!("{task} is not ready: it {first}"));
                continue;
            }
            let claim = self.rules().claim(at);
            match locks.block(at, claim) {
                None => locks.take(at, claim),
                Some(block) => problems.push(self.clash(task, block)),
            }
        }
        problems
    }

    fn clash(&self, task: &TaskId, block: LockBlock) -> String {
        match block {
            LockBlock::Held { group, by } | LockBlock::Reserved { group, by } => {
                let (by, group) = (&self.plan.task(by).id, &self.plan.groups()[group as usize]);
                format!("{task} cannot run beside {by}: both take the lock group {group}")
            }
            LockBlock::Alone { by } => {
                let by = &self.plan.task(by).id;
                format!("{task} cannot run beside {by}, which has no lock group and runs alone")
            }
            LockBlock::NotAlone => {
                format!("{task} has no lock group and runs alone")
            }
        }
    }

    /// What became of the wave that is over.
    pub(crate) fn wave_end(&self, wave: u32, next: &[TaskId]) -> WaveEnd {
        let tasks = self.wave.iter().flat_map(|wave| &wave.tasks);
        let ended = |&at: &Ix| WaveTask {
            task: self.plan.task(at).id.clone(),
            is_done: self.is_done(at),
        };
        WaveEnd {
            wave,
            tasks: tasks.map(ended).collect(),
            next: next.to_vec(),
        }
    }
}

impl Frontier {
    /// Starts the best tasks whose locks are free until nobody may start any more. Nothing is reserved for those that are passed
    /// over: when all of these have ended, all locks are free.
    pub(crate) fn fill(&mut self, rules: crate::frontier::Rules<'_>, width: u16) -> Vec<Ix> {
        self.fill_with(rules, width, &|_| true)
    }

    /// [`Frontier::fill`] with those that `may`.
    fn fill_with(
        &mut self,
        rules: crate::frontier::Rules<'_>,
        width: u16,
        may: &dyn Fn(Ix) -> bool,
    ) -> Vec<Ix> {
        std::iter::from_fn(|| {
            let at = self.next_of(rules, width, may)?;
            self.start(rules, at);
            Some(at)
        })
        .collect()
    }
}

#[cfg(test)]
#[path = "wave_test.rs"]
mod tests;
