//! Repositories inside a workspace: whether what is checked out in a submodule is kept by anything but the workspace.
//!
//! What lies there was made by an agent, its configuration too, and a filter that is set there would be run by `git status`. So
//! the configuration is read first, and git looks at the files only where nothing is set that could run.

use crate::call::{Answer, Program, Span, args};
use crate::error::VcsError;
use crate::git::guard;
use crate::git::{parse, settings};
use crate::model::{CommitId, Unrecorded};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How many changed paths of a submodule are named.
const NAMED: usize = 3;
/// How deep submodules of submodules are looked at.
const DEEPEST: usize = 16;

/// Looks into submodules by git.
pub(crate) struct Submodules<'a> {
    pub git: &'a Program,
    /// The user's main working copy.
    pub main_root: &'a Path,
    /// The user's git folder.
    pub store: &'a Path,
}

/// A checked-out submodule of which nothing would be lost.
#[derive(Debug)]
pub(crate) struct Kept {
    pub head: CommitId,
    git_dir: PathBuf,
}

/// The git folder of the repository at `folder`, if there is one.
pub(crate) fn git_dir_of(folder: &Path) -> Option<PathBuf> {
    let dot_git = folder.join(".git");
    if dot_git.is_dir() {
        return dot_git.canonicalize().ok();
    }
    let link = fs_err::read_to_string(&dot_git).ok()?;
    let target = link.trim_end().strip_prefix("gitdir: ")?;
    folder.join(target).canonicalize().ok()
}

impl Submodules<'_> {
    fn ask(&self, at: &Path, command: Vec<OsString>) -> Result<Answer, VcsError> {
        settings::ask(self.git, at, command, Span::Long, &[], &[])
    }

    fn ask_in(
        &self,
        git_dir: &Path,
        tree: &Path,
        command: Vec<OsString>,
    ) -> Result<Answer, VcsError> {
        let mut args = args!["--git-dir", git_dir, "--work-tree", tree];
        args.extend(command);
        self.ask(tree, args)
    }

    /// The names of the submodules that `.gitmodules` in `tree` registers, by their paths.
    pub fn registered(&self, tree: &Path) -> Result<BTreeMap<PathBuf, String>, VcsError> {
        if !tree.join(".gitmodules").is_file() {
            return Ok(BTreeMap::new());
        }
        let command = args![
            "config",
            "--file",
            tree.join(".gitmodules"),
            "--null",
            "--list"
        ];
        let answer = self.ask(tree, command)?;
        // A file that an agent broke registers nothing.
        Ok(if answer.output.status.is_success() {
            parse::submodules(answer.stdout())
        } else {
            BTreeMap::new()
        })
    }

    /// Whether `commit` is kept by a ref of the user's own checkout of the submodule at `path`.
    pub fn user_has(&self, path: &Path, name: Option<&str>, commit: &CommitId) -> bool {
        let modules = self.store.join("modules");
        let mut places = vec![
            git_dir_of(&self.main_root.join(path)),
            Some(modules.join(path)),
        ];
        places.push(name.map(|name| modules.join(name)));
        let mut places: Vec<PathBuf> = places
            .into_iter()
            .flatten()
            .filter(|place| place.join("objects").is_dir())
            .collect();
        places.dedup();
        places.iter().any(|place| {
            let command = args![
                "--git-dir",
                place,
                "rev-list",
                "--max-count=1",
                commit.as_str(),
                "--not",
                "--all"
            ];
            self.ask(self.main_root, command)
                .is_ok_and(|answer| answer.output.status.is_success() && answer.stdout().is_empty())
        })
    }

    /// Looks at the submodule that is checked out at `path` in the workspace. It is kept when it has no changes and stands, as all
    /// submodules in it do, on the commit that is expected, or one that `elsewhere` says is kept.
    pub fn look(
        &self,
        workspace: &Path,
        path: &Path,
        expected: Option<&CommitId>,
        elsewhere: &dyn Fn(&CommitId) -> bool,
    ) -> Result<Result<Kept, Unrecorded>, VcsError> {
        self.look_at(workspace, path, expected, elsewhere, 0)
    }

    fn look_at(
        &self,
        workspace: &Path,
        path: &Path,
        expected: Option<&CommitId>,
        elsewhere: &dyn Fn(&CommitId) -> bool,
        depth: usize,
    ) -> Result<Result<Kept, Unrecorded>, VcsError> {
        let folder = workspace.join(path);
        let lost = |why: String| {
            Ok(Err(Unrecorded {
                path: path.to_path_buf(),
                why,
            }))
        };
        let Some(git_dir) = git_dir_of(&folder).filter(|_| depth < DEEPEST) else {
            return lost("is a submodule whose repository cannot be found".to_owned());
        };
        if let Some(setting) = self.foreign_setting(&git_dir)? {
            return lost(format!(
                "is a submodule with a configuration of its own ({setting}), so mesh did not look into it"
            ));
        }
        let command = args![
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=normal",
            "--ignore-submodules=all",
            "--no-renames"
        ];
        let answer = self.ask_in(&git_dir, &folder, command)?;
        if !answer.output.status.is_success() {
            return lost("is a submodule that git cannot read".to_owned());
        }
        let state = answer.parse(parse::submodule_state)?;
        let Some(head) = state.head else {
            return lost("is a submodule without a commit".to_owned());
        };
        if let Some(changed) = shown(&state.changed) {
            return lost(format!(
                "is a submodule with changes that are in no commit: {changed}"
            ));
        }
        if expected != Some(&head) && !elsewhere(&head) {
            return lost(format!(
                "is a submodule on commit {}, which is in this workspace alone",
                head.short()
            ));
        }
        for (inner, commit) in self.inner(&git_dir, &folder)? {
            let at = path.join(&inner);
            if !workspace.join(&at).join(".git").exists() {
                continue;
            }
            let looked = self.look_at(workspace, &at, Some(&commit), &|_| false, depth + 1)?;
            if let Err(unrecorded) = looked {
                return Ok(Err(unrecorded));
            }
        }
        Ok(Ok(Kept { head, git_dir }))
    }

    /// Those of the paths in submodules that their commits do not hold, relative to the workspace.
    pub fn missing(
        &self,
        workspace: &Path,
        kept: &BTreeMap<PathBuf, Kept>,
        inside: BTreeMap<PathBuf, Vec<PathBuf>>,
    ) -> Result<Vec<PathBuf>, VcsError> {
        let mut missing = Vec::new();
        for (path, rests) in inside {
            let Some(one) = kept.get(&path) else {
                continue;
            };
            let mut command = args!["ls-tree", "-z", "--name-only", one.head.as_str(), "--"];
            command.extend(rests.iter().map(OsString::from));
            let answer = self.ask_in(&one.git_dir, &workspace.join(&path), command)?;
            let there = super::git::succeeded(answer)?.parse(parse::paths)?;
            let lost = rests.iter().filter(|rest| !there.contains(rest));
            missing.extend(lost.map(|rest| path.join(rest)));
        }
        Ok(missing)
    }

    /// A setting in the repository's own configuration that could run something or change what git says.
    fn foreign_setting(&self, git_dir: &Path) -> Result<Option<String>, VcsError> {
        if git_dir.join("config.worktree").exists() {
            return Ok(Some("config.worktree".to_owned()));
        }
        let config = git_dir.join("config");
        let answer = self.ask(git_dir, guard::list_file(&config))?;
        if !answer.output.status.is_success() {
            return Ok(Some("a file that git cannot read".to_owned()));
        }
        let entries = answer.parse(parse::config)?;
        Ok(entries
            .into_iter()
            .map(|(name, _)| name)
            .find(|name| !guard::is_ordinary(name)))
    }

    /// The submodules of a submodule, with the commits that its own commit names.
    fn inner(&self, git_dir: &Path, folder: &Path) -> Result<Vec<(PathBuf, CommitId)>, VcsError> {
        if !folder.join(".gitmodules").is_file() {
            return Ok(Vec::new());
        }
        let answer = self.ask_in(git_dir, folder, args!["ls-tree", "-r", "-z", "HEAD"])?;
        super::git::succeeded(answer)?.parse(parse::gitlinks)
    }
}

fn shown(paths: &[PathBuf]) -> Option<String> {
    if paths.is_empty() {
        return None;
    }
    let named: Vec<String> = paths
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string())
        .collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("{}{more}", named.join(", ")))
}
