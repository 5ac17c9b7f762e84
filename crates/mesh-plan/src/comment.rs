//! Comments that the coordinator writes into the tracker, after the skill's templates. Pure text: who writes them, and whether
//! they are there already, is the caller's business; the marker line tells.

use mesh_core::evidence::{Failure, ProofEnd};
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::policy::Rank;
use mesh_core::task::Commit;
use serde::Serialize;

use crate::prompt::RenderError;
use crate::template;

const BEAD: (&str, &str) = (
    "comment-bead.md.j2",
    include_str!("../../../formulas/comment-bead.md.j2"),
);
const SWARM: (&str, &str) = (
    "comment-swarm.md.j2",
    include_str!("../../../formulas/comment-swarm.md.j2"),
);
const WAVE: (&str, &str) = (
    "comment-wave.md.j2",
    include_str!("../../../formulas/comment-wave.md.j2"),
);

/// How an attempt ended, for the comment on its bead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome<'a> {
    /// Done, and the proof passed.
    Verified {
        /// Only the agent named the proof.
        self_checked: bool,
        /// The agent gave this reason for changing nothing.
        no_change: Option<&'a str>,
    },
    /// Not accepted.
    Failed {
        /// Why.
        failure: &'a Failure,
        /// Another attempt follows.
        retried: bool,
    },
    /// The agent needs an answer.
    Question(&'a str),
    /// Ended from outside: stopped, skipped or taken by a person.
    Stopped(&'a str),
}

/// The comment at an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeadComment<'a> {
    /// The run.
    pub run: &'a str,
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// The bead's one line.
    pub title: &'a str,
    /// How it ended.
    pub outcome: AttemptOutcome<'a>,
    /// The pull request, if there is one.
    pub pr: Option<&'a str>,
    /// The recorded result.
    pub commit: Option<&'a Commit>,
    /// The proof and how it ended; `None` if none ran.
    pub proof: Option<(&'a str, &'a ProofEnd)>,
    /// What it changed.
    pub changed: &'a [String],
    /// Limits and follow-ups.
    pub notes: &'a [String],
}

#[derive(Serialize)]
struct BeadFacts<'a> {
    outcome: String,
    pr: Option<&'a str>,
    commit: Option<&'a str>,
    verify: Option<&'a str>,
    verdict: &'static str,
    notes: String,
    output: String,
    marker: String,
}

/// The line by which a comment of an attempt is found again: `(mesh <run> <task>#<n>)`.
#[must_use]
pub fn marker_of_attempt(run: &str, attempt: &AttemptId) -> String {
    format!("(mesh {run} {attempt})")
}

/// The line of a comment on the run as a whole, `what` telling its comments apart: `(mesh <run> end)`.
#[must_use]
pub fn marker_of_run(run: &str, what: &str) -> String {
    format!("(mesh {run} {what})")
}

/// The comment on a bead at an attempt's end.
///
/// # Errors
/// When the template is at fault.
pub fn bead(comment: &BeadComment<'_>) -> Result<String, RenderError> {
    let mut notes: Vec<String> = Vec::new();
    let mut output = String::new();
    let outcome = match &comment.outcome {
        AttemptOutcome::Verified {
            self_checked,
            no_change,
        } => {
            if *self_checked {
                notes.push("self-checked: only the agent named the proof".to_owned());
            }
            match no_change {
                Some(reason) => format!("verified without a change: {reason}"),
                None => format!("verified: {}", comment.title),
            }
        }
        AttemptOutcome::Failed { failure, retried } => {
            notes.push(
                if *retried {
                    "it is tried again"
                } else {
                    "no attempt is left; a person must look"
                }
                .to_owned(),
            );
            let text = failure.to_string();
            let (what, quoted) = text.split_once('\n').unwrap_or((&text, ""));
            quoted.clone_into(&mut output);
            format!("failed: {what}")
        }
        AttemptOutcome::Question(question) => {
            notes.push("it waits for an answer".to_owned());
            format!("question: {question}")
        }
        AttemptOutcome::Stopped(why) => format!("stopped: {why}"),
    };
    if !comment.changed.is_empty() {
        notes.push(format!("changed {}", paths(comment.changed)));
    }
    notes.extend(comment.notes.iter().cloned());
    let facts = BeadFacts {
        outcome,
        pr: comment.pr,
        commit: comment.commit.map(|commit| commit.0.as_str()),
        verify: comment.proof.map(|(command, _)| command),
        verdict: comment
            .proof
            .map_or("fail", |(_, end)| verdict(end.passed())),
        notes: if notes.is_empty() {
            "none".to_owned()
        } else {
            notes.join("; ")
        },
        output,
        marker: marker_of_attempt(comment.run, comment.attempt),
    };
    render(BEAD, facts)
}

/// Where a verified task's work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkLocation {
    /// A pull request.
    Pr(String),
    /// A recorded commit.
    Commit(Commit),
    /// Done before the run, or without a change.
    Nothing,
}

impl std::fmt::Display for WorkLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WorkLocation::Pr(link) => f.write_str(link),
            WorkLocation::Commit(commit) => write!(f, "commit {commit}"),
            WorkLocation::Nothing => f.write_str("no PR"),
        }
    }
}

/// Where the tasks of a run stand, for both status texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskBuckets {
    /// May start now.
    pub ready: Vec<TaskId>,
    /// Running, and in which slot.
    pub active: Vec<(TaskId, SlotId)>,
    /// Cannot start or will not, and why.
    pub blocked: Vec<(TaskId, String)>,
    /// Verified.
    pub completed: Vec<(TaskId, WorkLocation)>,
}

/// The swarm status on the epic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmStatus<'a> {
    /// The run.
    pub run: &'a str,
    /// Tells this comment from others of the run: `end`, `wave-2`.
    pub what: &'a str,
    /// Where the tasks stand.
    pub task_buckets: &'a TaskBuckets,
    /// What would run next.
    pub next_wave: &'a [TaskId],
    /// A command that checked the epic as a whole, and whether it passed.
    pub verify: Option<(&'a str, bool)>,
    /// Further lines, such as that the epic may be closed.
    pub notes: &'a [String],
}

#[derive(Serialize)]
struct SwarmFacts<'a> {
    completed: String,
    active: String,
    blocked: String,
    next_wave: String,
    verify: Option<&'a str>,
    verdict: &'static str,
    notes: &'a [String],
    marker: String,
}

/// The swarm status on the epic, at the run's end and at each wave's end.
///
/// # Errors
/// When the template is at fault.
pub fn swarm_status(status: &SwarmStatus<'_>) -> Result<String, RenderError> {
    let facts = SwarmFacts {
        completed: completed(status.task_buckets),
        active: active(status.task_buckets),
        blocked: blocked(status.task_buckets),
        next_wave: ids(status.next_wave),
        verify: status.verify.map(|(command, _)| command),
        verdict: verdict(status.verify.is_some_and(|(_, passed)| passed)),
        notes: status.notes,
        marker: marker_of_run(status.run, status.what),
    };
    render(SWARM, facts)
}

/// The announcement of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveStatus<'a> {
    /// Where the tasks stand.
    pub task_buckets: &'a TaskBuckets,
    /// The wave.
    pub recommended: &'a [TaskId],
    /// How many may run at once.
    pub cap: u16,
    /// How the wave was ranked.
    pub rank: Rank,
    /// Run and wave, if it is written into the tracker and not only shown.
    pub marker: Option<(&'a str, &'a str)>,
}

#[derive(Serialize)]
struct WaveFacts {
    ready: String,
    blocked: String,
    active: String,
    completed: String,
    recommended: String,
    cap: u16,
    heuristic: &'static str,
    marker: Option<String>,
}

/// The announcement of a wave, for people and for the epic.
///
/// # Errors
/// When the template is at fault.
pub fn wave_status(status: &WaveStatus<'_>) -> Result<String, RenderError> {
    let facts = WaveFacts {
        ready: ids(&status.task_buckets.ready),
        blocked: blocked(status.task_buckets),
        active: active(status.task_buckets),
        completed: completed(status.task_buckets),
        recommended: ids(status.recommended),
        cap: status.cap,
        heuristic: status.rank.heuristic(),
        marker: status.marker.map(|(run, what)| marker_of_run(run, what)),
    };
    render(WAVE, facts)
}

fn render(
    (name, source): (&'static str, &'static str),
    facts: impl Serialize,
) -> Result<String, RenderError> {
    template::render(name, source, facts).map_err(|cause| RenderError { name, cause })
}

fn verdict(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

fn completed(task_buckets: &TaskBuckets) -> String {
    joined(
        task_buckets
            .completed
            .iter()
            .map(|(id, delivery)| format!("{id} -> {delivery}")),
    )
}

fn active(task_buckets: &TaskBuckets) -> String {
    joined(
        task_buckets
            .active
            .iter()
            .map(|(id, slot)| format!("{id} -> {slot}")),
    )
}

fn blocked(task_buckets: &TaskBuckets) -> String {
    let line = |reason: &str| reason.split_whitespace().collect::<Vec<_>>().join(" ");
    joined(
        task_buckets
            .blocked
            .iter()
            .map(|(id, reason)| format!("{id} -> {}", line(reason))),
    )
}

fn ids(ids: &[TaskId]) -> String {
    joined(ids.iter().map(TaskId::to_string))
}

fn joined(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        "(none)".to_owned()
    } else {
        items.join(", ")
    }
}

/// The first twelve; the rest is counted.
fn paths(changed: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = changed[..changed.len().min(SHOWN)].join(", ");
    if changed.len() > SHOWN {
        format!("{shown} and {} more", changed.len() - SHOWN)
    } else {
        shown
    }
}

#[cfg(test)]
#[path = "comment_test.rs"]
mod tests;
