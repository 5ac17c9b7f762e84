//! The prompt of an attempt, rendered from `formulas/prompt.md.j2`, or from `formulas/prompt-again.md.j2` in a session that goes on. It says what is known and promises nothing: the verdict is
//! taken from what mesh sees itself, so nothing here needs to be believed by anybody.

use mesh_core::decision::AskedQuestion;
use mesh_core::evidence::FailureClass;
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::task::Commit;
use serde::Serialize;
use thiserror::Error;

use crate::details::TaskDetails;
use crate::source_snapshot::SourceKind;
use crate::template;

/// For an agent that knows nothing of the task.
const FIRST: (&str, &str) = (
    "prompt.md.j2",
    include_str!("../../../formulas/prompt.md.j2"),
);
/// For one in whose session all of it has been said.
const AGAIN: (&str, &str) = (
    "prompt-again.md.j2",
    include_str!("../../../formulas/prompt-again.md.j2"),
);

/// Why there is no prompt: a fault of the template.
#[derive(Debug, Error)]
#[error("the template {name} cannot be rendered: {cause}")]
pub struct RenderError {
    pub(crate) name: &'static str,
    #[source]
    pub(crate) cause: minijinja::Error,
}

/// What keeps the versions in the agent's workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptVcs {
    /// A jj workspace.
    Jj,
    /// A git worktree.
    Git,
}

/// A need of the task and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedResult {
    /// The need.
    pub id: TaskId,
    /// Its one line.
    pub title: String,
    /// Its recorded result, if mesh has one; the workspace contains it.
    pub commit: Option<Commit>,
    /// What it changed.
    pub changed: Vec<String>,
}

/// The attempt before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Its number.
    pub number: u32,
    /// Why it failed.
    pub class: FailureClass,
    /// What was seen.
    pub detail: String,
    /// The last lines of the failing output; empty if there was none.
    pub tail: String,
}

/// What an attempt has of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Nothing.
    Fresh,
    /// Its workspace, with all that it left there.
    Workspace,
    /// Its workspace, and the session of its agent, which knows the task.
    Session,
}

/// Everything a prompt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptInput<'a> {
    /// What is to be done.
    pub details: &'a TaskDetails,
    /// Where the task comes from; the rule about `bd` is only for the tracker.
    pub source: SourceKind,
    /// The run.
    pub run: &'a str,
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// What keeps the versions.
    pub vcs: PromptVcs,
    /// The agent's working folder.
    pub workspace: &'a str,
    /// The agent may open a pull request.
    pub pr: bool,
    /// The command mesh will run as the proof; `None`: the agent's own `Verify:` line will be run.
    pub proof: Option<&'a str>,
    /// Groups the attempt holds; empty if the task names none.
    pub locks: &'a [LockGroup],
    /// Finished work that it stands on.
    pub needs: &'a [NeedResult],
    /// The attempt before, if there was one.
    pub previous: Option<&'a FailedAttempt>,
    /// Files that the workspace starts with in conflict.
    pub conflicts: &'a [String],
    /// The question that the attempt before ended with.
    pub question: Option<&'a AskedQuestion>,
    /// What there is of the attempt before.
    pub continuity: Continuity,
    /// What was learned before about the files that it touches, a sentence each.
    pub learnings: &'a [String],
    /// The agent is asked for what it learned.
    pub learn: bool,
}

#[derive(Serialize)]
struct Facts<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    acceptance: &'a str,
    design: &'a str,
    notes: &'a str,
    labels: &'a [String],
    scope: &'a [String],
    priority: i32,
    tracker: bool,
    noun: &'static str,
    run: &'a str,
    attempt: u32,
    jj: bool,
    workspace: &'a str,
    pr: bool,
    proof: Option<&'a str>,
    locks: Vec<&'a str>,
    needs: Vec<Need<'a>>,
    previous: Option<Previous<'a>>,
    conflicts: &'a [String],
    question: Option<&'a str>,
    answer: Option<&'a str>,
    same_workspace: bool,
    learnings: &'a [String],
    learn: bool,
}

#[derive(Serialize)]
struct Need<'a> {
    id: &'a str,
    title: &'a str,
    commit: Option<&'a str>,
    changed: &'a [String],
    more: usize,
}

#[derive(Serialize)]
struct Previous<'a> {
    number: u32,
    class: &'static str,
    detail: &'a str,
    tail: &'a str,
}

/// Paths of one need that are listed; the rest is counted.
const SHOWN_PATHS: usize = 20;

/// Renders the prompt.
///
/// # Errors
/// When the template is at fault, for example names what is not there.
pub fn render_prompt(input: &PromptInput<'_>) -> Result<String, RenderError> {
    let details = input.details;
    let tracker = input.source == SourceKind::Bd;
    let facts = Facts {
        id: details.id.as_str(),
        title: &details.title,
        description: details.description.trim(),
        acceptance: details.acceptance.trim(),
        design: details.design.trim(),
        notes: details.notes.trim(),
        labels: &details.labels,
        scope: &details.scope,
        priority: details.priority,
        tracker,
        noun: if tracker { "bead" } else { "task" },
        run: input.run,
        attempt: input.attempt.number,
        jj: input.vcs == PromptVcs::Jj,
        workspace: input.workspace,
        pr: input.pr,
        proof: input.proof,
        locks: input.locks.iter().map(LockGroup::as_str).collect(),
        needs: input.needs.iter().map(need).collect(),
        previous: input.previous.map(|failed| Previous {
            number: failed.number,
            class: failed.class.as_str(),
            detail: &failed.detail,
            tail: &failed.tail,
        }),
        conflicts: input.conflicts,
        question: input.question.map(|asked| asked.text.as_str()),
        answer: input.question.and_then(|asked| asked.answer.as_deref()),
        same_workspace: input.continuity != Continuity::Fresh,
        learnings: input.learnings,
        learn: input.learn,
    };
    let (name, source) = match input.continuity {
        Continuity::Fresh | Continuity::Workspace => FIRST,
        Continuity::Session => AGAIN,
    };
    template::render(name, source, facts).map_err(|cause| RenderError { name, cause })
}

fn need(result: &NeedResult) -> Need<'_> {
    let shown = result.changed.len().min(SHOWN_PATHS);
    Need {
        id: result.id.as_str(),
        title: &result.title,
        commit: result.commit.as_ref().map(|commit| commit.0.as_str()),
        changed: &result.changed[..shown],
        more: result.changed.len() - shown,
    }
}

#[cfg(test)]
#[path = "prompt_test.rs"]
mod tests;
