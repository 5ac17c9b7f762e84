//! What follows from failures: retries, what the next attempt goes on from, which failures say something of others.

use std::sync::Arc;

use super::is_start_failure;
use crate::decision::{Action, AskedQuestion, Continuation, Outcome, SkipReason};
use crate::evidence::{Failure, FailureClass};
use crate::id::{AttemptId, TaskId};
use crate::policy::RetryMode;
use crate::state::{Admission, Phase, State, Streak};
use crate::time::Millis;

impl State {
    pub(super) fn pause(&mut self, cause: &str, excused: &[AttemptId]) -> Vec<Action> {
        self.admission = Admission::Paused {
            cause: cause.to_owned(),
        };
        for attempt in excused {
            self.excuse(attempt);
        }
        self.reindex();
        vec![Action::Note {
            text: format!(
                "paused, running tasks finish; `mesh resume` goes on: several times in a row {cause}"
            ),
        }]
    }

    /// The attempt's failure was not its task's: it gives back the retry it used up, and a task that it ended waits again, with
    /// all that was left out because of it.
    fn excuse(&mut self, attempt: &AttemptId) {
        let Some(at) = self.plan.find(&attempt.task) else {
            return;
        };
        for (excused, counted) in &mut self.streak.attempts {
            if excused == attempt && std::mem::take(counted) {
                let task = self.tasks.get_mut(at);
                task.retries = task.retries.saturating_sub(1);
            }
        }
        if !matches!(self.task(at).phase, Phase::Failed { attempt: last, .. } if last == attempt.number)
        {
            return;
        }
        self.tasks.get_mut(at).phase = Phase::Waiting;
        for dependent in self.plan.graph().all_dependents(at) {
            let left_out = &self.task(dependent).phase;
            if matches!(left_out, Phase::Skipped(SkipReason::NeedFailed(need)) if *need == attempt.task)
            {
                self.tasks.get_mut(dependent).phase = Phase::Waiting;
            }
        }
    }

    pub(super) fn retry(
        &mut self,
        now: Millis,
        attempt: &AttemptId,
        failure: &Failure,
        counts: bool,
    ) -> Vec<Action> {
        self.note_failure(now, attempt, failure, counts);
        let pauses = is_start_failure(failure.class);
        let phase = if pauses {
            Phase::Pausing {
                until: now.after(self.policy.start_pause),
            }
        } else {
            Phase::Waiting
        };
        if let Some(at) = self.plan.find(&attempt.task) {
            let task = self.tasks.get_mut(at);
            task.last_failure = Some(Arc::new(failure.clone()));
            let used = if pauses {
                &mut task.start_retries
            } else {
                &mut task.retries
            };
            *used += u32::from(counts);
        }
        // What was answered still is when the provider refused before the agent could make something of it.
        let before = self.find(&attempt.task);
        let before = before.and_then(|(_, task)| task.continues.clone());
        let question = before
            .filter(|_| failure.class == FailureClass::Limit)
            .and_then(|before| before.question.clone());
        let actions = self.end(attempt, phase, Outcome::Retried(failure.clone()));
        let goes_on = match self.policy.retry_mode {
            RetryMode::ByClass => failure.class.leaves_good_work(),
            RetryMode::Continue => !pauses,
            RetryMode::Fresh => false,
        };
        if goes_on {
            self.continue_from(attempt, question);
        }
        actions
    }

    /// The next attempt of the task goes on from this one.
    pub(super) fn continue_from(&mut self, attempt: &AttemptId, question: Option<AskedQuestion>) {
        if let Some(at) = self.plan.find(&attempt.task) {
            self.tasks.get_mut(at).continues = Some(Arc::new(Continuation {
                attempt: attempt.number,
                question,
            }));
        }
    }

    pub(super) fn answer(&mut self, task: &TaskId, text: &str) {
        let Some(at) = self.plan.find(task) else {
            return;
        };
        if let Some(question) = self
            .tasks
            .get_mut(at)
            .continues
            .as_mut()
            .and_then(|continues| Arc::make_mut(continues).question.as_mut())
        {
            question.answer = Some(text.to_owned());
        }
        self.reset(task, &[]);
    }

    pub(super) fn note_failure(
        &mut self,
        now: Millis,
        attempt: &AttemptId,
        failure: &Failure,
        counts: bool,
    ) {
        // What a provider refuses says nothing of tasks or of the machine.
        if failure.class == FailureClass::Limit {
            return;
        }
        if self.last_failed.as_ref() != Some(&attempt.task) {
            self.failures_in_row += 1;
            self.last_failed = Some(attempt.task.clone());
        }
        self.last_start_failure = is_start_failure(failure.class).then(|| failure.to_string());
        match self.quick_way(now, attempt, failure) {
            Some(way) if way == self.streak.way => {
                self.streak.attempts.push((attempt.clone(), counts));
            }
            way => {
                self.streak = Streak {
                    since: now,
                    attempts: way.iter().map(|_| (attempt.clone(), counts)).collect(),
                    way: way.unwrap_or_default(),
                }
            }
        }
    }

    /// The attempt's agent had a result: what made others fail is over, if it started after them.
    pub(super) fn break_streak(&mut self, attempt: &AttemptId) {
        let started = self
            .current(attempt)
            .and_then(|(_, active)| active.executing);
        if started.is_none_or(|started| started > self.streak.since) {
            self.streak = Streak::default();
        }
    }

    /// In which way the attempt failed soon after its agent's start; nothing when it took longer, or when what failed was the work
    /// and not the agent.
    pub(crate) fn quick_way(
        &self,
        now: Millis,
        attempt: &AttemptId,
        failure: &Failure,
    ) -> Option<String> {
        let (_, active) = self.current(attempt)?;
        let quick = active.executing?.after(self.policy.quick_limit) >= now;
        let of_agent = matches!(
            failure.class,
            FailureClass::Crashed | FailureClass::NoResult
        );
        let first = failure.detail.lines().next().unwrap_or_default();
        (quick && of_agent).then(|| format!("{}: {first}", failure.class))
    }
}
