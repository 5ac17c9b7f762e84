//! Where tasks come from and where progress goes: one adapter a source, the same calls for all.

pub(crate) mod baseline;
pub(crate) mod bd;
pub(crate) mod file;
pub(crate) mod renewals;

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, PlanChange};
use mesh_core::evidence::ProofEnd;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::task::Commit;
use mesh_plan::comment::TaskBuckets;
use mesh_plan::source_snapshot::SourceKind;
use mesh_proc::env::Env;

/// A source that a run works on. Every method may be called from several threads.
pub trait Source: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> SourceKind;

    /// Makes the task ours. The answer comes when the source has given it; other work goes on meanwhile.
    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>>;

    /// Tasks that a coordinator before this one has claimed stay ours.
    fn keep_claims(&self, _tasks: &[TaskId]) {}

    /// The agent of a coordinator before this one lives and may read the source.
    fn adopt(&self, _attempt: &AttemptId) {}

    /// The prompt is on disk and about to be used.
    fn prompt_written(&self, _attempt: &AttemptId, _slot: SlotId, _text: String) {}

    /// Writes an attempt's end down. Blocks until the source has it, or has refused it for good; what it refused is returned.
    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String>;

    /// Writes a wave's end down. What could not be written is returned.
    fn wave_ended(&self, _report: &WaveReport) -> Vec<String> {
        Vec::new()
    }

    /// Reads the source again and says what is different.
    ///
    /// # Errors
    /// It cannot be read, or does not make a plan.
    fn refresh(&self) -> Result<PlanChange, String>;

    /// Looks that the source has as done what is verified, and tells it once more where it has not; the tasks that it did not take, and
    /// why. `verified` come after what they need.
    fn write_missing(&self, _verified: &[VerifiedTask]) -> Vec<(TaskId, String)> {
        Vec::new()
    }

    /// Gives back what is not done and writes the final report. What could not be written is returned.
    fn conclude(&self, run_summary: &FinalReport) -> Vec<String>;

    /// What lets the processes of an attempt read the source.
    ///
    /// # Errors
    /// What it names cannot be made.
    fn agent_access(&self, _attempt: &AttemptId) -> std::io::Result<SourceAccess> {
        Ok(SourceAccess::default())
    }
}

/// What the processes of an attempt need to read the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceAccess {
    /// Variables.
    pub env: Env,
    /// Files and folders that reading it writes to.
    pub write: Vec<PathBuf>,
}

/// Why a task could not be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// It is somebody else's, or not open.
    Taken(String),
    /// The tracker did not do it.
    Failed(String),
}

/// What is written down when an attempt has ended.
pub struct AttemptReport<'a> {
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// The title of its task.
    pub title: String,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// What became of its result.
    pub delivery: &'a Delivery,
    /// What it left, if that was recorded.
    pub commit: Option<Commit>,
    /// The pull request that the agent names.
    pub pr: Option<String>,
    /// The command of the proof and how it ended, if one ran.
    pub proof: Option<(String, ProofEnd)>,
    /// The paths that it changed.
    pub changed: Vec<String>,
    /// Why nothing was to be changed, in the words of the agent.
    pub no_change_reason: Option<String>,
    /// The folder of its workspace; empty when it had none.
    pub workspace: String,
    /// What the workspace was made on.
    pub base: Vec<String>,
    /// What its strategy says of how it came to its end, such as votes, a line each.
    pub strategy_notes: Vec<String>,
    /// The `mesh` block that the agents of its strategy agreed on, without fences.
    pub metadata: Option<String>,
    /// The ids of the learnings that were written down.
    pub learnings: Vec<String>,
    /// What the agent said last, for the audit.
    pub response: Option<String>,
    /// What is odd about that, if anything is: a person should look at it.
    pub odd_answer: Option<String>,
    /// The exit code of the agent, if it had one.
    pub exit_code: Option<i32>,
    /// A coordinator that died may have written part of it.
    pub resumed: bool,
    /// The prompt, when a coordinator that died may not have handed it over.
    pub prompt: Option<String>,
}

/// A task that is done by an attempt of the run.
pub struct VerifiedTask {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its result.
    pub commit: Commit,
    /// Only the agent named the proof, or there was none.
    pub self_checked: bool,
    /// What became of the result.
    pub delivery: Delivery,
}

/// What is written down when a wave has ended.
pub struct WaveReport {
    /// Which of the run, from 1.
    pub number: u32,
    /// Its tasks.
    pub members: Vec<TaskId>,
    /// Those that were verified.
    pub verified: Vec<TaskId>,
    /// Those that ended in another way.
    pub failed: Vec<TaskId>,
    /// Where every task of the run stands.
    pub task_buckets: TaskBuckets,
    /// What would run next.
    pub next: Vec<TaskId>,
    /// A coordinator that died may have written part of it.
    pub resumed: bool,
}

/// What is known when the run ends.
pub struct FinalReport {
    /// Tasks that may still be ours in the source; those that it has as done are not given back.
    pub claimed: Vec<TaskId>,
    /// Where every task stands.
    pub task_buckets: TaskBuckets,
    /// Nothing failed, waits or was left out.
    pub all_done: bool,
}
