//! What the core decides, and what is to be done about it.
//!
//! Decisions are recorded beside the event that led to them; actions follow from decisions alone, so a record can be replayed
//! without deciding anything again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::Delivery;
use crate::evidence::Failure;
use crate::id::{AttemptId, LockGroup, SlotId, TaskId};
use crate::landing::Candidate;
use crate::policy::Budget;
use crate::state::Finalizing;
use crate::task::{Commit, TaskLimits};
use crate::time::Millis;
use crate::wave::WaveEnd;

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A task starts in a slot.
    Start {
        /// The new attempt.
        attempt: AttemptId,
        /// Its slot.
        slot: SlotId,
    },
    /// Another of the run's agents works on the task from now on.
    Assign {
        /// Which task.
        task: TaskId,
        /// The agent's place in the policy.
        agent: u16,
    },
    /// A provider refused: no start on the account before.
    Hold {
        /// Which account.
        account: String,
        /// Until when.
        until: Millis,
    },
    /// No new starts: what the run may use is used.
    Spend {
        /// What is used of what, as a sentence.
        reached: String,
    },
    /// What the run may use from now on.
    SetBudget {
        /// All of it.
        budget: Budget,
    },
    /// Busy lock groups are kept for a task that was passed over too often.
    Reserve {
        /// For whom.
        task: TaskId,
    },
    /// A free slot is kept for a task that is about to become ready.
    KeepSlot {
        /// For whom.
        task: TaskId,
        /// Until when at the latest.
        until: Millis,
    },
    /// A wave is recommended, in place of another one that was and is not confirmed. Without tasks: none is any more.
    AnnounceWave {
        /// Its number, from 1.
        wave: u32,
        /// What is recommended, best first.
        tasks: Vec<TaskId>,
    },
    /// The wave that was announced is to run.
    ConfirmWave {
        /// Its number.
        wave: u32,
        /// Its tasks: those that were recommended, or those that a person picked.
        tasks: Vec<TaskId>,
    },
    /// All tasks of the wave have ended.
    EndWave {
        /// Its number.
        wave: u32,
        /// What is recommended to follow it.
        next: Vec<TaskId>,
    },
    /// Probe for a sign of life.
    Probe {
        /// Whose.
        attempt: AttemptId,
    },
    /// An attempt is over its soft limit.
    SoftLimitExceeded {
        /// Which.
        attempt: AttemptId,
    },
    /// An attempt is to end.
    Stop {
        /// Which.
        attempt: AttemptId,
        /// Why.
        cause: StopCause,
    },
    /// An attempt that was told to end did not: kill it.
    Kill {
        /// Which.
        attempt: AttemptId,
    },
    /// Record what the attempt left.
    Inspect {
        /// Which.
        attempt: AttemptId,
    },
    /// Run the proof.
    Prove {
        /// Which.
        attempt: AttemptId,
        /// The command.
        command: String,
        /// Only the agent named it.
        self_checked: bool,
        /// The result it is run on.
        commit: Commit,
    },
    /// The task is done.
    Accept {
        /// By which attempt.
        attempt: AttemptId,
        /// The result.
        commit: Commit,
        /// Only the agent named the proof, or there was none.
        self_checked: bool,
    },
    /// The attempt's result is the next to be landed, or is integrated again because the target moved.
    Land {
        /// Whose result.
        attempt: AttemptId,
    },
    /// Run the proof on the integrated tree.
    ProveLanding {
        /// Whose result.
        attempt: AttemptId,
    },
    /// Move the target to the candidate.
    Publish {
        /// Whose result.
        attempt: AttemptId,
    },
    /// The landing under way is to end.
    StopLanding {
        /// Whose result.
        attempt: AttemptId,
    },
    /// The result lies on the target, or stays where it was made.
    EndLanding {
        /// Whose result.
        attempt: AttemptId,
        /// What became of it.
        delivery: Delivery,
    },
    /// The result cannot be landed as it is: its task is done again, on the target as it is then.
    GiveBack {
        /// Whose result.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
    },
    /// Results that were verified before are to be landed.
    QueueLandings {
        /// Whose, needs before what needs them.
        attempts: Vec<AttemptId>,
        /// The bookmark or branch.
        onto: String,
    },
    /// What the attempt left could not be recorded. Its agent is not at fault and is not started again.
    RecordingFailed {
        /// Which.
        attempt: AttemptId,
        /// Why not.
        failure: Failure,
        /// The recording is repeated after a pause; otherwise when the run is taken up again.
        again: bool,
    },
    /// The attempt failed; the task is tried again.
    Retry {
        /// Which.
        attempt: AttemptId,
        /// Why it failed.
        failure: Failure,
        /// It uses up one of the task's retries; it does not when the fault is not the task's.
        counts: bool,
    },
    /// The attempt failed, and with it the task.
    Fail {
        /// Which.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
    },
    /// The agent needs an answer.
    Question {
        /// Which.
        attempt: AttemptId,
        /// What it asks.
        text: String,
    },
    /// The attempt was ended because the run was; the task is as before it.
    Interrupt {
        /// Which.
        attempt: AttemptId,
    },
    /// The task is left out.
    Skip {
        /// Which.
        task: TaskId,
        /// Why.
        reason: SkipReason,
    },
    /// The task is to be run again, with these of its dependents.
    Reset {
        /// Which.
        task: TaskId,
        /// Those whose results are thrown away with it.
        dependents: Vec<TaskId>,
    },
    /// A question has its answer: the task goes on.
    Answer {
        /// Which.
        task: TaskId,
        /// What the person wrote.
        text: String,
    },
    /// Nothing but questions is left: the run stays open for answers.
    AwaitAnswers {
        /// Until when at the latest.
        until: Millis,
    },
    /// A person's request cannot be granted.
    Refuse {
        /// Why, as a sentence.
        reason: String,
    },
    /// How many agents may run from now on.
    SetConcurrency {
        /// At most this many.
        to: u16,
    },
    /// No new starts: the world outside, not a task, is at fault.
    Pause {
        /// What failed several times in a row.
        cause: String,
        /// Attempts of before that failed of the same cause: they use up no retry after all.
        excused: Vec<AttemptId>,
    },
    /// Tasks that somebody else closed count as done from now on.
    TrustOutside,
    /// No new starts: a person said so.
    Drain,
    /// Ask the source again.
    Refresh,
    /// Nothing is left to do: give back claims, write the final report.
    Conclude,
    /// Something was asked for while the run concluded: it does not end yet.
    Continue,
}

/// Why an attempt is ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum StopCause {
    /// No sign of life.
    Hung,
    /// Its preparation or its proof takes longer than it may.
    Overdue,
    /// The run is stopped.
    RunStopped,
    /// A person took the task over.
    Taken,
    /// A person skipped the task.
    Skipped,
    /// The tracker gave the task away.
    ClaimLost,
    /// What it stands on is run again.
    Superseded,
}

/// Why a task is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum SkipReason {
    /// A person said so.
    ByPerson,
    /// A person took it over; how that shows.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::sign"))]
    Taken(String),
    /// This need failed or was skipped.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::need"))]
    NeedFailed(TaskId),
}

/// Something to be done. Every action carries its attempt, and can be asked for again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Claim, make the workspace, start the agent.
    Start(StartOrder),
    /// Find out when the attempt last showed a sign of life.
    Probe {
        /// Whose.
        attempt: AttemptId,
    },
    /// End the attempt's process tree, politely first.
    Stop {
        /// Which.
        attempt: AttemptId,
    },
    /// End the attempt's process tree at once.
    Kill {
        /// Which.
        attempt: AttemptId,
    },
    /// Record what the attempt left: snapshot, change set, final block.
    Inspect {
        /// Which.
        attempt: AttemptId,
        /// The lock groups it has held since its start.
        locks: HeldLocks,
    },
    /// Run the proof.
    Prove {
        /// Which.
        attempt: AttemptId,
        /// The command.
        command: String,
        /// The recorded result.
        commit: Commit,
    },
    /// See to it that a verified result stays where it is recorded.
    Keep {
        /// Whose.
        attempt: AttemptId,
        /// The result.
        commit: Commit,
    },
    /// Join a verified result with the target, where nobody sees it.
    Integrate {
        /// Whose.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// The result.
        commit: Commit,
        /// The bookmark or branch.
        onto: String,
        /// A candidate of before, to be dropped.
        replaces: Option<Candidate>,
    },
    /// Run the proof on the integrated tree.
    ProveLanding {
        /// Whose.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// The command.
        command: String,
        /// What would become the target.
        candidate: Candidate,
    },
    /// Move the target, if it is still where the candidate was made.
    Publish {
        /// Whose.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// The bookmark or branch.
        onto: String,
        /// What is to become the target.
        candidate: Candidate,
    },
    /// Do what follows an attempt's end.
    Finalize {
        /// Which.
        attempt: AttemptId,
        /// How it ended, and what is known of it.
        end: Finalizing,
    },
    /// Do what follows a wave's end.
    FinalizeWave(WaveEnd),
    /// Tell people.
    Note {
        /// What.
        text: String,
    },
    /// Read the source again.
    Refresh,
    /// Give back claims, write the final report.
    Conclude,
}

/// What is needed to start an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOrder {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its slot.
    pub slot: SlotId,
    /// How many slots there are.
    pub slots: u16,
    /// Whether the task must be claimed first; false when an earlier attempt's claim still holds.
    pub claim: bool,
    /// The lock groups it holds from now on.
    pub locks: HeldLocks,
    /// Results it must stand on, one for each need that has one.
    pub needs: Vec<NeedCommit>,
    /// The paths that each need changed, where this run recorded them.
    pub changed: BTreeMap<TaskId, Arc<[String]>>,
    /// Why the attempt before this one failed.
    pub previous: Option<Failure>,
    /// It stands on this bookmark or branch too: an earlier result did not land there.
    pub onto: Option<String>,
    /// The agent that works on it: its place in the policy.
    pub agent: u16,
    /// The attempt before that this one goes on from.
    pub continues: Option<Continuation>,
    /// The task's own limits for how long its agent runs.
    pub limits: TaskLimits,
}

/// An attempt that the next one goes on from: in its workspace, with all that it left there, and in its session where the program
/// can take one up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// Its number.
    pub attempt: u32,
    /// What it ended with, unless it failed.
    pub question: Option<AskedQuestion>,
}

/// A question that an attempt ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedQuestion {
    /// What it asked.
    pub text: String,
    /// What a person answered; nothing when the task was only told to go on.
    pub answer: Option<String>,
}

/// A need and the result that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NeedCommit {
    /// The need.
    pub task: TaskId,
    /// Its result.
    pub commit: Commit,
}

/// The lock groups of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldLocks {
    /// It runs alone: whatever it changes, nobody else can.
    All,
    /// These.
    Groups(BTreeSet<LockGroup>),
}

/// How an attempt ended, for those who write it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Verified {
        /// The result.
        commit: Commit,
        /// Only the agent named the proof, or there was none.
        self_checked: bool,
    },
    /// Failed; the task is tried again.
    Retried(Failure),
    /// Failed for good.
    Failed(Failure),
    /// Waits for an answer.
    Question(String),
    /// Ended with the run.
    Interrupted,
    /// Ended because the task is left out.
    Skipped(SkipReason),
}
