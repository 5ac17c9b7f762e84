//! Recording what is on disk in a workspace that lost its place in the repository.
//!
//! The operation log is shared: an `undo` or `op restore` by anybody takes newer snapshots of others, or their whole workspaces, out
//! of the view. Such a workspace is stale, is not listed, or stands at an operation that is gone; a killed command leaves one stale
//! too. jj's own way out, `workspace update-stale`, replaces the files on disk by what the view says. Here the disk is what counts:
//! the files are set aside, a workspace of the same name is made at the same place on what the agent stood on last, and the files
//! take the place of those that were checked out there. The next snapshot then holds exactly what the agent left.
//!
//! Every step may be interrupted: as long as the folder that was set aside is there, its files are the truth, and all is made anew.

use super::parse::{CommitState, Operation};
use super::{Jj, argv, snapshot, workspace};
use crate::error::VcsError;
use crate::folder;
use crate::model::{CommitId, NewWorkspace, Workspace};
use std::path::PathBuf;
use std::sync::PoisonError;

/// How many operations of an agent are looked at for one at which its workspace is there.
const MOST_OPERATIONS: usize = 16;

/// What an agent stood on at its last operation.
struct LastSeen {
    parents: Vec<CommitId>,
    description: String,
    /// Its working-copy commit then.
    commit: Option<CommitId>,
}

/// Where the files wait meanwhile. The leading dot keeps it apart from every task's.
fn aside(jj: &Jj, workspace: &Workspace) -> PathBuf {
    jj.workspaces_root
        .join(format!(".aside-{}", workspace.name))
}

/// Whether an earlier call was interrupted.
pub(super) fn is_unfinished(jj: &Jj, workspace: &Workspace) -> bool {
    aside(jj, workspace).symlink_metadata().is_ok()
}

/// Whether the workspace's `.jj` leads to the repository. An agent may have deleted it, or have put another one in its place.
pub(super) fn is_of_repository(jj: &Jj, workspace: &Workspace) -> bool {
    super::find_repo(&workspace.path).is_ok_and(|repo| repo == jj.store)
}

/// Makes the workspace anew around its files, and records them.
pub(super) fn reattach(jj: &Jj, workspace: &Workspace) -> Result<(), VcsError> {
    tracing::warn!(name = %workspace.name, "the workspace lost its place in the operation log; its files are recorded as they are");
    jj.displaced
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(workspace.name.clone());
    let seen = last_seen(jj, workspace)?;
    let in_view = jj.working_copy_state(&workspace.name)?;
    let (root, path, aside) = (&jj.workspaces_root, &workspace.path, aside(jj, workspace));
    if aside.symlink_metadata().is_ok() {
        folder::remove(root, path)?;
    } else {
        folder::check_inside(root, path)?;
        fs_err::rename(path, &aside)?;
    }
    jj.on_store(argv::forget(&workspace.name))?;
    workspace::add(
        jj,
        &NewWorkspace {
            name: workspace.name.clone(),
            path: path.clone(),
            parents: seen.parents,
            message: seen.description,
        },
    )?;
    folder::delete(&aside.join(".jj"))?;
    fs_err::rename(path.join(".jj"), aside.join(".jj"))?;
    folder::remove(root, path)?;
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::rename(&aside, path)?;
    workspace::write_mark(workspace)?;
    jj.on_files(path, argv::snapshot())?;
    let replaced: Vec<CommitId> = seen
        .commit
        .into_iter()
        .chain(in_view.map(|state| state.commit))
        .collect();
    drop_replaced(jj, &snapshot::working_copy(jj, workspace)?, &replaced);
    Ok(())
}

/// Earlier snapshots of the same files, which would look like work left beside the result.
fn drop_replaced(jj: &Jj, now: &CommitState, replaced: &[CommitId]) {
    let visible = format!(
        "({}) & visible_heads() ~ ::{} ~ working_copies() ~ bookmarks()",
        argv::any_of(replaced),
        now.commit
    );
    if let Err(error) = jj.on_store(argv::abandon(&visible)) {
        tracing::debug!(%error, "earlier snapshots stay visible");
    }
}

/// What the agent stood on at the newest of its operations at which its workspace was there; else what the workspace was made on.
fn last_seen(jj: &Jj, workspace: &Workspace) -> Result<LastSeen, VcsError> {
    let operations = snapshot::operations_of(jj, &workspace.name)?;
    for operation in operations.iter().take(MOST_OPERATIONS) {
        if let Some(state) = state_at(jj, workspace, operation)? {
            return Ok(state);
        }
    }
    Ok(LastSeen {
        parents: workspace.parents.clone(),
        description: String::new(),
        commit: None,
    })
}

fn state_at(
    jj: &Jj,
    workspace: &Workspace,
    operation: &Operation,
) -> Result<Option<LastSeen>, VcsError> {
    let revset = format!("{}@", argv::quoted(&workspace.name));
    let ask =
        |template: &str| jj.on_store(argv::log_at_operation(&operation.id, &revset, template));
    let states = match ask(argv::STATES) {
        Ok(answer) => answer.parse(super::parse::states)?,
        // The workspace was not there at that operation.
        Err(VcsError::Failed { code: Some(1), .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(state) = states.into_iter().next() else {
        return Ok(None);
    };
    let description = ask(argv::DESCRIPTION)?.parse(super::parse::one_text)?;
    Ok(Some(LastSeen {
        parents: state.parents,
        description: description.trim_end_matches('\n').to_owned(),
        commit: Some(state.commit),
    }))
}
