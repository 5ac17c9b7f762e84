//! What becomes a learning: a rule that says when it holds and what to do, and stands on something that mesh saw.
//!
//! Most tasks teach nothing, and then nothing is written. A record that says only that a task went well would hide the others.

use mesh_core::evidence::{FailureClass, ProofEnd, ScopeBreach};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::Commit;
use mesh_core::text::{one_line, shortened};

/// Most paths that a sentence names.
const NAMED_PATHS: usize = 4;
/// Most paths that a record is about.
const KEPT_PATHS: usize = 50;
/// The longest command that a sentence quotes, in characters.
const COMMAND_CHARS: usize = 200;

/// A learning that is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// As in the record.
    pub status: &'static str,
    /// As in the record.
    pub learning: String,
    /// As in the record.
    pub evidence: Vec<String>,
    /// As in the record.
    pub application: String,
    /// The files that it is about.
    pub paths: Vec<String>,
    /// The task that taught it.
    pub task: Option<String>,
    /// As in the record.
    pub tags: Vec<String>,
}

/// An attempt that has ended, as far as mesh saw it.
#[derive(Debug, Clone, Default)]
pub struct AttemptEnd<'a> {
    /// Its result was accepted.
    pub verified: bool,
    /// Why it was not.
    pub failure: Option<FailureClass>,
    /// Another attempt follows.
    pub retried: bool,
    /// What it left.
    pub commit: Option<&'a Commit>,
    /// What it changed.
    pub changed: &'a [String],
    /// Where its work is in conflict with that of others.
    pub conflicted: &'a [String],
    /// What it changed of lock groups that it did not hold.
    pub breaches: &'a [ScopeBreach],
    /// The proof and how it ended.
    pub proof: Option<(&'a str, &'a ProofEnd)>,
    /// The `Learning:` line of its agent.
    pub said: Option<&'a str>,
    /// Attempts of the task whose proof failed, with how it ended; this one among them.
    pub failed_proofs: &'a [(AttemptId, String)],
}

/// What the end of an attempt teaches.
#[must_use]
pub fn of_attempt(attempt: &AttemptId, end: &AttemptEnd<'_>) -> Vec<Lesson> {
    let rules = [proof_failed, in_conflict, out_of_scope, said];
    rules.iter().filter_map(|rule| rule(attempt, end)).collect()
}

/// Why a sentence is no learning, if it is none.
///
/// # Errors
/// A fragment that says what is missing.
pub fn check(text: &str) -> Result<(), &'static str> {
    const CONDITIONS: [&str; 11] = [
        "when", "whenever", "if", "before", "after", "unless", "until", "while", "once", "where",
        "wherever",
    ];
    const LEAST_WORDS: usize = 6;
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if !words.iter().any(|word| CONDITIONS.contains(&word.as_str())) {
        return Err("it does not say when it holds");
    }
    if words.len() < LEAST_WORDS {
        return Err("it does not say what to do");
    }
    Ok(())
}

/// A proof that failed more than once, whether it passed in the end or not.
fn proof_failed(attempt: &AttemptId, end: &AttemptEnd<'_>) -> Option<Lesson> {
    let (command, proof) = end.proof?;
    if end.failed_proofs.len() < 2 || end.retried || end.changed.is_empty() {
        return None;
    }
    let (paths, quoted) = (named(end.changed), quoted(command));
    let failed = end.failed_proofs.iter();
    let mut evidence: Vec<String> = failed
        .map(|(attempt, ending)| format!("{attempt}: `{quoted}` {ending}"))
        .collect();
    let (status, learning, application) = if end.verified && proof.passed() {
        evidence.push(format!("{attempt}: `{quoted}` {}", proof.ending));
        (
            "do_more",
            format!(
                "When a task changes {paths}, run `{quoted}` and read its output before the work is called done: there it failed more \
                 than once before it passed."
            ),
            format!("Run `{quoted}` in the workspace after each step, not only at the end."),
        )
    } else if end.failure == Some(FailureClass::VerifyFailed) {
        (
            "investigate_more",
            format!(
                "When a task changes {paths}, find out why `{quoted}` fails before it is tried again: no attempt has made it pass."
            ),
            format!(
                "Run `{quoted}` on what the task starts from; if it fails there, mend that first, else split the task."
            ),
        )
    } else {
        return None;
    };
    Some(lesson(
        attempt,
        end,
        status,
        learning,
        application,
        evidence,
    ))
}

/// Two tasks that changed the same lines.
fn in_conflict(attempt: &AttemptId, end: &AttemptEnd<'_>) -> Option<Lesson> {
    let has_failed = end.failure == Some(FailureClass::Conflict);
    if !has_failed && end.conflicted.is_empty() {
        return None;
    }
    let about = match end.conflicted {
        [] => end.changed,
        conflicted => conflicted,
    };
    if about.is_empty() {
        return None;
    }
    let paths = named(about);
    let end = AttemptEnd {
        changed: about,
        ..end.clone()
    };
    Some(lesson(
        attempt,
        &end,
        "codify_now",
        format!(
            "When two tasks change {paths}, give them a common lock group or let one need the other: side by side their results came \
             into conflict."
        ),
        format!("Before a run, put the label mesh-lock:<group> on all tasks that change {paths}."),
        vec![match has_failed {
            true => format!("{attempt}: failure class conflict in {paths}"),
            false => format!("{attempt}: what it needs was in conflict in {paths}"),
        }],
    ))
}

/// A path that belongs to a lock group that the task did not hold.
fn out_of_scope(attempt: &AttemptId, end: &AttemptEnd<'_>) -> Option<Lesson> {
    let first = end.breaches.first()?;
    if end.failure != Some(FailureClass::Scope) {
        return None;
    }
    let group = &first.group;
    let of_group = end.breaches.iter().filter(|breach| breach.group == *group);
    let paths: Vec<String> = of_group.map(|breach| breach.path.clone()).collect();
    let names = named(&paths);
    let evidence = vec![format!("{attempt}: failure class scope at {names}")];
    let end = AttemptEnd {
        changed: &paths,
        ..end.clone()
    };
    Some(lesson(
        attempt,
        &end,
        "codify_now",
        format!(
            "When a task has to change {names}, give it the lock group {group}: without it its result is not accepted."
        ),
        format!(
            "Put the label mesh-lock:{group} on the task, or leave {names} to one that has it."
        ),
        evidence,
    ))
}

/// What the agent itself says, where mesh accepted its work.
fn said(attempt: &AttemptId, end: &AttemptEnd<'_>) -> Option<Lesson> {
    let text = end.said.filter(|text| check(text).is_ok())?;
    let commit = end.commit.filter(|_| end.verified)?;
    let mut evidence = vec![format!("{attempt}: verified as commit {commit}")];
    if let Some((command, proof)) = end.proof {
        evidence.push(format!("{attempt}: `{}` {}", quoted(command), proof.ending));
    }
    let application = match end.changed {
        [] => "Keep it in mind in tasks of this kind.".to_owned(),
        changed => format!("Keep it in mind in tasks that change {}.", named(changed)),
    };
    Some(lesson(
        attempt,
        end,
        "review_later",
        one_line(text),
        application,
        evidence,
    ))
}

fn lesson(
    attempt: &AttemptId,
    end: &AttemptEnd<'_>,
    status: &'static str,
    learning: String,
    application: String,
    evidence: Vec<String>,
) -> Lesson {
    let paths = end.changed.iter().take(KEPT_PATHS);
    Lesson {
        status,
        learning,
        evidence,
        application,
        paths: paths.cloned().collect(),
        task: Some(attempt.task.to_string()),
        tags: end
            .failure
            .iter()
            .map(|class| class.as_str().to_owned())
            .collect(),
    }
}

/// What a run teaches as a whole: how to keep the most frequent class of failures away, when several tasks had it. `failed` are the
/// tasks with an attempt that ended in each class.
#[must_use]
pub fn of_run(run: &str, tasks: usize, failed: &[(FailureClass, Vec<TaskId>)]) -> Option<Lesson> {
    let usable = failed
        .iter()
        .filter(|(_, tasks)| tasks.len() > 1)
        .filter_map(|(class, tasks)| Some((class, tasks, advice(*class)?)));
    // The first of those with most tasks.
    let (class, hit, advice) = usable.rev().max_by_key(|(_, tasks, _)| tasks.len())?;
    let ids: Vec<String> = hit.iter().map(TaskId::to_string).collect();
    Some(Lesson {
        status: "review_later",
        learning: format!(
            "When tasks are run in this repository, {advice}: `{}` was the most frequent failure of a run.",
            class.as_str()
        ),
        evidence: vec![format!(
            "run {run}: failure class {} at {} of {tasks} tasks: {}",
            class.as_str(),
            hit.len(),
            named(&ids)
        )],
        application: format!("Before the next run: {advice}."),
        paths: Vec::new(),
        task: None,
        tags: vec!["run".to_owned(), class.as_str().to_owned()],
    })
}

/// What keeps a class of failures away; nothing where only a person can know, or where it is no fault of the tasks.
fn advice(class: FailureClass) -> Option<&'static str> {
    match class {
        FailureClass::VerifyFailed => Some(
            "look that the proofs pass on what the tasks start from, and that each task names its own",
        ),
        FailureClass::Conflict => Some(
            "give tasks that change the same files a common lock group, or let one need the other",
        ),
        FailureClass::Scope => {
            Some("give each task the lock groups of all files that it has to change")
        }
        FailureClass::MissingProof => {
            Some("name a proof for each task, or `verify` in the configuration")
        }
        FailureClass::NotRecorded => {
            Some("commit what proofs need, or make it in the setup command of the workspaces")
        }
        FailureClass::Setup => {
            Some("try the setup command of the workspaces in a fresh clone before the run")
        }
        FailureClass::Hung => {
            Some("split tasks that take long, or give the agent longer limits of time")
        }
        FailureClass::StrayCommits => {
            Some("tell the agents not to make other heads or rewrite commits that were there")
        }
        FailureClass::NoChange => {
            Some("look whether the tasks are done already, and say in each what is to be changed")
        }
        FailureClass::CouldNotStart
        | FailureClass::NoResult
        | FailureClass::Flood
        | FailureClass::Crashed
        | FailureClass::NotRecordable
        | FailureClass::ClaimLost
        | FailureClass::Limit
        | FailureClass::Budget
        | FailureClass::Secret => None,
    }
}

fn quoted(command: &str) -> String {
    shortened(&one_line(command), COMMAND_CHARS).into_owned()
}

fn named(paths: &[String]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(NAMED_PATHS)
        .map(|path| shortened(&one_line(path), COMMAND_CHARS).into_owned())
        .collect();
    let shown = shown.join(", ");
    match paths.len().saturating_sub(NAMED_PATHS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
