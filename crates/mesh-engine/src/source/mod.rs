//! Where tasks come from and where progress goes: one adapter a source, the same calls for all.

pub(crate) mod baseline;
pub(crate) mod bd;
pub(crate) mod renewals;
pub(crate) mod st;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, PlanChange};
use mesh_core::evidence::ProofEnd;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::task::Commit;
use mesh_plan::comment::TaskBuckets;
use mesh_plan::source_snapshot::SourceKind;
use mesh_proc::env::Env;

use crate::context::RunContext;

/// A source that a run works on.
pub(crate) enum Source {
    /// A JSONL plan.
    St(st::StSource),
    /// The tracker.
    Bd(bd::BdSource),
}

/// Why a task could not be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClaimRefusal {
    /// It is somebody else's, or not open.
    Taken(String),
    /// The tracker did not do it.
    Failed(String),
}

/// What is written down when an attempt has ended.
pub(crate) struct AttemptReport<'a> {
    pub attempt: &'a AttemptId,
    pub title: String,
    pub outcome: &'a Outcome,
    pub delivery: &'a Delivery,
    pub commit: Option<Commit>,
    pub pr: Option<String>,
    pub proof: Option<(String, ProofEnd)>,
    pub changed: Vec<String>,
    pub no_change_reason: Option<String>,
    pub workspace: String,
    pub base: Vec<String>,
    /// What the agent said last, for the audit.
    pub response: Option<String>,
    /// The exit code of the agent, if it had one.
    pub exit_code: Option<i32>,
    /// A coordinator that died may have written part of it.
    pub resumed: bool,
    /// The prompt, when a coordinator that died may not have handed it over.
    pub prompt: Option<String>,
}

/// What is known when the run ends.
pub(crate) struct FinalReport {
    /// Tasks that may still be ours in the source; those that it has as done are not given back.
    pub claimed: Vec<TaskId>,
    pub task_buckets: TaskBuckets,
    pub all_done: bool,
}

impl Source {
    pub fn kind(&self) -> SourceKind {
        match self {
            Source::St(_) => SourceKind::St,
            Source::Bd(_) => SourceKind::Bd,
        }
    }

    /// Makes the task ours. The answer comes when the tracker has given it; other work goes on meanwhile.
    pub fn claim(
        &self,
        context: &Arc<RunContext>,
        order: &StartOrder,
    ) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        match self {
            Source::St(source) => {
                // The receiver waits in the same worker; if it is gone, so is the attempt.
                let _ = answer.send(source.claim(&order.attempt));
            }
            Source::Bd(source) => source.claim(context, order, answer),
        }
        receiver
    }

    /// Tasks that a coordinator before this one has claimed stay ours.
    pub fn keep_claims<'a>(
        &self,
        context: &Arc<RunContext>,
        tasks: impl Iterator<Item = &'a TaskId>,
    ) {
        match self {
            Source::St(_) => {}
            Source::Bd(_) => bd::keep_leases(context, tasks),
        }
    }

    /// The agent of a coordinator before this one lives and may read the source.
    pub fn adopt(&self, attempt: &AttemptId) {
        match self {
            Source::St(_) => {}
            Source::Bd(source) => source.adopt(attempt),
        }
    }

    /// The prompt is on disk and about to be used.
    pub fn prompt_written(
        &self,
        context: &Arc<RunContext>,
        attempt: &AttemptId,
        slot: SlotId,
        text: String,
    ) {
        match self {
            Source::St(_) => {}
            Source::Bd(source) => source.audit_prompt(context, attempt, slot, text),
        }
    }

    /// Writes an attempt's end down. Blocks until the tracker has it, or has refused it for good; what it refused is returned.
    pub fn finalize(&self, context: &Arc<RunContext>, report: &AttemptReport<'_>) -> Vec<String> {
        match self {
            Source::St(source) => source.finalize(context, report).err().into_iter().collect(),
            Source::Bd(source) => source.finalize(context, report),
        }
    }

    /// Reads the source again and says what is different.
    pub fn refresh(&self, context: &Arc<RunContext>) -> Result<PlanChange, String> {
        match self {
            Source::St(source) => source.refresh(&context.details),
            Source::Bd(source) => source.refresh(context),
        }
    }

    /// Gives back what is not done and writes the final report. What could not be written is returned.
    pub fn conclude(&self, context: &Arc<RunContext>, run_summary: &FinalReport) -> Vec<String> {
        match self {
            Source::St(source) => source.conclude(run_summary),
            Source::Bd(source) => source.conclude(context, run_summary),
        }
    }

    /// Variables that let the processes of an attempt read the source.
    pub fn agent_environment(
        &self,
        context: &RunContext,
        attempt: &AttemptId,
    ) -> std::io::Result<Env> {
        match self {
            Source::St(_) => Ok(Env::empty()),
            Source::Bd(source) => source.agent_environment(context, attempt),
        }
    }
}
