//! Between a listing and a run: what earlier runs have done, and where each thing lies.

use std::collections::BTreeMap;

use mesh_core::id::TaskId;
use mesh_core::task::{Commit, Eligibility};
use mesh_journal::results::{Results, SourceKey};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::source_snapshot::SourceSnapshot;
use mesh_vcs::{Backend, CommitId, VcsError};

use crate::setup::SourceSetup;

/// What ids of tasks are unique in, so that results of one tracker are not taken for those of another.
#[must_use]
pub fn source_key(source: &SourceSetup) -> SourceKey {
    SourceKey {
        kind: source.kind().to_string(),
        id: source.path().display().to_string(),
    }
}

/// Puts the recorded results of earlier runs into a fresh listing: a satisfied task that mesh did carries its commit, and an open
/// task that mesh has verified with the same text is satisfied too.
///
/// A result whose commit is gone is a problem with a way out, because dependents would start without it; with `assume_landed` it
/// is taken to be in the base.
///
/// # Errors
/// When version control cannot be asked.
pub fn apply_results(
    loaded: &mut SourceSnapshot,
    results: &Results,
    source: &SourceKey,
    vcs: &Backend,
    assume_landed: bool,
) -> Result<(), VcsError> {
    let mut lost = Vec::new();
    for task in &mut loaded.tasks {
        let Some(result) = results.latest_for(source, &task.id) else {
            continue;
        };
        let same_text = || {
            loaded
                .details
                .get(&task.id)
                .is_some_and(|details| details.text_fingerprint == result.text_fingerprint)
        };
        match &task.eligibility {
            Eligibility::Satisfied { .. } => {}
            Eligibility::Open if same_text() => {}
            _ => continue,
        }
        let commit = CommitId::new(result.commit.0.clone())?;
        if vcs.exists(&commit)? {
            task.eligibility = Eligibility::Satisfied {
                commit: Some(result.commit.clone()),
            };
        } else if assume_landed {
            task.eligibility = Eligibility::Satisfied { commit: None };
        } else {
            lost.push(Diagnostic::error(format!(
                "{} was done as {commit} by run {}, and that commit is gone; pass --assume-landed if the base holds its work, \
                 or `mesh retry {}` to do it resumed",
                task.id, result.run, task.id
            )));
        }
    }
    loaded.diagnostics.extend(lost);
    Ok(())
}

/// Carries commits that are known over into a new listing, which shows only that a task is done.
pub(crate) fn keep_known_results(after: &mut SourceSnapshot, before: &SourceSnapshot) {
    let known: BTreeMap<&TaskId, &Commit> = before
        .tasks
        .iter()
        .filter_map(|task| match &task.eligibility {
            Eligibility::Satisfied {
                commit: Some(commit),
            } => Some((&task.id, commit)),
            _ => None,
        })
        .collect();
    for task in &mut after.tasks {
        let commit = known.get(&task.id).map(|commit| (*commit).clone());
        match &mut task.eligibility {
            Eligibility::Satisfied { commit: slot } if slot.is_none() => *slot = commit,
            // Done by an earlier run and left open in the tracker: still done.
            Eligibility::Open if commit.is_some() => {
                task.eligibility = Eligibility::Satisfied { commit }
            }
            _ => {}
        }
    }
}
