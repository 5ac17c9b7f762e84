//! The state of a run. It changes only in `apply_event` (facts) and `apply_decision` (decisions); everybody else reads.
//!
//! A copy is cheap: the plan and its ranking are shared, tasks lie in shared chunks. That is what lets a decision be tried on
//! a copy and then recorded before anything real changes.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use crate::decision::{Continuation, HeldLocks, NeedCommit, Outcome, SkipReason, StopCause};
use crate::dense::CowVec;
use crate::event::Delivery;
use crate::evidence::{Ending, Evidence, Failure, ProofEnd};
use crate::frontier::{Frontier, Rules};
use crate::graph::Ix;
use crate::id::{AttemptId, SlotId, TaskId};
use crate::landing::{Candidate, Landing};
use crate::limit::Account;
use crate::lock::{Claim, LockBlock};
use crate::metered::{Metered, Usage};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::planted::{Bug, is_planted};
use crate::policy::Policy;
use crate::rank::Ranking;
use crate::slot_wait::SlotWait;
use crate::task::{Commit, Eligibility, Task};
use crate::time::{Millis, Span};
use crate::wave::{Wave, WaveEnd};

/// A run as the core knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(crate) plan: Arc<Plan>,
    pub(crate) ranking: Arc<Ranking>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) tasks: CowVec<TaskState>,
    pub(crate) frontier: Frontier,
    pub(crate) slots: Vec<Option<Ix>>,
    pub(crate) width: u16,
    /// Failures in a row, one for each task.
    pub(crate) failures_in_row: u32,
    pub(crate) last_failed: Option<TaskId>,
    /// Recordings in a row that failed.
    pub(crate) recording_failures: u32,
    pub(crate) streak: Streak,
    pub(crate) last_start_failure: Option<String>,
    pub(crate) admission: Admission,
    pub(crate) refresh: Refresh,
    pub(crate) ending: RunEnd,
    /// Attempts and waves whose end is not yet written down.
    pub(crate) unsettled: u32,
    pub(crate) slot_wait: Option<SlotWait>,
    pub(crate) wave: Option<Wave>,
    /// Waves that were confirmed so far.
    pub(crate) waves_confirmed: u32,
    /// Waves that are over and whose end is not yet written down.
    pub(crate) wave_ends: Vec<WaveEnd>,
    pub(crate) pace: Pace,
    /// The next deadline of each task that has one.
    pub(crate) wakes: BTreeSet<(Millis, Ix)>,
    /// What is known of the accounts of the run's agents.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// What all attempts used.
    pub(crate) spent: Usage,
    /// When the run began, or was last taken up.
    pub(crate) taken_up: Millis,
    pub(crate) peak: u16,
    /// Tasks whose needs or locks a listing changed after they were started, as the listing has them.
    pub(crate) late: BTreeMap<TaskId, Task>,
    /// Verified tasks that are to be landed, in this order; the first may be under way.
    pub(crate) landings: Vec<Ix>,
    pub(crate) landing: Option<Landing>,
    /// Results verified so far.
    pub(crate) verified_count: u32,
    /// Landings begun so far.
    pub(crate) landing_count: u32,
    /// Verified tasks that the source does not have as done, though it should, and why.
    pub(crate) unwritten: BTreeMap<TaskId, String>,
    /// Nothing but questions is left; until when the run stays open for answers.
    pub(crate) answers_until: Option<Millis>,
}

/// Attempts in a row that failed in the same way soon after their start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Streak {
    /// Class and first line of the failure.
    pub way: String,
    /// When the first of them failed. Only an agent that started later and had a result shows that the cause is gone: under a
    /// provider's limit those that started before may well finish.
    pub since: Millis,
    /// The attempts, each with whether it used up a retry.
    pub attempts: Vec<(AttemptId, bool)>,
}

/// Whether new attempts may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// They may.
    Open,
    /// They may not: the world outside is at fault.
    Paused {
        /// What failed several times in a row.
        cause: String,
    },
    /// They may not: what the run may use is used.
    Spent {
        /// What is used of what, as a sentence.
        reached: String,
    },
    /// They may not: a person stopped the run.
    Stopped,
}

/// Whether the source is being read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Idle { due: bool },
    Asked { again: bool },
}

/// How far the end of the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Not begun to end.
    Open,
    /// Claims are being given back.
    Concluding,
    /// All is written.
    Concluded,
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Where it is.
    pub phase: Phase,
    /// Needs that are not done.
    pub open_needs: u32,
    /// Attempts made so far; the newest has this number.
    pub attempts: u32,
    /// Retries used, `could-not-start` and `setup` apart.
    pub retries: u32,
    /// Retries used for `could-not-start` and `setup`.
    pub start_retries: u32,
    /// Whether the tracker says that it is ours.
    pub claimed: bool,
    /// Which of the policy's agents works on it, or would.
    pub agent: u16,
    /// Attempts that had another agent than the first.
    pub agents: Vec<(u32, u16)>,
    /// What each attempt used that said so.
    pub used: Vec<(u32, Usage)>,
    /// What it used since a person last had it done again.
    pub spent: Usage,
    /// How long its agents worked since then.
    pub worked: Span,
    /// What its sessions had used when their last call ended, where a program adds calls up.
    pub sessions: Vec<(String, Usage)>,
    /// Why the attempt before failed.
    pub last_failure: Option<Arc<Failure>>,
    /// The attempt before that the next one goes on from, until that one has ended.
    pub continues: Option<Arc<Continuation>>,
    /// The paths that its newest recorded attempt changed.
    pub changed: Arc<[String]>,
    /// What is known of its newest attempt.
    pub observed: Observed,
    /// Attempts whose workspaces hold what no commit does.
    pub not_recorded: Vec<u32>,
    /// Tasks whose results its newest attempt was made on. What the source says of needs may change afterwards.
    pub stands_on: Vec<TaskId>,
    /// How many results of the run had been verified when its own was.
    pub verified_as: u32,
    /// Somebody else closed it while its attempt was active; how that shows.
    pub closed: Option<String>,
    /// Ended attempts whose end is not yet written down.
    pub finalizing: Vec<Finalizing>,
    /// An earlier result did not land: attempts stand on the target too.
    pub rebase: bool,
}

/// An ended attempt whose end is not yet written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalizing {
    /// Its number.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What became of its result.
    pub delivery: Delivery,
    /// A candidate that did not land, to be dropped.
    pub withdraw: Option<Candidate>,
    /// What is known of the attempt.
    pub observed: Observed,
    /// Attempts before it whose workspaces hold what no commit does.
    pub not_recorded: Vec<u32>,
}

/// What mesh observed of an attempt. It goes with its end, so that whoever writes that down has it from the journal alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// How its agent ended.
    pub ending: Option<Ending>,
    /// What its agent says of its usage and of its provider.
    pub metered: Option<Arc<Metered>>,
    /// What it left.
    pub evidence: Option<Arc<Evidence>>,
    /// How its proof ended.
    pub proof: Option<Arc<ProofEnd>>,
}

/// Where a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// For its needs, or, with none open, for locks, a slot or the run's limit.
    Waiting,
    /// For the pause before a start is tried again.
    Pausing {
        /// End of the pause.
        until: Millis,
    },
    /// An attempt has its slot and locks.
    Active(Active),
    /// The agent needs an answer; slot and locks are free.
    Question {
        /// The attempt that asked.
        attempt: u32,
        /// What it asks.
        text: String,
    },
    /// Done in this run.
    Verified {
        /// By which attempt.
        attempt: u32,
        /// The result.
        commit: Commit,
        /// Only the agent named the proof, or there was none.
        self_checked: bool,
        /// The command that proved it; a landing proves the integrated tree with it. Nothing when the run accepts results without.
        proof: Option<String>,
        /// What became of the result.
        delivery: Delivery,
    },
    /// Failed, attempts used up.
    Failed {
        /// The last attempt.
        attempt: u32,
        /// Why.
        failure: Arc<Failure>,
    },
    /// Left out.
    Skipped(SkipReason),
    /// Somebody else closed it while the run lived, and nobody verified it.
    ClosedElsewhere {
        /// How that shows.
        sign: String,
    },
    /// Done without this run.
    Satisfied {
        /// Its recorded result, if mesh made it.
        commit: Option<Commit>,
    },
}

/// An attempt that has a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Its number.
    pub attempt: u32,
    /// Its slot.
    pub slot: SlotId,
    /// When it got the slot, or when its start was taken up again.
    pub since: Millis,
    /// When its agent began to execute.
    pub executing: Option<Millis>,
    /// How far it is.
    pub stage: Stage,
    /// It has been told to end, and why.
    pub stopping: Option<Stopping>,
}

/// An attempt that has been told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping {
    /// Why.
    pub cause: StopCause,
    /// When it is killed if it has not ended.
    pub kill_at: Millis,
    /// Whether it has been killed.
    pub killed: bool,
}

/// What is known of an agent that executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Since when.
    pub started: Millis,
    /// Last sign of life.
    pub last_sign: Millis,
    /// A look is under way.
    pub looking: bool,
    /// It is over its soft limit.
    pub slow: bool,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Claim, workspace, setup.
    Starting,
    /// The agent executes.
    Running(Running),
    /// What it left is being recorded.
    Inspecting(Recording),
    /// The proof runs.
    Proving {
        /// Since when.
        since: Millis,
        /// The command.
        command: String,
        /// Only the agent named it.
        self_checked: bool,
        /// The result it runs on.
        commit: Commit,
    },
}

/// How far the recording of an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// Under way.
    Working {
        /// Since when.
        since: Millis,
    },
    /// It failed and will be repeated; nothing of the attempt executes.
    Failed {
        /// Why.
        failure: Arc<Failure>,
        /// When it is repeated; when the run is taken up again if absent.
        until: Option<Millis>,
    },
}

impl Phase {
    /// The commit that stands for the task, if it is done and has one.
    pub(crate) fn result(&self) -> Option<&Commit> {
        match self {
            Phase::Verified { commit, .. } => Some(commit),
            Phase::Satisfied { commit } => commit.as_ref(),
            _ => None,
        }
    }
}

impl TaskState {
    pub(crate) fn waiting() -> TaskState {
        TaskState {
            phase: Phase::Waiting,
            open_needs: 0,
            attempts: 0,
            retries: 0,
            start_retries: 0,
            claimed: false,
            agent: 0,
            agents: Vec::new(),
            used: Vec::new(),
            spent: Usage::default(),
            worked: Span(0),
            sessions: Vec::new(),
            last_failure: None,
            continues: None,
            changed: Arc::default(),
            observed: Observed::default(),
            not_recorded: Vec::new(),
            stands_on: Vec::new(),
            verified_as: 0,
            closed: None,
            finalizing: Vec::new(),
            rebase: false,
        }
    }

    /// The running attempt, if there is one.
    #[must_use]
    pub fn active(&self) -> Option<&Active> {
        match &self.phase {
            Phase::Active(active) => Some(active),
            _ => None,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}

impl State {
    /// A run that has not begun.
    #[must_use]
    pub fn new() -> State {
        let (plan, _) = Plan::build_tolerant(Vec::new());
        State {
            plan: Arc::new(plan),
            ranking: Arc::new(Ranking::default()),
            policy: Arc::new(Policy::with_concurrency(1)),
            tasks: CowVec::default(),
            frontier: Frontier::default(),
            slots: Vec::new(),
            width: 1,
            failures_in_row: 0,
            last_failed: None,
            recording_failures: 0,
            streak: Streak::default(),
            last_start_failure: None,
            admission: Admission::Open,
            refresh: Refresh::Idle { due: false },
            ending: RunEnd::Open,
            unsettled: 0,
            slot_wait: None,
            wave: None,
            waves_confirmed: 0,
            wave_ends: Vec::new(),
            pace: Pace::default(),
            wakes: BTreeSet::new(),
            accounts: BTreeMap::new(),
            spent: Usage::default(),
            taken_up: Millis(0),
            peak: 0,
            late: BTreeMap::new(),
            landings: Vec::new(),
            landing: None,
            landing_count: 0,
            unwritten: BTreeMap::new(),
            answers_until: None,
            verified_count: 0,
        }
    }

    /// The plan in use.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The order of its tasks.
    #[must_use]
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// The rules in use.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// State of the task at `at`.
    #[must_use]
    pub fn task(&self, at: Ix) -> &TaskState {
        self.tasks.get(at)
    }

    /// State of the task called `id`.
    #[must_use]
    pub fn find(&self, id: &TaskId) -> Option<(&Task, &TaskState)> {
        let at = self.plan.find(id)?;
        Some((self.plan.task(at), self.tasks.get(at)))
    }

    /// Verified tasks that the source did not take as done when the run last ended, and why.
    #[must_use]
    pub fn unwritten(&self) -> &BTreeMap<TaskId, String> {
        &self.unwritten
    }

    /// Whether the result of the task at `at` should have been landed and was not.
    #[must_use]
    pub fn is_not_landed(&self, at: Ix) -> bool {
        matches!(
            &self.task(at).phase,
            Phase::Verified {
                delivery: Delivery::NotLanded { .. },
                ..
            }
        )
    }

    /// Whether all tasks are done, all that was to be landed is, and the source has it all.
    #[must_use]
    pub fn is_all_done(&self) -> bool {
        let is_done = |at| self.is_done(at) && !self.is_not_landed(at);
        self.unwritten.is_empty() && self.plan.all().all(is_done)
    }

    /// Whether new attempts may start.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// How far the end of the run is.
    #[must_use]
    pub fn run_end(&self) -> RunEnd {
        self.ending
    }

    /// How many agents may run at the moment.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width.min(self.policy.allowed_width())
    }

    /// The largest number of attempts that were active at once.
    #[must_use]
    pub fn peak(&self) -> u16 {
        self.peak
    }

    /// How many attempts have a slot.
    #[must_use]
    pub fn active_count(&self) -> u16 {
        u16::try_from(self.slots.iter().flatten().count()).unwrap_or(u16::MAX)
    }

    /// Whether the attempt at `at` waits for the run to be taken up again before it is recorded.
    #[must_use]
    pub fn is_parked(&self, at: Ix) -> bool {
        let stage = self.task(at).active().map(|active| &active.stage);
        matches!(
            stage,
            Some(Stage::Inspecting(Recording::Failed { until: None, .. }))
        )
    }

    /// Places of the tasks that have a slot, by slot.
    pub fn active(&self) -> impl Iterator<Item = Ix> {
        self.slots.iter().flatten().copied()
    }

    /// The next moment at which something is due by the clock alone.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Millis> {
        let attempts = self.wakes.first().map(|(at, _)| *at);
        let landing = self.landing_deadline().map(|(at, _)| at);
        let slot = self.slot_wait.map(|wait| wait.until);
        [
            attempts,
            landing,
            slot,
            self.answers_until,
            self.limit_wakeup(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Places of the tasks whose questions are open.
    pub fn questions(&self) -> impl Iterator<Item = Ix> {
        let asks = |at: &Ix| matches!(self.task(*at).phase, Phase::Question { .. });
        self.plan.all().filter(asks)
    }

    /// Until when a run in which nothing but questions is left stays open for answers.
    #[must_use]
    pub fn answers_until(&self) -> Option<Millis> {
        self.answers_until
    }

    /// Tasks that the tracker says are ours.
    pub fn claimed(&self) -> impl Iterator<Item = &TaskId> {
        self.plan
            .all()
            .filter(|&at| self.task(at).claimed)
            .map(|at| &self.plan.task(at).id)
    }

    /// Whether the task at `at` has all it needs and waits only for locks, a slot or the run's limit.
    #[must_use]
    pub fn is_ready(&self, at: Ix) -> bool {
        let task = self.plan.task(at);
        task.eligibility == Eligibility::Open
            && task.outside.is_empty()
            && self.task(at).phase == Phase::Waiting
            && self.task(at).open_needs <= u32::from(is_planted(Bug::NeedIgnored))
            && self.has_agent(at)
    }

    /// Ready tasks, best first.
    pub fn ready(&self) -> impl Iterator<Item = Ix> {
        self.frontier.ready(self.ranking.order())
    }

    /// Whether a task counts as done for those that need it.
    #[must_use]
    pub fn is_done(&self, at: Ix) -> bool {
        matches!(
            self.task(at).phase,
            Phase::Verified { .. } | Phase::Satisfied { .. }
        )
    }

    /// What keeps a ready task from its locks.
    #[must_use]
    pub fn lock_block(&self, at: Ix) -> Option<LockBlock> {
        self.frontier.block(self.rules(), at)
    }

    /// What the frontier goes by.
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            plan: &self.plan,
            policy: &self.policy,
            order: self.ranking.order(),
        }
    }

    /// Changes the frontier by the rules.
    pub(crate) fn change_frontier(&mut self, change: impl FnOnce(&mut Frontier, Rules<'_>)) {
        let rules = Rules {
            plan: &self.plan,
            policy: &self.policy,
            order: self.ranking.order(),
        };
        change(&mut self.frontier, rules);
    }

    /// The lock groups of the task at `at`. While it is active they are those it started with.
    pub(crate) fn held_locks(&self, at: Ix) -> HeldLocks {
        match self.rules().claim(at) {
            Claim::Alone => HeldLocks::All,
            Claim::Groups(_) => HeldLocks::Groups(self.plan.task(at).locks.groups()),
        }
    }

    pub(crate) fn attempt_id(&self, at: Ix, number: u32) -> AttemptId {
        AttemptId {
            task: self.plan.task(at).id.clone(),
            number,
        }
    }

    /// Place of the task whose active attempt is `attempt`; nothing for a late or a double report.
    #[must_use]
    pub fn current(&self, attempt: &AttemptId) -> Option<(Ix, &Active)> {
        let at = self.plan.find(&attempt.task)?;
        let active = self.task(at).active().filter(|active| {
            active.attempt == attempt.number || is_planted(Bug::AttemptNotFenced)
        })?;
        Some((at, active))
    }

    /// Results that stand for what `at` needs: of each need its own, or, where a need has none (a container, a task that a
    /// person did), those of its needs in turn.
    #[must_use]
    pub fn need_commits(&self, at: Ix) -> Vec<(Ix, Commit)> {
        let Ok(found) = self.results_of_needs(at, |phase| Ok::<_, Infallible>(phase.result()));
        found
    }

    /// Of each need of `at` what `result` gives; where that is nothing, of each of its needs in turn.
    pub(crate) fn results_of_needs<E>(
        &self,
        at: Ix,
        result: impl Fn(&Phase) -> Result<Option<&Commit>, E>,
    ) -> Result<Vec<(Ix, Commit)>, E> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack: Vec<Ix> = self.plan.graph().needs(at).to_vec();
        while let Some(need) = stack.pop() {
            if !seen.insert(need) {
                continue;
            }
            match result(&self.task(need).phase)? {
                Some(commit) => found.push((need, commit.clone())),
                None => stack.extend_from_slice(self.plan.graph().needs(need)),
            }
        }
        found.sort_by_key(|(need, _)| *need);
        Ok(found)
    }

    /// The same with the ids of the needs.
    pub(crate) fn named_needs(&self, needs: Vec<(Ix, Commit)>) -> Vec<NeedCommit> {
        let name = |(need, commit)| NeedCommit {
            task: self.plan.task(need).id.clone(),
            commit,
        };
        needs.into_iter().map(name).collect()
    }
}
