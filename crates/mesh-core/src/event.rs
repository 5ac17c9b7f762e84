//! Everything that can happen to a run. An event is a fact the outside reported; nothing is decided in it.

use crate::evidence::{Ending, Evidence, Failure, ProofEnd};
use crate::id::{AttemptId, TaskId};
use crate::landing::{Integration, Publication};
use crate::metered::Metered;
use crate::plan::Plan;
use crate::policy::{Budget, Policy};
use crate::task::{Commit, Task};
use crate::time::Millis;

/// One fact.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the first of a run, and there is no other"
)]
pub enum Event {
    /// The run begins with this plan under this policy. Always the first event, and only the first.
    RunStarted {
        /// What is to be done.
        plan: Plan,
        /// Under which rules.
        policy: Policy,
    },
    /// A coordinator took the run up again: claims of its predecessor are void, a pause or a stop is over.
    Reopened,
    /// Nothing but time has passed.
    Tick,
    /// The tracker says that the task is ours.
    Claimed {
        /// The attempt it was claimed for.
        attempt: AttemptId,
    },
    /// The agent is executing.
    Started {
        /// Which.
        attempt: AttemptId,
    },
    /// The agent is not executing and will not be.
    StartFailed {
        /// Which.
        attempt: AttemptId,
        /// Why.
        cause: StartFailure,
    },
    /// Answer to [`crate::decision::Action::Probe`].
    Probed {
        /// Which.
        attempt: AttemptId,
        /// When it last showed a sign of life.
        last_sign: Millis,
    },
    /// The agent's whole process tree is dead.
    Ended {
        /// Which.
        attempt: AttemptId,
        /// How.
        ending: Ending,
        /// The last lines of what it wrote, for people and for the prompt of a retry; empty when it wrote nothing or ended with
        /// exit code 0.
        tail: String,
    },
    /// What an agent says that it used, and what its provider lets it use; told before its end.
    Metered {
        /// Whose.
        attempt: AttemptId,
        /// What it says.
        metered: Metered,
    },
    /// The agent's provider answers: its model did or said something.
    Progressed {
        /// Whose.
        attempt: AttemptId,
    },
    /// What the attempt left has been recorded.
    Inspected {
        /// Which.
        attempt: AttemptId,
        /// What was found, or why it could not be recorded.
        evidence: Result<Evidence, Failure>,
    },
    /// The proof's whole process tree is dead.
    Proved {
        /// Which.
        attempt: AttemptId,
        /// How it ended.
        proof: ProofEnd,
    },
    /// A verified result has been joined with the target, or has not.
    Integrated {
        /// Whose result.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// What became of it.
        integration: Integration,
    },
    /// The whole process tree of the proof on the integrated tree is dead.
    LandingProved {
        /// Whose result.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// How it ended.
        proof: ProofEnd,
    },
    /// The target has been moved, or has not.
    Published {
        /// Whose result.
        attempt: AttemptId,
        /// Which landing of the run.
        landing: u32,
        /// What became of it.
        publication: Publication,
    },
    /// All that follows an attempt's end (record, tracker, workspace) is done or has been given up with a note.
    Finalized {
        /// Which.
        attempt: AttemptId,
        /// What became of its result.
        delivery: Delivery,
    },
    /// All that follows a wave's end is done or has been given up with a note.
    WaveFinalized {
        /// Which.
        wave: u32,
    },
    /// The tracker gave the task to somebody else while it ran.
    ClaimLost {
        /// Which task.
        task: TaskId,
        /// Who has it now, as far as known.
        holder: String,
    },
    /// The source was read again.
    Refreshed {
        /// What is different, or why it could not be read.
        change: Result<PlanChange, String>,
    },
    /// A person asks for something.
    Requested {
        /// What.
        request: Request,
    },
    /// Something that all working copies share, or the user's own, is not as it was, or an attempt left files that no commit holds.
    /// For people: nothing follows from it.
    Noticed {
        /// The attempts that ran meanwhile.
        attempts: Vec<AttemptId>,
        /// One sentence for each change.
        changes: Vec<String>,
    },
    /// The source was told once more of all that is verified: these are the tasks that it does not have as done, though it should.
    Unwritten {
        /// Each with the reason.
        tasks: Vec<(TaskId, String)>,
    },
    /// Claims are given back and the final report are written.
    Concluded,
}

/// What became of a verified result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum Delivery {
    /// It is kept where it was made; nothing was to be landed.
    #[default]
    Kept,
    /// It is to be landed: its turn has not come, or it is being landed.
    Queued,
    /// It lies on the target.
    Landed {
        /// The commit that carries it there.
        commit: Commit,
    },
    /// It should have been landed and was not; the target is untouched.
    NotLanded {
        /// Why.
        reason: String,
    },
}

/// Why an agent is not executing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFailure {
    /// The task belongs to somebody else.
    Taken {
        /// Who has it, or in which state it is.
        holder: String,
    },
    /// A failure of class `could-not-start`, `setup` or `conflict`.
    Failed(Failure),
}

/// What a person may ask of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum Request {
    /// No new starts; with `now` the running agents are stopped too.
    Stop {
        /// Stop the agents.
        #[cfg_attr(
            feature = "serde",
            serde(default, skip_serializing_if = "crate::stored::is_false")
        )]
        now: bool,
    },
    /// Run a task again.
    Retry {
        /// Which.
        task: TaskId,
        /// Run again what was built on it, too.
        #[cfg_attr(
            feature = "serde",
            serde(default, skip_serializing_if = "crate::stored::is_false")
        )]
        with_dependents: bool,
    },
    /// Answer the question of a task.
    Answer {
        /// Which.
        task: TaskId,
        /// The answer.
        text: String,
    },
    /// Leave a task out.
    Skip {
        /// Which.
        task: TaskId,
    },
    /// Put verified results onto a target.
    Land {
        /// Of these tasks, and of what they need; of all when empty.
        #[cfg_attr(
            feature = "serde",
            serde(default, skip_serializing_if = "Vec::is_empty")
        )]
        tasks: Vec<TaskId>,
        /// The bookmark or branch.
        onto: String,
    },
    /// Take the tasks that somebody else closed as done, those of before and those to come.
    TrustOutside,
    /// What the run may use from now on, instead of what was said before.
    Budget {
        /// All of it.
        budget: Budget,
    },
    /// Confirm the wave that is announced, with these tasks.
    Pick {
        /// Its number: a word on one wave does not count for another.
        wave: u32,
        /// Its tasks, those that are recommended or others; they start in this order.
        tasks: Vec<TaskId>,
    },
}

/// How a source differs from the plan in use.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PlanChange {
    /// Tasks as they are now: new ones, and those that changed.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub tasks: Vec<Task>,
    /// Tasks that are no longer there.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub removed: Vec<TaskId>,
    /// Tasks that a person took over, and how that shows.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            with = "crate::stored::signs"
        )
    )]
    pub taken: Vec<(TaskId, String)>,
    /// Tasks that somebody else closed or completed, and how that shows. Nobody verified them.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            with = "crate::stored::signs"
        )
    )]
    pub closed: Vec<(TaskId, String)>,
}

impl PlanChange {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.removed.is_empty()
            && self.taken.is_empty()
            && self.closed.is_empty()
    }
}
