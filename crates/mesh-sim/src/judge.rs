//! The judges. They keep their own account of the run from decisions and from the world's facts, and say in one sentence what
//! must never have happened. What the core thinks of a task is never taken as proof of it.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::decision::{Action, Decision, SkipReason, StartOrder, StopCause};
use mesh_core::event::{Event, Request};
use mesh_core::evidence::{Ending, Failure, FailureClass};
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::lock::LockBlock;
use mesh_core::policy::Policy;
use mesh_core::state::{Phase, RunEnd, State};
use mesh_core::task::{Commit, Eligibility, Locks, Task};
use mesh_core::why::Why;

use crate::world::World;

mod landing;
mod limits;
mod start;
mod waves;

use limits::Limits;
use start::longest_slot_wait;
use waves::Waves;

/// Longest that the end of everything may take after `stop now`: a start under way that is slow, then patience, then a kill.
const STOP_ALL_MS: u64 = 250_000;

/// Where a task is, by the judge's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Not started, or to be started again.
    Waiting,
    /// This attempt has a slot.
    Active(AttemptId, SlotId, Locks),
    /// Done by this run.
    Done(AttemptId, Commit),
    /// Failed, asks, or left out for good.
    Over,
    /// Left out because of this need.
    Behind(TaskId),
    /// Somebody took it.
    Taken,
}

/// What the judges remember.
pub struct Judge {
    policy: Policy,
    tasks: BTreeMap<TaskId, Account>,
    numbers: BTreeMap<TaskId, u32>,
    charged: BTreeMap<TaskId, u32>,
    orders: BTreeMap<AttemptId, StartOrder>,
    /// Tasks done before the run that a person wants done again.
    redone: BTreeSet<TaskId>,
    /// Tasks whose newest attempt ended with a question.
    asking: BTreeSet<TaskId>,
    /// Tasks that stood as done in the last listing that had them; one that is removed then stays done.
    satisfied: BTreeMap<TaskId, Task>,
    /// Tasks that somebody else closed while the run lived: nobody verified them.
    closed_elsewhere: BTreeSet<TaskId>,
    trusts: bool,
    /// Failures that used up a retry, by attempt.
    counted: BTreeSet<AttemptId>,
    /// Tasks that a person wants left out, until one wants them done again.
    unwanted: BTreeSet<TaskId>,
    /// Attempts that were told to end, and the last cause.
    stopped: BTreeMap<AttemptId, StopCause>,
    /// The cause of the failure before, if it was one of the machine's.
    last_start_failure: Option<Failure>,
    /// The same cause came twice in a row in this step.
    machine_failed: bool,
    ended: BTreeSet<AttemptId>,
    finalize_asked: BTreeSet<AttemptId>,
    /// The result that is being landed.
    landing: Option<AttemptId>,
    landed: BTreeSet<AttemptId>,
    closed: bool,
    concluding: bool,
    stop_now_at: Option<u64>,
    epochs: u32,
    passes: BTreeMap<TaskId, u32>,
    reserved: BTreeMap<TaskId, Locks>,
    looked_at: usize,
    /// When the slot that is free while others may start has to be taken at the latest.
    slot_free_until: Option<u64>,
    waves: Waves,
    limits: Limits,
}

/// One step, as the judges see it.
pub struct Step<'a> {
    /// The world, before the actions of this step.
    pub world: &'a World,
    /// The core's state after the step.
    pub state: &'a State,
    /// What happened.
    pub event: &'a Event,
    /// What was decided.
    pub decisions: &'a [Decision],
    /// What is to be done.
    pub actions: &'a [Action],
}

impl Judge {
    /// Judges of a run under `policy`.
    #[must_use]
    pub fn new(policy: Policy) -> Judge {
        Judge {
            tasks: BTreeMap::new(),
            numbers: BTreeMap::new(),
            charged: BTreeMap::new(),
            orders: BTreeMap::new(),
            redone: BTreeSet::new(),
            asking: BTreeSet::new(),
            satisfied: BTreeMap::new(),
            closed_elsewhere: BTreeSet::new(),
            trusts: policy.trust_outside,
            counted: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            stopped: BTreeMap::new(),
            last_start_failure: None,
            machine_failed: false,
            ended: BTreeSet::new(),
            finalize_asked: BTreeSet::new(),
            landing: None,
            landed: BTreeSet::new(),
            closed: false,
            concluding: false,
            stop_now_at: None,
            epochs: 1,
            passes: BTreeMap::new(),
            reserved: BTreeMap::new(),
            looked_at: 0,
            slot_free_until: None,
            waves: Waves::default(),
            limits: Limits::default(),
            policy,
        }
    }

    /// The coordinator died: nobody can be held to the time of a stop.
    pub fn coordinator_died(&mut self) {
        self.stop_now_at = None;
    }

    /// Judges one step.
    ///
    /// # Errors
    /// The sentence.
    pub fn after(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.note_event(step);
        self.note_limits(step);
        for decision in step.decisions {
            self.note_decision(step, decision)?;
        }
        for action in step.actions {
            self.note_action(action)?;
        }
        if std::mem::take(&mut self.machine_failed) && !self.closed {
            return Err("the same start failure twice in a row did not pause the run".to_owned());
        }
        self.slots(step.state)?;
        if step
            .decisions
            .iter()
            .any(|decision| matches!(decision, Decision::Reset { .. } | Decision::Accept { .. }))
        {
            self.nothing_superseded_stays(step.state)?;
        }
        self.nothing_is_left_lying(step)?;
        self.note_whole_containers(step.world);
        self.explained(step);
        Ok(())
    }

    /// Judges the world between steps.
    ///
    /// # Errors
    /// The sentence.
    pub fn between(&self, world: &World) -> Result<(), String> {
        if let Some(broken) = &world.broken {
            return Err(broken.clone());
        }
        if let Some(at) = self.stop_now_at.filter(|at| world.now > at + STOP_ALL_MS)
            && let Some((attempt, _)) = world.attempts.iter().find(|(_, real)| real.lives())
        {
            return Err(format!(
                "quiet after stop: {attempt} lives {} ms after `stop now`",
                world.now - at
            ));
        }
        Ok(())
    }

    fn note_event(&mut self, step: &Step<'_>) {
        match step.event {
            Event::Reopened => {
                (self.closed, self.stop_now_at) = (false, None);
                self.forget_unconfirmed();
                self.last_start_failure = None;
                self.epochs += 1;
            }
            Event::Requested {
                request: Request::Stop { now },
            } => {
                self.closed = true;
                if *now && step.world.up {
                    self.stop_now_at.get_or_insert(step.world.now);
                }
            }
            Event::RunStarted { plan, .. } => plan
                .tasks()
                .iter()
                .for_each(|task| self.note_satisfied(task)),
            Event::Requested {
                request: Request::Skip { task },
            } => {
                let refused = |decision: &Decision| matches!(decision, Decision::Refuse { .. });
                if !step.decisions.iter().any(refused) {
                    self.unwanted.insert(task.clone());
                }
            }
            Event::Concluded => self.concluding = false,
            Event::Requested {
                request: Request::TrustOutside,
            } => {
                self.trusts = true;
                for id in std::mem::take(&mut self.closed_elsewhere) {
                    self.readmit(&id);
                }
            }
            Event::Refreshed { change: Ok(change) } => {
                if !self.trusts {
                    let closed = change.closed.iter().map(|(id, _)| id.clone());
                    self.closed_elsewhere.extend(closed);
                }
                for (id, _) in &change.taken {
                    if self.account(id) == Account::Waiting
                        && !self.satisfied.contains_key(id)
                        && !self.is_closed_by_person(step.world, id)
                    {
                        self.tasks.insert(id.clone(), Account::Taken);
                    }
                }
                for task in &change.tasks {
                    let given_back = matches!(step.state.find(&task.id), Some((_, state)) if !matches!(state.phase, Phase::Skipped(_)));
                    if self.account(&task.id) == Account::Taken
                        && task.eligibility == Eligibility::Open
                        && given_back
                    {
                        self.tasks.insert(task.id.clone(), Account::Waiting);
                    }
                    self.redone.remove(&task.id);
                }
                for task in &change.tasks {
                    self.note_satisfied(task);
                    if matches!(task.eligibility, Eligibility::Satisfied { .. })
                        && !self.closed_elsewhere.contains(&task.id)
                    {
                        self.readmit(&task.id);
                    }
                }
                self.passes.clear();
            }
            _ => {}
        }
    }

    /// What was left out because of a task that is done by now waits again.
    fn readmit(&mut self, done: &TaskId) {
        for account in self.tasks.values_mut() {
            if matches!(account, Account::Behind(need) if need == done) {
                *account = Account::Waiting;
            }
        }
    }

    /// Failures of a common cause cost no task anything.
    fn excuse(&mut self, attempt: &AttemptId) -> Result<(), String> {
        let last = self.numbers.get(&attempt.task) == Some(&attempt.number);
        if self.counted.remove(attempt) {
            let charged = self.charged.entry(attempt.task.clone()).or_default();
            *charged = charged.saturating_sub(1);
        }
        if last && self.account(&attempt.task) == Account::Over {
            self.tasks.insert(attempt.task.clone(), Account::Waiting);
            self.readmit(&attempt.task);
        }
        Ok(())
    }

    fn account(&self, id: &TaskId) -> Account {
        self.tasks.get(id).cloned().unwrap_or(Account::Waiting)
    }

    fn is_closed_by_person(&self, world: &World, id: &TaskId) -> bool {
        !self.redone.contains(id)
            && matches!(
                world.seen.get(id),
                Some(Task {
                    eligibility: Eligibility::Satisfied { .. },
                    ..
                })
            )
    }

    fn note_decision(&mut self, step: &Step<'_>, decision: &Decision) -> Result<(), String> {
        self.limits_decided(step, decision)?;
        match decision {
            Decision::Start { attempt, slot } => {
                self.asking.remove(&attempt.task);
                self.start(step, attempt, *slot)
            }
            Decision::Accept {
                attempt,
                commit,
                self_checked,
            } => {
                self.accept(step.world, attempt, commit, *self_checked)?;
                self.last_start_failure = None;
                if let Some(cause) = self.stopped.get(attempt) {
                    return Err(format!(
                        "{attempt} is accepted, and was told to end: {cause:?}"
                    ));
                }
                self.end(
                    step.world,
                    attempt,
                    Account::Done(attempt.clone(), commit.clone()),
                )
            }
            Decision::Retry {
                attempt,
                failure,
                counts,
            } => {
                self.failed(attempt, failure)?;
                let start = matches!(
                    failure.class,
                    FailureClass::CouldNotStart | FailureClass::Setup
                );
                if *counts {
                    self.counted.insert(attempt.clone());
                } else if !start {
                    let charged = self.charged.entry(attempt.task.clone()).or_default();
                    *charged = charged.saturating_sub(1);
                }
                self.end(step.world, attempt, Account::Waiting)
            }
            Decision::Stop { attempt, cause } => {
                self.stopped.insert(attempt.clone(), *cause);
                Ok(())
            }
            Decision::Fail { attempt, failure } => {
                self.failed(attempt, failure)?;
                self.counted.insert(attempt.clone());
                self.end(step.world, attempt, Account::Over)
            }
            Decision::Interrupt { attempt } => {
                // Redoing resets the count, also while the attempt is still being ended.
                let charged = self.charged.entry(attempt.task.clone()).or_default();
                *charged = charged.saturating_sub(1);
                self.end(step.world, attempt, Account::Waiting)
            }
            Decision::Question { attempt, .. } => {
                self.asking.insert(attempt.task.clone());
                self.end(step.world, attempt, Account::Over)
            }
            Decision::Answer { task, .. } => {
                if !self.asking.contains(task) {
                    return Err(format!("{task} is answered, and its attempt asked nothing"));
                }
                self.reset(task);
                Ok(())
            }
            Decision::AwaitAnswers { .. } => {
                let is_active = |account: &Account| matches!(account, Account::Active(..));
                match self.tasks.iter().find(|(_, account)| is_active(account)) {
                    Some((task, _)) => Err(format!(
                        "the run only waits for answers, and {task} is active"
                    )),
                    None => Ok(()),
                }
            }
            Decision::Skip { task, reason } => self.skip(step.world, task, reason),
            Decision::Reset { task, dependents } => {
                for id in std::iter::once(task).chain(dependents) {
                    self.reset(id);
                }
                Ok(())
            }
            Decision::Reserve { task } => {
                self.reserved
                    .insert(task.clone(), locks_of(step.world, task));
                Ok(())
            }
            Decision::Pause { excused, .. } => {
                self.closed = true;
                excused.iter().try_for_each(|attempt| self.excuse(attempt))
            }
            Decision::Drain => {
                self.closed = true;
                Ok(())
            }
            Decision::Conclude if self.concluding => {
                Err("finished once: concluding began twice".to_owned())
            }
            Decision::Conclude => {
                self.concluding = true;
                // What waits to be recorded outlasts the run's end.
                let goes_on = |account: &&Account| match account {
                    Account::Active(attempt, ..) => !step
                        .state
                        .current(attempt)
                        .is_some_and(|(at, _)| step.state.is_parked(at)),
                    _ => false,
                };
                match self.tasks.values().find(goes_on) {
                    Some(account) => Err(format!("the run concludes with {account:?}")),
                    None => Ok(()),
                }
            }
            Decision::SetConcurrency { to } if *to == 0 || *to > self.policy.concurrency => {
                Err(format!("width {to}"))
            }
            Decision::AnnounceWave { .. }
            | Decision::ConfirmWave { .. }
            | Decision::EndWave { .. }
            | Decision::Refuse { .. } => self.note_wave(step, decision),
            other => self.note_landing(step, other),
        }
    }

    fn accept(
        &self,
        world: &World,
        attempt: &AttemptId,
        commit: &Commit,
        self_checked: bool,
    ) -> Result<(), String> {
        let Some(real) = world.attempts.get(attempt) else {
            return Err(format!("P2: {attempt} is accepted and was never executed"));
        };
        let proved = real
            .proof
            .as_ref()
            .is_some_and(|proof| proof.ending == Some(Ending::Exited(0)));
        let named = real.script.leaves == crate::script::Leaves::Good;
        let good = real.agent.ending == Some(Ending::Exited(0))
            && real.script.is_good(self.policy.allow_no_validation)
            && (proved || !named)
            && (named || self_checked);
        if !good || commit.0 != format!("c-{attempt}") {
            return Err(format!(
                "P2: {attempt} is accepted with {commit}: {:?}, proof {:?}",
                real.script, real.proof
            ));
        }
        Ok(())
    }

    fn end(&mut self, world: &World, attempt: &AttemptId, then: Account) -> Result<(), String> {
        match self.account(&attempt.task) {
            Account::Active(active, ..) if active == *attempt => {}
            other => {
                return Err(format!(
                    "each start one end: {attempt} ends, but its task is {other:?}"
                ));
            }
        }
        if world.attempts.get(attempt).is_some_and(|real| real.lives()) {
            return Err(format!(
                "P1: {attempt} gives its slot and locks back while it lives"
            ));
        }
        self.ended.insert(attempt.clone());
        self.tasks.insert(attempt.task.clone(), then);
        Ok(())
    }

    fn reset(&mut self, task: &TaskId) {
        if !matches!(self.account(task), Account::Active(..)) {
            self.tasks.insert(task.clone(), Account::Waiting);
        }
        self.charged.insert(task.clone(), 0);
        self.redone.insert(task.clone());
        self.closed_elsewhere.remove(task);
        self.unwanted.remove(task);
        self.passes.clear();
    }

    fn skip(&mut self, world: &World, task: &TaskId, reason: &SkipReason) -> Result<(), String> {
        let then = match reason {
            SkipReason::Taken(_) => Account::Taken,
            SkipReason::NeedFailed(need) => Account::Behind(need.clone()),
            SkipReason::ByPerson => Account::Over,
        };
        match self.account(task) {
            Account::Active(attempt, ..) => self.end(world, &attempt, then),
            Account::Done(..) => Err(format!("{task} is done and is left out")),
            _ => {
                self.tasks.insert(task.clone(), then);
                Ok(())
            }
        }
    }

    fn failed(&mut self, attempt: &AttemptId, failure: &Failure) -> Result<(), String> {
        match self.stopped.get(attempt) {
            None | Some(StopCause::Hung | StopCause::Overdue | StopCause::ClaimLost) => {}
            Some(cause) => {
                return Err(format!("{attempt} failed, and was told to end: {cause:?}"));
            }
        }
        let start = matches!(
            failure.class,
            FailureClass::CouldNotStart | FailureClass::Setup
        );
        let before = self.last_start_failure.take();
        self.last_start_failure = start.then(|| failure.clone());
        self.machine_failed |= start && before.as_ref() == Some(failure);
        Ok(())
    }

    fn note_action(&mut self, action: &Action) -> Result<(), String> {
        let attempt = match action {
            Action::Finalize { attempt, .. } => attempt,
            Action::FinalizeWave(end) => return self.write_wave(end.wave),
            _ => return Ok(()),
        };
        if !self.ended.contains(attempt) {
            return Err(format!("{attempt} is finalized and has not ended"));
        }
        if !self.finalize_asked.insert(attempt.clone()) {
            return Err(format!("{attempt} is finalized twice"));
        }
        Ok(())
    }

    fn slots(&self, state: &State) -> Result<(), String> {
        let mut users = BTreeMap::new();
        for account in self.tasks.values() {
            if let Account::Active(attempt, slot, _) = account
                && let Some(other) = users.insert(*slot, attempt)
            {
                return Err(format!("slots: {other} and {attempt} are both {slot}"));
            }
        }
        let outside = users
            .keys()
            .find(|slot| slot.0 == 0 || slot.0 > self.policy.concurrency);
        if let Some(slot) = outside {
            return Err(format!("slots: {slot} of {}", self.policy.concurrency));
        }
        if users.len() != usize::from(state.active_count()) {
            return Err(format!(
                "slots: {} attempts are active, the core says {}",
                users.len(),
                state.active_count()
            ));
        }
        Ok(())
    }

    /// Whether a need is done by the world's facts.
    fn is_done(&self, world: &World, id: &TaskId, depth: usize) -> bool {
        if depth > world.seen.len() {
            return false;
        }
        match (self.account(id), world.seen.get(id)) {
            (Account::Done(..), _) => true,
            (Account::Active(..), _) => false,
            (_, Some(task)) => match &task.eligibility {
                Eligibility::Satisfied { .. } => {
                    !self.redone.contains(id) && !self.closed_elsewhere.contains(id)
                }
                Eligibility::Container => {
                    self.account(id) == Account::Waiting
                        && task
                            .needs
                            .iter()
                            .all(|need| self.is_done(world, need, depth + 1))
                }
                _ => false,
            },
            (_, None) => {
                self.satisfied.contains_key(id)
                    && !self.redone.contains(id)
                    && !self.closed_elsewhere.contains(id)
            }
        }
    }

    /// A container whose children were all done is remembered, in case it is removed.
    fn note_whole_containers(&mut self, world: &World) {
        for task in world
            .seen
            .values()
            .filter(|task| task.eligibility == Eligibility::Container)
        {
            if self.is_done(world, &task.id, 0) {
                self.satisfied.insert(task.id.clone(), task.clone());
            } else {
                self.satisfied.remove(&task.id);
            }
        }
    }

    fn note_satisfied(&mut self, task: &Task) {
        if matches!(task.eligibility, Eligibility::Satisfied { .. }) {
            self.satisfied.insert(task.id.clone(), task.clone());
        } else {
            self.satisfied.remove(&task.id);
        }
    }

    fn nothing_superseded_stays(&self, state: &State) -> Result<(), String> {
        for account in self.tasks.values() {
            let Account::Done(attempt, _) = account else {
                continue;
            };
            let Some(at) = state.plan().find(&attempt.task) else {
                continue;
            };
            for need in self
                .orders
                .get(attempt)
                .into_iter()
                .flat_map(|order| &order.needs)
            {
                let still = state
                    .plan()
                    .find(&need.task)
                    .is_some_and(|need| state.plan().graph().all_needs(at).contains(&need));
                let valid = match self.account(&need.task) {
                    Account::Done(_, commit) => commit == need.commit,
                    _ => !need.commit.0.starts_with("c-"),
                };
                if still && !valid {
                    return Err(format!(
                        "P4: {attempt} stays accepted on {} of {}, which was done again",
                        need.commit, need.task
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whoever may start has started, but for those whose slot waits for a better task.
    fn nothing_is_left_lying(&mut self, step: &Step<'_>) -> Result<(), String> {
        let free_until = self.slot_free_until.take();
        let state = step.state;
        if self.closed || state.run_end() != RunEnd::Open || state.active_count() >= state.width() {
            return Ok(());
        }
        for task in step.world.seen.values() {
            let at = self.may_start(step, task);
            let Some(at) = at.filter(|_| self.has_its_turn(&task.id)) else {
                continue;
            };
            let kept = match state.lock_block(at) {
                Some(LockBlock::Reserved { .. }) => true,
                Some(LockBlock::Alone { by }) => state.task(by).active().is_none(),
                _ => false,
            };
            let free = self
                .locks_are_free(
                    &AttemptId {
                        task: task.id.clone(),
                        number: 0,
                    },
                    &task.locks,
                )
                .is_ok();
            if free && !kept {
                let why = state.why(mesh_core::time::Millis(step.world.now), at);
                if self.waits_for_account(step.world.now, &why) {
                    continue;
                }
                let Why::SlotKept { better, .. } = &why else {
                    return Err(format!(
                        "work-conserving: {} may start and does not; the core says: {why}",
                        task.id,
                    ));
                };
                self.slot_may_stay_free(step, at, better)?;
                let until = step.world.now + longest_slot_wait(state);
                self.slot_free_until = free_until.or(Some(until));
            }
        }
        match self.slot_free_until {
            Some(until) if until <= step.world.now => {
                Err("work-conserving: a slot stays free for too long".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// `why` answers for anybody; a few tasks a step, by turns.
    fn explained(&mut self, step: &Step<'_>) {
        let count = step.state.plan().tasks().len();
        for at in step
            .state
            .plan()
            .all()
            .skip(self.looked_at % count.max(1))
            .take(2)
        {
            let _ = step
                .state
                .why(mesh_core::time::Millis(step.world.now), at)
                .to_string();
        }
        self.looked_at += 2;
    }

    /// Judges the end of a run.
    ///
    /// # Errors
    /// The sentence.
    pub fn finish(&self, world: &World, state: &State) -> Result<(), String> {
        if let Some((attempt, _)) = world.attempts.iter().find(|(_, real)| real.lives()) {
            return Err(format!("the run has ended and {attempt} lives"));
        }
        if let Some(attempt) = self
            .ended
            .iter()
            .find(|attempt| !world.finalized.contains_key(attempt))
        {
            return Err(format!("the end of {attempt} was never written down"));
        }
        self.waves_are_written(world)?;
        if let Some((id, _)) = world.tracker.iter().find(|(_, tracked)| tracked.ours) {
            return Err(format!("the run has ended and still claims {id}"));
        }
        for at in state.plan().all() {
            let _ = state
                .why(mesh_core::time::Millis(world.now), at)
                .to_string();
        }
        Ok(())
    }
}

fn locks_of(world: &World, id: &TaskId) -> Locks {
    world
        .seen
        .get(id)
        .map(|task| task.locks.clone())
        .unwrap_or_default()
}
