//! Why a task is where it is, as data and in one sentence.

use std::fmt;

use crate::clamp::Percent;
use crate::decision::{SkipReason, StopCause};
use crate::event::Delivery;
use crate::graph::Ix;
use crate::id::{LockGroup, SlotId, TaskId};
use crate::limit::Shortage;
use crate::lock::LockBlock;
use crate::state::{Active, Admission, Phase, Recording, RunEnd, Stage, State};
use crate::task::Eligibility;
use crate::text::counted;
use crate::time::{Millis, Span};

/// Why a task is where it is. Names the need, the lock, the limit or the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Its record contradicts the plan, or it is not ours to run.
    NotRunnable(String),
    /// A container waits for its children.
    Children(Vec<TaskId>),
    /// Needs that are not done, with where they are.
    Needs(Vec<(TaskId, &'static str)>),
    /// Open blockers outside the plan.
    Outside(Vec<TaskId>),
    /// A lock group is held.
    Lock {
        /// Which.
        group: LockGroup,
        /// By whom.
        by: TaskId,
    },
    /// A lock group is kept for a task that waited longer.
    Reserved {
        /// Which.
        group: LockGroup,
        /// For whom.
        by: TaskId,
    },
    /// A task that runs alone is running or next.
    BehindAlone(TaskId),
    /// It runs alone, and others are running.
    RunsAlone,
    /// All slots are taken, or the width is used up.
    Slots {
        /// Attempts that run.
        active: u16,
        /// How many may run now.
        width: u16,
        /// How many the run was given.
        concurrency: u16,
    },
    /// Little is left of the budget, by a person's word, so fewer run than might.
    Budgeted {
        /// How much.
        left: Percent,
        /// Of which window.
        window: &'static str,
        /// How many may run now.
        width: u16,
        /// How many the run was given.
        concurrency: u16,
    },
    /// A slot is free, and stays so for a better task that is about to become ready.
    SlotKept {
        /// Which.
        better: TaskId,
        /// For how much longer at most.
        rest: Span,
    },
    /// The provider's limit of every account that it could use is reached; the first is over in this time.
    Limit {
        /// Which.
        account: String,
        /// For how much longer.
        rest: Span,
    },
    /// The limit is over, and one attempt shows whether the provider answers again.
    Probe {
        /// Which account.
        account: String,
        /// The task whose attempt it is.
        by: TaskId,
    },
    /// Little is left of what the account may use.
    Allowance {
        /// Which.
        account: String,
        /// How much, in percent.
        left_percent: u8,
        /// How many agents may run on it now.
        width: u16,
    },
    /// What the run may use is used; what of what.
    Spent(String),
    /// Its wave is recommended and waits for a person's word.
    WaveUnconfirmed(u32),
    /// It is in no wave yet; the next one has this number.
    NextWave(u32),
    /// The run is paused.
    Paused(String),
    /// The run was stopped, or has ended.
    Stopped,
    /// It may start; the coordinator has not come to it yet.
    Next,
    /// A start failed; it is tried again after a pause.
    Pause(Span),
    /// Claim, workspace and setup are under way.
    Starting(SlotId),
    /// The agent executes.
    Running {
        /// Where.
        slot: SlotId,
        /// For how long.
        since: Span,
        /// How long ago it showed a sign of life.
        silent: Span,
    },
    /// It has been told to end.
    Stopping(StopCause),
    /// What the agent left is being recorded.
    Examining,
    /// What the agent left could not be recorded; that is tried again.
    RecordingFailed(String),
    /// The proof runs.
    Proving(String),
    /// The agent asks.
    Question(String),
    /// Done in this run.
    Verified {
        /// Only the agent named the proof, or there was none.
        self_checked: bool,
        /// What became of the result.
        delivery: Delivery,
    },
    /// Done without this run.
    Satisfied,
    /// Failed.
    Failed {
        /// Attempts made.
        attempts: u32,
        /// Class and detail.
        failure: String,
    },
    /// Left out.
    Skipped(SkipReason),
    /// Somebody else closed it; how that shows.
    ClosedElsewhere(String),
}

impl State {
    /// Explains the task at `at`.
    #[must_use]
    pub fn why(&self, now: Millis, at: Ix) -> Why {
        match &self.task(at).phase {
            // Its pause is all that it waits for only while the run starts anything at all.
            Phase::Pausing { until } if self.admission == Admission::Open => {
                Why::Pause(until.since(now))
            }
            Phase::Waiting | Phase::Pausing { .. } => self.why_waiting(now, at),
            Phase::Active(active) => why_active(active, now),
            Phase::Question { text, .. } => Why::Question(text.clone()),
            Phase::Verified {
                self_checked,
                delivery,
                ..
            } => Why::Verified {
                self_checked: *self_checked,
                delivery: delivery.clone(),
            },
            Phase::Failed { failure, .. } => Why::Failed {
                attempts: self.task(at).attempts,
                failure: failure.to_string(),
            },
            Phase::Skipped(reason) => Why::Skipped(reason.clone()),
            Phase::ClosedElsewhere { sign } => Why::ClosedElsewhere(sign.clone()),
            Phase::Satisfied { .. } => Why::Satisfied,
        }
    }

    fn why_waiting(&self, now: Millis, at: Ix) -> Why {
        let task = self.plan.task(at);
        let open = || {
            self.plan
                .graph()
                .needs(at)
                .iter()
                .filter(|&&need| !self.is_done(need))
        };
        match &task.eligibility {
            Eligibility::NotOurs { reason } | Eligibility::Faulty { reason } => {
                return Why::NotRunnable(reason.clone());
            }
            Eligibility::Container => {
                return Why::Children(
                    open()
                        .map(|&need| self.plan.task(need).id.clone())
                        .collect(),
                );
            }
            Eligibility::Open | Eligibility::Satisfied { .. } => {}
        }
        if self.task(at).open_needs > 0 {
            return Why::Needs(
                open()
                    .map(|&need| (self.plan.task(need).id.clone(), self.state_word(need)))
                    .collect(),
            );
        }
        if !task.outside.is_empty() {
            return Why::Outside(task.outside.clone());
        }
        if !self.has_agent(at) {
            return Why::NotRunnable(format!(
                "this run does not have its agent {}: `mesh run` anew gives it",
                task.agents.join(" or ")
            ));
        }
        match &self.admission {
            Admission::Stopped => return Why::Stopped,
            Admission::Paused { cause } => return Why::Paused(cause.clone()),
            Admission::Spent { reached } => return Why::Spent(reached.clone()),
            Admission::Open if self.ending != RunEnd::Open => return Why::Stopped,
            Admission::Open => {}
        }
        self.why_held(now, at)
    }

    fn why_held(&self, now: Millis, at: Ix) -> Why {
        match &self.wave {
            Some(wave) if !wave.tasks.contains(&at) => return Why::NextWave(wave.number + 1),
            Some(wave) if !wave.is_confirmed => return Why::WaveUnconfirmed(wave.number),
            Some(_) | None => {}
        }
        let name = |at: Ix| self.plan.task(at).id.clone();
        let group = |group: u32| self.plan.groups()[group as usize].clone();
        match self.lock_block(at) {
            Some(LockBlock::Held { group: held, by }) => Why::Lock {
                group: group(held),
                by: name(by),
            },
            Some(LockBlock::Reserved { group: kept, by }) => Why::Reserved {
                group: group(kept),
                by: name(by),
            },
            Some(LockBlock::Alone { by }) => Why::BehindAlone(name(by)),
            Some(LockBlock::NotAlone) => Why::RunsAlone,
            None if self.active_count() >= self.width() => {
                match self.policy.budget.allowance.strictest() {
                    Some((left, window)) if self.policy.allowed_width() < self.width => {
                        Why::Budgeted {
                            left,
                            window,
                            width: self.width(),
                            concurrency: self.policy.concurrency,
                        }
                    }
                    _ => Why::Slots {
                        active: self.active_count(),
                        width: self.width,
                        concurrency: self.policy.concurrency,
                    },
                }
            }
            None if let Some(shortage) = self.agents_short(at) => match shortage {
                Shortage::Shut { account, until } => Why::Limit {
                    account,
                    rest: until.since(now),
                },
                Shortage::Probing { account, probe } => Why::Probe { account, by: probe },
                Shortage::Allowance {
                    account,
                    left_percent,
                    width,
                } => Why::Allowance {
                    account,
                    left_percent,
                    width,
                },
            },
            None => match self.slot_wait {
                Some(wait) => Why::SlotKept {
                    better: name(wait.task),
                    rest: wait.until.since(now),
                },
                None => Why::Next,
            },
        }
    }

    /// The word for where a task is, as records and people use it.
    #[must_use]
    pub fn state_word(&self, at: Ix) -> &'static str {
        match &self.task(at).phase {
            Phase::Waiting if self.is_ready(at) => "held",
            Phase::Waiting => "waiting",
            Phase::Pausing { .. } => "held",
            Phase::Active(active) => match active.stage {
                Stage::Starting => "starting",
                Stage::Running(_) => "running",
                Stage::Inspecting(Recording::Failed { .. }) => "held",
                Stage::Inspecting(_) | Stage::Proving { .. } => "verifying",
            },
            Phase::Question { .. } => "question",
            Phase::Verified {
                delivery: Delivery::Landed { .. },
                ..
            } => "landed",
            Phase::Verified { .. } => "verified",
            Phase::Failed { .. } => "failed",
            Phase::Skipped(_) => "skipped",
            Phase::ClosedElsewhere { .. } => "closed-elsewhere",
            Phase::Satisfied { .. } => "satisfied",
        }
    }
}

fn why_active(active: &Active, now: Millis) -> Why {
    if let Some(stopping) = active.stopping {
        return Why::Stopping(stopping.cause);
    }
    match &active.stage {
        Stage::Starting => Why::Starting(active.slot),
        Stage::Running(running) => Why::Running {
            slot: active.slot,
            since: now.since(running.started),
            silent: now.since(running.last_sign),
        },
        Stage::Inspecting(Recording::Failed { failure, .. }) => {
            Why::RecordingFailed(failure.detail.clone())
        }
        Stage::Inspecting(_) => Why::Examining,
        Stage::Proving { command, .. } => Why::Proving(command.clone()),
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotRunnable(reason) => write!(f, "is not run: {reason}"),
            Why::Children(open) => write!(f, "is a container and waits for {}", Names(open)),
            Why::Needs(needs) => {
                f.write_str("waits for ")?;
                for (at, (need, word)) in needs.iter().enumerate() {
                    write!(f, "{}{need} ({word})", if at > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Why::Outside(blockers) => write!(f, "waits for {}, outside this plan", Names(blockers)),
            Why::Lock { group, by } => write!(f, "is held: {by} holds the lock group {group}"),
            Why::Reserved { group, by } => write!(
                f,
                "is held: the lock group {group} is reserved for {by}, which waited longer"
            ),
            Why::BehindAlone(by) => write!(f, "is held: {by} runs alone"),
            Why::RunsAlone => f.write_str(
                "is held: it has no lock group, so it runs alone, and others are running",
            ),
            Why::Slots {
                active,
                width,
                concurrency,
            } if width < concurrency => {
                write!(
                    f,
                    "is held: {active} agents run and after failures only {width} of {concurrency} may"
                )
            }
            Why::Slots { active, .. } => write!(f, "is held: all {active} agents are busy"),
            Why::Budgeted {
                left,
                window,
                width,
                concurrency,
            } => write!(
                f,
                "is held: {left} percent are left of the {window} budget, so at most {width} of {} at once",
                counted(usize::from(*concurrency), "agent")
            ),
            Why::SlotKept { better, rest } => write!(
                f,
                "is held: a slot is free and waits up to {rest} for {better}, which is about to become ready"
            ),
            Why::Limit { account, rest } => write!(
                f,
                "is held: the provider's limit{} is reached; it goes on in {rest}",
                OfAccount(account)
            ),
            Why::Probe { account, by } => write!(
                f,
                "is held: the provider's limit{} is over, and {by} shows whether it answers again",
                OfAccount(account)
            ),
            Why::Allowance {
                account,
                left_percent,
                width,
            } => write!(
                f,
                "is held: {left_percent} percent are left of the provider's limit{}, so at most {} at once",
                OfAccount(account),
                counted(usize::from(*width), "agent")
            ),
            Why::Spent(reached) => write!(
                f,
                "is held: {reached}; `mesh resume` with a higher bound goes on"
            ),
            Why::WaveUnconfirmed(wave) => write!(
                f,
                "is held: wave {wave} waits to be confirmed; `mesh pick` confirms it"
            ),
            Why::NextWave(wave) => write!(f, "is held: it waits for wave {wave}"),
            Why::Paused(cause) => write!(
                f,
                "is held: the run is paused until `mesh resume`, because several times in a row {cause}"
            ),
            Why::Stopped => {
                f.write_str("is held: the run was stopped or has ended; `mesh resume` goes on")
            }
            Why::Next => f.write_str("may start now"),
            Why::Pause(rest) => write!(f, "could not be started and is tried again in {rest}"),
            Why::Starting(slot) => write!(f, "is starting as {slot}: claim, workspace, setup"),
            Why::Running {
                slot,
                since,
                silent,
            } => write!(
                f,
                "runs as {slot} for {since}, last sign of life {silent} ago"
            ),
            Why::Stopping(cause) => write!(f, "is being ended: {}", cause.as_str()),
            Why::Examining => f.write_str("has ended; what it left is being recorded"),
            Why::RecordingFailed(cause) => write!(
                f,
                "is held: what it left could not be recorded and waits in its workspace: {cause}"
            ),
            Why::Proving(command) => write!(f, "is being verified: `{command}` runs"),
            Why::Question(text) => write!(f, "waits for an answer: {text}"),
            Why::Verified {
                self_checked,
                delivery,
            } => {
                f.write_str(if matches!(delivery, Delivery::Landed { .. }) {
                    "is landed"
                } else {
                    "is verified"
                })?;
                if *self_checked {
                    f.write_str(", self-checked: nobody but the agent named its proof")?;
                }
                match delivery {
                    Delivery::NotLanded { reason } => write!(f, "; not landed: {reason}"),
                    Delivery::Queued => f.write_str("; it is to be landed"),
                    Delivery::Kept | Delivery::Landed { .. } => Ok(()),
                }
            }
            Why::Satisfied => f.write_str("was done before"),
            Why::Failed {
                attempts: 1,
                failure,
            } => write!(f, "failed: {failure}"),
            Why::Failed { attempts, failure } => {
                write!(f, "failed {attempts} times, last: {failure}")
            }
            Why::Skipped(reason) => write!(f, "is left out: {reason}"),
            Why::ClosedElsewhere(sign) => write!(
                f,
                "was closed by somebody else and is not verified: {sign}; `mesh resume --trust-outside` takes it as done"
            ),
        }
    }
}

impl StopCause {
    /// The cause as a fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StopCause::Hung => "it shows no sign of life",
            StopCause::Overdue => "it takes longer than it may",
            StopCause::RunStopped => "the run is being stopped",
            StopCause::Taken => "a person took the task over",
            StopCause::Skipped => "a person skipped the task",
            StopCause::ClaimLost => "the tracker gave the task to somebody else",
            StopCause::Superseded => "what it stands on is run again",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkipReason::ByPerson => f.write_str("a person skipped it"),
            SkipReason::Taken(sign) => write!(f, "taken: {sign}"),
            SkipReason::NeedFailed(need) => write!(f, "it needs {need}, which was not done"),
        }
    }
}

/// The account, where it has a name.
struct OfAccount<'a>(&'a str);

impl fmt::Display for OfAccount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            account => write!(f, " of account {account}"),
        }
    }
}

/// At most six names; the rest is counted.
struct Names<'a>(&'a [TaskId]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        for (at, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{name}", if at > 0 { ", " } else { "" })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}
