//! Learnings: what an attempt or the run has taught is added to a file, and prompts get what was learned before. Nothing here holds up
//! or fails an attempt. The user's working copy gets no file that it did not have, and no commit is made of one that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use mesh_core::decision::{Decision, Outcome};
use mesh_core::event::Event;
use mesh_core::evidence::{BlockReading, FailureClass};
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::state::Finalizing;
use mesh_journal::layout::MeshDir;
use mesh_journal::{Record, locks};
use mesh_plan::details::TaskDetails;
use mesh_plan::learnings::lesson::{self, AttemptEnd, Lesson};
use mesh_plan::learnings::{self, Capture, Query};
use mesh_vcs::Workspace;

use crate::clock::utc_seconds;
use crate::context::RunContext;

/// Most that one prompt gets.
const IN_PROMPT: usize = 5;
/// A longer file is not read: something else than learnings is in it.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Where learnings of the repository lie: in the user's own file where they keep one, else in mesh's folder.
#[must_use]
pub fn file(repository: &Path) -> PathBuf {
    let own = repository.join(learnings::OWN_FILE);
    match own.symlink_metadata() {
        Ok(_) => own,
        Err(_) => MeshDir::of(repository).learnings(),
    }
}

/// The file as it is; empty when there is none.
///
/// # Errors
/// It cannot be read, or is no file of a size that learnings have.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs_err::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        // Opening a pipe would wait for its other end.
        Ok(stat) if !stat.is_file() || stat.len() > MOST_BYTES => {
            let problem = format!("{} is no file of learnings", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
        Ok(_) => fs_err::read(path),
    }
}

/// What was learned about the files that a task is to change, by its scope and the paths of its lock groups, a sentence each.
pub(crate) fn of_task(
    context: &RunContext,
    details: &TaskDetails,
    locks: &[LockGroup],
) -> Vec<String> {
    if !context.setup.learnings.prompt {
        return Vec::new();
    }
    let groups = locks
        .iter()
        .filter_map(|group| context.setup.groups.get(group.as_str()));
    let paths: Vec<String> = details
        .scope
        .iter()
        .chain(groups.flatten())
        .cloned()
        .collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let bytes = read(&file(&context.setup.repository)).unwrap_or_else(|error| {
        tracing::warn!(%error, "learnings were not read");
        Vec::new()
    });
    let (records, _) = learnings::read(&bytes);
    let query = Query {
        paths,
        ..Query::default()
    };
    let found = learnings::search(&records, &query);
    let texts = found.into_iter().take(IN_PROMPT);
    texts
        .map(|found| context.secrets.mask(&found.learning))
        .collect()
}

/// Writes down what the end of an attempt teaches; the ids of the records.
pub(crate) fn of_attempt(
    context: &RunContext,
    attempt: &AttemptId,
    end: &Finalizing,
    workspace: Option<&Workspace>,
) -> Vec<String> {
    if !context.setup.learnings.write {
        return Vec::new();
    }
    let evidence = end.observed.evidence.as_deref();
    let said = match evidence.map(|evidence| &evidence.block) {
        Some(BlockReading::Read(block)) => block.learning.as_deref(),
        Some(BlockReading::Missing(_)) | None => None,
    };
    if let Some(Err(problem)) = said.map(lesson::check) {
        context.notes.note(format!(
            "{attempt}: its line Learning is not kept: {problem}"
        ));
    }
    let changes = evidence.map(|evidence| &evidence.changes);
    let at_start = workspace.iter().flat_map(|workspace| &workspace.conflicted);
    let at_start = at_start.map(|path| path.display().to_string());
    let at_end = changes.iter().flat_map(|changes| &changes.conflicted);
    let conflicted: BTreeSet<String> = at_start.chain(at_end.cloned()).collect();
    let conflicted: Vec<String> = conflicted.into_iter().collect();
    let failed_proofs = failed_proofs(context, attempt, end);
    let command = evidence.and_then(|evidence| evidence.proof.command());
    let known = AttemptEnd {
        verified: matches!(end.outcome, Outcome::Verified { .. }),
        failure: match &end.outcome {
            Outcome::Retried(failure) | Outcome::Failed(failure) => Some(failure.class),
            _ => None,
        },
        retried: matches!(end.outcome, Outcome::Retried(_)),
        commit: changes.map(|changes| &changes.commit),
        changed: changes.map_or(&[], |changes| &changes.paths),
        conflicted: &conflicted,
        breaches: changes.map_or(&[], |changes| &changes.breaches),
        proof: command.zip(end.observed.proof.as_deref()),
        said,
        failed_proofs: &failed_proofs,
    };
    write(context, lesson::of_attempt(attempt, &known))
}

/// Writes down what the run teaches as a whole, over its `tasks`.
pub(crate) fn of_run(context: &RunContext, tasks: usize) {
    if !context.setup.learnings.write {
        return;
    }
    let mut failed: BTreeMap<FailureClass, BTreeSet<TaskId>> = BTreeMap::new();
    for record in records(context) {
        for decision in record.decisions {
            let (Decision::Retry {
                attempt, failure, ..
            }
            | Decision::Fail { attempt, failure }
            | Decision::GiveBack { attempt, failure }) = decision
            else {
                continue;
            };
            failed
                .entry(failure.class)
                .or_default()
                .insert(attempt.task);
        }
    }
    let failed: Vec<(FailureClass, Vec<TaskId>)> = failed
        .into_iter()
        .map(|(class, tasks)| (class, tasks.into_iter().collect()))
        .collect();
    let learned = lesson::of_run(&context.run, tasks, &failed);
    write(context, learned.into_iter().collect());
}

/// The attempts of the task so far whose proof failed, and how.
fn failed_proofs(
    context: &RunContext,
    attempt: &AttemptId,
    end: &Finalizing,
) -> Vec<(AttemptId, String)> {
    if attempt.number < 2 || end.observed.proof.is_none() {
        return Vec::new();
    }
    let failed = records(context)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Proved {
                attempt: of, proof, ..
            } if of.task == attempt.task && of.number <= attempt.number && !proof.passed() => {
                Some((of, proof.ending.to_string()))
            }
            _ => None,
        });
    failed.collect()
}

fn records(context: &RunContext) -> Vec<Record> {
    match mesh_journal::read(&context.run_dir.journal()) {
        Ok(contents) => contents.records,
        Err(error) => {
            tracing::warn!(%error, "the journal was not read for learnings");
            Vec::new()
        }
    }
}

fn write(context: &RunContext, mut lessons: Vec<Lesson>) -> Vec<String> {
    if lessons.is_empty() {
        return Vec::new();
    }
    for lesson in &mut lessons {
        let texts = lesson.evidence.iter_mut().chain(&mut lesson.paths);
        let texts = texts.chain([&mut lesson.learning, &mut lesson.application]);
        texts.for_each(|text| *text = context.secrets.mask(text));
    }
    let at = utc_seconds(context.clock.unix_ms());
    let branch = branch(&context.setup.repository);
    let capture = Capture {
        at: &at,
        branch: branch.as_deref(),
        run: &context.run,
    };
    let path = file(&context.setup.repository);
    append(&path, &lessons, capture).unwrap_or_else(|error| {
        context
            .notes
            .note(format!("what was learned is not written down: {error}"));
        Vec::new()
    })
}

/// Adds what is not there yet, in one write under the file's lock.
fn append(path: &Path, lessons: &[Lesson], capture: Capture<'_>) -> io::Result<Vec<String>> {
    // It may be no file.
    read(path)?;
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    lock(&file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (text, ids) = learnings::added(&bytes, lessons, capture);
    let written = match text.as_slice() {
        [] => Ok(()),
        text => file.write_all(text).and_then(|()| file.sync_data()),
    };
    // A child that another thread is just starting has a copy of the file: closing alone would not let go.
    let _ = file.file().unlock();
    written.map(|()| ids)
}

fn lock(file: &fs_err::File) -> io::Result<()> {
    if locks::lock_for_a_write(file.file())? {
        return Ok(());
    }
    let problem = format!("{} stays locked by another process", file.path().display());
    Err(io::Error::new(io::ErrorKind::WouldBlock, problem))
}

/// The branch on which the user stands, as git writes it down.
fn branch(repository: &Path) -> Option<String> {
    let git = repository.join(".git");
    let folder = match fs_err::read_to_string(&git) {
        // That of a worktree names its own folder.
        Ok(pointer) => repository.join(pointer.strip_prefix("gitdir:")?.trim()),
        Err(_) => git,
    };
    let head = fs_err::read_to_string(folder.join("HEAD")).ok()?;
    let branch = head.trim().strip_prefix("ref: refs/heads/")?;
    Some(branch.to_owned())
}

#[cfg(test)]
#[path = "learnings_test.rs"]
mod tests;
