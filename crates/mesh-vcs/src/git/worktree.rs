//! Making, finding and forgetting worktrees.
//!
//! A worktree of ours is locked from its first moment, with its name as the reason: git's own pruning leaves it alone, and one
//! that an interrupted `worktree add` left can be told by that name even where git does not list it. What does not carry our mark
//! in its administrative folder is half-made, and is cleaned up before the name is used again.

use super::{Git, merge, quarantine, settings, succeeded};
use crate::call::{Answer, Span, args};
use crate::error::VcsError;
use crate::folder;
use crate::model::{CommitId, Listed, NewWorkspace, Workspace};
use crate::name;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

const MARK: &str = "mesh-workspace.json";
/// What the reason of the lock begins with; the name follows.
pub(super) const LOCK_REASON: &str = "mesh workspace ";

/// The mark of a complete worktree.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    workspace: Workspace,
    message: String,
    /// Of whom it is: git does not always know where a main working copy lies.
    #[serde(default)]
    main_root: Option<PathBuf>,
}

/// A worktree of ours, called by its administrative folder: the link in the worktree, and the repository that it names, are an
/// agent's.
pub(super) struct Tree<'a> {
    pub git: &'a Git,
    /// Its folder.
    pub at: &'a Path,
    pub administrative: PathBuf,
}

impl Tree<'_> {
    /// Any exit code is an answer; `input` is standard input.
    pub fn ask_with(
        &self,
        command: Vec<OsString>,
        span: Span,
        extra: &[(&str, &OsStr)],
        input: &[u8],
    ) -> Result<Answer, VcsError> {
        let mut whole = self.git.file_system.clone();
        whole.extend(command);
        let mut env = vec![
            ("GIT_DIR", self.administrative.as_os_str()),
            ("GIT_WORK_TREE", self.at.as_os_str()),
        ];
        env.extend_from_slice(extra);
        settings::ask(&self.git.program, self.at, whole, span, &env, input)
    }

    pub fn ask(
        &self,
        command: Vec<OsString>,
        span: Span,
        extra: &[(&str, &OsStr)],
    ) -> Result<Answer, VcsError> {
        self.ask_with(command, span, extra, &[])
    }

    /// Another exit code than 0 is an error.
    pub fn run(&self, command: Vec<OsString>) -> Result<Answer, VcsError> {
        self.run_with_input(command, &[])
    }

    /// As [`Tree::run`], with something to read on standard input.
    pub fn run_with_input(&self, command: Vec<OsString>, input: &[u8]) -> Result<Answer, VcsError> {
        succeeded(self.ask_with(command, Span::Long, &[], input)?)
    }
}

/// The store of the worktree of ours to which an agent's repository belongs.
pub(super) fn store_behind(repository: &Path) -> Option<PathBuf> {
    let administrative = repository.parent()?;
    if quarantine::folder(administrative) != repository || read_mark(administrative).is_none() {
        return None;
    }
    let store = fs_err::read_to_string(administrative.join("commondir")).ok()?;
    fs_err::canonicalize(administrative.join(store.trim_end())).ok()
}

/// The administrative folders of all worktrees of ours, with their names.
fn administrative_folders(git: &Git) -> Result<Vec<(String, PathBuf)>, VcsError> {
    let entries = match fs_err::read_dir(git.store.join("worktrees")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ours = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Ok(reason) = fs_err::read_to_string(path.join("locked")) else {
            continue;
        };
        if let Some(name) = reason
            .trim_end()
            .strip_prefix(LOCK_REASON)
            .filter(|name| name.starts_with(name::OURS))
        {
            ours.push((name.to_owned(), path));
        }
    }
    ours.sort();
    Ok(ours)
}

/// The administrative folder of the worktree `name`.
pub(super) fn administrative_folder(git: &Git, name: &str) -> Result<Option<PathBuf>, VcsError> {
    Ok(administrative_folders(git)?
        .into_iter()
        .find(|(other, _)| other == name)
        .map(|(_, path)| path))
}

/// The folder of the worktree that an administrative folder belongs to, if it is there.
fn worktree_folder(administrative: &Path) -> Option<PathBuf> {
    let link = fs_err::read_to_string(administrative.join("gitdir")).ok()?;
    let folder = Path::new(link.trim_end_matches('\n')).parent()?;
    folder.is_dir().then(|| folder.to_path_buf())
}

/// The main working copy: see [`crate::Repository::main_root`]. `git worktree list` names a folder inside the store where the main
/// worktree's link is a file (submodule, `--separate-git-dir`; measured on 2.39), so what it names is looked at.
pub(super) fn main_root(git: &Git, start: &Path) -> Result<PathBuf, VcsError> {
    // Where the user stands in a workspace of ours, that has a repository of its own.
    let within = git.folder_of(start, "--git-common-dir")? != git.store;
    let at = if within { &git.store } else { start };
    let listed = git.worktrees_at(at)?;
    let is_bare = listed.first().is_some_and(|main| main.bare);
    if !is_bare && git.folder_of(start, "--git-dir")? == git.store {
        return Ok(start.to_path_buf());
    }
    let bare = || VcsError::Bare {
        store: git.store.clone(),
    };
    let configured = git.ask_at(
        at,
        args!["config", "--get", "core.worktree"],
        Span::Short,
        &[],
    )?;
    let configured = configured.stdout_text();
    let named = [
        listed
            .first()
            .map(|main| main.path.clone())
            .filter(|_| !is_bare),
        Some(git.store.join(configured.trim_end_matches('\n'))).filter(|_| !configured.is_empty()),
    ];
    for folder in named.into_iter().flatten() {
        if folder.join(".git").exists() && git.folder_of(&folder, "--git-dir")? == git.store {
            return Ok(fs_err::canonicalize(folder)?);
        }
    }
    let is_there = |tree: &&super::parse::Worktree| !tree.bare && tree.path.join(".git").is_file();
    let (ours, of_people): (Vec<_>, Vec<_>) = listed.iter().filter(is_there).partition(|tree| {
        let reason = tree.locked.as_deref();
        reason.is_some_and(|reason| reason.starts_with(LOCK_REASON))
    });
    let stands_in = |tree: &&&super::parse::Worktree| {
        fs_err::canonicalize(&tree.path).is_ok_and(|folder| folder == start)
    };
    let where_the_user_stands = of_people.iter().find(stands_in);
    if where_the_user_stands.is_none() && !ours.iter().any(|tree| stands_in(&tree)) {
        return Err(bare());
    }
    let marked = administrative_folders(git)?
        .into_iter()
        .filter_map(|(_, administrative)| read_mark(&administrative)?.main_root);
    let with_runs = of_people
        .iter()
        .map(|tree| tree.path.clone())
        .chain(marked)
        .find(|folder| folder.join(".mesh/runs").is_dir());
    let chosen = where_the_user_stands.or(of_people.first());
    let chosen = with_runs.or_else(|| Some(chosen?.path.clone()));
    Ok(fs_err::canonicalize(chosen.ok_or_else(bare)?)?)
}

fn read_mark(administrative: &Path) -> Option<Mark> {
    serde_json::from_slice(&fs_err::read(administrative.join(MARK)).ok()?).ok()
}

/// What the first commit of a worktree is to be called.
pub(super) fn message_for(administrative: &Path) -> String {
    read_mark(administrative)
        .map(|mark| mark.message)
        .unwrap_or_default()
}

/// See [`crate::Repository::workspace`].
pub(super) fn find(git: &Git, name: &str) -> Result<Option<Workspace>, VcsError> {
    let Some(administrative) = administrative_folder(git, name)? else {
        return Ok(None);
    };
    let folder = worktree_folder(&administrative);
    Ok(read_mark(&administrative)
        .map(|mark| mark.workspace)
        .filter(|workspace| folder.as_ref() == Some(&workspace.path)))
}

/// See [`crate::Repository::list_workspaces`].
pub(super) fn list(git: &Git) -> Result<Vec<Listed>, VcsError> {
    let known = git.worktrees_at(&git.main_root)?;
    let listed = administrative_folders(git)?
        .into_iter()
        .map(|(name, administrative)| {
            let reason = format!("{LOCK_REASON}{name}");
            let commit = known
                .iter()
                .find(|tree| tree.locked.as_ref() == Some(&reason))
                .and_then(|tree| tree.head.clone());
            Listed {
                path: worktree_folder(&administrative),
                name,
                commit,
            }
        });
    Ok(listed.collect())
}

fn add_command(new: &NewWorkspace, commit: &str) -> Vec<OsString> {
    args![
        "worktree",
        "add",
        "--detach",
        "--lock",
        "--reason",
        format!("{LOCK_REASON}{}", new.name),
        &new.path,
        commit
    ]
}

/// See [`crate::Repository::add_workspace`].
pub(super) fn add(git: &Git, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    name::check_workspace_name(&new.name)?;
    folder::check_inside(&git.workspaces_root, &new.path)?;
    let start = merge::join(git, &new.parents)?;
    let _one_at_a_time = git.adding.lock().unwrap_or_else(PoisonError::into_inner);
    clear_way(git, new)?;
    let made = match try_add(git, new, &start.commit) {
        // Another git process beside ours: the same race that the lock above keeps out among our own threads.
        Err(error) if super::is_worktree_race(&error) => {
            clean(git, &new.name, &new.path)?;
            try_add(git, new, &start.commit)
        }
        made => made,
    };
    made.and_then(|administrative| complete(git, new, &start, &administrative))
    .inspect_err(|_| {
        if let Err(error) = clean(git, &new.name, &new.path) {
            tracing::warn!(name = %new.name, %error, "a half-made worktree could not be cleaned up; the next add of it tries again");
        }
    })
}

/// See [`crate::Repository::move_workspace`].
pub(super) fn move_to(
    git: &Git,
    workspace: &Workspace,
    new: &NewWorkspace,
) -> Result<Workspace, VcsError> {
    let start = merge::join(git, &new.parents)?;
    let administrative =
        administrative_folder(git, &new.name)?.ok_or_else(|| VcsError::WorkspaceGone {
            name: new.name.clone(),
            reason: "git does not list it".to_owned(),
        })?;
    if detached_at(&administrative).as_ref() != Some(&start.commit) {
        let tree = Tree {
            git,
            at: &workspace.path,
            administrative: administrative.clone(),
        };
        tree.run(args!["reset", "--hard", "--quiet", start.commit.as_str()])?;
    }
    complete(git, new, &start, &administrative)
}

/// Marks a worktree as complete.
fn complete(
    git: &Git,
    new: &NewWorkspace,
    start: &merge::Join,
    administrative: &Path,
) -> Result<Workspace, VcsError> {
    let workspace = Workspace {
        name: new.name.clone(),
        path: new.path.clone(),
        parents: new.parents.clone(),
        conflicted: start.conflicted.clone(),
    };
    let mark = Mark {
        workspace: workspace.clone(),
        message: new.message.clone(),
        main_root: Some(git.main_root.clone()),
    };
    quarantine::make(git, &workspace.path, administrative)?;
    let unfinished = administrative.join("mesh-workspace.tmp");
    let bytes = serde_json::to_vec(&mark).map_err(std::io::Error::from)?;
    fs_err::write(&unfinished, bytes)?;
    fs_err::rename(&unfinished, administrative.join(MARK))?;
    git.known().set_start(&new.name, start);
    Ok(workspace)
}

/// The commit at which `HEAD` is detached, as its file says; not where it names a branch.
pub(super) fn detached_at(administrative: &Path) -> Option<CommitId> {
    let head = fs_err::read_to_string(administrative.join("HEAD")).ok()?;
    CommitId::new(head.trim_end()).ok()
}

fn try_add(git: &Git, new: &NewWorkspace, start: &CommitId) -> Result<PathBuf, VcsError> {
    let answer = git.ask_at(
        &git.main_root,
        add_command(new, start.as_str()),
        Span::Long,
        &[],
    )?;
    if !answer.output.status.is_success() {
        let stderr = answer.stderr();
        let unknown = [
            "invalid reference",
            "not a valid object",
            "unable to read",
            "bad object",
            "not a commit",
        ];
        if stderr.contains(start.as_str()) && unknown.iter().any(|words| stderr.contains(words)) {
            return Err(VcsError::UnknownRevision {
                revision: start.to_string(),
            });
        }
        return Err(answer.failure());
    }
    // Exit code 0 is no proof: what was made is looked at.
    let administrative = administrative_folder(git, &new.name)?
        .ok_or_else(|| answer.unreadable("no worktree was made"))?;
    let head = fs_err::read_to_string(administrative.join("HEAD"))?;
    if head.trim_end() != start.as_str()
        || worktree_folder(&administrative).as_ref() != Some(&new.path)
    {
        return Err(answer.unreadable("the worktree is not what was asked for"));
    }
    settle_config(&administrative)?;
    Ok(administrative)
}

/// Removes the administrative folders of ours that a killed `worktree add` left without the path of the store in them. Says
/// whether there were any.
pub(super) fn drop_torn(git: &Git) -> Result<bool, VcsError> {
    let mut any = false;
    for (name, administrative) in administrative_folders(git)? {
        let link = fs_err::read_to_string(administrative.join("commondir")).unwrap_or_default();
        if link.trim().is_empty() {
            tracing::warn!(name, "removing what a killed `git worktree add` left");
            fs_err::remove_dir_all(administrative)?;
            any = true;
        }
    }
    Ok(any)
}

/// What a worktree's own configuration holds, where there is one: git copies the user's, sparse patterns and all, and an agent may
/// write what it likes into it.
const OWN_CONFIG: &str = "[core]\n\tsparseCheckout = false\n\tsparseCheckoutCone = false\n";

/// Puts the worktree's own configuration, if it has one, to what it was made with.
pub(super) fn settle_config(administrative: &Path) -> Result<(), VcsError> {
    let own = administrative.join("config.worktree");
    if own.symlink_metadata().is_ok() {
        let unfinished = administrative.join("mesh-config.tmp");
        fs_err::write(&unfinished, OWN_CONFIG)?;
        fs_err::rename(&unfinished, own)?;
    }
    Ok(())
}

/// Removes what an interrupted call of the same name left, and refuses what is not ours.
fn clear_way(git: &Git, new: &NewWorkspace) -> Result<(), VcsError> {
    if find(git, &new.name)?.is_some() {
        return Err(VcsError::NameTaken {
            name: new.name.clone(),
        });
    }
    let leftover = administrative_folder(git, &new.name)?;
    let link = fs_err::read_to_string(new.path.join(".git")).ok();
    let linked = link
        .as_deref()
        .and_then(|link| link.trim_end().strip_prefix("gitdir: "))
        .map(PathBuf::from);
    // A link to an administrative folder that is gone or half-made is a leftover as well.
    let dangling = linked
        .as_ref()
        .is_some_and(|at| at.starts_with(&git.store) && !at.join(MARK).exists());
    if leftover.is_some() || dangling {
        clean(git, &new.name, &new.path)?;
    }
    folder::make_room(&git.workspaces_root, &new.path)
}

fn clean(git: &Git, name: &str, path: &Path) -> Result<(), VcsError> {
    forget(git, name)?;
    folder::remove(&git.workspaces_root, path)
}

/// See [`crate::Repository::forget`]. The administrative folder of that worktree is deleted, as `worktree remove` does it; that
/// command itself refuses half-made ones, and deletes the files too.
pub(super) fn forget(git: &Git, name: &str) -> Result<(), VcsError> {
    git.known().forget_start(name);
    if let Some(administrative) = administrative_folder(git, name)? {
        folder::remove(&git.store.join("worktrees"), &administrative)?;
    }
    Ok(())
}

/// See [`crate::Repository::describe`].
pub(super) fn describe(git: &Git, new: &NewWorkspace) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut start = new
        .parents
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    for other in new.parents.iter().skip(1) {
        commands.push(args!["merge-tree", "--write-tree", start, other.as_str()]);
        start = "<merge of the needs>".to_owned();
    }
    commands.push(add_command(new, &start));
    let shown = |command: Vec<OsString>| {
        std::iter::once(git.program.path.to_string_lossy().into_owned())
            .chain(
                super::settings::common()
                    .iter()
                    .chain(&command)
                    .map(|arg| arg.to_string_lossy().into_owned()),
            )
            .collect()
    };
    commands.into_iter().map(shown).collect()
}
