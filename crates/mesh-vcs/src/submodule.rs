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
use std::ffi::{OsStr, OsString};
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

/// How it stands with the commit that is checked out in the repository with a git folder: `Ok` when it is kept, `true` if all
/// submodules that it names are kept with it; else the end of a sentence that begins with the commit.
pub(crate) type Stands<'a> = dyn Fn(&Path, &CommitId) -> Result<bool, String> + 'a;

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

    /// Looks at the submodule that is checked out at `path` in the workspace. It is kept when it has no changes and stands on a commit
    /// that `stands` lets pass, and so do all submodules in it.
    pub fn look(
        &self,
        workspace: &Path,
        path: &Path,
        stands: &Stands<'_>,
    ) -> Result<Result<Kept, Unrecorded>, VcsError> {
        self.look_at(workspace, path, stands, 0)
    }

    fn look_at(
        &self,
        workspace: &Path,
        path: &Path,
        stands: &Stands<'_>,
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
        let with_all = match stands(&git_dir, &head) {
            Ok(with_all) => with_all,
            Err(why) => {
                return lost(format!(
                    "is a submodule on commit {}, which {why}",
                    head.short()
                ));
            }
        };
        for (inner, commit) in self.inner(&git_dir, &folder)? {
            let at = path.join(&inner);
            if !workspace.join(&at).join(".git").exists() {
                continue;
            }
            let stands = |git_dir: &Path, head: &CommitId| match *head == commit {
                true if with_all => Ok(true),
                true => self.remote_has(workspace, git_dir, head).map(|()| false),
                false => Err("the commit of the repository around it does not name".to_owned()),
            };
            let looked = self.look_at(workspace, &at, &stands, depth + 1)?;
            if let Err(unrecorded) = looked {
                return Ok(Err(unrecorded));
            }
        }
        Ok(Ok(Kept { head, git_dir }))
    }

    /// Whether a remote of the submodule with the git folder `git_dir` has `commit`; else how it stands with it. An agent can write
    /// the refs in which git notes what remotes have, so the remote itself is asked, and not one that goes with the workspace.
    pub fn remote_has(
        &self,
        workspace: &Path,
        git_dir: &Path,
        commit: &CommitId,
    ) -> Result<(), String> {
        let noted = args![
            "--git-dir",
            git_dir,
            "for-each-ref",
            "--format=%(refname:strip=2)",
            "--contains",
            commit.as_str(),
            "refs/remotes/"
        ];
        let noted = self.output(noted, &[], &[]).unwrap_or_default();
        let listed = self.output(guard::list_file(&git_dir.join("config")), &[], &[]);
        let settings = parse::config(listed.unwrap_or_default().as_bytes()).unwrap_or_default();
        let mut why = "is in this workspace alone".to_owned();
        for (name, url) in settings {
            let remote = name
                .strip_prefix("remote.")
                .and_then(|name| name.strip_suffix(".url"));
            let Some(remote) = remote.filter(|_| !self.goes_with(workspace, &url)) else {
                continue;
            };
            let is_noted = |line: &str| {
                let branch = line.strip_prefix(remote);
                branch.is_some_and(|branch| branch.starts_with('/'))
            };
            if !noted.lines().any(is_noted) {
                continue;
            }
            match self.is_advertised(git_dir, &url, commit) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(reason) => {
                    why = format!(
                        "is not known to be anywhere else: the remote {remote} could not be asked: {reason}"
                    );
                }
            }
        }
        Err(why)
    }

    /// Whether the repository at `url` is deleted together with the workspace: it lies beside or in one, or in git's folder of one.
    fn goes_with(&self, workspace: &Path, url: &str) -> bool {
        let path = Path::new(url.strip_prefix("file://").unwrap_or(url));
        let with = [
            workspace.parent().map(Path::to_path_buf),
            Some(self.store.join("worktrees")),
        ];
        path.canonicalize().is_ok_and(|path| {
            let mut with = with.iter().flatten();
            with.any(|folder| path.starts_with(folder.canonicalize().as_ref().unwrap_or(folder)))
        })
    }

    /// Whether a ref of the repository at `url` is at `commit`, or at a later one that is known here.
    fn is_advertised(&self, git_dir: &Path, url: &str, commit: &CommitId) -> Result<bool, String> {
        let is_scheme = url.contains("://");
        let is_host = url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/'));
        if !is_scheme && !is_host && !Path::new(url).is_absolute() {
            return Err("its address is a relative path".to_owned());
        }
        let no = OsStr::new("false");
        // Transports that run what the address says are not there, and nobody is asked for a password.
        let quiet = [
            ("GIT_ALLOW_PROTOCOL", OsStr::new("file:git:http:https:ssh")),
            ("GIT_ASKPASS", no),
            ("SSH_ASKPASS", no),
            ("SSH_ASKPASS_REQUIRE", OsStr::new("force")),
            ("GCM_INTERACTIVE", OsStr::new("never")),
        ];
        let tips = self.output(args!["ls-remote", "--quiet", "--", url], &quiet, &[])?;
        let tips = tips.lines().filter_map(|line| line.split_once('\t'));
        let mut wanted = format!("{commit}\n");
        for (tip, _) in tips {
            if tip == commit.as_str() {
                return Ok(true);
            }
            wanted.push_str(&format!("^{tip}\n"));
        }
        let command = args![
            "--git-dir",
            git_dir,
            "rev-list",
            "--ignore-missing",
            "--max-count=1",
            "--stdin"
        ];
        // What an agent noted of parents that commits do not have counts for nothing.
        let as_made = [
            ("GIT_NO_REPLACE_OBJECTS", OsStr::new("1")),
            ("GIT_GRAFT_FILE", OsStr::new("/dev/null")),
        ];
        let left = self.output(command, &as_made, wanted.as_bytes())?;
        Ok(left.is_empty())
    }

    /// What a call writes, or why there is nothing: in git's own words, which do not show an address with its password.
    fn output(
        &self,
        command: Vec<OsString>,
        extra: &[(&str, &OsStr)],
        input: &[u8],
    ) -> Result<String, String> {
        match settings::ask(self.git, self.main_root, command, Span::Short, extra, input) {
            Ok(answer) if answer.output.status.is_success() => Ok(answer.stdout_text()),
            Ok(answer) => {
                let said = answer.stderr();
                let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
                Err(lines.next().unwrap_or("git said nothing").to_owned())
            }
            Err(VcsError::TimedOut { after, .. }) => {
                Err(format!("no answer within {} s", after.as_secs()))
            }
            Err(VcsError::NotRun { reason, .. }) => Err(reason),
            Err(VcsError::Flooded { .. }) => Err("the answer is too long".to_owned()),
            Err(error) => Err(error.to_string()),
        }
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
