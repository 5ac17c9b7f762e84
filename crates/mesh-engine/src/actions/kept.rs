//! That the results of this run stay where they were recorded: a copy of each outside of the store, and a look at the refs that hold
//! them whenever an attempt has ended, because agents can delete refs and collect what they held.

use mesh_core::id::AttemptId;
use mesh_core::task::Commit;
use mesh_vcs::{CommitId, Fate, KeptResult};

use crate::actions::folder;
use crate::context::{RunContext, lock};

/// The attempt's result is one to be kept; asked again it does nothing. Those of what it needs are known already.
pub(crate) fn add(context: &RunContext, attempt: &AttemptId, commit: &Commit) {
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    let Ok(Some(workspace)) = folder::load(&folder) else {
        return;
    };
    let Some(result) = save(context, attempt, commit) else {
        return;
    };
    if result.copy.exists() {
        return;
    }
    let copied = context
        .vcs_gate
        .pass_behind(|| context.vcs.copy_result(&result, &workspace.parents));
    if let Err(error) = copied {
        tracing::warn!(%attempt, %error, "its result has no copy outside of the repository");
    }
}

/// A coordinator before this one kept it.
pub(crate) fn load(context: &RunContext, attempt: &AttemptId, commit: &Commit) {
    let _known = save(context, attempt, commit);
}

fn save(context: &RunContext, attempt: &AttemptId, commit: &Commit) -> Option<KeptResult> {
    let result = KeptResult {
        attempt: (
            context.run.clone(),
            attempt.task.to_string(),
            attempt.number,
        ),
        commit: CommitId::new(commit.0.clone()).ok()?,
        copy: context.run_dir.attempt(attempt).bundle(),
    };
    let mut kept = lock(&context.kept);
    kept.retain(|known| known.attempt != result.attempt);
    kept.push(result.clone());
    Some(result)
}

/// Puts back what is no longer held, and says so.
pub(crate) fn check(context: &RunContext) -> Vec<String> {
    let kept = lock(&context.kept).clone();
    if kept.is_empty() {
        return Vec::new();
    }
    match context.vcs_gate.pass_behind(|| context.vcs.put_back(&kept)) {
        Ok(fates) => kept
            .iter()
            .zip(fates)
            .filter_map(|(result, fate)| sentence(result, fate))
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "whether the results are still held is not known");
            Vec::new()
        }
    }
}

fn sentence(result: &KeptResult, fate: Fate) -> Option<String> {
    let (_, task, number) = &result.attempt;
    let what = match fate {
        Fate::Held => return None,
        Fate::PutBack => "the ref that holds it was deleted or moved, and was put back",
        Fate::Restored => {
            "its commit was deleted from the repository, and was put back from a copy"
        }
        Fate::Gone => "its commit was deleted from the repository, and its copy does not hold it",
    };
    Some(format!(
        "the result of {task}#{number}, {:.12}: {what}",
        result.commit.as_str()
    ))
}
