//! Decisions into the state. Each is carried out without looking whether it was a good one, so that records of another version
//! replay; what to do about it comes back as actions.

mod failure;
mod landing;

use std::sync::Arc;

use crate::decision::{
    Action, AskedQuestion, Continuation, Decision, Outcome, SkipReason, StopCause,
};
use crate::event::Delivery;
use crate::evidence::{Failure, FailureClass};
use crate::graph::Ix;
use crate::id::{AttemptId, SlotId, TaskId};
use crate::landing::{Candidate, LandingStage};
use crate::metered::Usage;
use crate::planted::{Bug, is_planted};
use crate::slot_wait::SlotWait;
use crate::state::{
    Active, Admission, Finalizing, Observed, Phase, Recording, Refresh, RunEnd, Running, Stage,
    State, Stopping,
};
use crate::task::{Commit, Eligibility};
use crate::time::{Millis, Span};
use crate::wave::Wave;

/// How long an attempt may take to end after it was told to, before it is killed. The shim's own grace is shorter.
pub const STOP_PATIENCE: Span = Span::seconds(60);

impl State {
    /// Carries a decision out and says what is to be done.
    pub(crate) fn apply_decision(&mut self, now: Millis, decision: &Decision) -> Vec<Action> {
        match decision {
            Decision::Start { attempt, slot } => self.start(now, attempt, *slot),
            Decision::Assign { task, agent } => {
                if let Some(at) = self.plan.find(task) {
                    self.tasks.get_mut(at).agent = *agent;
                }
                Vec::new()
            }
            Decision::Hold { account, until } => {
                self.shut(now, account, *until);
                Vec::new()
            }
            Decision::Spend { reached } => {
                self.admission = Admission::Spent {
                    reached: reached.clone(),
                };
                vec![Action::Note {
                    text: format!(
                        "no new starts, running tasks finish: {reached}; `mesh resume` with a higher bound goes on"
                    ),
                }]
            }
            Decision::SetBudget { budget } => {
                Arc::make_mut(&mut self.policy).budget = *budget;
                Vec::new()
            }
            Decision::Reserve { task } => {
                if let Some(at) = self.plan.find(task) {
                    self.change_frontier(|frontier, rules| frontier.reserve(rules, at));
                }
                Vec::new()
            }
            Decision::KeepSlot { task, until } => {
                let wait = |task| SlotWait {
                    task,
                    until: *until,
                };
                self.slot_wait = self.plan.find(task).map(wait);
                Vec::new()
            }
            Decision::AnnounceWave { wave, tasks } => {
                self.wave = self.wave_of(*wave, tasks, false);
                Vec::new()
            }
            Decision::ConfirmWave { wave, tasks } => {
                self.wave = self.wave_of(*wave, tasks, true);
                self.waves_confirmed = *wave;
                Vec::new()
            }
            Decision::EndWave { wave, next } => {
                let end = self.wave_end(*wave, next);
                self.wave = None;
                self.wave_ends.push(end.clone());
                self.unsettled += 1;
                vec![Action::FinalizeWave(end)]
            }
            Decision::Probe { attempt } => {
                let is_current = self.change_running(attempt, |running| running.looking = true);
                let look = || Action::Probe {
                    attempt: attempt.clone(),
                };
                is_current.then(look).into_iter().collect()
            }
            Decision::SoftLimitExceeded { attempt } => {
                let is_current = self.change_running(attempt, |running| running.slow = true);
                let note = || Action::Note {
                    text: format!("{attempt} is over its soft limit"),
                };
                is_current.then(note).into_iter().collect()
            }
            Decision::Stop { attempt, cause } => self.stop(now, attempt, *cause),
            Decision::Kill { attempt } => self.kill(attempt),
            Decision::Inspect { attempt } => self.examine(now, attempt),
            Decision::RecordingFailed {
                attempt,
                failure,
                again,
            } => self.recording_failed(now, attempt, failure, *again),
            Decision::Prove {
                attempt,
                command,
                self_checked,
                commit,
            } => {
                self.note_agents_pace(attempt);
                let stage = Stage::Proving {
                    since: now,
                    command: command.clone(),
                    self_checked: *self_checked,
                    commit: commit.clone(),
                };
                self.stage_of(attempt, stage);
                if is_planted(Bug::LockReleasedEarly)
                    && let Some((at, _)) = self.current(attempt)
                {
                    self.change_frontier(|frontier, rules| frontier.end(rules, at));
                }
                vec![Action::Prove {
                    attempt: attempt.clone(),
                    command: command.clone(),
                    commit: commit.clone(),
                }]
            }
            Decision::Accept {
                attempt,
                commit,
                self_checked,
            } => self.accept(now, attempt, commit, *self_checked),
            Decision::Land { attempt } => self.begin_landing(now, attempt),
            Decision::ProveLanding { attempt } => {
                self.landing_stage(now, attempt, LandingStage::Proving)
            }
            Decision::Publish { attempt } => {
                self.landing_stage(now, attempt, LandingStage::Publishing)
            }
            Decision::StopLanding { attempt } => self.stop_landing(now, attempt),
            Decision::EndLanding { attempt, delivery } => self.end_landing(attempt, delivery),
            Decision::GiveBack { attempt, failure } => self.give_back(attempt, failure),
            Decision::QueueLandings { attempts, onto } => self.queue_landings(attempts, onto),
            Decision::Retry {
                attempt,
                failure,
                counts,
            } => self.retry(now, attempt, failure, *counts),
            Decision::Fail { attempt, failure } => {
                self.note_failure(now, attempt, failure, true);
                let phase = Phase::Failed {
                    attempt: attempt.number,
                    failure: Arc::new(failure.clone()),
                };
                self.end(attempt, phase, Outcome::Failed(failure.clone()))
            }
            Decision::Question { attempt, text } => {
                self.break_streak(attempt);
                let phase = Phase::Question {
                    attempt: attempt.number,
                    text: text.clone(),
                };
                let actions = self.end(attempt, phase, Outcome::Question(text.clone()));
                let question = AskedQuestion {
                    text: text.clone(),
                    answer: None,
                };
                self.continue_from(attempt, Some(question));
                actions
            }
            Decision::Answer { task, text } => {
                self.answer(task, text);
                Vec::new()
            }
            Decision::AwaitAnswers { until } => {
                self.answers_until = Some(*until);
                vec![Action::Note {
                    text: "nothing but questions is left: `mesh questions` shows them, `mesh answer TASK TEXT` goes on".to_owned(),
                }]
            }
            Decision::Interrupt { attempt } => {
                self.end(attempt, Phase::Waiting, Outcome::Interrupted)
            }
            Decision::Skip { task, reason } => self.skip(task, reason),
            Decision::Reset { task, dependents } => {
                self.reset(task, dependents);
                Vec::new()
            }
            Decision::Refuse { reason } => vec![Action::Note {
                text: reason.clone(),
            }],
            Decision::SetConcurrency { to } => {
                self.width = (*to).clamp(1, self.policy.concurrency.max(1));
                Vec::new()
            }
            Decision::Pause { cause, excused } => self.pause(cause, excused),
            Decision::TrustOutside => {
                self.trust_outside();
                Vec::new()
            }
            Decision::Drain => {
                self.admission = Admission::Stopped;
                Vec::new()
            }
            Decision::Refresh => {
                self.refresh = Refresh::Asked { again: false };
                vec![Action::Refresh]
            }
            Decision::Conclude => {
                self.ending = RunEnd::Concluding;
                self.answers_until = None;
                vec![Action::Conclude]
            }
            Decision::Continue => {
                self.ending = RunEnd::Open;
                Vec::new()
            }
        }
    }

    fn wave_of(&self, number: u32, tasks: &[TaskId], is_confirmed: bool) -> Option<Wave> {
        let tasks = tasks.iter().filter_map(|task| self.plan.find(task));
        let wave = Wave {
            number,
            tasks: tasks.collect(),
            is_confirmed,
        };
        (!wave.tasks.is_empty()).then_some(wave)
    }

    fn start(&mut self, now: Millis, attempt: &AttemptId, slot: SlotId) -> Vec<Action> {
        let Some(at) = self.plan.find(&attempt.task) else {
            return Vec::new();
        };
        self.change_frontier(|frontier, rules| frontier.start(rules, at));
        let place = usize::from(slot.0).saturating_sub(1);
        if place >= self.slots.len() {
            self.slots.resize(place + 1, None);
        }
        self.slots[place] = Some(at);
        self.slot_wait = None;
        self.answers_until = None;
        self.peak = self.peak.max(self.active_count());
        let needs = self.need_commits(at).into_iter();
        let stands_on = needs
            .map(|(need, _)| self.plan.task(need).id.clone())
            .collect();
        let task = self.tasks.get_mut(at);
        task.attempts = attempt.number;
        task.observed = Observed::default();
        task.stands_on = stands_on;
        if task.agent > 0 {
            task.agents.push((attempt.number, task.agent));
        }
        let active = Active {
            attempt: attempt.number,
            slot,
            since: now,
            executing: None,
            stage: Stage::Starting,
            stopping: None,
        };
        self.set_phase(at, Phase::Active(active));
        self.note_probe(attempt);
        vec![Action::Start(self.start_order(at))]
    }

    fn stop(&mut self, now: Millis, attempt: &AttemptId, cause: StopCause) -> Vec<Action> {
        let Some((at, active)) = self.current(attempt) else {
            return Vec::new();
        };
        let fresh = Stopping {
            cause,
            kill_at: now.after(STOP_PATIENCE),
            killed: false,
        };
        // A second order with another cause does not put off the kill; an agent that has only just started gets its time.
        let stopping = match active.stopping {
            Some(before) if before.cause != cause => Stopping { cause, ..before },
            _ => fresh,
        };
        self.set_stopping(at, stopping);
        vec![Action::Stop {
            attempt: attempt.clone(),
        }]
    }

    fn kill(&mut self, attempt: &AttemptId) -> Vec<Action> {
        let Some((at, active)) = self.current(attempt) else {
            return Vec::new();
        };
        if let Some(stopping) = active.stopping {
            self.set_stopping(
                at,
                Stopping {
                    killed: true,
                    ..stopping
                },
            );
        }
        vec![Action::Kill {
            attempt: attempt.clone(),
        }]
    }

    fn examine(&mut self, now: Millis, attempt: &AttemptId) -> Vec<Action> {
        let Some((at, _)) = self.current(attempt) else {
            return Vec::new();
        };
        self.set_stage(at, Stage::Inspecting(Recording::Working { since: now }));
        vec![Action::Inspect {
            attempt: attempt.clone(),
            locks: self.held_locks(at),
        }]
    }

    fn recording_failed(
        &mut self,
        now: Millis,
        attempt: &AttemptId,
        failure: &Failure,
        again: bool,
    ) -> Vec<Action> {
        self.recording_failures += 1;
        let recording = Recording::Failed {
            failure: Arc::new(failure.clone()),
            until: again.then(|| now.after(self.policy.start_pause)),
        };
        let what = if again {
            "it is tried again"
        } else {
            "it is tried again by `mesh resume`"
        };
        self.stage_of(attempt, Stage::Inspecting(recording));
        vec![Action::Note {
            text: format!(
                "{attempt} could not be recorded, {what}: {}",
                failure.detail
            ),
        }]
    }

    fn accept(
        &mut self,
        now: Millis,
        attempt: &AttemptId,
        commit: &Commit,
        self_checked: bool,
    ) -> Vec<Action> {
        self.note_agents_pace(attempt);
        if let Some((at, _)) = self.current(attempt) {
            self.verified_count += 1;
            self.tasks.get_mut(at).verified_as = self.verified_count;
        }
        let proof = match self.current(attempt).map(|(_, active)| &active.stage) {
            Some(Stage::Proving { command, since, .. }) => {
                let (command, taken) = (command.clone(), now.since(*since));
                self.pace.note_proof(taken);
                Some(command)
            }
            _ => None,
        };
        let lands = self.policy.land.is_some();
        let phase = Phase::Verified {
            attempt: attempt.number,
            commit: commit.clone(),
            self_checked,
            proof,
            delivery: if lands {
                Delivery::Queued
            } else {
                Delivery::Kept
            },
        };
        self.failures_in_row = 0;
        self.last_failed = None;
        self.break_streak(attempt);
        self.last_start_failure = None;
        let outcome = Outcome::Verified {
            commit: commit.clone(),
            self_checked,
        };
        let actions = match self.current(attempt).filter(|_| lands) {
            // Its end is written down when it is landed, or when it cannot be.
            Some((at, _)) => {
                self.free(attempt, phase, &outcome);
                self.landings.push(at);
                vec![Action::Keep {
                    attempt: attempt.clone(),
                    commit: commit.clone(),
                }]
            }
            None => self.end(attempt, phase, outcome),
        };
        self.count_done(attempt);
        actions
    }

    /// What the attempt left is good so far: how long its agent took says what to expect of others.
    fn note_agents_pace(&mut self, attempt: &AttemptId) {
        if let Some((at, active)) = self.current(attempt)
            && let (Some(began), Stage::Inspecting(Recording::Working { since })) =
                (active.executing, &active.stage)
        {
            let taken = since.since(began);
            let estimate = Span::minutes(self.plan.estimate(at).0.into());
            self.pace.note_agent(estimate, taken);
        }
    }

    fn skip(&mut self, task: &crate::id::TaskId, reason: &SkipReason) -> Vec<Action> {
        let Some(at) = self.plan.find(task) else {
            return Vec::new();
        };
        if matches!(reason, SkipReason::Taken(_)) {
            self.tasks.get_mut(at).claimed = false;
        }
        match self.task(at).active().map(|active| active.attempt) {
            Some(number) => {
                let attempt = self.attempt_id(at, number);
                self.end(
                    &attempt,
                    Phase::Skipped(reason.clone()),
                    Outcome::Skipped(reason.clone()),
                )
            }
            None => {
                self.set_phase(at, Phase::Skipped(reason.clone()));
                Vec::new()
            }
        }
    }

    fn is_active(&self, id: &crate::id::TaskId) -> bool {
        self.find(id)
            .is_some_and(|(_, state)| state.active().is_some())
    }

    fn reset(&mut self, task: &TaskId, dependents: &[TaskId]) {
        self.redo(task);
        dependents.iter().for_each(|task| self.redo(task));
        self.reindex();
        let all: Vec<_> = std::iter::once(task).chain(dependents).collect();
        self.open_again(&all);
        let over: Vec<_> = all.into_iter().filter(|id| !self.is_active(id)).collect();
        self.catch_up(&over);
    }

    fn redo(&mut self, task: &crate::id::TaskId) {
        let Some(at) = self.plan.find(task) else {
            return;
        };
        let state = self.tasks.get_mut(at);
        // A question is gone on from; what failed for good is done afresh.
        let asks = |continues: &Arc<Continuation>| continues.question.is_some();
        state.continues = state.continues.take().filter(asks);
        if state.active().is_none() {
            state.phase = Phase::Waiting;
        }
        (state.retries, state.start_retries) = (0, 0);
        (state.spent, state.worked) = (Usage::default(), Span(0));
        state.last_failure = None;
    }

    /// Ends an attempt: slot and locks are free, its end is to be written down.
    fn end(&mut self, attempt: &AttemptId, phase: Phase, outcome: Outcome) -> Vec<Action> {
        match self.free(attempt, phase, &outcome) {
            Some(at) => self.finalize(at, attempt.number, outcome, Delivery::Kept, None),
            None => Vec::new(),
        }
    }

    /// The attempt's end is to be written down, and the source may say something new after it.
    pub(crate) fn finalize(
        &mut self,
        at: Ix,
        attempt: u32,
        outcome: Outcome,
        delivery: Delivery,
        withdraw: Option<Candidate>,
    ) -> Vec<Action> {
        let task = self.tasks.get_mut(at);
        if let Outcome::Failed(failure) | Outcome::Retried(failure) = &outcome
            && failure.class == FailureClass::NotRecorded
        {
            task.not_recorded.push(attempt);
        }
        let end = Finalizing {
            attempt,
            outcome,
            delivery,
            withdraw,
            observed: task.observed.clone(),
            not_recorded: task.not_recorded.clone(),
        };
        task.finalizing.push(end.clone());
        let attempt = self.attempt_id(at, attempt);
        let action = Action::Finalize { attempt, end };
        self.unsettled += 1;
        match &mut self.refresh {
            Refresh::Idle { due } => *due = self.policy.refresh,
            Refresh::Asked { again } => *again = true,
        }
        vec![action]
    }

    /// Frees the slot and the locks of an attempt, whose task is in `phase` from now on.
    fn free(&mut self, attempt: &AttemptId, phase: Phase, outcome: &Outcome) -> Option<Ix> {
        let (at, active) = self.current(attempt)?;
        let place = usize::from(active.slot.0).saturating_sub(1);
        let executed = active.executing.is_some();
        let is_proving = matches!(active.stage, Stage::Proving { .. });
        self.slots[place] = None;
        self.probe_over(attempt);
        let plan = Arc::clone(&self.plan);
        if !(is_planted(Bug::LockReleasedEarly) && is_proving) {
            self.change_frontier(|frontier, rules| frontier.end(rules, at));
        }
        let verified = matches!(phase, Phase::Verified { .. });
        // One that did not come to its agent, or to its end, leaves to the next what it was to go on from.
        if executed && *outcome != Outcome::Interrupted {
            self.tasks.get_mut(at).continues = None;
        }
        self.set_phase(at, phase);
        // Somebody closed it while it ran: that stands, whatever became of the attempt.
        if let (false, Eligibility::Satisfied { commit }) = (verified, &plan.task(at).eligibility) {
            match self.task(at).closed.clone() {
                Some(sign) => self.set_phase(at, Phase::ClosedElsewhere { sign }),
                None => {
                    let commit = commit.clone();
                    self.set_phase(at, Phase::Satisfied { commit });
                    self.count_done(attempt);
                }
            }
        }
        if !verified {
            self.catch_up(&[&attempt.task]);
        }
        Some(at)
    }

    /// Tells those that need a task that it is done, through containers that it completes.
    fn count_done(&mut self, attempt: &AttemptId) {
        let Some(at) = self.plan.find(&attempt.task) else {
            return;
        };
        let plan = Arc::clone(&self.plan);
        let mut done = vec![at];
        while let Some(at) = done.pop() {
            for &dependent in plan.graph().dependents(at) {
                let state = self.tasks.get_mut(dependent);
                state.open_needs = state.open_needs.saturating_sub(1);
                if state.open_needs == 0 && self.is_open_container(dependent) {
                    self.tasks.get_mut(dependent).phase = Phase::Satisfied { commit: None };
                    done.push(dependent);
                }
                self.note_ready(dependent);
            }
        }
    }

    fn stage_of(&mut self, attempt: &AttemptId, stage: Stage) {
        if let Some((at, _)) = self.current(attempt) {
            self.set_stage(at, stage);
        }
    }

    pub(crate) fn set_stage(&mut self, at: Ix, stage: Stage) {
        self.change_active(at, |active| active.stage = stage);
    }

    pub(crate) fn set_stopping(&mut self, at: Ix, stopping: Stopping) {
        self.change_active(at, |active| active.stopping = Some(stopping));
    }

    /// Changes what is known of an attempt's agent, if it executes; `false` when the attempt is not its task's current one.
    pub(crate) fn change_running(
        &mut self,
        attempt: &AttemptId,
        change: impl FnOnce(&mut Running),
    ) -> bool {
        let Some((at, _)) = self.current(attempt) else {
            return false;
        };
        self.change_active(at, |active| {
            if let Stage::Running(running) = &mut active.stage {
                change(running);
            }
        });
        true
    }

    pub(crate) fn change_active(&mut self, at: Ix, change: impl FnOnce(&mut Active)) {
        if let Phase::Active(active) = &mut self.unwake(at).phase {
            change(active);
        }
        self.note_wake(at);
    }

    pub(crate) fn set_phase(&mut self, at: Ix, phase: Phase) {
        self.unwake(at).phase = phase;
        self.note_ready(at);
        self.note_wake(at);
    }

    /// Keeps the set of ready tasks right after a change to `at`.
    pub(crate) fn note_ready(&mut self, at: Ix) {
        let ready = self.is_ready(at);
        self.frontier.set_ready(self.ranking.order(), at, ready);
    }

    fn unwake(&mut self, at: Ix) -> &mut crate::state::TaskState {
        if let Some(when) = self.deadline(at) {
            self.wakes.remove(&(when, at));
        }
        self.tasks.get_mut(at)
    }

    /// Keeps the set of deadlines right after a change to `at`.
    pub(crate) fn note_wake(&mut self, at: Ix) {
        if let Some(when) = self.deadline(at) {
            self.wakes.insert((when, at));
        }
    }

    /// When the clock alone makes something due for `at`.
    pub(crate) fn deadline(&self, at: Ix) -> Option<Millis> {
        let active = match &self.task(at).phase {
            Phase::Pausing { until } => return Some(*until),
            Phase::Active(active) => active,
            _ => return None,
        };
        if let Some(stopping) = active.stopping {
            return (!stopping.killed).then_some(stopping.kill_at);
        }
        let running = match &active.stage {
            Stage::Starting => return Some(active.since.after(self.policy.preparation_limit)),
            Stage::Inspecting(Recording::Working { since }) => {
                return Some(since.after(self.policy.recording_limit));
            }
            Stage::Inspecting(Recording::Failed { until, .. }) => return *until,
            Stage::Proving { since, .. } => return Some(since.after(self.policy.proof_limit)),
            Stage::Running(running) => running,
        };
        let silence = (!running.looking).then(|| self.silent_at(at, running));
        let soft = self
            .soft_limit(at)
            .filter(|_| !running.slow)
            .map(|limit| running.started.after(limit));
        [silence, soft].into_iter().flatten().min()
    }

    /// When an agent without a further sign of life counts as hung. Before its first sign the start limit holds too.
    pub(crate) fn silent_at(&self, at: Ix, running: &Running) -> Millis {
        let silent = running.last_sign.after(self.policy.silence_limit);
        match self.start_limit(at) {
            Some(limit) if running.last_sign <= running.started => {
                silent.min(running.started.after(limit))
            }
            _ => silent,
        }
    }
}

impl State {
    /// How long the agent of `at` may show no first sign of life.
    pub(crate) fn start_limit(&self, at: Ix) -> Option<Span> {
        self.plan.task(at).limits.start.or(self.policy.start_limit)
    }

    /// How long the agent of `at` may run before that is noted.
    pub(crate) fn soft_limit(&self, at: Ix) -> Option<Span> {
        self.plan.task(at).limits.soft.or(self.policy.soft_limit)
    }
}

/// The classes in which the agent never executed.
pub(crate) fn is_start_failure(class: FailureClass) -> bool {
    matches!(class, FailureClass::CouldNotStart | FailureClass::Setup)
}
