//! What lies in a workspace and jj does not record, most of it without a word.
//!
//! jj leaves out each folder with a `.git` or `.jj` in it, also where its files were recorded before, and each submodule, whatever
//! lies there (read in the sources of 0.45.1). git, where it is there, says what is ignored and where submodules stand; without it
//! each repository in a workspace is named.

use super::git_store::GitStore;
use super::{Jj, argv, git_store, parse};
use crate::claim::{self, holds_files};
use crate::error::VcsError;
use crate::model::{Changed, CommitId, Unrecorded, Workspace};
use crate::submodule::Kept;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What of the workspace, and of what is `claimed`, the recorded `commit` does not hold.
pub(super) fn find(
    jj: &Jj,
    workspace: &Workspace,
    commit: &CommitId,
    changed: &[Changed],
    claimed: &[String],
) -> Result<Vec<Unrecorded>, VcsError> {
    let at = &workspace.path;
    let mut unrecorded = Vec::new();
    let mut kept = BTreeMap::new();
    let mut nested = repositories(at)?;
    if let Some(store) = GitStore::of(jj) {
        let submodules = store.submodules(jj);
        let registered = submodules.registered(at)?;
        let empty: Vec<PathBuf> = registered
            .keys()
            .filter(|path| !nested.contains(*path) && holds_files(&at.join(path)))
            .cloned()
            .collect();
        let links = store.gitlinks(commit, nested.iter().chain(&empty))?;
        for (path, expected) in &links {
            nested.retain(|other| other != path);
            if empty.contains(path) {
                unrecorded.push(Unrecorded {
                    path: path.clone(),
                    why: "is a submodule that is not checked out, and has files all the same"
                        .to_owned(),
                });
                continue;
            }
            // Another commit is lost, wherever it is kept.
            let stands = |_: &Path, head: &CommitId| match head == expected {
                true => Ok(true),
                false => Err(format!(
                    "jj does not record: it leaves the submodule on {}",
                    expected.short()
                )),
            };
            match submodules.look(at, path, &stands)? {
                Ok(one) => {
                    kept.insert(path.clone(), one);
                }
                Err(lost) => unrecorded.push(lost),
            }
        }
        let ignored = store.ignored(at, &nested)?;
        nested.retain(|path| !ignored.contains(path));
    }
    unrecorded.extend(nested.iter().map(|path| Unrecorded::repository(path)));
    unrecorded.extend(claim::links_into_workspace(at, changed));
    let open = claim::unsettled(at, claimed, changed, &unrecorded);
    unrecorded.extend(claims_left_out(jj, workspace, commit, &kept, open)?);
    unrecorded.sort();
    Ok(unrecorded)
}

fn claims_left_out(
    jj: &Jj,
    workspace: &Workspace,
    commit: &CommitId,
    kept: &BTreeMap<PathBuf, Kept>,
    claims: Vec<PathBuf>,
) -> Result<Vec<Unrecorded>, VcsError> {
    let (here, inside) = claim::by_submodule(kept, claims);
    let mut missing = not_in_commit(jj, commit, here)?;
    if let Some(store) = GitStore::of(jj).filter(|_| !inside.is_empty()) {
        let submodules = store.submodules(jj);
        missing.extend(submodules.missing(&workspace.path, kept, inside)?);
    }
    Ok(missing
        .into_iter()
        .map(|path| claim::left_out(&workspace.path, path))
        .collect())
}

/// Those of `paths` that `commit` has not, as a file or as a folder with files.
pub(super) fn not_in_commit(
    jj: &Jj,
    commit: &CommitId,
    paths: Vec<PathBuf>,
) -> Result<Vec<PathBuf>, VcsError> {
    if paths.is_empty() {
        return Ok(paths);
    }
    // git has other paths for a commit with conflicts, so that one is missing is for jj to say.
    let paths = match git_store::not_in_commit(jj, commit, &paths)? {
        Some(missing) if missing.is_empty() => return Ok(missing),
        Some(missing) => missing,
        None => paths,
    };
    let files = jj
        .on_store(argv::file_list(commit, &paths))?
        .parse(parse::paths)?;
    let there: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors()).collect();
    Ok(paths
        .iter()
        .filter(|path| !there.contains(path.as_path()))
        .cloned()
        .collect())
}

/// Folders in a workspace with a repository of their own, not those inside of such.
fn repositories(workspace: &Path) -> Result<BTreeSet<PathBuf>, VcsError> {
    let mut found = BTreeSet::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(folder) = todo.pop() {
        let whole = workspace.join(&folder);
        let mut below = Vec::new();
        let mut is_repository = false;
        for entry in fs_err::read_dir(&whole)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == ".git" || name == ".jj" {
                is_repository = true;
            } else if entry.file_type()?.is_dir() {
                below.push(folder.join(name));
            }
        }
        if is_repository && !folder.as_os_str().is_empty() {
            found.insert(folder);
        } else {
            todo.extend(below);
        }
    }
    Ok(found)
}
