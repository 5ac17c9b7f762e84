//! The choices. They read the state, and every one is carried out on it before the next is made, so that what is decided last
//! knows what was decided first.

mod landing;
mod wave;

use std::collections::BTreeSet;

use crate::apply_decision::is_start_failure;
use crate::decision::{Action, Decision, SkipReason, StopCause};
use crate::event::{Event, Request, StartFailure};
use crate::evidence::{
    Ending, Evidence, Failure, FailureClass, ProofEnd, Verdict, judge, judge_ending, quoting,
};
use crate::graph::Ix;
use crate::id::{AttemptId, SlotId, TaskId};
use crate::planted::{Bug, is_planted};
use crate::policy::Dispatch;
use crate::slot_wait::SlotWait;
use crate::state::{Admission, Phase, Recording, Refresh, RunEnd, Stage, State};
use crate::time::Millis;

/// Decides on `event` without changing `state`.
#[must_use]
pub fn decide(state: &State, now: Millis, event: &Event) -> Vec<Decision> {
    handle(&mut state.clone(), now, event).0
}

/// Takes in a fact and what was decided on it, and says what is to be done. Decides nothing.
#[must_use]
pub fn apply(state: &mut State, now: Millis, event: &Event, decisions: &[Decision]) -> Vec<Action> {
    state.apply_event(now, event);
    decisions
        .iter()
        .flat_map(|decision| state.apply_decision(now, decision))
        .collect()
}

/// [`decide`] and [`apply`] in one.
#[must_use]
pub fn handle(state: &mut State, now: Millis, event: &Event) -> (Vec<Decision>, Vec<Action>) {
    let waiting = state.slot_wait.map(|wait| wait.until);
    state.apply_event(now, event);
    let mut decider = Decider {
        state,
        now,
        waiting,
        decisions: Vec::new(),
        actions: Vec::new(),
    };
    decider.answer(event);
    decider.land_next();
    decider.start_what_may_start();
    decider.refresh_and_conclude();
    (decider.decisions, decider.actions)
}

/// Where decisions are made: each is carried out at once and noted.
struct Decider<'a> {
    state: &'a mut State,
    now: Millis,
    /// The end of the wait for a better task that went on until this event.
    waiting: Option<Millis>,
    decisions: Vec<Decision>,
    actions: Vec<Action>,
}

impl Decider<'_> {
    fn take(&mut self, decision: Decision) {
        self.actions
            .extend(self.state.apply_decision(self.now, &decision));
        self.decisions.push(decision);
    }

    fn answer(&mut self, event: &Event) {
        match event {
            Event::Tick => self.on_deadlines(),
            Event::Started { attempt } => self.on_started(attempt),
            Event::StartFailed { attempt, cause } => self.on_start_failed(attempt, cause),
            Event::Probed { attempt, .. } => self.on_probed(attempt),
            Event::Ended {
                attempt,
                ending,
                tail,
            } => self.on_ended(attempt, ending, tail),
            Event::Inspected { attempt, evidence } => self.on_inspected(attempt, evidence),
            Event::Proved { attempt, proof } => self.on_proved(attempt, proof),
            Event::Integrated {
                attempt,
                landing,
                integration,
            } => self.on_integrated(attempt, *landing, integration),
            Event::LandingProved {
                attempt,
                landing,
                proof,
            } => self.on_landing_proved(attempt, *landing, proof),
            Event::Published {
                attempt,
                landing,
                publication,
            } => self.on_published(attempt, *landing, publication),
            Event::ClaimLost { task, .. } => self.stop_task(task, StopCause::ClaimLost),
            Event::Refreshed { change } => {
                for (task, _) in change.iter().flat_map(|change| &change.taken) {
                    self.stop_task(task, StopCause::Taken);
                }
            }
            // While claims are given back nothing is taken up.
            Event::Reopened if self.state.run_end() == RunEnd::Open => self.record_parked(),
            Event::Requested { request } => self.on_request(request),
            Event::Concluded => {
                let over = self.state.run_end() == RunEnd::Concluded;
                let state = &*self.state;
                let parked = state.active().any(|at| state.is_parked(at));
                let work = !state.frontier.nobody_is_ready() || !state.wakes.is_empty();
                let more = parked || work || state.has_landings();
                if over && more && *state.admission() == Admission::Open {
                    self.take(Decision::Continue);
                    self.record_parked();
                }
            }
            Event::RunStarted { .. }
            | Event::Reopened
            | Event::Claimed { .. }
            | Event::Finalized { .. }
            | Event::WaveFinalized { .. }
            | Event::Unwritten { .. }
            | Event::Noticed { .. } => {}
        }
    }

    /// The stage of `attempt`, unless the report is late or double.
    fn stage(&self, attempt: &AttemptId) -> Option<(Ix, Stage, Option<StopCause>)> {
        let (at, active) = self.state.current(attempt)?;
        Some((
            at,
            active.stage.clone(),
            active.stopping.map(|stopping| stopping.cause),
        ))
    }

    fn on_deadlines(&mut self) {
        self.on_landing_deadline();
        let due: Vec<Ix> = self
            .state
            .wakes
            .iter()
            .take_while(|(when, _)| *when <= self.now)
            .map(|(_, at)| *at)
            .collect();
        for at in due {
            let Some(active) = self.state.task(at).active().cloned() else {
                continue;
            };
            let attempt = self.state.attempt_id(at, active.attempt);
            if let Some(stopping) = active.stopping {
                if stopping.kill_at <= self.now {
                    self.take(Decision::Kill { attempt });
                }
                continue;
            }
            let running = match active.stage {
                Stage::Running(running) => running,
                Stage::Starting | Stage::Proving { .. } => {
                    let cause = StopCause::Overdue;
                    self.take(Decision::Stop { attempt, cause });
                    continue;
                }
                Stage::Inspecting(Recording::Working { .. }) => {
                    let limit = self.state.policy().recording_limit;
                    let detail = format!("it takes longer than {limit}");
                    let failure = Failure::new(FailureClass::NotRecordable, detail);
                    self.record_later(&attempt, failure);
                    continue;
                }
                Stage::Inspecting(Recording::Failed { .. }) => {
                    self.take(Decision::Inspect { attempt });
                    continue;
                }
            };
            let silent = !running.looking && self.state.silent_at(&running) <= self.now;
            let over = !running.slow
                && self
                    .state
                    .policy()
                    .soft_limit
                    .is_some_and(|limit| running.started.after(limit) <= self.now);
            if over {
                self.take(Decision::SoftLimitExceeded {
                    attempt: attempt.clone(),
                });
            }
            if silent {
                self.take(Decision::Probe { attempt });
            }
        }
    }

    /// An agent that started although it was told to stop meanwhile must hear it again.
    fn on_started(&mut self, attempt: &AttemptId) {
        // Only then: a second report of the same start must not put off the kill.
        let Some((_, Stage::Running(running), Some(cause))) = self.stage(attempt) else {
            return;
        };
        if running.started == self.now {
            self.take(Decision::Stop {
                attempt: attempt.clone(),
                cause,
            });
        }
    }

    fn on_start_failed(&mut self, attempt: &AttemptId, cause: &StartFailure) {
        let Some((_, Stage::Starting, stopping)) = self.stage(attempt) else {
            return;
        };
        match (cause, stopping) {
            // The claim says it better than the listing that was read meanwhile.
            (StartFailure::Taken { holder }, None | Some(StopCause::Taken)) => {
                let reason = SkipReason::Taken(holder.clone());
                self.take(Decision::Skip {
                    task: attempt.task.clone(),
                    reason,
                });
            }
            (_, Some(stop)) => self.resolve_stopped(attempt, stop, ""),
            (StartFailure::Failed(failure), None) => self.resolve_failure(attempt, failure),
        }
    }

    fn on_probed(&mut self, attempt: &AttemptId) {
        let Some((_, Stage::Running(running), None)) = self.stage(attempt) else {
            return;
        };
        if self.state.silent_at(&running) <= self.now {
            self.take(Decision::Stop {
                attempt: attempt.clone(),
                cause: StopCause::Hung,
            });
        }
    }

    fn on_ended(&mut self, attempt: &AttemptId, ending: &Ending, tail: &str) {
        // A start can be lost in a crash of the coordinator: then the end is the first that is heard of the agent.
        let Some((_, stage, stopping)) = self.stage(attempt) else {
            return;
        };
        let executes = matches!(stage, Stage::Starting | Stage::Running(_));
        if !executes && !is_planted(Bug::EndTrustedTwice) {
            return;
        }
        if let Some(stop) = stopping {
            return self.resolve_stopped(attempt, stop, tail);
        }
        match judge_ending(ending, tail) {
            None => self.take(Decision::Inspect {
                attempt: attempt.clone(),
            }),
            Some(failure) => self.resolve_failure(attempt, &failure),
        }
    }

    fn on_inspected(&mut self, attempt: &AttemptId, evidence: &Result<Evidence, Failure>) {
        // A late success of a recording that was given up counts all the same, unless the run is over: it is repeated then.
        let Some((at, Stage::Inspecting(recording), stopping)) = self.stage(attempt) else {
            return;
        };
        if self.state.is_parked(at) && self.state.run_end() != RunEnd::Open {
            return;
        }
        if let Some(stop) = stopping {
            return self.resolve_stopped(attempt, stop, "");
        }
        let evidence = match evidence {
            Ok(evidence) => evidence,
            Err(failure) if failure.class == FailureClass::NotRecordable => {
                if matches!(recording, Recording::Working { .. }) {
                    self.record_later(attempt, failure.clone());
                }
                return;
            }
            Err(failure) => return self.resolve_failure(attempt, failure),
        };
        let attempt = attempt.clone();
        let mut commit = evidence.changes.commit.clone();
        if is_planted(Bug::VerifiedWithoutCommit) {
            commit.0.clear();
        }
        match judge(evidence, self.state.policy().allow_no_validation) {
            Verdict::Prove {
                command,
                self_checked,
            } => self.take(Decision::Prove {
                attempt,
                command,
                self_checked,
                commit,
            }),
            Verdict::Accept => self.take(Decision::Accept {
                attempt,
                commit,
                self_checked: true,
            }),
            Verdict::Ask(text) => self.take(Decision::Question { attempt, text }),
            Verdict::Fail(failure) => self.resolve_failure(&attempt, &failure),
        }
    }

    fn on_proved(&mut self, attempt: &AttemptId, proof: &ProofEnd) {
        let Some((
            _,
            Stage::Proving {
                command,
                self_checked,
                commit,
                since: _,
            },
            stopping,
        )) = self.stage(attempt)
        else {
            return;
        };
        if let Some(stop) = stopping {
            return self.resolve_stopped(attempt, stop, "");
        }
        if proof.passed() {
            return self.take(Decision::Accept {
                attempt: attempt.clone(),
                commit,
                self_checked,
            });
        }
        let (class, what) = if proof.passed_in_workspace {
            let what = "passes in the workspace; in a fresh one of the recorded commit, after the setup command, it ";
            (FailureClass::NotRecorded, what)
        } else {
            (FailureClass::VerifyFailed, "")
        };
        let detail = quoting(
            format!("the proof `{command}` {what}{}", proof.ending),
            &proof.tail,
        );
        self.resolve_failure(attempt, &Failure::new(class, detail));
    }

    /// The recording is repeated after a pause. The second failure in a row is no accident: no new attempt starts, and this one
    /// waits until the run is taken up again.
    fn record_later(&mut self, attempt: &AttemptId, failure: Failure) {
        let open = *self.state.admission() == Admission::Open;
        let again = open && self.state.recording_failures == 0;
        let cause = failure.in_one_line();
        self.take(Decision::RecordingFailed {
            attempt: attempt.clone(),
            failure,
            again,
        });
        if open && !again {
            self.take(Decision::Pause {
                cause,
                excused: Vec::new(),
            });
        }
    }

    fn record_parked(&mut self) {
        let active: Vec<Ix> = self.state.active().collect();
        for at in active {
            if let (true, Some(active)) = (self.state.is_parked(at), self.state.task(at).active()) {
                let attempt = self.state.attempt_id(at, active.attempt);
                self.take(Decision::Inspect { attempt });
            }
        }
    }

    /// An attempt that was told to end has ended; `tail` is what its agent wrote last.
    fn resolve_stopped(&mut self, attempt: &AttemptId, cause: StopCause, tail: &str) {
        let task = attempt.task.clone();
        match cause {
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
        match (self.stage(attempt), policy.start_limit) {
            (Some((_, Stage::Running(running), _)), Some(limit))
                if running.last_sign <= running.started && limit < policy.silence_limit =>
            {
                format!("no first sign of life within {limit}")
            }
            _ => format!("no sign of life for {}", policy.silence_limit),
        }
    }

    /// One failure, one action: try again, or give up.
    fn resolve_failure(&mut self, attempt: &AttemptId, failure: &Failure) {
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
        let (attempt, failure) = (attempt.clone(), failure.clone());
        let cause = failure.in_one_line();
        let in_row = self.state.failures_in_row;
        if !closed && (outside || failure.class.is_worth_a_retry() && used < allowed) {
            self.take(Decision::Retry {
                attempt,
                failure,
                counts: !outside,
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
    fn skip_dependents(&mut self, task: &TaskId) {
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

    fn stop_task(&mut self, task: &TaskId, cause: StopCause) {
        let Some(at) = self.state.plan().find(task) else {
            return;
        };
        let Some(active) = self.state.task(at).active() else {
            return;
        };
        // Nothing of it executes that could be stopped. For the run's own end its work goes on waiting to be recorded.
        if let Stage::Inspecting(Recording::Failed { failure, until }) = &active.stage {
            let attempt = self.state.attempt_id(at, active.attempt);
            let failure = (**failure).clone();
            return match cause {
                StopCause::RunStopped if until.is_none() => {}
                StopCause::RunStopped => self.take(Decision::RecordingFailed {
                    attempt,
                    failure,
                    again: false,
                }),
                _ => self.resolve_stopped(&attempt, cause, ""),
            };
        }
        // What a person or the tracker said about the task outlasts an end for the run's own reasons.
        let weight = |cause| match cause {
            StopCause::Hung
            | StopCause::Overdue
            | StopCause::RunStopped
            | StopCause::Superseded => 0,
            StopCause::ClaimLost => 1,
            StopCause::Taken => 2,
            StopCause::Skipped => 3,
        };
        let stronger = |stopping: crate::state::Stopping| weight(stopping.cause) < weight(cause);
        if active.stopping.is_none_or(stronger) {
            let attempt = self.state.attempt_id(at, active.attempt);
            self.take(Decision::Stop { attempt, cause });
        }
    }

    fn on_request(&mut self, request: &Request) {
        match request {
            Request::Stop { now } => {
                if *self.state.admission() != Admission::Stopped {
                    self.take(Decision::Drain);
                }
                if *now {
                    let active: Vec<Ix> = self.state.active().collect();
                    for at in active {
                        let task = self.state.plan().task(at).id.clone();
                        self.stop_task(&task, StopCause::RunStopped);
                    }
                    self.stop_landings();
                }
            }
            Request::Skip { task } => self.on_skip_request(task),
            Request::Land { tasks, onto } => self.on_land_request(tasks, onto),
            Request::TrustOutside => self.take(Decision::TrustOutside),
            Request::Pick { wave, tasks } => self.on_pick(*wave, tasks),
            Request::Retry {
                task,
                with_dependents,
            } => self.on_retry_request(task, *with_dependents),
        }
    }

    fn on_skip_request(&mut self, task: &TaskId) {
        let Some(at) = self.state.plan().find(task) else {
            return self.refuse(format!("there is no task {task} in this run"));
        };
        match &self.state.task(at).phase {
            Phase::Active(_) => self.stop_task(task, StopCause::Skipped),
            Phase::Verified { .. } | Phase::Satisfied { .. } => {
                self.refuse(format!("{task} is done; there is nothing to skip"))
            }
            _ => {
                self.take(Decision::Skip {
                    task: task.clone(),
                    reason: SkipReason::ByPerson,
                });
                self.skip_dependents(task);
            }
        }
    }

    fn on_retry_request(&mut self, task: &TaskId, with_dependents: bool) {
        let Some(at) = self.state.plan().find(task) else {
            return self.refuse(format!("there is no task {task} in this run"));
        };
        match &self.state.task(at).phase {
            Phase::Active(_) => {
                return self.refuse(format!("{task} is running; stop or skip it first"));
            }
            Phase::Waiting | Phase::Pausing { .. } => {
                return self.refuse(format!("{task} is waiting to run anyway"));
            }
            Phase::ClosedElsewhere { sign } => {
                return self.refuse(format!(
                    "{task} was closed by somebody else ({sign}); open it again where it comes from, or take it as done with \
                     `mesh resume --trust-outside`"
                ));
            }
            Phase::Satisfied { commit: None } => {
                return self.refuse(format!(
                    "{task} was not done by mesh; open it again where it comes from"
                ));
            }
            _ => {}
        }
        let dependents = self.state.plan().graph().all_dependents(at);
        let first = self.first_started_dependent(at);
        if let Some(first) = first.filter(|_| !with_dependents) {
            let first = &self.state.plan().task(first).id;
            let reason = format!(
                "{first} was built on {task}; retry with --with-dependents to do both again"
            );
            return self.refuse(reason);
        }
        let mut queued = self.state.landings.iter();
        if let Some(&queued) = queued.find(|one| **one == at || dependents.contains(one)) {
            let queued = &self.state.plan().task(queued).id;
            return self.refuse(format!(
                "{queued} is about to be landed; retry {task} when that is over"
            ));
        }
        for &dependent in &dependents {
            let id = self.state.plan().task(dependent).id.clone();
            self.stop_task(&id, StopCause::Superseded);
        }
        let waits = |at: &Ix| match &self.state.task(*at).phase {
            Phase::Skipped(SkipReason::NeedFailed(_)) => true,
            Phase::Skipped(_) | Phase::Satisfied { .. } => false,
            _ => self.state.task(*at).attempts > 0,
        };
        let dependents: Vec<TaskId> = dependents
            .iter()
            .filter(|at| waits(at))
            .map(|at| self.state.plan().task(*at).id.clone())
            .collect();
        self.take(Decision::Reset {
            task: task.clone(),
            dependents,
        });
    }

    /// The first of what was built on `at`, if anything was.
    fn first_started_dependent(&self, at: Ix) -> Option<Ix> {
        let started = |at: &Ix| {
            self.state.task(*at).attempts > 0
                && !matches!(self.state.task(*at).phase, Phase::Skipped(_))
        };
        let dependents = self.state.plan().graph().all_dependents(at);
        dependents.into_iter().find(started)
    }

    fn refuse(&mut self, reason: String) {
        self.take(Decision::Refuse { reason });
    }

    fn start_what_may_start(&mut self) {
        if self.state.policy().dispatch == Dispatch::Waves {
            return self.go_on_with_waves();
        }
        if self.state.run_end() != RunEnd::Open || *self.state.admission() != Admission::Open {
            return;
        }
        self.restore_width();
        let mut outlook = None;
        while let Some((best, slot)) = self.next_start() {
            let state = &*self.state;
            let outlook = outlook.get_or_insert_with(|| state.outlook(self.now, self.waiting));
            let at = match outlook.choose(state, best) {
                Ok(at) => at,
                Err(wait) => return self.keep_slot(wait),
            };
            self.start(at, slot);
            self.reserve_for_the_patient();
        }
    }

    fn start(&mut self, at: Ix, slot: SlotId) {
        let attempt = self.state.attempt_id(at, self.state.task(at).attempts + 1);
        self.take(Decision::Start { attempt, slot });
    }

    fn keep_slot(&mut self, wait: SlotWait) {
        if self.state.slot_wait != Some(wait) {
            let task = self.state.plan().task(wait.task).id.clone();
            let until = wait.until;
            self.take(Decision::KeepSlot { task, until });
        }
    }

    /// A verified attempt gives one place back.
    fn restore_width(&mut self) {
        let accepted = self
            .decisions
            .iter()
            .any(|decision| matches!(decision, Decision::Accept { .. }));
        let width = self.state.width();
        if accepted && width < self.state.policy().concurrency {
            self.take(Decision::SetConcurrency { to: width + 1 });
        }
    }

    /// The best ready task whose locks are free, and the lowest free slot.
    fn next_start(&self) -> Option<(Ix, SlotId)> {
        let state = &*self.state;
        let slot = self.free_slot()?;
        let at = state.frontier.next(state.rules(), state.width())?;
        Some((at, slot))
    }

    /// The lowest free slot, when one more may run.
    fn free_slot(&self) -> Option<SlotId> {
        let state = &*self.state;
        let free = state.slots.iter().position(Option::is_none)?;
        let slot = SlotId(u16::try_from(free + 1).ok()?);
        (state.active_count() < state.width()).then_some(slot)
    }

    fn reserve_for_the_patient(&mut self) {
        let state = &*self.state;
        let Some(at) = state.frontier.impatient(state.rules()) else {
            return;
        };
        let task = state.plan().task(at).id.clone();
        self.take(Decision::Reserve { task });
    }

    fn refresh_and_conclude(&mut self) {
        if self.state.run_end() != RunEnd::Open {
            return;
        }
        if self.state.refresh == (Refresh::Idle { due: true })
            && *self.state.admission() != Admission::Stopped
        {
            self.take(Decision::Refresh);
        }
        let state = &*self.state;
        let refreshing = matches!(state.refresh, Refresh::Asked { .. });
        let pausing = *state.admission() == Admission::Open && state.wakes.iter().next().is_some();
        let begun = !state.plan().tasks().is_empty();
        let active = state.active().any(|at| !state.is_parked(at));
        let landing = state.has_landings();
        let asks = *state.admission() == Admission::Open && state.unconfirmed_wave().is_some();
        let work = refreshing || pausing || active || landing || asks;
        if begun && !work && state.unsettled == 0 {
            self.take(Decision::Conclude);
        }
    }
}

#[cfg(test)]
#[path = "decide_test.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "outside_test.rs"]
mod outside_tests;

#[cfg(test)]
#[path = "listing_test.rs"]
mod listing_tests;
