//! The choices. They read the state, and every one is carried out on it before the next is made, so that what is decided last
//! knows what was decided first.

mod failure;
mod landing;
mod limit;
mod request;
mod wave;

use crate::decision::{Action, Decision, SkipReason, StopCause};
use crate::event::{Event, StartFailure};
use crate::evidence::{
    Ending, Evidence, Failure, FailureClass, ProofEnd, Verdict, judge, judge_ending, quoting,
};
use crate::graph::Ix;
use crate::id::{AttemptId, SlotId, TaskId};
use crate::planted::{Bug, is_planted};
use crate::policy::Dispatch;
use crate::slot_wait::SlotWait;
use crate::state::{Admission, Recording, Refresh, RunEnd, Stage, State};
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
            | Event::Metered { .. }
            | Event::Progressed { .. }
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
            let silent = !running.looking && self.state.silent_at(at, &running) <= self.now;
            let over = !running.slow
                && self
                    .state
                    .soft_limit(at)
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
        let Some((at, Stage::Running(running), None)) = self.stage(attempt) else {
            return;
        };
        if self.state.silent_at(at, &running) <= self.now {
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
        if self.resolve_limit(attempt, tail) {
            return;
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

    fn start_what_may_start(&mut self) {
        if self.state.run_end() == RunEnd::Open {
            self.keep_to_the_budget();
        }
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
        let Some(agent) = self.state.agent_for(at) else {
            return;
        };
        let attempt = self.state.attempt_id(at, self.state.task(at).attempts + 1);
        if agent != self.state.task(at).agent {
            let task = attempt.task.clone();
            self.take(Decision::Assign { task, agent });
        }
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
        // Not what the budget leaves of it, which no result gives back.
        let width = self.state.width;
        if accepted && width < self.state.policy().concurrency {
            self.take(Decision::SetConcurrency { to: width + 1 });
        }
    }

    /// The best ready task whose locks are free, and the lowest free slot.
    fn next_start(&self) -> Option<(Ix, SlotId)> {
        let state = &*self.state;
        let slot = self.free_slot()?;
        let (rules, width) = (state.rules(), state.width());
        let at = state.frontier.next_of(rules, width, state.with_agent())?;
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
        let Some(at) = state.frontier.impatient(state.rules(), state.with_agent()) else {
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
        let work = refreshing || pausing || active || landing || asks || state.waits_for_limit();
        if begun && !work && state.unsettled == 0 && !self.awaits_answers() {
            self.take(Decision::Conclude);
        }
    }

    /// Whether the run stays open for answers, now that nothing else is left.
    fn awaits_answers(&mut self) -> bool {
        let state = &*self.state;
        let Some(wait) = state.policy().answer_wait else {
            return false;
        };
        if *state.admission() != Admission::Open || state.questions().next().is_none() {
            return false;
        }
        let until = state.answers_until.unwrap_or_else(|| {
            let until = self.now.after(wait);
            self.take(Decision::AwaitAnswers { until });
            until
        });
        self.now < until
    }
}

#[cfg(test)]
#[path = "decide_test.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "limit_test.rs"]
mod limit_tests;

#[cfg(test)]
#[path = "outside_test.rs"]
mod outside_tests;

#[cfg(test)]
#[path = "continue_test.rs"]
mod continue_tests;

#[cfg(test)]
#[path = "listing_test.rs"]
mod listing_tests;
