//! Making, finding and forgetting jj workspaces.
//!
//! `workspace add` that fails or is killed leaves a registered name, a folder, or both; so whatever does not carry our mark inside
//! its `.jj` is half-made, and is cleaned up before the name is used again. Two adds of one name can both succeed and then share
//! one `@`: names in the making are kept apart here, and names of attempts are never used twice.

use super::parse::CommitState;
use super::{Jj, argv, parse};
use crate::call::{Answer, Span};
use crate::error::VcsError;
use crate::folder;
use crate::model::{CommitId, Listed, NewWorkspace, Workspace};
use crate::name;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The mark of a complete workspace, beside jj's own files: never tracked, and gone with the folder.
const MARK: &str = ".jj/mesh-workspace.json";

/// Holds a name while its workspace is made.
struct Adding<'a> {
    names: &'a Mutex<BTreeSet<String>>,
    name: &'a str,
}

impl<'a> Adding<'a> {
    fn start(names: &'a Mutex<BTreeSet<String>>, name: &'a str) -> Result<Adding<'a>, VcsError> {
        if names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned())
        {
            Ok(Adding { names, name })
        } else {
            Err(VcsError::NameTaken {
                name: name.to_owned(),
            })
        }
    }
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(self.name);
    }
}

fn read_mark(folder: &Path) -> Option<Workspace> {
    let bytes = fs_err::read(folder.join(MARK)).ok()?;
    let marked: Workspace = serde_json::from_slice(&bytes).ok()?;
    Some(Workspace {
        path: folder.to_path_buf(),
        ..marked
    })
}

pub(super) fn write_mark(workspace: &Workspace) -> Result<(), VcsError> {
    let bytes = serde_json::to_vec(workspace).map_err(std::io::Error::from)?;
    let mark = workspace.path.join(MARK);
    let unfinished = mark.with_extension("tmp");
    fs_err::write(&unfinished, bytes)?;
    fs_err::rename(&unfinished, &mark)?;
    Ok(())
}

/// See [`crate::Repository::workspace`].
pub(super) fn find(jj: &Jj, name: &str) -> Result<Option<Workspace>, VcsError> {
    let listed = list(jj)?.into_iter().find(|listed| listed.name == name);
    let marked = listed
        .and_then(|listed| listed.path)
        .and_then(|path| read_mark(&path));
    Ok(marked.filter(|workspace| workspace.name == name))
}

/// See [`crate::Repository::list_workspaces`].
pub(super) fn list(jj: &Jj) -> Result<Vec<Listed>, VcsError> {
    let answer = jj.on_store(argv::workspace_list())?;
    let all = answer.parse(super::parse::workspaces)?;
    Ok(all
        .into_iter()
        .filter(|listed| listed.name.starts_with(name::OURS))
        .collect())
}

/// See [`crate::Repository::add_workspace`].
pub(super) fn add(jj: &Jj, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    name::check_workspace_name(&new.name)?;
    folder::check_inside(&jj.workspaces_root, &new.path)?;
    if new.parents.is_empty() {
        return Err(VcsError::UnknownRevision {
            revision: String::new(),
        });
    }
    let hub = jj.hub()?;
    let _adding = Adding::start(&jj.adding, &new.name)?;
    clear_way(jj, new)?;
    match try_add(jj, &hub, new) {
        Err(VcsError::Failed { stderr, .. }) if stderr.contains("already exists") => {
            // A name that an interrupted call left registered, without a folder.
            if find(jj, &new.name)?.is_some() {
                return Err(VcsError::NameTaken {
                    name: new.name.clone(),
                });
            }
            clean(jj, &new.name, &new.path)?;
            try_add(jj, &hub, new).inspect_err(|_| clean_after_failure(jj, new))
        }
        Err(error) => {
            clean_after_failure(jj, new);
            Err(error)
        }
        Ok(workspace) => Ok(workspace),
    }
}

/// Removes what an interrupted call left at the path, and refuses what is not ours.
fn clear_way(jj: &Jj, new: &NewWorkspace) -> Result<(), VcsError> {
    if !folder::is_free(&new.path)? {
        let complete = read_mark(&new.path);
        if complete.is_some() || !new.path.join(".jj").is_dir() {
            return match find(jj, &new.name)? {
                Some(_) => Err(VcsError::NameTaken {
                    name: new.name.clone(),
                }),
                None => Err(VcsError::InTheWay {
                    path: new.path.clone(),
                }),
            };
        }
        clean(jj, &new.name, &new.path)?;
    }
    folder::make_room(&jj.workspaces_root, &new.path)
}

fn try_add(jj: &Jj, hub: &Path, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    let command = argv::add_workspace(&new.name, &new.parents, &new.message, &new.path);
    let answer = jj
        .program
        .ask(hub, &jj.hub_args(hub, command), Span::Long, &[])?;
    if !answer.output.status.is_success() {
        let stderr = answer.stderr();
        if let Some(unknown) = new
            .parents
            .iter()
            .find(|p| stderr.contains(&format!("Revision `{p}` doesn't exist")))
        {
            return Err(VcsError::UnknownRevision {
                revision: unknown.to_string(),
            });
        }
        return Err(answer.failure());
    }
    made(jj, new, &answer)
}

/// See [`crate::Repository::move_workspace`].
pub(super) fn move_to(
    jj: &Jj,
    workspace: &Workspace,
    new: &NewWorkspace,
) -> Result<Workspace, VcsError> {
    let command = argv::move_to(&new.parents, &new.message);
    let answer = jj.on_files(&workspace.path, command)?;
    made(jj, new, &answer)
}

/// Exit code 0 is no proof: what was made is looked at, and marked as complete.
fn made(jj: &Jj, new: &NewWorkspace, answer: &Answer) -> Result<Workspace, VcsError> {
    let told = parse::told(&answer.stderr()).into_iter();
    let state = match told.filter(|one| one.here).map(|one| one.state).next() {
        Some(state) => state,
        None => jj
            .working_copy_state(&new.name)?
            .ok_or_else(|| answer.unreadable("the workspace is not registered"))?,
    };
    let made_on: BTreeSet<&CommitId> = state.parents.iter().collect();
    if made_on != new.parents.iter().collect() || !new.path.join(".jj").is_dir() {
        return Err(answer.unreadable("the workspace is not what was asked for"));
    }
    let mut conflicted = state.conflicted;
    conflicted.sort();
    let workspace = Workspace {
        name: new.name.clone(),
        path: new.path.clone(),
        parents: new.parents.clone(),
        conflicted,
    };
    write_mark(&workspace)?;
    let mut known = jj.known();
    match new.message.is_empty() {
        true => known.moved_on.insert(new.name.clone(), None),
        false => known.moved_on.remove(&new.name),
    };
    known.starts.insert(new.name.clone(), state.commit);
    Ok(workspace)
}

/// Name and folder of something half-made. Forgetting a name that is not there is no error.
fn clean(jj: &Jj, name: &str, path: &Path) -> Result<(), VcsError> {
    forget_with(jj, name, Untouched::Any)?;
    folder::remove(&jj.workspaces_root, path)
}

fn clean_after_failure(jj: &Jj, new: &NewWorkspace) {
    if let Err(error) = clean(jj, &new.name, &new.path) {
        tracing::warn!(name = %new.name, %error, "a half-made workspace could not be cleaned up; the next add of it tries again");
    }
}

/// See [`crate::Repository::discard`].
pub(super) fn discard(jj: &Jj, workspace: &Workspace) -> Result<(), VcsError> {
    clean(jj, &workspace.name, &workspace.path)
}

/// See [`crate::Repository::forget`].
pub(super) fn forget(jj: &Jj, name: &str) -> Result<(), VcsError> {
    forget_with(jj, name, Untouched::OneParent)
}

/// See [`crate::Repository::let_go`]. Never what lies below a bookmark: abandoning that would move the bookmark. The workspace stands
/// on a new, empty commit then; its files stay.
pub(super) fn let_go(jj: &Jj, workspace: &Workspace, commit: &CommitId) -> Result<(), VcsError> {
    let below: Vec<String> = workspace
        .parents
        .iter()
        .map(|parent| format!("::{parent}"))
        .collect();
    let revset = format!(
        "::present({commit}) ~ ({}) ~ ::bookmarks() ~ root()",
        below.join("|")
    );
    jj.known().moved_on.remove(&workspace.name);
    jj.known().starts.remove(&workspace.name);
    jj.on_store(argv::abandon(&revset)).map(|_| ())
}

/// Which untouched first commits go with their workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Untouched {
    /// Those on one parent. A merge may be the result of an attempt that had nothing to change.
    OneParent,
    /// All: nobody has worked here. One that stayed would look like work left beside the next attempt's result.
    Any,
}

/// The first commit of a workspace has our description, so that jj does not drop it by itself; an untouched one is dropped here,
/// if nothing stands on it.
fn forget_with(jj: &Jj, name: &str, untouched: Untouched) -> Result<(), VcsError> {
    // jj drops an empty commit without a description by itself.
    let moved_on = jj.known().moved_on.remove(name);
    let state = match moved_on {
        Some(below) => below,
        None if untouched == Untouched::Any => jj.working_copy_state(name)?,
        None => untouched_commit(jj, name)?,
    };
    jj.known().starts.remove(name);
    jj.on_store(argv::forget(name))?;
    let goes = |parents: usize| untouched == Untouched::Any || parents == 1;
    let Some(state) =
        state.filter(|state| state.empty && state.described && goes(state.parents.len()))
    else {
        return Ok(());
    };
    let leftover = format!(
        "{} & visible_heads() ~ working_copies() ~ bookmarks()",
        state.commit
    );
    if let Err(error) = jj.on_store(argv::abandon(&leftover)) {
        tracing::debug!(name, %error, "the workspace's untouched commit stays");
    }
    Ok(())
}

/// The commit that may have to go with a workspace of which this process knows nothing: its `@` or, where recording has put a fresh
/// `@` on an untouched first commit, that one.
fn untouched_commit(jj: &Jj, name: &str) -> Result<Option<CommitState>, VcsError> {
    let Some(at) = jj.working_copy_state(name)? else {
        return Ok(None);
    };
    let ([parent], true, false) = (at.parents.as_slice(), at.empty, at.described) else {
        return Ok(Some(at));
    };
    let below = jj.states(parent.as_str())?.into_iter().next();
    let below = below.filter(|below| below.empty && below.described);
    let Some(below) = below else {
        return Ok(Some(at));
    };
    let made_on = find(jj, name)?.map(|workspace| workspace.parents);
    Ok(Some(match made_on == Some(below.parents.clone()) {
        true => below,
        false => at,
    }))
}

fn hub_path(jj: &Jj, run: &str) -> PathBuf {
    jj.workspaces_root.join(name::hub_folder(run))
}

/// Makes the hub, or finds it whole. Its folder is reused when jj answers from it and lists it at that path.
pub(super) fn open_hub(jj: &Jj, run: &str) -> Result<PathBuf, VcsError> {
    // What stands in the way is said before anything has begun.
    folder::make_root(&jj.workspaces_root)?;
    let (name, path) = (name::hub_name(run), hub_path(jj, run));
    if hub_answers(jj, &name, &path)? {
        return Ok(path);
    }
    let main = jj.main_root.clone();
    let on_main = |command| {
        jj.program
            .run(&main, &jj.store_args(&main, command), Span::Short, &[])
    };
    on_main(argv::forget(&name))?;
    folder::remove(&jj.workspaces_root, &path)?;
    folder::make_room(&jj.workspaces_root, &path)?;
    let mut args = argv::at(&main, argv::Files::Users);
    args.extend(jj.identity.iter().cloned());
    args.extend(argv::add_hub(&name, &path));
    if let Err(error) = jj.program.run(&main, &args, Span::Long, &[]) {
        on_main(argv::forget(&name))?;
        folder::remove(&jj.workspaces_root, &path)?;
        return Err(error);
    }
    if hub_answers(jj, &name, &path)? {
        Ok(path)
    } else {
        Err(VcsError::WorkspaceGone {
            name,
            reason: "jj made the hub and does not list it".to_owned(),
        })
    }
}

fn hub_answers(jj: &Jj, name: &str, path: &Path) -> Result<bool, VcsError> {
    if !path.join(".jj").is_dir() {
        return Ok(false);
    }
    let answer = jj.program.ask(
        path,
        &jj.store_args(path, argv::workspace_list()),
        Span::Short,
        &[],
    )?;
    if !answer.output.status.is_success() {
        return Ok(false);
    }
    let listed = answer.parse(super::parse::workspaces)?;
    let real = fs_err::canonicalize(path)?;
    Ok(listed.iter().any(|listed| {
        listed.name == name
            && listed
                .path
                .as_ref()
                .is_some_and(|at| fs_err::canonicalize(at).is_ok_and(|at| at == real))
    }))
}

/// See [`crate::Repository::close_hub`].
pub(super) fn close_hub(jj: &Jj, run: &str) -> Result<(), VcsError> {
    jj.on_store(argv::forget(&name::hub_name(run)))?;
    folder::remove(&jj.workspaces_root, &hub_path(jj, run))
}

/// See [`crate::Repository::describe`].
pub(super) fn describe(jj: &Jj, run: &str, new: &NewWorkspace) -> Vec<Vec<String>> {
    let hub = hub_path(jj, run);
    let mut hub_args = argv::at(&jj.main_root, argv::Files::Users);
    hub_args.extend(jj.identity.iter().cloned());
    hub_args.extend(argv::add_hub(&name::hub_name(run), &hub));
    let add = jj.hub_args(
        &hub,
        argv::add_workspace(&new.name, &new.parents, &new.message, &new.path),
    );
    let record = jj.files_args(&new.path, argv::record(&new.parents));
    let forget = jj.store_args(&hub, argv::forget(&new.name));
    let shown = |args: Vec<std::ffi::OsString>| {
        std::iter::once(jj.program.path.to_string_lossy().into_owned())
            .chain(args.iter().map(|arg| arg.to_string_lossy().into_owned()))
            .collect()
    };
    [hub_args, add, record, forget]
        .into_iter()
        .map(shown)
        .collect()
}
