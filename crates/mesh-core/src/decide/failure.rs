//! What follows an attempt's end that is no success: one failure, one action.

use std::collections::BTreeSet;

use crate::apply_decision::is_start_failure;
use crate::decide::Decider;
use crate::decision::{Decision, SkipReason, StopCause};
use crate::evidence::{Failure, FailureClass, quoting};
use crate::id::{AttemptId, TaskId};
use crate::state::{Admission, Phase, Stage};

impl Decider<'_> {
    /// An attempt that was told to end has ended; `tail` is what its agent wrote last.
    pub(super) fn resolve_stopped(&mut self, attempt: &AttemptId, cause: StopCause, tail: &str) {
        let task = attempt.task.clone();
        match cause {
            // One that waited for its provider was ended for that.
            StopCause::Hung if self.resolve_limit(attempt, tail) => {}
            StopCause::Hung => {
                let detail = quoting(self.silence(attempt), tail);
                self.resolve_failure(attempt, &Failure::new(FailureClass::Hung, detail));
            }
            StopCause::Overdue => {
                let policy = self.state.policy();
                let proving = matches!(self.stage(attempt), Some((_, Stage::Proving { .. }, _)));
                let failure = if proving {
                    let detail = format!("the proof did not end within {}", policy.proof_limit);
                    Failure::new(FailureClass::VerifyFailed, detail)
                } else {
                    let limit = policy.preparation_limit;
                    let detail = format!("the agent did not start within {limit}");
                    Failure::new(FailureClass::CouldNotStart, detail)
                };
                self.resolve_failure(attempt, &failure);
            }
            StopCause::ClaimLost => {
                let detail = "the tracker gave the task to somebody else; the workspace is kept";
                self.resolve_failure(attempt, &Failure::new(FailureClass::ClaimLost, detail));
            }
            StopCause::RunStopped | StopCause::Superseded => self.take(Decision::Interrupt {
                attempt: attempt.clone(),
            }),
            StopCause::Taken => {
                let reason = SkipReason::Taken("a person changed it while it ran".to_owned());
                self.take(Decision::Skip { task, reason });
            }
            StopCause::Skipped => {
                self.take(Decision::Skip {
                    task: task.clone(),
                    reason: SkipReason::ByPerson,
                });
                self.skip_dependents(&task);
            }
        }
    }

    /// For how long the attempt's agent has shown no sign of life.
    fn silence(&self, attempt: &AttemptId) -> String {
        let policy = self.state.policy();
        let stage = self.stage(attempt);
        let limit = stage
            .as_ref()
            .and_then(|(at, ..)| self.state.start_limit(*at));
        match (stage, limit) {
            (Some((_, Stage::Running(running), _)), Some(limit))
                if running.last_sign <= running.started && limit < policy.silence_limit =>
            {
                format!("no first sign of life within {limit}")
            }
            _ => format!("no sign of life for {}", policy.silence_limit),
        }
    }

    /// One failure, one action: try again, or give up.
    pub(super) fn resolve_failure(&mut self, attempt: &AttemptId, failure: &Failure) {
        let Some((at, _)) = self.state.current(attempt) else {
            return;
        };
        let start_failure = is_start_failure(failure.class);
        // The same cause twice in a row is the machine, and no task is to pay for that.
        let machine =
            start_failure && self.state.last_start_failure.as_deref() == Some(&failure.to_string());
        let common = self.common_cause(attempt, failure);
        let outside = machine || common.is_some();
        let closed = self.state.task(at).closed.is_some();
        let (used, allowed) = {
            let (task, policy) = (self.state.task(at), self.state.policy());
            if start_failure {
                (task.start_retries, policy.start_retries)
            } else {
                (task.retries, policy.retries)
            }
        };
        let limit = failure.class == FailureClass::Limit;
        let again =
            !closed && (outside || limit || failure.class.is_worth_a_retry() && used < allowed);
        let spent = self.state.task_budget_reached(at).filter(|_| again);
        let (attempt, failure) = (attempt.clone(), failure.clone());
        let cause = failure.in_one_line();
        let in_row = self.state.failures_in_row;
        if let Some(reached) = spent {
            let task = attempt.task.clone();
            let detail = format!("{reached}, which is what one task may use; {failure}");
            let failure = Failure::new(FailureClass::Budget, detail);
            self.take(Decision::Fail { attempt, failure });
            self.skip_dependents(&task);
        } else if again {
            self.take(Decision::Retry {
                attempt,
                failure,
                counts: !outside && !limit,
            });
        } else {
            let task = attempt.task.clone();
            self.take(Decision::Fail { attempt, failure });
            self.skip_dependents(&task);
        }
        if outside {
            if *self.state.admission() == Admission::Open {
                let excused = common.unwrap_or_default();
                self.take(Decision::Pause { cause, excused });
            }
            return;
        }
        // Two different tasks in a row: less at once may help. One hard task says nothing about the others.
        let (width, row) = (self.state.width(), self.state.failures_in_row);
        if row > in_row && row % 2 == 0 && width > 1 {
            self.take(Decision::SetConcurrency { to: width / 2 });
        }
    }

    /// Whether the failure is one too many of its kind: attempts of several tasks that end in the same way within seconds, with no
    /// success between them, have a common cause outside of the tasks (a provider's limit, a lost login). Gives the attempts of
    /// before that failed of it.
    ///
    /// Three tasks are proof enough. Two are, when nothing else runs that could show the opposite.
    fn common_cause(&self, attempt: &AttemptId, failure: &Failure) -> Option<Vec<AttemptId>> {
        let way = self.state.quick_way(self.now, attempt, failure)?;
        let streak = &self.state.streak;
        if streak.way != way {
            return None;
        }
        let before: Vec<AttemptId> = streak.attempts.iter().map(|(one, _)| one.clone()).collect();
        let mut tasks: BTreeSet<&TaskId> = before.iter().map(|one| &one.task).collect();
        tasks.insert(&attempt.task);
        let alone = self.state.active_count() == 1;
        (tasks.len() >= 3 || tasks.len() == 2 && before.len() >= 2 && alone).then_some(before)
    }

    /// Nothing that needs `task` can run any more.
    pub(super) fn skip_dependents(&mut self, task: &TaskId) {
        let Some(at) = self.state.plan().find(task) else {
            return;
        };
        if self.state.is_done(at) {
            return;
        }
        for dependent in self.state.plan().graph().all_dependents(at) {
            if matches!(
                self.state.task(dependent).phase,
                Phase::Waiting | Phase::Pausing { .. }
            ) {
                let skipped = self.state.plan().task(dependent).id.clone();
                self.take(Decision::Skip {
                    task: skipped,
                    reason: SkipReason::NeedFailed(task.clone()),
                });
            }
        }
    }
}
