//! The git repository in which jj keeps its commits, asked by git where git is there.

use super::Jj;
use crate::call::{Answer, Span, args};
use crate::content;
use crate::error::VcsError;
use crate::git::{
    changes_between, entries, parse as git_parse, patch_between, settings, succeeded,
};
use crate::kept::{self, Fate, KeptResult};
use crate::model::{Changed, CommitId, FoundIn};
use crate::submodule::Submodules;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where jj keeps its commits, if that is a git repository.
pub(super) fn git_folder(jj: &Jj) -> Option<PathBuf> {
    let store = jj.store.join("store");
    let target = fs_err::read_to_string(store.join("git_target")).ok()?;
    store.join(target.trim_end()).canonicalize().ok()
}

/// What of the repository jj writes when it works in another workspace than the main one: operations, the index of commits, and
/// the commits themselves with the refs that keep them. Traced on 0.45.1: `commit`, `squash`, `undo`, `rebase`, `bookmark set` write
/// nothing else; `workspace add`, `forget` and `rename` write `workspace_store` too, and `git export` and `git push` the refs.
pub(super) fn written_by_jj(jj: &Jj) -> Result<Vec<PathBuf>, VcsError> {
    let mut written: Vec<PathBuf> = ["op_store", "op_heads", "index"]
        .map(|name| jj.store.join(name))
        .into();
    match git_folder(jj) {
        Some(git) => {
            let refs = git.join("refs/jj/keep");
            // Made by the first commit; where refs were packed it may be gone.
            fs_err::create_dir_all(&refs)?;
            written.extend([jj.store.join("store/extra"), git.join("objects"), refs]);
        }
        None => written.push(jj.store.join("store")),
    }
    written.retain(|path| path.exists());
    Ok(written)
}

/// Holds `commit` by a ref, under which no operation of jj can hide it; whether there is a git repository to do so.
pub(super) fn keep(jj: &Jj, commit: &CommitId, name: &str) -> Result<bool, VcsError> {
    let Some(store) = GitStore::of(jj) else {
        return Ok(false);
    };
    let command = args!["update-ref", name, commit.as_str()];
    succeeded(store.ask(&store.folder, command, &[])?)?;
    Ok(true)
}

pub(super) fn copy_result(
    jj: &Jj,
    result: &KeptResult,
    without: &[CommitId],
) -> Result<(), VcsError> {
    match GitStore::of(jj) {
        Some(store) => kept::copy(
            &|command| store.ask(&store.folder, command, &[]),
            result,
            without,
        ),
        None => Ok(()),
    }
}

pub(super) fn put_back(jj: &Jj, results: &[KeptResult]) -> Result<Vec<Fate>, VcsError> {
    match GitStore::of(jj) {
        Some(store) => kept::put_back(
            &|command| store.ask(&store.folder, command, &[]),
            &store.folder,
            results,
        ),
        None => Ok(vec![Fate::Held; results.len()]),
    }
}

/// Where git stands in the user's own working copy, if jj shares that with git and a commit is there.
pub(super) fn head(jj: &Jj) -> Result<Option<CommitId>, VcsError> {
    let Some(store) = GitStore::of(jj) else {
        return Ok(None);
    };
    if jj.start_root.join(".git").canonicalize().ok().as_ref() != Some(&store.folder) {
        return Ok(None);
    }
    let answer = store.ask(
        &jj.start_root,
        args!["rev-parse", "--quiet", "--verify", "HEAD^{commit}"],
        &[],
    )?;
    match answer.code() {
        Some(0) => Ok(Some(CommitId::new(answer.stdout_text().trim())?)),
        _ => Ok(None),
    }
}

/// Whether it is the commit that every jj repository begins with. git has no such object.
pub(super) fn is_root(commit: &CommitId) -> bool {
    commit.as_str().bytes().all(|digit| digit == b'0')
}

/// The patch between two commits, made by git; `None` where git cannot read them.
pub(super) fn patch(jj: &Jj, from: &CommitId, to: &CommitId) -> Result<Option<Vec<u8>>, VcsError> {
    let Some(store) = GitStore::of(jj).filter(|_| !is_root(from)) else {
        return Ok(None);
    };
    let answer = succeeded(store.ask(&store.folder, patch_between(from, to), &[])?)?;
    Ok(Some(answer.stdout().to_vec()))
}

/// See [`content::search`]; `None` where git cannot read the store.
pub(super) fn search_added(
    jj: &Jj,
    below: &[CommitId],
    commit: &CommitId,
    find: &dyn Fn(&[u8]) -> Option<String>,
) -> Result<Option<Vec<FoundIn>>, VcsError> {
    let Some(store) = GitStore::of(jj) else {
        return Ok(None);
    };
    let below: Vec<CommitId> = below.iter().filter(|at| !is_root(at)).cloned().collect();
    let ask = |command: Vec<OsString>, input: &[u8]| store.ask(&store.folder, command, input);
    content::search(&ask, &below, commit, find).map(Some)
}

/// Paths that differ between two commits without conflicts; `None` where git cannot read them.
pub(super) fn changes(
    jj: &Jj,
    from: &CommitId,
    to: &CommitId,
) -> Result<Option<Vec<Changed>>, VcsError> {
    let Some(store) = GitStore::of(jj).filter(|_| !is_root(from)) else {
        return Ok(None);
    };
    let answer = store.ask(&store.folder, changes_between(from, to), &[])?;
    succeeded(answer)?.parse(git_parse::changes).map(Some)
}

/// Those of `paths` that git does not find in `commit`, as a file or as a folder; `None` where git cannot read it.
pub(super) fn not_in_commit(
    jj: &Jj,
    commit: &CommitId,
    paths: &[PathBuf],
) -> Result<Option<Vec<PathBuf>>, VcsError> {
    let Some(store) = GitStore::of(jj) else {
        return Ok(None);
    };
    let answer = store.ask(&store.folder, entries(commit, paths), &[])?;
    let there: BTreeSet<PathBuf> = succeeded(answer)?
        .parse(git_parse::paths)?
        .into_iter()
        .collect();
    let missing = paths.iter().filter(|path| !there.contains(*path));
    Ok(Some(missing.cloned().collect()))
}

/// The git repository in which jj keeps its commits, asked by git.
pub(super) struct GitStore<'a> {
    git: &'a crate::call::Program,
    folder: PathBuf,
}

impl<'a> GitStore<'a> {
    /// `None` without git, or where jj keeps its commits otherwise.
    pub(super) fn of(jj: &'a Jj) -> Option<GitStore<'a>> {
        Some(GitStore {
            git: jj.git.as_ref()?,
            folder: git_folder(jj)?,
        })
    }

    pub(super) fn submodules(&self, jj: &'a Jj) -> Submodules<'_> {
        Submodules {
            git: self.git,
            main_root: &jj.main_root,
            store: &self.folder,
        }
    }

    fn ask(&self, at: &Path, command: Vec<OsString>, input: &[u8]) -> Result<Answer, VcsError> {
        let mut args = args!["--git-dir", &self.folder, "--work-tree", at];
        args.extend(command);
        settings::ask(self.git, at, args, Span::Long, &[], input)
    }

    /// Those of `paths` that are submodules in `commit`.
    pub(super) fn gitlinks<'p>(
        &self,
        commit: &CommitId,
        paths: impl Iterator<Item = &'p PathBuf>,
    ) -> Result<Vec<(PathBuf, CommitId)>, VcsError> {
        let paths: Vec<OsString> = paths.map(OsString::from).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = args!["ls-tree", "-z", "--full-tree", commit.as_str(), "--"];
        command.extend(paths);
        succeeded(self.ask(&self.folder, command, &[])?)?.parse(git_parse::gitlinks)
    }

    /// Those of `paths` that are ignored.
    pub(super) fn ignored(
        &self,
        workspace: &Path,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<Vec<PathBuf>, VcsError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = Vec::new();
        for path in paths {
            // `check-ignore` refuses literal pathspecs; behind `./` nothing is taken for a pattern.
            input.extend_from_slice(b"./");
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
        let mut args = args!["--no-literal-pathspecs", "check-ignore", "--no-index"];
        args.extend(args!["-z", "--stdin"]);
        let answer = self.ask(workspace, args, &input)?;
        let found = match answer.code() {
            Some(0 | 1) => answer.parse(git_parse::paths)?,
            _ => return Err(answer.failure()),
        };
        let plain = |path: &PathBuf| path.strip_prefix(".").unwrap_or(path).to_path_buf();
        Ok(found.iter().map(plain).collect())
    }
}
