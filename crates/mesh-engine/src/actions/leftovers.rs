//! Workspaces of attempts that came to nothing: once a later attempt of the task is verified they go. What they changed stays as a
//! commit and as a patch beside the attempt's logs.
//!
//! Whatever would be lost with a workspace keeps it.

use std::path::PathBuf;

use mesh_core::id::AttemptId;
use mesh_journal::layout::AttemptDir;
use mesh_vcs::{Backend, Snapshot, Workspace};

use crate::actions::folder;
use crate::context::RunContext;
use crate::setup::KeepWorkspaces;

/// Removes the workspaces of all attempts before `verified`, unless the run keeps them.
/// Those of the attempts in `except` hold what no commit does, and stay.
pub(crate) fn remove_before(context: &RunContext, verified: &AttemptId, except: &[u32]) {
    if context.setup.keep == KeepWorkspaces::Failed {
        return;
    }
    let used = workspace_of(&context.run_dir.attempt(verified));
    for number in 1..verified.number {
        let attempt = AttemptId {
            task: verified.task.clone(),
            number,
        };
        let dir = context.run_dir.attempt(&attempt);
        let Some(workspace) = workspace_of(&dir) else {
            continue;
        };
        let is_used = used
            .as_ref()
            .is_some_and(|used| used.path == workspace.path);
        if is_used || !workspace.path.is_dir() {
            continue;
        }
        let removed = if except.contains(&number) {
            Err("it holds what its commit does not".to_owned())
        } else {
            context
                .vcs_gate
                .pass(|| save_and_remove(context, &attempt, &dir, &workspace))
        };
        if let Err(reason) = removed {
            context.notes.note(format!(
                "the workspace of {attempt} is kept in {}: {reason}",
                workspace.path.display()
            ));
        }
    }
}

fn workspace_of(dir: &AttemptDir) -> Option<Workspace> {
    folder::load(dir.path()).ok().flatten()
}

fn save_and_remove(
    context: &RunContext,
    attempt: &AttemptId,
    dir: &AttemptDir,
    workspace: &Workspace,
) -> Result<(), String> {
    let text = |error: mesh_vcs::VcsError| error.to_string();
    let snapshot = context.vcs.snapshot(workspace, &[]).map_err(text)?;
    if let Some(first) = snapshot.unrecorded.first() {
        return Err(format!("{} {}", first.path.display(), first.why));
    }
    if !snapshot.strays.is_empty() {
        return Err("it holds commits that are not part of its result".to_owned());
    }
    save(
        &context.vcs,
        &context.run,
        attempt,
        dir,
        workspace,
        &snapshot,
    )?;
    context.vcs.forget(&workspace.name).map_err(text)?;
    context.vcs.remove(workspace).map_err(text)
}

fn save(
    vcs: &Backend,
    run: &str,
    attempt: &AttemptId,
    dir: &AttemptDir,
    workspace: &Workspace,
    snapshot: &Snapshot,
) -> Result<(), String> {
    let text = |error: mesh_vcs::VcsError| error.to_string();
    vcs.keep(&snapshot.commit, run, attempt.task.as_str(), attempt.number)
        .map_err(text)?;
    let patch = vcs.patch(workspace, &snapshot.commit).map_err(text)?;
    write_patch(dir, &patch).map_err(|error| error.to_string())
}

/// Saves what an attempt changed before its workspace is removed on a person's word: as a commit that a ref of mesh holds, and as a
/// patch. Gives the patch's file, or nothing when nothing was changed. Nobody may work in the workspace.
///
/// # Errors
/// What stands in the way, as a fragment; the workspace is as it was.
pub fn save_changes(
    vcs: &Backend,
    run: &str,
    attempt: &AttemptId,
    dir: &AttemptDir,
) -> Result<Option<PathBuf>, String> {
    let text = |error: mesh_vcs::VcsError| error.to_string();
    let workspace = workspace_of(dir).ok_or("it is not known what it stood on")?;
    if vcs.workspace(&workspace.name).map_err(text)?.is_none() {
        return Err("version control does not list it any more".to_owned());
    }
    let snapshot = vcs.snapshot(&workspace, &[]).map_err(text)?;
    if snapshot.no_change {
        return Ok(None);
    }
    save(vcs, run, attempt, dir, &workspace, &snapshot)?;
    Ok(Some(dir.patch()))
}

/// Whole or not at all.
fn write_patch(dir: &AttemptDir, patch: &[u8]) -> std::io::Result<()> {
    let path = dir.patch();
    let draft = path.with_extension("new");
    fs_err::write(&draft, patch)?;
    fs_err::rename(&draft, path)
}
