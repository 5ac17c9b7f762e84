//! Facts into the state. Nothing is chosen here; a late or double report changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decision::SkipReason;
use crate::event::{Delivery, Event, PlanChange};
use crate::evidence::Ending;
use crate::graph::Ix;
use crate::id::TaskId;
use crate::landing::Integration;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::rank::Ranking;
use crate::state::{
    Active, Admission, Finalizing, Phase, Recording, Refresh, RunEnd, Running, Stage, State,
    Streak, TaskState,
};
use crate::task::{Eligibility, Task};
use crate::time::{Millis, Span};

impl State {
    /// Takes a fact in.
    pub(crate) fn apply_event(&mut self, now: Millis, event: &Event) {
        self.slot_wait = self.slot_wait.filter(|wait| now < wait.until);
        self.pass_limits(now);
        match event {
            Event::RunStarted { plan, policy } => {
                self.taken_up = now;
                self.begin(plan, policy);
            }
            Event::Metered { attempt, metered } => self.note_metered(now, attempt, metered),
            Event::Progressed { attempt } => self.probe_answered(attempt),
            Event::Reopened => self.reopen(now),
            Event::Tick => self.wake(now),
            Event::Claimed { attempt } => {
                if let Some(at) = self.plan.find(&attempt.task) {
                    self.tasks.get_mut(at).claimed = true;
                }
            }
            Event::Started { attempt } => {
                if let Some((at, Stage::Starting)) = self
                    .current(attempt)
                    .map(|(at, active)| (at, &active.stage))
                {
                    self.begin_executing(at, now);
                }
            }
            Event::Probed { attempt, last_sign } => {
                self.change_running(attempt, |running| {
                    running.last_sign = running.last_sign.max(*last_sign);
                    running.looking = false;
                });
            }
            Event::Finalized { attempt, delivery } => self.settled(attempt, delivery),
            Event::WaveFinalized { wave } => {
                let before = self.wave_ends.len();
                self.wave_ends.retain(|end| end.wave != *wave);
                // A second report changes nothing.
                self.unsettled -= u32::from(self.wave_ends.len() < before);
            }
            Event::ClaimLost { task, .. } => {
                if let Some(at) = self.plan.find(task) {
                    self.tasks.get_mut(at).claimed = false;
                }
            }
            Event::Refreshed { change } => self.refreshed(change),
            Event::Unwritten { tasks } => self.unwritten = tasks.iter().cloned().collect(),
            Event::Concluded => {
                // A second report may come when new claims have been made.
                if self.ending != RunEnd::Concluding {
                    return;
                }
                self.ending = RunEnd::Concluded;
                for at in self.plan.all() {
                    if self.task(at).claimed {
                        self.tasks.get_mut(at).claimed = false;
                    }
                }
            }
            Event::Inspected { attempt, evidence } => {
                let is_recording = |active: &Active| matches!(active.stage, Stage::Inspecting(_));
                if let (Some((at, true)), Ok(evidence)) = (
                    self.current(attempt)
                        .map(|(at, active)| (at, is_recording(active))),
                    evidence,
                ) {
                    let task = self.tasks.get_mut(at);
                    task.changed = evidence.changes.paths.clone().into();
                    task.observed.evidence = Some(Arc::new(evidence.clone()));
                    self.recording_failures = 0;
                }
            }
            Event::Integrated {
                attempt,
                landing,
                integration: Integration::Candidate(candidate),
            } => self.note_candidate(attempt, *landing, candidate),
            Event::Ended {
                attempt, ending, ..
            } => {
                if let Some((at, _)) = self.current(attempt) {
                    self.note_end(now, at, ending);
                }
            }
            Event::Proved { attempt, proof } => {
                if let Some((at, _)) = self.current(attempt) {
                    let observed = &mut self.tasks.get_mut(at).observed;
                    observed
                        .proof
                        .get_or_insert_with(|| Arc::new(proof.clone()));
                }
            }
            // These only lead to decisions, which change the state.
            Event::StartFailed { .. }
            | Event::Integrated { .. }
            | Event::LandingProved { .. }
            | Event::Published { .. }
            | Event::Requested { .. }
            | Event::Noticed { .. } => {}
        }
    }

    /// An agent has ended: how, after how long, and whether its provider answered it.
    fn note_end(&mut self, now: Millis, at: Ix, ending: &Ending) {
        let Some(active) = self.task(at).active() else {
            return;
        };
        let attempt = self.attempt_id(at, active.attempt);
        let worked = active.executing.map_or(Span(0), |since| now.since(since));
        let is_stopped = active.stopping.is_some();
        let task = self.tasks.get_mut(at);
        if task.observed.ending.is_some() {
            return;
        }
        task.observed.ending = Some(ending.clone());
        task.worked = task.worked.plus(worked);
        let metered = task.observed.metered.as_deref();
        let limit = metered.is_some_and(|metered| metered.limit().is_some());
        if !limit && !is_stopped && !matches!(ending, Ending::CouldNotStart(_)) {
            self.probe_answered(&attempt);
        }
    }

    fn begin_executing(&mut self, at: Ix, now: Millis) {
        self.change_active(at, |active| {
            active.executing = Some(now);
            active.stage = Stage::Running(Running {
                started: now,
                last_sign: now,
                looking: false,
                slow: false,
            });
        });
    }

    /// Tasks that somebody else closed are done; those that were left out because of them are not any more.
    pub(crate) fn trust_outside(&mut self) {
        Arc::make_mut(&mut self.policy).trust_outside = true;
        for at in self.plan.all() {
            let closed = matches!(
                self.plan.task(at).eligibility,
                Eligibility::Satisfied { .. }
            );
            let task = self.tasks.get_mut(at);
            task.closed = None;
            let unwanted = matches!(task.phase, Phase::Skipped(SkipReason::ByPerson));
            if matches!(task.phase, Phase::ClosedElsewhere { .. }) || closed && unwanted {
                task.phase = Phase::Satisfied { commit: None };
            }
        }
        self.readmit_dependents();
        self.reindex();
    }

    /// What was left out because of a task that is done by now is not left out any more.
    fn readmit_dependents(&mut self) {
        for at in self.plan.all() {
            if let Phase::Skipped(SkipReason::NeedFailed(need)) = &self.task(at).phase
                && let Some(need) = self.plan.find(need)
                && matches!(self.task(need).phase, Phase::Satisfied { .. })
            {
                self.tasks.get_mut(at).phase = Phase::Waiting;
            }
        }
    }

    fn begin(&mut self, plan: &Plan, policy: &Policy) {
        self.plan = Arc::new(plan.clone().with_capacities(&policy.capacity).0);
        self.policy = Arc::new(policy.clone());
        self.width = policy.concurrency.max(1);
        self.slots = vec![None; usize::from(self.width)];
        self.tasks = self.plan.tasks().iter().map(first_state).collect();
        self.ranking = Arc::new(Ranking::new(&self.plan, &self.policy));
        self.reindex();
    }

    fn reopen(&mut self, now: Millis) {
        self.admission = Admission::Open;
        self.taken_up = now;
        // While claims are being given back nothing may start: the run goes on when that is over.
        if self.ending == RunEnd::Concluded {
            self.ending = RunEnd::Open;
        }
        // Whoever takes the run up has to be asked again.
        self.wave = self.wave.take().filter(|wave| wave.is_confirmed);
        self.failures_in_row = 0;
        self.last_failed = None;
        self.recording_failures = 0;
        self.streak = Streak::default();
        self.last_start_failure = None;
        self.width = self.policy.concurrency.max(1);
        self.refresh = Refresh::Idle {
            due: self.policy.refresh,
        };
        for at in self.plan.all() {
            if self.task(at).start_retries > 0 {
                self.tasks.get_mut(at).start_retries = 0;
            }
        }
        // The coordinator before may have died between deciding to kill and doing it.
        let active: Vec<Ix> = self.active().collect();
        for at in active {
            if let Some(stopping) = self.task(at).active().and_then(|active| active.stopping) {
                let killed = false;
                self.set_stopping(at, crate::state::Stopping { killed, ..stopping });
            }
            // What nobody worked on meanwhile took no time; what a shim watches has its own limit.
            self.change_active(at, |active| match &mut active.stage {
                Stage::Starting => active.since = now,
                Stage::Inspecting(Recording::Working { since }) | Stage::Proving { since, .. } => {
                    *since = now;
                }
                Stage::Inspecting(Recording::Failed { .. }) | Stage::Running(_) => {}
            });
        }
        if let Some(landing) = &mut self.landing {
            landing.since = now;
        }
    }

    /// Ends pauses that are over. Deadlines of attempts are for `decide`.
    fn wake(&mut self, now: Millis) {
        let due: Vec<Ix> = self
            .wakes
            .iter()
            .take_while(|(when, _)| *when <= now)
            .map(|(_, at)| *at)
            .collect();
        for at in due {
            if matches!(self.task(at).phase, Phase::Pausing { .. }) {
                self.set_phase(at, Phase::Waiting);
            }
        }
    }

    fn settled(&mut self, attempt: &crate::id::AttemptId, ended: &Delivery) {
        let Some(at) = self.plan.find(&attempt.task) else {
            return;
        };
        // In journals of version 1 the landing was a part of this, so nothing was known of it before.
        let is_it = |end: &Finalizing| {
            end.attempt == attempt.number
                && (end.delivery == *ended || end.delivery == Delivery::Kept)
        };
        let task = self.tasks.get_mut(at);
        let Some(place) = task.finalizing.iter().position(is_it) else {
            return;
        };
        let end = task.finalizing.remove(place);
        // A verified task's bead is closed or left to its close policy; either way nothing is to be given back.
        // The end of an older attempt may be written down after that of a newer one.
        if let Phase::Verified {
            delivery,
            attempt: verified,
            ..
        } = &mut task.phase
            && *verified == attempt.number
        {
            if *delivery == Delivery::Kept {
                delivery.clone_from(ended);
            }
            task.claimed = false;
        }
        if end.withdraw.is_some() {
            self.withdrawn(attempt);
        }
        self.unsettled -= 1;
    }

    fn refreshed(&mut self, change: &Result<PlanChange, String>) {
        let due = matches!(self.refresh, Refresh::Asked { again: true });
        self.refresh = Refresh::Idle { due };
        if let Ok(change) = change
            && !change.is_empty()
        {
            self.change_plan(change);
        }
    }

    fn change_plan(&mut self, change: &PlanChange) {
        let mut tasks: Vec<Task> = self.plan.given_tasks();
        let mut states: Vec<TaskState> = self.tasks.iter().cloned().collect();
        let mut added: BTreeMap<&TaskId, usize> = BTreeMap::new();
        let trusted = self.policy.trust_outside;
        let closed: BTreeMap<&TaskId, &String> =
            change.closed.iter().map(|(id, sign)| (id, sign)).collect();
        for new in &change.tasks {
            let sign = closed.get(&new.id).filter(|_| !trusted).copied();
            let known = self.plan.find(&new.id).map(Ix::index);
            match known.or_else(|| added.get(&new.id).copied()) {
                Some(at) => {
                    if update(&mut tasks[at], &mut states[at], new, sign) {
                        self.late.insert(new.id.clone(), new.clone());
                    } else {
                        self.late.remove(&new.id);
                    }
                }
                None => {
                    added.insert(&new.id, tasks.len());
                    let mut state = first_state(new);
                    if let Some(sign) = sign {
                        state.phase = closed_elsewhere(sign);
                    }
                    states.push(state);
                    tasks.push(new.clone());
                }
            }
        }
        for at in change.removed.iter().filter_map(|id| self.plan.find(id)) {
            let task = &mut tasks[at.index()];
            let eligibility = Eligibility::NotOurs {
                reason: "no longer in the source".to_owned(),
            };
            // That it stood as done counts when its attempt has ended.
            let stood_as_done = matches!(task.eligibility, Eligibility::Satisfied { .. });
            if stood_as_done && states[at.index()].active().is_some() {
                let gone = Task {
                    eligibility,
                    ..task.clone()
                };
                self.late.insert(gone.id.clone(), gone);
            } else {
                task.eligibility = eligibility;
            }
        }
        for (id, sign) in &change.taken {
            let state = self.plan.find(id).map(|at| &mut states[at.index()]);
            if let Some(state) =
                state.filter(|state| matches!(state.phase, Phase::Waiting | Phase::Pausing { .. }))
            {
                state.phase = Phase::Skipped(SkipReason::Taken(sign.clone()));
                state.claimed = false;
            }
        }
        self.tasks = states.into_iter().collect();
        self.use_tasks(tasks);
    }

    /// Builds the plan anew from `tasks`; the states of all of them are there.
    fn use_tasks(&mut self, tasks: Vec<Task>) {
        let (plan, _) = Plan::build_tolerant(tasks)
            .0
            .with_capacities(&self.policy.capacity);
        self.ranking = Arc::new(self.ranking.renewed(&self.plan, &plan, &self.policy));
        self.plan = Arc::new(plan);
        self.readmit_dependents();
        self.reindex();
    }

    /// A listing changed what an attempt was started with: now that it is over, the listing holds.
    pub(crate) fn catch_up(&mut self, ids: &[&TaskId]) {
        let late: Vec<Task> = ids.iter().filter_map(|id| self.late.remove(*id)).collect();
        if late.is_empty() {
            return;
        }
        let mut tasks = self.plan.given_tasks();
        for new in late {
            if let Some(at) = self.plan.find(&new.id) {
                let task = &mut tasks[at.index()];
                (task.needs, task.locks) = (new.needs, new.locks);
                if matches!(new.eligibility, Eligibility::NotOurs { .. }) {
                    task.eligibility = new.eligibility;
                }
            }
        }
        self.use_tasks(tasks);
    }

    /// Tasks that were done without an attempt that counts are to be done by the run after all.
    pub(crate) fn open_again(&mut self, ids: &[&TaskId]) {
        let done = |at: &Ix| {
            matches!(
                self.plan.task(*at).eligibility,
                Eligibility::Satisfied { .. }
            )
        };
        let places: Vec<Ix> = ids
            .iter()
            .filter_map(|id| self.plan.find(id))
            .filter(done)
            .collect();
        if places.is_empty() {
            return;
        }
        let mut tasks = self.plan.given_tasks();
        for at in places {
            tasks[at.index()].eligibility = Eligibility::Open;
        }
        self.use_tasks(tasks);
    }

    /// Works out anew all that is derived from the phases. The ranking follows from the plan alone.
    pub(crate) fn reindex(&mut self) {
        let reserved = self.frontier.reservations();
        self.frontier = self.frontier.anew(self.rules(), self.active());
        self.wakes.clear();
        let order: Vec<Ix> = self.plan.graph().order().to_vec();
        for &at in &order {
            let open = self
                .plan
                .graph()
                .needs(at)
                .iter()
                .filter(|&&need| !self.is_done(need))
                .count();
            self.tasks.get_mut(at).open_needs = u32::try_from(open).unwrap_or(u32::MAX);
            let container = self.plan.task(at).eligibility == Eligibility::Container;
            if open == 0 && self.is_open_container(at) {
                self.tasks.get_mut(at).phase = Phase::Satisfied { commit: None };
            } else if open > 0
                && container
                && matches!(self.task(at).phase, Phase::Satisfied { .. })
            {
                self.tasks.get_mut(at).phase = Phase::Waiting;
            }
        }
        for at in self.plan.all() {
            self.note_ready(at);
            self.note_wake(at);
        }
        for at in reserved {
            self.change_frontier(|frontier, rules| {
                if frontier.can_reserve(rules, at) {
                    frontier.reserve(rules, at);
                }
            });
        }
    }

    pub(crate) fn is_open_container(&self, at: Ix) -> bool {
        self.plan.task(at).eligibility == Eligibility::Container
            && self.task(at).phase == Phase::Waiting
    }
}

fn first_state(task: &Task) -> TaskState {
    let mut state = TaskState::waiting();
    if let Eligibility::Satisfied { commit } = &task.eligibility {
        state.phase = Phase::Satisfied {
            commit: commit.clone(),
        };
    }
    state
}

fn closed_elsewhere(sign: &str) -> Phase {
    Phase::ClosedElsewhere {
        sign: sign.to_owned(),
    }
}

/// A task that has been started keeps the needs and locks it was started with: new ones bind only those not yet started. Says
/// whether it was given others, which hold when it is started again.
fn update(task: &mut Task, state: &mut TaskState, new: &Task, closed: Option<&String>) -> bool {
    let started = state.active().is_some() || matches!(state.phase, Phase::Verified { .. });
    let was = std::mem::replace(task, new.clone());
    let mut late = false;
    if started {
        late = (&was.needs, &was.locks) != (&new.needs, &new.locks);
        (task.needs, task.locks) = (was.needs, was.locks);
    }
    let done = matches!(
        state.phase,
        Phase::Active(_) | Phase::Verified { .. } | Phase::Satisfied { .. }
    );
    // Who leaves a task out and closes it then has said what is to become of it.
    let unwanted = matches!(state.phase, Phase::Skipped(SkipReason::ByPerson));
    match &new.eligibility {
        // What stood as done already is changed in something else.
        Eligibility::Satisfied { commit } if !done && was.eligibility != new.eligibility => {
            match closed {
                Some(_) if unwanted => {}
                Some(sign) => {
                    state.phase = closed_elsewhere(sign);
                    state.claimed = false;
                }
                None => {
                    state.phase = Phase::Satisfied {
                        commit: commit.clone(),
                    }
                }
            }
        }
        // A person gave it back. One that stood open all the time was taken by other signs, and still is.
        Eligibility::Open
            if was.eligibility != Eligibility::Open
                && matches!(
                    state.phase,
                    Phase::Skipped(SkipReason::Taken(_)) | Phase::ClosedElsewhere { .. }
                ) =>
        {
            state.phase = Phase::Waiting
        }
        Eligibility::Open
            if state.attempts == 0 && matches!(state.phase, Phase::Satisfied { .. }) =>
        {
            state.phase = Phase::Waiting
        }
        // It got open children again.
        Eligibility::Container if matches!(state.phase, Phase::Satisfied { .. }) => {
            state.phase = Phase::Waiting
        }
        _ => {}
    }
    match &new.eligibility {
        Eligibility::Satisfied { .. } if state.active().is_some() => {
            state.closed = closed.cloned().or(state.closed.take());
        }
        _ => state.closed = None,
    }
    late
}
