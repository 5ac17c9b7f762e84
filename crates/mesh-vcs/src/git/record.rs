//! All that lies in a workspace, as a tree; and what of it git cannot record.
//!
//! One listing answers what has to be known before `git add`: conflicts, marks that would hide an edit, submodules, and
//! repositories of their own, of which `git add` would record a commit id that nobody else has. Submodules are kept out of its
//! hands as well: it asks for their state by running git in them.

use super::parse::{Listed, Listing};
use super::worktree::Tree;
use super::{Git, parse, settings};
use crate::call::{Span, args};
use crate::claim::holds_files;
use crate::error::VcsError;
use crate::folder::delete;
use crate::model::{CommitId, Unrecorded};
use crate::submodule::{Kept, Submodules};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A workspace's files as a tree.
pub(super) struct Recorded {
    pub tree: CommitId,
    /// Paths that were in conflict in the index.
    pub unmerged: Vec<PathBuf>,
    pub unrecorded: Vec<Unrecorded>,
    /// Submodules that are checked out and of which nothing is lost.
    pub kept: BTreeMap<PathBuf, Kept>,
}

/// Records all files that are not ignored. `start` is what the workspace stood on, `head` where the agent's `HEAD` is.
pub(super) fn record(
    tree: &Tree<'_>,
    start: &CommitId,
    head: &CommitId,
) -> Result<Recorded, VcsError> {
    let listed = list(tree, head)?;
    let mut recorded = Recorded {
        tree: start.clone(),
        unmerged: Vec::new(),
        unrecorded: Vec::new(),
        kept: BTreeMap::new(),
    };
    let mut gitlinks = Vec::new();
    let mut marked = Vec::new();
    let mut left_out = Vec::new();
    for one in listed {
        match one.state {
            Listing::Repository => {
                recorded.unrecorded.push(Unrecorded::repository(&one.path));
                left_out.push(one.path);
            }
            Listing::Unmerged => recorded.unmerged.push(one.path),
            Listing::Gitlink(commit) => gitlinks.push((one.path, commit)),
            Listing::File {
                taken_as_unchanged: true,
            } => marked.push(one.path),
            Listing::New | Listing::File { .. } => {}
        }
    }
    recorded.unmerged.dedup();
    if !gitlinks.is_empty() {
        left_out.extend(settle(tree, start, &gitlinks, &mut recorded)?);
    }
    if !marked.is_empty() {
        let command = args!["update-index", "--no-assume-unchanged", "-z", "--stdin"];
        tree.run_with_input(command, &nul_ended(&marked))?;
    }
    recorded.unrecorded.extend(add(tree, &mut left_out)?);
    recorded.tree = tree.run(args!["write-tree"])?.parse(parse::one_commit)?;
    Ok(recorded)
}

/// All of the index, and what is new. An index that cannot be used is rebuilt from `head`.
fn list(tree: &Tree<'_>, head: &CommitId) -> Result<Vec<Listed>, VcsError> {
    let ask = || {
        let command = args![
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--stage",
            "-v",
            "-z"
        ];
        tree.run(command)
    };
    let answer = match ask() {
        Err(VcsError::Failed { .. }) => {
            delete(&tree.administrative.join("index"))?;
            tree.run(args!["read-tree", head.as_str()])?;
            ask()?
        }
        answer => answer?,
    };
    answer.parse(parse::listing)
}

/// Brings the submodules in the index to what is checked out, as far as that is kept, and takes out what is none. The paths that
/// come back are not to be added.
fn settle(
    tree: &Tree<'_>,
    start: &CommitId,
    gitlinks: &[(PathBuf, CommitId)],
    recorded: &mut Recorded,
) -> Result<Vec<PathBuf>, VcsError> {
    let (git, at) = (tree.git, tree.at);
    let submodules = git.submodules();
    let mut command = args!["ls-tree", "-z", "--full-tree", start.as_str(), "--"];
    command.extend(gitlinks.iter().map(|(path, _)| OsString::from(path)));
    let before: BTreeMap<PathBuf, CommitId> = git
        .run(command)?
        .parse(parse::gitlinks)?
        .into_iter()
        .collect();
    let registered = submodules.registered(at)?;
    let mut left_out = Vec::new();
    let mut updates = Vec::new();
    for (path, in_index) in gitlinks {
        let name = registered.get(path);
        let elsewhere =
            |commit: &CommitId| submodules.user_has(path, name.map(String::as_str), commit);
        let folder = at.join(path);
        if !before.contains_key(path) && name.is_none() {
            // What an agent committed by `git add` of a repository of its own. What lies there is recorded if it is none any more.
            updates.push((None, path));
            if folder.join(".git").exists() {
                recorded.unrecorded.push(Unrecorded::repository(path));
                left_out.push(path.clone());
            }
        } else if folder.join(".git").exists() {
            left_out.push(path.clone());
            let stands = |git_dir: &Path, head: &CommitId| {
                if before.get(path) == Some(head) || elsewhere(head) {
                    return Ok(true);
                }
                submodules.remote_has(at, git_dir, head).map(|()| false)
            };
            match submodules.look(at, path, &stands)? {
                Ok(kept) => {
                    if kept.head != *in_index {
                        updates.push((Some(kept.head.clone()), path));
                    }
                    recorded.kept.insert(path.clone(), kept);
                }
                Err(lost) => recorded.unrecorded.push(lost),
            }
        } else if before.get(path) != Some(in_index) && !elsewhere(in_index) {
            recorded.unrecorded.push(Unrecorded {
                path: path.clone(),
                why: format!(
                    "is a submodule on commit {}, which is not in your repository",
                    in_index.short()
                ),
            });
        } else if holds_files(&folder) {
            recorded.unrecorded.push(Unrecorded {
                path: path.clone(),
                why: "is a submodule that is not checked out, and has files all the same"
                    .to_owned(),
            });
        }
    }
    if !updates.is_empty() {
        let mut input = Vec::new();
        for (commit, path) in updates {
            let entry = match commit {
                Some(commit) => format!("160000 {commit}\t"),
                None => format!("0 {}\t", "0".repeat(start.as_str().len())),
            };
            input.extend_from_slice(entry.as_bytes());
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
        tree.run_with_input(args!["update-index", "-z", "--index-info"], &input)?;
    }
    Ok(left_out)
}

fn nul_ended(paths: &[PathBuf]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// `git add` of all but `left_out`. A file that cannot be read, or has a name that git refuses, is left out and said; anything
/// else that goes wrong is an error, so that nothing is missing without a word.
fn add(tree: &Tree<'_>, left_out: &mut Vec<PathBuf>) -> Result<Vec<Unrecorded>, VcsError> {
    let first = tree.ask(add_command(left_out, false), Span::Long, &[])?;
    if first.output.status.is_success() {
        return Ok(closed_folders(first.output.stderr.as_slice()));
    }
    let all = tree.ask(add_command(left_out, true), Span::Long, &[])?;
    let faults = faults(&all.output.stderr);
    if faults.is_empty() {
        return Err(first.failure());
    }
    left_out.extend(faults.iter().map(|fault| fault.path.clone()));
    let rest = super::succeeded(tree.ask(add_command(left_out, false), Span::Long, &[])?)?;
    let mut unrecorded = faults;
    unrecorded.extend(closed_folders(&rest.output.stderr));
    Ok(unrecorded)
}

fn add_command(left_out: &[PathBuf], past_errors: bool) -> Vec<OsString> {
    let mut command = args![
        "-c",
        settings::LOOK_AT_SPARSE,
        "--no-literal-pathspecs",
        "add",
        "--all",
        "--sparse"
    ];
    if past_errors {
        command.push("--ignore-errors".into());
    }
    command.extend(args!["--", ":/"]);
    for path in left_out {
        let mut pattern = b":(exclude,top,literal)".to_vec();
        pattern.extend_from_slice(path.as_os_str().as_bytes());
        command.push(OsString::from_vec(pattern));
    }
    command
}

/// Files that `git add` could not take for a reason that lies in themselves (texts of 2.39 to 2.50).
fn faults(stderr: &[u8]) -> Vec<Unrecorded> {
    said(
        stderr,
        &[
            (
                b"error: open(\"",
                b"\"): Permission denied",
                "cannot be read: permission denied",
            ),
            (
                b"error: invalid path '",
                b"'",
                "has a name that git does not allow",
            ),
        ],
    )
}

/// Folders that git passed over with a warning.
fn closed_folders(stderr: &[u8]) -> Vec<Unrecorded> {
    said(
        stderr,
        &[(
            b"warning: could not open directory '",
            b"': Permission denied",
            "cannot be read: permission denied",
        )],
    )
}

fn said(stderr: &[u8], forms: &[(&[u8], &[u8], &str)]) -> Vec<Unrecorded> {
    let mut all = BTreeSet::new();
    for line in stderr.split(|b| *b == b'\n') {
        for (before, after, why) in forms {
            let path = line
                .strip_prefix(*before)
                .and_then(|rest| rest.strip_suffix(*after));
            if let Some(path) = path {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                all.insert(Unrecorded {
                    path: PathBuf::from(OsString::from_vec(path.to_vec())),
                    why: (*why).to_owned(),
                });
            }
        }
    }
    all.into_iter().collect()
}

impl Git {
    pub(super) fn submodules(&self) -> Submodules<'_> {
        Submodules {
            git: &self.program,
            main_root: &self.main_root,
            store: &self.store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_could_not_take_is_found_in_its_words() {
        let stderr = b"warning: x\nerror: open(\"a \"b\"): Permission denied\nerror: unable to index file 'a \"b'\n\
            error: invalid path 'git~1'\nerror: open(\"c\"): No space left on device\nfatal: adding files failed\n";
        let found: Vec<String> = faults(stderr).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "a \"b cannot be read: permission denied",
                "git~1 has a name that git does not allow"
            ]
        );
        let found =
            closed_folders(b"warning: could not open directory 'd/e/': Permission denied\n");
        assert_eq!(found[0].path, Path::new("d/e"));
    }
}
