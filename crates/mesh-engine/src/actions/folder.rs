//! The attempt's folder and workspace, found again by any later coordinator.

use std::path::{Path, PathBuf};

use mesh_core::decision::NeedCommit;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::task::Commit;
use mesh_core::text::one_line;
use mesh_journal::layout::RunDir;
use mesh_vcs::{CommitId, NewWorkspace, VcsError, Workspace, name};
use serde::{Deserialize, Serialize};

use crate::context::RunContext;

const WORKSPACE_FILE: &str = "workspace.json";
const FOLDER_FILE: &str = "workspace-folder";

/// The attempt's folder; made if it is not there.
pub(crate) fn of(context: &RunContext, attempt: &AttemptId) -> std::io::Result<PathBuf> {
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    fs_err::create_dir_all(&folder)?;
    Ok(folder)
}

/// What the attempt's workspace is to be: a folder named after the task, with the run's id where an earlier run left one there.
/// The choice is kept before anything is made, so that a start that is made anew meets, and clears away, what the first one left.
/// One that was made when the workspace was prepared holds.
pub(crate) fn new_workspace(
    context: &RunContext,
    attempt: &AttemptId,
    parents: Vec<CommitId>,
    title: &str,
) -> std::io::Result<NewWorkspace> {
    let note = of(context, attempt)?.join(FOLDER_FILE);
    let prepared = context.run_dir.prepared(attempt);
    if !note.exists() && prepared.exists() {
        fs_err::rename(&prepared, &note)?;
    }
    described(context, attempt, parents, title, &note)
}

/// As [`new_workspace`], of an attempt that may never begin and has no folder of its own yet: an attempt's folder tells that it was
/// started.
pub(crate) fn prepared_workspace(
    context: &RunContext,
    attempt: &AttemptId,
    parents: Vec<CommitId>,
    title: &str,
) -> std::io::Result<NewWorkspace> {
    let note = context.run_dir.prepared(attempt);
    if let Some(folder) = note.parent() {
        fs_err::create_dir_all(folder)?;
    }
    described(context, attempt, parents, title, &note)
}

/// `note` keeps which folder was chosen.
fn described(
    context: &RunContext,
    attempt: &AttemptId,
    parents: Vec<CommitId>,
    title: &str,
    note: &Path,
) -> std::io::Result<NewWorkspace> {
    let task = attempt.task.as_str();
    let name = name::workspace_name(&context.run, task, attempt.number);
    let folder = match fs_err::read_to_string(note) {
        Ok(folder) => folder,
        Err(_) => {
            let plain = name::workspace_folder(task, attempt.number);
            let taken = context
                .vcs
                .workspaces_root()
                .join(&plain)
                .symlink_metadata()
                .is_ok();
            let folder = if taken {
                format!("{plain}+{}", context.run)
            } else {
                plain
            };
            fs_err::write(note, &folder)?;
            folder
        }
    };
    let path = context.vcs.workspaces_root().join(folder);
    let subject = name::subject(&attempt.task, title);
    let message = format!(
        "{subject}\n\nmesh: {} {}",
        context.run,
        one_line(&attempt.to_string())
    );
    Ok(NewWorkspace {
        name,
        path,
        parents,
        message,
    })
}

/// In an attempt's folder: what its processes have as `TMPDIR`.
pub(crate) const TMP_FOLDER: &str = "tmp";

/// Removes what the processes of a task's attempts left in their `TMPDIR`, where the workspace is gone: what is in the one may name
/// what is in the other. One workspace may have been that of several attempts.
///
/// # Errors
/// It cannot be deleted.
pub fn remove_tmp(run_dir: &RunDir, task: &TaskId) -> Result<(), VcsError> {
    let attempts = (1..).map(|number| AttemptId {
        task: task.clone(),
        number,
    });
    let folders = attempts.map(|attempt| run_dir.attempt(&attempt).path().to_path_buf());
    for folder in folders.take_while(|folder| folder.is_dir()) {
        let workspace = load(&folder).ok().flatten();
        if !workspace.is_some_and(|workspace| workspace.path.is_dir()) {
            mesh_vcs::remove_folder(&folder, &folder.join(TMP_FOLDER))?;
        }
    }
    Ok(())
}

/// What is kept of an attempt's workspace.
#[derive(Serialize, Deserialize)]
struct Remembered {
    workspace: Workspace,
    /// Needs and their results, as pairs.
    needs: Vec<(String, String)>,
}

/// Keeps what the workspace was made of, so that whoever records the result knows what it stood on.
pub(crate) fn save(
    folder: &Path,
    workspace: &Workspace,
    needs: &[NeedCommit],
) -> std::io::Result<()> {
    let needs = needs
        .iter()
        .map(|need| (need.task.to_string(), need.commit.0.clone()))
        .collect();
    let text = serde_json::to_vec(&Remembered {
        workspace: workspace.clone(),
        needs,
    })?;
    let draft = folder.join(format!("{WORKSPACE_FILE}.new"));
    fs_err::write(&draft, text)?;
    fs_err::rename(&draft, folder.join(WORKSPACE_FILE))
}

/// The workspace that was remembered; `None` when the attempt never had one.
pub(crate) fn load(folder: &Path) -> std::io::Result<Option<Workspace>> {
    Ok(read(folder)?.map(|saved| saved.workspace))
}

/// The workspace in which an attempt works or worked, as it was remembered; it may be gone by now.
#[must_use]
pub fn saved_of(run_dir: &RunDir, attempt: &AttemptId) -> Option<Workspace> {
    load(run_dir.attempt(attempt).path()).ok().flatten()
}

/// The workspaces of all attempts of a run, as they were remembered; most of them are gone by now. What cannot be read is left out.
#[must_use]
pub fn saved(run_dir: &RunDir) -> Vec<Workspace> {
    let below = |folder: PathBuf| {
        let entries = fs_err::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    };
    below(run_dir.attempts())
        .flat_map(below)
        .filter_map(|attempt| load(&attempt).ok()?)
        .collect()
}

/// The needs that were remembered with it.
pub(crate) fn load_needs(folder: &Path) -> Vec<NeedCommit> {
    let Ok(Some(saved)) = read(folder) else {
        return Vec::new();
    };
    let need = |(task, commit): (String, String)| {
        Some(NeedCommit {
            task: TaskId::new(task).ok()?,
            commit: Commit(commit),
        })
    };
    saved.needs.into_iter().filter_map(need).collect()
}

fn read(folder: &Path) -> std::io::Result<Option<Remembered>> {
    match fs_err::read(folder.join(WORKSPACE_FILE)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
