//! What is to be done, read off the state alone. After a crash nobody knows which actions were carried out: this list says which
//! are still owed, and whoever carries them out asks first whether they have happened.

use std::sync::Arc;

use crate::decision::{Action, HeldLocks, StartOrder};
use crate::id::AttemptId;
use crate::state::{Finalizing, Phase, Recording, Refresh, RunEnd, Stage, State};
use crate::task::Commit;
use crate::wave::WaveEnd;

/// What the state says is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingWork {
    /// A start that has not been reported.
    Start(StartOrder),
    /// An agent that was executing when last heard of.
    Running {
        /// Which.
        attempt: AttemptId,
        /// It has been told to end.
        stopping: bool,
        /// A look was under way.
        looking: bool,
    },
    /// A recording that has not been reported.
    Inspect {
        /// Which.
        attempt: AttemptId,
        /// The lock groups it has held since its start.
        locks: HeldLocks,
    },
    /// A proof that was executing when last heard of, or never started.
    Prove {
        /// Which.
        attempt: AttemptId,
        /// The command.
        command: String,
        /// The recorded result.
        commit: Commit,
    },
    /// An end that is not written down.
    Finalize {
        /// Which.
        attempt: AttemptId,
        /// What is to be written.
        end: Finalizing,
    },
    /// A wave's end that is not written down.
    FinalizeWave(WaveEnd),
    /// A step of a landing that has not been reported.
    Landing(Action),
    /// The source is being read.
    Refresh,
    /// Claims are being given back.
    Conclude,
}

impl State {
    /// All that is under way, in a fixed order: what is needed before what needs it.
    #[must_use]
    pub fn pending_work(&self) -> Vec<PendingWork> {
        let mut pending_work = Vec::new();
        for &at in self.plan.graph().order() {
            let task = self.task(at);
            for end in &task.finalizing {
                pending_work.push(PendingWork::Finalize {
                    attempt: self.attempt_id(at, end.attempt),
                    end: end.clone(),
                });
            }
            let Phase::Active(active) = &task.phase else {
                continue;
            };
            let attempt = self.attempt_id(at, active.attempt);
            pending_work.push(match &active.stage {
                // Its time comes by the clock, or with the run's being taken up.
                Stage::Inspecting(Recording::Failed { .. }) => continue,
                Stage::Starting => PendingWork::Start(self.start_order(at)),
                Stage::Running(running) => PendingWork::Running {
                    attempt,
                    stopping: active.stopping.is_some(),
                    looking: running.looking,
                },
                Stage::Inspecting(Recording::Working { .. }) => PendingWork::Inspect {
                    attempt,
                    locks: self.held_locks(at),
                },
                Stage::Proving {
                    command, commit, ..
                } => PendingWork::Prove {
                    attempt,
                    command: command.clone(),
                    commit: commit.clone(),
                },
            });
        }
        let ends = self.wave_ends.iter().cloned();
        pending_work.extend(ends.map(PendingWork::FinalizeWave));
        pending_work.extend(self.landing_action().map(PendingWork::Landing));
        if matches!(self.refresh, Refresh::Asked { .. }) {
            pending_work.push(PendingWork::Refresh);
        }
        if self.ending == RunEnd::Concluding {
            pending_work.push(PendingWork::Conclude);
        }
        pending_work
    }

    /// The order under which the active attempt at `at` was started. Needs do not change while it is active.
    pub(crate) fn start_order(&self, at: crate::graph::Ix) -> StartOrder {
        let task = self.task(at);
        let (number, slot) = task
            .active()
            .map_or((task.attempts, crate::id::SlotId(0)), |active| {
                (active.attempt, active.slot)
            });
        let needs = self.need_commits(at);
        let paths = |(need, _): &(crate::graph::Ix, _)| {
            let changed = Arc::clone(&self.task(*need).changed);
            (self.plan.task(*need).id.clone(), changed)
        };
        let changed = needs.iter().map(paths).collect();
        StartOrder {
            attempt: self.attempt_id(at, number),
            agent: self.agent_of(&self.attempt_id(at, number)),
            slot,
            slots: self.policy.concurrency,
            claim: !task.claimed,
            locks: self.held_locks(at),
            needs: self.named_needs(needs),
            changed,
            onto: self.policy.land.clone().filter(|_| task.rebase),
            previous: task.last_failure.as_deref().cloned(),
            continues: task.continues.as_deref().cloned(),
            limits: self.plan.task(at).limits,
        }
    }
}

impl PendingWork {
    /// The action that would bring it about, for a coordinator that finds that it has not happened.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            PendingWork::Start(order) => Action::Start(order.clone()),
            PendingWork::Running { .. } => return None,
            PendingWork::Inspect { attempt, locks } => Action::Inspect {
                attempt: attempt.clone(),
                locks: locks.clone(),
            },
            PendingWork::Prove {
                attempt,
                command,
                commit,
            } => Action::Prove {
                attempt: attempt.clone(),
                command: command.clone(),
                commit: commit.clone(),
            },
            PendingWork::Finalize { attempt, end } => Action::Finalize {
                attempt: attempt.clone(),
                end: end.clone(),
            },
            PendingWork::FinalizeWave(end) => Action::FinalizeWave(end.clone()),
            PendingWork::Landing(action) => action.clone(),
            PendingWork::Refresh => Action::Refresh,
            PendingWork::Conclude => Action::Conclude,
        })
    }
}
